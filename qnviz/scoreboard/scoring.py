"""A scoreboard as a computation: cells for workers, shown as they come, and kept."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from qnviz.errors import SpecError
from qnviz.jobs import fair, workers
from qnviz.jobs.job import Computation, Piece
from qnviz.jobs.store import Store
from qnviz.jobs.task import Pool
from qnviz.scoreboard.board import Board, Cell
from qnviz.scoreboard.rows import DECLARED
from qnviz.scoreboard.table import COLUMNS, FEWEST, MOST
from qnviz.scoreboard.tuning import Chosen, compute, weight

KEPT = 6_000_000                     # bytes of cells that are kept, some hundreds
CELLS: Store[Cell] = Store(KEPT)

Progress = Callable[[Cell, int, int], None]    # called with a cell, how many there are, and of all


class Scoreboard(Computation[Board]):
    """The cells of some rows and columns.

    Args:
        rows: keys of DECLARED.
        columns: keys of COLUMNS.
        repeats: runs per cell; nets make a fifth of it.
        seed: of starts, noise and data.
        tuned: a board whose chosen settings are taken over, in place of tuning; the one that comes
            with qnviz wherever cells are kept.
        kept: cells that were computed before, and where new ones are kept.
        progress: called after each cell.

    Raises:
        SpecError: with one sentence per wrong value.
    """

    def __init__(self, rows: Sequence[str], columns: Sequence[str], repeats: int, seed: int,
                 tuned: Board | None = None, kept: Store[Cell] | None = CELLS,
                 progress: Progress = lambda cell, done, of: None):
        checked(rows, columns, repeats, seed)
        self.wanted = [(r, c) for r in rows for c in columns]
        self._tuned, self._kept, self._progress = tuned, kept, progress
        self._made = repeats, seed, tuned is None      # what a cell depends on beside its place
        self.key = f"scoreboard/{self._made}/{self.wanted}"
        self._todo: deque[tuple[str, str]] | None = None       # by expected time; None: not begun
        self._long = True                              # whether a long cell comes next
        self._lock = threading.Lock()
        self._board = Board(seed, repeats, {}, tuned is None, DECLARED)
        self._shown: Board | None = None

    @property
    def fraction(self) -> float:
        """The share of the cells that are there."""
        return len(self._board.cells) / max(1, len(self.wanted))

    @property
    def complete(self) -> bool:
        """Whether all cells are there."""
        return len(self._board.cells) == len(self.wanted)

    @property
    def has_pieces(self) -> bool:
        """Whether there are cells to start."""
        return self._todo is None or bool(self._todo)

    def recall(self) -> None:
        """Take the cells that are kept of other boards."""
        if self._kept is not None:
            known = ((at, self._kept.get((*at, *self._made))) for at in self.wanted)
            self._board.cells = {at: cell for at, cell in known if cell is not None}

    def begin(self) -> None:
        """Sort the cells by the time that they take."""
        left = [at for at in self.wanted if at not in self._board.cells]
        self._todo = deque(sorted(left, key=self._weight))

    def pool(self) -> Pool:
        """Workers."""
        return workers.pool()

    def next(self) -> Piece:
        """A long cell, so that none is alone at the end, or a short one, to be seen soon."""
        assert self._todo
        at = self._todo.pop() if self._long else self._todo.popleft()
        self._long = not self._long
        repeats, seed, _ = self._made
        return Piece(compute, (*at, repeats, seed, chosen_in(self._tuned)(*at)), self._weight(at))

    def _weight(self, at: tuple[str, str]) -> float:
        return weight(*at, self._tuned is None)

    def put_back(self, piece: Piece) -> None:
        """A cell comes soon again."""
        if self._todo is not None:
            self._todo.append(piece.args[:2])

    def absorb(self, piece: Piece, result: Cell) -> float:
        """Add a cell."""
        at = result.row, result.column
        with self._lock:
            self._board.cells[at] = result
            self._shown = None
        if self._kept is not None:
            self._kept.put((*at, *self._made), result)
        self._progress(result, len(self._board.cells), len(self.wanted))
        return float(result.seconds.sum()) + result.tuning.get("seconds", 0.0)

    def snapshot(self) -> Board:
        """The cells that are there, in the table's order."""
        with self._lock:
            if self._shown is None:
                b = self._board
                cells = {at: b.cells[at] for at in self.wanted if at in b.cells}
                self._shown = Board(b.seed, b.repeats, cells, b.tuned_anew, b.rows)
            return self._shown

    def pause(self, paused: bool) -> None:
        """Cells under way are finished."""

    def halt(self) -> None:
        """Cells under way are finished by the workers that have them."""

    def close(self, watched: bool) -> Board:
        """What there is; its cells are kept already."""
        return self.snapshot()


def checked(rows: Sequence[str], columns: Sequence[str], repeats: int, seed: int) -> None:
    """Refuse what cannot be computed.

    Raises:
        SpecError: with one sentence per wrong value.
    """
    faults = []
    for what, names, known in (("row", rows, DECLARED), ("column", columns, COLUMNS)):
        faults += [f"There is no {what} {name!r}; known are {', '.join(known)}."
                   for name in names if name not in known]
    if not FEWEST <= repeats <= MOST:
        faults.append(f"repeats is {repeats}, but must be from {FEWEST} to {MOST}.")
    if not 0 <= seed <= 2**31 - 1:
        faults.append(f"seed is {seed}, but must be from 0 to {2**31 - 1:,}.")
    if faults:
        raise SpecError(faults)


def board(repeats: int = 100, seed: int = 0, rows: Sequence[str] = tuple(DECLARED),
          columns: Sequence[str] = tuple(COLUMNS), tuned: Board | None = None,
          progress: Progress = lambda cell, done, of: None) -> Board:
    """Compute a board on all workers.

    Args:
        repeats: runs per cell; nets make a fifth of it.
        seed: of starts, noise and data.
        rows: keys of DECLARED.
        columns: keys of COLUMNS.
        tuned: a board whose chosen settings are taken over, in place of tuning.
        progress: called with every cell, how many there are by now, and how many there will be.

    Raises:
        SpecError: with one sentence per wrong value.
    """
    found = Scoreboard(rows, columns, repeats, seed, tuned, None, progress)
    fair.compute(found)
    return found.snapshot()


def chosen_in(tuned: Board | None) -> Callable[[str, str], Chosen | None]:
    """What a board's tuning chose for a cell; None where it says nothing."""
    def known(row: str, column: str) -> Chosen | None:
        if tuned is None or (row, column) not in tuned.cells:
            return None
        found = tuned.cells[row, column].settings
        return {name: found[name] for name in DECLARED[row].tuned}

    return known
