"""The scoreboard's numbers: what single runs took, means, spreads, failures, and the best.

A board is read and drawn without torch. It is JSON: everything that made its numbers is in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from qnviz import __version__
from qnviz.errors import TraceError
from qnviz.methods.declared import Row
from qnviz.runs.ends import STATUS
from qnviz.saving import replaced
from qnviz.scoreboard.table import (
    COLUMNS,
    FEWER,
    GRID,
    PER_SET,
    ROWS,
    TARGET,
    TUNING_SEED,
    plain_row,
    rows_of,
)

UNITS = ("iterations", "work", "seconds")
OBJECTS = 7_000                      # bytes of a cell beside its arrays
PLACES = 4                           # digits of a time that are kept


@dataclass(frozen=True)
class Figures:
    """Mean and spread of the runs that reached the target, and how many did not."""

    mean: float                      # NaN where none did
    spread: float
    failed: int
    runs: int

    @property
    def rank(self) -> tuple[int, float]:
        """What the best is least in: failures first, then the mean."""
        return self.failed, np.inf if np.isnan(self.mean) else self.mean


@dataclass(frozen=True, eq=False)
class Cell:
    """One method on one problem.

    `status` (R,) are codes of STATUS; `iterations`, `work` (in units of a forward pass) and
    `seconds` (a run's share of the time of its batch) are those of each run, (R,), also of failed
    ones. `settings` are what was declared and what tuning chose. `look` is the method's colour and
    marker.
    """

    row: str
    column: str
    status: np.ndarray
    iterations: np.ndarray
    work: np.ndarray
    seconds: np.ndarray
    settings: dict[str, Any]
    look: tuple[str, str]
    tuning: dict[str, Any] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Memory that it takes: its arrays, and about as much as its settings and tuning do."""
        arrays = (self.status, self.iterations, self.work, self.seconds)
        return sum(a.nbytes for a in arrays) + OBJECTS

    @property
    def reached(self) -> np.ndarray:
        """Which runs reached the target, (R,)."""
        return self.status == STATUS.index("converged")

    def values(self, unit: str) -> np.ndarray:
        """What each run took (R,), in one of UNITS."""
        return getattr(self, unit)

    def figures(self, unit: str) -> Figures:
        """Its text, as numbers."""
        good = self.values(unit)[self.reached].astype(float)
        mean, spread = (float(good.mean()), float(good.std())) if len(good) else (np.nan, np.nan)
        return Figures(mean, spread, int((~self.reached).sum()), len(self.status))

    def plain(self) -> dict[str, Any]:
        """As JSON."""
        return {"row": self.row, "column": self.column, "settings": self.settings,
                "tuning": self.tuning, "look": list(self.look),
                "status": [STATUS[s] for s in self.status],
                "iterations": self.iterations.tolist(), "work": _short(self.work, 8),
                "seconds": _short(self.seconds, PLACES)}


@dataclass
class Board:
    """Cells by (row, column), all from the same seed and number of repeats; the rows by key."""

    seed: int = 0
    repeats: int = 100
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    tuned_anew: bool = True
    rows: Mapping[str, Row] = field(default_factory=lambda: ROWS)

    def best(self, column: str, unit: str, rows: tuple[str, ...]) -> str | None:
        """The row with the fewest failures, and of those with the least mean."""
        order = self.order(column, unit, rows)
        return order[0] if order else None

    def order(self, column: str, unit: str, rows: tuple[str, ...]) -> list[str]:
        """The rows that have a mean in a column, the best first."""
        found = {r: self.cells[r, column].figures(unit) for r in rows if (r, column) in self.cells}
        return sorted((r for r, f in found.items() if not np.isnan(f.mean)),
                      key=lambda r: found[r].rank)

    def plain(self) -> dict[str, Any]:
        """As JSON, with all that made the numbers."""
        return {
            "qnviz": __version__, "seed": self.seed, "repeats": self.repeats,
            "tuned_anew": self.tuned_anew, "target": TARGET,
            "units": {"iterations": "steps until the loss, without noise, is below the target",
                      "work": "forward passes of the batch",
                      "seconds": "a run's share of the time of its batch of runs; not "
                                 "reproducible to the bit"},
            "tuning": {"grid": GRID, "seed": self.seed + TUNING_SEED,
                       "chosen by": "fewest failures, then least mean number of iterations"},
            "linear net": f"repeats / {FEWER}, {PER_SET} starts on each data set",
            "rows": {k: plain_row(r) for k, r in self.rows.items()},
            "columns": {k: {"title": c.title, "problem": dict(c.problem), "steps": c.steps}
                        for k, c in COLUMNS.items()},
            "cells": [cell.plain() for cell in self.cells.values()]}

    def save(self, path: str | Path) -> None:
        """Write a JSON file."""
        text = json.dumps(self.plain(), ensure_ascii=False, separators=(",", ":"))
        with replaced(path) as file:
            file.write((text.replace('{"row"', '\n{"row"') + "\n").encode())


def _short(values: np.ndarray, digits: int) -> list[float]:
    return [float(f"{v:.{digits}g}") for v in values]


def load(path: str | Path) -> Board:
    """Read a saved board.

    Raises:
        TraceError: it cannot be read, or is no board of this version's table.
    """
    name = Path(path).name
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        cells = [_cell(c) for c in data["cells"]]
        board = Board(data["seed"], data["repeats"], {}, data["tuned_anew"], rows_of(data["rows"]))
    except OSError as error:
        raise TraceError(f"{name} cannot be read: {error.strerror}.") from None
    except (ValueError, KeyError, TypeError, IndexError, AttributeError,
            RecursionError) as error:
        raise TraceError(f"{name} is no scoreboard: {error!r}.") from None
    board.cells = {(c.row, c.column): c for c in cells
                   if c.row in board.rows and c.column in COLUMNS}
    return board


def _cell(c: Mapping[str, Any]) -> Cell:
    if len({len(c[name]) for name in ("status", *UNITS)}) > 1:
        raise ValueError("a cell's runs have not all their numbers")
    return Cell(c["row"], c["column"], np.array([STATUS.index(s) for s in c["status"]]),
                np.array(c["iterations"], dtype=np.int64), np.array(c["work"], dtype=float),
                np.array(c["seconds"], dtype=float), dict(c["settings"]),
                (c["look"][0], c["look"][1]), dict(c["tuning"]))


def written(f: Figures, unit: str) -> str:
    """A cell's text: 13 ± 1 (2F)."""
    if np.isnan(f.mean):
        return f"all {f.runs} failed"
    text = f"{amount(f.mean, unit)} ± {amount(f.spread, unit, f.mean)}"
    if unit == "seconds":
        text += f" {_scale(f.mean)[1]}"
    return text + (f" ({f.failed}F)" if f.failed else "")


def amount(value: float, unit: str, beside: float | None = None) -> str:
    """A number of steps, units or seconds as a cell writes it; times in the unit of `beside`."""
    if unit != "seconds":
        return f"{value:,.0f}"
    beside = value if beside is None else beside
    scale = _scale(beside)[0]
    size = scale * beside
    return f"{scale * value:,.{0 if size >= 100 else 1 if size >= 10 else 2}f}"


def _scale(seconds: float) -> tuple[float, str]:
    return (1, "s") if seconds >= 1 else (1e3, "ms") if seconds >= 1e-3 else (1e6, "µs")
