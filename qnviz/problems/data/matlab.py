"""Arrays of numbers in MATLAB files of version 5 to 7, read from bytes that nobody vouches for.

    file       128 bytes of header, then elements
    element    type, size, data                        type 15: a packed element, 14: an array
    array      flags with its class, dimensions, name, values; each an element of its own

As in MathWorks' "MAT-File Format" (MAT-File Level 5). scipy.io.loadmat unpacks before anybody can
count, and builds objects, cells and function handles; here packed elements are unpacked with a
limit, and nothing is ever built but arrays of real numbers.
"""

from __future__ import annotations

import math
import struct

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import files

HEADER = 128
PACKED, ARRAY = 15, 14
TYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8",
         13: "u8"}
NUMBERS = range(6, 16)                                  # array classes
LEFT_OUT = {1: "cell", 2: "struct", 4: "text", 5: "sparse array"}
REFUSED = {3: "object", 16: "function handle", 17: "object"}
COMPLEX = 0x0800
MOST_ELEMENTS = 1000


def arrays(name: str, content: bytes) -> dict[str, np.ndarray]:
    """All arrays of real numbers, by name, in the type in which they were stored.

    Cells, structs, text, sparse and empty arrays are left out.

    Args:
        name: the file's name, for errors.
        content: its bytes.

    Raises:
        DataError: another version, damaged, too large, or with objects or function handles.
    """
    order = _byte_order(name, content)
    try:
        return _elements(name, content, order)
    except (struct.error, ValueError, KeyError, OverflowError):
        raise DataError(f"{name} is a damaged or truncated MATLAB file.") from None


def _byte_order(name: str, content: bytes) -> str:
    if b"\x89HDF\r\n\x1a\n" in (content[:8], content[512:520]) or \
            content[124:128] in (b"\0\2IM", b"\2\0MI"):
        raise DataError(f"{name} is an HDF5 file, as MATLAB 7.3 and h5py write them, which is not "
                        "read here; save it with save(…, '-v7') in MATLAB, with numpy.savez in "
                        "Python.")
    orders = {b"\0\1IM": "<", b"\1\0MI": ">"}
    if content[124:128] not in orders:
        raise DataError(f"{name} is not a MATLAB file of version 5 to 7.")
    return orders[content[124:128]]


def _elements(name: str, content: bytes, order: str) -> dict[str, np.ndarray]:
    found, at, left = {}, HEADER, files.UNPACKED
    everything = memoryview(content)
    for _ in range(MOST_ELEMENTS):
        if at == len(content):
            return found
        kind, data, at = _element(everything, at, order, padded=False)
        if kind == PACKED:
            unpacked, _rest = files.inflate(name, data, 15, left)
            left -= len(unpacked)
            kind, data, _end = _element(memoryview(unpacked), 0, order, padded=False)
        if kind != ARRAY:
            raise ValueError(f"element of type {kind}")
        if len(data) and (read := _array(name, data, order)):
            found[read[0]] = read[1]
    raise DataError(f"{name} holds more than {MOST_ELEMENTS:,} variables, which is the limit.")


def _element(buffer: memoryview, at: int, order: str, padded: bool = True) -> tuple[
        int, memoryview, int]:
    """Type, data, and where the next element starts."""
    kind, size = struct.unpack_from(order + "II", buffer, at)
    if kind >> 16:                                      # four bytes at most lie in the tag itself
        kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if size > 4:
            raise ValueError("small element too large")
    else:
        start = at + 8
        end = start + size + (-size % 8 if padded else 0)
    if start + size > len(buffer):
        raise ValueError("element ends behind its container")
    return kind, buffer[start:start + size], end


def _array(name: str, data: memoryview, order: str) -> tuple[str, np.ndarray] | None:
    """Name and values of an array of real numbers; None for what is left out."""
    _, flags, at = _element(data, 0, order)
    word, = struct.unpack_from(order + "I", flags)
    kind = word & 0xFF
    if kind in REFUSED:
        raise DataError(f"{name} holds a MATLAB {REFUSED[kind]}, which is never loaded; save the "
                        "arrays of numbers alone.")
    if kind in LEFT_OUT:
        return None
    if kind not in NUMBERS:
        raise ValueError(f"array of class {kind}")
    _, sizes, at = _element(data, at, order)
    _, label, at = _element(data, at, order)
    called = bytes(label).decode("ascii")
    shape = struct.unpack(f"{order}{len(sizes) // 4}i", sizes)
    if word & COMPLEX:
        raise DataError(f"{called} in {name} is complex; images are real.")
    if min(shape) < 0 or len(shape) < 2:
        raise ValueError("bad dimensions")
    if 0 in shape:
        return None
    stored, values, _ = _element(data, at, order)
    dtype = np.dtype(TYPES[stored]).newbyteorder(order)        # type: ignore[arg-type]
    if len(values) != math.prod(shape) * dtype.itemsize:
        raise ValueError("values do not fill the array")
    return called, np.frombuffer(values, dtype).reshape(shape, order="F")
