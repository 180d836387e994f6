"""Pictures that follow the hand, in a real browser: what is drawn, what is reported, what waits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from qnviz.figures.packing import unpacked
from tests.browser.live_page import FRAMES, LivePage, payload, raced
from tests.browser.navigation import query, whole
from tests.browser.test_pages import opened

ROSENBROCK = {"name": "rosenbrock", "noise": 1.0, "start": [-0.25, -0.25]}
METHODS = [{"name": "kbfgs", "lr": 0.1, "lam": 0.3}, {"name": "newton_krylov"},
           {"name": "kbfgs", "label": "powell", "damping": "powell", "lr": 0.1, "lam": 0.3}]
MOVED = [0.75, 0.5]                            # negative curvature, damping and refused trials
BOWL = {"name": "function", "f": "x^4 - 3x^2 + y^2 + x*y", "start": [0.2, 1.0]}

# Heads, and what marks select, of the newest rows on the axes that are laid out.
SELECTED = """() => [...player.panels].map(([id, panel]) => {
  const {context, marks, axes, named} = panel;
  marks.draw(context, window.rows, axes[0], named, 1);
  const seen = (values) => [...values].map((v) => Number.isFinite(v) ? v : null);
  const places = ({entrant, axis, px, py}) =>
    ({entrant, axis, px: seen(px), py: seen(py)});
  return {id, live: marks.heads.map(places), record: panel.heads.map(places),
    chosen: marks.marks.filter(({kind}) => kind === 'dots' || kind === 'bars').map((mark) => {
      const rows = window.rows[mark.entrant];
      const [x, y] = [[], []];
      const {column, part, last} = mark.y;
      const parts = column && part === undefined && !last ? rows.width(column) : 1;
      for (let k = 1; k <= rows.last; k++) for (let j = 0; j < parts; j++) {
        if (!rows.holds(mark.where ?? [], k, j)) continue;
        if (mark.unless?.length && rows.holds(mark.unless, k, j)) continue;
        const value = rows.value(mark.y, k, j);
        if (Number.isFinite(value)) { x.push(rows.clock[k]); y.push(value); }
      }
      return {...mark, axis: mark.axis ?? 'y', x, height: y};
    })};
})"""


@pytest.fixture(scope="module")
def before() -> Any:
    return raced(ROSENBROCK, METHODS)


@pytest.fixture(scope="module")
def after() -> Any:
    return raced(ROSENBROCK | {"start": MOVED}, METHODS)


@pytest.fixture
def lab(page: Any, before: Any) -> LivePage:
    """The race's pictures, at its end."""
    return LivePage(page, payload(before))


@pytest.mark.parametrize("layout", ["rosenbrock", "damping", "krylov"])
@pytest.mark.parametrize("axis", ["iterations", "work"])
def test_what_is_drawn_is_what_the_record_shows(page: Any, before: Any, after: Any, layout: str,
                                                axis: str) -> None:
    """Every head stands where the record's does, and every mark at the same steps and heights."""
    lab = LivePage(page, payload(before, layout, axis))
    lab.change({"start": MOVED})
    assert lab.live
    page.evaluate("() => { window.rows = player.live.rows; player.live.release(); }")
    record = payload(after, layout, axis, answered=lab.edits[0]["serial"])
    lab.update(record)
    assert not lab.live
    assert lab.shown == record["id"]
    figures = {p["id"]: p["figure"]["data"] for p in record["panels"]}
    marked = 0
    for panel in page.evaluate(SELECTED):
        assert len(panel["live"]) == len(panel["record"])
        for ours, theirs in zip(panel["live"], panel["record"], strict=True):
            assert (ours["entrant"], ours["axis"]) == (theirs["entrant"], theirs["axis"])
            for pixel in ("px", "py"):
                drawn, known = (np.array(h[pixel], float) for h in (ours, theirs))
                np.testing.assert_allclose(drawn[:len(known)], known, atol=0.05)
        for mark in panel["chosen"]:
            traces = [t for t in figures[panel["id"]] if _draws(t, mark)]
            x, y = (np.concatenate([np.zeros(0), *(_column(t, n) for t in traces)]) for n in "xy")
            drawn = np.array(mark["x"], float)
            if mark["kind"] == "bars":         # centred between two iterates
                drawn = drawn - np.concatenate([_column(t, "width") for t in traces]
                                               or [np.zeros(0)]) / 0.86 / 2
            both = np.isfinite(y)
            np.testing.assert_allclose(np.sort(drawn), np.sort(x[both]), rtol=1e-6)
            np.testing.assert_allclose(np.sort(mark["height"]), np.sort(y[both]), rtol=1e-5,
                                       atol=1e-6)
            marked += len(drawn)
    assert marked
    assert page.errors == []


def _draws(trace: dict[str, Any], mark: dict[str, Any]) -> bool:
    """Whether a trace of Plotly's is what a mark draws."""
    marker = trace.get("marker", {})
    if trace["type"] != {"dots": "scatter", "bars": "bar"}[mark["kind"]] or not marker:
        return False
    same = marker["color"] == mark["color"] and trace.get("yaxis", "y") == mark["axis"]
    if mark["kind"] == "bars":
        return same and marker["pattern"]["shape"] == mark["pattern"]
    at = mark["y"].get("at")
    there = at is None or bool(np.isclose(_column(trace, "y"), at).any())
    owner = trace.get("meta", {}).get("entrant", mark["entrant"])
    return same and marker["symbol"] == mark["symbol"] and there and owner == mark["entrant"] and (
        marker.get("size") == mark["size"])


def _column(trace: dict[str, Any], name: str) -> np.ndarray:
    return unpacked(trace[name]).astype(float)


def test_a_typed_function_follows_too(page: Any) -> None:
    first = raced(BOWL, [{"name": "bfgs"}, {"name": "newton"}])
    lab = LivePage(page, payload(first))
    lab.change({"start": [-0.5, 0.25]})
    rows = page.evaluate("() => player.live.rows.map((r) => [...r.columns.loss.data])")
    moved = raced(BOWL | {"start": [-0.5, 0.25]}, [{"name": "bfgs"}, {"name": "newton"}])
    for e, losses in zip(moved.entrants, rows, strict=True):
        np.testing.assert_allclose(losses, moved[e.label]["loss"][:, 0], rtol=1e-9)


def test_the_record_stays_as_a_faint_trace_and_its_words_as_faint_words(lab: LivePage) -> None:
    opacity = ("(name) => getComputedStyle([...document.querySelectorAll(name)].at(-1)).opacity")
    path = "[data-panel=path] .scatterlayer .trace"
    sentence = ".qnviz-sentence"
    shown = "[...document.querySelectorAll('.qnviz-loss')].map((node) => node.innerText).join()"
    losses = lab.page.evaluate(shown)
    assert [lab.page.evaluate(opacity, n) for n in (f"{path}:first-child", sentence)] != ["0.22"]
    lab.change({"start": MOVED})
    assert lab.page.evaluate(opacity, f"{path}:nth-child(2)") == "0.22"
    assert lab.page.evaluate(opacity, f"{path}:last-child") == "1", "the minimum stays"
    assert lab.page.evaluate(opacity, "[data-panel=path] .contourlayer") == "1"
    assert lab.page.evaluate(opacity, sentence) == "0.35"
    # text has a pace of its own
    lab.page.wait_for_function(f"(losses) => {shown} !== losses", arg=losses)
    lab.page.evaluate("() => player.live.cancel()")
    assert lab.page.evaluate(opacity, f"{path}:nth-child(2)") == "1"
    lab.page.wait_for_function(f"(losses) => {shown} === losses", arg=losses)


def test_axes_stay_while_they_hold_what_comes(lab: LivePage, before: Any) -> None:
    ranges = "() => [...player.panels.values()].map((p) => [p.layout.xaxis, p.layout.yaxis]" \
             ".map((a) => a.range ?? null))"
    known = lab.page.evaluate(ranges)
    near = [-0.24, -0.24]
    lab.change({"start": near})
    lab.page.evaluate("() => player.live.release()")
    lab.update(payload(raced(ROSENBROCK | {"start": near}, METHODS),
                       answered=lab.edits[-1]["serial"]))
    kept = lab.page.evaluate(ranges)
    fresh = [[p["figure"]["layout"][a].get("range") for a in ("xaxis", "yaxis")]
             for p in payload(raced(ROSENBROCK | {"start": near}, METHODS))["panels"]]
    for was, now, wanted in zip(known, kept, fresh, strict=True):
        for a, b, c in zip(was, now, wanted, strict=True):
            assert b in (a, c)
            low, high = min(c), max(c)
            assert min(b) <= low
            assert max(b) >= high
    assert kept[0] == known[0]


def test_where_the_axis_counts_seconds_only_the_path_follows(page: Any, before: Any) -> None:
    lab = LivePage(page, payload(before, axis="seconds"))
    lab.change({"start": MOVED})
    faint = page.evaluate("() => [...player.panels].filter(([, p]) => p.follows).map(([id]) => id)")
    assert faint == ["path"]


def test_who_stands_at_the_end_stays_at_the_end_of_the_race(page: Any) -> None:
    first, longer = (raced({"name": "rosenbrock", "start": start}, [{"name": "bfgs"}], 100,
                           stop_loss=1e-10)
                     for start in ([0.8, 0.8], [-1.2, 1.0]))
    lab = LivePage(page, payload(first))
    page.keyboard.press("End")
    lab.change({"start": [-1.2, 1.0]})
    at = page.evaluate("() => player.live.index(0)")
    page.evaluate("() => player.live.release()")
    lab.update(payload(longer, answered=lab.edits[0]["serial"]))
    steps = [int(t["bfgs"]["stopped"][0]) for t in (first, longer)]
    assert steps[0] != steps[1] == at
    assert page.evaluate("() => player.frame") == at


# --- what is reported, and what waits -----------------------------------------------------------

def test_a_drag_is_one_report_and_is_answered_by_its_number(lab: LivePage, before: Any,
                                                            after: Any) -> None:
    x, y = lab.middle()
    mouse, old = lab.page.mouse, lab.shown
    mouse.move(x, y)
    mouse.down()
    for k in range(1, 6):
        mouse.move(x + 6 * k, y - 4 * k)
        lab.page.evaluate(FRAMES)
    assert lab.live
    assert lab.edits == []
    lab.update(payload(after))                 # somebody else's news: the hand is down
    assert lab.shown == old
    mouse.up()
    (edit,) = lab.edits
    assert set(edit) == {"start", "serial"}
    assert lab.live, "until the record comes"
    lab.update(payload(after, answered=edit["serial"] - 1))
    assert lab.shown == old, "this one answers an earlier report"
    lab.update(payload(after, answered=edit["serial"]))
    assert not lab.live
    assert lab.shown == payload(after)["id"]
    assert lab.start.get_attribute("aria-valuetext") == "(0.75, 0.5)"


def test_what_is_refused_brings_the_record_back(lab: LivePage, before: Any) -> None:
    lab.change({"start": MOVED})
    lab.page.evaluate("() => player.live.release()")
    lab.update(payload(before, answered=lab.edits[0]["serial"]))
    assert not lab.live
    assert lab.start.get_attribute("aria-valuetext") == "(−0.25, −0.25)"


def test_escape_takes_a_drag_back(lab: LivePage) -> None:
    x, y = lab.middle()
    mouse = lab.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x + 40, y)
    lab.page.evaluate(FRAMES)
    assert lab.live
    lab.page.keyboard.press("Escape")
    assert not lab.live
    mouse.move(x + 60, y)
    mouse.up()
    assert lab.edits == []
    assert lab.middle() == pytest.approx((x, y), abs=0.5)


def test_a_click_on_the_surface_starts_there(lab: LivePage) -> None:
    x, y = lab.middle()
    lab.page.mouse.click(x + 50, y - 30)
    (edit,) = lab.edits
    assert edit["start"] != ROSENBROCK["start"]
    lab.page.evaluate(FRAMES)
    assert lab.middle() == pytest.approx((x + 50, y - 30), abs=1)


def test_to_take_hold_and_let_go_moves_nothing(lab: LivePage) -> None:
    x, y = lab.middle()
    lab.page.mouse.click(x + 4, y + 3)
    assert lab.edits == []
    assert lab.middle() == pytest.approx((x, y), abs=0.5)


def test_keys_move_the_start_and_report_when_they_rest(lab: LivePage) -> None:
    frame = lab.page.locator("[data-qnviz-player]").get_attribute("data-frame")
    lab.start.focus()
    for keys in (["ArrowRight"] * 3, ["Shift+ArrowUp"]):
        for key in keys:
            lab.page.keyboard.press(key)
    lab.page.evaluate(FRAMES)
    assert lab.live
    lab.page.wait_for_function("() => edits.length > 0", timeout=5000)
    (edit,) = lab.edits
    assert edit["start"] == [pytest.approx(-0.25 + 3 * 0.02), pytest.approx(-0.25 + 10 * 0.02)]
    assert lab.page.locator("[data-qnviz-player]").get_attribute("data-frame") == frame
    lab.page.keyboard.press("ArrowLeft")
    lab.page.keyboard.press("Escape")
    lab.page.wait_for_timeout(400)
    assert len(lab.edits) == 1
    assert lab.live, "the first report is on its way"


# --- by touch -------------------------------------------------------------------------------------

def _swipe(page: Any, x: float, y: float, by: tuple[float, float]) -> None:
    touch = page.context.new_cdp_session(page)
    points = [(x + k * by[0] / 10, y + k * by[1] / 10) for k in range(11)]
    for k, (px, py) in enumerate(points):
        touch.send("Input.dispatchTouchEvent", {
            "type": "touchMove" if k else "touchStart", "touchPoints": [{"x": px, "y": py}]})
        page.wait_for_timeout(16)
    touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    page.wait_for_timeout(300)


def test_by_touch_the_handle_drags_and_a_swipe_beside_it_scrolls(new_page: Callable[..., Any],
                                                                before: Any) -> None:
    page = new_page(alone=True, has_touch=True, viewport={"width": 390, "height": 700})
    lab = LivePage(page, payload(before))
    area = page.locator("[data-panel=path] .nsewdrag").bounding_box()
    _swipe(page, area["x"] + 0.8 * area["width"], area["y"] + 0.8 * area["height"], (0, -120))
    assert page.evaluate("() => scrollY") > 50
    assert lab.edits == []
    assert not lab.live
    page.evaluate("() => scrollTo(0, 0)")
    _swipe(page, *lab.middle(), (40, -60))
    assert page.evaluate("() => scrollY") == 0
    (edit,) = lab.edits
    assert edit["start"][0] > -0.25
    assert edit["start"][1] > -0.25
    page.touchscreen.tap(area["x"] + 0.8 * area["width"], area["y"] + 0.5 * area["height"])
    page.wait_for_timeout(100)
    assert len(lab.edits) == 2


# --- time and memory ------------------------------------------------------------------------------

SLOW = """
export class EngineError extends Error {}
export const unable = () => null;
export class Race {
  done = false;
  constructor(spec) { this.spec = spec; window.races = (window.races ?? 0) + 1; }
  advance(ms) { const end = performance.now() + ms; while (performance.now() < end); return false; }
  results() {
    const loss = Float64Array.from({length: 41}, () => 1);
    const theta = Float64Array.from({length: 82}, (_, i) => this.spec.problem.start[i % 2]);
    const columns = {loss: {data: loss, shape: [41, 1]}, theta: {data: theta, shape: [41, 1, 2]}};
    const stopped = new Int32Array([20]);
    return [{label: this.spec.methods[0].name, columns, status: ['running'], stopped}];
  }
}"""


def test_what_takes_long_is_drawn_in_part_and_stops_nothing(page: Any, before: Any) -> None:
    lab = LivePage(page, payload(before), SLOW)
    seen = page.evaluate("""async () => {
      let frames = 0;
      const end = performance.now() + 600;
      while (performance.now() < end) {
        player.live.change({start: [frames / 100, 0]});
        await new Promise((done) => requestAnimationFrame(done));
        frames += 1;
      }
      return {frames, races: window.races, rows: player.live.rows.map((r) => r?.last ?? null)};
    }""")
    assert lab.live
    assert seen["rows"] == [20, None, None]
    assert 2 <= seen["races"] < seen["frames"], "each has its time before it is given up"


def test_what_the_engine_refuses_leaves_the_last_picture(lab: LivePage) -> None:
    lab.change({"start": MOVED})
    lab.change({"run": {"steps": -1}})
    assert lab.live
    assert lab.page.errors == []


DRAG = """async (seconds) => {
  const end = performance.now() + 1000 * seconds;
  let frames = 0;
  while (performance.now() < end) {
    const turn = frames / 40;
    player.live.change({start: [Math.cos(turn), 0.5 + 0.5 * Math.sin(turn)]});
    await new Promise((done) => requestAnimationFrame(done));
    frames += 1;
  }
  return frames / seconds;
}"""


def test_a_long_drag_leaves_no_memory_behind(lab: LivePage,
                                            record_property: Callable[..., None]) -> None:
    """Frames per second are noted alone, as they say more of the machine than of the player."""
    cdp = lab.page.context.new_cdp_session(lab.page)

    def used() -> float:
        for _ in range(2):
            cdp.send("HeapProfiler.collectGarbage")
        heap = cdp.send("Runtime.getHeapUsage")
        return heap["usedSize"] + heap.get("backingStorageSize", 0)

    lab.page.evaluate(DRAG, 1)
    first = used()
    record_property("frames a second", lab.page.evaluate(DRAG, 10))
    assert used() - first < 1e6


# --- in the app -----------------------------------------------------------------------------------

def test_a_drag_in_the_lab_becomes_its_address(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/rosenbrock?m=kbfgs,adam&steps=40&step=7")
    start = page.get_by_role("slider", name="Start of the run")
    start.wait_for()
    old = page.get_attribute("[data-qnviz-player]", "data-id")
    page.wait_for_timeout(500)                 # the engine comes after the first picture
    box = start.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y - 30, steps=5)
    page.wait_for_selector("[data-qnviz-player][data-live=true]")
    assert page.get_attribute("[data-qnviz-player]", "data-id") == old
    page.mouse.up()
    page.wait_for_selector("[data-qnviz-player][data-live=false]", timeout=30_000)
    assert page.get_attribute("[data-qnviz-player]", "data-id") != old
    page.wait_for_function("location.search.includes('start=')")
    assert query(page)["step"] == "7"
    whole(page)
