"""Loss of every method against steps, work or seconds. Diagnoses who pays off, by which measure."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import curve, marks
from qnviz.figures.theme import Head, Picture, Theme, log_axis, log_range, time_range
from qnviz.figures.views import chosen, end_labels, room, so_far, stroke
from qnviz.runs.trace import Entrant, Trace, at_every_step, clock, looks
from qnviz.words import say

AXES = {"iterations": "step", "work": "work (forward passes of the batch)",
        "seconds": "seconds in the method"}
OTHERS = (("test_loss", "held-out loss"), ("error", "squared error per held-out image"))
FLOOR = 1e-16                         # below this a loss of order one is rounding


def loss(trace: Trace, theme: Theme, axis: str = "iterations", run: int = 0) -> Picture:
    """The reported loss; where the run has them, held-out loss and error to choose instead."""
    kinds = [("loss", str(trace.scene["loss_name"]))] + [
        (column, words) for column, words in OTHERS
        if all(column in trace[e.label] for e in trace.entrants)]
    pictures = [curves(trace, theme, axis, run, *kind) for kind in kinds]
    if len(pictures) > 1:
        for picture, (_, words) in zip(pictures, kinds, strict=True):
            picture.label = words
    return chosen(pictures)


def curves(trace: Trace, theme: Theme, axis: str, run: int, column: str, words: str) -> Picture:
    """One number of every entrant on a log axis; a cross marks where a run diverged."""
    data: list[dict[str, Any]] = []
    heads, ends, lows, starts, tops = [], [], [], [], []
    for i, e in enumerate(trace.entrants):
        c = trace[e.label]
        step, at, ticks = looks(c, run), at_every_step(c, run), clock(c, axis, run)
        x, y = ticks[step], np.maximum(c[column][:len(step), run], FLOOR)
        data.append(curve(x, y, name=e.title, meta={"entrant": i}, line=stroke(theme, e),
                          hovertemplate=f"{e.title}: %{{y:.3~g}} at %{{x:.4~g}}<extra></extra>"))
        if c["status"][run] == "diverged":
            data.append(marks(x[-1:], y[-1:], meta={"entrant": i}, hoverinfo="skip", marker=dict(
                symbol="x", size=12, color=theme.tint(e.color))))
        heads.append(Head(i, ticks[:len(at)], y[at]))
        ends.append((e, float(c[column][len(step) - 1, run])))
        lows.append(y.min())
        starts.append(y[0])
        tops.append(y.max())
    # what diverges leaves the picture at the top: it must not squash the others
    top = min(max(tops), 1e4 * max(starts))
    span = log_range(max(min(lows), FLOOR), max(top, 10 * FLOOR), trace.unfinished)
    texts = [f"{e.title} {_final(value)}" for e, value in ends]
    layout = theme.base(AXES[axis], words, right=room(texts))
    layout["yaxis"] |= log_axis(span)
    layout["xaxis"]["range"] = time_range(trace, trace.entrants, axis, run)
    layout["annotations"] = end_labels(theme, [
        (text, float(np.log10(max(value, FLOOR))), theme.tint(e.color))
        for text, (e, value) in zip(texts, ends, strict=True)], span)
    alt = f"{words[0].upper()}{words[1:]} over " + AXES[axis] + ". " + " ".join(
        trace.ends[e.label][run].replace("Converged", f"{e.title} converged").replace(
            "Diverged", f"{e.title} diverged").replace("Used all", f"{e.title} used all")
        for e in trace.entrants if run < len(trace.ends.get(e.label, [])))
    name = "Loss" if column == "loss" else f"{words[0].upper()}{words[1:]}"
    return Picture("loss", f"{name}: {_title(ends, so_far(trace))}", alt,
                   {"data": data, "layout": layout}, heads, cursor=axis == "iterations")


def _title(ends: list[tuple[Entrant, float]], now: str) -> str:
    order = sorted(ends, key=lambda pair: pair[1])
    (first, low), (last, high) = order[0], order[-1]
    if high > low:
        return f"{first.title} lowest, {last.title} highest{now}"
    return f"{_final(low)}{now}" if now else f"ends at {_final(low)}"


def _final(value: float) -> str:
    return say(value) if value < 1e6 else "diverged"
