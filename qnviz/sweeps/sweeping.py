"""A sweep as a computation: tiles for workers, in the order in which a map gets finer.

What was computed stays, also of a sweep that nobody waits for any more: it is continued when
somebody asks for it again.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable

from qnviz.errors import SpecError
from qnviz.jobs import workers
from qnviz.jobs.fair import compute
from qnviz.jobs.job import Computation, Piece
from qnviz.jobs.store import Store
from qnviz.jobs.task import Pool
from qnviz.runs.device import resolve
from qnviz.runs.trace import Rows
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec
from qnviz.sweeps.tile import Halt, work
from qnviz.sweeps.tiles import Tile

FRESH = 0.1                          # seconds between two snapshots
SHARE = 0.25                         # of the time that may go into making snapshots
KEPT = 128_000_000                   # bytes of results that are kept
RESULTS: Store[SweepResult] = Store(KEPT)

Progress = Callable[[int, int], None]          # called with the runs that are there, and with all


class Sweep(Computation[SweepResult]):
    """A sweep, tile by tile.

    Args:
        spec: the sweep.
        result: what there is of it already; tiles are added to this very object. It belongs to
            the caller, and nothing is kept; without it, results are kept among RESULTS.
        progress: called after each tile.
    """

    def __init__(self, spec: SweepSpec, result: SweepResult | None = None,
                 progress: Progress = lambda done, total: None):
        self.spec, self.key = spec, f"sweep/{spec.key()}"
        self._own, self._progress = result is not None, progress
        self._todo: deque[Tile] | None = None          # None before it begins
        self._in_process, self._there = False, spec    # see `placed`
        self._halt = Halt()
        self._lock = threading.Lock()
        self._shown: SweepResult | None = None
        self._copied, self._copying = -math.inf, 0.0
        self._take(result)

    def _take(self, result: SweepResult | None) -> None:
        self._result, self._news = result, result is not None
        self._done = 0 if result is None else round(result.fraction * self.spec.size)

    @property
    def fraction(self) -> float:
        """The share of the runs that are there."""
        return self._done / self.spec.size

    @property
    def complete(self) -> bool:
        """Whether all runs are there."""
        return self._done == self.spec.size

    @property
    def has_pieces(self) -> bool:
        """Whether there are tiles to start."""
        return self._todo is None or bool(self._todo)

    def recall(self) -> None:
        """Take what is kept: a whole result is shared, a partial one is continued by this alone."""
        if not self._own:
            kept = RESULTS.get(self.key)
            self._take(kept if kept is None or kept.complete else RESULTS.take(self.key))

    def begin(self) -> None:
        """Plan the tiles; for a large grid, that and memory for its numbers take a moment.

        Raises:
            DeviceError: the device asked for is not there.
        """
        self._in_process, self._there = placed(self.spec)
        with self._lock:
            self._result = self._result or SweepResult(self.spec)
            self._todo = deque(self._result.missing)

    def pool(self) -> Pool:
        """Workers, or a thread of this process for a GPU."""
        return workers.THREAD if self._in_process else workers.pool()

    def next(self) -> Piece:
        """The next tile."""
        assert self._todo
        return Piece(work, (self._there, self._todo.popleft(), self._halt.path))

    def put_back(self, piece: Piece) -> None:
        """A tile comes first again."""
        if self._todo is not None:
            self._todo.appendleft(piece.args[1])

    def absorb(self, piece: Piece, result: Rows) -> float:
        """Add a tile's numbers."""
        tile: Tile = piece.args[1]
        with self._lock:
            if self._result is not None:
                self._result.put(tile, result)
                self._news = True
                self._done += len(tile.cells)
        self._progress(self._done, self.spec.size)
        return float(result["seconds"].sum())

    def snapshot(self) -> SweepResult | None:
        """A copy of what there is, made at most every 0.1 s and in a quarter of the time."""
        now = time.monotonic()
        with self._lock:
            if self._result is not None and self._news and (
                    now - self._copied > max(FRESH, self._copying / SHARE)):
                self._shown, self._news = _frozen(self._result.copy()), False
                self._copied = time.monotonic()
                self._copying = self._copied - now
            return self._shown

    def pause(self, paused: bool) -> None:
        """Tiles under way are short, and are finished."""

    def halt(self) -> None:
        """End the tiles under way."""
        self._halt.set()

    def close(self, watched: bool) -> SweepResult | None:
        """Keep what there is, for the next who ask."""
        with self._lock:
            result, self._result = self._result, None
            if result is None or self._own:
                return result
            if self.complete:
                self._shown = _frozen(result)
            elif self._news and watched:
                self._shown = _frozen(result.copy())
            if result.have.any():
                RESULTS.put(self.key, result)
            shown, self._shown = self._shown, None
            return shown


def _frozen(result: SweepResult) -> SweepResult:
    """The same, which nobody can change by accident: viewers share it."""
    for column in result.columns.values():
        column.flags.writeable = False
    return result


def placed(spec: SweepSpec) -> tuple[bool, SweepSpec]:
    """Whether a sweep's tiles stay in this process, and their spec with its device resolved.

    A GPU's memory is not shared out among processes. Otherwise all compute on CPUs: a worker that
    has a GPU must not give other numbers than one that has none.

    Raises:
        DeviceError: the device asked for is not there.
    """
    device = resolve(spec.device)[0].type
    return device != "cpu", spec.model_copy(update={"device": device})


def keep(result: SweepResult) -> None:
    """Put a finished result, such as a shipped one, where viewers find it."""
    RESULTS.put(f"sweep/{result.spec.key()}", result if result.complete else result.copy())


def sweep(spec: SweepSpec, result: SweepResult | None = None,
          progress: Progress = lambda done, total: None,
          stop: threading.Event | None = None) -> SweepResult:
    """Compute a sweep, or what is missing of one.

    Args:
        spec: the sweep.
        result: what there is of it already; tiles are added to this very object as they come.
        progress: called after each tile with the number of runs that are there, and of all.
        stop: ends the computation soon after it is set.

    Raises:
        SpecError: `result` belongs to another sweep.
        Interrupted: `stop` was set.
        DeviceError: the device asked for is not there.
        DataError: the problem's data are missing or damaged.
        WorkerError: workers are set wrongly, or one died again and again over the same tile.
    """
    if result is None:
        result = SweepResult(spec)
    elif result.spec.key() != spec.key():
        raise SpecError(["The result to continue belongs to another sweep."])
    compute(Sweep(spec, result, progress), stop)
    return result
