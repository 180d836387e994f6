"""Time per run and step against the number of runs at once, R = 1 … 1,024, on the CPU."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks import gpu
from benchmarks.results import Measurement, Table
from benchmarks.timing import interleaved, rows
from qnviz.runs.spec import parse

RUNS = (1, 4, 16, 64, 256, 1024)
ROUNDS = 3
CASES = {                            # problem, steps, and the most runs that end within seconds
    "Rosenbrock": ({"name": "rosenbrock", "start_noise": 0.5}, 50, 1024),
    "linear net w = 6": ({"name": "linear_net", "width": 6}, 20, 256),
    "digits autoencoder": ({"name": "autoencoder"}, 5, 64)}


def measure() -> Iterator[Table | str]:
    """One table for both methods; the ratio is to the run alone."""
    found: list[Measurement] = []
    for title, (problem, steps, most) in CASES.items():
        for method in gpu.METHODS:
            spec = parse({"problem": problem, "methods": [method], "steps": steps,
                          "dtype": "float64", "device": "cpu"})
            sizes = {f"R = {n:,}": n for n in RUNS if n <= most}
            seconds = interleaved({name: lambda n=n, s=spec: gpu.many(s, n)
                                   for name, n in sizes.items()}, ROUNDS)
            found += rows(seconds, "R = 1", f"{title}, {spec.methods[0].title}",
                          {name: n * steps for name, n in sizes.items()})
    yield Table(key="scaling", title="Per run and step, by the number of runs at once",
                about="float64; one thread for small batches, all cores for large ones, as the "
                      "app does.", rows=tuple(found))
