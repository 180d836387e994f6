"""The iterates d_j of one Newton system in a plane, over the model that they descend.

Diagnoses: how steepest descent, CG and MINRES differ from Newton's step, and what was taken of it.
With two parameters that is the whole story; else a plane that holds −g and the run's direction.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import curve, marks, note
from qnviz.figures.system import System, SystemView
from qnviz.figures.system.views import STYLES, stroke
from qnviz.figures.theme import Head, Picture, Theme
from qnviz.numbers import percent, say

LEVELS = 12
WHOLE = 0.99                          # a share of ‖d‖² from which a projection is the thing itself


def path(view: SystemView) -> Picture:
    """Paths of both solvers, with Newton's step, steepest descent, and the step taken."""
    system, theme = view.system, view.theme
    plane = system.plane
    titles = ("x₁", "x₂") if plane.exact else ("along −g", "across −g")
    layout = theme.base(*titles)
    layout["dragmode"] = False
    for name, values in (("xaxis", plane.x), ("yaxis", plane.y)):
        layout[name] |= dict(range=[float(values[0]), float(values[-1])], showgrid=False)
    data, heads = [_surface(theme, plane)], []
    for i, s in enumerate(system.solves):
        points = plane.paths[s.solver]
        if s.bare:
            points = np.concatenate([points, plane.ends[s.solver][None]])
        halo = dict(color=theme.paper, width=5)
        for way, opacity in ((halo, 0.55), (stroke(theme, s, 2.4), 1.0)):
            data.append(curve(points[:, 0], points[:, 1], name=s.title, meta={"entrant": i},
                              line=way, opacity=opacity, hoverinfo="skip", mode="lines+markers",
                              marker=dict(symbol=STYLES[s.solver][2], size=6)))
        at = np.minimum(np.arange(s.iterations + 1), len(points) - 1)
        heads.append(Head(i, points[at, 0], points[at, 1]))
    start = next(iter(plane.paths.values()))[0]
    named = [(start, "circle-open", "start"), (plane.steepest, "triangle-down", "steepest descent"),
             (plane.taken, "square-open", "taken")]
    outside = plane.newton is not None and not _inside(plane, plane.newton)
    if plane.newton is not None and not outside:
        named.append((plane.newton, "star",
                      "Newton" if plane.newton_held > WHOLE else "projection of Newton's step"))
    for k, (point, symbol, name) in enumerate(named):
        data.append(marks(point[:1], point[1:], marker=dict(
            symbol=symbol, size=13, color=theme.ink, line=dict(width=2, color=theme.ink)),
            hovertemplate=f"{name}<extra></extra>"))
        if name != "start":
            layout["annotations"].append(note(
                name, float(point[0]), float(point[1]), yanchor="bottom" if k % 2 else "top",
                yshift=8 if k % 2 else -8, font=dict(size=12, color=theme.ink),
                bgcolor=theme.paper, opacity=0.85, borderpad=1,
                xanchor=_anchor(plane, float(point[0]))))
    far = _newton(plane, outside)
    if outside or (plane.newton is not None and plane.newton_held <= WHOLE):
        layout["annotations"].append(theme.remark(far))
    title, alt = _words(system, plane, far)
    return Picture("plane", title, alt, {"data": data, "layout": layout}, heads, trail=60)


def _surface(theme: Theme, plane: Any) -> dict[str, Any]:
    """The model's level lines; evenly spaced on a bowl, as they stand at √(q − min q)."""
    low = float(plane.z.min())
    height = np.sqrt(plane.z - low).astype(np.float32)
    top = float(np.quantile(height, 0.98)) or 1.0
    return dict(
        type="contour", x=plane.x, y=plane.y, z=height, zmin=0.0, zmax=top, showscale=False,
        colorscale=theme.surface, contours=dict(coloring="heatmap", start=0.0, end=top,
                                                size=top / LEVELS),
        line=dict(width=0.8, color=theme.level), customdata=plane.z.astype(np.float32),
        hovertemplate="(%{x:.3~g}, %{y:.3~g})<br>q = %{customdata:.3~g}<extra></extra>")


def _inside(plane: Any, point: np.ndarray) -> bool:
    return bool(plane.x[0] <= point[0] <= plane.x[-1] and plane.y[0] <= point[1] <= plane.y[-1])


def _anchor(plane: Any, x: float) -> str:
    """Where a label hangs so that it stays inside."""
    share = (x - plane.x[0]) / (plane.x[-1] - plane.x[0])
    return "left" if share < 0.25 else "right" if share > 0.75 else "center"


def _newton(plane: Any, outside: bool) -> str:
    """Where Newton's step is, in words."""
    if plane.newton is None:
        return "Newton's step is not known."
    times = f"{say(plane.newton_length)} × as long as d"
    if plane.exact:
        return f"Newton's step, {times}, ends outside." if outside else f"Newton's step is {times}."
    return (f"Newton's step is {times}, {percent(plane.newton_held)} in this plane"
            f"{', and ends outside' if outside else ''}.")


def _words(system: System, plane: Any, far: str) -> tuple[str, str]:
    a = system.step_size
    taken = "no step was taken" if a == 0 else f"a = {say(a)} of d was taken"
    shares = "" if plane.exact else ", ".join(
        f"{percent(plane.share[s.solver])} of {s.title}'s d" for s in system.solves)
    took = "No step was taken" if a == 0 else f"Took {say(a)} d"
    title = took if plane.exact else f"{took}; plane holds {shares}"
    where = "the plane of both parameters" if plane.exact else f"a plane that holds {shares}"
    alt = (f"Paths of CG's and MINRES's iterates in {where}, over the model's level lines. {far} "
           f"Then {taken}. " + " ".join(
               f"{s.title} went from the iterate to "
               f"({say(plane.ends[s.solver][0])}, {say(plane.ends[s.solver][1])})."
               for s in system.solves))
    return title, alt
