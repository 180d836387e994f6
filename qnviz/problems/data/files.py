"""The data folder, and how files are read from it and written into it."""

from __future__ import annotations

import os
import zlib
from pathlib import Path

from qnviz import environment
from qnviz.errors import DataError, SettingError
from qnviz.numbers import say
from qnviz.paths import ROOT
from qnviz.saving import replaced

UPLOAD = 200_000_000             # bytes of a file that somebody sends
UNPACKED = 1_000_000_000         # bytes of a file, and of what it unpacks to
DAMAGED = "is damaged: its compressed data cannot be unpacked"


def folder() -> Path:
    """The data folder: $QNVIZ_DATA, or `data` in the project's root. It need not exist.

    Raises:
        DataError: QNVIZ_DATA is no path.
    """
    try:
        return environment.value("QNVIZ_DATA") or ROOT / "data"
    except SettingError as error:
        raise DataError(str(error)) from None


def exists(path: Path) -> bool:
    """Whether there is a regular file.

    Raises:
        DataError: nobody may look.
    """
    try:
        return path.is_file()
    except OSError as error:
        raise unreadable(path, error) from None


def read(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        DataError: it cannot be read, or is larger than what is ever loaded.
    """
    try:
        with path.open("rb") as file:
            content = file.read(min(os.fstat(file.fileno()).st_size, UNPACKED) + 1)
    except OSError as error:
        raise unreadable(path, error) from None
    if len(content) > UNPACKED:
        raise too_large(path.name)
    return content


def write(path: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it; its folder is made if it is missing.

    Raises:
        OSError: the folder cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced(path) as sink:
        sink.write(content)


def inflate(name: str, packed: bytes | memoryview, wbits: int, limit: int) -> tuple[bytes, bytes]:
    """Unpack one zlib or gzip stream, never to more than `limit` bytes.

    Args:
        name: the file, for the error.
        packed: compressed bytes.
        wbits: 15 for zlib, 31 for gzip.
        limit: how many bytes may come out.

    Returns:
        What came out, and what follows the stream.

    Raises:
        DataError: the stream is damaged, ends too early, or holds more than `limit` bytes.
    """
    stream = zlib.decompressobj(wbits)
    try:
        out = stream.decompress(packed, limit + 1)
    except zlib.error:
        raise DataError(f"{name} {DAMAGED}.") from None
    if len(out) > limit:
        raise too_large(name)
    if not stream.eof:
        raise DataError(f"{name} {DAMAGED}, because they end too early.")
    return out, stream.unused_data


def too_large(name: str) -> DataError:
    """The error for a file that would fill the memory."""
    return DataError(f"{name} would unpack to more than {size(UNPACKED)}, which is the limit.")


def unreadable(path: Path, error: OSError) -> DataError:
    """The error for a file or folder that the system does not let us read."""
    return DataError(f"{path.name} cannot be read: {error.strerror or error}.")


def size(count: int) -> str:
    """A number of bytes as a person reads it."""
    for unit, width in (("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1000)):
        if count >= width:
            return f"{say(count / width)} {unit}"
    return f"{count} bytes"
