"""What visitors leave behind is given back soon after: sessions, finished jobs, memory.

Streamlit forgets a session that ended only when the next one ends, Python's collector waits for
many new objects, and glibc keeps freed memory for later: a server that nobody visits any more would
stay as large as it ever was.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import sys

from qnviz.ui.privates import sessions

EVERY = 20.0                                   # seconds between two rounds
ARENA_MAX, ARENAS = -8, 2                      # M_ARENA_MAX of malloc.h, and its value here
ROUNDS = 2                                     # after something has gone: threads end a bit later


async def tidy() -> None:
    """Tidy up for as long as the server runs; in its event loop, where sessions are kept."""
    before, due = 0, 0
    while True:
        await asyncio.sleep(EVERY)
        left = forget()
        due = ROUNDS if left < before else max(0, due - 1)
        before = left
        if due > 0:
            await asyncio.to_thread(give_back)


def forget() -> int:
    """Let go of what nobody can come back to; says how much there still is."""
    service = sys.modules.get("qnviz.jobs.service")    # there once a page has used it
    return sessions() + (service.JOBS.forget() if service else 0)


def few_arenas() -> None:
    """Let all threads share two pools of memory, before the first thread takes one of its own.

    Every run and every script has a thread, and in eight pools per core each leaves holes: after a
    small class a server stayed 13 % larger, with two pools 8 %, and 3 % where the environment's
    MALLOC_ARENA_MAX=2 is set before the start, in the same processor time.
    """
    if (libc := _glibc()) is not None:
        libc.mallopt(ARENA_MAX, ARENAS)


def give_back() -> None:
    """Free what only refers to itself, and hand free memory back to the system."""
    gc.collect()
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The C library, where it is the one that keeps freed memory and can be asked not to."""
    if sys.platform != "linux" or not hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        return None
    return libc
