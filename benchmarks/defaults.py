"""Which settings of the drop-ins a newcomer can take: a declared grid over seven small tasks.

    python -m benchmarks.defaults                    # about ten minutes of one core
    python -m benchmarks.defaults --render           # the tables of what was measured before

Every setting of a method trains every task for the same number of steps from the same start on the
same batches. Seeds are the outer loop and methods take turns, so what else the machine does falls
on all alike. The four settings of least mean rank, by the loss on all training data at the end,
train again on other seeds and four times as long, and then a deeper net that was not among the
tasks: of those, fewest failures win, then the least mean rank in the second round. A training fails
that ends above where it began.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.report import grid
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from qnviz.problems.data import load

FILE = Path(__file__).with_name("defaults.json")
SEEDS, OTHERS = (0, 1), (2, 3)                # of the first round and of the second
FINALISTS, LONGER = 4, 4                      # how many go on, and how many times as long
LAST, TWICE = (0, 1, 2, 3), 2                 # seeds of the last round, and its length
METHODS: dict[str, Any] = {"KBFGS": KBFGS, "KBFGSL": KBFGSL, "CurveBall": CurveBall,
                           "NewtonKrylov": NewtonKrylov, "Adam": torch.optim.Adam}
LAYERED = ("KBFGS", "KBFGSL")
LAB: dict[str, dict[str, Any]] = {            # what the labs begin with, for comparison
    "KBFGS": {"lr": 0.3, "lam": 0.3}, "KBFGSL": {"lr": 0.3, "lam": 0.3}, "CurveBall": {"lam": 1.0},
    "NewtonKrylov": {"curvature": "hessian", "lam": 0.0, "budget": 50}, "Adam": {"lr": 0.001}}
KRONECKER = {"lr": (0.1, 0.3, 1.0), "lam": (0.01, 0.03, 0.1, 0.3)}
GRID: dict[str, dict[str, tuple[Any, ...]]] = {
    "KBFGS": KRONECKER, "KBFGSL": KRONECKER,
    "CurveBall": {"lam": (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)},
    "NewtonKrylov": {"curvature": ("hessian", "gauss_newton"), "lam": (0.0, 0.01, 0.1, 1.0),
                     "budget": (10, 50)},
    "Adam": {"lr": (0.001,)}}
STEPS = {"NewtonKrylov": 20} | dict.fromkeys(("KBFGS", "KBFGSL", "CurveBall", "Adam"), 100)
Loss = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Task:
    """A net, its data, a mean loss over samples, and how many samples a step sees."""

    widths: tuple[int, ...]
    activation: type[nn.Module]
    loss: Loss
    data: Callable[[], tuple[Tensor, Tensor]]
    batch: int | None                          # None is all

    def net(self) -> nn.Sequential:
        """Linear layers with an activation between two of them."""
        parts: list[nn.Module] = []
        for a, b in zip(self.widths, self.widths[1:], strict=False):
            parts += [nn.Linear(a, b), self.activation()]
        return nn.Sequential(*parts[:-1])


def digits(scale: float = 1.0) -> tuple[Tensor, Tensor]:
    """Images of 8×8 pixels in 0 … scale, and what they show."""
    images = load("digits")
    return scale * torch.tensor(images.train), torch.tensor(images.train_labels).long()


def pixels() -> tuple[Tensor, Tensor]:
    """The images as their own targets."""
    x, _ = digits()
    return x, x


def friedman() -> tuple[Tensor, Tensor]:
    """Friedman's first function of ten variables in [0, 1], five of them without effect."""
    draw = torch.Generator().manual_seed(0)
    x = torch.rand(512, 10, generator=draw)
    y = (10 * torch.sin(torch.pi * x[:, 0] * x[:, 1]) + 20 * (x[:, 2] - 0.5)**2 + 10 * x[:, 3]
         + 5 * x[:, 4] + torch.randn(512, generator=draw))
    return x, ((y - y.mean()) / y.std())[:, None]


def entropy_of_pixels(u: Tensor, t: Tensor) -> Tensor:
    """Binary cross-entropy, summed over pixels."""
    return F.binary_cross_entropy_with_logits(u, t, reduction="sum") / len(u)


READ, TANH = (64, 32, 16, 10), nn.Tanh
TASKS = {
    "classifier, batch 32": Task(READ, TANH, F.cross_entropy, digits, 32),
    "classifier, full batch": Task(READ, TANH, F.cross_entropy, digits, None),
    "autoencoder, batch 128": Task((64, 32, 6, 32, 64), nn.ReLU, entropy_of_pixels, pixels, 128),
    "regression, batch 32": Task((10, 16, 1), TANH, F.mse_loss, friedman, 32),
    "regression, full batch": Task((10, 16, 1), TANH, F.mse_loss, friedman, None),
    "pixels in 0…255, batch 32": Task(READ, TANH, F.cross_entropy, lambda: digits(255), 32),
    "deep and narrow, batch 32": Task((64, *[10] * 7), TANH, F.cross_entropy, digits, 32)}

DEEPER = {"autoencoder of six layers, batch 256": Task(
    (64, 32, 16, 6, 16, 32, 64), nn.ReLU, entropy_of_pixels, pixels, 256)}


def settings(method: str) -> list[dict[str, Any]]:
    """The grid of a method, one dictionary per setting."""
    return [dict(zip(GRID[method], values, strict=True))
            for values in product(*GRID[method].values())]


def word(setting: dict[str, Any]) -> str:
    """A setting as people write it."""
    return ", ".join(f"{name} {value}" for name, value in setting.items())


def rows(task: Task, samples: int, steps: int) -> Iterator[Tensor | slice]:
    """Which samples each step sees; an epoch's incomplete batch is left out."""
    if task.batch is None:
        yield from [slice(None)] * steps
        return
    order = torch.arange(samples)
    for step in range(steps):
        if step % (per := samples // task.batch) == 0:
            order = torch.randperm(samples)
        at = step % per * task.batch
        yield order[at:at + task.batch]


def train(task: Task, method: str, setting: dict[str, Any], seed: int,
          longer: int = 1) -> tuple[float, float]:
    """Losses on all data, before and after; infinite where nothing finite came out."""
    torch.manual_seed(seed)
    model = task.net()
    x, t = task.data()
    layered = method in LAYERED
    more = {"full_batch": task.batch is None} if layered else {}
    opt = METHODS[method](model if layered else model.parameters(), **setting, **more)
    with torch.no_grad():
        before = float(task.loss(model(x), t))
    for index in rows(task, len(x), longer * STEPS[method]):
        def closure(index: Tensor | slice = index) -> Any:
            u = model(x[index])
            f = task.loss(u, t[index])
            if method in ("CurveBall", "NewtonKrylov"):
                return f, u
            opt.zero_grad()
            f.backward()
            return f

        opt.step(closure)
    with torch.no_grad():
        after = float(task.loss(model(x), t))
    return before, after if np.isfinite(after) else float("inf")


def measure(candidates: dict[str, list[dict[str, Any]]], seeds: Sequence[int], longer: int = 1,
            tasks: dict[str, Task] = TASKS) -> dict[str, Any]:
    """One round: losses at the end by method, setting and task, one per seed."""
    torch.set_num_threads(1)
    every = [(name, s) for turn in range(max(map(len, candidates.values())))
             for name, own in candidates.items() for s in own[turn:turn + 1]]
    found: dict[str, Any] = {m: {word(s): {t: [] for t in tasks} for s in own}
                             for m, own in candidates.items()}
    start: dict[str, list[float]] = {t: [] for t in tasks}
    began = time.process_time()
    for seed in seeds:
        for name, task in tasks.items():
            pairs = [train(task, method, setting, seed, longer) for method, setting in every]
            for (method, setting), (_, after) in zip(every, pairs, strict=True):
                found[method][word(setting)][name].append(after)
            start[name].append(pairs[0][0])                      # all set out from the same point
            print(f"seed {seed}, {name}: {time.process_time() - began:.0f} s", flush=True)
    return {"steps": {m: longer * STEPS[m] for m in candidates}, "seeds": list(seeds),
            "start": start, "losses": found, "processor_s": round(time.process_time() - began)}


def finalists(first: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The settings of every method that go on to the second round."""
    named = {m: {word(s): s for s in settings(m)} for m in METHODS}
    return {m: [named[m][j.setting] for j in judged(first, m)[:FINALISTS]] for m in METHODS}


@dataclass(frozen=True)
class Judged:
    """A setting against the others of its method."""

    setting: str
    rank: float                                # mean over tasks and seeds, 1 is best
    failures: int                              # trainings that ended above where they began


def judged(measured: dict[str, Any], method: str) -> list[Judged]:
    """All settings of a method in one round: by the number of failures, then by mean rank."""
    names, tasks = list(measured["losses"][method]), list(measured["start"])
    losses = np.array([[measured["losses"][method][s][t] for t in tasks] for s in names], float)
    start = np.array([measured["start"][t] for t in tasks])
    # equal losses share the mean of their ranks
    below = (losses[None] < losses[:, None]).sum(1)
    same = (losses[None] == losses[:, None]).sum(1)
    ranks = below + 0.5 * (same + 1)                                 # (settings, tasks, seeds)
    failures = (~(losses < start)).sum((1, 2))
    every = [Judged(s, float(r.mean()), int(f))
             for s, r, f in zip(names, ranks, failures, strict=True)]
    return sorted(every, key=lambda j: (j.failures, j.rank))


def decided(results: dict[str, Any], method: str) -> list[tuple[Judged, Judged]]:
    """The finalists in the second round and in the last, the chosen one first."""
    last = {j.setting: j for j in judged(results["last"], method)}
    pairs = [(j, last[j.setting]) for j in judged(results["second"], method)]
    return sorted(pairs, key=lambda pair: (pair[0].failures + pair[1].failures, pair[0].rank))


def table(results: dict[str, Any]) -> str:
    """Mean losses after the first round: the labs' setting, the chosen one, the best per task."""
    first, lines = results["first"], []
    for method in METHODS:
        losses = {s: [float(np.mean(by[t])) for t in TASKS]
                  for s, by in first["losses"][method].items()}
        lab = word(LAB[method])
        if method == "Adam":
            lines.append([method, lab, *map(_loss, losses[lab])])
            continue
        chosen = decided(results, method)[0][0].setting
        best = [min(column) for column in zip(*losses.values(), strict=True)]
        lines += [[method, f"labs: {lab}", *map(_loss, losses[lab])],
                  ["", f"**{chosen}**", *map(_loss, losses[chosen])],
                  ["", "best of the grid", *map(_loss, best)]]
    start = [_loss(float(np.mean(first["start"][t]))) for t in TASKS]
    return grid(["method", "setting", *TASKS], [["", "at the start", *start], *lines])


def ranks(results: dict[str, Any]) -> str:
    """The finalists of every method, best first."""
    lines = []
    for method in METHODS:
        if method == "Adam":
            continue
        before = {j.setting: j for j in judged(results["first"], method)}
        for k, (j, last) in enumerate(decided(results, method)):
            lines.append([method if k == 0 else "", j.setting,
                          f"{before[j.setting].rank:.1f} of {len(before)}",
                          f"{j.rank:.1f} of {FINALISTS}",
                          f"{j.failures} of {len(TASKS) * len(OTHERS)}",
                          f"{last.failures} of {len(DEEPER) * len(LAST)}"])
    return grid(["method", "setting", "mean rank, first round", "second round", "failures there",
                 "on the deeper net"], lines)


def _loss(value: float) -> str:
    return f"{value:.2g}" if np.isfinite(value) and value < 1e4 else "∞"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, keep, and print what docs/optim.md shows."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.defaults",
                                     description="Choose the drop-ins' defaults.")
    parser.add_argument("--render", action="store_true", help="measure nothing")
    parser.add_argument("--out", type=Path, default=FILE)
    asked = parser.parse_args(arguments)
    if not asked.render:
        first = measure({m: settings(m) for m in METHODS}, SEEDS)
        second = measure(finalists(first), OTHERS, LONGER)
        last = measure(finalists(first), LAST, TWICE, DEEPER)
        found = {"first": first, "second": second, "last": last}
        asked.out.write_text(json.dumps(found, indent=1), encoding="utf-8")
    results = json.loads(asked.out.read_text("utf-8"))
    print(f"{table(results)}\n{ranks(results)}")


if __name__ == "__main__":
    main()
