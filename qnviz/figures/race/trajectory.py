"""Where each entrant went on the loss surface. Diagnoses: who follows the valley, who jumps.

Where theta is a point of the plane, that is the whole story. Of a net's path a plane through its
many dimensions shows a projection alone: the picture then says how much of the path the plane
holds, and how far the loss at the projection is from the loss at the iterate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import curve, marks
from qnviz.figures.race import RaceView
from qnviz.figures.race.views import stroke
from qnviz.figures.theme import STAYS, Head, Picture, Theme
from qnviz.numbers import percent, say
from qnviz.runs.trace import Trace, at_every_step, snapshots

FAR = 1e6                             # a diverged path leaves the picture; further is not drawn
PITS = 0.005                          # share of a surface around its minima, dark all the same
LEVELS = 14                           # level lines on the surface of a net
TOO_LARGE = ("The parameters of this net were too many to keep, so there is no plane to draw "
             "its paths in.")

AXES = {"x_1": "x₁", "x_2": "x₂"}      # as texts in a figure have no LaTeX

LATER = "The plane of the paths is found when there are paths."


def trajectory(view: RaceView) -> Picture:
    """Paths in the plane over the contours of log₁₀ f."""
    trace, theme, run = view.trace, view.theme, view.run
    if "x" not in trace.plane:
        why = LATER if trace.unfinished else TOO_LARGE
        return view.notice("path", "No plane to draw paths in", why)
    x, y, z = (trace.plane[n] for n in "xyz")
    projected = "explained" in trace.plane
    names = [AXES.get(str(n), str(n)) for n in trace.plane.get("axes", np.array(["x_1", "x_2"]))]
    titles = ("along the first axis", "along the second") if projected else names
    layout = theme.base(*titles)
    layout["dragmode"] = False
    data = [_surface(theme, x, y, z, projected, float(trace.plane.get("lowest", np.nan)))]
    heads, finals, gone, drawn = [], [], [], []
    for i, e, c in view.entrants:
        rows = len(snapshots(c, run))
        points = c["path"][:rows] if projected else c["theta"][:rows, run]
        far = np.abs(points).max(1, keepdims=True)
        path = points * (FAR / np.maximum(far, FAR))             # further out in the same direction
        # a halo in the ground's colour: a line's own may be that of the surface below it
        halo: dict[str, Any] = dict(color=theme.paper, width=4.5, dash="solid")
        for way, opacity in ((halo, 0.55), (stroke(theme, e, 2.2), 1.0)):
            data.append(curve(path[:, 0], path[:, 1], name=e.title, meta={"entrant": i}, line=way,
                              opacity=opacity, hoverinfo="skip"))
            drawn.append(live.line(i, live.column("theta", 1), x=live.column("theta", 0),
                                   opacity=opacity, head=way is not halo, **way))
        at = at_every_step(c, run)
        heads.append(Head(i, path[at, 0], path[at, 1]))
        finals.append(float(c["loss"][rows - 1, run]))
        gone.append(c["status"][run] == "diverged" or not np.isfinite(finals[-1]))
    first = trace[trace.entrants[0].label]
    start = first["path"][0] if projected else first["theta"][0, run]
    marked = [(start[None], "circle-open", "start", "start")]
    best = np.reshape(trace.plane.get("minimiser", []), (-1, 2))
    if len(best):
        marked.append((best, "star", "minimum", STAYS))
    for points, symbol, name, uid in marked:
        data.append(marks(points[:, 0], points[:, 1], uid=uid, marker=dict(
            symbol=symbol, size=13, color=theme.ink, line=dict(width=2, color=theme.ink)),
            hovertemplate=f"{name} (%{{x:.3~g}}, %{{y:.3~g}})<extra></extra>"))
    for name, values in (("xaxis", x), ("yaxis", y)):
        layout[name] |= dict(range=[float(values[0]), float(values[-1])], showgrid=False)
    now, figure = view.so_far, {"data": data, "layout": layout}
    count = len(trace.entrants)
    paths = f"Paths of {count} methods" if count > 1 else "The path of 1 method"
    ends = " ".join(f"{e.title} {'is' if now else 'ends'} at loss {say(f)}{now}."
                    for e, f in zip(trace.entrants, finals, strict=True))
    if projected:
        share, gap = _honesty(trace)
        layout["annotations"] = [theme.remark(gap)]
        alt = (f"{paths} in a plane that holds {share} of their "
               f"variance. {gap}. {ends}")
        title = f"Projected paths{now}: {share} of their variance"
        return Picture("path", title, alt, figure, heads, trail=40)
    winner = int(np.argmin(np.where(gone, np.inf, finals)))
    verb = "is lowest so far" if now else "ends lowest"
    title = f"{trace.entrants[winner].title} {verb}, at {say(finals[winner])}"
    if len(finals) == 1:
        title = f"{trace.entrants[0].title} {'is' if now else 'ends'} at {say(finals[0])}{now}"
    if len({say(f) for f in finals}) == 1 < len(finals):
        title = f"All {'are' if now else 'end'} at {say(finals[0])}{now}"
    elif fall := sum(trace.falls(e.label, run) for e in trace.entrants):
        title = f"{fall} of {len(finals)} fall without end"
    elif all(gone):
        title = "All diverge" if len(finals) > 1 else f"{trace.entrants[0].title} diverges"
    lowest = "with its minimum at " + " and ".join(
        f"({say(float(p[0]))}, {say(float(p[1]))})" for p in best) if len(best) else (
        "whose minimum is not known")
    alt = (f"{paths} from ({say(float(start[0]))}, "
           f"{say(float(start[1]))}) on the loss surface {lowest}. {ends}")
    return Picture("path", title, alt, figure, heads, trail=40, click="start",
                   live=drawn)


def _surface(theme: Theme, x: np.ndarray, y: np.ndarray, z: np.ndarray, projected: bool,
             lowest: float = np.nan) -> dict[str, Any]:
    """Filled contours: powers of ten of f above its lowest on a known plane, else even levels.

    Where the lowest loss is not known and f falls below 0, it is f itself, not its logarithm.
    """
    plain = bool(np.isnan(lowest) and (z < 0).any())
    above = z if np.isnan(lowest) else z - lowest
    height = (z if plain else np.log10(np.clip(above, 1e-6, 1e30))).astype(np.float32)
    some = height[np.isfinite(height)] if np.isfinite(height).any() else np.zeros(1)
    if projected or plain:
        low, high = float(np.quantile(some, 0.02 * plain)), float(np.quantile(some, 0.98))
        levels = dict(start=low, end=high, size=max(high - low, 1e-6) / LEVELS)
    else:
        low, high = float(np.quantile(some, PITS)), float(some.max())
        size = 1.0 if high - low > 3.5 else 0.5 if high - low > 1.5 else 0.25
        levels = dict(start=-3, end=float(np.ceil(high)), size=size)
    ends = dict(zmin=low, zmax=high)
    named = "f" if plain else "log₁₀ f" if not lowest or np.isnan(lowest) else (
        f"log₁₀ (f − {say(lowest)})" if lowest > 0 else f"log₁₀ (f + {say(-lowest)})")
    return dict(
        type="contour", x=x, y=y, z=height, colorscale=theme.surface, **ends,
        showscale=False, contours=dict(coloring="heatmap", **levels),
        line=dict(width=0.8, color=theme.level), hovertemplate=(
            f"(%{{x:.3~g}}, %{{y:.3~g}})<br>{named} = %{{z:{'.4~g' if plain else '.2f'}}}"
            "<extra></extra>"))


def _honesty(trace: Trace) -> tuple[str, str]:
    """The share of the paths' variance that the plane holds, and its largest error in the loss."""
    share = percent(float(trace.plane["explained"].sum()))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.concatenate([c["path_loss"][:n] / c["path_true"][:n] for c, n in (
            (trace[e.label], len(snapshots(trace[e.label]))) for e in trace.entrants)])
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return share, "the loss at the projections is unknown"
    low, high = (say(float(r)) for r in (ratios.min(), ratios.max()))
    return share, f"loss at a projection: {low} … {high} × its iterate's"
