"""Files of arrays, read from bytes that nobody vouches for: IDX, .npy, .npz.

Others have modules of their own: .mat in matlab.py, text in tables.py; what .npy and .npz have in
common with saved runs is read by `qnviz.archive`. The first bytes say what a
file is, whatever its name; where they do not, the name's ending does. Any of them may be packed
with gzip.

A header is believed only if the file has exactly the bytes that it promises, so no array is larger
than the file it came from, or than what the file was seen to unpack to. Arrays are views of these
bytes: nothing is copied, and 8-bit pixels stay 8-bit.

    IDX     magic 0 0 type n, n big-endian sizes, values            (yann.lecun.com/exdb/mnist)
"""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile

import numpy as np

from qnviz import archive
from qnviz.errors import DataError
from qnviz.problems.data import files, matlab, tables

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
ENDINGS = re.compile(r"(\.npz|\.npy|\.mat|[.-]idx|ubyte|\.csv|\.tsv|\.txt)?(\.gz)?$",
                     re.IGNORECASE)
GZIP = b"\x1f\x8b"
MAGIC = {b"PK\3\4": ".npz", b"\x93NUMPY": ".npy", b"MATLAB 5": ".mat", b"\x89HDF": ".mat"}
MOST_ARRAYS = 1000                       # in one .npz
MOST_AXES = 4                            # longer than 1


def known(name: str) -> bool:
    """Whether a file's name ends as those that can be read."""
    return bool(ENDINGS.search(name)[0])                          # type: ignore[index]


def stem(name: str) -> str:
    """A file's name without its ending."""
    return ENDINGS.sub("", name, count=1) or name


def arrays(name: str, content: bytes) -> dict[str, np.ndarray]:
    """All arrays of numbers in a file, by name; the one of an IDX or .npy file is called "".

    Args:
        name: the file's name.
        content: its bytes.

    Raises:
        DataError: unknown, damaged, too large, pickled.
    """
    if not content:
        raise DataError(f"{name} is empty.")
    if len(content) > files.UNPACKED:
        raise files.too_large(name)
    if content[:2] == GZIP:
        content = gunzip(name, content)
    match _kind(name, content):
        case ".npz":
            return npz(name, content)
        case ".npy":
            return {"": npy(name, content)}
        case ".mat":
            return matlab.arrays(name, content)
        case ".csv" | ".tsv" | ".txt":
            return tables.arrays(name, content)
        case "":
            raise DataError(f"{name} has an unknown ending; known are .npz, .npy, .mat, .csv, "
                            ".tsv, .txt, and IDX files (…-ubyte, .idx); each may be packed with "
                            "gzip.")
        case _:
            return {"": idx(name, content)}


def unpacked_idx(name: str, content: bytes) -> np.ndarray:
    """The array of an IDX file, which may be packed with gzip.

    Raises:
        DataError: empty, too large, or damaged.
    """
    if not content:
        raise DataError(f"{name} is empty.")
    return idx(name, gunzip(name, content) if content[:2] == GZIP else content)


def _kind(name: str, content: bytes) -> str:
    """What a file is by its first bytes, or by its ending; "" where neither says."""
    for start, kind in MAGIC.items():
        if content.startswith(start):
            return kind
    if content[:2] == b"\0\0" and content[2:3] and content[2] in IDX_TYPES:
        return ".idx"
    return (ENDINGS.search(name)[1] or "").lower()                # type: ignore[index]


def packed(arrays: dict[str, np.ndarray]) -> bytes:
    """Arrays as an .npz file: equal arrays make equal bytes, as there is no date in them."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as z:
        for name, array in sorted(arrays.items()):
            entry = io.BytesIO()
            np.lib.format.write_array(entry, array, allow_pickle=False)
            info = zipfile.ZipInfo(f"{name}.npy")
            z.writestr(info, entry.getbuffer(), zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def gunzip(name: str, content: bytes) -> bytes:
    """Unpack a .gz file of one part.

    Raises:
        DataError: it is damaged, too large, or has several parts.
    """
    out, rest = files.inflate(name, content, 31, files.UNPACKED)
    if rest.strip(b"\0"):
        raise DataError(f"{name} has something behind the end of its packed data; pack it again "
                        "as one piece.")
    return out


def idx(name: str, content: bytes) -> np.ndarray:
    """The array of an IDX file.

    Raises:
        DataError: wrong magic, unknown type, or not the bytes that the header promises.
    """
    if len(content) < 4 or content[:2] != b"\0\0":
        raise DataError(f"{name} is not an IDX file: it starts with "
                        f"{content[:4].hex(' ') or 'nothing'}, not with 00 00.")
    code, dimensions = content[2], content[3]
    if code not in IDX_TYPES:
        raise DataError(f"{name} has the unknown IDX type 0x{code:02x}; known are "
                        f"{', '.join(f'0x{c:02x}' for c in IDX_TYPES)}.")
    if not 1 <= dimensions <= 4:
        raise DataError(f"{name} says that it has {dimensions} dimensions; images have 3, labels "
                        "have 1.")
    start = 4 + 4 * dimensions
    if len(content) < start:
        raise DataError(f"{name} is truncated: it ends within its header.")
    shape = struct.unpack(f">{dimensions}I", content[4:start])
    return _view(name, content, start, np.dtype(IDX_TYPES[code]), shape)


def npy(name: str, content: bytes) -> np.ndarray:
    """The array of a .npy file, without pickle.

    Raises:
        DataError: damaged, pickled, or not numbers.
    """
    found = _header(name, content)
    if not archive.NUMBERS.fullmatch(found.descr):
        raise DataError(f"{name} holds values of type {found.descr[:40]}, not real numbers.")
    return _view(name, content, found.start, np.dtype(found.descr), found.shape,
                 "F" if found.fortran else "C")


def npz(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of numbers in a .npz file, without pickle; arrays of text are left out.

    Raises:
        DataError: damaged, too large, pickled, or packed in a way that numpy does not use.
    """
    found = {}
    try:
        for label, data in archive.members(io.BytesIO(content), files.UNPACKED, MOST_ARRAYS):
            called = f"{label} in {name}"
            if _header(called, data).descr[1:2] not in ("S", "U"):
                found[label] = npy(called, data)
    except archive.TooLarge:
        raise files.too_large(name) from None
    except archive.Refused as error:
        raise DataError(f"{name} {error}.") from None
    except (OSError, *archive.DAMAGED):
        raise DataError(f"{name} is not an .npz file, or is damaged.") from None
    return found


def _header(name: str, content: bytes) -> archive.Header:
    try:
        return archive.header(content)
    except archive.Refused as error:
        raise DataError(f"{name} {error}.") from None


def _view(name: str, content: bytes, start: int, dtype: np.dtype, shape: tuple[int, ...],
          order: str = "C") -> np.ndarray:
    """The array that lies in the content from `start` to its end."""
    promised, there = math.prod(shape) * dtype.itemsize, len(content) - start
    sizes = " × ".join(f"{n:,}" for n in shape) or "one value"
    if min(shape, default=1) < 1:
        raise DataError(f"{name} is empty: its header says {sizes}.")
    if promised != there:
        raise DataError(f"{name} is {'truncated' if there < promised else 'too long'}: its header "
                        f"says {sizes}, which takes {promised:,} bytes, but {there:,} follow.")
    if sum(n > 1 for n in shape) > MOST_AXES or len(shape) > 2 * MOST_AXES:
        raise DataError(f"{name} has {len(shape)} dimensions; images have 3, or 2.")
    return np.frombuffer(content, dtype, offset=start).reshape(shape, order=order)  # type: ignore
