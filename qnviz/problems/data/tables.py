"""Tables of numbers as text, one image per line: CSV, with commas, semicolons, tabs or spaces.

A first line of words is a header. One more column than a square has pixels is that of the labels:
the one that the header calls so; else the first one, or the last where the first does not change.
"""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import files

MOST_COLUMNS = 100_000
MOST_VALUES = 250_000_000
LINES = 2000                     # that are read at a time
LONGEST_VALUE = 40               # characters, with its separator
LABELS = ("label", "labels", "class", "target", "y", "digit")
COUNTERS = ("", "index", "id", "unnamed: 0")             # columns that programs add


def arrays(name: str, content: bytes) -> dict[str, np.ndarray]:
    """The table as {"": values}, or as {"images": …, "labels": …} where it has labels.

    Args:
        name: the file's name, for errors.
        content: its bytes.

    Raises:
        DataError: too large, or not a table of numbers.
    """
    content = content.removeprefix(b"\xef\xbb\xbf")
    start = content.find(b"\n") + 1 or len(content)
    if start > MOST_COLUMNS * LONGEST_VALUE:
        raise DataError(f"{name} has a first line of {files.size(start)}, which is no image's.")
    first = content[:start].decode("utf-8", "replace").strip()
    separator = next((s for s in (",", ";", "\t") if s in first), None)
    columns = first.count(separator) + 1 if separator else len(first.split())
    if columns > MOST_COLUMNS:
        raise DataError(f"{name} has {columns:,} columns; the limit is {MOST_COLUMNS:,}.")
    cells = [c.strip().strip("\"'") for c in first.split(separator)]
    header = _is_header(cells)
    if (content.count(b"\n") + 1) * len(cells) > MOST_VALUES:
        raise DataError(f"{name} would hold more than {MOST_VALUES:,} numbers, which is the limit.")
    stream = io.BytesIO(content)
    stream.seek(start if header else 0)
    table = _table(name, _lines(name, stream, (len(cells) + 1) * LONGEST_VALUE), separator,
                   len(cells), header)
    return _with_labels(table, [c.lower() for c in cells] if header else [])


def _table(name: str, lines: Iterator[str], separator: str | None, columns: int,
           header: bool) -> np.ndarray:
    """All values (lines, columns), in 8 bits where they fit."""
    blocks, done = [], int(header)
    while block := list(itertools.islice(lines, LINES)):
        try:
            values = np.loadtxt(block, delimiter=separator, comments=None, quotechar='"', ndmin=2)
        except ValueError:
            values = np.empty((0, 0))
        if values.shape != (len(block), columns):
            line, why = _fault(block, separator, columns)
            raise DataError(f"{name} is not a table of numbers: line {done + line:,} {why}.")
        done += len(block)
        blocks.append(_small(values))
    if not blocks:
        raise DataError(f"{name} is a table without a line of numbers.")
    return np.concatenate(blocks)


def _fault(block: list[str], separator: str | None, columns: int) -> tuple[int, str]:
    """The first line, from 1 on, that is none of so many numbers, and what it has instead."""
    for line, text in enumerate(block, 1):
        cells = [c.strip().strip("\"'") for c in text.split(separator)]
        if len(cells) != columns:
            return line, f"has {len(cells):,} columns, but the first one has {columns:,}"
        if (at := next((i for i, c in enumerate(cells, 1) if not _number(c)), None)) is not None:
            return line, f"has {'no number' if cells[at - 1] else 'nothing'} in column {at:,}"
    return 1, "cannot be read"


def _lines(name: str, stream: io.BytesIO, longest: int) -> Iterator[str]:
    """Lines that are not empty, none of them longer than numbers would need."""
    while line := stream.readline(longest + 1):
        if len(line) > longest:
            raise DataError(f"{name} is not a table of numbers: a line is far longer than its "
                            "first one.")
        text = line.decode("utf-8", "replace").strip(" \r\n")       # tabs part empty values
        if text.strip():
            yield text


def _small(values: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        narrow = values.astype(np.uint8)
        return narrow if np.array_equal(narrow, values) else values.astype(np.float32)


def _with_labels(table: np.ndarray, header: list[str]) -> dict[str, np.ndarray]:
    """The table without the columns that count lines, labels apart from pixels."""
    kept = [i for i in range(table.shape[1]) if not header or header[i] not in COUNTERS]
    named = [i for i in kept if header and header[i] in LABELS]
    if not named and not _square(len(kept)) and _square(len(kept) - 1):
        ends = [i for i in (kept[0], kept[-1]) if _are_classes(table[:, i])]
        named = ends[:1]
    if not named:
        return {"": table[:, kept] if len(kept) < table.shape[1] else table}
    label = named[0]
    pixels = [i for i in kept if i != label]
    low, high = (pixels[0], pixels[-1] + 1) if pixels else (0, 0)
    images = table[:, low:high] if high - low == len(pixels) else table[:, pixels]
    return {"images": images, "labels": table[:, label]}


def _are_classes(column: np.ndarray) -> bool:
    return bool((column == np.floor(column)).all()) and 2 <= len(np.unique(column)) <= len(
        column) // 2


def _square(count: int) -> bool:
    return count >= 4 and math.isqrt(count) ** 2 == count


def _is_header(cells: list[str]) -> bool:
    """Whether a first line holds names: a word, or the numbers of the columns, as pandas writes.

    A cell that is empty makes no header of a line of numbers.
    """
    if any(cell and not _number(cell) for cell in cells):
        return True
    counted = cells[1:] if cells[:1] == [""] else cells
    return len(counted) > 1 and counted == [str(i) for i in range(len(counted))]


def _number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
