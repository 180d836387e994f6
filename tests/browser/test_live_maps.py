"""Maps that the browser computes: its workers, its cells, and what follows the hand."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from qnviz.figures.maps.cells import Quantity, cells, ends, typical
from qnviz.runs.ends import STATUS
from qnviz.runs.portable import portable
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.tiles import compute, tiles
from qnviz.ui.maps.basins import BasinQuestion
from qnviz.web import ENGINE, bundle
from tests.browser.modules import imported
from tests.browser.navigation import query, whole
from tests.browser.test_atlas import complete, followed, map_id, opened, until_other

# An engine whose cells are their own numbers; cell 100 may be the end of its worker.
STUB = """
class EngineError extends Error {}
class Grid {
  constructor(spec, { cells }) {
    Object.assign(this, { spec, cells, at: 0 });
    this.maps = { status: new Uint8Array(cells.length), value: new Float64Array(cells.length) };
  }
  advance(ms) {
    const until = performance.now() + ms;
    while (this.at < this.cells.length && performance.now() < until) {
      const cell = this.cells[this.at];
      if (cell === 100 && this.spec.refuse) throw new EngineError("It cannot be.");
      if (cell === 100 && DIES === "closes") { close(); return false; }
      if (cell === 100 && DIES === "throws") throw new Error("A fault.");
      const busy = performance.now() + (this.spec.ms ?? 0);
      while (performance.now() < busy);
      this.maps.status[this.at] = 1;
      this.maps.value[this.at] = this.spec.shift + cell;
      this.at += 1;
    }
    return this.at === this.cells.length;
  }
}
"""
SERVE = """
const server = new TileServer({ Grid, EngineError }, (a, t) => postMessage(a, t), turns());
onmessage = ({ data }) => server.take(data);
"""
# A pool over that engine; `dies` has the way in which each worker ends, one after the other.
POOL = """([tiles, stub, serve]) => {
  window.started = [];
  window.pool = (dies = [], silence = 5000, workers = 2) => new m.Pool(() => {
    const way = dies.shift() ?? "";
    started.push(way);
    if (way === "refused") throw new Error("no workers here");
    const text = way === "broken" ? "const = 1" :
      [`const DIES = "${way}";`, tiles, stub, serve].join("\\n");
    const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
    return new Worker(url, { type: "module" });
  }, () => import(URL.createObjectURL(new Blob(
    [`const DIES = "";\\n${stub}\\nexport { Grid, EngineError };`],
    { type: "text/javascript" }))), workers, silence);
  window.ask = (pool, slot, n, spec) => {
    const { cells, levels } = m.order(n, n);
    const got = { order: [], times: [], done: false, fault: "", begun: performance.now() };
    pool.request(slot, { spec: { shift: 0, ...spec }, cells, ends: levels.map((l) => l.end),
      seeds: 1, summaries: false,
      onTile: (from, { value }) => {
        got.times.push(performance.now() - got.begun);
        value.forEach((v, i) => got.order.push([cells[from + i], v]));
      },
      onDone: () => { got.done = true; }, onFault: (words) => { got.fault = words; } });
    return got;
  };
}"""


@pytest.fixture
def pool(app_url: str, page: Any) -> Any:
    """A page with a pool of workers over an engine that knows nothing."""
    imported(page, "map/pool.js", "map/order.js", at=f"{app_url}/_stcore/health")
    page.evaluate(POOL, [bundle("engine/tiles.js"), STUB, SERVE])
    return page


def done(page: Any, name: str = "got") -> dict[str, Any]:
    page.wait_for_function(f"{name}.done || {name}.fault", timeout=20_000)
    return page.evaluate(name)


def test_coarse_cells_come_first_and_every_cell_once(pool: Any) -> None:
    # by one worker: of two the first may be done before the second has started
    pool.evaluate("window.got = ask(pool([], 5000, 1), 'a', 64, {ms: 0.02})")
    order = np.array(done(pool)["order"])
    assert sorted(order[:, 0]) == list(range(64 * 64))
    assert (order[:, 0] == order[:, 1]).all()
    cell = order[:, 0].astype(int)
    step = np.gcd(np.gcd(cell % 64, cell // 64), 8)
    assert (np.diff(step) <= 0).all()
    assert [int((step == s).sum()) for s in (8, 4, 2, 1)] == [64, 192, 768, 3072]


def test_a_newer_request_overtakes_an_older_one_at_once(pool: Any) -> None:
    """The older one would take 20 s; it is not even finished with its tile."""
    pool.evaluate("window.p = pool(); window.old = ask(p, 'a', 64, {ms: 5})")
    pool.wait_for_function("old.order.length > 0")
    pool.evaluate("window.before = old.order.length;"
                  "window.got = ask(p, 'a', 64, {shift: 1000})")
    got = done(pool)
    assert pool.evaluate("old.order.length") == pool.evaluate("before")
    assert len(got["order"]) == 64 * 64
    assert all(value == cell + 1000 for cell, value in got["order"])
    assert not pool.evaluate("old.done")


@pytest.mark.parametrize("way", ["closes", "throws"])
def test_a_worker_that_dies_is_replaced_and_its_tile_given_again(pool: Any, way: str) -> None:
    pool.evaluate("way => { window.got = ask(pool([way], 600), 'a', 16, {}); }", way)
    got = done(pool)
    assert got["fault"] == ""
    assert sorted(cell for cell, _ in got["order"]) == list(range(256))
    assert len(pool.evaluate("started")) > 2


def test_a_tile_that_ends_two_workers_is_told_to_people(pool: Any) -> None:
    pool.evaluate("window.got = ask(pool(Array(9).fill('throws')), 'a', 16, {})")
    assert done(pool)["fault"] == "A fault."


def test_what_the_engine_refuses_is_not_tried_again(pool: Any) -> None:
    pool.evaluate("window.got = ask(pool(), 'a', 16, {refuse: true})")
    assert done(pool)["fault"] == "It cannot be."
    assert pool.evaluate("started.length") == 2


@pytest.mark.parametrize("way", ["refused", "broken"])
def test_a_page_without_workers_computes_in_slices(pool: Any, way: str) -> None:
    pool.evaluate(f"window.got = ask(pool(['{way}', '{way}']), 'a', 32, {{ms: 0.5}});"
                  "window.frames = 0; const beat = () => { frames += 1;"
                  "if (!got.done) setTimeout(beat); }; setTimeout(beat)")
    assert sorted(cell for cell, _ in done(pool)["order"]) == list(range(1024))
    assert pool.evaluate("frames") > 10


# --- cells ----------------------------------------------------------------------------------------

def told(columns: dict[str, np.ndarray]) -> dict[str, Any]:
    """Columns (ny, nx, seeds) as the engine has them."""
    codes = np.array([("missing", *STATUS[1:]).index(s) for s in columns["status"].ravel()])
    return {"status": codes.tolist()} | {
        name: [None if np.isnan(v) else "Infinity" if np.isposinf(v) else v
               for v in a.ravel().tolist()] for name, a in columns.items() if name != "status"}


JUDGE = """([rule, columns, seeds]) => {
  const numbers = (list) => Float64Array.from(list, (v) => v === null ? NaN : Number(v));
  const given = Object.fromEntries(Object.entries(columns).map(([name, list]) =>
    [name, name === 'status' ? Uint8Array.from(list) : numbers(list)]));
  const judged = m.judge(rule, given, seeds);
  return Object.fromEntries(Object.entries(judged).map(([name, a]) =>
    [name, Array.from(a, (v) => Number.isFinite(v) ? v : String(v))]));
}"""


def judged(page: Any, rule: dict[str, Any], columns: dict[str, np.ndarray]) -> dict[str, Any]:
    seeds = columns["status"].shape[-1]
    found = page.evaluate(JUDGE, [rule | {"status": STATUS}, told(columns), seeds])
    return {name: np.array([float(v) for v in a]) for name, a in found.items()}


def random_columns(rng: np.random.Generator, seeds: int) -> dict[str, np.ndarray]:
    shape = (12, 10, seeds)
    status = rng.choice(["missing", "converged", "budget", "diverged", "undefined"], shape,
                        p=[0.05, 0.4, 0.2, 0.2, 0.15])
    over = status == "diverged"
    return {"status": status,
            "steps_to_target": np.where(status == "converged", rng.integers(1, 90, shape), np.nan),
            "final_loss": np.where(over, np.nan, rng.exponential(size=shape)),
            "work": rng.integers(1, 900, shape).astype(float),
            "own": np.where(rng.random(shape) < 0.1, np.nan, rng.normal(size=shape)),
            "end.0": rng.normal(size=shape), "end.1": rng.normal(size=shape)}


@pytest.mark.parametrize("seeds", [1, 3, 4])
@pytest.mark.parametrize(("column", "to_target", "target"), [
    ("steps_to_target", True, True), ("work", True, True), ("final_loss", False, True),
    ("own", False, False), ("absent", False, True)])
def test_settings_are_judged_as_the_server_does(column: str, to_target: bool, target: bool,
                                                seeds: int, page: Any) -> None:
    imported(page, "map/judge.js")
    columns = random_columns(np.random.default_rng(seeds), seeds)
    quantity = Quantity(column, column, to_target=to_target)
    c = cells(columns, quantity, target)
    found = judged(page, {"name": "settings", "column": column, "toTarget": to_target,
                          "target": target, "columns": []}, columns)
    there = c.there.ravel()
    for name, ours in (("kind", c.kind), ("value", c.value), ("low", c.low), ("high", c.high),
                       ("steps", c.steps), ("loss", c.loss), ("reached", c.reached),
                       ("diverged", c.diverged)):
        assert np.array_equal(found[name][there], ours.ravel()[there].astype(float),
                              equal_nan=True), name
    if target:
        ny, nx = c.kind.shape
        mine = [typical(columns, quantity, iy, ix) for iy in range(ny) for ix in range(nx)]
        assert (found["typical"][there] == np.array(mine)[there]).all()


def test_ends_are_judged_as_the_server_does(page: Any) -> None:
    """Several minima, of which the nearest counts, and saddles; against a plain loop, too."""
    imported(page, "map/judge.js")
    columns = random_columns(np.random.default_rng(5), 1)
    minima, saddles, tolerance = [(0.0, 0.0), (0.3, 0.1), (-1.0, 0.5)], [(1.0, 0.0)], 0.4
    c = ends(columns, minima, tolerance, saddles)
    found = judged(page, {"name": "ends", "points": [*minima, *saddles], "minima": 3,
                          "tolerance": tolerance, "columns": []}, columns)
    assert (found["kind"] == c.kind.ravel()).all()
    assert np.array_equal(found["value"], c.value.ravel(), equal_nan=True)
    for at in np.ndindex(c.kind.shape):
        status = columns["status"][*at, 0]
        end = np.array([columns["end.0"][*at, 0], columns["end.1"][*at, 0]])
        away = [float(np.hypot(*(end - p))) for p in (*minima, *saddles)]
        near = int(np.argmin(away)) if min(away) <= tolerance and status != "diverged" else -1
        kind = (255 if status == "missing" else 4 if status == "diverged" else
                near if 0 <= near < 3 else 6 if near == 3 else 5 if status == "undefined" else
                7 if status == "converged" else 3)
        assert c.kind[at] == kind
    assert {0, 1, 2, 3, 4, 5, 6, 7} <= set(c.kind.ravel().tolist())


@pytest.mark.parametrize("a", ["bfgs", "kbfgs", "sgd"])
def test_the_browsers_map_is_the_servers_cell_by_cell(a: str, page: Any) -> None:
    """Himmelblau, 32 × 32 starts; a start on the border of two basins may fall to either."""
    q = BasinQuestion(problem="function", a=a, points=32, steps=200)
    plan = q.plans()[0][0]
    spec = portable(plan.spec)
    assert spec is not None
    result = SweepResult(plan.spec)
    for tile in tiles(plan.spec):
        result.put(tile, compute(plan.spec, tile))
    theirs = q.judged(plan, result.columns)[0]
    imported(page, ENGINE, "map/judge.js")
    found = page.evaluate("""([spec, rule]) => {
        const judged = m.judge(rule, m.grid(spec), 1);
        return { kind: Array.from(judged.kind), steps: Array.from(judged.steps, String) };
    }""", [spec, q.rule() | {"status": STATUS}])
    same = (np.array(found["kind"]) == theirs.kind.ravel()) & (
        np.array([float(s) for s in found["steps"]]) == theirs.steps.ravel())
    assert same.mean() >= (0.98 if a == "kbfgs" else 0.995)  # whose long steps make it chaotic
    assert parse_sweep(json.loads(plan.spec.model_dump_json())) == plan.spec


# --- pages ----------------------------------------------------------------------------------------

PIXELS = """i => {
  const canvas = document.querySelectorAll('.qnviz-map-cells')[i];
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  let sum = 0;
  for (let k = 0; k < data.length; k += 97) sum = (sum * 31 + data[k]) % 1000003;
  return sum;
}"""


def test_a_map_follows_a_slider_before_it_is_released(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins?points=9&steps=200&b=kbfgs")
    followed(page)
    before, id = page.evaluate(PIXELS, 1), map_id(page)
    slider = page.get_by_role("slider", name="α lr").first
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], middle, steps=6)
    page.wait_for_function(f"before => ({PIXELS})(1) !== before", arg=before)
    assert map_id(page) == id
    assert page.get_attribute("[data-qnviz-map]", "data-changing") == "true"
    assert "right.lr" not in query(page)
    page.mouse.up()
    until_other(page, id)
    page.wait_for_function("location.search.includes('right.lr')")
    page.wait_for_selector("[data-qnviz-map][data-changing='false']")
    followed(page)
    assert page.evaluate("document.querySelector('[data-map=\"1\"]').dataset.live") == "whole"
    whole(page)


def test_escape_takes_a_drag_back(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins?points=9&steps=200&b=kbfgs")
    followed(page)
    before = page.evaluate(PIXELS, 1)
    slider = page.get_by_role("slider", name="α lr").first
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Escape")
    followed(page)
    page.wait_for_function(f"before => ({PIXELS})(1) === before", arg=before)
    assert "right.lr" not in query(page)


def test_the_path_of_the_start_under_the_pointer_is_drawn(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/basins?problem=function&points=9&steps=200&b=kbfgs")
    followed(page)
    legend = page.locator(".qnviz-map-legend").inner_text()
    assert "1: (3, 2)" in legend
    assert "4: (3.58, −1.85)" in legend
    figure = page.locator("[data-map='0']")
    figure.hover(position={"x": 150, "y": 120})
    drawn = """i => { const c = document.querySelectorAll('.qnviz-map-canvas')[i];
      return c.getContext('2d').getImageData(0, 0, c.width, c.height).data
        .reduce((n, v, k) => n + (k % 4 === 3 && v > 0), 0); }"""
    page.wait_for_function(f"() => ({drawn})(0) > 400")
    assert page.evaluate(drawn, 1) > 400             # the same start on the other map
    figure.click(position={"x": 150, "y": 120})
    page.wait_for_function("location.search.includes('open=0')")
    page.reload()
    opened(page, page.url)
    followed(page)
    page.wait_for_function(f"() => ({drawn})(0) > 200")      # what was kept is there again
    whole(page)


def test_dragging_the_start_beside_the_atlas_recolours_both_maps(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?points=5&seeds=1&steps=80")
    followed(page)
    page.locator("[data-map='0']").hover()
    page.wait_for_function("document.querySelector('.qnviz-map-end').textContent !== ''")
    before, id = [page.evaluate(PIXELS, i) for i in (0, 1)], map_id(page)
    canvas = page.locator(".qnviz-map-run canvas")
    box = canvas.bounding_box()
    high = 0.52 * box["height"]
    # the start (−0.25, −0.25) in a window of −2 … 2 and −1 … 3
    x, y = box["x"] + box["width"] * 1.75 / 4, box["y"] + high * (1 - 0.75 / 4)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 40, y - 60, steps=5)
    for i in (0, 1):
        page.wait_for_function(f"([i, before]) => ({PIXELS})(i) !== before", arg=[i, before[i]])
    page.mouse.up()
    until_other(page, id)
    complete(page)
    page.wait_for_function("location.search.includes('start=')")
    whole(page)


def test_maps_of_nets_are_the_servers_alone(app_url: str, page: Any) -> None:
    opened(page, f"{app_url}/atlas?points=3&seeds=1&steps=20")
    followed(page)
    assert page.locator(".qnviz-map-figure.is-live").count() == 2
    old = map_id(page)
    page.get_by_role("combobox", name=re.compile("problem")).click()
    page.get_by_role("option", name="Linear net").click()
    until_other(page, old)
    page.wait_for_function("document.querySelectorAll('.qnviz-map-figure.is-live').length === 0")
    assert page.locator(".qnviz-map-inspector").is_hidden()
    complete(page)
    page.locator("[data-map='0']").click()
    page.wait_for_url("**/linear_net?**")
    whole(page)


def test_a_function_without_a_value_somewhere_never_freezes_the_page(app_url: str,
                                                                     page: Any) -> None:
    opened(page, f"{app_url}/basins?problem=function&f=log(x)%2Bsqrt(y)%2Bx%5E2&points=5&steps=40"
                 "&x_from=-1&x_to=2&y_from=-1&y_to=2&b=kbfgs")
    followed(page)
    assert page.evaluate("new Promise(r => requestAnimationFrame(() => r(1)))") == 1
    assert page.locator(".qnviz-map-complaint").is_hidden()
