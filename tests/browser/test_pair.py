"""The drag view in a real browser: what a reader can do with it, and what it draws."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qnviz.curvature.pair import InPlane
from qnviz.numbers import say
from tests.browser.pair_values import GOOD, PRESETS, STRONG, python


class View:
    """The drag view on a page."""

    def __init__(self, page: Any, url: str, query: str = "") -> None:
        self.page = page
        page.goto(url + query)
        page.wait_for_selector("[data-qnviz-pair][data-ready=true]", timeout=30_000)
        self.root = page.locator("[data-qnviz-pair]")

    def handle(self, name: str) -> Any:
        return self.root.locator(f"[data-handle={name}]")

    def middle(self, name: str) -> tuple[float, float]:
        box = self.handle(name).bounding_box()
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def drag(self, name: str, by: tuple[float, float], *, drop: bool = True) -> None:
        x, y = self.middle(name)
        mouse = self.page.mouse
        mouse.move(x, y)
        mouse.down()
        mouse.move(x + by[0], y + by[1], steps=6)
        if drop:
            mouse.up()

    def reported(self, count: int) -> dict[str, Any]:
        """The last of the states that Python heard, once there are so many."""
        line = self.page.get_by_text(re.compile(r"^pairs=")).first
        found = json.loads(line.inner_text().removeprefix("pairs=").replace("'", '"'))
        for _ in range(100):
            if len(found) >= count:
                break
            self.page.wait_for_timeout(50)
            found = json.loads(line.inner_text().removeprefix("pairs=").replace("'", '"'))
        assert len(found) == count
        return found[-1]

    @property
    def sentence(self) -> str:
        return self.root.locator(".qnviz-pair-sentence").inner_text()

    @property
    def alt(self) -> str:
        return self.root.locator("[role=img]").get_attribute("aria-label")

    def table(self, label: str) -> list[list[str]]:
        rows = self.root.locator(f'table[aria-label="{label}"] tr').all()
        return [[c.inner_text().strip() for c in row.locator("th, td").all()] for row in rows[1:]]

    def agrees_with(self, state: dict[str, Any]) -> InPlane:
        """Whether the whole readout is what Python says of this state."""
        got = python(state)
        pair = got.double.pair
        ratios = self.table("Powell's ratio and the second ratio")
        assert ratios[0][1:] == [say(pair.ratio1_before), say(pair.ratio1_after),
                                 f"μ₁ = {say(state['mu1'])}", f"θ₁ = {say(pair.theta1)}"]
        assert ratios[1][1:] == [say(pair.ratio2_before), say(pair.ratio2_after),
                                 f"μ₂ = {say(state['mu2'])}", f"θ₂ = {say(pair.theta2)}"]
        for row, u in zip(self.table("Eigenvalues of H⁺ and their bounds"), got, strict=True):
            shown = (u.low, u.pair_low, u.apriori_low, u.high, u.pair_high,
                     u.apriori_high)
            assert row[1:] == ["none" if v.isnan() else say(v) for v in shown]
        assert self.sentence in self.alt
        if pair.theta1 < 1:
            assert f"θ₁ = {say(pair.theta1)} of s" in self.sentence
        return got


@pytest.fixture(scope="module")
def url(plain_url: str) -> str:
    return f"{plain_url}/pair"


@pytest.fixture
def view(page: Any, url: str) -> View:
    return View(page, url)


def test_dragging_shows_at_once_and_reports_once(view: View) -> None:
    """The readout follows the pointer; Python hears one state, after the release."""
    place = view.handle("s").get_attribute("transform")
    view.drag("y", (-170, -90), drop=False)
    view.page.wait_for_timeout(400)
    moved = view.handle("y").get_attribute("aria-valuetext")
    assert moved != "y = (1.1, 0.5)"
    assert view.handle("s").get_attribute("transform") == place, "the scale stays while one drags"
    assert view.page.get_by_text("pairs=[]", exact=True).is_visible()
    live = view.root.locator("[aria-live=polite]")
    before = live.inner_text()
    view.page.mouse.up()
    state = view.reported(1)
    assert {k: state[k] for k in ("H", "s", "mu1", "mu2")} == {
        k: GOOD[k] for k in ("H", "s", "mu1", "mu2")}
    assert f"y = ({say(state['y'][0])}, {say(state['y'][1])})" == moved
    view.agrees_with(state)
    assert live.inner_text() != before
    assert live.inner_text() == view.sentence
    view.page.wait_for_timeout(600)
    view.reported(1)
    assert view.page.errors == []


def test_handles_stay_in_the_picture(view: View) -> None:
    """A pointer that leaves the picture takes its handle to the border only."""
    for count, (name, by) in enumerate(
            [("s", (3000, 40)), ("y", (-90, -900)), ("first", (2000, 900))], 1):
        view.drag(name, by)
        view.reported(count)
        view.page.wait_for_timeout(400)
        box = view.root.locator(".qnviz-pair-figure").bounding_box()
        for handle in ("first", "second", "s", "y"):
            x, y = view.middle(handle)
            assert box["x"] < x < box["x"] + box["width"]
            assert box["y"] < y < box["y"] + box["height"]


def test_axes_of_H_stay_perpendicular(view: View) -> None:
    """Dragging the end of an axis turns and stretches H; the other keeps its length."""
    before = np.linalg.eigvalsh([[1.0, 0.3], [0.3, 0.6]])
    view.drag("first", (40, 120))
    state = view.reported(1)
    a, b, c = state["H"]
    after = np.linalg.eigvalsh([[a, b], [b, c]])
    assert min(abs(after - before[0])) < 1e-5
    assert abs(np.prod(after) - np.prod(before)) > 0.05
    view.agrees_with(state)


def test_arrow_keys_move_handles(view: View) -> None:
    """Arrows move a handle a little, with shift five times as far; one report after the last."""
    handle = view.handle("s")
    handle.focus()
    for key in ("ArrowRight", "ArrowRight", "ArrowUp", "Shift+ArrowLeft"):
        view.page.keyboard.press(key)
    state = view.reported(1)
    step = (state["s"][1] - GOOD["s"][1])
    assert step > 0
    assert state["s"][0] - GOOD["s"][0] == pytest.approx(-3 * step, rel=1e-4)
    assert handle.get_attribute("aria-valuetext") == f"s = ({say(state['s'][0])}, " \
                                                     f"{say(state['s'][1])})"
    assert handle.get_attribute("role") == "slider"
    view.agrees_with(state)
    view.handle("second").focus()
    view.page.keyboard.press("Shift+ArrowUp")
    assert view.reported(2)["H"] != state["H"]


def test_sliders_and_presets(view: View) -> None:
    """μ₁, μ₂ act at once and are reported; a preset sets its own numbers and shows itself."""
    slider = view.root.get_by_role("slider", name="μ₁")
    slider.focus()
    view.page.keyboard.press("End")
    state = view.reported(1)
    assert state["mu1"] == 0.999
    view.agrees_with(state)
    for count, preset in enumerate(PRESETS, 2):
        chip = view.root.get_by_role("button", name=preset["title"], exact=True)
        chip.click()
        state = view.reported(count)
        assert state == {k: preset[k] for k in state}
        view.page.wait_for_timeout(300)
        view.agrees_with(state)
        assert chip.get_attribute("aria-pressed") == "true"
        assert view.root.locator(".qnviz-pair-chip[aria-pressed=true]").count() == 1
    assert view.page.errors == []


PATHS = """() => Object.fromEntries([...document.querySelectorAll(
  '.qnviz-pair-curve, .qnviz-pair-circle, .qnviz-pair-edge')]
  .filter((n) => n.closest('.qnviz-pair-svg') && n.style.display !== 'none')
  .map((n) => [n.getAttribute('class'), n.getAttribute('d')]))"""


def test_what_is_drawn_is_what_is_computed(page: Any, url: str) -> None:
    """Ellipses and the hyperbola are vᵀB⁺v = 1, circles and half-planes lie where Python says."""
    view = View(page, url, "?case=strong")
    got, case = python(STRONG), {k: np.array(v) for k, v in STRONG.items()}
    assert got.none.low < 0
    assert got.double.pair.theta1 < 1
    assert got.double.pair.theta2 < 1
    box = page.evaluate("document.querySelector('.qnviz-pair-svg').getAttribute('viewBox')")
    middle = np.array([float(v) for v in box.split()[2:]]) / 2
    place = view.handle("s").get_attribute("transform")
    tip = np.array([float(v) for v in re.findall(r"-?[\d.]+", place)]) - middle
    k = np.linalg.norm(tip) / np.linalg.norm(case["s"])
    np.testing.assert_allclose(tip / k, case["s"] * [1, -1], atol=1e-9)
    drawn = {}
    for classes, d in page.evaluate(PATHS).items():
        pixels = np.array([float(v) for v in re.findall(r"-?[\d.]+", d)]).reshape(-1, 2)
        drawn[classes] = (pixels - middle) / k * [1, -1]
    a, b, c = case["H"]
    H = np.array([[a, b], [b, c]])
    matrices = {"H": H, "inverse": np.linalg.inv(H)} | {
        name: getattr(got, name).H.numpy() for name in ("none", "powell", "double")}
    for name, matrix in matrices.items():
        v = drawn[f"qnviz-pair-curve is-{name}"]
        assert len(v) > 50
        B = np.linalg.inv(matrix)
        # coordinates are written to a tenth of a pixel; the gradient turns that into the form's
        slack = 0.1 / k * 2 * np.linalg.norm(v @ B, axis=1) + 2e-3
        assert (abs(np.einsum("ij,jk,ik->i", v, B, v) - 1) < slack).all(), name
    radii = np.linalg.norm(drawn["qnviz-pair-circle is-certified"], axis=1)
    assert radii.max() == pytest.approx(float(got.double.pair_high) ** 0.5, abs=0.2 / k)
    pair, Hy = got.double.pair, H @ case["y"]
    s_t = pair.s.numpy()
    np.testing.assert_allclose(drawn["qnviz-pair-edge is-one"] @ case["y"],
                               STRONG["mu1"] * case["y"] @ Hy, atol=1e-6)
    np.testing.assert_allclose(drawn["qnviz-pair-edge is-two"] @ s_t,
                               STRONG["mu2"] * s_t @ s_t, atol=1e-6)


DEGENERATE = {
    "s = 0": "s = 0: no step was taken",
    "y = 0": "y = 0: the gradient did not change",
    "both 0": "s = 0: no step was taken",
    "singular": "H is singular: its eigenvalues are 0 and 2",
    "indefinite": "H is not positive definite: its eigenvalues are −1 and 3",
    "zero": "H is singular: its eigenvalues are 0 and 0",
    "nan": "not finite",
    "mu2 = 1": "μ₂ = 1 must lie between 0 and 1",
    "mu2 near 1": "As μ₂ nears 1, ỹ becomes s̃",
    "orthogonal": "undamped there is no update, as it divides by sᵀy = 0",
    "negative": "negative curvature along s",
}


def test_degenerate_inputs_are_said(page: Any, url: str) -> None:
    """Each shows a sentence, in words and as alternative text, and a way on; nothing complains."""
    view = View(page, url)
    element = page.evaluate_handle("document.querySelector('[data-qnviz-pair]')")
    for case, text in DEGENERATE.items():
        page.get_by_role("textbox", name="case").fill(case)
        page.keyboard.press("Enter")
        page.get_by_text(f"case={case}", exact=True).wait_for(timeout=10_000)
        page.wait_for_function("t => document.querySelector('.qnviz-pair-sentence')"
                               ".innerText.includes(t)", arg=text, timeout=5000)
        if case != "nan":
            assert text in view.alt
        broken = page.evaluate("document.querySelector('.qnviz-pair-svg').innerHTML"
                               ".match(/NaN|Infinity|undefined/)")
        assert broken is None, case
    assert page.evaluate("e => e.isConnected", element), "it is drawn in place"
    view.root.get_by_role("button", name="Good pair").click()
    page.wait_for_function("document.querySelector('.qnviz-pair-title').innerText"
                           " === 'A good pair: damping changed nothing'")
    assert page.errors == []


def test_reruns_keep_what_the_reader_did(view: View) -> None:
    """Neither a rerun with the old payload nor the reader's own state coming back changes it."""
    page = view.page
    element = page.evaluate_handle("document.querySelector('[data-qnviz-pair]')")
    view.drag("s", (-60, 50))
    view.reported(1)
    where = view.handle("s").get_attribute("aria-valuetext")
    page.get_by_role("button", name="Rerun").click()
    page.wait_for_timeout(600)
    assert view.handle("s").get_attribute("aria-valuetext") == where
    page.get_by_text("pin what was reported").click()
    page.wait_for_timeout(600)
    view.drag("y", (-40, 30))
    view.reported(2)
    page.wait_for_timeout(600)
    assert view.handle("s").get_attribute("aria-valuetext") == where
    assert page.evaluate("e => e.isConnected", element)
    view.reported(2)
    page.get_by_role("textbox", name="case").fill("y = 0")
    page.keyboard.press("Enter")
    page.get_by_text("case=y = 0", exact=True).wait_for(timeout=10_000)
    assert page.errors == []


def test_it_fits(new_page: Callable[..., Any], url: str) -> None:
    """At most 430 px high at 1280 x 800, larger in a hall, no sideways scrolling; stillness."""
    heights = []
    for size, theme in (((1280, 800), "light"), ((1920, 1080), "dark"), ((760, 900), "light")):
        page = new_page(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
        view = View(page, url, f"?theme={theme}&case=mu2 near 1&note=Layer 2 at step 120")
        heights.append(view.root.bounding_box()["height"])
        assert page.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth") \
            <= size[0]
        assert page.get_by_text("Layer 2 at step 120").is_visible()
        assert page.evaluate("""() => {
          const box = document.querySelector('[data-qnviz-pair]').getBoundingClientRect();
          return [...document.querySelectorAll('[data-qnviz-pair] :is(input, td, button)')]
            .every((n) => n.getBoundingClientRect().right <= box.right + 1);
        }""")
    assert heights[0] <= 430
    assert heights[1] > heights[0] + 100
