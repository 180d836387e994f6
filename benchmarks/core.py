"""The numeric core: the six-method race, its interruption, and what a step on Rosenbrock costs."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np

from benchmarks.results import Measurement, Table, single, spread
from benchmarks.timing import interleaved, rows
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import parse

RACE = {"problem": {"name": "rosenbrock"}, "steps": 300, "methods": [
    {"name": "kbfgs", "lr": 0.05}, {"name": "kbfgs_l", "lr": 0.05}, {"name": "curveball"},
    {"name": "newton_krylov"}, {"name": "adam"}, {"name": "sgd"}]}
RUNS, STEPS = 64, 200


def measure() -> Iterator[Table | str]:
    """Two tables."""
    yield race()
    yield per_step()


def race() -> Table:
    """Six methods, 300 steps each, nobody stops early; and the waits between two yields."""
    spec = parse(RACE)
    view = RaceView(run(spec))
    seconds = interleaved({"compute": lambda: run(spec), "pictures": lambda: linked(view)}, 7)
    gaps, last = [], time.perf_counter()
    for _ in stream(spec):
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    waits = [Measurement(name="wait for an interrupt", unit="s", **spread(gaps)),
             Measurement(name="longest wait for an interrupt", unit="s", **single(max(gaps)))]
    return Table(key="race", title="Six-method race on Rosenbrock, 300 steps, R = 1",
                 rows=(*rows(seconds), *waits))


def per_step() -> Table:
    """Cost of a step at R = 1 and per run of 64, over an SGD step at R = 1 of the same round."""
    methods = {m["name"]: m for m in RACE["methods"]}
    specs = {(name, runs): parse(RACE | {"runs": runs, "steps": STEPS, "methods": [m]})
             for runs in (1, RUNS) for name, m in methods.items()}

    def step(name: str, runs: int) -> float:
        clock = run(specs[name, runs]).columns[name]["seconds"]
        return float(clock[-1] - clock[0]) / STEPS / runs

    rounds = [{key: step(*key) for key in specs} for _ in range(6)][1:]     # the first warms up
    unit = np.array([r["sgd", 1] for r in rounds])
    found = []
    for runs, case in ((1, "R = 1"), (RUNS, f"per run of {RUNS}")):
        for name in methods:
            each = np.array([r[name, runs] for r in rounds])
            found.append(Measurement(name=name, case=case, unit="s", **spread(each), ratio={
                "to": "sgd, R = 1", **spread(each / unit)}))
    return Table(key="steps", title="A step on Rosenbrock, in SGD steps at R = 1",
                 about="By the method's own clock, without what is looked at.", rows=tuple(found))
