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
    figure = go.Figure(layout=theme.base(AXES[axis], "loss at ε = 1", margin_r=132))
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
        ends.append((i, float(y[-1])))
        lows.append(y.min())
        highs.append(y[0])
    # what diverges leaves the picture at the top: it must not squash the others
    top = min(max(trace[e.label]["loss"][:, run].max() for e in trace.entrants),
              1e4 * max(highs))
    span = log_range(max(min(lows), FLOOR), top)
    figure.update_yaxes(**log_axis(span))
    figure.update_xaxes(range=time_range(trace, trace.entrants, axis, run))
    _end_labels(figure, theme, trace, ends, span)
    order = sorted(ends, key=lambda pair: pair[1])
    first, last = (trace.entrants[order[k][0]].title for k in (0, -1))
    unit = {"iterations": "steps", "work": "work units", "seconds": "seconds"}[axis]
    title = f"{first} lowest, {last} highest after their {unit}" if len(order) > 1 else first
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
    gap = 0.085 * (span[1] - span[0])
    placed: list[float] = []
    for _, value in sorted(ends, key=lambda pair: pair[1]):
        at = min(max(np.log10(value), span[0] + gap / 2), span[1] - gap / 2)
        at = max(at, placed[-1] + gap) if placed else at
        placed.append(at)
    # a stack that grew past the top is pushed back down as a whole
    over = max(0.0, placed[-1] - (span[1] - gap / 2))
    for (i, value), at in zip(sorted(ends, key=lambda pair: pair[1]), placed, strict=True):
        e = trace.entrants[i]
        figure.add_annotation(text=f"{e.title} {_final(value)}", x=1.01, xref="paper", y=at - over,
                              yref="y", xanchor="left", showarrow=False, font_size=12,
                              font_color=theme.legible(e.color), name=f"entrant-{i}")
