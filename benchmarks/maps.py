"""Maps of 4,096 runs of 200 steps, by the pool; nobody stops early."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.results import Table
from benchmarks.timing import interleaved, rows
from qnviz.jobs.workers import pool
from qnviz.sweeps.spec import parse_sweep
from qnviz.sweeps.sweeping import sweep

MAPS = {
    "K-BFGS, λ × α": ({"name": "kbfgs"}, ("lam", 1e-3, 0.9), ("lr", 1e-3, 3)),
    "CurveBall, λ₀ × β": ({"name": "curveball", "tuning": "fixed"}, ("lam", 1e-3, 100),
                          ("beta", 1e-4, 1))}


def measure() -> Iterator[Table | str]:
    """One table."""
    pool().submit(int, 0).result()             # the workers start once
    specs = {name: parse_sweep({
        "problem": {"name": "rosenbrock"}, "methods": [method], "steps": 200, "sweep": {
            axis: {"field": field, "from": low, "to": high, "points": 64, "scale": "log"}
            for axis, (field, low, high) in (("x", x), ("y", y))}})
        for name, (method, x, y) in MAPS.items()}
    seconds = interleaved({name: lambda s=s: sweep(s) for name, s in specs.items()}, 5)
    yield Table(key="maps", title="Maps of 4,096 runs × 200 steps on Rosenbrock",
                about="By the pool of processes; runs that diverge leave.",
                rows=tuple(rows(seconds)))
