"""One tile as a task: it can be halted from another process, and is halved where memory ends."""

from __future__ import annotations

import os
import tempfile
import time
import uuid
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from qnviz.errors import Interrupted, WorkerError
from qnviz.runs.device import resolve
from qnviz.runs.trace import Rows
from qnviz.sweeps.spec import SweepSpec
from qnviz.sweeps.tiles import Tile, compute

FLAG = "qnviz-halt-"
CHECK = 0.05                         # seconds between two checks whether a task was halted


class Halt:
    """A flag for tasks in whatever process of this machine: a file that appears.

    It goes when this object does; what a killed process has left is taken away by the next one.
    Tasks on other machines do not see it, and come to their own end.
    """

    def __init__(self) -> None:
        folder = Path(tempfile.gettempdir())
        _clear(folder)
        path = folder / f"{FLAG}{os.getpid()}-{uuid.uuid4()}"
        self.path = str(path)
        weakref.finalize(self, path.unlink, missing_ok=True)

    def set(self) -> None:
        """Halt all tasks that watch this flag."""
        Path(self.path).touch()


@lru_cache(maxsize=1)
def _clear(folder: Path) -> None:
    """Take flags away whose processes are gone; once per process."""
    for flag in folder.glob(f"{FLAG}*-*"):
        owner = flag.name.removeprefix(FLAG).partition("-")[0]
        if owner.isdecimal() and Path("/proc/self").exists() and not Path("/proc", owner).exists():
            with suppress(OSError):            # somebody else's, or gone already
                flag.unlink()


def work(spec: SweepSpec, tile: Tile, halt: str) -> Rows:
    """Compute a tile's rows (cells,), as `compute` does.

    Args:
        spec: the sweep.
        tile: which cells of it.
        halt: the path of a flag; the task ends soon after it appears.

    Raises:
        Interrupted: the flag appeared.
        WorkerError: not even a single cell fits the device's memory.
        DeviceError, DataError: as `compute` does.
    """
    checked = 0.0

    def check() -> None:
        nonlocal checked
        now = time.monotonic()
        if now - checked > CHECK:
            checked = now
            if os.path.exists(halt):
                raise Interrupted

    check()
    return _fitting(spec, tile, check)


def _fitting(spec: SweepSpec, tile: Tile, check: Callable[[], None]) -> Rows:
    """A tile's rows; one that the device has no memory for is cut in halves.

    A cell's numbers do not depend on the others in its tile.
    """
    try:
        return compute(spec, tile, check)
    except torch.OutOfMemoryError:
        if len(tile.cells) == 1:
            raise WorkerError(f"The memory of {resolve(spec.device)[0]} does not hold "
                              "a single run of this sweep.") from None
    # only here, where the exception has let go of its memory, is there any again
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    parts = [_fitting(spec, tile._replace(cells=half), check)
             for half in np.array_split(tile.cells, 2)]
    return {name: np.concatenate([rows[name] for rows in parts]) for name in parts[0]}


def ready() -> None:
    """Nothing: a worker that is asked for it imports what tiles need."""
