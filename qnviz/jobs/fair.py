"""A fair queue: pieces of jobs go to a pool a few at a time, and viewers take turns.

A viewer with ten jobs gets no more than one with a single job. A few jobs are computed at once,
the others wait; one that has computed for long makes way for one that has just begun. A job whose
viewers are gone, or have not looked for long, ends.
"""

from __future__ import annotations

import itertools
import logging
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass
from typing import Any, TypeVar

from qnviz.errors import Interrupted
from qnviz.jobs.job import Computation, Job, Piece
from qnviz.jobs.task import Pool

LOG = logging.getLogger(__name__)
AHEAD = 1                            # pieces that wait at the workers, so that none of them does
GONE = 3.0                           # seconds after its last viewer left until a job ends
SILENCE = 120.0                      # … after a look; a browser's hidden tab looks once a minute
PAUSE = 600.0                        # … after a look at a paused one
TICK = 0.5                           # seconds between two checks whether viewers are there
LINGER = 10.0                        # seconds without a job after which the thread ends

C = TypeVar("C", bound=Computation[Any])


@dataclass(frozen=True, eq=False)
class _Flight:
    """A piece under way."""

    job: Job[Any]
    piece: Piece
    pool: Pool
    viewer: str                      # whose turn it was
    charged: float                   # seconds, expected


class Queue:
    """Jobs that share a pool.

    Args:
        name: of its thread.
        active: how many jobs are computed at once.
        ahead: how many pieces wait at the pool, so that no worker does.
        driven: whether `drive` does what else a thread of its own does.
    """

    def __init__(self, name: str, active: int, ahead: int = AHEAD, driven: bool = False):
        self._name, self._active, self._ahead = name, active, ahead
        self._driven = driven
        self._wake = threading.Condition()
        self._jobs: list[Job[Any]] = []                # those that are not over
        self._arrivals = itertools.count()
        self._turns: dict[str, float] = {}             # viewer → seconds of computing it had
        self._flights: list[_Flight] = []
        self._landed: list[tuple[_Flight, Future]] = []
        self._changed = self._closing = False
        self._thread: threading.Thread | None = None

    @property
    def jobs(self) -> tuple[Job[Any], ...]:
        """The jobs that are computed, or wait."""
        with self._wake:
            return tuple(self._jobs)

    def add(self, computation: C) -> Job[C]:
        """A new job; it is over at once where all of it was kept."""
        job = Job(computation, self, next(self._arrivals))
        if not job.over.is_set():
            with self._wake:
                self._jobs.append(job)
                self.stir()
        return job

    def end(self, job: Job[Any], error: Exception | None = None) -> None:
        """End a job, as soon as what is under way allows it; what it computed is kept."""
        with self._wake:
            if job not in self._jobs:                  # over
                return
            job.ending, job.error = True, job.error or error
            if job.flying:
                job.computation.halt()
            if not (job.flying and job.computation.indivisible):
                self._jobs.remove(job)
                job.close()
            self.stir()

    def stir(self) -> None:
        """Something is to be done."""
        with self._wake:
            self._changed = True
            if self._thread is None and not self._driven:
                self._thread = threading.Thread(target=self._run, daemon=True, name=self._name)
                self._thread.start()
            self._wake.notify_all()

    def close(self) -> None:
        """End all jobs and the thread; a job that is added afterwards starts it anew."""
        with self._wake:
            for job in list(self._jobs):
                self.end(job)
            thread, self._closing = self._thread, self._thread is not None
            self._wake.notify_all()
        if thread is not None:
            thread.join()

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._wait():
                self._round()
        except Exception as error:             # no viewer may wait for ever
            LOG.exception("The queue of %s failed", self._name)
            with self._wake:
                self._thread, self._closing = None, False
                for job in list(self._jobs):
                    self.end(job, error)

    def _wait(self) -> bool:
        """Wait until something is to be done; False when nothing was for long, or when closed."""
        with self._wake:
            if not self._changed and not self._closed:
                self._wake.wait(TICK if self._jobs else LINGER)
            idle = not self._changed and not self._jobs and not self._flights
            if idle or self._closed:
                self._thread, self._closing = None, False
                if self._jobs:                 # added while the queue was being closed
                    self.stir()
                return False
            self._changed = False
            return True

    @property
    def _closed(self) -> bool:
        """Whether it is closed, and no job waits for its piece to come back."""
        return self._closing and not any(job.ending for job in self._jobs)

    def _round(self) -> None:
        with self._wake:
            landed, self._landed = self._landed, []
        for flight, done in landed:
            self._absorb(flight, done)
        for job in self.jobs:
            self._retire(job)
        while self._launch(self._rank()):
            pass

    def _absorb(self, flight: _Flight, done: Future) -> None:
        """Take in what a piece gave."""
        job, piece = flight.job, flight.piece
        self._left(flight)
        if job.over.is_set():
            return
        try:
            seconds = job.absorb(piece, done.result())
        except (Interrupted, CancelledError):
            job.computation.put_back(piece)
        except Exception as error:
            self.end(job, error)
        else:
            if flight.viewer in self._turns:
                self._turns[flight.viewer] += seconds - flight.charged
        if job.ending:
            self.end(job)

    def _retire(self, job: Job[Any]) -> None:
        """End a job that is complete, or that nobody waits for."""
        now = time.monotonic()
        try:
            if any(present() for present in job.viewers.values()):
                job.met = now
        except Exception as error:
            self.end(job, error)
            return
        if job.ending:
            return
        if job.computation.complete and not job.flying:
            self.end(job)
        elif now - job.met > GONE or now - job.seen > (PAUSE if job.paused else SILENCE):
            job.abandoned = True
            self.end(job)

    def _rank(self) -> list[Job[Any]]:
        """The jobs that may compute now; the others get their places.

        A viewer's first job comes before any other's second; then those that have just begun.
        """
        with self._wake:
            jobs = sorted(self._jobs, key=lambda job: (job.level, job.arrival))
            before: dict[str, int] = {}                # viewer → how many of its jobs came before
            rank: dict[Job[Any], int] = {}
            for job in jobs:
                if job.hungry:
                    names = job.names
                    rank[job] = min(before.get(v, 0) for v in names) if names else 0
                    before |= {v: before.get(v, 0) + 1 for v in names}
            order = sorted(rank, key=rank.__getitem__)
            free = self._active - sum(job.flying for job in jobs if job.computation.indivisible)
            for job in jobs:
                job.queued(max(0, order.index(job) - free + 1) if job in rank else 0)
        return order[:max(0, free)]

    def _launch(self, active: list[Job[Any]]) -> bool:
        """Start a piece for the viewer whose turn it is; False where nothing can start."""
        turns: dict[str, list[Job[Any]]] = {}
        pools: dict[Job[Any], Pool] = {}
        for job in active:
            try:
                job.begin()
                pool = pools[job] = job.computation.pool()
            except Exception as error:
                self.end(job, error)
                continue
            flying = sum(flight.pool is pool for flight in self._flights)
            if job.hungry and flying < pool.size + self._ahead:
                for viewer in job.names:
                    turns.setdefault(viewer, []).append(job)
        if not turns:
            return False
        least = min((t for v, t in self._turns.items() if v in turns), default=0.0)
        self._turns = {v: self._turns.get(v, least) for v in turns}
        viewer = min(turns, key=self._turns.__getitem__)
        job = min(turns[viewer], key=lambda job: job.charged + job.spent)
        self._fly(job, pools[job], viewer)
        return True

    def _fly(self, job: Job[Any], pool: Pool, viewer: str) -> None:
        with self._wake:                               # either it is over, or it sees this flight
            if not job.hungry:
                return
            piece = job.computation.next()
            flight = _Flight(job, piece, pool, viewer, job.cost(piece))
            self._turns[viewer] += flight.charged
            self._flights.append(flight)
            job.flying += 1
            job.charged += flight.charged
        try:
            future = pool.submit(piece.function, *piece.args)
        except Exception as error:
            self._left(flight)
            self.end(job, error)
            return
        future.add_done_callback(lambda done: self._land(flight, done))

    def _left(self, flight: _Flight) -> None:
        """A piece is not under way any more."""
        with self._wake:
            self._flights.remove(flight)
            flight.job.flying -= 1
            flight.job.charged -= flight.charged

    def _land(self, flight: _Flight, done: Future) -> None:
        """In whatever thread resolves the future."""
        with self._wake:
            self._landed.append((flight, done))
            if self._jobs:
                self.stir()

    # --- without viewers --------------------------------------------------------------------------

    def drive(self, job: Job[Any], stop: threading.Event | None) -> None:
        """Compute a job in the caller's time.

        Raises:
            Interrupted: `stop` was set.
        """
        while not job.over.is_set():
            if stop is not None and stop.is_set():
                raise Interrupted
            job.seen = job.met = time.monotonic()
            with self._wake:
                if not self._changed:
                    self._wake.wait(TICK / 2)
                self._changed = False
            self._round()


def compute(computation: Computation[Any], stop: threading.Event | None = None) -> None:
    """Carry out a computation without viewers, by the same queue; `absorb` runs in this thread.

    Args:
        computation: holds the result afterwards.
        stop: ends it soon after it is set.

    Raises:
        Interrupted: `stop` was set.
        Exception: whatever ended the computation.
    """
    queue, me = Queue("one computation", 1, driven=True), ("", "")
    job = queue.add(computation)
    job.join(me, lambda: True)
    try:
        queue.drive(job, stop)
    finally:
        job.part(me)
        queue.end(job)
    if job.error:
        raise job.error
