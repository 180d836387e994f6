"""Where pieces of computations are computed: processes on this machine, or a Dask cluster.

A task is a module-level function and its arguments; its numbers do not depend on who computes it.
A worker that is killed takes nothing with it: what it had is computed again by another one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
import weakref
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from functools import lru_cache
from typing import Any

from qnviz import environment
from qnviz.errors import SettingError, WorkerError
from qnviz.jobs.cluster import ELSEWHERE, DaskPool, address
from qnviz.jobs.task import TRIES, Pool, Task
from qnviz.jobs.threads import Threads

LOG = logging.getLogger(__name__)
MOST = 64                            # worker processes by default; QNVIZ_WORKERS may ask for more
IDLE = 300.0                         # seconds without work after which a worker gives memory back
AHEAD = 1                            # tasks that wait in the executor, so that no worker does
NICE = 10                            # a page that somebody waits for goes before tiles
WATCH = 1.0                          # seconds between two checks whether the parent is alive
AGAIN = 60.0                         # … between two attempts to reach a cluster that was lost
ENVIRONMENT = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1",
               "LOKY_MAX_MEMORY_LEAK_SIZE": "2e9"}     # a net's data are no leak
CLOSED = "The workers were closed."
THREAD = Threads(1, IDLE)            # for work on a GPU, where each process would hold memory twice


def count() -> int:
    """How many worker processes there may be: one per core, or QNVIZ_WORKERS.

    Raises:
        WorkerError: QNVIZ_WORKERS is no such number.
    """
    try:
        asked = environment.value("QNVIZ_WORKERS")
    except SettingError as error:
        raise WorkerError(str(error)) from None
    return asked or max(1, min(os.cpu_count() or 1, MOST))


# --- processes on this machine --------------------------------------------------------------------

class LocalPool:
    """Processes on this machine, started when first needed; they leave when idle for long."""

    def __init__(self, size: int):
        self.note: str | None = None
        self._size = size
        self._lock = threading.RLock()
        self._waiting: deque[Task] = deque()
        self._flying: dict[Task, Any] = {}             # → the executor that has it
        self._executor: Any = None
        self._closed = False

    @property
    def size(self) -> int:
        """How many tasks are computed at once."""
        return self._size

    @property
    def words(self) -> str:
        """Who computes, for people."""
        return (f"by {self.size} processes on this machine" if self.size > 1
                else "by one process on this machine")

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Start a task; the future gives its result, or raises what it raised."""
        task = Task(function, args)
        self.take(task)
        return task.future

    def take(self, task: Task) -> None:
        """Start a task, also one that somebody else could not finish."""
        with self._lock:
            if self._closed:
                raise WorkerError(CLOSED)
            self._waiting.append(task)
            self._pump()

    def close(self) -> None:
        """Kill all workers; unfinished tasks raise."""
        with self._lock:
            self._closed = True
            left = [*self._flying, *self._waiting]
            self._waiting.clear()
            self._flying.clear()
            executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)
        for task in left:
            task.end(error=WorkerError(CLOSED))

    def _pump(self) -> None:
        """Hand tasks on while workers are free; one that is suspected to kill goes alone."""
        while self._waiting:
            task = self._waiting[0]
            most = 1 if task.suspect else self._size + AHEAD
            if len(self._flying) >= most or any(t.suspect for t in self._flying):
                return
            self._waiting.popleft()
            if task.begin():
                self._start(task)

    def _start(self, task: Task) -> None:
        try:
            try:
                executor = self._running()
                inner = executor.submit(_politely, task.function, *task.args)
            except BrokenExecutor:                     # a worker died that nobody had noticed yet
                self._executor = None
                executor = self._running()
                inner = executor.submit(_politely, task.function, *task.args)
        except (RuntimeError, OSError) as error:       # this process ends, or may have no more
            task.end(error=WorkerError(f"A worker process could not be started: {error}."))
            return
        _guard()
        self._flying[task] = executor
        inner.add_done_callback(lambda done: self._landed(task, executor, done))

    def _running(self) -> Any:
        from loky.process_executor import ProcessPoolExecutor  # only where there are workers

        if self._executor is None:
            self._executor = ProcessPoolExecutor(self._size, timeout=IDLE, env=ENVIRONMENT,
                                                 initializer=_begin, initargs=(os.getpid(),))
            _POOLS.add(self)
        return self._executor

    def _landed(self, task: Task, executor: Any, inner: Future) -> None:
        """What a task gave goes on; one whose worker died is started again."""
        error = inner.exception()
        broken = isinstance(error, BrokenExecutor)
        with self._lock:
            if self._flying.get(task) is not executor:
                return                                 # closed meanwhile
            del self._flying[task]
            if broken:
                task.deaths += 1
                if self._executor is executor:
                    self._executor = None
                    LOG.warning("A worker process was killed; its tasks are computed again.")
                if task.deaths < TRIES:
                    self._waiting.appendleft(task)
            self._pump()
        if not broken:
            task.end(None if error else inner.result(), error)
        elif task.deaths >= TRIES:
            task.end(error=WorkerError(
                f"A part of this computation ended its worker process {TRIES} times, most likely "
                "by lack of memory. Take fewer workers (QNVIZ_WORKERS) or a smaller problem."))


def _begin(parent: int) -> None:
    """In a new worker: leave Ctrl+C to the parent, and end when the parent does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _politely(function: Callable[..., Any], *args: Any) -> Any:
    """On a worker: do a task behind whoever waits for a page.

    What a task needs was imported when it arrived, so a worker starts as quickly as others.
    """
    _be_polite()
    return function(*args)


@lru_cache(maxsize=1)
def _be_polite() -> None:
    if hasattr(os, "nice"):
        os.nice(NICE)


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH)
    os._exit(1)


_POOLS: weakref.WeakSet[LocalPool] = weakref.WeakSet()


@lru_cache(maxsize=1)
def _guard() -> None:
    """Have all pools closed when this process begins to end, whatever their workers do.

    To be called when loky has started: it waits there for its tasks, and what was registered last
    is called first.
    """
    threading._register_atexit(_close_all)             # type: ignore[attr-defined]


def _close_all() -> None:
    for pool in list(_POOLS):
        pool.close()


# --- the pool that tasks go to --------------------------------------------------------------------

class _Switch:
    """The local pool, and the cluster in its place while there is one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._local: LocalPool | None = None
        self._cluster: DaskPool | None = None
        self._tried: float | None = None               # when the cluster was last sought
        self._seeking: threading.Thread | None = None

    def pool(self) -> Pool:
        """See `pool` below."""
        with self._lock:
            if self._local is None:
                self._local = LocalPool(count())
            where = address()
            if where is None:
                return self._local
            if self._cluster is not None and self._cluster.alive and self._cluster.where == where:
                return self._cluster
            if self._tried is None:
                self._tried = time.monotonic()
                self._seek(where)
            elif time.monotonic() - self._tried > AGAIN and not (
                    self._seeking and self._seeking.is_alive()):
                self._tried = time.monotonic()         # nobody waits for a second attempt
                self._seeking = threading.Thread(target=self._seek, args=(where,), daemon=True)
                self._seeking.start()
            return self._cluster if self._cluster and self._cluster.alive else self._local

    def close(self) -> None:
        """End all workers; the next call of `pool` makes new ones."""
        with self._lock:
            pools = [p for p in (self._cluster, self._local) if p is not None]
            self._local = self._cluster = self._tried = None
        for p in pools:
            p.close()

    def _seek(self, where: str) -> None:
        local = self._local
        assert local is not None
        try:
            found = DaskPool(where, lambda why, tasks: _move(local, why, tasks))
        except WorkerError as error:
            _move(local, f"{error} {ELSEWHERE}", [])
            return
        with self._lock:
            wanted = self._local is local              # not closed meanwhile
            if wanted:
                self._cluster, local.note = found, None
        if not wanted:
            found.close()


def _move(local: LocalPool, why: str, tasks: list[Task]) -> None:
    LOG.warning(why)
    local.note = why
    for task in tasks:
        try:
            local.take(task)
        except WorkerError as error:                   # closed
            task.end(error=error)


_SWITCH = _Switch()


def pool() -> Pool:
    """The pool of this process: a Dask cluster's workers if there is one, or local processes.

    Raises:
        WorkerError: QNVIZ_WORKERS or QNVIZ_DASK_SCHEDULER is set wrongly.
    """
    return _SWITCH.pool()


def close() -> None:
    """End the workers; the next call of `pool` makes new ones."""
    _SWITCH.close()


def warm(prepare: Callable[[], Any]) -> None:
    """Start the workers beside what goes on, so that nobody waits for them.

    Args:
        prepare: what each of them does first, such as importing what tasks need.
    """
    threading.Thread(target=_warm, args=(prepare,), daemon=True).start()


def _warm(prepare: Callable[[], Any]) -> None:
    try:
        workers = pool()
        for done in [workers.submit(prepare) for _ in range(workers.size)]:
            done.result()
    except WorkerError as error:               # whoever asks for a computation sees it, too
        LOG.warning("The workers could not be started in advance: %s", error)
