"""The digits autoencoder: each method tuned on a grid of twelve settings, run from five seeds.

64-32-16-6-16-32-64, relu, cross-entropy, batches of 256 (5 steps an epoch), float64. The grid is
searched on eight seeds by the training loss after the last epoch, the table made on five others.
Against epochs: the training loss (all 1,437 images) after equal epochs. Against seconds: the loss
reached in the time that SGD takes for all its epochs, with the cost of a step measured alone, the
methods taking turns. In the grid, a seed that diverges makes its setting infinitely bad; in the
table, means are over the seeds that stayed finite, and the others are counted (nF).
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass

import numpy as np
import torch

from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.base import Problem
from qnviz.runs.device import set_threads

EPOCHS, TUNING_SEEDS, SEEDS = 60, tuple(range(100, 108)), (0, 1, 2, 3, 4)
DAMPED = {"lr": (0.05, 0.1, 0.2, 0.3), "lam": (0.05, 0.1, 0.3)}
GRIDS: dict[str, dict[str, tuple[float, ...]]] = {     # twelve settings each
    "sgd": {"lr": (0.001, 0.002, 0.005, 0.01, 0.02, 0.05), "momentum": (0.9, 0.95)},
    "adam": {"lr": (1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05), "beta1": (0.9, 0.8)},
    "curveball": {"lam": (0.01, 0.03, 0.1, 0.3, 1, 2, 3, 5, 10, 30, 100, 300)},
    "kfac": {"lr": (0.1, 0.2, 0.5, 1.0), "lam": (0.3, 1.0, 3.0)},
    "kbfgs": DAMPED,
    "kbfgs_l": DAMPED,
}


@dataclass
class Course:
    """Training loss (evaluations, settings, seeds) every epoch."""

    losses: np.ndarray

    @property
    def best(self) -> int:
        """The setting with the lowest mean loss at the end."""
        last = np.where(np.isfinite(self.losses[-1]), self.losses[-1], np.inf)
        return int(last.mean(-1).argmin())


def settings_of(name: str) -> list[dict[str, float]]:
    """All combinations of a grid."""
    grid = GRIDS[name]
    return [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]


@torch.inference_mode()
def train(problem: Problem, method: Method, settings: list[dict[str, float]],
          seeds: tuple[int, ...]) -> Course:
    """All settings from all seeds as one batch of runs; a run's number is its seed."""
    runs = torch.tensor(seeds).repeat(len(settings))
    theta = problem.start(0, runs)
    p = method.tensors(len(runs), theta)
    for name in settings[0]:
        values = torch.tensor([s[name] for s in settings], dtype=theta.dtype)
        setattr(p, name, values.repeat_interleave(len(seeds)))
    state = method.init(Oracle(problem, problem.reference(), len(runs)), theta, p)
    per_epoch = problem.draw.per_epoch                                     # type: ignore
    losses = [problem.forward(state.theta, problem.reference()).f]
    for step, batch in enumerate(problem.batches(0, EPOCHS * per_epoch, 0, runs), 1):
        state, _ = method.step(Oracle(problem, batch, len(runs)), state, p)
        if step % per_epoch == 0:
            losses.append(problem.forward(state.theta, problem.reference()).f)
    return Course(torch.stack(losses).view(-1, len(settings), len(seeds)).numpy())


def seconds_per_epoch(problem: Problem, chosen: dict[str, Method]) -> dict[str, float]:
    """Cost of an epoch of each method alone, the methods taking turns; median of 12 epochs."""
    runs = torch.zeros(1, dtype=torch.int64)
    per_epoch = problem.draw.per_epoch                                     # type: ignore
    states, took = {}, {name: [] for name in chosen}
    with torch.inference_mode():
        for name, method in chosen.items():
            theta = problem.start(0, runs)
            p = method.tensors(1, theta)
            states[name] = method.init(Oracle(problem, problem.reference(), 1), theta, p), p
        for epoch in range(13):
            batches = list(problem.batches(epoch * per_epoch, per_epoch, 0, runs))
            for name, method in chosen.items():
                state, p = states[name]
                began = time.perf_counter()
                for batch in batches:
                    state, _ = method.step(Oracle(problem, batch, 1), state, p)
                took[name].append(time.perf_counter() - began)
                states[name] = state, p
    return {name: float(np.median(t[1:])) for name, t in took.items()}


def shown(losses: np.ndarray) -> str:
    """Mean ± std over the seeds that stayed finite, and how many did not."""
    good = losses[np.isfinite(losses)]
    failed = f" ({len(losses) - len(good)}F)" if len(good) < len(losses) else ""
    return f"{good.mean():.2f} ± {good.std():.2f}{failed}" if len(good) else "all failed"


def main() -> None:
    """Tune, run, print."""
    problem = Autoencoder().build(torch.float64, torch.device("cpu"))
    set_threads(0)
    print("The digits autoencoder, every method tuned on twelve settings")
    chosen: dict[str, Method] = {}
    for name in GRIDS:
        settings = settings_of(name)
        assert len(settings) == 12
        course = train(problem, METHODS[name](), settings, TUNING_SEEDS)
        chosen[name] = METHODS[name](**settings[course.best])
        print(f"  {name:10} best of 12: {settings[course.best]}, "
              f"{np.isfinite(course.losses[-1]).all(-1).sum()} of 12 stayed finite", flush=True)
    cost = seconds_per_epoch(problem, chosen)
    courses = {name: train(problem, m, [{}], SEEDS).losses[:, 0] for name, m in chosen.items()}
    budget = EPOCHS * cost["sgd"]
    print(f"\nTraining loss per image, mean ± std of {len(SEEDS)} seeds; {EPOCHS} epochs")
    print(f"  {'':10} {'10 epochs':>16} {'30 epochs':>16} {f'{EPOCHS} epochs':>16} "
          f"{'ms per epoch':>14} {'in the time of SGD':>20}")
    for name, losses in courses.items():
        afford = min(EPOCHS, int(budget / cost[name]))
        cells = [shown(losses[k]) for k in (10, 30, EPOCHS, afford)]
        print(f"  {name:10} {cells[0]:>16} {cells[1]:>16} {cells[2]:>16} "
              f"{1e3 * cost[name]:14.1f} {cells[3]:>16} ({afford})")
    print()

