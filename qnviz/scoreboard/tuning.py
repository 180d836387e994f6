"""The scoreboard, computed: each method tuned and measured on each problem, cell by cell.

A cell is a function of its row, its column, the number of repeats and the seed, whoever computes
it; seconds alone are not. Tuning has two rounds: every setting of the declared grid on a few runs,
then the best ones on more. Fewest failures win, then the least mean number of iterations.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.problem import Problem
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.tape import Batch
from qnviz.runs.device import set_threads
from qnviz.runs.ends import CONVERGED
from qnviz.runs.spec import RunSpec
from qnviz.runs.step import Runs
from qnviz.runs.totals import totals
from qnviz.runs.trace import Rows
from qnviz.scoreboard.board import Cell
from qnviz.scoreboard.rows import DECLARED
from qnviz.scoreboard.table import (
    COLUMNS,
    PER_SET,
    TARGET,
    TUNING_SEED,
    Column,
    Row,
    settings,
)

FIRST, KEPT, SECOND = 4, 8, 20       # runs of each setting, settings that go on, runs of these
WARM = 8                             # steps before a function's time is taken
SHARES = (16, 4, 1)                  # of the budget, tried in turn in the first round

Chosen = dict[str, float]


def compute(row: str, column: str, repeats: int, seed: int, chosen: Chosen | None = None) -> Cell:
    """Tune and measure one cell.

    Args:
        row: a key of DECLARED.
        column: a key of COLUMNS.
        repeats: how many runs; nets make fewer, see `Column.repeats`.
        seed: of starts, noise and data; tuning takes another.
        chosen: settings that were tuned before, so that nothing is tuned here.
    """
    set_threads(1)
    r, c, tuning = DECLARED[row], COLUMNS[column], {}
    if chosen is None:
        chosen, tuning = tune(r, c, seed + TUNING_SEED) if r.tuned else ({}, {})
    if not c.sets:                             # a first call pays for what is loaded only then
        measure(r, c, [chosen], c.repeats(repeats), WARM, seed)
    rows = measure(r, c, [chosen], c.repeats(repeats), c.steps, seed)
    style = METHODS[r.name].style
    return Cell(row, column, rows["status"][0], rows["stopped"][0], rows["work"][0],
                rows["seconds"][0], dict(r.settings) | chosen, (style.color, style.marker), tuning)


def tune(row: Row, column: Column, seed: int) -> tuple[Chosen, dict[str, Any]]:
    """The best setting of the grid, and how it was found.

    First round: FIRST runs of every setting with a sixteenth of the budget, then with a quarter,
    then with all of it, until KEPT settings reach the target with every run. Second round: SECOND
    other runs of the KEPT best with the whole budget.
    """
    began, grid = time.perf_counter(), settings(row)
    runs, rows, steps = 0, None, column.steps
    for share in SHARES:
        steps = -(-column.steps // share)
        rows = measure(row, column, grid, FIRST, steps, seed, quick=True)
        runs += FIRST * len(grid)
        if (rows["status"] == CONVERGED).all(1).sum() >= KEPT:
            break
    assert rows is not None
    best = [grid[i] for i in _ranked(rows)[:KEPT]]
    rows = measure(row, column, best, SECOND, column.steps, seed + TUNING_SEED, quick=True)
    order = _ranked(rows)
    said = [{"settings": best[i], "failed": int((rows["status"][i] != CONVERGED).sum()),
             "iterations": _mean(rows, i)} for i in order]
    return best[order[0]], {
        "fields": list(row.tuned), "settings": len(grid),
        "runs": runs + SECOND * len(best), "budget of round 1": steps,
        "seconds": round(time.perf_counter() - began, 2), "best": said}


def _ranked(rows: Rows) -> list[int]:
    """Settings by failures, then by the mean number of iterations, then in the grid's order."""
    failed = (rows["status"] != CONVERGED).sum(1)
    means = [_mean(rows, i) for i in range(len(failed))]
    return sorted(range(len(failed)), key=lambda i: (
        failed[i], np.inf if means[i] is None else means[i], i))


def _mean(rows: Rows, i: int) -> float | None:
    good = rows["stopped"][i][rows["status"][i] == CONVERGED]
    return round(float(good.mean()), 1) if len(good) else None


def measure(row: Row, column: Column, chosen: Sequence[Chosen], runs: int, steps: int, seed: int,
            quick: bool = False) -> Rows:
    """`runs` runs of each setting, all settings on the same starts and noise.

    Args:
        row: the method.
        column: the problem.
        chosen: the settings, S of them.
        runs: R; a net's are PER_SET on each of R / PER_SET data sets.
        steps: the budget.
        seed: of the first data set; the others follow.
        quick: whether a net's steps see the few points of `Problem.reference` in place of all its
            samples: the same function to rounding, in far less time.

    Returns:
        What `totals` does, (S, R) each.
    """
    method = METHODS[row.name].model_validate(dict(row.settings))
    each = PER_SET if column.sets else runs
    parts = []
    for k in range(runs // each):
        # a cell's first run is the run that a lab shows with the same seed
        spec = _problem_spec(column, seed + k)
        problem = spec.build(torch.float64, torch.device("cpu"))
        if quick and column.sets:
            problem.batches = _reference_batches(problem)       # type: ignore[method-assign]
        run = RunSpec.model_validate({"problem": spec, "methods": (method,), "steps": steps,
                                      "seed": seed + k, "stop_loss": TARGET})
        numbers = torch.arange(each).repeat(len(chosen))
        rows = totals(run, method, problem, _runs(problem, method, chosen, numbers, seed + k))
        parts.append({n: rows[n].reshape(len(chosen), each)
                      for n in ("status", "stopped", "work", "seconds")})
    return {n: np.concatenate([p[n] for p in parts], 1) for n in parts[0]}


def _runs(problem: Problem, method: Method, chosen: Sequence[Chosen], numbers: Tensor,
          seed: int) -> Runs:
    """The runs of `numbers` (S · R,), R of each setting in turn."""
    theta = problem.start(seed, numbers)
    p = method.tensors(len(numbers), theta)
    for name in chosen[0]:
        values = torch.tensor([c[name] for c in chosen], dtype=theta.dtype)
        setattr(p, name, values.repeat_interleave(len(numbers) // len(chosen)))
    return Runs(theta, p, seed, numbers)


def _problem_spec(column: Column, seed: int) -> ProblemSpec:
    more = {"data_seed": seed} if column.sets else {}
    return PROBLEMS[column.problem["name"]].model_validate(dict(column.problem) | more)


def _reference_batches(problem: Problem) -> Callable[..., Iterator[Batch]]:
    batch = problem.reference()

    def batches(first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        yield from [batch] * count

    return batches


@cache
def weight(row: str, column: str, tuned: bool) -> float:
    """About how long a cell takes, with or without tuning, relative to others."""
    spec = _problem_spec(COLUMNS[column], 0)
    tried = len(settings(DECLARED[row])) if tuned else 0
    return (1 + tried) * METHODS[DECLARED[row].name]().passes(spec) * spec.size
