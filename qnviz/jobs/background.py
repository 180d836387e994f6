"""Runs beside the request: a job computes in a thread of its own and shows what it has so far.

A job can be paused, resumed and stopped; stopping takes effect before the next pass through the
net. A job whose viewers have gone, or have not looked for long, ends by itself.
"""

from __future__ import annotations

import copy
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from qnviz.runs.loop import stream
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace

SLOTS = threading.BoundedSemaphore(max(2, os.cpu_count() or 1))    # jobs that compute at once
SHARE = 0.25                         # of the time that may go into looking at a growing run
QUALITY = 0.03                       # of the plane under a growing path,
PLANE = 1.5                          # seconds after which it is laid anew
GONE = 3.0                           # seconds after its last viewer left until a job ends
SILENCE = 120.0                      # … after a look; a browser's hidden tab looks once a minute
PAUSE = 600.0                        # … of a paused one
TICK = 0.05                          # seconds between two looks at whether a pause is over


@dataclass(frozen=True)
class Snapshot:
    """What a viewer sees of a job: its newest trace, if any, and how far it is."""

    trace: Trace | None
    fraction: float
    left: float | None               # seconds, estimated; None while it is too early to say
    paused: bool
    waiting: bool                    # for another job to end


class Job:
    """One run in a thread; `over` is set at its end, whichever it was."""

    def __init__(self, spec: RunSpec):
        self.spec = spec
        self.viewers: dict[str, Callable[[], bool]] = {}       # whether each is still there
        self.over = threading.Event()
        self.trace: Trace | None = None        # the newest; after the end the last
        self.complete = False                  # whether the run came to its own end
        self.abandoned = False                 # ended as nobody was there, or looked
        self._held: dict[str, Snapshot] = {}   # what those see who have paused it
        self.error: Exception | None = None    # what ended it, to be raised where it is waited for
        self._stop, self._paused = threading.Event(), threading.Event()
        self._fraction, self._worked, self._waiting = 0.0, 0.0, True
        self._seen = self._met = time.monotonic()      # when somebody looked, was there, last
        self._published = 0.0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    # --- for viewers ------------------------------------------------------------------------------

    def look(self, viewer: str | None = None) -> Snapshot:
        """The newest snapshot; also says that somebody is watching, and wants a newer trace.

        A viewer who has paused what others let go on sees what there was then.
        """
        self._seen = time.monotonic()
        if viewer in self._held and not self._paused.is_set():
            return self._held[viewer]
        f = self._fraction
        left = self._worked * (1 - f) / f if f > 0.02 else None
        return Snapshot(self.trace, f, left, self._paused.is_set(), self._waiting)

    def pause(self, viewer: str | None = None) -> None:
        """Hold before the next chunk of steps, once all viewers who are there have paused it."""
        now = replace(self.look(viewer), paused=True)
        self._held = {**self._held, **dict.fromkeys([viewer] if viewer else self.viewers, now)}
        self.agree()

    def resume(self, viewer: str | None = None) -> None:
        """Go on after a pause."""
        self._held = {v: now for v, now in self._held.items() if viewer and v != viewer}
        self.agree()

    def agree(self) -> None:
        """Pause or go on, as the viewers want it: one who looks goes before those who wait."""
        there = [viewer for viewer, here in list(self.viewers.items()) if here()]
        if self._held and all(viewer in self._held for viewer in there):
            self._paused.set()
        else:
            self._paused.clear()

    def parted(self, viewer: str) -> Job:
        """The job as it ends for a viewer who stops it while others go on."""
        mine = copy.copy(self)
        mine.over, mine.viewers = threading.Event(), {viewer: self.viewers[viewer]}
        mine.over.set()
        return mine

    def stop(self) -> None:
        """End before the next pass; what was computed stays in `trace`."""
        self._stop.set()

    def join(self) -> None:
        """Wait until the thread has ended."""
        self._thread.join()

    # --- in the thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            if self._enter():
                try:
                    self._compute()
                finally:
                    SLOTS.release()
        except Exception as error:
            self.error = error
        finally:
            self.over.set()

    def _compute(self) -> None:
        progress, last, cost, laid = None, time.monotonic(), 0.0, -PLANE
        for progress in stream(self.spec, self._stop):
            now = time.monotonic()
            self._worked += now - last
            self._fraction = progress.fraction
            if self._paused.is_set():
                self.trace = progress.trace(QUALITY)
                self._hold()
            elif self._seen > self._published and now - self._published > cost / SHARE:
                fresh = now - laid > PLANE
                self.trace = progress.trace(QUALITY, None if fresh else self.trace)
                laid = now if fresh else laid
                self._published = time.monotonic()
                cost = self._published - now
            if self._abandoned():
                self._stop.set()
            last = time.monotonic()
        if progress is not None:
            self.complete = progress.complete
            self.trace = progress.trace(1.0 if self.complete else QUALITY)

    def _enter(self) -> bool:
        """Wait for a slot; False where nobody waits any more."""
        self._waiting = True
        while not SLOTS.acquire(timeout=TICK):
            if self._abandoned():
                return False
        self._waiting = False
        return True

    def _hold(self) -> None:
        """A pause: others may compute meanwhile."""
        SLOTS.release()
        while self._paused.is_set() and not self._abandoned():
            time.sleep(TICK)
        if not self._enter():
            SLOTS.acquire()                     # stopped: the end comes soon

    def _abandoned(self) -> bool:
        now, patience = time.monotonic(), PAUSE if self._paused.is_set() else SILENCE
        viewers = list(self.viewers.values())
        if not viewers or any(here() for here in viewers):
            self._met = now
        if not self._stop.is_set():
            self.abandoned = now - self._seen > patience or now - self._met > GONE
        return self._stop.is_set() or self.abandoned


class Jobs:
    """The jobs that are under way; viewers of the same run share one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._watched: dict[str, str] = {}           # viewer → key
        self._parted: dict[str, Job] = {}            # by viewers who stopped what others watch

    def watch(self, viewer: str, spec: RunSpec, here: Callable[[], bool] = lambda: True) -> Job:
        """The job of a run, started if need be; what this viewer watched before is let go.

        A job that is over is handed out again to those who watched it, so that they see its end,
        unless it ended as nobody was there: a computer that slept has stopped nothing.

        Args:
            viewer: who watches.
            spec: the run.
            here: whether this viewer is still there; called from the job's thread.
        """
        key = spec.key()
        with self._lock:
            if (mine := self._parted.get(viewer)) is not None and mine.spec.key() == key:
                return mine
            self._let_go(viewer, but=key)
            job, new = self._jobs.get(key), self._watched.get(viewer) != key
            if job is None or job.abandoned or (
                    new and job.over.is_set() and not job.complete):
                job = self._jobs[key] = Job(spec)
            self._watched[viewer] = key
            job.viewers = {**job.viewers, viewer: here}
            if new:
                job.agree()
            self._clear()
            return job

    def stop(self, viewer: str) -> None:
        """End what this viewer watches; where others watch it too, for this viewer alone."""
        with self._lock:
            job = self._jobs.get(self._watched.get(viewer, ""))
            if job is None:
                return
            if any(here() for other, here in job.viewers.items() if other != viewer):
                mine = job.parted(viewer)
                self._let_go(viewer, but=None)
                self._parted[viewer] = mine
            else:
                job.stop()

    @property
    def crowd(self) -> int:
        """How many viewers wait for runs that go on."""
        with self._lock:
            return sum(len(j.viewers) for j in self._jobs.values() if not j.over.is_set())

    def leave(self, viewer: str) -> None:
        """This viewer watches nothing any more."""
        with self._lock:
            self._let_go(viewer, but=None)

    def forget(self) -> int:
        """Let go of finished jobs whose viewers have left; says how many jobs there still are."""
        with self._lock:
            for viewer, key in list(self._watched.items()):
                job = self._jobs.get(key)
                if job is None or (job.over.is_set() and not job.viewers[viewer]()):
                    self._let_go(viewer, but=None)
            self._parted = {v: j for v, j in self._parted.items() if j.viewers[v]()}
            self._clear()
            return len(self._jobs)

    def close(self) -> None:
        """Stop all jobs, wait for their ends, and forget them."""
        with self._lock:
            jobs = list(self._jobs.values())
            self._jobs, self._watched, self._parted = {}, {}, {}
        for job in jobs:
            job.stop()
        for job in jobs:
            job.join()

    def _clear(self) -> None:
        """Forget jobs that are over and that nobody watches."""
        seen = set(self._watched.values())
        self._jobs = {k: j for k, j in self._jobs.items() if k in seen or not j.over.is_set()}

    def _let_go(self, viewer: str, but: str | None) -> None:
        self._parted.pop(viewer, None)
        key = self._watched.get(viewer)
        if key is None or key == but:
            return
        del self._watched[viewer]
        if job := self._jobs.get(key):
            job.viewers = {v: here for v, here in job.viewers.items() if v != viewer}
            job.resume(viewer)
            if not job.viewers:
                job.stop()


JOBS = Jobs()
