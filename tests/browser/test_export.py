"""What is taken home, in a real browser: the page without a network, and the Export tab."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qnviz.export.html import player_html
from qnviz.export.pictures import RENDERER, picture
from qnviz.figures.packing import unpacked
from qnviz.figures.player import linked
from qnviz.figures.playhead import Playhead
from qnviz.figures.race import RaceView
from qnviz.numbers import say
from qnviz.runs.loop import run
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace
from qnviz.sweeps.sweeping import sweep
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.ui.maps.page import _saved
from tests.browser.conftest import _chromium
from tests.browser.player_page import Race
from tests.browser.views_page import Views

ASSETS = Path(__file__).resolve().parents[2] / "assets"
SPOKEN = """() => [...document.querySelectorAll('.qnviz-words tbody tr')].map((row) => [
  row.querySelector('.qnviz-name').textContent, row.querySelector('.qnviz-loss').textContent,
  row.querySelector('.qnviz-sentence span').textContent])"""
DRAWN = "() => document.querySelector('[data-panel=reconstructions] canvas').toDataURL()"
# frames at which the playhead stands at the next 20 repaints, which follow its own tick
REPAINTS = """() => new Promise((done) => {
  const [root, seen] = [document.querySelector('[data-qnviz-player]'), []];
  const look = () => {
    seen.push(+root.dataset.frame);
    if (seen.length < 20) requestAnimationFrame(look);
    else done(seen);
  };
  requestAnimationFrame(look);
})"""


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of two shipped runs, on the disk."""
    folder = tmp_path_factory.mktemp("export")
    found = {name: folder / f"{name}.html" for name in ("home", "autoencoder")}
    for name, path in found.items():
        path.write_text(player_html(Trace.load(ASSETS / f"{name}.npz")), encoding="utf-8")
    return found


@pytest.fixture
def cut_off(new_page: Callable[..., Any]) -> Callable[..., Any]:
    """Pages without a network; ``page.asked`` collects what they ask for nevertheless."""
    def start(**options: Any) -> Any:
        page = new_page(alone=True, **options)
        page.context.set_offline(True)
        page.asked = []

        def refuse(route: Any) -> None:
            page.asked.append(route.request.url)
            route.abort()

        page.context.route(lambda url: not url.startswith("file:"), refuse)
        page.on("request", lambda r: page.asked.append(r.url) if r.url.count(".html") != 1 else 0)
        return page
    return start


def test_a_race_plays_steps_and_speaks_without_a_network(
        cut_off: Callable[..., Any], files: dict[str, Path]) -> None:
    """It plays at once, draws a new frame at every repaint, and says what the run recorded."""
    page = cut_off(reduced_motion="no-preference")
    race = Race(page, files["home"].as_uri())
    race.wait_frame(2)
    assert race.playing
    race.press(" ")
    assert not race.playing
    race.press("Home")
    page.get_by_label("Speed").select_option("2")          # 100 of its frames a second
    page.get_by_role("button", name="Play").click()
    seen = page.evaluate(REPAINTS)
    assert sorted(set(seen)) == seen, "a new frame at every repaint"
    page.get_by_role("button", name="Pause").click()
    assert race.press("Home", "ArrowRight", "ArrowRight", "ArrowLeft") == 1
    assert race.press("Shift+ArrowRight") == 11
    assert race.press("End") == 300

    data = linked(RaceView(Trace.load(ASSETS / "home.npz")))
    for frame in (0, 40, 120, 300):
        race.slider.evaluate(
            "(s, v) => { s.value = v; s.dispatchEvent(new Event('input')); }", str(frame))
        head = Playhead.at(data, frame)
        expected = []
        for i, e in enumerate(data["entrants"]):
            at, last = head.index(i), len(head.clocks[i]) - 1
            words = e["end"] if at == last and e["end"] else e["words"][at]
            expected.append([e["title"], say(float(unpacked(e["loss"])[at])), words])
        assert page.evaluate(SPOKEN) == expected
    assert page.errors == []
    assert page.asked == []


def test_a_file_computes_on_and_keeps_its_state_in_its_address(
        files: dict[str, Path], cut_off: Callable[..., Any]) -> None:
    """Start and settings follow the hand; a changed file can be linked and reloaded."""
    page = cut_off()
    race = Race(page, files["home"].as_uri() + "#start=-1,2&K-BFGS.lr=0.05&Adam.lr=-1&of=2")
    page.wait_for_selector("[data-live=true]")
    assert page.locator("#refused").inner_text() == (
        "Adam.lr is “-1”. lr must be a number, 0 < lr ≤ 10. of is no setting of this run.")
    home = parse(Trace.load(ASSETS / "home.npz").spec)
    changed = [m.model_copy(update={"lr": 0.05}) if m.entrant == "K-BFGS" else m
               for m in home.methods]
    trace = run(home.model_copy(update={
        "problem": home.problem.model_copy(update={"start": (-1.0, 2.0)}),
        "methods": tuple(changed)}))
    race.press("Home", *["Shift+ArrowRight"] * 3)      # to step 30: later, roundings have grown
    losses = [say(float(trace[m.entrant]["loss"][30, 0])) for m in home.methods]
    page.wait_for_function(f"(losses) => ({SPOKEN})().map((row) => row[1]).join() === losses",
                           arg=",".join(losses))

    start = page.get_by_role("slider", name="Start of the run")
    start.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('start=-0.98,2')")
    page.reload()
    page.wait_for_selector("[data-live=true]")
    assert start.get_attribute("aria-valuetext") == "(−0.98, 2)"
    page.get_by_role("button", name="Dark").click()
    page.wait_for_selector("[data-qnviz-player][data-theme=dark][data-ready=true][data-live=true]")
    page.get_by_role("button", name="Back to that run").click()
    page.wait_for_selector("[data-live=false]")
    assert page.evaluate("location.hash") == ""
    assert start.get_attribute("aria-valuetext") == "(−1.2, 1)"
    assert race.page.errors == page.asked == []


def test_a_file_of_maps_computes_on(tmp_path: Path, cut_off: Callable[..., Any]) -> None:
    """Maps follow a setting, keep a run, and stand in the file's address, without a network."""
    q = BasinQuestion(a="sgd", b="sgd", points=8, steps=100)
    file = tmp_path / "maps.html"
    file.write_text(_saved(q, tuple(sweep(p.spec) for p in q.plans()[0])), encoding="utf-8")
    page = cut_off()
    page.goto(file.as_uri() + "#right.lr=0.01&left.lr=99")
    page.wait_for_selector("[data-qnviz-map][data-ready=true]")
    assert page.locator("#refused").inner_text() == (
        "left.lr is “99”. lr must be a number, 0 < lr ≤ 10.")
    page.wait_for_function("document.querySelectorAll('[data-live=whole]').length === 2",
                           timeout=60_000)
    slider = page.get_by_role("slider", name=re.compile("lr")).nth(0)
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('left.lr=')")
    assert "right.lr=0.01" in page.evaluate("location.hash")
    page.reload()
    page.wait_for_selector("[data-qnviz-map][data-ready=true]")
    page.get_by_role("button", name="Back to those maps").click()
    assert page.evaluate("location.hash") == ""
    assert page.errors == page.asked == []


def test_images_follow_in_the_readers_own_light(
        cut_off: Callable[..., Any], files: dict[str, Path]) -> None:
    """It opens dark for who likes it dark; a click changes the light and nothing else."""
    page = cut_off(color_scheme="dark", reduced_motion="reduce")
    views = Views(page, files["autoencoder"].as_uri())
    assert views.root.get_attribute("data-theme") == "dark"
    assert views.frame == 0
    drawn = []
    for frame in (0, 300, 0):
        views.go(frame)
        drawn.append(page.evaluate(DRAWN))
    assert drawn[0] == drawn[2] != drawn[1]
    views.choice("codes").select_option(label="Adam")
    views.go(120)
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Light").click()
    page.wait_for_selector("[data-qnviz-player][data-theme=light][data-ready=true]")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
    assert views.frame == 120
    assert views.title("codes").startswith("Adam:")
    page.get_by_text("What run this is").click()
    assert page.locator("#methods tbody tr").count() == 6
    assert page.locator("#spec").inner_text().startswith("{")
    assert page.errors == []
    assert page.asked == []


def test_the_tab_gives_a_page_and_a_picture_of_the_playhead(
        page: Any, app_url: str, tmp_path: Path, cut_off: Callable[..., Any]) -> None:
    """The downloaded page says at its playhead what the lab says; the picture is of that step."""
    page.goto(f"{app_url}/?step=40&m=kbfgs,curveball,adam")
    page.wait_for_selector("[data-qnviz-player][data-ready=true]", timeout=60_000)
    spoken = page.evaluate(SPOKEN)
    page.get_by_role("tab", name="Export").click()
    with page.expect_download(timeout=30_000) as download:
        page.get_by_role("button", name="One HTML file").click()
    assert download.value.suggested_filename == "qnviz-rosenbrock.html"
    download.value.save_as(tmp_path / "lab.html")
    alone = cut_off()
    race = Race(alone, (tmp_path / "lab.html").as_uri())
    assert (race.frame, race.playing) == (40, False)
    assert alone.evaluate(SPOKEN) == spoken
    assert alone.errors == alone.asked == []

    page.get_by_text("Dark", exact=True).click()
    page.get_by_role("button", name="Draw").click()
    ready = page.get_by_role("button", name=re.compile("Download PNG"))
    with page.expect_download(timeout=60_000) as download:
        ready.click(timeout=60_000)
    assert download.value.suggested_filename == "qnviz-path-40.png"
    data = Path(download.value.path()).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (1920, 1080)
    assert page.errors == []


def test_vectors_are_of_the_slides_size(
        browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """SVG and PDF hold text and no picture of pixels, on a page of exactly the asked size."""
    monkeypatch.setenv("BROWSER_PATH", _chromium() or "")
    data = linked(RaceView(Trace.load(ASSETS / "home.npz")))
    try:
        svg = picture(data, "loss", 9, form="svg", size="half").decode()
        assert 'width="960" height="1080"' in svg
        assert "step 9 of 300" in svg
        assert "<image" not in svg
        pdf = picture(data, "loss", 9, form="pdf", size="16:9")
        assert pdf.startswith(b"%PDF")
        assert re.search(rb"/MediaBox\s*\[0 0 1440 810\]", pdf)
        assert len(re.findall(rb"/Type\s*/Page\b", pdf)) == 1
    finally:
        RENDERER.close()
