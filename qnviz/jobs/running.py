"""A single run as a computation: one piece, in a thread of this process, seen while it grows."""

from __future__ import annotations

import time
from collections.abc import Iterator
from threading import Event

from qnviz.jobs.job import Computation, Piece
from qnviz.jobs.task import Pool
from qnviz.jobs.threads import SLOTS, Threads
from qnviz.runs.loop import Progress, stream
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace

SHARE = 0.25                         # of the time that may go into showing a growing run
QUALITY = 0.03                       # of the plane under a growing path,
PLANE = 1.5                          # seconds after which it is laid again
THREADS = Threads(SLOTS)


class Run(Computation[Trace]):
    """A run; its piece comes back at the end, before the next pass after a stop, or at a pause."""

    indivisible = True

    def __init__(self, spec: RunSpec):
        self.spec, self.key = spec, f"run/{spec.key()}"
        self._stream: Iterator[Progress] | None = None # while it goes on
        self._last: Progress | None = None             # what came of it last
        self._trace: Trace | None = None               # the newest
        self._fraction, self._complete = 0.0, False
        self._ready = True                             # to be computed, or to be gone on with
        self._stop, self._paused = Event(), Event()
        self._wanted = True                            # a newer trace
        self._published = self._cost = 0.0             # when the last trace was, and its seconds
        self._laid = -PLANE                            # when its plane was

    @property
    def fraction(self) -> float:
        """The share of all steps that is done."""
        return self._fraction

    @property
    def complete(self) -> bool:
        """Whether the run came to its own end."""
        return self._complete

    @property
    def has_pieces(self) -> bool:
        """Whether it is to be computed, or gone on with."""
        return self._ready

    def recall(self) -> None:
        """Nothing is kept here of runs."""

    def begin(self) -> None:
        """There is nothing to plan."""

    def pool(self) -> Pool:
        """Threads of this process."""
        return THREADS

    def next(self) -> Piece:
        """All that is left of it."""
        self._ready = False
        return Piece(self._advance, ())

    def put_back(self, piece: Piece) -> None:
        """It has not begun."""
        self._ready = True

    def absorb(self, piece: Piece, result: float) -> float:
        """A run that is not over was paused, and is gone on with later."""
        self._ready = self._stream is not None
        return result

    def snapshot(self) -> Trace | None:
        """The newest trace; the thread makes a newer one only if somebody has asked."""
        self._wanted = True
        return self._trace

    def pause(self, paused: bool) -> None:
        """Hold before the next chunk of steps, so that another run may compute meanwhile."""
        if paused:
            self._paused.set()
        else:
            self._paused.clear()

    def halt(self) -> None:
        """End before the next pass; what was computed stays."""
        self._stop.set()

    def close(self, watched: bool) -> Trace | None:
        """The last trace, which is all that stays of it."""
        trace, self._trace, self._stream, self._last = self._trace, None, None, None
        return trace

    # --- in a thread ------------------------------------------------------------------------------

    def _advance(self) -> float:
        """Compute until the end or a pause; gives the seconds that it took."""
        began = time.monotonic()
        if self._stream is None:
            self._stream = stream(self.spec, self._stop)
        for progress in self._stream:
            self._last, self._fraction = progress, progress.fraction
            if self._paused.is_set() and not self._stop.is_set():
                self._trace = progress.trace(QUALITY)
                return time.monotonic() - began
            now = time.monotonic()
            if self._wanted and now - self._published > self._cost / SHARE:
                self._publish(progress, now)
        self._stream = None
        if self._last is not None:
            self._complete = self._last.complete
            self._trace = self._last.trace(1.0 if self._complete else QUALITY)
        return time.monotonic() - began

    def _publish(self, progress: Progress, now: float) -> None:
        fresh = now - self._laid > PLANE
        self._wanted = False
        self._trace = progress.trace(QUALITY, None if fresh else self._trace)
        self._laid = now if fresh else self._laid
        self._published = time.monotonic()
        self._cost = self._published - now
