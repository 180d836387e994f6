"""The service that pages ask for computations: who watches which job."""

from __future__ import annotations

import threading
import time
from typing import Any, TypeVar

from qnviz.jobs.fair import SILENCE, Queue
from qnviz.jobs.job import Computation, Job, Present, Watcher
from qnviz.jobs.threads import SLOTS

ACTIVE = 3                           # jobs computed by workers at once
FORGET = 3600.0                      # seconds after a look at a job that failed or was stopped

C = TypeVar("C", bound=Computation[Any])


class Service:
    """All jobs that are under way, and those that are over and still watched.

    Args:
        active: how many jobs of many pieces are computed at once.
        slots: how many jobs of one piece each, in threads.
    """

    def __init__(self, active: int = ACTIVE, slots: int = SLOTS):
        self._lock = threading.RLock()
        self._watched: dict[Watcher, Job[Any]] = {}
        # apart, so that a run does not wait while workers start or a large sweep is planned
        self._pieces, self._threads = Queue("pieces", active), Queue("runs", slots, ahead=0)

    def watch(self, viewer: str, computation: C, present: Present = lambda: True,
              slot: str = "") -> Job[C]:
        """The job of a computation: started, shared, or over at once where its result is kept.

        What this viewer watched in this slot before is let go. A job that failed or was stopped is
        returned again to those who watched it, so that they see its end; not so one that ended
        because nobody was there, as a computer that slept has stopped nothing.

        Args:
            viewer: who watches.
            computation: what; only its key counts where an equal one is under way.
            present: whether this viewer is still connected; called from another thread.
            slot: which of several jobs of this viewer.
        """
        watcher = viewer, slot
        with self._lock:
            job, joined = self._watched.get(watcher), False
            if job is None or job.key != computation.key or (job.abandoned and not job.complete):
                self._let_go(watcher)
                queue = self._threads if computation.indivisible else self._pieces
                job, joined = self._equal(queue, computation.key) or queue.add(computation), True
            job.join(watcher, present)
            self._watched[watcher] = job
        if joined:
            job.agree()
        return job

    def stop(self, viewer: str, slot: str = "") -> Job[Any] | None:
        """End what this viewer watches; where others watch it too, for this viewer alone.

        Returns:
            The job as it ends for this viewer, if there was one.
        """
        watcher = viewer, slot
        with self._lock:
            job = self._watched.get(watcher)
            if job is None:
                return None
            if any(present() for other, present in job.viewers.items() if other != watcher):
                mine = job.stopped_for(watcher)
                self._let_go(watcher)
                self._watched[watcher] = mine
                return mine
            job.stop()
            return job

    def leave(self, viewer: str, slot: str = "") -> None:
        """This viewer watches nothing in this slot any more; a job without viewers ends."""
        with self._lock:
            self._let_go((viewer, slot))

    @property
    def busy(self) -> int:
        """How many jobs are computed or wait."""
        return len(self._under_way)

    @property
    def crowd(self) -> int:
        """How many viewers wait for them."""
        return sum(len(job.viewers) for job in self._under_way)

    def forget(self) -> int:
        """Let go of jobs that are over and that nobody looks at; says how many there still are."""
        now = time.monotonic()
        with self._lock:
            for watcher, job in list(self._watched.items()):
                patience = SILENCE if job.complete or job.abandoned else FORGET
                if job.over.is_set() and (
                        not job.viewers[watcher]() or now - job.seen > patience):
                    self._let_go(watcher)
            return len({*self._watched.values(), *self._under_way})

    def close(self) -> None:
        """Stop all jobs, wait for their ends, and forget them; what they computed is kept."""
        with self._lock:
            self._watched = {}
        for queue in (self._pieces, self._threads):
            queue.close()

    @property
    def _under_way(self) -> tuple[Job[Any], ...]:
        return *self._pieces.jobs, *self._threads.jobs

    def _equal(self, queue: Queue, key: str) -> Job[Any] | None:
        """A job of the same computation that is under way, or complete and still watched."""
        return next((job for job in (*queue.jobs, *self._watched.values())
                     if job.key == key and (job.complete or not job.ending)), None)

    def _let_go(self, watcher: Watcher) -> None:
        job = self._watched.pop(watcher, None)
        if job is not None:
            job.part(watcher)
            if not job.viewers:
                job.stop()


JOBS = Service()


JOBS = Service()
