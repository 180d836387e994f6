"""One sweep as its viewers and the queue see it."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from qnviz.runs.device import resolve
from qnviz.runs.trace import Rows
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec
from qnviz.sweeps.tile import Halt
from qnviz.sweeps.tiles import Tile

FRESH = 0.1                          # seconds between two snapshots
SHARE = 0.25                         # of the time that may go into making snapshots
EARLY = 0.5                          # seconds of computing before time left is estimated
GUESS = 0.25                         # seconds of a tile, before one was computed
QUANTUM = 20.0                       # seconds of computing, after which fresh sweeps go first

Watcher = tuple[str, str]            # a viewer and one of its slots


class SweepSnapshot(NamedTuple):
    """What a viewer sees of a sweep: its newest numbers, if any, and how far it is."""

    result: SweepResult | None       # never changes; the same object until something was added
    fraction: float
    left: float | None               # seconds, estimated; None while it is too early to say
    place: int                       # in the queue; 0: it is computed, or over


class SweepJob:
    """One sweep; `over` is set at its end, whichever it was."""

    def __init__(self, spec: SweepSpec, key: str, arrival: int, end: Callable[[SweepJob], None],
                 result: SweepResult | None = None):
        self.spec, self.key, self.arrival, self._end = spec, key, arrival, end
        self.viewers: dict[Watcher, Callable[[], bool]] = {}   # whether each is still there
        self.over = threading.Event()
        self.error: Exception | None = None    # what ended it, to be raised where it is waited for
        self.abandoned = False                 # ended as nobody waited for it
        self.place = 0
        self.todo: deque[Tile] | None = None   # None until it is first its turn
        self.here, self.there = False, spec    # see `placed`
        self.flying = 0
        self.spent = self.worked = 0.0         # seconds of computing, of all workers and by a clock
        self.cost = GUESS                      # of a tile, in seconds
        self.seen = self.met = time.monotonic()        # when somebody looked, was there, last
        self._ticked = self.seen
        self.halt = Halt()
        self._lock = threading.Lock()
        self._result, self._shown = result, None
        self._news = result is not None
        self._copied, self._copying = -math.inf, 0.0
        self._done = self._kept = 0            # runs; those that time left is not estimated from
        if result is not None:
            self._done = self._kept = round(result.fraction * spec.size)
        if result is not None and result.complete:
            self._shown, self._news = result, False
            self.over.set()

    # --- for viewers ------------------------------------------------------------------------------

    def look(self) -> SweepSnapshot:
        """The newest snapshot; also says that somebody is watching."""
        now = self.seen = time.monotonic()
        with self._lock:
            if self._result is not None and self._news and (
                    now - self._copied > max(FRESH, self._copying / SHARE)):
                self._shown, self._news = _frozen(self._result.copy()), False
                self._copied = time.monotonic()
                self._copying = self._copied - now
            left, fresh = None, self._done - self._kept
            if self.over.is_set():
                left = 0.0 if self.complete else None
            elif fresh and self.worked > EARLY:
                left = self.worked / fresh * (self.spec.size - self._done)
            return SweepSnapshot(self._shown, self._done / self.spec.size, left, self.place)

    @property
    def complete(self) -> bool:
        """Whether all is there."""
        return self._done == self.spec.size

    def stop(self) -> None:
        """End now; what was computed stays."""
        self._end(self)

    # --- for the queue, which calls from one thread -----------------------------------------------

    def begin(self) -> None:
        """Plan the tiles, once; for a large grid, that and room for its numbers take a moment.

        Raises:
            DeviceError: the device asked for is not there.
        """
        if self.todo is not None:
            return
        self.here, self.there = placed(self.spec)
        with self._lock:
            if not self.over.is_set():
                self._result = self._result or SweepResult(self.spec)
                self.todo = deque(self._result.missing)

    @property
    def names(self) -> set[str]:
        """Its viewers, whatever their slots."""
        return {viewer for viewer, _ in self.viewers}

    @property
    def hungry(self) -> bool:
        """Whether there are tiles to start."""
        return not self.over.is_set() and (self.todo is None or bool(self.todo))

    @property
    def level(self) -> int:
        """0 for a sweep that has just begun; more the longer it has computed."""
        return max(0, math.frexp(self.spent / QUANTUM)[1])

    def next(self) -> Tile:
        """The next tile to start."""
        assert self.todo
        return self.todo.popleft()

    def again(self, tile: Tile) -> None:
        """A tile that nobody has computed."""
        if self.todo is not None:
            self.todo.appendleft(tile)

    def tick(self, place: int) -> None:
        """Time goes by; from now on it has this place in the queue."""
        now = time.monotonic()
        if self.place == 0 and self.todo is not None:
            self.worked += now - self._ticked
        self._ticked, self.place = now, place

    def put(self, tile: Tile, rows: Rows) -> None:
        """Add a tile's numbers."""
        with self._lock:
            if self._result is not None:
                self._result.put(tile, rows)
                self._news = True
                self._done += len(tile.cells)
                if not self.spent:             # starting workers says nothing about time left
                    self.worked, self._kept = 0.0, self._done
                self.cost = float(rows["seconds"].sum())
                self.spent += self.cost

    def close(self) -> SweepResult | None:
        """End; gives what there is, which from now on belongs to somebody else."""
        if self.flying:
            self.halt.set()
        with self._lock:
            result, self._result = self._result, None
            if result is not None and self.complete:
                self._shown = _frozen(result)
            elif result is not None and self._news and self.viewers:
                self._shown = _frozen(result.copy())
            self.place = 0
            self.over.set()
            return result


def _frozen(result: SweepResult) -> SweepResult:
    """The same, which nobody can change by accident: viewers share it."""
    for column in result.columns.values():
        column.flags.writeable = False
    return result


def placed(spec: SweepSpec) -> tuple[bool, SweepSpec]:
    """Whether a sweep's tiles belong into this process, and their spec with its device resolved.

    A GPU's memory is not shared out among processes. Elsewhere all compute on CPUs: a worker that
    has a GPU must not give other numbers than one that has none.

    Raises:
        DeviceError: the device asked for is not there.
    """
    device = resolve(spec.device)[0].type
    return device != "cpu", spec.model_copy(update={"device": device})
