"""A function to be called somewhere else, what became of it, and what a pool offers."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from typing import Any, Protocol

LOG = logging.getLogger(__name__)
TRIES = 3                            # of a task whose workers die


class Task:
    """A function, its arguments, a future, and how often a worker died while computing it."""

    def __init__(self, function: Callable[..., Any], args: tuple):
        self.function, self.args = function, args
        self.future: Future = Future()
        self.deaths = 0
        self._begun = False

    @property
    def suspect(self) -> bool:
        """Whether it is computed alone next, so that no other task is blamed for it."""
        return self.deaths == TRIES - 1

    def begin(self) -> bool:
        """Whether it is to be computed: nobody cancelled it before its first try."""
        if not self._begun:
            self._begun = self.future.set_running_or_notify_cancel()
        return self._begun

    def end(self, result: Any = None, error: BaseException | None = None) -> None:
        """Resolve the future, unless that was done before."""
        try:
            if error is None:
                self.future.set_result(result)
            else:
                self.future.set_exception(error)
        except InvalidStateError:
            LOG.debug("a task ended twice")


class Pool(Protocol):
    """Computes tasks somewhere."""

    note: str | None                 # what somebody should know, such as a cluster out of reach

    @property
    def size(self) -> int:
        """How many tasks are computed at once."""
        ...

    @property
    def words(self) -> str:
        """Who computes, for people."""
        ...

    def submit(self, function: Callable[..., Any], *args: Any) -> Future:
        """Start a task; the future gives its result, or raises what it raised."""
        ...

    def close(self) -> None:
        """End all workers; unfinished tasks raise."""
        ...
