"""Tasks on a Dask cluster; where it is lost, unfinished ones are computed elsewhere.

Tasks and results cross as bytes, so a scheduler needs this module alone, and no torch.
"""

from __future__ import annotations

import importlib.metadata
import logging
import pickle
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import lru_cache
from typing import Any

from qnviz import __version__, environment
from qnviz.errors import SettingError, WorkerError
from qnviz.jobs.task import Task

LOG = logging.getLogger(__name__)
PATIENCE = 5.0                       # seconds for a scheduler to answer, and for its first worker
CHECK = 2.0                          # … between two checks of how many workers there are
ALONE = 10.0                         # … without any worker, after which the cluster is given up
ELSEWHERE = "This machine computes instead."


def address() -> str | None:
    """The scheduler that QNVIZ_DASK_SCHEDULER names, if any.

    Raises:
        WorkerError: it is no such address.
    """
    try:
        return environment.value("QNVIZ_DASK_SCHEDULER")
    except SettingError as error:
        raise WorkerError(str(error)) from None


class DaskPool:
    """The workers of a cluster.

    Args:
        where: the scheduler's address.
        lost: called once, with a sentence and all unfinished tasks, when the cluster cannot be used
            any more.

    Raises:
        WorkerError: the cluster cannot be reached or has no workers, or dask is not installed.
    """

    def __init__(self, where: str, lost: Callable[[str, list[Task]], None]):
        self.note: str | None = None
        self.where, self._lost = where, lost
        self._client = _connect(where)
        self._lock = threading.Lock()
        self._flying: dict[Task, Any] = {}     # → its future on the cluster, which Dask needs kept
        self._over = threading.Event()
        self._size = 0
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE)
            self._count()
        except Exception as error:             # whatever it is: this machine computes instead
            self.close()
            raise WorkerError(f"The Dask cluster at {where} has no workers.") from error
        threading.Thread(target=self._watch, daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it takes tasks."""
        return not self._over.is_set()

    @property
    def size(self) -> int:
        """How many tasks are computed at once."""
        return max(1, self._size)

    @property
    def words(self) -> str:
        """Who computes, for people."""
        workers = f"{self.size} workers" if self.size != 1 else "one worker"
        return f"on {workers} of the Dask cluster at {self.where}"

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Start a task; the future gives its result, or raises what it raised."""
        task = Task(function, args)
        self.take(task)
        return task.future

    def take(self, task: Task) -> None:
        """Start a task."""
        if not task.begin():
            return
        try:
            remote = self._client.submit(_compute, pickle.dumps((task.function, task.args)),
                                        _versions(), pure=False)
            with self._lock:
                if self.alive:
                    self._flying[task] = remote
            if not self.alive:
                raise WorkerError("the connection is closed")
        except Exception as error:
            with self._lock:
                self._flying[task] = None      # unfinished, like all others
            self._give_up(f"The Dask cluster at {self.where} was lost ({error}).", late=task)
            return
        remote.add_done_callback(lambda done: self._landed(task, done))

    def close(self) -> None:
        """Leave the cluster; unfinished tasks raise."""
        self._over.set()
        with self._lock:
            left, self._flying = list(self._flying), {}
        for task in left:
            task.end(error=WorkerError("The connection to the Dask cluster was closed."))
        self._leave()

    def _leave(self) -> None:
        try:
            self._client.close(timeout=PATIENCE)
        except TimeoutError:
            LOG.debug("the cluster does not say goodbye")

    def _landed(self, task: Task, remote: Any) -> None:
        """In a thread of Dask: pass on what a task gave."""
        if self._over.is_set():
            return
        if remote.status == "error":
            error = remote.exception()
            if type(error).__name__ == "KilledWorker":
                self._end(task, error=WorkerError(
                    "A part of this computation ended several Dask workers, most likely by lack "
                    "of memory. Give each worker more memory, or take a smaller problem."))
            else:                              # what a task raises comes as a result
                LOG.debug("the cluster cannot run a task", exc_info=error)
                self._give_up(f"The Dask cluster at {self.where} cannot run this version of qnviz: "
                              "its scheduler and workers must be able to import it.")
            return
        try:
            result, error = pickle.loads(remote.result())
        except Exception as failure:           # cancelled, as the connection was lost
            LOG.debug("a task on the cluster gave no result: %r", failure)
            self._give_up(f"The connection to the Dask cluster at {self.where} was lost.")
            return
        if isinstance(error, _Differs):
            self._give_up(f"A worker of the Dask cluster at {self.where} {error}.")
        else:
            self._end(task, result, error)

    def _end(self, task: Task, result: Any = None, error: BaseException | None = None) -> None:
        with self._lock:
            mine = self._flying.pop(task, None) is not None
        if mine:
            task.end(result, error)

    def _give_up(self, why: str, late: Task | None = None) -> None:
        """Hand everything unfinished to others, once."""
        with self._lock:
            first = not self._over.is_set()
            self._over.set()
            left = list(self._flying) if first else [late] if late is not None else []
            self._flying = {}
        if first or left:
            self._lost(f"{why.removesuffix('.')}. {ELSEWHERE}", left)
        if first:                              # not from a thread of the client itself
            threading.Thread(target=self._leave, daemon=True).start()

    def _watch(self) -> None:
        """Notice workers that come and go."""
        alone = 0.0
        while not self._over.wait(CHECK):
            try:
                self._count()
            except Exception as error:         # whatever Dask raises: the scheduler is gone
                if self.alive:
                    LOG.debug("the scheduler does not answer: %r", error)
                    self._give_up(f"The Dask scheduler at {self.where} does not answer any more.")
                return
            alone = alone + CHECK if not self._size else 0.0
            if alone >= ALONE:
                self._give_up(f"The Dask cluster at {self.where} has no workers any more.")

    def _count(self) -> None:
        self._size = int(self._client.scheduler_info(n_workers=0)["total_threads"])


def _connect(where: str) -> Any:
    try:
        from distributed import Client
    except ImportError:
        raise WorkerError("QNVIZ_DASK_SCHEDULER is set, but dask is not installed: "
                          "pip install -r requirements-dask.txt.") from None

    class Joined(Client):
        """A client that ends its thread where it reaches no scheduler; Dask's leaves it behind."""

        def start(self, **options: Any) -> None:
            try:
                super().start(**options)
            except BaseException:
                self._loop_runner.stop()
                raise

    # a lost connection is reported in a sentence, not in a traceback of the client's attempts
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        return Joined(where, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError, RuntimeError) as error:
        raise WorkerError(f"The Dask scheduler at {where} cannot be reached.") from error


class _Differs(Exception):
    """This worker would compute other numbers."""


@lru_cache(maxsize=1)
def _versions() -> tuple[str, ...]:
    return (__version__, *(importlib.metadata.version(p) for p in ("torch", "numpy")))


def _compute(task: bytes, versions: tuple[str, ...]) -> bytes:
    """On a worker: run a pickled (function, arguments); gives a pickled (result, exception)."""
    try:
        mine = _versions()
        if mine != versions:
            raise _Differs("has other versions of qnviz, torch and numpy: "
                           f"{', '.join(mine)} instead of {', '.join(versions)}")
        function, args = pickle.loads(task)
        return pickle.dumps((function(*args), None))
    except Exception as error:
        return pickle.dumps((None, error))
