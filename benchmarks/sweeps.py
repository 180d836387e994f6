"""Many runs at once: multi-start BFGS against loops over SciPy and pytorch-minimize, and maps."""

from __future__ import annotations

import statistics

import numpy as np
import torch
from scipy.optimize import minimize, rosen, rosen_der

from benchmarks.timing import interleaved, shown
from qnviz.runs.sweep import compute, tiles
from qnviz.runs.sweep_result import SweepResult
from qnviz.runs.sweep_spec import SweepSpec, parse_sweep
from qnviz.runs.sweeping import sweep
from qnviz.runs.workers import pool

GRADIENT = 1e-5                      # ‖∇f‖ to which every start is solved
MAPS = {
    "K-BFGS, λ × α": ({"name": "kbfgs"}, ("lam", 1e-3, 0.9), ("lr", 1e-3, 3)),
    "CurveBall, λ₀ × β": ({"name": "curveball", "tuning": "fixed"}, ("lam", 1e-3, 100),
                          ("beta", 1e-4, 1))}


def main() -> None:
    """Print the tables."""
    pool().submit(int, 0).result()             # the workers start once
    multistart()
    maps()


def starts(nx: int, ny: int) -> SweepSpec:
    """BFGS on Rosenbrock from a grid of starts over [−2, 2] × [−1, 3]."""
    return parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [{"name": "bfgs"}], "steps": 400,
        "stop_grad": GRADIENT, "sweep": {
            "x": {"field": "start.0", "from": -2, "to": 2, "points": nx},
            "y": {"field": "start.1", "from": -1, "to": 3, "points": ny}}})


def alone(spec: SweepSpec) -> SweepResult:
    """The whole sweep in this process, on one thread."""
    result = SweepResult(spec)
    for tile in tiles(spec):
        result.put(tile, compute(spec, tile))
    return result


def multistart() -> None:
    """1,000 starts, each solved to the same ‖∇f‖, interleaved with the peers; then 64,000."""
    spec = starts(40, 25)
    x, y = np.meshgrid(*spec.values.values())
    points = np.stack([x.ravel(), y.ravel()], 1)

    def scipy(f, g):
        return [minimize(f, p, jac=g, method="BFGS", options={"gtol": GRADIENT, "norm": 2})
                for p in points]

    candidates = {
        "qnviz, one thread": lambda: alone(spec),
        "qnviz, the pool": lambda: sweep(spec),
        "SciPy, rosen and rosen_der": lambda: scipy(rosen, rosen_der),
        "SciPy, plain Python functions": lambda: scipy(_f, _gradient)} | _torchmin(points)
    solved = {name: _solved(work()) for name, work in candidates.items()}
    times = interleaved(candidates, 3)
    best = statistics.median(times["qnviz, one thread"])
    print(f"BFGS from {len(points):,} starts on Rosenbrock, float64, to ‖∇f‖ ≤ {GRADIENT:g}")
    for name, seconds in times.items():
        print(f"  {name:38}{shown(seconds)}   solved {solved[name]:.3f}   "
              f"{statistics.median(seconds) / best:7.1f} ×")
    many = starts(320, 200)
    times = interleaved({"pool": lambda: sweep(many), "peer": lambda: scipy(rosen, rosen_der)}, 2)
    each, peer = (statistics.median(times[n]) / k for n, k in (
        ("pool", many.size), ("peer", len(points))))
    print(f"  {many.size:,} starts, the pool                   {shown(times['pool'])}   solved "
          f"{_solved(sweep(many)):.3f}; SciPy takes {peer / each:.0f} × as long per start\n")


def _solved(found: SweepResult | list) -> float:
    if isinstance(found, SweepResult):
        return float((found["status"] == "converged").mean())
    return float(np.mean([np.linalg.norm(_gradient(np.asarray(r.x))) <= GRADIENT for r in found]))


def _f(p: np.ndarray) -> float:
    return (10 * (p[1] - p[0] ** 2)) ** 2 + (1 - p[0]) ** 2


def _gradient(p: np.ndarray) -> np.ndarray:
    u = 10 * (p[1] - p[0] ** 2)
    return np.array([-40 * u * p[0] - 2 * (1 - p[0]), 20 * u])


def _torchmin(points: np.ndarray) -> dict:
    try:
        import torchmin  # type: ignore[import-not-found]
    except ImportError:
        print("  (pytorch-minimize is not installed: left out)")
        return {}
    # its other tests would end most runs before the gradient is as small as asked for
    options = {"gtol": GRADIENT / 2**0.5, "xtol": 0.0, "gtd_tol": 0.0}
    return {"pytorch-minimize": lambda: [torchmin.minimize(
        _f, torch.tensor(p), method="bfgs", options=dict(options)) for p in points]}


def maps() -> None:
    """4,096 runs of 200 steps as a map, by the pool; nobody stops early."""
    specs = {name: parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [method], "steps": 200, "sweep": {
            axis: {"field": field, "from": low, "to": high, "points": 64, "scale": "log"}
            for axis, (field, low, high) in (("x", x), ("y", y))}})
        for name, (method, x, y) in MAPS.items()}
    times = interleaved({name: lambda s=s: sweep(s) for name, s in specs.items()}, 3)
    print("Maps of 4,096 runs × 200 steps on Rosenbrock, the pool")
    for name, seconds in times.items():
        print(f"  {name:38}{shown(seconds)}")
    print()


if __name__ == "__main__":
    main()
