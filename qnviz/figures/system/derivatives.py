"""Error against the step h of each kind of derivative, and what each kind costs.

Diagnoses: how many digits a kind of derivative leaves, and how carefully h has to be chosen for it.
A finite difference draws a V, truncation to the right and rounding to the left; the complex step
subtracts nothing, so only its right arm is left, down to a floor.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from qnviz.figures.colors import veil
from qnviz.figures.draw import curve, marks, note
from qnviz.figures.theme import LIGHT, Picture, Theme, log_axis, log_range
from qnviz.numbers import say

# in words, colour of Okabe and Ito, dash
KINDS = {
    "forward_difference": ("forward difference", "#E69F00", "dot"),
    "finite_difference": ("central difference", "#D55E00", "dash"),
    "complex_step": ("complex step", "#0072B2", "solid"),
    "pairs": ("dual numbers", "#009E73", "dashdot"),
    "backward": ("backward pass", "#CC79A7", "longdash"),
    "forward_over_reverse": ("forward over reverse", "#56B4E9", "longdashdot"),
    "double_backward": ("double backward", "#CC79A7", "longdash")}
COSTS = {name: words for name, (words, _, _) in KINDS.items()} | {
    "gradient": "one gradient", "complex_step_denormal": "complex step, h = 1e−20"}
STEPS = ("forward_difference", "finite_difference", "complex_step")
LINE = 0.06                                    # of a picture's height, per line of words
LAST_BITS = 4                                  # times the rounding: agreement "to the last bits"


class Errors(Protocol):
    """What `studies/derivatives.py` finds about one derivative."""

    @property
    def h(self) -> np.ndarray:
        """Steps (K,), falling."""
        ...

    @property
    def by_step(self) -> dict[str, np.ndarray]:
        """Kind → errors (K,)."""
        ...

    @property
    def without_step(self) -> dict[str, float]:
        """Kind → its error."""
        ...

    @property
    def expected(self) -> dict[str, np.ndarray]:
        """Kind → truncation + rounding (K,), to leading order."""
        ...

    @property
    def eps(self) -> float:
        """The precision's rounding."""
        ...

    @property
    def relative(self) -> bool:
        """Whether errors are relative."""
        ...

    @property
    def spread(self) -> float:
        """The largest difference of two kinds without a step."""
        ...

    @property
    def holds(self) -> tuple[float, float] | None:
        """Between which h the complex step is at its floor."""
        ...

    @property
    def floor(self) -> float:
        """The complex step's median error there."""
        ...

    @property
    def kink(self) -> float | None:
        """From which h on differences cross a kink."""
        ...


class Costs(Protocol):
    """What was measured: ratios (3, kinds) are quartiles with the median between."""

    @property
    def kinds(self) -> tuple[str, ...]:
        """Their names, one gradient first."""
        ...

    @property
    def seconds(self) -> np.ndarray:
        """Measured times (N, kinds)."""
        ...

    @property
    def ratios(self) -> np.ndarray:
        """Quartiles and median in gradients (3, kinds)."""
        ...

    @property
    def units(self) -> np.ndarray:
        """What a run is charged (kinds,)."""
        ...

    @property
    def net(self) -> str:
        """What it was measured on."""
        ...


def best(e: Errors, kind: str) -> tuple[float, float] | None:
    """The step with the smallest error, and that error; of several, the largest step."""
    errors = e.by_step[kind]
    if not np.isfinite(errors).any():
        return None
    at = int(np.nanargmin(errors))             # h falls: the first is the largest
    return float(e.h[at]), float(errors[at])


def arms(e: Errors, kind: str) -> tuple[float, float] | None:
    """Slopes of error against h on both log axes, left and right of the best step; None if unclear.

    Right of it between 10 times the best step and the largest or the first kink, left of it while
    the error is below a tenth.
    """
    lowest = best(e, kind)
    if lowest is None or lowest[1] <= 0:
        return None
    errors, (h0, _) = e.by_step[kind], lowest
    # above 0.03 the next order of the truncation is seen
    right = (e.h >= 10 * h0) & (e.h <= 0.03) & (e.h < (e.kink or np.inf))
    left = (e.h <= h0 / 10) & (errors < 0.1)
    slopes = []
    for mask in (left, right):
        mask &= np.isfinite(errors) & (errors > 0)
        if mask.sum() < 6:
            return None
        slopes.append(float(np.polyfit(np.log10(e.h[mask]), np.log10(errors[mask]), 1)[0]))
    return slopes[0], slopes[1]


@dataclass(frozen=True)
class ErrorsView:
    """One derivative's errors as their picture is to show them."""

    errors: Errors
    id: str
    name: str                                  # of the derivative
    theme: Theme = LIGHT


@dataclass(frozen=True)
class CostsView:
    """Measured costs as their picture is to show them."""

    costs: Costs
    theme: Theme = LIGHT


def errors(view: ErrorsView) -> Picture:
    """Error against h on log axes, for every kind; kinds without a step are level lines."""
    theme, e = view.theme, view.errors
    zero, span = _bottom(e)
    unit = "relative" if e.relative else "absolute"
    layout = theme.base("step h", f"{unit} error", right=14)
    # the upper end is 10^-0.7, so that the largest step stands clear of the frame
    layout["xaxis"] |= log_axis([np.log10(e.h[-1]) - 0.4, np.log10(e.h[0]) + 0.3], 8)
    layout["yaxis"] |= log_axis(span, 7)
    data: list[dict[str, Any]] = []
    if zero is not None:
        axis = layout["yaxis"]
        kept = [(v, t) for v, t in zip(axis["tickvals"], axis["ticktext"], strict=True)
                if v > 30 * zero]
        axis |= dict(tickvals=[zero, *(v for v, _ in kept)], ticktext=["0", *(t for _, t in kept)])
        data.append(curve(e.h[[0, -1]], np.full(2, zero), line=dict(color=theme.muted, width=1),
                          hovertemplate="no error at all<extra></extra>"))
    if e.kink is not None:
        layout["shapes"] = [dict(type="rect", x0=e.kink, x1=2 * e.h[0], y0=0, y1=1, yref="paper",
                                 fillcolor=theme.band, line=dict(width=0), layer="below")]
    for kind in STEPS:
        data += _kind(theme, e, kind, zero, span)
    data += _lines(theme, e, zero)
    layout["annotations"] += _labels(theme, e, zero, span)
    title = finding(e, view.name)
    return Picture(view.id, title, _alt(e, title, unit), {"data": data, "layout": layout})


def _bottom(e: Errors) -> tuple[float | None, list[float]]:
    """Where errors of exactly 0 are drawn, if there are any, and the axis's range."""
    seen = np.concatenate([*e.by_step.values(), list(e.without_step.values())])
    seen = seen[np.isfinite(seen)]
    positive = seen[seen > 0]
    low = min(float(positive.min()), e.eps) if len(positive) else e.eps
    zero = 10.0 ** (np.floor(np.log10(low)) - 1.5) if (seen == 0).any() else None
    high = max(float(positive.max()), 1.0) if len(positive) else 1.0
    low, high = log_range((zero or low) / 30, high)       # space for words below the lowest line
    return zero, [low, high]


def _shown(values: np.ndarray, zero: float | None) -> np.ndarray:
    return values if zero is None else np.where(values == 0, zero, values)


def _kind(theme: Theme, e: Errors, kind: str, zero: float | None, span: list[float]) -> list[
        dict[str, Any]]:
    """One kind against h, with theory thin beneath it and its best step marked."""
    words, color, dash = KINDS[kind]
    color = theme.tint(color)
    errors, parts = e.by_step[kind], []
    if e.relative and kind != "complex_step":
        theory = e.expected[kind]
        theory = np.where((theory > 10.0 ** span[0]) & (theory < 1), theory, np.nan)
        parts.append(curve(e.h, theory, line=dict(color=veil(color, 0.55), width=1),
                           hovertemplate=f"{words}, theory: %{{y:.1e}}<extra></extra>"))
    parts.append(curve(e.h, _shown(errors, zero), line=dict(
        color=color, width=3.2 if kind == "complex_step" else 2, dash=dash), customdata=errors,
        hovertemplate=f"{words}<br>h = %{{x:.1e}}, error %{{customdata:.1e}}<extra></extra>"))
    lowest = best(e, kind)
    if lowest and kind != "complex_step":
        h0, e0 = np.array([lowest[0]]), np.array([lowest[1]])
        parts.append(marks(h0, _shown(e0, zero), marker=dict(
            symbol="circle", size=10, color=color, line=dict(color=theme.paper, width=1.5)),
            hovertemplate=f"best {words}: {say(lowest[1])} at h = {say(lowest[0])}"
                          "<extra></extra>"))
    return parts


def _lines(theme: Theme, e: Errors, zero: float | None) -> list[dict[str, Any]]:
    """Kinds without a step, as level lines."""
    return [curve(e.h[[0, -1]], _shown(np.full(2, value), zero), line=dict(
        color=theme.tint(KINDS[kind][1]), width=1.6, dash=KINDS[kind][2]),
        hovertemplate=f"{KINDS[kind][0]}: {say(value)}<extra></extra>")
        for kind, value in e.without_step.items()]


def _labels(theme: Theme, e: Errors, zero: float | None, span: list[float]) -> list[
        dict[str, Any]]:
    """Each line's name beside it. Annotations on log axes stand at logarithms."""
    found = []

    def put(text: str, h: float, error: float, color: str, **more: Any) -> None:
        y = np.clip(np.log10(error if error > 0 else zero or 1.0), span[0], span[1])
        found.append(note(text, float(np.log10(h)), float(y), font=dict(
            size=14, color=theme.legible(theme.tint(color))), **more))

    lowest = {k: at for k in STEPS[:2] if (at := best(e, k)) and at[1] > 0}
    near = len(lowest) == 2 and abs(np.log10(
        lowest[STEPS[0]][1] / lowest[STEPS[1]][1])) < LINE * (span[1] - span[0])
    for kind, at in lowest.items():            # the left arm rises: below it there is space
        put(f"{KINDS[kind][0]}, best {say(at[1])}", *at, KINDS[kind][1], xanchor="right",
            yanchor="top", xshift=-8, yshift=-16 if near and kind == STEPS[1] else 2)
    middle = float(10.0 ** np.mean(np.log10(e.holds or (e.h[-1], e.h[0]))))
    flat = e.by_step["complex_step"][np.abs(np.log10(e.h / middle)) < 4]
    flat = np.concatenate([flat[np.isfinite(flat)], list(e.without_step.values())])
    if e.holds:
        put("complex step", middle, float(flat.max()), KINDS["complex_step"][1],
            yanchor="bottom", yshift=3)
    put(", ".join(KINDS[k][0] for k in e.without_step), middle, float(flat.min()),
        KINDS["pairs"][1], yanchor="top", yshift=-4)
    if e.kink is not None:
        found.append(note("across<br>a kink", 1, 0.35, xref="paper", yref="paper", xanchor="right",
                          yanchor="bottom", align="right",
                          font=dict(size=12, color=theme.muted)))
    return found


def finding(e: Errors, name: str) -> str:
    """What the picture found, in one sentence."""
    central = best(e, "finite_difference")
    found = []
    if central:
        found.append(f"central differences {_reach(central[1])} at {_h('=', central[0])}")
    if e.holds is None:
        found.append("the complex step gives no number here")
    else:
        low, high = e.holds
        low_end = " and breaks down below" if low > 1.01 * e.h[-1] else ""
        where = f"from {_h('=', high)} to {say(low)}{low_end}" if low_end else (
            f"at every {_h('≤', high)}")
        found.append(f"the complex step {_reach(e.floor, one=True)} {where}")
    if e.kink is not None:
        found.append(f"from {_h('=', e.kink)} on, differences straddle a kink")
    return f"{name}: {'; '.join(found)}"


def _h(sign: str, value: float) -> str:
    """What h is, in words between which no line ends."""
    return f"h {sign} {say(value)}".replace(" ", "\N{NO-BREAK SPACE}")


def _reach(error: float, one: bool = False) -> str:
    if error == 0:
        return "is exact" if one else "are exact"
    return f"{'gets' if one else 'get'} down to {say(error)}"


def agreement(e: Errors) -> str:
    """How far the kinds without a step agree, in words."""
    names = " and ".join([", ".join(KINDS[k][0] for k in list(e.without_step)[:-1]),
                          KINDS[list(e.without_step)[-1]][0]])
    how = "to the last bits" if e.spread <= LAST_BITS * e.eps else f"to {say(e.spread)}"
    return f"{names} agree {how}"


def _alt(e: Errors, title: str, unit: str) -> str:
    """The picture in words, from its data."""
    parts = [f"{title}. Log-log plot of {unit} error against the step h from {say(e.h[0])} down to "
             f"{say(e.h[-1])}."]
    for kind in STEPS[:2]:
        if lowest := best(e, kind):
            slopes = arms(e, kind)
            v = (f", a V with slopes {slopes[0]:.1f} left and {slopes[1]:.1f} right of it"
                 if slopes else "")
            parts.append(f"The {KINDS[kind][0]} is best at h = {say(lowest[0])} with error "
                         f"{say(lowest[1])}{v}.")
    lines = ", ".join(f"{KINDS[k][0]} {say(v)}" for k, v in e.without_step.items())
    parts.append(f"Without a step: {lines}; {agreement(e)}.")
    return " ".join(parts)


def costs(view: CostsView) -> Picture:
    """Bars of measured time in gradients, with quartiles; a line where a run's charge lies."""
    theme, c = view.theme, view.costs
    low, middle, high = c.ratios
    order = np.argsort(-middle)                                # the cheapest on top
    names = [COSTS[c.kinds[i]] for i in order]
    colors = [theme.tint(KINDS[c.kinds[i]][1]) if c.kinds[i] in KINDS else theme.muted
              for i in order]
    charge = float(c.units[1:].max() / c.units[0])
    layout = theme.base("time, in gradients", "")
    layout["margin"] |= dict(l=200)            # names with their numbers, clear of every line
    layout["xaxis"] |= dict(range=[0, 1.08 * float(max(high.max(), charge))], nticks=8)
    layout["yaxis"] |= dict(
        showgrid=False, ticks="", tickfont=dict(color=theme.ink, size=14), tickvals=names,
        ticktext=[f"{n}  <b>{m:.1f}</b>" for n, m in zip(names, middle[order], strict=True)])
    layout["bargap"] = 0.3
    layout["shapes"] = [dict(type="line", x0=charge, x1=charge, y0=0, y1=1, yref="paper",
                             line=dict(color=theme.muted, width=1.5, dash="dash"),
                             layer="below")]
    layout["annotations"] = [note(
        f"charged: {say(c.units[1:].max())} units = {say(charge)} gradients", charge, 1,
        yref="paper", xanchor="left", yanchor="top", xshift=4,
        font=dict(size=12, color=theme.muted))]
    bar = dict(type="bar", orientation="h", x=middle[order], y=names, marker=dict(color=colors),
               error_x=dict(type="data", symmetric=False, array=(high - middle)[order],
                            arrayminus=(middle - low)[order], color=theme.ink, thickness=1.2,
                            width=4),
               hovertemplate="%{y}: %{x:.2f} gradients<extra></extra>")
    cost = dict(zip(c.kinds, middle, strict=True))
    title = (f"A product Hv costs {cost['pairs']:.1f} gradients by dual numbers, "
             f"{cost['complex_step']:.1f} in complex arithmetic, {cost['double_backward']:.1f} by "
             "double backward")
    gradient = 1e3 * float(np.median(c.seconds[:, 0]))
    rows = "; ".join(f"{COSTS[k]} {m:.1f} (quartiles {a:.1f} to {b:.1f})"
                     for k, a, m, b in zip(c.kinds, low, middle, high, strict=True))
    alt = (f"{title}. Bars of median time of {len(c.seconds)} repeats, in gradients of "
           f"{say(gradient)} ms, on {c.net}: {rows}.")
    return Picture("costs", title, alt, {"data": [bar], "layout": layout})
