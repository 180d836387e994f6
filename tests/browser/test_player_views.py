"""Images, points and choices under the playhead, in a real browser, drawn from real figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.views_page import COLUMN, LAST, LINES, THREE, Views


@pytest.fixture(scope="session")
def views_url(plain_url: str) -> str:
    """Address of a page with images, points and choices."""
    return f"{plain_url}/views"


@pytest.fixture
def views(page: Any, views_url: str) -> Views:
    """The player at its first frame."""
    return Views(page, views_url)


def test_images_follow_the_playhead(views: Views) -> None:
    """Tones are those of the look at or before the playhead; the inputs stay."""
    first, second = views.cells(1)[0], views.cells(2)[0]
    inputs = views.cells(0)[0]
    views.away()
    shades = []
    for frame in (0, 1, 2, 30, LAST):
        views.go(frame)
        shades.append([views.pixel("reconstructions", cell) for cell in (first, second, inputs)])
    assert shades[0] == shades[1], "between two looks nothing moves"
    for line in (0, 1):
        reds = [shade[line][0] for shade in shades[1:]]
        assert reds == sorted(reds, reverse=True), "ink is darker than paper in a light room"
        assert len(set(reds)) == 4
    assert shades[-1][0][0] < shades[-1][1][0], "each line shows its own entrant"
    assert len({tuple(shade[2]) for shade in shades}) == 1
    views.go(0)
    assert views.pixel("reconstructions", first) == shades[0][0]
    assert views.page.errors == []


def test_dark_room_has_light_ink(new_page: Callable[..., Any], views_url: str) -> None:
    """The data's high values are ink in either room, and the points change their colours."""
    views = Views(new_page(color_scheme="dark"), views_url)
    assert views.root.get_attribute("data-theme") == "dark"
    cell = views.cells(1)[0]
    views.away()
    views.go(0)
    empty = views.pixel("reconstructions", cell)
    views.go(LAST)
    assert views.pixel("reconstructions", cell)[0] > empty[0] + 60
    assert views.ink("codes", THREE["dark"])["count"] > 50
    assert views.ink("codes", THREE["light"])["count"] == 0
    assert views.page.errors == []


def test_photographs_are_never_negatives(views: Views, views_url: str) -> None:
    """Where the inputs are bright, 255 is white in the light room as well."""
    cell = views.cells(0)[0]
    views.away()
    assert views.pixel("reconstructions", cell)[0] > 200, "the ground of an ink drawing"
    photo = Views(views.page, f"{views_url}?photo=1")
    cell = photo.cells(1)[0]
    photo.away()
    tones = []
    for frame in (0, LAST):
        photo.go(frame)
        tones.append(photo.pixel("reconstructions", cell)[0])
    assert tones[0] < 10
    assert tones[1] == pytest.approx(200, abs=3)


def test_pointing_at_an_image_tells_its_error(views: Views) -> None:
    """The error is the one at the playhead, computed here from the page's own tones."""
    cells = views.cells(1)
    assert [c["tip"].split(":")[0] for c in cells] == [f"K-BFGS, image {k}" for k in (1, 2, 3)]
    box = views.box("reconstructions")
    views.page.mouse.move(box["x"] + cells[1]["x"], box["y"] + cells[1]["y"])
    views.go(20)  # look 10: tone 100; two of sixteen pixels of the input are 255
    error = (14 * 100**2 + 2 * 155**2) / 255**2
    assert views.tip() == f"K-BFGS, image 2: squared error {error:.3g}"
    views.away()
    assert views.tip() == ""


def test_hidden_entrants_leave_the_strip(views: Views) -> None:
    """The others keep their line and their images."""
    assert {c["tip"].split(",")[0] for c in views.cells(1)} == {"K-BFGS"}
    views.page.get_by_role("button", name="K-BFGS").click()
    assert {c["tip"].split(",")[0] for c in views.cells(1)} == {"Adam"}
    views.page.get_by_role("button", name="Adam").click()
    with pytest.raises(AssertionError, match="no line 1"):
        views.line_middle(1)


def test_more_entrants_than_fit_are_counted(page: Any, views_url: str) -> None:
    """Twenty-four lines do not fit a low window: those left out are counted in words."""
    page.set_viewport_size({"width": 1280, "height": 640})
    views = Views(page, f"{views_url}?entrants=24")
    plan = page.evaluate("""() => new Promise((done) => {
      const proto = CanvasRenderingContext2D.prototype, before = proto.fillText, texts = [];
      proto.fillText = function (text, ...rest) {
        texts.push(text);
        return before.call(this, text, ...rest);
      };
      const slider = document.querySelector('.qnviz-slider');
      slider.value = 20;
      slider.dispatchEvent(new Event('input'));
      proto.fillText = before;
      done(texts);
    })""")
    more = [t for t in plan if t.startswith("… and")]
    assert len(more) == 1
    names = [t for t in plan if t.startswith(("K-BFGS", "Adam"))]
    assert int(more[0].split()[2]) + len(names) == 24
    assert views.page.errors == []


@pytest.mark.parametrize("ratio", [1, 2])
def test_cells_are_crisp(new_page: Callable[..., Any], views_url: str, ratio: int) -> None:
    """An image's edge is one step from tone to ground, also where pixels are small."""
    views = Views(new_page(device_scale_factor=ratio), views_url)
    canvas = views.page.locator("[data-panel=reconstructions] canvas.qnviz-canvas")
    size = canvas.evaluate("(c) => [c.width, c.clientWidth]")
    assert size[0] == pytest.approx(ratio * size[1], abs=1)
    middle = views.cells(1)[0]
    views.away()
    views.go(LAST)
    across = canvas.evaluate("""(c, [x, y]) => {
      const r = c.width / c.clientWidth;
      const row = c.getContext('2d').getImageData(0, Math.round(y * r), c.width, 1).data;
      return Array.from({length: c.width}, (_, i) => row[4 * i + 3] ? row[4 * i] : -1)
        .slice(Math.round(x * r) - 4);
    }""", [middle["x"], middle["y"]])
    tone = across[4]
    assert set(across) == {tone, -1}, "tone or nothing, and nothing between"


def test_points_stand_at_the_latest_look(views: Views) -> None:
    """The cloud moves with the playhead, on the axes below it."""
    area = views.page.locator("[data-panel=codes] .nsewdrag").bounding_box()
    low, high = views.page.evaluate(
        "document.querySelector('[data-panel=codes] .qnviz-plot')._fullLayout.xaxis.range")
    for frame in (0, 20, 21, LAST):
        views.go(frame)
        ink = views.ink("codes", THREE["light"])
        assert ink["count"] > 50
        there = area["x"] - views.box("codes")["x"]
        across = there + (frame // 2 - low) / (high - low) * area["width"]
        assert ink["x"] == pytest.approx(across, abs=2.5), "a digit's ink is off its middle"
    assert views.page.errors == []


def test_choice_by_keyboard_leaves_the_playhead(views: Views) -> None:
    """Arrows in the selector choose, at once and without the server, and the playhead stays."""
    views.go(30)
    right = views.ink("codes", THREE["light"])["x"]
    assert views.title("codes").startswith("K-BFGS:")
    select = views.choice("codes")
    assert select.evaluate("(s) => [...s.options].map((o) => o.text)") == ["K-BFGS", "Adam"]
    select.focus()
    views.page.keyboard.press("ArrowDown")
    assert views.title("codes").startswith("Adam:")
    assert "Adam" in views.page.locator("[data-panel=codes]").get_attribute("aria-label")
    views.page.wait_for_timeout(100)
    assert views.ink("codes", THREE["light"])["x"] < right - 20
    for key in ("Home", "End", " "):
        views.page.keyboard.press(key)
    views.page.keyboard.press("Escape")
    assert views.frame == 30
    assert views.root.get_attribute("data-playing") == "false"
    assert views.page.errors == []


def test_choice_survives_new_data_and_a_legend_click(views: Views) -> None:
    """The chosen factor stays chosen while its label exists; hiding hides the chosen figure's."""
    assert views.choice("reconstructions").count() == 0, "no selector without a choice"
    assert [name for name, _ in views.page.evaluate(LINES, "factors")][0] == "min"
    views.choice("factors").select_option(label="Adam · layer 1")
    title = views.title("factors")
    assert title == "H_g 2 … 8, H_a 20 … 80 (Adam, layer 1)"
    kept = views.choice("factors").element_handle()
    views.page.get_by_text("other", exact=True).click()
    views.page.wait_for_selector("[data-qnviz-player][data-ready=true][data-id='data-True']")
    assert views.title("factors") == title
    assert kept.evaluate("(s) => s.isConnected && s.selectedOptions[0].text") == (
        "Adam · layer 1")
    assert {owner for _, owner in views.page.evaluate(LINES, "factors")} == {1}
    views.page.get_by_role("button", name="Adam").click()
    assert views.page.evaluate(LINES, "factors") == []
    views.choice("factors").select_option(label="K-BFGS · layer 1")
    assert {owner for _, owner in views.page.evaluate(LINES, "factors")} == {0}
    assert views.page.errors == []


def test_a_second_axis_has_its_own_heads_and_the_cursor_spans_both(views: Views) -> None:
    """H_g's median is drawn in the upper part, H_a's in the lower, each on its line."""
    axes = views.page.evaluate("""() => {
      const plot = document.querySelector('[data-panel=factors] .qnviz-plot');
      const {yaxis, yaxis2} = plot._fullLayout;
      return [yaxis, yaxis2].map((a, k) => [a._offset, a._length, a.l2p(Math.log10([2, 20][k]))]);
    }""")
    views.go(20)
    ink = views.page.evaluate(COLUMN, ["factors", [0, 0x72, 0xB2]])
    for offset, length, place in axes:
        inside = [y for y in ink["inked"] if offset - 8 <= y <= offset + length + 8]
        assert sum(inside) / len(inside) == pytest.approx(offset + place, abs=1.5)
    assert ink["top"] == pytest.approx(axes[0][0], abs=2)
    assert ink["bottom"] == pytest.approx(axes[1][0] + axes[1][1], abs=2)
