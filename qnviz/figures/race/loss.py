"""Loss of every method against steps, work or seconds. Diagnoses who pays off, by which measure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import curve, marks
from qnviz.figures.race import AXES, RaceView
from qnviz.figures.race.views import chosen, end_labels, label_margin, stroke
from qnviz.figures.theme import Head, Picture, log_axis, log_range
from qnviz.numbers import say
from qnviz.runs.trace import Entrant, at_every_step, snapshots

OTHERS = (("test_loss", "held-out loss"), ("error", "squared error per held-out image"))
FLOOR = 1e-32                         # the square of a residual of order one that is rounding

NOWHERE = "This run begins where the function has no value."


class Axis(NamedTuple):
    """How values are drawn: where they stand, above what, the title, a straight axis's range."""

    drawn: Callable[[np.ndarray], np.ndarray]
    lowest: float
    title: str
    straight: list[float] | None
    source: dict[str, Any]                     # the same for a canvas, of `figures.live`


class End(NamedTuple):
    """Where an entrant's line ends."""

    entrant: Entrant
    value: float                               # above the lowest, where that is drawn
    drawn: float                               # on the axis
    diverged: bool
    falls: bool                                # without end


def loss(view: RaceView) -> Picture:
    """The reported loss; where the run has them, held-out loss and error to choose instead."""
    trace = view.trace
    kinds = [("loss", str(trace.scene["loss_name"]))] + [
        (column, words) for column, words in OTHERS
        if all(column in trace[e.label] for e in trace.entrants)]
    pictures = [_curves(view, *kind) for kind in kinds]
    if len(pictures) > 1:
        for picture, (_, words) in zip(pictures, kinds, strict=True):
            picture.label = words
    return chosen(pictures)


def _curves(view: RaceView, column: str, words: str) -> Picture:
    """One number of every entrant on a log axis; a cross marks where a run diverged.

    A loss whose lowest value is known and not 0 is drawn as what it is above it. Where that is not
    known and the loss falls below 0, the axis is straight.
    """
    trace, theme, run = view.trace, view.theme, view.run
    if not any(np.isfinite(c[column][0, run]) for _, _, c in view.entrants):
        return view.notice("loss", "No loss to draw", NOWHERE)
    vertical = _axis(view, column, words)
    data: list[dict[str, Any]] = []
    heads, ends, lows, starts, tops, drawn = [], [], [], [], [], []
    for i, e, c in view.entrants:
        step, at, ticks = snapshots(c, run), at_every_step(c, run), view.clock(e)
        x, y = ticks[step], vertical.drawn(c[column][:len(step), run])
        data.append(curve(x, y, name=e.title, meta={"entrant": i}, line=stroke(theme, e),
                          hovertemplate=f"{e.title}: %{{y:.3~g}} at %{{x:.4~g}}<extra></extra>"))
        if c["status"][run] == "diverged":
            data.append(marks(x[-1:], y[-1:], meta={"entrant": i}, hoverinfo="skip", marker=dict(
                symbol="x", size=12, color=theme.tint(e.color))))
        drawn += [live.line(i, vertical.source, theme.tint(e.color), dash=e.dash, head=True),
                  live.last_dot(i, vertical.source, "x", 12, theme.tint(e.color), "diverged")]
        heads.append(Head(i, ticks, y[at]))
        above = float(c[column][len(step) - 1, run]) - vertical.lowest
        ends.append(End(e, max(above, 0.0) if vertical.lowest else above, float(y[-1]),
                        c["status"][run] == "diverged", trace.falls(e.label, run)))
        lows.append(y.min())
        starts.append(y[0])
        tops.append(y.max())
    # what diverges leaves the picture: it must not squash the others
    top = min(max(tops), 1e4 * max(starts))
    span = vertical.straight or log_range(max(min(lows), FLOOR), max(top, 10 * FLOOR),
                                          trace.unfinished)
    texts = [f"{end.entrant.title} {_final(end)}" for end in ends]
    layout = view.layout(vertical.title, right=label_margin(texts))
    layout["yaxis"] |= dict(range=span) if vertical.straight else log_axis(span)
    layout["xaxis"]["range"] = view.span(trace.entrants)
    layout["annotations"] = end_labels(theme, [
        (text, end.drawn if vertical.straight else float(np.log10(end.drawn)),
         theme.tint(end.entrant.color)) for text, end in zip(texts, ends, strict=True)], span)
    alt = f"{words[0].upper()}{words[1:]} over " + AXES[view.axis] + ". " + " ".join(
        f"{e.title} {end[:1].lower()}{end[1:]}" for e in trace.entrants
        for end in trace.ends.get(e.label, [])[run:run + 1])
    name = "Loss" if column == "loss" else f"{words[0].upper()}{words[1:]}"
    return Picture("loss", f"{name}: {_title(ends, view.so_far)}", alt,
                   {"data": data, "layout": layout}, heads, cursor=view.cursor,
                   live=view.following(drawn))


def _axis(view: RaceView, column: str, words: str) -> Axis:
    """The axis on which a number of all entrants is drawn."""
    run = view.run
    lowest = float(view.trace.plane.get("lowest", np.nan)) if column == "loss" else np.nan
    values = [c[column][:len(snapshots(c, run)), run] for _, _, c in view.entrants]
    if np.isnan(lowest) and any((v < 0).any() for v in values):
        low, high = span = _straight(values, [c["status"][run] == "diverged"
                                              for _, _, c in view.entrants])
        # further out Plotly writes numbers into its paths that browsers do not read
        return Axis(lambda y: np.clip(y, 2 * low - high, 2 * high - low), 0.0, words, span,
                    live.column(column))
    if lowest == 0 or np.isnan(lowest):
        return Axis(lambda y: np.maximum(y, FLOOR), 0.0, words, None,
                    live.column(column, least=FLOOR))
    floor = max(FLOOR, float(np.spacing(abs(lowest))))
    return Axis(lambda y: np.maximum(y - lowest, floor), lowest,
                f"{words} above its lowest, {say(lowest)}", None,
                live.column(column, minus=lowest, least=floor))


def _straight(values: Sequence[np.ndarray], diverged: Sequence[bool]) -> list[float]:
    """The range of a straight axis: all of the runs that stayed, a little of those that did not."""
    first = [float(v[0]) for v in values]
    stayed = [v for v, gone in zip(values, diverged, strict=True) if not gone]
    low, high = (min(v.min() for v in stayed), max(v.max() for v in stayed)) if stayed else (
        min(first), max(first))
    if any(diverged):
        size = 4 * max(1.0, *map(abs, first))
        low, high = (max(min(v.min() for v in values), low - size),
                     min(max(v.max() for v in values), high + size))
    air = 0.05 * max(high - low, 1e-9 * max(abs(low), abs(high)))
    return [float(low - air), float(high + air)]


def _title(ends: list[End], now: str) -> str:
    order = sorted(ends, key=lambda end: np.inf if end.diverged else end.value)
    first, last = order[0], order[-1]
    if fall := sum(end.falls for end in ends):
        return f"falls without end for {fall} of {len(ends)} methods{now}"
    if first.diverged and len(ends) > 1:
        return "all diverged"
    if last.diverged or say(last.value) != say(first.value):
        return f"{first.entrant.title} lowest, {last.entrant.title} highest{now}" if (
            len(ends) > 1) else _final(first)
    return f"{_final(first)}{now}" if now else f"ends at {_final(first)}"


def _final(end: End) -> str:
    return "diverged" if end.diverged else say(end.value)
