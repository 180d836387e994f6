"""What pictures of a run's views share: which view is due at a step, labels at line ends.

A view is looked at only now and then, at the iterates `view_step`, and of run 0 alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qnviz.figures.draw import note
from qnviz.figures.race import Columns
from qnviz.figures.theme import Picture, Theme
from qnviz.runs.trace import Entrant, clock

NAMED = 4                             # how many entrants a title names before it says "…"


def due(c: Columns) -> np.ndarray:
    """The row of the views to show at each step of the run, (stopped + 1,): the latest."""
    at, stop = c["view_step"], int(c["stopped"][0])
    rows = np.searchsorted(at, np.arange(stop + 1), side="right") - 1
    rows[-1] = min(np.searchsorted(at, stop), len(at) - 1)      # one after the end shows the end
    return np.maximum(rows, 0)


def line(c: Columns, axis: str, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A view's numbers against an axis, (v,) each, cut at the run's end."""
    last = due(c)[-1]
    steps = np.minimum(c["view_step"][:last + 1], int(c["stopped"][0]))
    return clock(c, axis)[steps], values[:last + 1]


def riding(c: Columns, axis: str, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a head stands at each step so that it rides on the line drawn through the views."""
    at = clock(c, axis)[:int(c["stopped"][0]) + 1]
    return at, between(at, *line(c, axis, y))


def between(at: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Heights on the line through (x, y) as it is drawn on a log axis, at other places."""
    with np.errstate(divide="ignore", invalid="ignore"):
        height = np.log(np.where(y > 0, y, np.nan))             # straight lines on a log axis
    return np.exp(np.interp(at, x, height))


def thinned(rows: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """At most so many of the rows 0 … rows[-1], the last among them, and `rows` in their count."""
    kept = np.unique(np.linspace(0, rows[-1], max(most, 2)).round().astype(int))
    return kept, np.searchsorted(kept, rows, side="right") - 1


def chosen(pictures: Sequence[Picture]) -> Picture:
    """The first picture, with the others as what the reader can choose instead."""
    return replace(pictures[0], choices=list(pictures[1:]))


def listed(parts: Sequence[str], named: int = NAMED) -> str:
    """The first few of many, in a title's short breath."""
    return ", ".join([*parts[:named], *(["…"] if len(parts) > named else [])])


def end_labels(theme: Theme, labels: Sequence[tuple[str, float, str]], heights: Sequence[float],
               yref: str = "y", share: float = 0.09) -> list[dict[str, Any]]:
    """Texts at the right end of lines, moved apart by a share of the axis.

    Labels are (text, height in the axis's units, colour).
    """
    if not labels:
        return []
    gap = min(share, 0.98 / len(labels)) * (heights[1] - heights[0])
    order = sorted(labels, key=lambda label: label[1])
    places = np.clip([at for _, at, _ in order], heights[0] + gap / 2, heights[1] - gap / 2)
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + gap)
    places[-1] = min(places[-1], heights[1] - gap / 2)
    for k in reversed(range(len(places) - 1)):
        places[k] = min(places[k], places[k + 1] - gap)
    size = 12 if len(labels) <= 8 else 10
    return [note(text, 1.01, float(at), xref="paper", yref=yref, xanchor="left",
                 font=dict(size=size, color=theme.legible(color)))
            for (text, _, color), at in zip(order, places, strict=True)]


def label_margin(texts: Sequence[str]) -> int:
    """The right margin that holds such labels, in pixels."""
    return 16 + round(7.4 * max(map(len, texts), default=0))


def stroke(theme: Theme, e: Entrant, width: float = 2.0) -> dict[str, Any]:
    """How an entrant's line is drawn."""
    return dict(color=theme.tint(e.color), dash=e.dash, width=width)


def ranked(values: Sequence[tuple[str, float]]) -> list[tuple[str, float]]:
    """Names and numbers, lowest first; what is not finite comes last."""
    return sorted(values, key=lambda pair: pair[1] if np.isfinite(pair[1]) else np.inf)
