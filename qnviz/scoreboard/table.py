"""What the scoreboard compares: methods (rows), problems (columns), and how methods are tuned.

Methods declare their rows (`rows.DECLARED`); those of the board that comes with the project are
read from its file. Nothing here computes, and nothing imports torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from qnviz.methods.declared import Row
from qnviz.paths import ASSETS

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


def plain_row(row: Row) -> dict[str, Any]:
    """A row as JSON."""
    grid = {"grid": {name: list(values) for name, values in row.grid.items()}} if row.grid else {}
    return {"title": row.title, "method": row.name, "settings": dict(row.settings),
            "tuned": list(row.tuned)} | grid


def rows_of(plain: Mapping[str, Any]) -> dict[str, Row]:
    """The rows of a saved board, by key."""
    return {key: Row(key, r["title"], r["settings"], tuple(r["tuned"]),
                     {name: tuple(values) for name, values in r.get("grid", {}).items()},
                     r["method"])
            for key, r in plain.items()}


def _shipped() -> dict[str, Row]:
    """The rows of the board that comes with the project: they are there before torch is."""
    try:
        return rows_of(json.loads((ASSETS / "scoreboard.json").read_text(encoding="utf-8"))["rows"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        from qnviz.scoreboard.rows import DECLARED  # the file is damaged: torch is waited for
        return DECLARED


ROWS = _shipped()


def values_of(row: Row, field: str) -> tuple[float, ...]:
    """The values over which a row's field is tuned."""
    return row.grid.get(field) or GRID[field]


def settings(row: Row) -> list[dict[str, float]]:
    """All combinations of the grid's values for the fields that are tuned; one if none is."""
    found: list[dict[str, float]] = [{}]
    for name in row.tuned:
        found = [chosen | {name: value} for chosen in found for value in values_of(row, name)]
    return found
