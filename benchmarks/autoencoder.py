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
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.results import Measurement, Table, deviation
from benchmarks.timing import Seconds, interleaved, rows
from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.problem import Problem
from qnviz.runs.device import set_threads

EPOCHS, TUNING_SEEDS, SEEDS = 60, tuple(range(100, 108)), (0, 1, 2, 3, 4)
AFTER = (10, 30, EPOCHS)
IN_TIME = "in the time of SGD"
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
    set_threads(problem.size * len(settings) * len(seeds))
    runs = torch.tensor(seeds).repeat(len(settings))
    theta = problem.start(0, runs)
    p = method.tensors(len(runs), theta)
    for name in settings[0]:
        values = torch.tensor([s[name] for s in settings], dtype=theta.dtype)
        setattr(p, name, values.repeat_interleave(len(seeds)))
    state = method.init(Oracle(problem, problem.training(0, runs), len(runs)), theta, p)
    per_epoch = problem.draw.per_epoch                                     # type: ignore
    losses = [problem.forward(state.theta, problem.reference()).f]
    for step, batch in enumerate(problem.batches(0, EPOCHS * per_epoch, 0, runs), 1):
        state, _ = method.step(Oracle(problem, batch, len(runs)), state, p)
        if step % per_epoch == 0:
            losses.append(problem.forward(state.theta, problem.reference()).f)
    return Course(torch.stack(losses).view(-1, len(settings), len(seeds)).numpy())


def seconds_per_epoch(problem: Problem, chosen: dict[str, Method], rounds: int = 12) -> Seconds:
    """Cost of an epoch of each method alone, the methods taking turns."""
    set_threads(problem.size)
    one = torch.zeros(1, dtype=torch.int64)
    batches = list(problem.batches(0, problem.draw.per_epoch, 0, one))     # type: ignore

    @torch.inference_mode()
    def epochs(method: Method) -> Callable[[], None]:
        theta = problem.start(0, one)
        p = method.tensors(1, theta)
        state = [method.init(Oracle(problem, problem.training(0, one), 1), theta, p)]

        @torch.inference_mode()
        def epoch() -> None:
            for batch in batches:
                state[0], _ = method.step(Oracle(problem, batch, 1), state[0], p)

        return epoch

    # KFAC inverts every 20 steps: four epochs of it are one turn
    return interleaved({name: epochs(method) for name, method in chosen.items()}, rounds,
                       {"kfac": 4})


def measure() -> Iterator[Table | str]:
    """Tune, run; what was chosen, what an epoch costs, and what is reached."""
    problem = Autoencoder().build(torch.float64, torch.device("cpu"))
    chosen: dict[str, Method] = {}
    notes: dict[str, str] = {}
    for name in GRIDS:
        settings = settings_of(name)
        course = train(problem, METHODS[name](), settings, TUNING_SEEDS)
        best = settings[course.best]
        chosen[name] = METHODS[name](**best)
        finite = np.isfinite(course.losses[-1]).all(-1).sum()
        notes[name] = ", ".join(f"{field} {value:g}" for field, value in best.items())
        notes[name] += f"; {finite} of {len(settings)} settings stayed finite"
    cost = seconds_per_epoch(problem, chosen)
    yield Table(key="cost", title="An epoch of the digits autoencoder, as tuned", rows=tuple(
        rows(cost, "sgd", notes=notes)), about="float64, 5 steps, R = 1; the grid's choice.")
    yield losses(problem, chosen, cost)


def losses(problem: Problem, chosen: dict[str, Method], cost: Seconds) -> Table:
    """Training loss after equal epochs, and in the time that SGD takes for all of its own."""
    found: list[Measurement] = []
    for name, method in chosen.items():
        course = train(problem, method, [{}], SEEDS).losses[:, 0]
        afford = min(EPOCHS, int(EPOCHS * np.median(cost["sgd"]) / np.median(cost[name])))
        for case, epoch in (*((f"{n} epochs", n) for n in AFTER), (IN_TIME, afford)):
            failed = int((~np.isfinite(course[epoch])).sum())
            words = [f"{afford} epochs"] * (case == IN_TIME) + [f"{failed} failed"] * (failed > 0)
            found.append(Measurement(name=name, case=case, unit="", **deviation(course[epoch]),
                                     note=", ".join(words)))
    return Table(key="losses", title="Training loss per image, every method tuned on twelve "
                 "settings", spread="std", rows=tuple(found),
                 about=f"Mean ± standard deviation of those of {len(SEEDS)} seeds that stayed "
                       "finite; lower is better.")
