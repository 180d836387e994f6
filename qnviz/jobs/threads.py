"""A pool of threads in this process."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from qnviz.jobs.task import Task

SLOTS = max(2, os.cpu_count() or 1)  # computations in threads of this process at once

class Threads:
    """Threads that start when they are needed and end when idle; none keeps the process alive.

    Args:
        size: how many tasks are computed at once.
        idle: seconds without work after which a thread ends.
    """

    note: str | None = None
    words = "by this process"

    def __init__(self, size: int, idle: float = 0.0):
        self.size, self.idle = size, idle
        self._wake = threading.Condition()
        self._waiting: deque[Task] = deque()
        self._there = self._free = 0                   # threads, and those that wait for a task
        self._closed = False

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Start a task; the future gives its result, or raises what it raised."""
        task = Task(function, args)
        with self._wake:
            self._closed = False
            self._waiting.append(task)
            if len(self._waiting) > self._free and self._there < self.size:
                self._there += 1
                threading.Thread(target=self._run, daemon=True, name="task").start()
            else:
                self._wake.notify()
        return task.future

    def close(self) -> None:
        """End the threads after what was submitted."""
        with self._wake:
            self._closed = True
            self._wake.notify_all()

    def _run(self) -> None:
        while (task := self._next()) is not None:
            if task.begin():
                try:
                    result = task.function(*task.args)
                except Exception as error:
                    task.end(error=error)
                else:
                    task.end(result)
                    del result
            del task                                   # nothing of it stays while this one waits

    def _next(self) -> Task | None:
        """The next task; None where there was none for long, and this thread ends."""
        with self._wake:
            if not self._waiting and not self._closed:
                self._free += 1
                self._wake.wait_for(lambda: self._waiting or self._closed, self.idle)
                self._free -= 1
            if self._waiting:
                return self._waiting.popleft()
            self._there -= 1
            return None
