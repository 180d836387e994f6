"""The scoreboard beside what others found: the same table from another implementation.

The reference was written apart from this project, in float64. Its means and spreads are rounded to
whole steps; its grid of settings, its budgets, and the λ₀ and H₀ it started from are not reported.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnviz.scoreboard.board import Board, Cell, Figures, written
from qnviz.scoreboard.table import COLUMNS, ROWS

SOURCE = "a float64 implementation written apart from this project"
PUBLISHED = ("CurveBall's own table (arXiv 1805.08095) has about 13, 12 and 13 steps on Rosenbrock "
             "and 35 ± 11 on the linear net.")
MISSING = ("The reference has ε in the residual of Rosenbrock's function. For ε in front of the "
           "term of f there is none, so those columns are not compared.")
REPEATS = {"rosenbrock": 100, "noise_1": 100, "noise_3": 100, "net_6": 20, "net_10": 20}
# mean, spread, failed; in the order of REPEATS
_TABLE: dict[str, tuple[tuple[int, int, int], ...]] = {
    "sgd": ((212, 20, 0), (945, 219, 0), (8540, 328, 0), (453, 495, 0), (26, 8, 0)),
    "adam": ((337, 63, 0), (855, 192, 0), (5655, 280, 0), (484, 258, 0), (46, 1, 0)),
    "lm": ((13, 1, 0), (6, 2, 0), (9, 3, 0), (8, 3, 0), (4, 0, 0)),
    "bfgs": ((18, 2, 0), (29, 17, 0), (61, 30, 0), (83, 34, 0), (21, 4, 0)),
    "newton": ((13, 1, 0), (7, 2, 0), (12, 4, 0), (36, 5, 0), (14, 1, 0)),
    "newton_krylov": ((18, 1, 0), (9, 3, 0), (16, 5, 0), (47, 12, 0), (10, 2, 0)),
    "curveball_10": ((86, 0, 0), (90, 1, 0), (88, 1, 0), (1751, 508, 3), (96, 27, 0)),
    "curveball_1": ((13, 0, 0), (13, 1, 0), (13, 1, 0), (476, 409, 0), (34, 10, 0)),
    "curveball_0.1": ((5, 0, 0), (5, 1, 0), (5, 0, 0), (1074, 608, 14), (145, 163, 0)),
    "kbfgs": ((162, 58, 0), (155, 33, 0), (472, 188, 2), (549, 116, 0), (19, 2, 7))}
REFERENCE = {(row, column): Figures(float(mean), float(spread), failed, runs)
             for row, cells in _TABLE.items()
             for (column, runs), (mean, spread, failed) in zip(REPEATS.items(), cells, strict=True)}
HALF = 0.5                           # the reference is rounded to whole steps
ENOUGH = 10                          # runs of a cell; fewer tell no spread
ERRORS = 2                           # standard errors by which shares of failures may differ
RULE = ("A cell agrees where the means differ by no more than both spreads together (and the half "
        "step of rounding), and the shares of failed runs by no more than two standard errors. "
        f"Cells of fewer than {ENOUGH} runs are not compared.")


@dataclass(frozen=True)
class Difference:
    """A cell that does not agree: whether steps or failures differ, and why."""

    row: str
    column: str
    what: str
    why: str

    @property
    def words(self) -> str:
        """A sentence or two for the page."""
        return (f"{ROWS[self.row].title} on {COLUMNS[self.column].short}: {self.what}. {self.why}")


def agrees(ours: Figures, theirs: Figures) -> tuple[bool, bool]:
    """Whether the means do, and whether the failures do."""
    near = abs(ours.mean - theirs.mean) <= ours.spread + theirs.spread + HALF
    share = (ours.failed + theirs.failed) / (ours.runs + theirs.runs)
    error = (share * (1 - share) * (1 / ours.runs + 1 / theirs.runs)) ** 0.5
    apart = abs(ours.failed / ours.runs - theirs.failed / theirs.runs)
    return bool(near), apart <= ERRORS * error


def compared(cell: Cell) -> tuple[bool, bool] | None:
    """The same for a cell; None where the reference has none, or where there are too few runs."""
    theirs = REFERENCE.get((cell.row, cell.column))
    if theirs is None or len(cell.status) < ENOUGH:
        return None
    return agrees(cell.figures("iterations"), theirs)


def differences(board: Board, shipped: Board | None = None) -> list[Difference]:
    """All cells that do not agree, in the table's order.

    Args:
        board: the cells.
        shipped: where to look for rows that show a cause, if `board` does not have them.
    """
    found = []
    for (row, column), theirs in REFERENCE.items():
        cell = board.cells.get((row, column))
        if cell is None or (verdict := compared(cell)) is None or all(verdict):
            continue
        ours = cell.figures("iterations")
        what = (f"{written(ours, 'iterations')} steps here, "
                f"{written(theirs, 'iterations')} there")
        found.append(Difference(row, column, what, _why(board, shipped or board, row, column)))
    return found


def _why(board: Board, shipped: Board, row: str, column: str) -> str:
    """Why a cell differs; each claim about steps is read off a board."""
    for rows, columns, twin, text in REASONS:
        if row == rows and column in columns:
            at = (twin or "", column)
            known = board.cells.get(at, shipped.cells.get(at))
            said = written(known.figures("iterations"), "iterations") if known else ""
            if "{twin}" in text and not said:
                continue
            return text.format(twin=said)
    return "No cause is known; with few repeats it may be chance." if np.isfinite(
        board.cells[row, column].figures("iterations").mean) else "No run reached the target here."


TWO = ("The reference has one matrix over all parameters, K-BFGS two small ones per layer: on "
       "nets these are two methods.")
ALL = tuple(REPEATS)
# row, columns, the row that shows it, why
REASONS: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("adam", ALL, "adam_lr", "Here β₁ and β₂ are tuned as well; with α alone it takes {twin}."),
    ("lm", ALL, "lm_1", "Here λ starts from 1e−3 of JᵀJ's largest diagonal entry, is then too "
                        "small, and the first steps are taken back; from λ₀ = 1 it takes {twin}."),
    ("bfgs", ALL, "bfgs_identity", "Here H₀ has the scale of the first pair, that of the steepest "
                                   "direction, too small for all others; from H₀ = I it takes "
                                   "{twin}."),
    # measured by seeing the net as one layer of 96 or 160 outputs with input 1, tuned as K-BFGS is
    ("kbfgs", ("net_6",), None, f"{TWO} With one matrix this code takes 481 ± 592 steps, and no "
                                "run fails."),
    ("kbfgs", ("net_10",), None, f"{TWO} With one matrix and no memory, 6 of 20 runs of this code "
                                 "fail, too; tuning for the fewest failures avoids such settings."))
