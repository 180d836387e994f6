"""Parts of a figure as Plotly's plain dicts: lines, marks, texts and rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

EVERYWHERE = (-1e9, 1e12)             # of x: from edge to edge of any picture of a run
MOST = 1500                           # points of a line; no screen gives it more pixels


def curve(x: np.ndarray, y: np.ndarray, **more: Any) -> dict[str, Any]:
    """A line; one of very many points keeps its ends, its extremes and its gaps."""
    if len(x) > MOST:
        kept = sketched(y)
        more = {n: v[kept] if isinstance(v, np.ndarray) else v for n, v in more.items()}
        x, y = x[kept], y[kept]
    return {"type": "scatter", "mode": "lines", "x": x, "y": y, **more}


def marks(x: np.ndarray, y: np.ndarray, **more: Any) -> dict[str, Any]:
    """Markers without a line."""
    return {"type": "scatter", "mode": "markers", "x": x, "y": y, **more}


def note(text: str, x: float, y: float, **more: Any) -> dict[str, Any]:
    """A text without an arrow."""
    return {"text": text, "x": x, "y": y, "showarrow": False, **more}


def level(span: Sequence[float], y: float, **line: Any) -> dict[str, Any]:
    """A level line over a range of x, which says nothing under the pointer."""
    return curve(np.array(span, dtype=float), np.full(2, float(y)), hoverinfo="skip", line=line)


def rule(y: float, yref: str = "y", **line: Any) -> dict[str, Any]:
    """A level line across the whole picture, as a shape."""
    return dict(type="line", xref="paper", x0=0, x1=1, yref=yref, y0=y, y1=y, line=line)


def sketched(y: np.ndarray, most: int = MOST) -> np.ndarray:
    """Rows of y (n,), at most about so many, that draw the same line at a screen's width."""
    n, buckets = len(y), most // 3
    if n <= most:
        return np.arange(n)
    rows = np.minimum(np.arange(buckets * -(-n // buckets)), n - 1).reshape(buckets, -1)
    values, each = y[rows], np.arange(buckets)
    gap = np.isnan(values)
    found = [rows[each, np.where(gap, fill, values).argmin(1) if fill > 0 else
                  np.where(gap, fill, values).argmax(1)] for fill in (np.inf, -np.inf)]
    return np.unique(np.concatenate([*found, rows[each, gap.argmax(1)], [0, n - 1]]))
