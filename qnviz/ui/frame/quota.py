"""What visitors' own files may take of the server's memory, all of them together."""

from __future__ import annotations

import threading
import weakref

from qnviz.errors import TraceError
from qnviz.runs.trace import Trace


class Quota:
    """So many bytes for opened traces; a trace counts for as long as it is referred to.

    Unlike a store, it keeps nothing and drops nothing: who comes too late is refused.
    """

    def __init__(self, limit: int):
        self.limit, self.used = limit, 0
        self._lock = threading.RLock()           # the collector may free a trace in the lock

    def admit(self, trace: Trace) -> Trace:
        """The trace, counted.

        Raises:
            TraceError: it does not fit now.
        """
        with self._lock:
            if self.used + trace.nbytes > self.limit:
                raise TraceError("The server holds as many opened runs as it can. Try again later, "
                                 "or open the app on your own machine.")
            self.used += trace.nbytes
        weakref.finalize(trace, self._freed, trace.nbytes).atexit = False
        return trace

    def _freed(self, size: int) -> None:
        with self._lock:
            self.used -= size


OPENED = Quota(2_000_000_000)
