"""Arrays of an .npz that anybody may have written: nothing is allocated that the file cannot fill.

Saved runs, sweeps and strangers' images are all read here. An archive's directory is checked before
anything is unpacked, packed entries are unpacked to no more than the directory says, and an array's
header is believed only if exactly the bytes follow that it promises. Nothing is ever unpickled.

    .npz    a zip of .npy
    .npy    magic, a dict literal {descr, fortran_order, shape}, values   (numpy.lib.format)
"""

from __future__ import annotations

import ast
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from io import SEEK_END
from lzma import LZMAError
from math import prod
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

MOST_ARRAYS = 4000                   # of a run or a sweep
DEEPEST = 8                          # axes of an array
LONGEST_ENTRY = 400                  # bytes of an array's entry in the directory
LONGEST_HEADER = 1000                # bytes of a .npy's; plain numbers need 118
END_RECORD = 22                      # bytes of a zip's end record without a comment
PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)      # others ignore the limit of a read
NUMBERS = re.compile(r"\|b1|[<>|=]?[iu][1248]|[<>=]?f[248]")     # types of real numbers
TEXT = re.compile(r"[<>=|]?U[1-9]\d{0,6}")
# what a damaged, hostile or encrypted archive makes the standard library raise
DAMAGED = (ValueError, KeyError, TypeError, AttributeError, EOFError, NotImplementedError,
           RuntimeError, RecursionError, MemoryError, OverflowError, SyntaxError, struct.error,
           zlib.error, LZMAError, zipfile.BadZipFile)


class Refused(ValueError):
    """Why a file is not read, as the end of a sentence that begins with its name."""


class TooLarge(Refused):
    """An archive would unpack to more bytes than it may; carries how many."""

    def __init__(self, size: int):
        self.size = size
        super().__init__(f"would unpack to {size / 1e9:.1f} GB")


class Header(NamedTuple):
    """What a .npy file says of its values."""

    shape: tuple[int, ...]
    fortran: bool                    # whether columns come first
    descr: str                       # the type, as numpy writes it
    start: int                       # where the values begin


def arrays(file: str | Path | IO[bytes], limit: int) -> dict[str, np.ndarray]:
    """All arrays of numbers and text in an .npz, by name.

    Args:
        file: a path, or an open file.
        limit: bytes that they may take together.

    Raises:
        TooLarge: they would take more.
        OSError: the file cannot be read.
        Exception: one of DAMAGED; it is no such archive.
    """
    if isinstance(file, str | Path):
        with open(file, "rb") as opened:
            return arrays(opened, limit)
    # a copy of its own: an array of a run may be written to
    return {name: _array(content).copy("K") for name, content in members(file, limit, MOST_ARRAYS)}


def members(file: IO[bytes], limit: int, most: int) -> Iterator[tuple[str, bytes]]:
    """The .npy files in an .npz, each by its name without the ending; others are passed over.

    Args:
        file: the archive.
        limit: bytes that all .npy files may take together.
        most: how many there may be.

    Raises:
        Refused: too large, too many, hidden, or packed in a way that numpy does not use.
        Exception: one of DAMAGED; it is no such archive.
    """
    count = _count(file, most)
    with zipfile.ZipFile(file) as z:
        listed = z.infolist()
        if len(listed) != count:               # a damaged length in one entry hides those after it
            raise Refused("is not an .npz file, or is damaged")
        entries = [e for e in listed if e.filename.endswith(".npy")]
        if listed and not entries:
            others = " and others" if len(listed) > 1 else ""
            raise Refused(f"is a zip archive that holds {listed[0].filename[:60]!r}{others}, not "
                          "numpy's arrays: unpack it, and take the files in it")
        if len(entries) > most:
            raise Refused(f"holds {len(entries):,} arrays; the limit is {most:,}")
        if (size := sum(e.file_size for e in entries)) > limit:
            raise TooLarge(size)
        if any(e.compress_type not in PACKINGS for e in entries):
            raise Refused("is packed in a way that numpy does not use")
        for entry in entries:
            with z.open(entry) as stream:      # one byte more, so that the checksum is compared
                yield entry.filename.removesuffix(".npy"), stream.read(entry.file_size + 1)


def _count(file: IO[bytes], most: int) -> int:
    """How many entries an archive says it has, if its directory is of a sane size.

    zipfile makes objects of a whole directory before it shows one, and 200 MB hold 4 million
    entries. Its size stands in the end record, which numpy writes last, without a comment; only
    archives beyond 4 GB need another record before it.
    """
    size = file.seek(0, SEEK_END)
    file.seek(max(0, size - END_RECORD - 20))
    tail = file.read()
    end = tail[-END_RECORD:]
    plain = len(end) == END_RECORD and end[:4] == b"PK\5\6" and end[-2:] == b"\0\0"
    if not plain or tail[:-END_RECORD][:4] == b"PK\6\7":
        raise Refused("is not an .npz file as numpy writes it, or is truncated")
    if int.from_bytes(end[12:16], "little") > most * LONGEST_ENTRY:
        raise Refused(f"holds too many arrays; the limit is {most:,}")
    return int.from_bytes(end[10:12], "little")


def header(content: bytes) -> Header:
    """What a .npy file says of its values.

    Not by numpy's own reader, which on odd headers falls back to Python's tokenizer and fails in
    ways of its own.

    Raises:
        Refused: it is no such file, damaged, or holds pickled objects.
    """
    wide = content[6:7] != b"\1"                         # version 1 has two bytes for the length
    start = 12 if wide else 10
    end = start + int.from_bytes(content[8:start], "little")
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise Refused("is not a .npy file")
    if end - start > LONGEST_HEADER:
        raise Refused("is not a .npy file of plain numbers, or its header is damaged")
    try:
        found = ast.literal_eval(content[start:end].decode().strip())
        descr, fortran, shape = (found[k] for k in ("descr", "fortran_order", "shape"))
        if not isinstance(shape, tuple) or any(type(n) is not int for n in shape):
            raise ValueError("bad shape")
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        raise Refused("is not a .npy file, or its header is damaged") from None
    if "|O" in str(descr):
        raise Refused("holds pickled Python objects, which are never loaded; save it as an array "
                      "of numbers")
    return Header(shape, bool(fortran), str(descr), end)


def _array(content: bytes) -> np.ndarray:
    """The plain numbers or text of a .npy file; a view of its bytes."""
    shape, fortran, descr, start = header(content)
    if not (NUMBERS.fullmatch(descr) or TEXT.fullmatch(descr)) or len(shape) > DEEPEST:
        raise Refused("does not hold plain arrays alone")
    dtype = np.dtype(descr)
    if min(shape, default=0) < 0 or prod(shape) * dtype.itemsize != len(content) - start:
        raise Refused("has an array that is shorter or longer than it says")
    return np.ndarray(shape, dtype, content, start, order="F" if fortran else "C")
