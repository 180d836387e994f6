"""What conjugate gradients met at each outer step, and why it ended there.

Above: the Rayleigh quotients κ/‖p‖² along CG's directions, between the extreme eigenvalues of the
exact Hessian, on a signed log axis. Below: iterations per step, coloured by the reason of the end.
Diagnoses: where curvature turned negative, and how much work early termination saved. With a
fresh batch for every product, quotients need not lie in the band, which is the step's own batch's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import curve, marks
from qnviz.figures.race import UNSTARTED, WAITING, Columns, RaceView
from qnviz.figures.signed import ZERO, Signed
from qnviz.figures.theme import Head, Picture, Theme
from qnviz.numbers import round_up, say
from qnviz.runs.trace import Entrant

EMPTY = ("No method here solves its step by Krylov iterations. Add Newton-Krylov to see each "
         "one, and why it ended.")
REASONS = ("converged", "negative curvature", "disturbing", "budget", "non finite",
           "zero curvature", "stagnated")          # by their numbers in a trace
SPLIT = 0.40                          # the lower part's share of the height


def krylov(view: RaceView) -> Picture:
    """Curvature seen by CG, iterations per step, and the reasons, of the first such entrant."""
    theme = view.theme
    shown = solving(view)
    if not shown:
        return view.notice("krylov", "No Krylov iterations to look at", idle(view) or EMPTY)
    i, e, c = shown[0]
    x, steps = view.clock(e)[1:], view.steps(e)
    layout = view.layout("curvature seen")
    data: list[dict[str, Any]] = []
    # CG sees the batch: under noise the band is the batch's Hessian, not the one at ε = 1
    whose = "batch_hessian" if "batch_hessian_min" in c else "hessian"
    ends = [c[f"{whose}_{m}"][:steps, view.run] for m in ("min", "max") if f"{whose}_{m}" in c]
    rayleigh = view.events(e, "rayleigh")
    signed = Signed(rayleigh, *ends)
    if ends:
        data += _band(theme, x, signed, *ends)
    at = np.repeat(x[:, None], rayleigh.shape[1], 1)
    reasons = view.events(e, "krylov_reason").astype(int)
    zero = _last(rayleigh) & (reasons == REASONS.index(ZERO))[:, None]
    negative = (rayleigh < 0) & ~zero
    for mask, symbol, color, size in (
            (np.isfinite(rayleigh) & ~negative & ~zero, "circle", theme.tint(e.color), 6),
            (negative, "x", theme.alarm, 9),
            (zero, "line-ew-open", theme.reasons[ZERO][0], 10)):
        data.append(marks(
            at[mask], signed(rayleigh[mask]), meta={"entrant": i},
            marker=dict(symbol=symbol, size=size, color=color), customdata=rayleigh[mask],
            hovertemplate="pᵀHp/pᵀp = %{customdata:.3~g}<extra></extra>"))
    width = np.diff(np.concatenate([[0.0], x]))
    counts = view.events(e, "krylov_iterations")
    for code, words in enumerate(REASONS):
        mask = reasons == code
        if mask.any():
            data.append(dict(
                type="bar", x=x[mask] - width[mask] / 2, y=counts[mask], width=0.86 * width[mask],
                yaxis="y2", meta={"entrant": i}, marker=theme.bar(words),
                hovertemplate=f"%{{y}} iterations: {words}<extra></extra>"))
    layout |= dict(barmode="overlay", bargap=0)
    layout["yaxis"] |= dict(
        domain=[SPLIT + 0.04, 1], zeroline=True, zerolinecolor=theme.muted, **signed.axis())
    layout["yaxis2"] = theme.axis("iterations") | dict(
        domain=[0, SPLIT - 0.04], rangemode="tozero", tickformat="d",
        dtick=int(round_up(max(float(counts.max()) / 4, 1))))
    layout["xaxis"] |= dict(range=view.span([e]), anchor="y2")
    early = {w: int((reasons == k).sum()) for k, w in enumerate(REASONS) if (reasons == k).any()}
    title = f"{e.title}{view.so_far}: " + ", ".join(
        f"{n} × {'to tolerance' if w == 'converged' else w}" for w, n in early.items())
    alt = (f"{e.title}'s inner conjugate-gradient iterations over {steps} outer steps: "
           f"{int(counts.sum())} iterations in all. Ended by "
           + ", ".join(f"{w} {n} time{'s' * (n != 1)}" for w, n in early.items())
           + ". Curvature along its "
           f"directions lay between {say(np.nanmin(rayleigh))} and {say(np.nanmax(rayleigh))}.")
    head = np.concatenate([[np.nan], signed(_last_finite(rayleigh))])
    return Picture("krylov", title, alt, {"data": data, "layout": layout},
                   [Head(i, view.clock(e), head)], cursor=view.cursor,
                   live=view.following(_live(theme, i, e, whose if ends else "", signed.unit)))


def solving(view: RaceView) -> list[tuple[int, Entrant, Columns]]:
    """The entrants that have solved a step by Krylov iterations."""
    return [(i, e, c) for i, e, c in view.holding("krylov_reason") if view.steps(e)]


def idle(view: RaceView) -> str:
    """What explains that nobody has: no step was taken yet; empty where that is not the reason.

    An entrant shows by its first step whether its method solves for it.
    """
    started = [view.steps(e) > 0 for e in view.trace.entrants]
    if view.trace.unfinished and not all(started):
        return WAITING
    return "" if any(started) else UNSTARTED


def _band(theme: Theme, x: np.ndarray, signed: Signed, low: np.ndarray,
          high: np.ndarray) -> list[dict[str, Any]]:
    """Between the exact Hessian's extreme eigenvalues, where all quotients on its batch lie."""
    return [curve(x, signed(values), line=dict(color=theme.muted, width=1), customdata=values,
                  hovertemplate="Hessian eigenvalue %{customdata:.3~g}<extra></extra>", **fill)
            for values, fill in ((low, {}), (high, dict(fill="tonexty", fillcolor=theme.band)))]


def _live(theme: Theme, i: int, e: Entrant, whose: str, unit: float) -> list[live.Mark]:
    """The same for a canvas, on the axis as it is; `whose` names the band's columns, if any."""
    low, high = (live.column(f"{whose}_{m}", signed=unit) for m in ("min", "max"))
    drawn = [live.band(i, low, high, theme.band),
             *(live.line(i, end, theme.muted, width=1.0) for end in (low, high))] if whose else []
    seen = live.column("rayleigh", signed=unit)
    negative = live.when("rayleigh", "below", 0)
    zero = [live.when("rayleigh", "last"),
            live.when("krylov_reason", "equals", REASONS.index(ZERO))]
    drawn += [live.bars(i, live.column("krylov_iterations"), theme.bar(words), axis="y2",
                        share=0.86, where=[live.when("krylov_reason", "equals", code)])
              for code, words in enumerate(REASONS)]
    return [*drawn,
            live.dots(i, seen, "circle", 6, theme.tint(e.color), unless=zero,
                      where=[live.when("rayleigh", "from", 0)]),
            live.dots(i, seen, "x", 9, theme.alarm, where=[negative], unless=zero),
            live.dots(i, seen, "line-ew-open", 10, theme.reasons[ZERO][0], where=zero),
            live.head(i, live.column("rayleigh", last=True, signed=unit))]


def _last(a: np.ndarray) -> np.ndarray:
    """A mask of the last finite value of each row."""
    count = np.isfinite(a).sum(1)
    return np.arange(a.shape[1]) == count[:, None] - 1


def _last_finite(a: np.ndarray) -> np.ndarray:
    """The last finite value of each row."""
    count = np.isfinite(a).sum(1)
    return np.where(count > 0, a[np.arange(len(a)), np.maximum(count - 1, 0)], np.nan)
