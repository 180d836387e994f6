"""How many eigenvalues of the exact Hessian are zero along the way, against the theory's number.

A product W_L … W_1 does not change when an invertible matrix and its inverse are slipped between
two layers, so the loss is flat in that many directions at every minimiser. Diagnoses: whether a
method has come to rest on that flat set, and whether it rests at a saddle: negative eigenvalues.
"""

from __future__ import annotations

import numpy as np

from qnviz.figures.draw import EVERYWHERE, curve, level
from qnviz.figures.race import AXES, RaceView
from qnviz.figures.race.views import due, end_labels, label_margin, line, listed, stroke
from qnviz.figures.theme import Head, Picture

EMPTY = ("No Hessian to look at: its eigenvalues are kept for linear nets of up to 400 "
         "parameters.")
ZERO = 1e-6                           # of the largest magnitude in the same spectrum
WIDEST, NARROWEST = 5.0, 2.0          # lines that coincide show as nested bands


def zeros(view: RaceView) -> Picture:
    """Zero eigenvalues over time as steps, and the least number at a minimiser as a level."""
    view = view.first
    theme, axis = view.theme, view.axis
    shown = view.holding("view_hessian")
    if not shown:
        return view.notice("zeros", "No Hessian to look at", EMPTY)
    theory = int(view.trace.scene["zeros"])
    ends = {i: tally(c["view_hessian"])[:, -1] for i, _, c in shown}
    texts = [f"{e.title} {_in_words(ends[i][0])}" for i, e, _ in shown]
    words = f"theory ≥ {theory}"
    layout = view.layout("zero eigenvalues", right=label_margin([*texts, words]))
    data, heads, highest = [], [], float(max(theory, 1))
    for k, (i, e, c) in enumerate(shown):
        count = tally(c["view_hessian"])[0]
        x, y = line(c, axis, count)
        width = WIDEST - (WIDEST - NARROWEST) * k / max(len(shown) - 1, 1)
        data.append(curve(
            x, y, meta={"entrant": i}, name=e.title,
            line=stroke(theme, e, width if len(shown) > 1 else 2.4) | {"shape": "hv"},
            hovertemplate=f"{e.title}: %{{y}} of {c['view_hessian'].shape[1]} eigenvalues are 0"
                          "<extra></extra>"))
        rows = due(c)
        heads.append(Head(i, view.clock(e), count[rows]))
        highest = max(highest, float(np.nanmax(y, initial=0)))
    data.append(level(EVERYWHERE, theory, color=theme.ink, width=1.4, dash="dash"))
    span = [-0.04 * highest, 1.1 * highest]
    layout["yaxis"] |= dict(range=span, tickformat="d", nticks=6)
    layout["xaxis"]["range"] = view.span([e for _, e, _ in shown])
    labels = [(words, float(theory), theme.ink), *(
        (t, float(ends[i][0]), theme.tint(e.color))
        for t, (i, e, _) in zip(texts, shown, strict=True) if np.isfinite(ends[i][0]))]
    layout["annotations"] = end_labels(theme, labels, span)
    saddles = [f"{e.title} {int(ends[i][1])}" for i, e, _ in shown if ends[i][1] > 0]
    now = view.when
    title = f"Zero eigenvalues {now} (theory ≥ {theory}): {listed(texts, 2)}"
    if saddles:
        title += ("" if title.endswith("…") else ".") + f" Negative: {listed(saddles, 2)}"
    alt = (f"Number of zero eigenvalues of the exact Hessian over {AXES[axis]}. "
           f"{now[0].upper()}{now[1:]}: {', '.join(texts)}; at a minimiser there are at least "
           f"{theory}. "
           + (f"Negative eigenvalues are left: {', '.join(saddles)}." if saddles
              else f"No negative eigenvalue is left {now}."))
    return Picture("zeros", title, alt, {"data": data, "layout": layout}, heads, cursor=True)


def tally(hessian: np.ndarray) -> np.ndarray:
    """Zero and negative eigenvalues of each view's spectrum (V, P), as (2, V); NaN: unknown."""
    known = np.all(np.isfinite(hessian), axis=1)
    values = np.where(known[:, None], hessian, 0.0)
    limit = ZERO * np.abs(values).max(1, keepdims=True)
    counts = np.stack([(np.abs(values) <= limit).sum(1), (values < -limit).sum(1)]).astype(float)
    return np.where(known, counts, np.nan)


def _in_words(count: float) -> str:
    return f"{count:.0f}" if np.isfinite(count) else "diverged"
