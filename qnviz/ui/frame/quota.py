"""What visitors' own files may take of the server's memory, all of them together."""

from __future__ import annotations

import threading
import weakref

from qnviz.errors import TraceError
from qnviz.runs.trace import Trace


class Room:
    """So many bytes for opened traces; each gives its place back when nobody holds it any more."""

    def __init__(self, limit: int):
        self.limit, self.held = limit, 0
        self._lock = threading.RLock()           # what the collector frees while it is held

    def take(self, trace: Trace) -> Trace:
        """The trace, counted.

        Raises:
            TraceError: there is no room for it now.
        """
        with self._lock:
            if self.held + trace.nbytes > self.limit:
                raise TraceError("The server holds as many opened runs as it can. Try again later, "
                                 "or open the app on your own machine.")
            self.held += trace.nbytes
        weakref.finalize(trace, self._left, trace.nbytes).atexit = False
        return trace

    def _left(self, size: int) -> None:
        with self._lock:
            self.held -= size


OPENED = Room(2_000_000_000)
