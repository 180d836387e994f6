"""Files of arrays, read from bytes that nobody vouches for: IDX, .npy, .npz.

Others have files of their own: .mat in matlab.py, text in tables.py. The first bytes say what a
file is, whatever its name; where they do not, the name's ending does. Any of them may be packed
with gzip.

A header is believed only if the file has exactly the bytes that it promises, so no array is larger
than the file it came from, or than what the file was seen to unpack to. Arrays are views of these
bytes: nothing is copied, and 8-bit pixels stay 8-bit.

    IDX     magic 0 0 type n, n big-endian sizes, values            (yann.lecun.com/exdb/mnist)
    .npy    magic, a dict literal {descr, fortran_order, shape}, values   (numpy.lib.format)
    .npz    a zip of .npy
"""

from __future__ import annotations

import ast
import io
import math
import re
import struct
import zipfile
import zlib

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import files, matlab, tables

IDX_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
ENDINGS = re.compile(r"(\.npz|\.npy|\.mat|[.-]idx|ubyte|\.csv|\.tsv|\.txt)?(\.gz)?$",
                     re.IGNORECASE)
GZIP = b"\x1f\x8b"
MAGIC = {b"PK\3\4": ".npz", b"\x93NUMPY": ".npy", b"MATLAB 5": ".mat", b"\x89HDF": ".mat"}
PICKLED = "holds pickled Python objects, which are never loaded"
MOST_ARRAYS = 1000                       # in one .npz
LONGEST_HEADER = 1000                    # bytes of a .npy's; plain numbers need 118
NUMBERS = re.compile(r"\|b1|[<>|=]?[iu][1248]|[<>=]?f[248]")     # types of real numbers
MOST_AXES = 4                            # longer than 1
END_RECORD = 22                          # bytes of a zip's end record without a comment


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
    shape, fortran, descr, start = _npy_header(name, content)
    if not NUMBERS.fullmatch(descr):
        raise DataError(f"{name} holds values of type {descr[:40]}, not real numbers.")
    return _view(name, content, start, np.dtype(descr), shape, "F" if fortran else "C")


def npz(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The arrays of numbers in a .npz file, without pickle; arrays of text are left out.

    Raises:
        DataError: damaged, too large, pickled, or packed in a way that numpy does not use.
    """
    found = {}
    try:
        with zipfile.ZipFile(io.BytesIO(_plain_zip(name, content))) as z:
            listed = [e.filename for e in z.infolist()]
            if len(listed) != int.from_bytes(content[-END_RECORD:][10:12], "little"):
                raise ValueError               # a damaged length in one entry hides those after it
            entries = [e for e in z.infolist() if e.filename.endswith(".npy")]
            if listed and not entries:
                raise DataError(f"{name} is a zip archive that holds {listed[0][:60]!r}"
                                f"{' and others' if len(listed) > 1 else ''}, not numpy's arrays: "
                                "unpack it, and take the files in it.")
            if len(entries) > MOST_ARRAYS:
                raise DataError(f"{name} holds {len(entries):,} arrays; the limit is "
                                f"{MOST_ARRAYS:,}.")
            if sum(e.file_size for e in entries) > files.UNPACKED:
                raise files.too_large(name)
            for entry in entries:
                data = _member(name, z, entry)
                label = entry.filename.removesuffix(".npy")
                if _npy_header(f"{label} in {name}", data)[2][1:2] not in ("S", "U"):
                    found[label] = npy(f"{label} in {name}", data)
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError,
            RuntimeError, ValueError, OSError):
        raise DataError(f"{name} is not an .npz file, or is damaged.") from None
    return found


def _member(name: str, z: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    """One unpacked entry, of no more bytes than the directory says, lest the directory lies."""
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DataError(f"{name} is packed in a way that numpy does not use.")
    with z.open(entry) as stream:                      # other packings ignore the limit of a read
        return stream.read(entry.file_size + 1)        # one more, so that the checksum is compared


def _plain_zip(name: str, content: bytes) -> bytes:
    """The content, if its directory of entries is of a sane size.

    zipfile makes objects of a whole directory before it shows one, and 200 MB hold 4 million
    entries. Its size stands in the end record, which numpy writes last, without a comment.
    """
    end = content[-END_RECORD:]
    plain = len(end) == END_RECORD and end[:4] == b"PK\5\6" and end[-2:] == b"\0\0"
    zip64 = content[-END_RECORD - 20:][:4] == b"PK\6\7"          # only beyond 4 GB
    if not plain or zip64:
        raise DataError(f"{name} is not an .npz file as numpy writes it, or is truncated.")
    if int.from_bytes(end[12:16], "little") > 1000 * MOST_ARRAYS:
        raise DataError(f"{name} holds too many arrays; the limit is {MOST_ARRAYS:,}.")
    return content


def _npy_header(name: str, content: bytes) -> tuple[tuple[int, ...], bool, str, int]:
    """Shape, whether columns come first, type, and where the values start.

    Not by numpy's own reader, which on odd headers falls back to Python's tokenizer and fails in
    ways of its own.
    """
    wide = content[6:7] != b"\1"                         # version 1 has two bytes for the length
    start = 12 if wide else 10
    end = start + int.from_bytes(content[8:start], "little")
    if content[:6] != b"\x93NUMPY" or content[6:8] not in (b"\1\0", b"\2\0", b"\3\0"):
        raise DataError(f"{name} is not a .npy file.")
    if end - start > LONGEST_HEADER:
        raise DataError(f"{name} is not a .npy file of plain numbers, or its header is damaged.")
    try:
        header = ast.literal_eval(content[start:end].decode().strip())
        descr, fortran, shape = (header[k] for k in ("descr", "fortran_order", "shape"))
        if not isinstance(shape, tuple) or any(type(n) is not int for n in shape):
            raise ValueError("bad shape")
    except (ValueError, TypeError, KeyError, SyntaxError, RecursionError, MemoryError):
        raise DataError(f"{name} is not a .npy file, or its header is damaged.") from None
    if "|O" in str(descr):
        raise DataError(f"{name} {PICKLED}; save it as an array of numbers.")
    return shape, bool(fortran), str(descr), end


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
