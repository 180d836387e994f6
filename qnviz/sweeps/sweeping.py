"""Sweeps beside the request: shared, in a fair queue, and kept when they are done.

A few tiles are in flight at once, and viewers take turns: who has ten sweeps gets no more than who
has one. A few sweeps are computed at once, the others wait; what has computed for long makes room
for what has just begun. What was computed stays, also of a sweep that nobody waits for any more,
and is gone on from when somebody asks again.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from typing import NamedTuple

from qnviz.errors import Interrupted, SpecError
from qnviz.jobs import workers
from qnviz.jobs.background import GONE, SILENCE
from qnviz.jobs.store import Store
from qnviz.sweeps.job import SweepJob, SweepSnapshot, Watcher, placed
from qnviz.sweeps.result import SweepResult
from qnviz.sweeps.spec import SweepSpec
from qnviz.sweeps.tile import Halt, work
from qnviz.sweeps.tiles import Tile

__all__ = ["SWEEPS", "SweepJob", "SweepSnapshot", "Sweeping", "sweep"]

LOG = logging.getLogger(__name__)
ACTIVE = 3                           # sweeps computed at once
AHEAD = 1                            # tiles that wait at the workers, so that none of them does
KEPT = 128_000_000                   # bytes of results that are kept
FORGET = 3600.0                      # seconds after a look at one that failed or was stopped
TICK = 0.5                           # seconds between two looks at whether viewers are there
LINGER = 10.0                        # seconds without a sweep after which the thread ends


class _Flight(NamedTuple):
    """A tile under way."""

    job: SweepJob
    tile: Tile
    viewer: str                      # whose turn it was
    charged: float                   # seconds, expected
    here: bool                       # in this process


class Sweeping:
    """All sweeps that are under way, and what is left of earlier ones."""

    def __init__(self, active: int = ACTIVE, kept: int = KEPT) -> None:
        self._active = active
        self._wake = threading.Condition()
        self._jobs: dict[str, SweepJob] = {}           # those that are not over
        self._watched: dict[Watcher, SweepJob] = {}
        self._store = Store(kept)
        self._arrivals = itertools.count()
        self._turns: dict[str, float] = {}             # viewer → seconds of computing it had
        self._flying = {True: 0, False: 0}             # in this process, and at the workers
        self._landed: list[tuple[_Flight, Future]] = []
        self._changed = self._closing = False
        self._thread: threading.Thread | None = None

    # --- for viewers ------------------------------------------------------------------------------

    def watch(self, viewer: str, spec: SweepSpec, here: Callable[[], bool] = lambda: True,
              slot: str = "") -> SweepJob:
        """The job of a sweep: started, shared, or from what is kept.

        What this viewer watched in this slot before is let go. A job that failed or was stopped is
        handed out again to those who watched it, so that they see its end.

        Args:
            viewer: who watches.
            spec: the sweep.
            here: whether this viewer is still there; called from another thread.
            slot: which of several sweeps of this viewer.
        """
        key, watcher = spec.key(), (viewer, slot)
        with self._wake:
            self._forget()
            mine = self._watched.get(watcher)
            if mine is None or mine.key != key or mine.abandoned:
                self._let_go(watcher)
                mine = self._find(key) or self._new(spec, key)
            mine.viewers = {**mine.viewers, watcher: here}
            mine.seen = mine.met = time.monotonic()
            self._watched[watcher] = mine
            if not mine.over.is_set():
                self._jobs[key] = mine
                self._stir()
            return mine

    @property
    def busy(self) -> int:
        """How many sweeps are computed or wait."""
        return len(self._jobs)

    def leave(self, viewer: str, slot: str = "") -> None:
        """This viewer watches nothing in this slot any more."""
        with self._wake:
            self._let_go((viewer, slot))

    def forget(self) -> int:
        """Let go of jobs that are over and that nobody looks at; says how many are watched."""
        with self._wake:
            self._forget()
            return len(self._watched)

    def close(self) -> None:
        """End all sweeps, and the thread; who asks for a sweep afterwards starts it anew."""
        with self._wake:
            for job in list(self._jobs.values()):
                self._end(job)
            thread, self._closing = self._thread, self._thread is not None
            self._wake.notify_all()
        if thread is not None:
            thread.join()

    def keep(self, result: SweepResult) -> None:
        """Put a finished result, such as a shipped one, where viewers find it."""
        with self._wake:
            self._store.put(result if result.complete else result.copy())

    def _find(self, key: str) -> SweepJob | None:
        if key in self._jobs:
            return self._jobs[key]
        return next((j for j in self._watched.values() if j.key == key and j.complete), None)

    def _new(self, spec: SweepSpec, key: str) -> SweepJob:
        return SweepJob(spec, key, next(self._arrivals), self._end, self._store.get(key))

    def _let_go(self, watcher: Watcher) -> None:
        job = self._watched.pop(watcher, None)
        if job is not None:
            job.viewers = {w: here for w, here in job.viewers.items() if w != watcher}
            if not job.viewers:
                self._end(job)

    def _forget(self) -> None:
        """Let go of jobs that are over and that nobody looks at."""
        now = time.monotonic()
        for watcher, job in list(self._watched.items()):
            patience = SILENCE if job.complete or job.abandoned else FORGET
            if job.over.is_set() and now - job.seen > patience:
                del self._watched[watcher]

    def _end(self, job: SweepJob, error: Exception | None = None) -> None:
        """A job is over; what it computed is kept."""
        with self._wake:
            if self._jobs.get(job.key) is job:
                del self._jobs[job.key]
            if not job.over.is_set():
                job.error = error
                result = job.close()
                if result is not None and result.have.any():
                    self._store.put(result)
                self._stir()

    def _stir(self) -> None:
        """Something is to be done; called with the lock."""
        self._changed = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, daemon=True, name="sweeps")
            self._thread.start()
        self._wake.notify_all()

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            while self._wait():
                self._round()
        except Exception as error:             # no viewer may wait for ever
            LOG.exception("The queue of sweeps failed")
            with self._wake:
                self._thread, self._closing = None, False
                for job in list(self._jobs.values()):
                    self._end(job, error)

    def _wait(self) -> bool:
        """Wait until something is to be done; False when nothing was for long, or when closed."""
        with self._wake:
            if not self._changed and not self._closing:
                self._wake.wait(TICK if self._jobs else LINGER)
            idle = not self._changed and not self._jobs and not sum(self._flying.values())
            if idle or self._closing:
                self._thread, self._closing = None, False
                if self._jobs:                 # asked for while the queue was closed
                    self._stir()
                return False
            self._changed = False
            return True

    def _round(self) -> None:
        with self._wake:
            landed, self._landed = self._landed, []
        for flight, done in landed:
            self._absorb(flight, done)
        for job in list(self._jobs.values()):
            self._retire(job)
        while self._launch(self._rank()):
            pass

    def _absorb(self, flight: _Flight, done: Future) -> None:
        """Take in a tile that landed."""
        job, tile = flight.job, flight.tile
        job.flying -= 1
        self._flying[flight.here] -= 1
        if job.over.is_set():
            return
        try:
            rows = done.result()
        except (Interrupted, CancelledError):
            job.again(tile)
        except Exception as error:
            self._end(job, error)
        else:
            job.put(tile, rows)
            if flight.viewer in self._turns:
                self._turns[flight.viewer] += job.cost - flight.charged

    def _retire(self, job: SweepJob) -> None:
        """End a job that is complete, or that nobody waits for."""
        now = time.monotonic()
        try:
            if any(here() for here in job.viewers.values()):
                job.met = now
        except Exception as error:
            self._end(job, error)
            return
        if job.complete:
            self._end(job)
        elif now - job.met > GONE or now - job.seen > SILENCE:
            job.abandoned = True
            self._end(job)

    def _rank(self) -> list[SweepJob]:
        """The jobs that may compute now; the others get their places.

        A viewer's first job comes before any other's second; then those that have just begun.
        """
        with self._wake:
            jobs = sorted(self._jobs.values(), key=lambda job: (job.level, job.arrival))
            seconds: dict[str, int] = {}               # viewer → how many jobs came before
            rank: dict[SweepJob, int] = {}
            for job in jobs:
                if job.hungry:
                    names = job.names
                    rank[job] = min(seconds.get(v, 0) for v in names) if names else 0
                    seconds |= {v: seconds.get(v, 0) + 1 for v in names}
            order = sorted(rank, key=rank.__getitem__)
            for job in jobs:
                job.tick(max(0, order.index(job) - self._active + 1) if job in rank else 0)
        return order[:self._active]

    def _launch(self, active: list[SweepJob]) -> bool:
        """Start one tile of the viewer whose turn it is; False where there is none, or no room."""
        turns: dict[str, list[SweepJob]] = {}
        for job in active:
            try:
                job.begin()
                pool = _pool(job.here)
            except Exception as error:
                self._end(job, error)
                continue
            if job.hungry and self._flying[job.here] < pool.size + AHEAD:
                for viewer in job.names:
                    turns.setdefault(viewer, []).append(job)
        if not turns:
            return False
        least = min((t for v, t in self._turns.items() if v in turns), default=0.0)
        self._turns = {v: self._turns.get(v, least) for v in turns}
        viewer = min(turns, key=self._turns.__getitem__)
        job = min(turns[viewer], key=lambda job: job.flying * job.cost + job.spent)
        tile = job.next()
        self._turns[viewer] += job.cost
        self._fly(_Flight(job, tile, viewer, job.cost, job.here))
        return True

    def _fly(self, flight: _Flight) -> None:
        job = flight.job
        with self._wake:                               # either it is over, or it sees this flight
            if job.over.is_set():
                return
            job.flying += 1
            self._flying[flight.here] += 1
        try:
            future = _pool(job.here).submit(work, job.there, flight.tile, job.halt.path)
        except Exception as error:
            job.flying -= 1
            self._flying[flight.here] -= 1
            self._end(job, error)
            return
        future.add_done_callback(lambda done: self._land(flight, done))

    def _land(self, flight: _Flight, done: Future) -> None:
        with self._wake:
            self._landed.append((flight, done))
            self._changed = True
            self._wake.notify_all()


SWEEPS = Sweeping()


# --- without viewers ------------------------------------------------------------------------------

def sweep(spec: SweepSpec, result: SweepResult | None = None,
          progress: Callable[[int, int], None] | None = None,
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
        raise SpecError(["The result to go on from belongs to another sweep."])
    here, there = placed(spec)
    todo = deque(result.missing)
    done, flying, halt = spec.size - sum(len(t.cells) for t in todo), 0, Halt()
    landed: queue.SimpleQueue[tuple[Tile, Future, Halt]] = queue.SimpleQueue()
    try:
        while todo or flying:
            while todo and flying < (pool := _pool(here)).size + AHEAD:
                tile = todo.popleft()
                # the flag must live as long as tiles that look at it
                pool.submit(work, there, tile, halt.path).add_done_callback(
                    lambda future, tile=tile: landed.put((tile, future, halt)))
                flying += 1
            tile, future = _next(landed, stop)
            flying -= 1
            result.put(tile, future.result())
            done += len(tile.cells)
            if progress is not None:
                progress(done, spec.size)
    finally:
        if flying:
            halt.set()
    return result


def _next(landed: queue.SimpleQueue, stop: threading.Event | None) -> tuple[Tile, Future]:
    """The next tile that landed."""
    while True:
        if stop is not None and stop.is_set():
            raise Interrupted
        try:
            return landed.get(timeout=None if stop is None else TICK / 2)[:2]
        except queue.Empty:
            continue


def _pool(here: bool) -> workers.Pool:
    return workers.HERE if here else workers.pool()
