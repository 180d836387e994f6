"""Loss of every method against steps, work or seconds. Diagnoses who pays off, by which measure."""

import numpy as np
import plotly.graph_objects as go

from qnviz.figures.theme import Picture, Theme, log_axis, log_range, time_range
from qnviz.runs.trace import Trace, clock
from qnviz.words import say

AXES = {"iterations": "step", "work": "work (forward passes of the batch)",
        "seconds": "seconds in the method"}
FLOOR = 1e-16                         # below this a loss of order one is rounding


def loss(trace: Trace, theme: Theme, axis: str = "iterations", run: int = 0) -> Picture:
    """Noise-free loss on a log axis; a cross marks where a run diverged."""
    figure = go.Figure(layout=theme.base(AXES[axis], "loss at ε = 1", margin_r=148))
    heads, ends, lows, highs = [], [], [], []
    for i, e in enumerate(trace.entrants):
        c = trace[e.label]
        steps = int(c["stopped"][run]) + 1
        x, y = clock(c, axis, run)[:steps], np.maximum(c["loss"][:steps, run], FLOOR)
        figure.add_trace(go.Scatter(
            x=x.astype(np.float32), y=y, mode="lines", name=e.title, meta={"entrant": i},
            line=dict(color=e.color, width=2, dash=e.dash),
            hovertemplate=f"{e.title}: %{{y:.3~g}} at %{{x:.4~g}}<extra></extra>"))
        if c["status"][run] == "diverged":
            figure.add_trace(go.Scatter(
                x=[x[-1]], y=[y[-1]], mode="markers", meta={"entrant": i}, hoverinfo="skip",
                marker=dict(symbol="x", size=12, color=e.color)))
        heads.append((i, x, y))
        ends.append((i, float(c["loss"][steps - 1, run])))
        lows.append(y.min())
        highs.append(y[0])
    # what diverges leaves the picture at the top: it must not squash the others
    top = min(max(trace[e.label]["loss"][:, run].max() for e in trace.entrants),
              1e4 * max(highs))
    span = log_range(max(min(lows), FLOOR), max(top, 10 * FLOOR))
    figure.update_yaxes(**log_axis(span))
    figure.update_xaxes(range=time_range(trace, trace.entrants, axis, run))
    _end_labels(figure, theme, trace, ends, span)
    order = sorted(ends, key=lambda pair: pair[1])
    first, last = (trace.entrants[order[k][0]].title for k in (0, -1))
    unit = {"iterations": "steps", "work": "work units", "seconds": "seconds"}[axis]
    apart = order[-1][1] > order[0][1]
    title = (f"{first} lowest, {last} highest after their {unit}" if apart else
             f"ends at {_final(order[0][1])}")
    alt = "Loss over " + AXES[axis] + ". " + " ".join(
        trace.ends[e.label][run].replace("Converged", f"{e.title} converged").replace(
            "Diverged", f"{e.title} diverged").replace("Used all", f"{e.title} used all")
        for e in trace.entrants if run < len(trace.ends.get(e.label, [])))
    return Picture("loss", f"Loss: {title}", alt, figure, heads, trail=0,
                   cursor=axis == "iterations")


def _final(value: float) -> str:
    return say(value) if value < 1e6 else "diverged"


def _end_labels(figure: go.Figure, theme: Theme, trace: Trace, ends: list[tuple[int, float]],
                span: list[float]) -> None:
    """Names at the right end of the lines, moved apart where they would overlap."""
    crowded = len(ends) > 10
    gap = min(0.085, 0.98 / len(ends)) * (span[1] - span[0])
    order = sorted(ends, key=lambda pair: pair[1])
    places = np.log10(np.maximum([value for _, value in order], FLOOR))
    floor, top = span[0] + gap / 2, span[1] - gap / 2
    for k in range(len(places)):               # up from the bottom, then down from the top:
        places[k] = max(places[k], floor)      # as the gaps fit into the span, both limits hold
        floor = places[k] + gap
    for k in reversed(range(len(places))):
        places[k] = min(places[k], top)
        top = places[k] - gap
    for (i, value), at in zip(order, places, strict=True):
        e = trace.entrants[i]
        figure.add_annotation(text=f"{e.title} {_final(value)}", x=1.01, xref="paper", y=at,
                              yref="y", xanchor="left", showarrow=False,
                              font=dict(size=10 if crowded else 12, color=theme.legible(e.color)))
