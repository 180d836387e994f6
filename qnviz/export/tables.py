"""The numbers of a run as columns, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator, Sequence

import numpy as np

from qnviz.runs.trace import STATE_COLUMNS, Trace, is_event, snapshots

FORMULAS = ("=", "+", "-", "@", "\t", "\r")      # what spreadsheets begin a formula with
WIDEST = 8                           # entries of a vector that is shown, a column each


def columns(trace: Trace, label: str, run: int = 0) -> dict[str, np.ndarray]:
    """Everything recorded of one entrant's run, (stopped + 1,) per name, a row per iterate.

    What is looked at every few steps only, such as the loss of a net, is NaN in between.
    """
    c = trace[label]
    stop, at = int(c["stopped"][run]), snapshots(c, run)
    found: dict[str, np.ndarray] = {"seconds": c["seconds"][:stop + 1],
                                    "work": c["work"][:stop + 1, run]}
    for name, a in c.items():
        if name.startswith("path") and run != 0:           # the plane is that of run 0
            continue
        if name in STATE_COLUMNS and len(a) == len(c["step"]):
            values = a[:len(at)] if name.startswith("path") else a[:len(at), run]
            where = at
        elif is_event(name):                   # row t+1 shows the step that led there
            values, where = a[:stop, run], np.arange(1, stop + 1)
        else:
            continue
        spread = np.full((stop + 1, *values.shape[1:]), np.nan)
        spread[where] = values
        if values.ndim == 1:
            found[name] = spread
        elif values.shape[1] <= WIDEST:
            found |= {f"{name}[{i}]" if values.shape[1] > 1 else name: spread[:, i]
                      for i in range(values.shape[1])}
    return found


def csv_text(trace: Trace, labels: Sequence[str] | None = None,
             runs: Sequence[int] = (0,)) -> str:
    """Entrants one below the other, a row per iterate; what one of them lacks is empty.

    A label that a spreadsheet would take for a formula gets a ' before it.

    Args:
        trace: the run.
        labels: which entrants; by default all.
        runs: which of the trace's runs; of several, a column says which.
    """
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = [(label, run, columns(trace, label, run))
             for label in labels or [e.label for e in trace.entrants] for run in runs]
    names = list(dict.fromkeys(name for _, _, part in parts for name in part))
    several = len(runs) > 1
    writer.writerow(["method", *(["run"] if several else []), "step", *names])
    for label, run, part in parts:
        writer.writerows([harmless(label), *([run] if several else []), *row]
                         for row in _rows(part, names))
    return file.getvalue()


def harmless(text: str) -> str:
    """A text that no spreadsheet takes for a formula: one that begins like one gets a ' before."""
    return f"'{text}" if text.startswith(FORMULAS) else text


def _rows(part: dict[str, np.ndarray], names: Sequence[str]) -> Iterator[list[str]]:
    empty = [""] * len(part["seconds"])
    texts = [[_text(v) for v in part[name].tolist()] if name in part else empty for name in names]
    for step, row in enumerate(zip(*texts, strict=True)):
        yield [str(step), *row]


def _text(value: float) -> str:
    """The shortest text that reads back as this very number; nothing for NaN."""
    if math.isnan(value):
        return ""
    return repr(float(value)).removesuffix(".0")
