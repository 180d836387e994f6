"""The numeric core: the six-method race, its interruption, and what a step costs."""

import time

import numpy as np

from benchmarks.timing import interleaved, shown
from qnviz.figures.linked import linked
from qnviz.runs.loop import run, stream
from qnviz.runs.spec import parse

RACE = {"problem": {"name": "rosenbrock"}, "steps": 300, "methods": [
    {"name": "kbfgs", "lr": 0.05}, {"name": "kbfgs_l", "lr": 0.05}, {"name": "curveball"},
    {"name": "newton_krylov"}, {"name": "adam"}, {"name": "sgd"}]}


def main() -> None:
    """Print the table."""
    race()
    per_step()


def race() -> None:
    """Six methods, 300 steps each, nobody stops early; then the longest wait between two yields."""
    spec = parse(RACE)
    trace = run(spec)
    times = interleaved({"compute": lambda: run(spec), "pictures": lambda: linked(trace)}, 7)
    print("Six-method race, 300 steps, R = 1")
    for name, seconds in times.items():
        print(f"  {name:24}{shown(seconds)}")
    gaps, last = [], time.perf_counter()
    for _ in stream(spec):
        now = time.perf_counter()
        gaps.append(now - last)
        last = now
    print(f"  {'wait for an interrupt':24}{shown(gaps)}\n")


def per_step() -> None:
    """Cost of a step at R = 1 and per run of 64, over one SGD step at R = 1."""
    names = [m["name"] for m in RACE["methods"]]
    cost = {}
    for runs in (1, 64):
        specs = {n: parse(RACE | {"runs": runs, "steps": 200, "methods": [m]})
                 for n, m in zip(names, RACE["methods"], strict=True)}
        seconds: dict[str, list[float]] = {n: [] for n in names}
        for _ in range(5):
            for n, spec in specs.items():
                c = run(spec).columns[n]
                seconds[n].append(float(c["seconds"][-1] - c["seconds"][0]) / 200 / runs)
        cost[runs] = {n: float(np.median(s)) for n, s in seconds.items()}
    unit = cost[1]["sgd"]
    print(f"Cost of a step on Rosenbrock, in SGD steps at R = 1 ({1e6 * unit:.0f} µs)")
    for n in names:
        print(f"  {n:24}R = 1: {cost[1][n] / unit:5.1f}   per run of 64: {cost[64][n] / unit:5.2f}")
    print()
