"""What a scoreboard says, in sentences made of its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from qnviz.methods.declared import Row
from qnviz.numbers import say
from qnviz.scoreboard.board import UNITS, Board, written
from qnviz.scoreboard.table import COLUMNS, values_of

MANY = 8                             # so many values are not listed one by one
FEW, FAR = 5, 10                     # runs of a cell; spreads by which a run stands apart
NAMES = {"iterations": "iterations", "work": "work", "seconds": "time"}


def champions(board: Board, unit: str, rows: Sequence[str], columns: Sequence[str]) -> str:
    """Which method is best in each column, the columns that share a winner together."""
    won: dict[str, list[str]] = {}
    for c in columns:
        if best := board.best(c, unit, tuple(rows)):
            won.setdefault(best, []).append(c)
    parts = [f"**{board.rows[r].title}** on {listed([COLUMNS[c].short for c in cs])} "
             f"({listed([written(board.cells[r, c].figures(unit), unit) for c in cs])})"
             for r, cs in won.items()]
    least = {"iterations": "Fewest iterations", "work": "Least work", "seconds": "Least time"}[unit]
    return f"{least}: {'; '.join(parts)}." if parts else ""


def turns(board: Board, rows: Sequence[str], columns: Sequence[str]) -> str:
    """How the order changes from iterations to work and to time: the largest fall of each."""
    found: dict[tuple[str, str, int], list[str]] = {}
    for unit in UNITS[1:]:
        falls = [(b - a, a, b, r, c) for c in columns for r, a, b in _moves(board, c, unit, rows)]
        if falls and (worst := max(falls, key=lambda f: (f[0], -f[1])))[0] > 0:
            _, a, b, r, c = worst
            found.setdefault((r, c, a), []).append(f"{_place(b)} by {NAMES[unit]}")
    return " ".join(f"On {COLUMNS[c].short}, {board.rows[r].title} is {_place(a)} by iterations "
                    f"but {listed(parts)}." for (r, c, a), parts in found.items())


def _moves(board: Board, column: str, unit: str, rows: Sequence[str]) -> list[
        tuple[str, int, int]]:
    """Each row's places by iterations and by another unit."""
    before = board.order(column, "iterations", tuple(rows))
    after = board.order(column, unit, tuple(rows))
    return [(r, before.index(r) + 1, after.index(r) + 1) for r in before]


def _place(n: int) -> str:
    return f"{n}{'th' if 10 <= n % 100 <= 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(n % 10, 'th')}"


def listed(parts: Sequence[str]) -> str:
    """Things in a sentence: a, b and c."""
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def stragglers(board: Board, rows: Sequence[str], columns: Sequence[str]) -> list[str]:
    """Single runs that alone make a cell's spread."""
    said = []
    for at in ((r, c) for r in rows for c in columns if (r, c) in board.cells):
        cell = board.cells[at]
        taken = np.sort(cell.iterations[cell.reached])
        if len(taken) > FEW and taken[-1] > taken[:-1].mean() + FAR * taken[:-1].std() + FAR:
            said.append(f"{board.rows[at[0]].title} on {COLUMNS[at[1]].short}: one run took "
                        f"{taken[-1]:,} iterations, the others {taken[:-1].mean():,.0f} ± "
                        f"{taken[:-1].std():,.0f}.")
    return said


def tuned(rows: Iterable[Row]) -> list[str]:
    """Methods with the fields that are tuned: Adam (`lr`, `beta1`, `beta2`; or `lr` alone)."""
    found: dict[str, tuple[str, list[str]]] = {}           # method → title, sets of fields
    for row in rows:
        if row.tuned:
            _, sets = found.setdefault(row.name, (row.title, []))
            sets.append(", ".join(f"`{name}`" for name in row.tuned) + (" alone" if sets else ""))
    return [f"{title} ({'; or '.join(sets)})" for title, sets in found.values()]


def grid(rows: Iterable[Row]) -> list[str]:
    """The values over which fields are tuned: `beta2` and `beta` in 0.9, 0.99, 0.999."""
    found: dict[tuple[float, ...], list[str]] = {}
    for row in rows:
        for name in row.tuned:
            own = f"{row.title}'s `{name}`" if name in row.grid else f"`{name}`"
            if own not in (names := found.setdefault(values_of(row, name), [])):
                names.append(own)
    return [f"{listed(names)} {_values(values)}" for values, names in found.items()]


def _values(values: Sequence[float]) -> str:
    if len(values) < MANY:
        return "in " + ", ".join(f"{v:g}" for v in values)
    round_ones = all(f"{v:e}".startswith(("1.000", "2.000", "5.000")) for v in values)
    spacing = "1-2-5 steps" if round_ones else f"{len(values)} values"
    return f"from {say(values[0])} to {say(values[-1])} in {spacing}"
