"""R runs at once: time per run on the CPU and on a GPU, for three problems and two methods.

    python -m benchmarks.gpu            # needs torch, numpy and pydantic alone

Before anything is timed, both devices run the same few steps in float64 and are compared.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time

import numpy as np
import torch

from qnviz import __version__
from qnviz.runs.device import DTYPES, resolve, set_threads
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.step import Runs
from qnviz.runs.totals import totals
from qnviz.runs.trace import Rows

RUNS = (1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536)
LONGEST = 20.0                       # seconds: a size that should take longer is left out
REPEATS = 3
CASES = {
    "Rosenbrock, 200 steps": ({"name": "rosenbrock", "start_noise": 0.5}, 200),
    "linear net w = 6, 1,000 samples, 100 steps": ({"name": "linear_net", "width": 6}, 100),
    "digits autoencoder 64-32-16-6, batches of 256, 30 steps": ({"name": "autoencoder"}, 30)}
METHODS = ({"name": "kbfgs", "lr": 0.02}, {"name": "curveball"})


def main() -> None:
    """Print a table per problem and method."""
    parser = argparse.ArgumentParser(prog="benchmarks.gpu", description=__doc__)
    parser.add_argument("--most", type=int, default=RUNS[-1], help="largest number of runs")
    parser.add_argument("--dtype", choices=[*DTYPES], default="float32")
    args = parser.parse_args()
    gpu = torch.cuda.is_available()
    print(f"qnviz {__version__}, torch {torch.__version__}, Python {platform.python_version()}, "
          f"{torch.get_num_threads()} threads; "
          + (torch.cuda.get_device_name() if gpu else "no CUDA device: the CPU alone"))
    devices = ["cpu", "cuda"] if gpu else ["cpu"]
    for title, (problem, steps) in CASES.items():
        for method in METHODS:
            def spec(device: str, dtype: str = args.dtype, take: int = steps) -> RunSpec:
                return parse({"problem": problem, "methods": [method], "steps": take,  # noqa: B023
                              "device": device, "dtype": dtype})
            print(f"\n{title}; {spec('cpu').methods[0].title}, {args.dtype}")
            if gpu:
                _compare(*(many(spec(d, "float64", 10), 16) for d in devices))
            _table(devices, spec, args.most)


def many(spec: RunSpec, runs: int) -> Rows:
    """Run R runs with noise of their own to the end of their steps."""
    device = resolve(spec.device)[0]
    problem, method = spec.problem.build(DTYPES[spec.dtype], device), spec.methods[0]
    set_threads(problem.size * runs)
    return totals(spec, method, problem, Runs.alike(method, problem, spec.seed, runs))


def _compare(cpu: Rows, gpu: Rows) -> None:
    worst = np.nanmax(np.abs(cpu["final_loss"] - gpu["final_loss"]) / np.abs(cpu["final_loss"]))
    print(f"  CPU and GPU after 10 steps in float64: losses differ by {worst:.1e} at most")


def _table(devices: list[str], spec, most: int) -> None:
    print("  " + "R".rjust(7) + "".join(f"{d + ', µs per run and step':>32}" for d in devices)
          + ("CPU / GPU".rjust(14) if len(devices) > 1 else ""))
    before = dict.fromkeys(devices, 0.0)
    for runs in (r for r in RUNS if r <= most):
        seconds: dict[str, list[float]] = {d: [] for d in devices if before[d] < LONGEST / 4}
        for d in seconds:
            many(spec(d, take=2), runs)                    # what happens once only
        for _ in range(REPEATS):
            for d, measured in seconds.items():              # interleaved
                began = time.perf_counter()
                many(spec(d), runs)
                measured.append(time.perf_counter() - began)
        cells, each = "", {}
        for d in devices:
            if d not in seconds:
                cells += "left out: too long".rjust(32)
                continue
            before[d] = statistics.median(seconds[d])
            each[d] = [1e6 * s / runs / spec(d).steps for s in seconds[d]]
            cells += (f"{statistics.median(each[d]):.3g} ({min(each[d]):.3g} … "
                      f"{max(each[d]):.3g})").rjust(32)
        ratio = (f"{statistics.median(each['cpu']) / statistics.median(each['cuda']):.2g} ×"
                 if len(each) > 1 else "")
        print(f"  {runs:7}{cells}{ratio:>14}", flush=True)
        if not each:
            break


if __name__ == "__main__":
    main()
