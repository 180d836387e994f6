"""Arrays of an .npz that anybody may have written: nothing is allocated that the file cannot fill.

A member's header may promise any shape, and numpy makes room for it before it reads. Here each
header is held against the bytes that follow it, and a file against the room it may take.
"""

from __future__ import annotations

import zipfile
import zlib
from io import SEEK_END
from lzma import LZMAError
from math import prod
from pathlib import Path
from typing import IO

import numpy as np
from numpy.lib import format as npy

MOST_ARRAYS = 4000
DEEPEST = 8                          # axes of an array
LONGEST_ENTRY = 400                  # bytes of an array's entry in the directory
END_RECORD, LONGEST_COMMENT = 22, 65_535       # bytes at a zip's end
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)      # others ignore the limit of a read
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
    if isinstance(file, str | Path):
        with open(file, "rb") as opened:
            return arrays(opened, limit)
    count = _count(file)
    with zipfile.ZipFile(file) as z:
        members = z.infolist()
        if len(members) != count:              # a damaged length in one entry hides those after it
            raise ValueError("not as many arrays as it says")
        if (size := sum(i.file_size for i in members)) > limit:
            raise TooLarge(size)
        if len(members) > MOST_ARRAYS:
            raise ValueError("too many arrays")
        if any(i.compress_type not in PACKINGS for i in members):
            raise ValueError("packed in a way that numpy does not use")
        found = {}
        for member in members:
            with z.open(member) as stream:
                _promised(stream, member.file_size)
            with z.open(member) as stream:
                found[member.filename.removesuffix(".npy")] = npy.read_array(
                    stream, allow_pickle=False)
        return found


def _count(file: IO[bytes]) -> int:
    """How many entries an archive says it has, if its directory is of a sane size.

    zipfile makes objects of a whole directory before it shows one, and 200 MB hold 4 million
    entries. The directory's size stands in the end record, or in one that only archives beyond
    4 GB need.
    """
    file.seek(max(0, file.seek(0, SEEK_END) - END_RECORD - LONGEST_COMMENT))
    tail = file.read()
    last = tail[-END_RECORD:]
    plain = last[:4] == b"PK\5\6" and last[-2:] == b"\0\0"
    at = len(tail) - END_RECORD if plain else tail.rfind(b"PK\5\6")
    size = int.from_bytes(tail[at + 12:at + 16], "little")
    huge = size > MOST_ARRAYS * LONGEST_ENTRY or tail[max(0, at - 20):at][:4] == b"PK\6\7"
    if at < 0:
        raise ValueError("no archive")
    if huge:
        raise ValueError("too many arrays")
    return int.from_bytes(tail[at + 10:at + 12], "little")


def _promised(stream: IO[bytes], size: int) -> None:
    """Refuse a header that promises other than plain numbers and text that are there."""
    shape, _, dtype = READERS[npy.read_magic(stream)](stream)
    if dtype.kind not in "biufU" or len(shape) > DEEPEST or min(shape, default=0) < 0:
        raise ValueError("not a plain array")
    if prod(shape) * max(1, dtype.itemsize) > size:
        raise ValueError("shorter than it says")
