"""Where each entrant went on the loss surface. Diagnoses: who follows the valley, who jumps.

Where theta is a point of the plane, that is the whole story. A net's path is only a shadow in a
plane through its many dimensions: the picture then says how much of it the plane holds, and how far
the loss at the shadow is from the loss at the iterate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import curve, marks, note
from qnviz.figures.theme import Head, Picture, Theme, notice
from qnviz.figures.views import so_far, stroke
from qnviz.runs.trace import Trace, at_every_step, looks
from qnviz.words import say

FAR = 1e6                             # a diverged path leaves the picture; further is not drawn
LEVELS = 14                           # level lines on the surface of a net
TOO_LARGE = ("The parameters of this net were too many to keep, so there is no plane to draw "
             "its paths in.")

LATER = "The plane of the paths is found when there are paths."


def trajectory(trace: Trace, theme: Theme, run: int = 0) -> Picture:
    """Paths in the plane over the contours of log₁₀ f."""
    if "x" not in trace.plane:
        why = LATER if trace.unfinished else TOO_LARGE
        return Picture("path", "No plane to draw paths in", why, notice(theme, why))
    x, y, z = (trace.plane[n] for n in "xyz")
    shadow = "explained" in trace.plane
    titles = ("along the first axis", "along the second") if shadow else ("x₁", "x₂")
    layout = theme.base(*titles)
    layout["dragmode"] = False
    data = [_surface(theme, x, y, z, shadow)]
    heads, finals = [], []
    for i, e in enumerate(trace.entrants):
        c = trace[e.label]
        rows = len(looks(c, run))
        points = c["path"][:rows] if shadow else c["theta"][:rows, run]
        path = np.clip(points, -FAR, FAR)
        # a halo in the ground's colour: a line's own may be that of the surface below it
        halo = dict(color=theme.paper, width=4.5, dash="solid")
        data += [curve(path[:, 0], path[:, 1], name=e.title, meta={"entrant": i}, line=way,
                       opacity=opacity, hoverinfo="skip")
                 for way, opacity in ((halo, 0.55), (stroke(theme, e, 2.2), 1.0))]
        at = at_every_step(c, run)
        heads.append(Head(i, path[at, 0], path[at, 1]))
        finals.append(float(c["loss"][rows - 1, run]))
    first = trace[trace.entrants[0].label]
    start = first["path"][0] if shadow else first["theta"][0, run]
    marked = [(start, "circle-open", "start")]
    if not shadow:
        marked.append((trace.plane["minimiser"], "star", "minimum"))
    for point, symbol, name in marked:
        data.append(marks(point[:1], point[1:], marker=dict(
            symbol=symbol, size=13, color=theme.ink, line=dict(width=2, color=theme.ink)),
            hovertemplate=f"{name} (%{{x:.3g}}, %{{y:.3g}})<extra></extra>"))
    for name, values in (("xaxis", x), ("yaxis", y)):
        layout[name] |= dict(range=[float(values[0]), float(values[-1])], showgrid=False)
    now, figure = so_far(trace), {"data": data, "layout": layout}
    ends = " ".join(f"{e.title} {'is' if now else 'ends'} at loss {say(f)}{now}."
                    for e, f in zip(trace.entrants, finals, strict=True))
    if shadow:
        held, gap = _honesty(trace)
        layout["annotations"] = [note(
            gap, 0.01, 0.01, xref="paper", yref="paper", xanchor="left", yanchor="bottom",
            bgcolor=theme.paper, opacity=0.85, font=dict(size=12, color=theme.ink))]
        alt = (f"Paths of {len(trace.entrants)} methods in a plane that holds {held} of their "
               f"variance. {gap}. {ends}")
        title = f"Shadows of the paths{now}: {held} of their variance"
        return Picture("path", title, alt, figure, heads, trail=40)
    winner = int(np.nanargmin(finals))
    verb = "is lowest so far" if now else "ends lowest"
    title = f"{trace.entrants[winner].title} {verb}, at {say(finals[winner])}"
    if len(finals) > 1 and min(finals) == max(finals):
        title = f"All {'are' if now else 'end'} at {say(finals[0])}{now}"
    best = trace.plane["minimiser"]
    alt = (f"Paths of {len(trace.entrants)} methods from ({say(float(start[0]))}, "
           f"{say(float(start[1]))}) on the loss surface with its minimum at ({say(float(best[0]))}"
           f", {say(float(best[1]))}). {ends}")
    return Picture("path", title, alt, figure, heads, trail=40, click="start")


def _surface(theme: Theme, x: np.ndarray, y: np.ndarray, z: np.ndarray,
             shadow: bool) -> dict[str, Any]:
    """Filled contours of log₁₀ f: whole powers of ten on a known plane, even levels on others."""
    height = np.log10(np.clip(z, 1e-6, 1e30)).astype(np.float32)
    levels = dict(start=-3, end=float(np.ceil(height.max())), size=1)
    if shadow:
        low, high = float(height.min()), float(np.quantile(height, 0.98))
        levels = dict(start=low, end=high, size=max(high - low, 1e-6) / LEVELS)
    ends = dict(zmin=levels["start"], zmax=levels["end"]) if shadow else {}
    return dict(
        type="contour", x=x, y=y, z=height, colorscale=theme.surface, **ends,
        showscale=False, contours=dict(coloring="heatmap", **levels),
        line=dict(width=0.8, color=theme.level), hovertemplate=(
            "(%{x:.3g}, %{y:.3g})<br>log₁₀ f = %{z:.2f}<extra></extra>"))


def _honesty(trace: Trace) -> tuple[str, str]:
    """The share of the paths' variance that the plane holds, and its largest error in the loss."""
    held = f"{100 * float(trace.plane['explained'].sum()):.0f} %"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.concatenate([c["path_loss"][:n] / c["path_true"][:n] for c, n in (
            (trace[e.label], len(looks(trace[e.label]))) for e in trace.entrants)])
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return held, "the loss at the shadows is unknown"
    low, high = (say(float(r)) for r in (ratios.min(), ratios.max()))
    return held, f"loss at a shadow: {low} … {high} × its iterate's"
