"""Every step size that was tried, and why it was refused: line search and trust region in one.

Above: the trials' step sizes a. Below: their Taylor errors against τ. Diagnoses: where the
quadratic model can be trusted, and what a halving costs.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import level, marks, note
from qnviz.figures.race import RaceView
from qnviz.figures.race.krylov import idle
from qnviz.figures.theme import Head, Picture, Theme, log_axis, log_range
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

EMPTY = ("No method here chooses its step by the Taylor error. Add Newton-Krylov to see every "
         "trial.")
FLOOR = 1e-17                         # a Taylor error below it is rounding
SPLIT = 0.54                          # the lower part's share of the height


def trials(view: RaceView) -> Picture:
    """Trials of the first entrant that has some: step sizes above, Taylor errors with τ below."""
    theme, shown = view.theme, [(i, e) for i, e, _ in view.holding("trial_step")]
    if not shown:
        return view.notice("trials", "No trials to look at", idle(view) or EMPTY)
    i, e = shown[0]
    x, tau, steps = view.clock(e)[1:], float(view.setting(e, "tau")), view.steps(e)
    a, error = view.events(e, "trial_step"), np.maximum(view.events(e, "trial_error"), FLOOR)
    tried = np.isfinite(a)
    taken = view.events(e, "step_size")
    accepted = _accepted(tried, taken)
    at = np.repeat(x[:, None], a.shape[1], 1)
    layout = view.layout("step size a")
    data: list[dict[str, Any]] = []
    finite = np.where(np.isfinite(error), error, np.nan)
    for mask, color, symbol, size, words in (
            (accepted, theme.tint(e.color), "circle", 6, "accepted"),
            (tried & ~accepted, theme.alarm, "x", 7, "refused")):
        for y, yaxis, name in ((a, "y", "a"), (finite, "y2", "error")):
            data.append(marks(
                at[mask], y[mask], yaxis=yaxis, meta={"entrant": i},
                marker=dict(symbol=symbol, size=size, color=color),
                hovertemplate=f"{name} = %{{y:.3~g}}: {words}<extra></extra>"))
    span = view.span([e])
    data.append(level(span, tau, color=theme.ink, width=1.2, dash="dot") | {"yaxis": "y2"})
    layout["yaxis"] |= log_axis(log_range(float(np.nanmin(a, initial=1.0)), 1.0), 3) | dict(
        domain=[SPLIT + 0.04, 1])
    heights = finite[np.isfinite(finite)]
    errors = log_range(float(heights.min(initial=tau)), float(heights.max(initial=tau)))
    layout["yaxis2"] = theme.axis("Taylor error") | log_axis(errors, 4) | dict(
        domain=[0, SPLIT - 0.04])
    layout["xaxis"] |= dict(range=span, anchor="y2")
    layout["annotations"] = [note(
        f"τ = {say(tau)}", 0.01, float(np.log10(tau)), xref="paper", yref="y2", xanchor="left",
        yanchor="bottom", font=dict(size=12, color=theme.muted), bgcolor=theme.paper,
        opacity=0.85)]
    title, alt = _words(e, view.so_far, steps, tau, tried, accepted, taken, error)
    head = np.concatenate([[np.nan], np.where(taken > 0, taken, np.nan)])
    return Picture("trials", title, alt, {"data": data, "layout": layout},
                   [Head(i, view.clock(e), head)], cursor=view.cursor,
                   live=view.following(_live(theme, i, e)))


def _live(theme: Theme, i: int, e: Entrant) -> list[live.Mark]:
    """The same for a canvas."""
    accepted = [live.when("trial_step", "last"), live.when("step_size", "above", 0)]
    tried = [live.when("trial_step", "finite")]
    drawn = [live.rule(i, live.setting("tau"), theme.ink, axis="y2", width=1.2, dash="dot")]
    for source, axis in ((live.column("trial_step"), "y"),
                         (live.column("trial_error", least=FLOOR), "y2")):
        drawn += [live.dots(i, source, "circle", 6, theme.tint(e.color), axis=axis,
                            where=accepted),
                  live.dots(i, source, "x", 7, theme.alarm, axis=axis, where=tried,
                            unless=accepted)]
    return [*drawn, live.head(i, live.column("step_size"))]


def _accepted(tried: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Which trial (T, trials) of each step was accepted: the last, unless all were refused."""
    accepted = np.zeros_like(tried)
    some = np.flatnonzero((taken > 0) & tried.any(1))
    accepted[some, tried[some].sum(1) - 1] = True
    return accepted


def _words(e: Entrant, now: str, steps: int, tau: float, tried: np.ndarray, accepted: np.ndarray,
          taken: np.ndarray, error: np.ndarray) -> tuple[str, str]:
    """The title and the alternative text."""
    full, refused = int((taken == 1).sum()), int((tried & ~accepted).sum())
    none = int((taken == 0).sum())
    title = f"{full} of {steps} steps in full, {refused} of {int(tried.sum())} trials refused{now}"
    large = int((tried & ~accepted & (error > tau)).sum())
    alt = (f"{e.title} tried {int(tried.sum())} step sizes in {steps} outer steps and refused "
           f"{refused}: {large} for a Taylor error above τ = {say(tau)}, {refused - large} because "
           f"the loss did not fall. {full} steps were taken in full")
    low = taken[taken > 0]
    if len(low):
        alt += f"; the shortest was a = {say(low.min())}"
    return title, alt + (f". {none} steps found no size at all." if none else ".")
