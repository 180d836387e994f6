"""What a method costs: declared, and counted or measured in a few steps of its own."""

from __future__ import annotations

import time
from dataclasses import fields, is_dataclass
from functools import lru_cache
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Method
from qnviz.methods.factored import Factored
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import Autoencoder
from qnviz.problems.linear_net import LinearNet
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.problems.spec import ProblemSpec
from qnviz.ui.state.defaults import LABS

STEPS = 20                                     # that are counted
REPEATS = 5                                    # of a measurement in seconds
CPU = torch.device("cpu")
# on which costs are told; the last is only calculated, never built
ROSENBROCK, LINEAR, DIGITS, LARGE = (
    "Rosenbrock", "Linear net", "Digits, mini-batches", "MNIST, mini-batches")
PROBLEMS: dict[str, ProblemSpec] = {
    ROSENBROCK: Rosenbrock(), LINEAR: LinearNet(), DIGITS: Autoencoder(),
    LARGE: Autoencoder(data="mnist")}
# what a problem must not be for a method that cannot run on it, in a few words
NEEDS: dict[str, ProblemSpec] = {
    "a function without noise": Rosenbrock(noise=1.0),
    "a sum of squares": Autoencoder(widths=(64, 2, 64), loss="bce", batch=None),
    "few parameters": Autoencoder(loss="mse", batch=None)}


class Cost(NamedTuple):
    """One method on one problem; None where nothing was run."""

    where: str
    parameters: int
    declared: float                            # passes per step, at most as a rule
    held: float                                # numbers per parameter, at most
    mean: float | None = None                  # passes per step, counted
    most: float | None = None
    state: float | None = None                 # numbers per parameter, counted
    why_not: str | None = None                 # why it cannot run there


class Pace(NamedTuple):
    """Seconds per step, and those of SGD in turns with it."""

    where: str
    own: float
    sgd: float


def usual(name: str, problem: ProblemSpec) -> Method:
    """A method as its lab on this problem has it."""
    return METHODS[name](**LABS[problem.name].usual(name))


@lru_cache(maxsize=64)
def costs(name: str) -> tuple[Cost, ...]:
    """A method's costs on all of PROBLEMS."""
    return tuple(_counted(name, where) for where in PROBLEMS)


def declared(name: str, where: str) -> Cost:
    """What a method says of its costs, without running anything."""
    problem = PROBLEMS[where]
    method = usual(name, problem)
    return Cost(where, problem.size, method.passes(problem),
                method.footprint(problem) / problem.size, why_not=method.unavailable(problem))


def _counted(name: str, where: str) -> Cost:
    told, problem = declared(name, where), PROBLEMS[where]
    if told.why_not or where == LARGE:
        return told
    work, state, _ = drive(usual(name, problem), problem, STEPS)
    return told._replace(mean=float(work.mean()), most=float(work.max()),
                         state=numbers(state) / problem.size)


@torch.inference_mode()
def drive(method: Method, spec: ProblemSpec, steps: int) -> tuple[np.ndarray, Any, float]:
    """Work of each of a few steps of one run, the state after them, and seconds per step."""
    problem, runs = spec.build(torch.float64, CPU), torch.zeros(1, dtype=torch.int64)
    theta = problem.start(0, runs)
    p = method.tensors(1, theta)
    state = method.init(Oracle(problem, problem.training(0, runs), 1, horizon=steps), theta, p)
    work, began = [], time.perf_counter()
    for batch in problem.batches(0, steps, 0, runs):
        oracle = Oracle(problem, batch, 1)
        state, _ = method.step(oracle, state, p)
        work.append(float(oracle.work[0]))
    return np.array(work), state, (time.perf_counter() - began) / steps


def numbers(state: Any) -> int:
    """How many numbers the tensors of one run's state hold."""
    if isinstance(state, Tensor):
        return state.numel()
    if isinstance(state, list | tuple):
        return sum(map(numbers, state))
    if isinstance(state, SimpleNamespace):
        return sum(map(numbers, vars(state).values()))
    if is_dataclass(state):
        return sum(numbers(getattr(state, f.name)) for f in fields(state))
    return 0


def pace(name: str) -> Pace:
    """Seconds per step beside those of SGD, the best of a few repeats in turns, on this machine."""
    where = next(w for w in (DIGITS, LINEAR, ROSENBROCK)
                 if not usual(name, PROBLEMS[w]).unavailable(PROBLEMS[w]))
    problem = PROBLEMS[where]
    own, sgd = usual(name, problem), usual("sgd", problem)
    taken = [(drive(own, problem, STEPS)[2], drive(sgd, problem, STEPS)[2])
             for _ in range(REPEATS)]
    return Pace(where, min(t for t, _ in taken), min(t for _, t in taken))


def needs(method: type[Method]) -> str:
    """What a method asks of a problem, in a few words."""
    found = ["layers"] if issubclass(method, Factored) else []
    return ", ".join(found + [words for words, probe in NEEDS.items()
                              if method().unavailable(probe)]) or "–"


def refusals(method: type[Method]) -> dict[str, str]:
    """On which problems a method cannot run, and why; the same reason is told once."""
    found: dict[str, str] = {}
    for where, problem in (PROBLEMS | {"Rosenbrock with noise": Rosenbrock(noise=1.0)}).items():
        why = method().unavailable(problem)
        if why and why not in found.values() and where != LARGE:
            found[where] = why
    return found
