"""Files that appear whole or not at all."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def replaced(path: str | Path) -> Iterator[IO[bytes]]:
    """A file to write to, which takes the place of `path` in one go once it is whole.

    An interruption or a full disk leaves what was there before. What is no regular file, such as
    /dev/stdout, is written to as it is.

    Raises:
        OSError: it cannot be written.
    """
    path = Path(path).resolve()                # a link stays one
    if path.exists() and not path.is_file():
        with path.open("wb") as sink:
            yield sink
        return
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        with part.open("wb") as sink:
            yield sink
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
