"""Colours, type and axes of every picture, in a light and a dark theme."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from qnviz.figures.colors import mixed, relit
from qnviz.figures.draw import note
from qnviz.numbers import ROUND, round_between, say, ticks

if TYPE_CHECKING:
    import plotly.graph_objects as go

FONT = '"Source Sans", "Source Sans Pro", system-ui, sans-serif'
STAYS = "stays"                        # of a trace that no hand changes
FINE = (1, 1.5, 2, 3, 5, 7)            # times powers of ten, where 1, 2, 5 lie too far apart


@dataclass(frozen=True)
class Theme:
    """What all pictures of one theme share."""

    name: str
    ink: str                         # text, axes' labels
    muted: str                       # secondary text
    grid: str
    paper: str                       # what is behind the picture
    surface: tuple[tuple[float, str], ...]      # colour scale of a loss surface, low to high
    level: str                       # level lines on it
    band: str                        # a quiet filled area
    alarm: str                       # negative curvature, divergence
    reasons: dict[str, tuple[str, str]]         # why a Krylov iteration ended: colour, pattern
    lamp: tuple[float, float] = (1.0, 0.0)      # entrants' lightness: scale, offset

    def tint(self, color: str) -> str:
        """An entrant's colour in this theme, of the same hue."""
        return color if self.lamp == (1.0, 0.0) else relit(color, *self.lamp)

    def legible(self, color: str) -> str:
        """A colour for text: mixed with ink, as small type needs more contrast."""
        return mixed(color, self.ink, 0.4)

    def base(self, x: str, y: str, *, right: int = 10) -> dict[str, Any]:
        """The layout that all pictures share, with axis titles and the right margin."""
        return dict(
            template={},                       # Plotly's own would add 7 kB that is all overridden
            font=dict(family=FONT, size=13, color=self.ink), paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)", showlegend=False, hovermode="closest", dragmode="zoom",
            margin=dict(l=60, r=right, t=6, b=44), xaxis=self.axis(x), yaxis=self.axis(y),
            annotations=[], hoverlabel=dict(
                bgcolor=self.paper, font=dict(color=self.ink), bordercolor=self.grid))

    def remark(self, text: str) -> dict[str, Any]:
        """A sentence in the lower left corner of a picture, on its ground."""
        return note(text, 0.01, 0.01, xref="paper", yref="paper", xanchor="left",
                    yanchor="bottom", bgcolor=self.paper, opacity=0.85,
                    font=dict(size=12, color=self.ink))

    def bar(self, reason: str) -> dict[str, Any]:
        """How a bar of Krylov iterations that ended for a reason is filled."""
        color, pattern = self.reasons[reason]
        return dict(color=color, line=dict(width=0), pattern=dict(
            shape=pattern, fillmode="overlay", fgcolor=self.paper, size=6))

    def axis(self, title: str) -> dict[str, Any]:
        """An axis that all pictures share."""
        return dict(gridcolor=self.grid, zeroline=False, linecolor=self.grid, ticks="outside",
                    tickcolor=self.grid, ticklen=4, tickfont=dict(color=self.muted, size=12),
                    automargin=False, title=dict(
                        text=title, standoff=4, font=dict(color=self.muted, size=13)))


LIGHT = Theme(
    "light", ink="#1f2430", muted="#5d6475", grid="#e3e6ec", paper="#ffffff",
    surface=((0, "#8fa3bd"), (0.25, "#afbfd3"), (0.5, "#cdd8e5"), (0.75, "#e6ecf3"),
             (1, "#f7f8fa")),
    level="rgba(31,36,48,0.22)", band="rgba(93,100,117,0.14)", alarm="#b3261e",
    reasons={"converged": ("#7fbfa6", ""), "negative curvature": ("#b3261e", "/"),
             "disturbing": ("#a05195", "x"), "budget": ("#8d93a1", "-"),
             "non finite": ("#1f2430", "+"), "zero curvature": ("#9a6700", "|"),
             "stagnated": ("#3a6ea5", ".")})
DARK = Theme(
    "dark", ink="#e8eaf0", muted="#a3abbd", grid="#2b3240", paper="#0f131b",
    surface=((0, "#46566e"), (0.25, "#374559"), (0.5, "#283447"), (0.75, "#1c2635"),
             (1, "#121a28")),
    level="rgba(232,234,240,0.20)", band="rgba(163,171,189,0.16)", alarm="#ff8a80",
    reasons={"converged": ("#4f9c81", ""), "negative curvature": ("#ff8a80", "/"),
             "disturbing": ("#d69bd0", "x"), "budget": ("#7c8496", "-"),
             "non finite": ("#e8eaf0", "+"), "zero curvature": ("#e0b34a", "|"),
             "stagnated": ("#8fb4ea", ".")},
    lamp=(0.8, 0.22))                # Okabe and Ito's blue is too dim for a thin line in the dark
THEMES = {t.name: t for t in (LIGHT, DARK)}


class Head(NamedTuple):
    """Where an entrant stands at each of its steps, x and y (n,), on one of the vertical axes."""

    entrant: int
    x: np.ndarray
    y: np.ndarray
    axis: str = "y"


@dataclass
class Picture:
    """A static figure with what the player moves above it.

    `figure` is plain: `data` and `layout` as Plotly writes them, columns as numpy arrays. Plotly's
    own objects check every attribute, at 30 times the cost; `plotly()` makes one for an export.
    `cursor` asks for a vertical line at the playhead, `click` for a named answer to a click.
    `strip` and `cloud` are images and points that change with the playhead, packed for the player.
    `live` is what is drawn instead while a hand drags (`figures/live.py`): while it is, entrants'
    traces stay as faint lines, but for those whose `uid` is STAYS.
    `choices` are alternatives among which the reader switches; this one and each has a `label`.
    """

    id: str
    title: str
    alt: str
    figure: dict[str, Any]
    heads: list[Head] = field(default_factory=list)
    trail: int = 0
    cursor: bool = False
    click: str | None = None
    label: str = ""
    choices: list[Picture] = field(default_factory=list)
    strip: dict[str, Any] | None = None
    cloud: dict[str, Any] | None = None
    live: list[dict[str, Any]] = field(default_factory=list)

    def plotly(self) -> go.Figure:
        """The figure as Plotly's own object, checked."""
        import plotly.graph_objects as go  # takes as long as all pictures of a page

        return go.Figure(self.figure)


def log_range(low: float, high: float, growing: bool = False) -> list[float]:
    """A Plotly log axis range that holds low … high with a little air.

    While a run is growing it ends at quarters of decades, so that the axis seldom moves.
    """
    # float32 knows no 1e-300: it would be 0; infinity and NaN have no place on an axis
    a, b = sorted(np.nan_to_num(np.log10(max(float(v), 1e-300)), posinf=300.0)
                  for v in (low, high))
    air = 0.05 * max(b - a, 1.0)
    if growing:
        return [float(np.floor(4 * (a - air)) / 4), float(np.ceil(4 * (b + air)) / 4)]
    return [float(a - air), float(b + air)]


def log_axis(span: list[float], most: int = 6) -> dict[str, Any]:
    """A log axis over 10^span with ticks at a handful of powers of ten, or of steps between."""
    if span[1] - span[0] < 1.5:
        return dict(type="log", range=span) | _between(span, most)
    first, last = int(np.ceil(span[0])), int(np.floor(span[1]))
    stride = max(1, -(-(last - first) // most))
    powers = [k for k in range(first, last + 1) if k % stride == 0]
    return dict(type="log", range=span, tickvals=[10.0**k for k in powers],
                ticktext=[power_of_ten(k) for k in powers])


def _between(span: list[float], most: int) -> dict[str, Any]:
    """Ticks at round numbers, where an axis holds hardly a power of ten."""
    low, high = (10.0**end for end in span)
    some = (round_between(low, high, steps) for steps in ((1,), (1, 3), ROUND, FINE))
    values = next((found for found in some if len(found) >= 3), None) or ticks(low, high)
    values = values[::max(1, -(-len(values) // (most + 1)))]
    return dict(tickvals=values, ticktext=[say(v) for v in values])


def power_of_ten(k: int) -> str:
    """10ᵏ in the axis's own type size: 0.01, 1, 100, 10⁻⁶."""
    if -2 <= k <= 3:
        return f"{10.0**k:g}"
    return "10" + str(k).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def notice(theme: Theme, id: str, title: str, why: str, label: str = "") -> Picture:
    """An empty picture that says why it is empty."""
    layout = theme.base("", "")
    for axis in ("xaxis", "yaxis"):
        layout[axis] |= dict(visible=False, range=[0, 1])
    layout["annotations"] = [note("<br>".join(textwrap.wrap(why, 42)), 0.5, 0.5,
                                  font=dict(color=theme.muted, size=14))]
    return Picture(id, title, why, {"data": [], "layout": layout}, label=label)
