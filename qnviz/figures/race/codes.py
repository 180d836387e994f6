"""The code layer of an autoencoder: one point per held-out image, moving with the playhead.

A code of two units is drawn as it is, a wider one on the two leading principal axes of the
entrant's own final code (codes of different nets have no axes in common). Diagnoses: whether the
code tells classes apart, and whether some of its units are idle: a plane that holds all variance.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.packing import exact
from qnviz.figures.race import Columns, RaceView
from qnviz.figures.race.views import chosen, due, thinned
from qnviz.figures.theme import Picture
from qnviz.numbers import percent
from qnviz.runs.trace import Entrant

EMPTY = "No codes to look at: they are kept for autoencoders."
LOST = "This run diverged before its code could be looked at."
MOST_BYTES = 1_000_000                # of points in one payload; more views are thinned evenly
CORE = 1.0                            # per cent of each view's points that may lie off the picture
OFF = 0.25                            # what lies further off, in pictures, stands there
FAR = 3.0                             # how far early views may widen the final view's picture
# by class, in both themes: hues of even weight, since the digit is the point
COLORS = {"light": ("#0b5fa5", "#b8470b", "#1a7f4b", "#b0246f", "#6a4bb5",
                    "#7a5a00", "#007a87", "#b3261e", "#4c5a75", "#5f7400"),
          "dark": ("#7cbcff", "#ffa06b", "#6fd69a", "#ff8fc8", "#bda6ff",
                   "#e8c355", "#5fd3df", "#ff8a80", "#b4bfd4", "#bcd75a")}


def codes(view: RaceView) -> Picture:
    """Where each entrant's code puts the held-out images; the reader chooses the entrant."""
    shown = view.holding("view_code")
    if not shown:
        return view.notice("codes", "No codes to look at", EMPTY)
    labels = view.trace.scene["labels"]
    most = MOST_BYTES // (4 * len(labels) * len(shown))
    return chosen([_one(view, i, e, c, labels, most) for i, e, c in shown])


def _one(view: RaceView, i: int, e: Entrant, c: Columns, labels: np.ndarray,
         most: int) -> Picture:
    theme, now = view.theme, view.so_far
    kept, steps = thinned(due(c), most)
    views = c["view_code"][kept].astype(float)
    whole = np.all(np.isfinite(views), axis=(1, 2))
    if not whole.any():
        return view.notice("codes", f"{e.title} diverged", LOST, label=e.title)
    final = views[whole][-1]
    points, share = in_plane(views, final)
    names = (("code unit 1", "code unit 2") if views.shape[-1] == 2 else
             ("principal axis 1", "principal axis 2"))
    layout, spans = theme.base(*names), _ranges(points[whole])
    for axis, span in zip(("xaxis", "yaxis"), spans, strict=True):
        layout[axis] |= dict(range=span, nticks=6)
    same = neighbours(final, labels)
    sentences = []
    if np.isfinite(same):
        sentences.append(f"{percent(same)} of codes lie beside their own class")
    if views.shape[-1] > 2:
        sentences.append(f"the plane holds {percent(share)} of the variance")
    found = "; ".join(sentences) or f"code of {len(final)} images"
    ended = now if whole[-1] else " before it diverged"
    when = "So far" if ended == now and now else f"At the end{ended}"
    alt = (f"Codes of {len(final)} held-out images under {e.title}, {views.shape[-1]} units, at "
           f"the playhead; each point is its class's digit. {when}, {found}.")
    cloud = {"entrant": i, "colors": list(COLORS[theme.name]), "labels": exact(labels, "i1"),
             "rows": exact(steps, "u2"), **_grid(points, spans)}
    return Picture("codes", f"{e.title}{ended}: {found}", alt, {"data": [], "layout": layout},
                   label=e.title, cloud=cloud)


def in_plane(views: np.ndarray, final: np.ndarray) -> tuple[np.ndarray, float]:
    """All views (V, N, d) in the final code's plane (V, N, 2), and its share of the variance."""
    d = final.shape[1]
    if d == 1:
        return np.concatenate([views, np.zeros_like(views)], -1), 1.0
    if d == 2:
        return views, 1.0
    mean = final.mean(0)
    _, s, axes = np.linalg.svd(final - mean, full_matrices=False)
    # a principal axis has no sign of its own: its largest entry points up
    axes = axes[:2] * np.sign(axes[np.arange(2), np.abs(axes[:2]).argmax(1)])[:, None]
    total = float(np.square(s).sum())
    return (views - mean) @ axes.T, float(np.square(s[:2]).sum()) / total if total else 1.0


def _grid(points: np.ndarray, spans: list[list[float]]) -> dict[str, Any]:
    """Points (V, N, 2) as whole steps from an origin, each finer than a pixel; 0: nowhere."""
    low, high = np.array(spans).T
    origin, step = low - OFF * (high - low), (1 + 2 * OFF) * (high - low) / 65534
    with np.errstate(invalid="ignore"):
        count = np.clip(np.round((points - origin) / step), 0, 65534) + 1
    known = np.isfinite(points).all(-1, keepdims=True)
    return {"views": exact(np.where(known, count, 0), "u2"),
            "origin": (origin - step).tolist(), "step": step.tolist()}


def neighbours(code: np.ndarray, labels: np.ndarray) -> float:
    """The share of labelled images whose nearest labelled neighbour, in all units, is alike."""
    known = labels >= 0
    code, labels = code[known], labels[known]
    if len(code) < 2:
        return np.nan
    square = np.square(code).sum(1)
    gap = square[:, None] + square[None] - 2 * code @ code.T
    np.fill_diagonal(gap, np.inf)
    return float((labels[gap.argmin(1)] == labels).mean())


def _ranges(views: np.ndarray) -> list[list[float]]:
    """Both axes' ranges: all of the final view and the bulk of the others (V, N, 2), in reason."""
    low, high = views[-1].min(0), views[-1].max(0)
    # one size for both: an idle unit shall look idle, and not as noise under a lens
    size = max(float((high - low).max()), 1e-6 * float(np.abs(views[-1]).max()), 1e-12)
    core = np.percentile(views, [CORE, 100 - CORE], axis=1)             # (2, V, 2)
    low = np.maximum(np.minimum(low, core[0].min(0)), low - FAR * size)
    high = np.minimum(np.maximum(high, core[1].max(0)), high + FAR * size)
    air = np.maximum(0.05 * (high - low), 0.1 * size)
    return [[float(a), float(b)] for a, b in zip(low - air, high + air, strict=True)]
