"""BFGS from many starts of Rosenbrock against loops over SciPy and pytorch-minimize.

All in float64 from the same starts, each solved to the same ‖∇f‖ in the 2-norm, on one thread. A
ratio is given at equal success alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from scipy.optimize import minimize, rosen, rosen_der

from benchmarks.results import Table
from benchmarks.timing import interleaved, rows
from qnviz.jobs.workers import pool
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec, parse_sweep
from qnviz.sweeps.sweeping import sweep
from qnviz.sweeps.tiles import compute, tiles

GRADIENT = 1e-5                      # ‖∇f‖ to which every start is solved
ROUNDS, FEW = 5, 2
ONE, POOL = "qnviz, one thread", "qnviz, the pool"
SCIPY, LEAN = "SciPy, rosen and rosen_der", "SciPy, plain Python functions"
MINIMIZE = "pytorch-minimize"


def measure() -> Iterator[Table | str]:
    """1,000 starts beside the peers, then 64,000 by the pool."""
    pool().submit(int, 0).result()             # the workers start once
    torch.set_num_threads(1)                   # pytorch-minimize runs one small point at a time
    points = places(starts(40, 25))
    peer = torchmin(points)
    if peer is None:
        yield "pytorch-minimize is not installed, so multi-start was not compared with it"
    yield thousand(points, peer)
    yield many(points)


def thousand(points: np.ndarray, peer: Callable[[], list] | None) -> Table:
    """Everybody, interleaved."""
    spec = starts(40, 25)
    candidates: dict[str, Callable[[], SweepResult | list]] = {
        ONE: lambda: alone(spec), POOL: lambda: sweep(spec),
        SCIPY: lambda: scipy(rosen, rosen_der, points),
        LEAN: lambda: scipy(_f, _gradient, points)}
    if peer is not None:
        candidates[MINIMIZE] = peer
    solved = {name: success(work()) for name, work in candidates.items()}
    found = rows(interleaved(candidates, ROUNDS), ONE,
                 notes={name: f"solved {share:.3f}" for name, share in solved.items()})
    return Table(
        key="thousand", title=f"BFGS from {len(points):,} starts on Rosenbrock",
        about=f"float64, each start to ‖∇f‖ ≤ {GRADIENT:g}.",
        rows=tuple(row if solved[row.name] == solved[ONE] else row.model_copy(
            update={"ratio": None}) for row in found))


def many(points: np.ndarray) -> Table:
    """64,000 starts, per start, over SciPy's 1,000 of the same round."""
    spec = starts(320, 200)
    solved = {POOL: success(sweep(spec)), SCIPY: success(scipy(rosen, rosen_der, points))}
    seconds = interleaved({POOL: lambda: sweep(spec),
                           SCIPY: lambda: scipy(rosen, rosen_der, points)}, FEW)
    found = rows(seconds, POOL, per={POOL: spec.size, SCIPY: len(points)},
                 notes={name: f"solved {share:.3f}" for name, share in solved.items()})
    return Table(key="many", title=f"{spec.size:,} starts, seconds per start", rows=tuple(
        row if solved[POOL] == solved[SCIPY] else row.model_copy(update={"ratio": None})
        for row in found), about="SciPy from the 1,000 starts, which are a part of these squares.")


def starts(nx: int, ny: int) -> SweepSpec:
    """BFGS on Rosenbrock from a grid of starts over [−2, 2] × [−1, 3]."""
    return parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [{"name": "bfgs"}], "steps": 400,
        "stop_grad": GRADIENT, "sweep": {
            "x": {"field": "start.0", "from": -2, "to": 2, "points": nx},
            "y": {"field": "start.1", "from": -1, "to": 3, "points": ny}}})


def places(spec: SweepSpec) -> np.ndarray:
    """The starts (n, 2)."""
    x, y = np.meshgrid(*spec.values.values())
    return np.stack([x.ravel(), y.ravel()], 1)


def alone(spec: SweepSpec) -> SweepResult:
    """The whole sweep in this process, on one thread."""
    result = SweepResult(spec)
    for tile in tiles(spec):
        result.put(tile, compute(spec, tile))
    return result


def scipy(f: Callable, g: Callable, points: np.ndarray) -> list:
    """A loop over SciPy's BFGS."""
    return [minimize(f, p, jac=g, method="BFGS", options={"gtol": GRADIENT, "norm": 2})
            for p in points]


def torchmin(points: np.ndarray) -> Callable[[], list] | None:
    """A loop over pytorch-minimize's BFGS; None where it is not installed."""
    try:
        from torchmin import minimize as theirs  # type: ignore[import-not-found]
    except ImportError:
        return None
    # its test is ‖∇f‖∞, and its others would end most runs before the gradient is as small
    options = {"gtol": GRADIENT / 2**0.5, "xtol": 0.0, "gtd_tol": 0.0}
    return lambda: [theirs(_f, torch.tensor(p), method="bfgs", options=dict(options))
                    for p in points]


def success(found: SweepResult | list) -> float:
    """The share of starts that were solved, by the gradient where each ended."""
    if isinstance(found, SweepResult):
        return float((found["status"] == "converged").mean())
    return float(np.mean([np.linalg.norm(_gradient(np.asarray(r.x))) <= GRADIENT for r in found]))


def _f(p):
    return (10 * (p[1] - p[0] ** 2)) ** 2 + (1 - p[0]) ** 2


def _gradient(p: np.ndarray) -> np.ndarray:
    u = 10 * (p[1] - p[0] ** 2)
    return np.array([-40 * u * p[0] - 2 * (1 - p[0]), 20 * u])
