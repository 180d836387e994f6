"""How far each method leaves what gradient flow conserves: W_l W_lᵀ − W_{l+1}ᵀ W_{l+1}.

Diagnoses: whether a path is like gradient flow at all. Small steps of gradient descent keep the
balance of the layers to first order; a preconditioner per layer is free to shift weight between
them, and that is one way in which it goes where gradient flow cannot.
"""

from __future__ import annotations

import numpy as np

from qnviz.figures.draw import curve
from qnviz.figures.race import AXES, RaceView
from qnviz.figures.race.views import (
    end_labels,
    label_margin,
    line,
    listed,
    ranked,
    riding,
    stroke,
)
from qnviz.figures.theme import Head, Picture, log_axis, log_range
from qnviz.numbers import say

EMPTY = "No balance of layers to look at: it is kept for the linear net."
LEAST, MOST = 1e-8, 1e6               # shares: below is rounding, above is divergence


def drift(view: RaceView) -> Picture:
    """‖C(t) − C(0)‖ / ‖C(0)‖ of the layer pair that moved most, on a log axis."""
    view = view.first
    trace, theme, axis = view.trace, view.theme, view.axis
    shown = view.holding("view_drift")
    if not shown:
        return view.notice("drift", "No balance of layers to look at", EMPTY)
    lines = [(i, e, c, c["view_drift"].astype(float).max(1)) for i, e, c in shown]
    ends = [(e.title, float(y[-1])) for _, e, _, y in lines]
    texts = [f"{t} {_in_words(v)}" for t, v in ends]
    layout = view.layout("change of WWᵀ − WᵀW", right=label_margin(texts))
    layout["margin"]["l"] = 74                     # "1000 %" beside the axis's title
    data, heads, values = [], [], []
    for i, e, c, whole in lines:
        x, y = line(c, axis, whole)
        y = np.where(y > 0, np.clip(y, LEAST, MOST), np.nan)        # 0 at the start, by definition
        data.append(curve(
            x, y, meta={"entrant": i}, name=e.title, line=stroke(theme, e), customdata=100 * y,
            hovertemplate=f"{e.title}: changed by %{{customdata:.3~g}} %<extra></extra>"))
        heads.append(Head(i, *riding(c, axis, np.clip(whole, 0, MOST))))
        values.append(y[np.isfinite(y)])
    found = np.concatenate(values)
    span = log_range(found.min(initial=0.1), found.max(initial=0.1), trace.unfinished)
    ticks = log_axis(span)
    ticks["ticktext"] = [f"{_short(100 * v)} %" for v in ticks["tickvals"]]
    layout["yaxis"] |= ticks
    layout["xaxis"]["range"] = view.span([e for _, e, _ in shown])
    layout["annotations"] = end_labels(theme, [
        (t, float(np.log10(np.clip(v, LEAST, MOST))), theme.tint(e.color))
        for t, (_, v), (_, e, _, _) in zip(texts, ends, lines, strict=True) if np.isfinite(v)],
        span)
    parts = [f"{t} changed it by {_in_words(v)}{view.so_far}" if k == 0 else f"{t} {_in_words(v)}"
             for k, (t, v) in enumerate(ranked(ends))]
    alt = (f"Change of the balance between neighbouring layers over {AXES[axis]}, the pair that "
           "moved most. Gradient flow would not change it. "
           + ("So far: " if trace.unfinished else "At the end: ") + ", ".join(texts) + ".")
    return Picture("drift", f"Gradient flow keeps WWᵀ − WᵀW; {listed(parts)}", alt,
                   {"data": data, "layout": layout}, heads, cursor=True)


def _short(percent: float) -> str:
    return f"{percent:g}" if 0.01 <= percent < 1e5 else say(percent)


def _in_words(share: float) -> str:
    return f"{say(100 * share)} %" if np.isfinite(share) else "diverged"
