"""A Newton system iteration by iteration: residual, model and curvature of CG and of MINRES.

Diagnoses: what each solver makes small, and in which direction curvature ended it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import curve, level, marks, note
from qnviz.figures.signed import ZERO, Signed
from qnviz.figures.system import SystemView
from qnviz.figures.system.views import (
    STYLES,
    ended,
    fired,
    stroke,
    zeros,
)
from qnviz.figures.theme import Head, Picture, log_axis, log_range
from qnviz.numbers import say

FLOOR = 1e-300                        # below it a log axis has no place
SAME = 1e-3                           # relative distance of two ends that a title calls one


def residual(view: SystemView) -> Picture:
    """‖r_j‖ of both solvers against the tolerance."""
    system, theme = view.system, view.theme
    values = [np.maximum(s.residual, FLOOR) for s in system.solves]
    goal = max(system.tolerance, FLOOR)
    span = log_range(min(goal, *(v.min() for v in values)), max(v.max() for v in values))
    span[1] += 0.08 * (span[1] - span[0])              # for the words at a rule that fired on top
    layout = view.layout("‖r‖")
    layout["yaxis"] |= log_axis(span, 4)
    across = layout["xaxis"]["range"]
    data = [level(across, goal, color=theme.ink, width=1.2, dash="dot")]
    layout["annotations"] = [note(
        f"η‖g‖ = {say(system.tolerance)}", 0.01, float(np.log10(goal)), xref="paper",
        xanchor="left", yanchor="bottom", font=dict(size=12, color=theme.muted))]
    lines, heads = _lines(view, values, "‖r‖")
    data += lines
    for i, (s, v) in enumerate(zip(system.solves, values, strict=True)):
        mark, words = fired(theme, s, i, float(v[-1]), log=True)
        data.append(mark)
        layout["annotations"].append(words)
    finals = ", ".join(f"{s.title} from {say(s.residual[0])} to {say(s.residual[-1])}"
                       for s in system.solves)
    alt = (f"Residuals of outer step {system.step} over inner iterations: {finals}; the tolerance "
           f"is {say(system.tolerance)}. They ended so: {ended(system)}. " + " ".join(
               f"{s.title}'s residual {_rises(s.residual)}." for s in system.solves))
    return Picture("residual", ended(system), alt, {"data": data, "layout": layout}, heads,
                   cursor=True)


def model(view: SystemView) -> Picture:
    """The model's value q(d_j) of both solvers."""
    system = view.system
    values = [s.model for s in system.solves]
    layout = view.layout("model q(d)")
    layout["yaxis"]["exponentformat"] = "power"
    layout["margin"]["l"] = 78                         # such ticks are wide: −4×10⁻⁵
    data, heads = _lines(view, values, "q")
    lows = {s.title: float(s.model[-1]) for s in system.solves}
    deepest = min(lows, key=lambda name: lows[name])
    others = ", ".join(f"{name}'s {say(v)}" for name, v in lows.items() if name != deepest)
    title = f"{deepest}'s model ends at {say(lows[deepest])}, {others}"
    if np.ptp(list(lows.values())) <= SAME * abs(lows[deepest]):
        title = f"Both models end at {say(lows[deepest])}"
    if all(s.bare for s in system.solves):
        title = "The model was never lowered: −g was used"
    alt = (f"The quadratic model's value at every iterate, from 0 on. {title}. Conjugate gradients "
           "make the model smallest in each Krylov space, MINRES the residual.")
    return Picture("model", title, alt, {"data": data, "layout": layout}, heads, cursor=True)


def curvature(view: SystemView) -> Picture:
    """Rayleigh quotients of CG's directions and of MINRES's residuals, marked by their sign."""
    system, theme = view.system, view.theme
    seen = [s.rayleigh for s in system.solves]
    scale = Signed(*seen, system.eigenvalues[[0, -1]])
    layout = view.layout("curvature seen")
    layout["yaxis"] |= scale.axis() | dict(zeroline=True, zerolinecolor=theme.muted)
    across = layout["xaxis"]["range"]
    data: list[dict[str, Any]] = []
    for value, fill in zip(scale(system.eigenvalues[[0, -1]]),
                           ({}, dict(fill="tonexty", fillcolor=theme.band)), strict=True):
        data.append(level(across, value, color=theme.muted, width=1) | fill)
    heads, negative, flat = [], [], []
    for i, s in enumerate(system.solves):
        color, _, symbol = STYLES[s.solver]
        x = np.arange(1, len(s.rayleigh) + 1)
        zero = zeros(s)
        below = (s.rayleigh < 0) & ~zero
        for mask, shape, tone, size in ((~below & ~zero, symbol, theme.tint(color), 7),
                                        (below, "x", theme.alarm, 10),
                                        (zero, "line-ew-open", theme.reasons[ZERO][0], 12)):
            data.append(marks(
                x[mask], scale(s.rayleigh[mask]), meta={"entrant": i}, customdata=s.rayleigh[mask],
                marker=dict(symbol=shape, size=size, color=tone),
                hovertemplate=f"{s.title}, iteration %{{x}}: %{{customdata:.3~g}}<extra></extra>"))
        heads.append(Head(i, np.arange(len(x) + 1), np.concatenate([[np.nan],
                                                                    scale(s.rayleigh)])))
        if below.any():
            j = int(below.argmax())
            negative.append(f"{s.title} {say(s.rayleigh[j])} at {j + 1}")
        if zero.any():
            flat.append(f"{s.title} at {s.iterations}")
    low, high = (say(f(np.concatenate(seen))) for f in (np.nanmin, np.nanmax))
    ends = [f"{name}: " + ", ".join(which)
            for name, which in (("Negative", negative), ("Zero", flat)) if which]
    title = "; ".join(ends) or (
        f"All positive, {low}" + (f" … {high}" if high != low else ""))
    whole = "eigenvalues" if system.exact else "Lanczos nodes"
    alt = (f"Curvature along CG's directions and MINRES's residuals, which are parallel, so that "
           f"both see the same. {title}. The {whole} of the "
           f"matrix lie between {say(system.eigenvalues[0])} and {say(system.eigenvalues[-1])}.")
    return Picture("curvature", title, alt, {"data": data, "layout": layout}, heads, cursor=True)


def _lines(view: SystemView, values: list[np.ndarray],
           symbol: str) -> tuple[list[dict[str, Any]], list[Head]]:
    """A line per solver from j = 0 on; its head stays at the last iterate that was taken."""
    data, heads = [], []
    for i, (s, v) in enumerate(zip(view.system.solves, values, strict=True)):
        x = np.arange(len(v))
        data.append(curve(
            x, v, name=s.title, meta={"entrant": i}, line=stroke(view.theme, s),
            mode="lines+markers", marker=dict(symbol=STYLES[s.solver][2], size=5),
            hovertemplate=f"{s.title}, j = %{{x}}: {symbol} = %{{y:.4~g}}<extra></extra>"))
        at = np.minimum(np.arange(s.iterations + 1), len(v) - 1)
        heads.append(Head(i, at.astype(float), v[at]))
    return data, heads


def _rises(v: np.ndarray) -> str:
    count = int((np.diff(v) > 0).sum())
    return f"rose {count} times on the way" if count else "never rose"

