"""Singular values of the product W_L … W_1 against those of A, which it is to become.

Diagnoses: the order in which a method learns. Gradient methods find the large values first, one
plateau each; a method that knows the curvature has no reason to wait for the small ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import EVERYWHERE, curve, level
from qnviz.figures.race import AXES, Columns, RaceView
from qnviz.figures.race.views import (
    chosen,
    end_labels,
    label_margin,
    line,
    listed,
    riding,
)
from qnviz.figures.theme import Head, Picture, log_axis, log_range
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

EMPTY = "No product of matrices to look at: singular values are kept for the linear net."
LOST = "diverged"
NEAR = 0.01                           # reached: within this share of A's own value
DEEP = 1e-3                           # the axis ends this far below A's smallest value
SUBSCRIPT = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")


def singular_values(view: RaceView) -> Picture:
    """Six lines of one entrant over A's six levels; the reader chooses the entrant."""
    view = view.first
    shown = view.holding("view_singular")
    if not shown:
        return view.notice("singular", "No singular values to look at", EMPTY)
    target = view.trace.scene["singular"]
    counts = [_in_words(c["view_singular"], target) for _, _, c in shown]
    span = _span(target, [c["view_singular"] for _, _, c in shown])
    times = view.span([e for _, e, _ in shown])
    alt = (f"Singular values of each network's product over {AXES[view.axis]}, with A's "
           f"{len(target)} values as dashed levels. Within 1 % {view.when}: "
           + ", ".join(f"{e.title} {n}" for (_, e, _), n in zip(shown, counts, strict=True)) + ".")
    pictures = []
    for k, (i, e, c) in enumerate(shown):
        figure, heads = _one(view, i, e, c, target, span)
        figure["layout"]["xaxis"]["range"] = times
        others = [f"{f.title} {n}" for j, ((_, f, _), n) in enumerate(
            zip(shown, counts, strict=True)) if j != k]
        title = (f"{e.title} has {counts[k]} of A's {len(target)} values within 1 %"
                 f"{view.so_far}" if counts[k] != LOST else f"{e.title} diverged")
        pictures.append(Picture(
            "singular", title + ("; " + listed(others, 2) if others else ""), alt, figure, heads,
            cursor=True, label=e.title))
    return chosen(pictures)


def reached(values: np.ndarray, target: np.ndarray) -> int:
    """How many of A's singular values (6,) the last view's (V, 6) are within 1 % of."""
    return int((np.abs(values[-1] - target) <= NEAR * target).sum())


def _in_words(values: np.ndarray, target: np.ndarray) -> str:
    return str(reached(values, target)) if np.isfinite(values[-1]).all() else LOST


def _one(view: RaceView, i: int, e: Entrant, c: Columns, target: np.ndarray,
         span: list[float]) -> tuple[dict[str, Any], list[Head]]:
    theme, axis = view.theme, view.axis
    names = [f"σ{k + 1}".translate(SUBSCRIPT) for k in range(len(target))]
    texts = [f"{n} = {say(v)}" for n, v in zip(names, target, strict=True)]
    layout = view.layout("singular values", right=label_margin(texts))
    data, heads = [], []
    for k, value in enumerate(target):
        data.append(level(EVERYWHERE, value, color=theme.muted, width=1.2, dash="dash"))
        x, y = line(c, axis, c["view_singular"][:, k].astype(float))
        y = np.where(y > 0, y, np.nan)
        data.append(curve(
            x, y, meta={"entrant": i}, name=e.title,
            line=dict(color=theme.tint(e.color), width=2.2),
            hovertemplate=f"{e.title}: {names[k]} = %{{y:.4~g}}, A's is {say(value)}"
                          "<extra></extra>"))
        heads.append(Head(i, *riding(c, axis, c["view_singular"][:, k].astype(float))))
    layout["yaxis"] |= log_axis(span)
    positive = [(t, float(np.log10(v)), theme.ink)
                for t, v in zip(texts, target, strict=True) if v > 0]
    layout["annotations"] = end_labels(theme, positive, span)
    return {"data": data, "layout": layout}, heads


def _span(target: np.ndarray, views: list[np.ndarray]) -> list[float]:
    """One axis for all entrants, so that a choice changes the lines and not the scale."""
    levels = target[target > 0]
    values = np.concatenate([v.ravel() for v in views])
    values = values[np.isfinite(values) & (values > 0)]
    low = max(min(values.min(initial=np.inf), levels.min()), DEEP * levels.min())
    high = min(max(values.max(initial=0), levels.max()), levels.max() / DEEP)
    return log_range(float(low), float(high))
