"""What all commands share: files that can be written, progress on stderr, sentences on stdout."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from qnviz.errors import QnvizError, SpecError


def check_folder(out: Path) -> None:
    """Refuse a file in a folder that is not there, before anything is computed.

    Raises:
        SpecError: says so.
    """
    folder = out.resolve().parent
    if not folder.is_dir():
        raise SpecError([f"--out {out}: the folder {folder.name!r} does not exist."])


@contextmanager
def writing(out: Path) -> Iterator[None]:
    """Turn what the system says against writing a file into a sentence.

    Raises:
        QnvizError: the file could not be written.
    """
    try:
        yield
    except OSError as error:
        raise QnvizError(f"{out} could not be written: {error.strerror}.") from None


def bar(total: int, unit: str, quiet: bool, initial: int = 0, smoothing: float = 0.3) -> tqdm:
    """A progress bar, unless the command is to be quiet."""
    return tqdm(total=total, initial=initial, unit=unit, smoothing=smoothing, disable=quiet,
                file=sys.stderr, dynamic_ncols=True)


def say(text: str) -> None:
    """Write a line to stdout at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
