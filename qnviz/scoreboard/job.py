"""A scoreboard computed beside the request: cells come as they are done, viewers share them.

A job hands its cells to the pool a few at a time. It ends when all are there, when somebody stops
it, or when nobody has looked for long.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from qnviz.jobs.background import GONE, SILENCE
from qnviz.jobs.workers import pool
from qnviz.scoreboard.board import Board, Cell
from qnviz.scoreboard.tuning import checked, chosen_in, each

KEPT = 600                           # cells in memory, about 10 kB each


@dataclass(frozen=True)
class Request:
    """What a job computes; equal requests share one."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    repeats: int
    seed: int
    anew: bool                       # whether methods are tuned again

    def key(self, row: str, column: str) -> tuple:
        """Under which a cell is kept."""
        return row, column, self.repeats, self.seed, self.anew


@dataclass
class BoardJob:
    """A board under way; `over` is set at its end, whichever it was."""

    request: Request
    tuned: Board
    kept: OrderedDict[tuple, Cell]
    over: threading.Event = field(default_factory=threading.Event)
    error: Exception | None = None

    def __post_init__(self) -> None:
        q = self.request
        self.wanted = [(r, c) for r in q.rows for c in q.columns]
        self.board = Board(q.seed, q.repeats, {}, q.anew)
        for at in self.wanted:
            if (cell := self.kept.get(q.key(*at))) is not None:
                self.board.cells[at] = cell
        self.viewers: dict[str, Callable[[], bool]] = {}
        self._stop = threading.Event()
        self._seen = self._met = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def look(self) -> Board:
        """What there is so far; also says that somebody is watching."""
        self._seen = time.monotonic()
        b = self.board
        return Board(b.seed, b.repeats, {at: b.cells[at] for at in self.wanted if at in b.cells},
                     b.tuned_anew)

    @property
    def fraction(self) -> float:
        """The share of cells that are done."""
        return len(self.board.cells) / len(self.wanted)

    def stop(self) -> None:
        """Hand out no more cells."""
        self._stop.set()

    def join(self) -> None:
        """Wait until the thread has ended; cells under way at the pool go on there."""
        self._thread.join()

    def _run(self) -> None:
        q = self.request
        try:
            left = [at for at in self.wanted if at not in self.board.cells]
            known = chosen_in(None if q.anew else self.tuned)
            for cell in each(pool(), left, q.repeats, q.seed, known, self._abandoned):
                if cell is not None:
                    self.kept[q.key(cell.row, cell.column)] = cell
                    self.board.cells[cell.row, cell.column] = cell
                    while len(self.kept) > KEPT:
                        self.kept.popitem(last=False)
        except Exception as error:             # raised again where the board is shown
            self.error = error
        finally:
            self.over.set()

    def _abandoned(self) -> bool:
        now = time.monotonic()
        if any(here() for here in list(self.viewers.values())):
            self._met = now
        return self._stop.is_set() or now - self._met > GONE or now - self._seen > SILENCE


class BoardJobs:
    """The boards under way, and the cells of all that were."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[Request, BoardJob] = {}
        self._kept: OrderedDict[tuple, Cell] = OrderedDict()

    def watch(self, viewer: str, request: Request, tuned: Board,
              here: Callable[[], bool] = lambda: True) -> BoardJob:
        """The job of a request, started if it is not under way.

        Raises:
            SpecError: the request cannot be computed.
        """
        checked(request.rows, request.columns, request.repeats, request.seed)
        with self._lock:
            self._jobs = {q: j for q, j in self._jobs.items() if not j.over.is_set()}
            job = self._jobs.get(request)
            if job is None:
                job = self._jobs[request] = BoardJob(request, tuned, self._kept)
            job.viewers = {**job.viewers, viewer: here}
            return job

    def leave(self, viewer: str, job: BoardJob) -> None:
        """This viewer has seen enough; a job without viewers ends."""
        with self._lock:
            job.viewers = {v: here for v, here in job.viewers.items() if v != viewer}
            if not job.viewers:
                job.stop()

    def close(self) -> None:
        """Stop all jobs and wait for their ends; cells that are done are kept."""
        with self._lock:
            jobs, self._jobs = list(self._jobs.values()), {}
        for job in jobs:
            job.stop()
        for job in jobs:
            job.join()


BOARDS = BoardJobs()
