"""What a test leaves behind: threads, child processes, and sockets that listen.

What was told to end gets some time for it. What lives on from test to test by design is named
below, each with its reason.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.processes import alive, children, command

PATIENCE = 10.0                      # seconds to end in, on a machine that does other things too
LOOK = 0.01                          # … between two looks

# One for the whole process each, by beginnings of names and by parts of command lines.
SHARED_THREADS = {
    "tqdm_monitor": "tqdm's: it redraws bars that stand still",
    "Dask-Callback-Thread": "Dask's, of all its clients together"}
SHARED_PROCESSES = {
    "multiprocessing.resource_tracker": "Python's: it clears semaphores away that a crash left",
    "loky.backend.resource_tracker": "the same of loky"}


class LeakError(AssertionError):
    """A test left something behind."""


@dataclass(frozen=True)
class There:
    """What runs in this process and right below it."""

    threads: frozenset[threading.Thread]
    processes: frozenset[int]
    servers: frozenset[str]                  # where they listen


def there() -> There:
    """What runs now: some hundredths of a millisecond."""
    return There(frozenset(threading.enumerate()), frozenset(_children()), frozenset(_servers()))


@contextmanager
def nothing_left(patience: float = PATIENCE, close: Callable[[], None] = lambda: None
                 ) -> Iterator[None]:
    """Whatever begins in this block has ended soon after it.

    Args:
        patience: seconds to end in.
        close: ends what several tests share; asked again while something is there, as a thread
            that is just starting may begin it anew.

    Raises:
        LeakError: something goes on, with what it is doing.
    """
    before, end = there(), 0.0
    yield
    close()
    while found := list(_left(before)):
        end = end or time.monotonic() + patience
        if time.monotonic() > end:
            raise LeakError("still there: " + "; ".join(found))
        time.sleep(LOOK)
        close()


def _left(before: There) -> Iterator[str]:
    now = there()
    for thread in now.threads - before.threads:
        if not any(thread.name.startswith(name) for name in SHARED_THREADS):
            yield f"the thread {thread.name} {_doing(thread)}"
    for pid in now.processes - before.processes:
        line = command(pid)
        if alive(pid) and not any(part in line for part in SHARED_PROCESSES):
            yield f"the process {pid}: {line[:200]}"
    for server in now.servers - before.servers:
        yield f"a server at {server}"


def _children() -> list[int]:
    if hasattr(os, "waitid"):
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:                # mostly there is none, and this is the quickest
            return []
    return children()


def _servers() -> Iterator[str]:
    for name in os.listdir("/dev/fd"):
        try:
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as found:
                if found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    yield str(found.getsockname())
        except OSError:                          # closed meanwhile, as this very listing
            continue


def _doing(thread: threading.Thread) -> str:
    """Where a thread is, from its innermost call to the outermost."""
    frame, calls = sys._current_frames().get(thread.ident or 0), []
    while frame is not None:
        code = frame.f_code
        calls.append(f"{code.co_qualname} ({os.path.basename(code.co_filename)}:{frame.f_lineno})")
        frame = frame.f_back
    outer = [call for call in calls[2:] if "threading.py" not in call]
    return " < ".join([*calls[:2], *outer[-3:]])
