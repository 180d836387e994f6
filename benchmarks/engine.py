"""The browser's engine against the server, optimistix and a compiled loop, all taking turns.

What runs in Chromium is timed there, in a page that holds nothing else, once it has been compiled;
a turn repeats short work, as a page's clock ticks in tenths of a millisecond.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch

from benchmarks.chromium import FLAGS, LONGEST, executable, unavailable
from benchmarks.multistart import GRADIENT, alone, places, starts, success
from benchmarks.results import Measurement, Table, single
from benchmarks.timing import Seconds, rows
from qnviz.runs.loop import run
from qnviz.runs.portable import portable
from qnviz.sweeps.spec import parse_sweep
from qnviz.ui.state.defaults import RACE
from qnviz.web import ENGINE, bundle

ROUNDS, FEW = 15, 5
OURS, SERVER = "the engine, in Chromium", "qnviz's server"
THEIRS, FLOOR = "optimistix, jit and vmap", "numba, a scalar loop"
TOLERANCE = 1e-8                     # of optimistix: the loosest power of ten with all solved
CHUNK = 1000                         # starts in one of its batches
LOAD = """async (text) => {
  const url = URL.createObjectURL(new Blob([text], {type: 'text/javascript'}));
  window.engine = await import(url) }"""
# milliseconds per call, and of a grid the share of cells that converged
TIMED = """([kind, spec, options, calls]) => {
  const began = performance.now(); let found;
  for (let i = 0; i < calls; i++) found = window.engine[kind](spec, options);
  const took = (performance.now() - began) / calls;
  const status = found.status ?? [1];
  return [took, status.filter((s) => s === 1).length / status.length] }"""
# the nearest rival in the browser, measured once: ericphanson/newtons-method in Chromium, 1280×800
RIVAL = ("the nearest rival, a changed setting", 0.047)


def measure() -> Iterator[Table | str]:
    """A race, a thousand starts, many starts, and maps."""
    if why := unavailable():
        yield why
        return
    from playwright.sync_api import sync_playwright

    torch.set_num_threads(1)
    with sync_playwright() as p:
        browser = p.chromium.launch(executable_path=executable(), args=FLAGS)
        yield race(alone_in(browser))
        for nx, ny in ((40, 25), (320, 200)):
            yield from many(alone_in(browser), nx, ny)
        yield maps(alone_in(browser))
        browser.close()


def alone_in(browser: Any) -> Any:
    """A page with the engine: one for each table, as a page's maps have workers of their own."""
    page = browser.new_page()
    page.set_default_timeout(LONGEST)
    page.goto("about:blank")
    page.evaluate(LOAD, bundle(ENGINE))
    return page


def race(page: Any) -> Table:
    """The home page's race: six methods, 300 steps, all records."""
    spec = RACE.spec()
    assert spec is not None                    # all its methods run there
    found = turns({OURS: in_page(page, "race", portable(spec), calls=10),
                   SERVER: clocked(lambda: run(spec))}, ROUNDS)
    name, seconds = RIVAL
    return Table(
        key="race", title=f"A race of {len(spec.methods)} methods × {spec.steps} steps",
        about="All records of a trace. The rival computes one method and redraws.",
        rows=(*rows(found, OURS), Measurement(name=name, unit="s", **single(seconds),
                                              note="measured in its own page")))


def many(page: Any, nx: int, ny: int) -> Iterator[Table | str]:
    """BFGS from a grid of starts of Rosenbrock, everybody on one core."""
    spec = starts(nx, ny)
    points, plain = places(spec), portable(spec)
    few = spec.size <= CHUNK
    candidates = {OURS: in_page(page, "grid", plain, {"summaries": False}, 10 if few else 1)}
    solved = {OURS: page.evaluate(TIMED, ["grid", plain, {"summaries": False}, 1])[1]}
    if few:                                    # per start the server's does not change any more
        candidates[SERVER], solved[SERVER] = clocked(lambda: alone(spec)), success(alone(spec))
    notes = {}
    if (peer := optimistix(points)) is None:
        yield "optimistix is not installed, so the engine was not compared with it"
    else:
        solve, compiling = peer
        candidates[THEIRS], solved[THEIRS] = clocked(solve), _share(solve())
        notes[THEIRS] = f", compiled in {compiling:.1f} s"
    if (floor := scalar(points)) is None:
        yield "numba is not installed, so the engine was not compared with a compiled loop"
    else:
        candidates[FLOOR], solved[FLOOR] = clocked(floor), _share(floor())
    found = rows(turns(candidates, ROUNDS if few else FEW), OURS, notes={
        name: f"solved {share:.3f}{notes.get(name, '')}" for name, share in solved.items()})
    yield Table(
        key="starts" if few else "many", title=f"BFGS from {spec.size:,} starts on Rosenbrock",
        about=f"float64, each start to ‖∇f‖ ≤ {GRADIENT:g}, one core each. A ratio is given at "
              "equal success alone.",
        rows=tuple(row if solved[row.name] == solved[OURS] else row.model_copy(
            update={"ratio": None}) for row in found))


def maps(page: Any) -> Table:
    """Whole maps on one core; a page shares them among its workers."""
    himmelblau = parse_sweep({
        "problem": {"name": "function"}, "methods": [{"name": "bfgs"}], "steps": 500,
        "stop_grad": 1e-6, "sweep": {
            "x": {"field": "start.0", "from": -5.5, "to": 5.5, "points": 512},
            "y": {"field": "start.1", "from": -5.5, "to": 5.5, "points": 512}}})
    atlas = parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [{"name": "kbfgs"}], "steps": 300,
        "sweep": {"x": {"field": "lam", "from": 1e-3, "to": 0.9, "points": 64, "scale": "log"},
                  "y": {"field": "lr", "from": 0.01, "to": 1, "points": 64, "scale": "log"}}})
    named = {"512×512 BFGS starts on Himmelblau": himmelblau,
             "64×64 K-BFGS runs of 300 steps": atlas}
    found = turns({name: in_page(page, "grid", portable(spec), {"summaries": False})
                   for name, spec in named.items()}, FEW)
    return Table(key="maps", title="Whole maps in the engine, one core", rows=tuple(rows(found)))


# --- candidates say themselves how long they took -------------------------------------------------

def turns(candidates: Mapping[str, Callable[[], float]], rounds: int) -> Seconds:
    """Seconds of each candidate, round after round, each begun by another; one turn to warm up."""
    names, seconds = list(candidates), {name: np.empty(rounds) for name in candidates}
    for work in candidates.values():
        work()
    for r in range(rounds):
        for name in names[r % len(names):] + names[:r % len(names)]:
            seconds[name][r] = candidates[name]()
    return seconds


def in_page(page: Any, kind: str, spec: Any, options: Any = None,
            calls: int = 1) -> Callable[[], float]:
    """A call of the engine, timed in the page."""
    return lambda: page.evaluate(TIMED, [kind, spec, options or {}, calls])[0] / 1000


def clocked(work: Callable[[], object]) -> Callable[[], float]:
    """Work in this process, timed here."""
    def seconds() -> float:
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
    return seconds


# --- peers ----------------------------------------------------------------------------------------

def optimistix(points: np.ndarray) -> tuple[Callable[[], np.ndarray], float] | None:
    """Its BFGS under jit, vmap in chunks of a thousand; and the seconds of compiling.

    None where it is not installed. It has no test of the gradient: its tolerance is such that every
    start's is small enough.
    """
    try:
        import jax  # type: ignore[import-not-found]
        import jax.numpy as jnp  # type: ignore[import-not-found]
        import optimistix as optx  # type: ignore[import-not-found]
    except ImportError:
        return None
    jax.config.update("jax_enable_x64", True)
    solver = optx.BFGS(rtol=TOLERANCE, atol=TOLERANCE)

    def f(p: Any, _: Any) -> Any:
        return (10 * (p[1] - p[0] ** 2)) ** 2 + (1 - p[0]) ** 2

    def one(p: Any) -> Any:
        return optx.minimise(f, solver, p, max_steps=1000, throw=False).value

    solve = jax.jit(lambda chunks: jax.lax.map(jax.vmap(one), chunks))
    chunks = jnp.asarray(points.reshape(-1, CHUNK, 2))
    began = time.perf_counter()
    solve(chunks).block_until_ready()
    compiling = time.perf_counter() - began
    return lambda: np.asarray(solve(chunks).block_until_ready()).reshape(-1, 2), compiling


def scalar(points: np.ndarray) -> Callable[[], np.ndarray] | None:
    """A scalar loop compiled by numba; None where that is not installed."""
    try:
        from benchmarks.scalar import solved
    except ImportError:
        return None
    solved(points[:1], GRADIENT)
    return lambda: solved(points, GRADIENT)


def _share(found: np.ndarray) -> float:
    """The share of starts that were solved, by the gradient where each ended."""
    x, y = found.T
    u = 10 * (y - x * x)
    gradient = np.stack([-40 * u * x - 2 * (1 - x), 20 * u])
    return float((np.linalg.norm(gradient, axis=0) <= GRADIENT).mean())
