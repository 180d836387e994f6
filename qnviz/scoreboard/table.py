"""What the scoreboard compares: methods (rows), problems (columns), and how methods are tuned.

Methods declare their rows themselves. Nothing here computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from qnviz.methods.base import Row
from qnviz.methods.registry import METHODS

TARGET = 1e-4                        # a run succeeds once the loss, without noise, is this low
PER_SET = 2                          # starts on each of the linear net's data sets
FEWER = 5                            # a net is repeated so many times less often than a function
FEWEST, MOST = 10, 500               # repeats that may be asked for
TUNING_SEED = 1000                   # added to the seed: no run is tuned on what it is judged by

# One grid for every method that has the field. Memories last 1, 2, 5, … steps.
MEMORY = (0.0, 0.5, 0.8, 0.9, 0.95, 0.98)
GRID: dict[str, tuple[float, ...]] = {
    "lr": tuple(float(f"{m}e{e}") for e in range(-5, 0) for m in (1, 2, 5)) + (1.0,),
    "momentum": MEMORY,
    "beta1": MEMORY,
    "beta2": (0.9, 0.99, 0.999),
    "beta": (0.9, 0.99, 0.999),
    "lam": (0.01, 0.1, 0.5)}


@dataclass(frozen=True)
class Column:
    """A problem; `sets` says that each data set has a seed of its own."""

    key: str
    title: str
    short: str                       # in sentences
    problem: Mapping[str, Any]
    steps: int                       # more is a failure
    sets: bool = False

    def repeats(self, asked: int) -> int:
        """How many runs there are where so many are asked for."""
        return PER_SET * max(1, asked // FEWER // PER_SET) if self.sets else asked


def _rosenbrock(noise: float, noise_in: str = "residual") -> dict[str, Any]:
    return {"name": "rosenbrock", "noise": noise, "noise_in": noise_in, "start": (-0.25, -0.25),
            "start_noise": 0.1}


# the rows of the reference's table stand in its order, all others follow in that of the registry
ORDER = ("sgd", "adam", "lm", "bfgs", "newton", "newton_krylov", "curveball_10", "curveball_1",
         "curveball_0.1", "kbfgs", "adam_lr")


def _rows() -> dict[str, Row]:
    """All rows by key; what a method declares itself, not what it inherits."""
    declared = [replace(row, name=name) for name, method in METHODS.items()
                for row in vars(method).get("rows", ())]
    keys = [row.key for row in declared]
    if twice := sorted({key for key in keys if keys.count(key) > 1}):
        raise ValueError(f"two rows of the scoreboard have the key {twice[0]!r}")
    found = dict(zip(keys, declared, strict=True))
    return {key: found[key] for key in dict.fromkeys((*ORDER, *keys))}


ROWS = _rows()
COLUMNS = {column.key: column for column in (
    Column("rosenbrock", "Rosenbrock, ε = 1", "ε = 1", _rosenbrock(0.0), 10_000),
    Column("noise_1", "Rosenbrock, ε ~ U[0, 1]", "U[0, 1]", _rosenbrock(1.0), 10_000),
    Column("noise_3", "Rosenbrock, ε ~ U[0, 3]", "U[0, 3]", _rosenbrock(3.0), 10_000),
    Column("noise_1_f", "Rosenbrock, ε ~ U[0, 1] in f", "U[0, 1] in f",
           _rosenbrock(1.0, "function"), 10_000),
    Column("noise_3_f", "Rosenbrock, ε ~ U[0, 3] in f", "U[0, 3] in f",
           _rosenbrock(3.0, "function"), 10_000),
    Column("net_6", "Linear net, w = 6, randn", "net w = 6",
           {"name": "linear_net", "width": 6}, 3000, True),
    Column("net_10", "Linear net, w = 10, scaled", "net w = 10",
           {"name": "linear_net", "width": 10, "init": "scaled"}, 3000, True))}
MAIN = tuple(key for key, row in ROWS.items() if not row.extra)


def settings(row: Row) -> list[dict[str, float]]:
    """All combinations of the grid's values for the fields that are tuned; one if none is.

    A row's own grid goes before the common one.
    """
    found: list[dict[str, float]] = [{}]
    for name in row.tuned:
        values = row.grid.get(name) or GRID[name]
        found = [chosen | {name: value} for chosen in found for value in values]
    return found
