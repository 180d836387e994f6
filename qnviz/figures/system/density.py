"""The spectrum of the exact Hessian, negative and positive side on one signed log axis.

Diagnoses: how ill-conditioned the problem is where a method stands, how much of it is flat, and
whether there is a direction of negative curvature to escape along.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from qnviz.figures.theme import LIGHT, Picture, Theme, notice, power_of_ten
from qnviz.numbers import say

UNKNOWN = "The Hessian is not finite here, so it has no eigenvalues to show."
BINS = 72
DECADES = {True: 8, False: 3}         # below the largest |eigenvalue|; what is smaller counts as 0:
# a quadrature does not resolve a cluster about 0, nor on which side of it an eigenvalue lies


@dataclass(frozen=True)
class SpectrumView:
    """A Hessian's spectrum where an entrant stood, as its picture is to show it."""

    values: np.ndarray                # eigenvalues, or nodes of a quadrature, ascending (n,)
    weights: np.ndarray               # their shares of all eigenvalues; the sum is 1
    size: int                         # how many eigenvalues there are
    exact: bool                       # whether the values are all of them
    where: str                        # of what: "SGD at step 40"
    color: str
    theme: Theme = LIGHT


def density(view: SpectrumView) -> Picture:
    """A histogram of all eigenvalues."""
    theme, values, weights, size = view.theme, view.values, view.weights, view.size
    exact, where = view.exact, view.where
    if not len(values):
        return notice(theme, "density", f"{where}: no eigenvalues", UNKNOWN)
    top, decades = float(np.abs(values).max()) or 1.0, DECADES[exact]
    floor = top * 10.0**-decades
    place = np.sign(values) * np.log10(np.maximum(np.abs(values) / floor, 1))
    edges = np.linspace(min(place.min(), -1), decades + 0.02, BINS + 1)
    counts = np.histogram(place, edges, weights=weights * size)[0]
    layout = theme.base("eigenvalue of the Hessian", "how many")
    bars = []
    flat = float((weights * size)[np.abs(values) <= floor].sum())
    negative = float((weights * size)[values < -floor].sum())
    for mask, shade, words in ((edges[:-1] < -1e-9, theme.alarm, "negative"),
                               (edges[:-1] >= -1e-9, theme.tint(view.color), "positive or 0")):
        bars.append(dict(
            type="bar", x=(edges[:-1] + edges[1:])[mask] / 2, y=np.maximum(counts[mask], 0.0),
            width=np.diff(edges)[mask], marker=dict(color=shade, line=dict(width=0)),
            hovertemplate=f"%{{y:.3~g}} eigenvalues, {words}<extra></extra>"))
    ticks = [k for k in range(-decades, decades + 1) if edges[0] <= k and (not exact or k % 2 == 0)]
    base = np.log10(floor)
    layout |= dict(barmode="overlay", bargap=0)
    layout["xaxis"] |= dict(range=edges[[0, -1]].tolist(), tickvals=ticks, ticktext=[
        "0" if k == 0 else ("−" if k < 0 else "") + power_of_ten(round(base + abs(k)))
        for k in ticks])
    most = float(counts.max())
    layout["yaxis"] |= dict(type="log", range=[np.log10(0.5), np.log10(2 * max(most, 1))])
    about = "" if exact else "about "
    title = (f"{where}: eigenvalues from {say(values[0])} to {say(values[-1])}; of {size:,}, "
             f"{about}{negative:.0f} lie below −{say(floor)} and {about}{flat:.0f} within ± that")
    how = ("all eigenvalues" if exact else
           f"a density by Lanczos quadrature with {len(values)} nodes")
    return Picture("density", title, f"{title}. Histogram of {how}.",
                   {"data": bars, "layout": layout})
