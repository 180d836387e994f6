"""Extreme eigenvalues of the inverse curvature a method keeps, against what damping guarantees.

Diagnoses: whether the matrix stays usable. A minimum near 0 means directions are lost, a maximum
that climbs means one bad pair blew it up. The marks above say when damping acted.
"""

import numpy as np
import plotly.graph_objects as go

from qnviz.figures.loss import AXES
from qnviz.figures.theme import UNSTARTED, Picture, Theme, log_axis, log_range, notice, time_range
from qnviz.runs.trace import Entrant, Trace, clock
from qnviz.words import say

EMPTY = ("None of these methods keeps a matrix, so there are no eigenvalues to bound. "
         "Add K-BFGS or K-BFGS(L).")
LIMIT = 1e4                           # how far a bound may stretch the axis beyond the spectra
ROW = 0.055                           # height of one row of ticks, as a share of the picture


def eigenvalues(trace: Trace, theme: Theme, axis: str = "iterations", run: int = 0,
                layer: int = 0) -> Picture:
    """λ_min and λ_max of H_g, the certified and the a-priori bounds, and the damping events."""
    shown = [(i, e) for i, e in enumerate(trace.entrants) if _keeps_matrix(trace, e)]
    if not shown:
        return Picture("eig", "No matrix to look at", EMPTY, notice(theme, EMPTY))
    shown = [(i, e) for i, e in shown if trace[e.label]["stopped"][run] > 0]
    if not shown:
        return Picture("eig", "No update to look at", UNSTARTED, notice(theme, UNSTARTED))
    damped = [(i, e) for i, e in shown if "theta1" in trace[e.label]]
    head = ROW * len(damped) + 0.02 if damped else 0.0        # room for the rows of ticks
    figure = go.Figure(layout=theme.base(AXES[axis], "eigenvalues of H"))
    heads, seen, found = [], [], []
    bounds: list[float] = []
    bounded = ""                       # one entrant's bounds: two would be a thicket
    for i, e in shown:
        data = _series(trace, e, axis, run, layer)
        seen.append((np.nanmin(data["eig_min"]), np.nanmax(data["eig_max"])))
        if not bounded and "certified_low" in data:
            bounded = e.title
            bounds = _bounds(figure, theme, i, e, data)
        for name in ("eig_min", "eig_max"):
            figure.add_trace(go.Scatter(
                x=data["x"], y=data[name], mode="lines", meta={"entrant": i}, name=e.title,
                line=dict(color=e.color, width=2.2 if e.title == bounded else 1.4, dash=e.dash),
                hovertemplate=f"{e.title} {'λ_min' if name == 'eig_min' else 'λ_max'} = "
                              "%{y:.3~g}<extra></extra>"))
            # heads stand at iterates, events lie between them: none at the start
            heads.append((i, np.concatenate([[np.nan], data["x"]]),
                          np.concatenate([[np.nan], data[name]])))
    for row, (i, e) in enumerate(damped):
        found.append(_ticks(figure, i, e, _series(trace, e, axis, run, layer),
                            1 - (row + 0.5) / len(damped)))
    low, high = min(s[0] for s in seen), max(s[1] for s in seen)
    reach = [b for b in bounds if low / LIMIT < b < high * LIMIT]
    span = log_range(min([low, *reach]), max([high, *reach]))
    figure.update_layout(
        yaxis=dict(domain=[0, 1 - head], **log_axis(span)),
        yaxis2=dict(domain=[min(1 - head + 0.02, 0.999), 1], range=[0, 1], visible=False))
    figure.update_xaxes(range=time_range(trace, [e for _, e in shown], axis, run))
    first = found[0] if found else f"{shown[0][1].title}: {say(seen[0][0])} … {say(seen[0][1])}"
    if bounded:
        figure.add_annotation(
            text=f"band: certified for {bounded}; dotted: a-priori", x=0.99, y=0.01, xref="paper",
            yref="paper", xanchor="right", yanchor="bottom", showarrow=False, bgcolor=theme.paper,
            font=dict(size=11.5, color=theme.muted))
    alt = ("Extreme eigenvalues of the inverse curvature matrices. "
           + " ".join(f"{e.title} stays within {say(s[0])} and {say(s[1])}."
                      for (_, e), s in zip(shown, seen, strict=False)) + " " + " ".join(found))
    return Picture("eig", first, alt, figure, heads, trail=0, cursor=axis == "iterations")


def _keeps_matrix(trace: Trace, e: Entrant) -> bool:
    # an entrant that took no step has exposed nothing yet; its family tells
    return "eig_max" in trace[e.label] or (
        e.family == "quasi-Newton" and not trace[e.label]["stopped"].any())


def _series(trace: Trace, e: Entrant, axis: str, run: int, layer: int) -> dict[str, np.ndarray]:
    """What the entrant exposes for one run and layer, cut where the run ended."""
    c = trace[e.label]
    steps = int(c["stopped"][run])
    names = ("eig_min", "eig_max", "certified_low", "certified_high", "apriori_low",
             "apriori_high", "theta1", "theta2", "skipped")
    data = {}
    for n in names:
        if n in c:
            a = c[n][:steps, run]
            data[n] = a[:, min(layer, a.shape[1] - 1)] if a.ndim == 2 else a
    return data | {"x": clock(c, axis, run)[1:steps + 1]}


def _bounds(figure: go.Figure, theme: Theme, i: int, e: Entrant,
            data: dict[str, np.ndarray]) -> list[float]:
    """Certified bounds with a filled band, a-priori bounds dotted; returns all their values."""
    drawn: list[float] = []
    for name, dash, words in (("apriori", "dot", "a-priori"), ("certified", "dash", "certified")):
        for side in ("low", "high"):
            values = data.get(f"{name}_{side}")
            if values is None:
                continue
            visible = np.where(np.isfinite(values) & (values > 0), values, np.nan)
            drawn.extend(visible[np.isfinite(visible)])
            figure.add_trace(go.Scatter(
                x=data["x"], y=visible, mode="lines", meta={"entrant": i}, name="bound",
                opacity=0.75, line=dict(color=e.color, width=1.2, dash=dash),
                fill="tonexty" if (name, side) == ("certified", "high") else None,
                fillcolor=theme.band,
                hovertemplate=f"{e.title}, {words} bound: %{{y:.3~g}}<extra></extra>"))
    return drawn


def _ticks(figure: go.Figure, i: int, e: Entrant, data: dict[str, np.ndarray], y: float) -> str:
    """A row of marks where damping acted; returns what it found, in words."""
    one, two = data["theta1"] < 1, data["theta2"] < 1
    skipped = data["skipped"].astype(bool)
    for mask, symbol, words in ((one & ~two, "line-ns-open", "Powell's damping acted"),
                                (two & ~one, "triangle-up", "step 2 acted"),
                                (one & two, "diamond", "both steps acted"),
                                (skipped, "x-thin-open", "pair skipped")):
        if not mask.any():
            continue
        figure.add_trace(go.Scatter(
            x=data["x"][mask], y=np.full(mask.sum(), y), mode="markers", meta={"entrant": i},
            yaxis="y2", marker=dict(symbol=symbol, size=7, color=e.color,
                                       line=dict(width=1.6, color=e.color)),
            hovertemplate=f"{e.title}: {words}<extra></extra>"))
    total = max(len(one), 1)
    return (f"{e.title}: H within {say(np.nanmin(data['eig_min']))} … "
            f"{say(np.nanmax(data['eig_max']))}, damped in {(one | two).sum()} of {total} updates")
