"""Arrays of an .npz that anybody may have written: nothing is allocated that the file cannot fill.

A member's header may promise any shape, and numpy makes room for it before it reads. Here each
header is held against the bytes that follow it, and a file against the room it may take.
"""

from __future__ import annotations

import zipfile
import zlib
from lzma import LZMAError
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

MOST_ARRAYS = 4000
DEEPEST = 8                          # axes of an array
READERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
# what a damaged, hostile or encrypted archive makes the standard library raise
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError,
           RuntimeError, RecursionError, MemoryError, OverflowError, SyntaxError, zlib.error,
           LZMAError, zipfile.BadZipFile)


class TooLarge(ValueError):
    """An archive would take more room than it may; carries the bytes."""

    def __init__(self, size: int):
        self.size = size
        super().__init__(f"{size / 1e9:.1f} GB")


def arrays(file: str | Path | IO[bytes], limit: int) -> dict[str, np.ndarray]:
    """All arrays of an .npz by name, without pickle.

    Raises:
        TooLarge: they would take more than `limit` bytes.
        OSError: the file cannot be read.
        Exception: one of DAMAGED; it is no such archive.
    """
    with zipfile.ZipFile(file) as z:
        members = z.infolist()
        if (size := sum(i.file_size for i in members)) > limit:
            raise TooLarge(size)
        if len(members) > MOST_ARRAYS:
            raise ValueError("too many arrays")
        found = {}
        for member in members:
            with z.open(member) as stream:
                _promised(stream, member.file_size)
            with z.open(member) as stream:
                found[member.filename.removesuffix(".npy")] = npy.read_array(
                    stream, allow_pickle=False)
        return found


def _promised(stream: IO[bytes], size: int) -> None:
    """Refuse a header that promises other than plain numbers and text that are there."""
    shape, _, dtype = READERS[npy.read_magic(stream)](stream)
    if dtype.kind not in "biufU" or len(shape) > DEEPEST or min(shape, default=0) < 0:
        raise ValueError("not a plain array")
    if prod(shape) * max(1, dtype.itemsize) > size:
        raise ValueError("shorter than it says")
