"""The scoreboard as a picture: a table of numbers, each above the strip of its single runs.

It diagnoses what a mean hides: two groups of runs, a long tail, failures, and whether methods that
differ by their means differ at all.
"""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from qnviz.figures.colors import veil
from qnviz.figures.draw import marks, note, rule
from qnviz.figures.theme import FONT, LIGHT, Picture, Theme, log_axis
from qnviz.numbers import say

ROW, HEAD, FOOT, NAMES, GAP = 45, 46, 46, 168, 0.012   # pixels; the last, a share of the width
EDGE = 0.07                          # of a strip, right of its longest run: where failures stand
GOLDEN = 0.6180339887                # its multiples fill a strip evenly, and always the same way
TITLES = {"iterations": "iterations", "work": "work, in forward passes", "seconds": "seconds"}


@dataclass(frozen=True)
class Strip:
    """One cell: its text and its runs, `taken` (R, 3) in iterations, work and seconds."""

    row: int
    column: int
    text: str
    taken: np.ndarray
    reached: np.ndarray              # (R,) bool
    color: str
    marker: str
    hover: str                       # settings and more, lines parted by <br>
    best: bool = False
    differs: bool = False            # from the reference
    link: str = ""


@dataclass(frozen=True)
class Table:
    """What is drawn: names, cells (also fewer than all, while they come), and the unit."""

    rows: Sequence[str]
    columns: Sequence[str]
    strips: Sequence[Strip] = field(default_factory=list)
    unit: str = "iterations"
    title: str = ""
    theme: Theme = LIGHT


def height(rows: int) -> int:
    """Pixels of a table with so many rows."""
    return HEAD + FOOT + ROW * rows


def scoreboard(t: Table) -> Picture:
    """The table; columns have log axes of their own, failed runs are crosses at their right end."""
    theme = t.theme
    layout = theme.base("", "")
    n, width = len(t.rows), 1 / len(t.columns)
    layout["margin"] = dict(l=NAMES, r=6, t=HEAD, b=FOOT)
    layout["yaxis"] |= dict(range=[n - 0.5, -0.5], showgrid=False, ticks="", fixedrange=True,
                            tickvals=list(range(n)), ticktext=[_name(r) for r in t.rows],
                            tickfont=dict(color=theme.ink, size=14))
    layout |= dict(dragmode=False, annotations=[], shapes=_rules(theme, n))
    data: list[dict[str, Any]] = []
    for j, column in enumerate(t.columns):
        here = [s for s in t.strips if s.column == j]
        span = _span(here, t.unit)
        axis = f"xaxis{j + 1 if j else ''}"
        layout[axis] = theme.axis(TITLES[t.unit]) | log_axis(span, 4) | dict(
            domain=[j * width + GAP / 2, (j + 1) * width - GAP / 2], anchor="y", fixedrange=True,
            range=span)
        ref = axis.replace("axis", "")
        head = html.escape(column).replace(", ", "<br>", 1)                 # on two lines
        layout["annotations"].append(note(
            f"<b>{head}</b>", 0.5, 1, xref=f"{ref} domain", yref="paper",
            yanchor="bottom", font=dict(size=13, color=theme.ink)))
        data.append(marks(np.zeros(0), np.zeros(0), xaxis=ref, yaxis="y"))  # draws empty axes
        layout["annotations"] += [
            note("…", 0.5, i - 0.22, xref=f"{ref} domain", yref="y",
                 font=dict(size=14, color=theme.muted))
            for i in set(range(n)) - {s.row for s in here}]
        for s in here:
            data += _dots(theme, s, t.unit, ref, span)
            layout["annotations"].append(_text(theme, s, ref))
            if s.best:
                layout["shapes"].append(dict(
                    type="rect", xref=f"{ref} domain", x0=0, x1=1, y0=s.row - 0.46,
                    y1=s.row + 0.46, line=dict(color=theme.ink, width=1.5),
                    fillcolor=theme.band, layer="below"))
    return Picture("scoreboard", t.title, _alt(t), {"data": data, "layout": layout})


def _rules(theme: Theme, rows: int) -> list[dict[str, Any]]:
    return [rule(i + 0.5, color=theme.grid, width=1) | {"layer": "below"}
            for i in range(rows - 1)]


def _name(title: str) -> str:
    return html.escape(title) + "  "


def _values(s: Strip, unit: str) -> np.ndarray:
    return np.maximum(s.taken[:, list(TITLES).index(unit)], 1e-9)


def _span(strips: Sequence[Strip], unit: str) -> list[float]:
    """The log range of a column: its runs that reached the target, with space for crosses."""
    good = [v for s in strips for v in _values(s, unit)[s.reached]]
    low, high = (np.log10(min(good)), np.log10(max(good))) if good else (0.0, 1.0)
    wide = max(high - low, 0.5)
    return [float(low - 0.06 * wide), float(high + 2 * EDGE * wide)]


def _dots(theme: Theme, s: Strip, unit: str, ref: str, span: list[float]) -> list[dict[str, Any]]:
    """Runs as marks on the column's axis; those that failed as crosses at its right end."""
    color, runs = theme.tint(s.color), np.arange(len(s.reached))
    y = s.row + 0.22 + 0.26 * ((GOLDEN * runs) % 1 - 0.5)
    values = np.concatenate([runs[:, None] + 1, s.taken], 1)
    end = 10.0 ** (span[1] - EDGE / 2 * (span[1] - span[0]))
    found = []
    for good, symbol, x in ((True, s.marker, _values(s, unit)), (False, "x-thin", None)):
        mask = s.reached == good
        if not mask.any():
            continue
        line = dict(width=0) if good else dict(width=1.6, color=theme.alarm)
        fate = "" if good else "did not reach the target<br>"
        found.append(marks(
            (x if x is not None else np.full(len(runs), end))[mask], y[mask], xaxis=ref, yaxis="y",
            marker=dict(symbol=symbol, size=5 if good else 7, line=line,
                        color=veil(color, 0.55) if good else theme.alarm),
            customdata=values[mask], hovertemplate=(
                f"run %{{customdata[0]}}: {fate}%{{customdata[1]:,}} iterations, "
                "%{customdata[2]:,} units of work, %{customdata[3]:.3~g} s"
                f"<br>{s.hover}<extra></extra>")))
    return found


def _text(theme: Theme, s: Strip, ref: str) -> dict[str, Any]:
    words = html.escape(s.text) + (" ≠" if s.differs else "")
    words = f"<b>{words}</b>" if s.best else words
    if s.link:
        words = (f'<a href="{html.escape(s.link)}" target="_self" style="color:{theme.ink}">'
                 f"{words}</a>")
    return note(words, 0.5, s.row - 0.22, xref=f"{ref} domain", yref="y", hovertext=s.hover,
                font=dict(size=14, color=theme.ink), hoverlabel=dict(
                    bgcolor=theme.paper, font=dict(color=theme.ink, family=FONT, size=13),
                    bordercolor=theme.grid))


def _alt(t: Table) -> str:
    """The table in words: its title, and a line for each row."""
    rows = []
    for i, row in enumerate(t.rows):
        cells = {s.column: s for s in t.strips if s.row == i}
        words = [f"{c}: {cells[j].text}{', the best' if cells[j].best else ''}"
                for j, c in enumerate(t.columns) if j in cells]
        if words:
            rows.append(f"{row}: " + "; ".join(words))
    return (f"{t.title} Table of {len(t.rows)} methods on {len(t.columns)} problems, in "
            f"{TITLES[t.unit]}, mean ± standard deviation. " + ". ".join(rows) + ".")


def in_words(settings: dict[str, Any]) -> str:
    """Settings in a line: lr = 0.002, momentum = 0.95."""
    return ", ".join(f"{name} = {say(v) if isinstance(v, float) else v}"
                     for name, v in settings.items()) or "all settings at their defaults"
