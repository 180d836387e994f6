"""Files that people send: checked as if loaded, and only then written into the data folder."""

from __future__ import annotations

import hashlib
import os
import re
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from qnviz.errors import DataError, UndecidedError
from qnviz.problems.data import files, formats
from qnviz.problems.data.images import Images, Part, assemble
from qnviz.problems.data.library import FACES, OWN, find_mnist_part
from qnviz.problems.data.reading import USUAL, Reading
from qnviz.problems.data.sets import (
    combined,
    mnist_part,
    read_faces,
    read_mnist_part,
    read_own,
)

LONGEST = 80                             # characters of a name that we choose
MOST_FILES, MOST_BYTES = 200, 2_000_000_000      # of the data folder, all files together

_one_at_a_time = threading.Lock()


def read_upload(name: str, content: bytes, reading: Reading = USUAL) -> Images:
    """The images in a file that somebody sent; nothing is written.

    A file called as one of MNIST's or of the faces must be what it is called.

    Args:
        name: the name under which it was sent.
        content: its bytes.
        reading: what somebody chose.

    Raises:
        UndecidedError: what is white has to be chosen.
        DataError: too large, damaged, or no images.
    """
    name = safe_name(name)
    _check_size(name, content)
    if name in FACES:
        return read_faces(name, content, reading)
    if mnist_part(name):
        array = read_mnist_part(name, content)
        if array.ndim != 3:
            raise DataError(f"{name} holds labels, not images.")
        return assemble(name, name, [Part(array)], f"A part of MNIST, {name}.", white=255)
    return read_own(name, content, reading)


def save_upload(name: str, content: bytes, folder: Path | None = None) -> str:
    """Check a file that somebody sent and put it into the data folder.

    It never replaces another: if the name is taken by other content, a hash goes before it.

    Args:
        name: the name under which it was sent.
        content: its bytes.
        folder: the data folder, if it is not the usual one.

    Returns:
        The name by which the images are loaded: "file:NAME"; "mnist" or "faces" for a file that is
        called as one of theirs.

    Raises:
        DataError: too large, damaged, no images, or it cannot be written.
    """
    name = safe_name(name)
    where = folder or files.folder()
    _check_size(name, content)
    part = mnist_part(name)
    if part:
        read_mnist_part(name, content)
    else:
        with suppress(UndecidedError):                         # asked once the file is there
            read_upload(name, content)
    with _one_at_a_time:
        if part or name in FACES:
            _put_reserved(name, part, content, where)
            return "mnist" if part else "faces"
        _check_space(where, len(content))
        if _taken(where / name, content):
            name = f"{hashlib.sha256(content).hexdigest()[:8]}-{name}"
        _put(where / name, content)
    return OWN + name


def save_uploads(sent: Sequence[tuple[str, bytes]], folder: Path | None = None) -> str:
    """The same for files that were sent together and make one set; only MNIST's stay apart.

    Others are put into one .npz, as training and held-out images with their labels.

    Args:
        sent: names and contents.
        folder: the data folder, if it is not the usual one.

    Returns:
        The name by which the images are loaded.

    Raises:
        DataError: as `save_upload` does; or a file that another one needs is missing.
    """
    if len(sent) == 1:
        return save_upload(*sent[0], folder)
    parts = [mnist_part(safe_name(name)) for name, _ in sent]
    if all(parts) and len(set(parts)) == len(parts):
        for name, content in sent:                             # all or none
            _check_size(safe_name(name), content)
            read_mnist_part(safe_name(name), content)
        return [save_upload(name, content, folder) for name, content in sent][-1]
    named = [(safe_name(name), content) for name, content in sent]
    for name, content in named:
        _check_size(name, content)
    if sum(len(content) for _, content in named) > files.UNPACKED:
        raise files.too_large(", ".join(name for name, _ in named))
    one = formats.packed(combined(named))
    return save_upload(f"{_common(named)}.npz", one, folder)


def _common(named: Sequence[tuple[str, bytes]]) -> str:
    """A name for several files together: what their names begin with, or the first one's."""
    stems = [formats.stem(name) for name, _ in named]
    words = re.sub(r"[^._-]*$", "", os.path.commonprefix(stems))           # whole ones
    return words.strip("._-") or stems[0].strip("._-")


def safe_name(name: str) -> str:
    """A file name of letters, digits, dots and dashes, without any folder."""
    last = re.split(r"[/\\]", name)[-1]
    plain = re.sub(r"\.{2,}", ".", re.sub(r"[^A-Za-z0-9._-]+", "-", last))
    return plain[-LONGEST:].lstrip(".-_") or "images"


def _check_size(name: str, content: bytes) -> None:
    if len(content) > files.UPLOAD:
        raise DataError(f"{name} has {files.size(len(content))}; the limit for uploads is "
                        f"{files.size(files.UPLOAD)}.")


def _check_space(where: Path, more: int) -> None:
    """Refuse a file beyond what everybody's files may take together.

    Raises:
        DataError: says so.
    """
    try:
        sizes = [p.stat().st_size for p in where.iterdir() if p.is_file()] if where.is_dir() else []
    except OSError as error:
        raise files.unreadable(where, error) from None
    if len(sizes) >= MOST_FILES or sum(sizes) + more > MOST_BYTES:
        raise DataError(f"The data folder is full: it takes {MOST_FILES} files of "
                        f"{files.size(MOST_BYTES)} together. Somebody must remove files there "
                        "first.")


def _put_reserved(name: str, part: str | None, content: bytes, where: Path) -> None:
    """Write a file whose name has a meaning, and which therefore cannot be called otherwise."""
    there = find_mnist_part(part, where) if part else where / name
    if there and _taken(there, content):
        raise DataError(f"{there.name} is already in the data folder, with other content; it must "
                        "be removed there first.")
    if not there or not files.exists(there):
        _put(where / name, content)


def _taken(path: Path, content: bytes) -> bool:
    """Whether something else lies there."""
    return path.exists() and not (files.exists(path) and files.read(path) == content)


def _put(path: Path, content: bytes) -> None:
    try:
        files.write(path, content)
    except OSError as error:
        raise DataError(f"{path.name} cannot be written into the data folder: "
                        f"{error.strerror or error}.") from None
