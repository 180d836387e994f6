"""Where each entrant went on the loss surface. Diagnoses: who follows the valley, who jumps."""

import numpy as np
import plotly.graph_objects as go

from qnviz.figures.theme import Picture, Theme
from qnviz.runs.trace import Trace
from qnviz.words import say

FAR = 1e6                             # a diverged path leaves the picture; further is not drawn


def trajectory(trace: Trace, theme: Theme, run: int = 0) -> Picture:
    """Paths in the plane over the contours of log₁₀ f."""
    x, y, z = (trace.plane[n] for n in "xyz")
    height = np.log10(np.maximum(z, 1e-6)).astype(np.float32)
    figure = go.Figure(layout=theme.base("x₁", "x₂", dragmode=False))
    figure.add_trace(go.Contour(
        x=x.astype(np.float32), y=y.astype(np.float32), z=height, colorscale=theme.surface,
        showscale=False, contours=dict(
            coloring="heatmap", start=-3, end=float(np.ceil(height.max())), size=1),
        line=dict(width=0.8, color=theme.level), hovertemplate=(
            "x₁ = %{x:.3g}, x₂ = %{y:.3g}<br>log₁₀ f = %{z:.2f}<extra></extra>")))
    heads, finals = [], []
    for i, e in enumerate(trace.entrants):
        c = trace[e.label]
        steps = int(c["stopped"][run]) + 1
        path = np.clip(c["theta"][:steps, run], -FAR, FAR).astype(np.float32)
        figure.add_trace(go.Scatter(
            x=path[:, 0], y=path[:, 1], mode="lines", name=e.title, meta={"entrant": i},
            line=dict(color=e.color, width=2, dash=e.dash), opacity=0.85, hoverinfo="skip"))
        heads.append((i, path[:, 0], path[:, 1]))
        finals.append(c["loss"][steps - 1, run])
    start = trace[trace.entrants[0].label]["theta"][0, run]
    best = trace.plane["minimiser"]
    for point, symbol, name in ((start, "circle-open", "start"), (best, "star", "minimum")):
        figure.add_trace(go.Scatter(
            x=[point[0]], y=[point[1]], mode="markers", marker=dict(
                symbol=symbol, size=13, color=theme.ink, line=dict(width=2, color=theme.ink)),
            hovertemplate=f"{name} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>"))
    figure.update_xaxes(range=[float(x[0]), float(x[-1])], showgrid=False)
    figure.update_yaxes(range=[float(y[0]), float(y[-1])], showgrid=False)
    winner = int(np.nanargmin(finals))
    title = f"{trace.entrants[winner].title} ends lowest, at {say(float(finals[winner]))}"
    if len(finals) > 1 and min(finals) == max(finals):
        title = f"All end at {say(float(finals[0]))}"
    alt = (f"Paths of {len(trace.entrants)} methods from ({say(float(start[0]))}, "
           f"{say(float(start[1]))}) on the loss surface with its minimum at ({say(float(best[0]))}"
           f", {say(float(best[1]))}). " + " ".join(
               f"{e.title} ends at loss {say(float(f))}."
               for e, f in zip(trace.entrants, finals, strict=True)))
    return Picture("path", title, alt, figure, heads, trail=40, click="start")
