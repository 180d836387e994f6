"""A computation that takes long, and the job that its viewers share."""

from __future__ import annotations

import copy
import math
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, TypeVar

from qnviz.jobs.task import Pool

if TYPE_CHECKING:
    from qnviz.jobs.fair import Queue

EARLY = 0.5                          # seconds of computing before the time left is estimated
GUESS = 0.25                         # seconds of a piece, before one was computed
QUANTUM = 20.0                       # seconds of computing after which younger jobs go first

T = TypeVar("T")
C = TypeVar("C", bound="Computation[Any]", covariant=True)
Watcher = tuple[str, str]            # a viewer and one of its slots
Present = Callable[[], bool]         # whether a viewer is still connected; from any thread


class Piece(NamedTuple):
    """A part of a computation that a pool computes in one go."""

    function: Callable[..., Any]     # of a module, where the pool's workers are other processes
    args: tuple
    weight: float = 1.0              # its expected time, relative to others of its computation


class Computation(ABC, Generic[T]):
    """What a job computes, cut into pieces, and what there is of it so far.

    `begin`, `next`, `put_back` and `absorb` are called from one thread, one after the other; the
    rest from any.
    """

    key: str                         # equal keys mean equal results; begins with the kind
    indivisible = False              # one piece at a time, and a stop waits for it to come back

    @property
    @abstractmethod
    def fraction(self) -> float:
        """The share that is done, from 0 to 1."""

    @property
    @abstractmethod
    def complete(self) -> bool:
        """Whether all of it is done."""

    @property
    @abstractmethod
    def has_pieces(self) -> bool:
        """Whether there are pieces to start; True before `begin`."""

    @abstractmethod
    def recall(self) -> None:
        """Take over what is kept of it from earlier; called once, when it gets its job."""

    @abstractmethod
    def begin(self) -> None:
        """Plan the pieces, which may take a moment; called once, when it may compute first.

        Raises:
            QnvizError: it cannot be computed.
        """

    @abstractmethod
    def pool(self) -> Pool:
        """Where its pieces are computed.

        Raises:
            WorkerError: the workers are set up wrongly.
        """

    @abstractmethod
    def next(self) -> Piece:
        """Take the next piece to start."""

    @abstractmethod
    def put_back(self, piece: Piece) -> None:
        """Take back a piece that was not computed."""

    @abstractmethod
    def absorb(self, piece: Piece, result: Any) -> float:
        """Add what a piece gave; returns the seconds that computing it took."""

    @abstractmethod
    def snapshot(self) -> T | None:
        """What there is so far: never changes, and is the same object until there is more."""

    @abstractmethod
    def pause(self, paused: bool) -> None:
        """Have a piece under way come back early, or no longer; other pieces are not started."""

    @abstractmethod
    def halt(self) -> None:
        """Have the pieces under way end soon, for good."""

    @abstractmethod
    def close(self, watched: bool) -> T | None:
        """End, and keep what is worth it; gives the last snapshot.

        Args:
            watched: whether there is somebody to see the last snapshot.
        """


class Snapshot(NamedTuple, Generic[T]):
    """What a viewer sees of a job."""

    value: T | None                  # what there is so far, if anything
    fraction: float
    left: float | None               # seconds, estimated; None while it is too early to say
    place: int                       # in the queue; 0: it is computed, or over
    paused: bool = False


class Job(Generic[C]):
    """One computation for all who watch it; `over` is set at its end, whichever it was."""

    def __init__(self, computation: C, queue: Queue, arrival: int):
        self.computation, self._queue, self.arrival = computation, queue, arrival
        self.viewers: dict[Watcher, Present] = {}      # replaced, never changed
        self.over = threading.Event()
        self.complete = False                  # over, and all is there
        self.error: Exception | None = None    # what ended it, to be raised where it is waited for
        self.abandoned = False                 # ended as nobody waited for it
        self.ending = self.begun = self.paused = False
        self.place = 0
        self.flying = 0                        # pieces that are being computed
        self.charged = self.spent = 0.0        # seconds of these, expected, and of all before them
        self.seen = self.met = time.monotonic()        # when last a viewer looked; was connected
        self._rate: float | None = None        # seconds per weight of a piece
        self._lock = threading.Lock()
        self._pinned: dict[str, Snapshot] = {} # what those see who have paused it
        self._final: Snapshot | None = None
        computation.recall()
        self._start = computation.fraction
        self._first: float | None = None       # the fraction from which the time left is estimated
        self._worked, self._ticked = 0.0, self.seen
        if computation.complete:
            self.close()

    @property
    def key(self) -> str:
        """What tells it from other jobs."""
        return self.computation.key

    @property
    def names(self) -> set[str]:
        """Its viewers, whatever their slots."""
        return {viewer for viewer, _ in self.viewers}

    # --- for viewers ------------------------------------------------------------------------------

    def snapshot(self: Job[Computation[T]], viewer: str | None = None) -> Snapshot[T]:
        """What there is now; also says that somebody is watching, and wants to see more.

        A viewer who has paused what others let go on sees what there was then.
        """
        self.seen = time.monotonic()
        pinned, final = self._pinned.get(viewer or ""), self._final
        if pinned is not None and not self.paused:
            return pinned
        if final is not None:
            return final._replace(paused=self.paused)
        value, fraction = self.computation.snapshot(), self.computation.fraction
        return Snapshot(value, fraction, self._left(), self.place, self.paused)

    def pause(self, viewer: str | None = None) -> None:
        """Start no more of it once all connected viewers have paused it, or at once for all."""
        now = self.snapshot(viewer)._replace(paused=True)
        with self._lock:
            who = [viewer] if viewer else self.names
            self._pinned = self._pinned | dict.fromkeys(who, now)
        self.agree()

    def resume(self, viewer: str | None = None) -> None:
        """Go on after a pause."""
        with self._lock:
            self._pinned = {v: s for v, s in self._pinned.items() if viewer and v != viewer}
        self.agree()

    def agree(self) -> None:
        """Pause or go on as the viewers want: one who looks goes before those who wait."""
        connected = {viewer for (viewer, _), present in self.viewers.items()
                     if self._pinned and present()}
        with self._lock:
            paused = bool(self._pinned) and connected <= self._pinned.keys()
            changed, self.paused = paused != self.paused, paused
            if changed:
                self.computation.pause(paused)
        if changed:
            self._queue.stir()

    def stop(self) -> None:
        """End it for all viewers; what was computed stays."""
        self._queue.end(self)

    # --- for the service --------------------------------------------------------------------------

    def join(self, watcher: Watcher, present: Present) -> None:
        """One more watches."""
        self.viewers = {**self.viewers, watcher: present}
        self.seen = self.met = time.monotonic()

    def part(self, watcher: Watcher) -> None:
        """One does not watch any more."""
        self.viewers = {w: present for w, present in self.viewers.items() if w != watcher}
        self.resume(watcher[0])

    def stopped_for(self, watcher: Watcher) -> Job[C]:
        """The job as it ends for one who stops it while others go on."""
        mine = copy.copy(self)
        mine._final = self.snapshot(watcher[0])._replace(left=None, place=0, paused=False)
        mine._pinned, mine.paused, mine.ending = {}, False, True
        mine.viewers, mine.over = {watcher: self.viewers[watcher]}, threading.Event()
        mine.over.set()
        return mine

    # --- for the queue, which calls from one thread -----------------------------------------------

    @property
    def hungry(self) -> bool:
        """Whether there are pieces to start."""
        return not self.ending and not self.paused and self.computation.has_pieces

    @property
    def level(self) -> int:
        """0 for a job that has just begun; more the longer it has computed."""
        return max(0, math.frexp(self.spent / QUANTUM)[1])

    def begin(self) -> None:
        """Plan the pieces, once.

        Raises:
            QnvizError: it cannot be computed.
        """
        if not self.begun:
            self.computation.begin()
            self.begun = True

    def cost(self, piece: Piece) -> float:
        """The seconds that a piece is expected to take."""
        return GUESS if self._rate is None else self._rate * piece.weight

    def absorb(self, piece: Piece, result: Any) -> float:
        """Add what a piece gave; returns the seconds that it took."""
        seconds = self.computation.absorb(piece, result)
        self.spent += seconds
        self._rate = seconds / piece.weight
        self._tick()
        return seconds

    def queued(self, place: int) -> None:
        """From now on it has this place in the queue."""
        self._tick()
        self.place = place

    def close(self) -> None:
        """It is over."""
        value = self.computation.close(bool(self.viewers))
        self.complete, self.place = self.computation.complete, 0
        self._final = Snapshot(value, self.computation.fraction,
                               0.0 if self.complete else None, 0)
        self.over.set()

    # --- time -------------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Time goes by."""
        with self._lock:
            now = time.monotonic()
            if self.begun and self.place == 0 and not self.paused:
                self._worked += now - self._ticked
            self._ticked = now
            fraction = self.computation.fraction
            if self._first is None and fraction > self._start:     # starting workers and reading
                self._first, self._worked = fraction, 0.0          # data say nothing about the rest

    def _left(self) -> float | None:
        self._tick()
        fraction, first = self.computation.fraction, self._first
        if first is None or fraction <= first or self._worked <= EARLY:
            return None
        return self._worked / (fraction - first) * (1 - fraction)
