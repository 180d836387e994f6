"""Colours, type and axes of every picture, for a light and a dark room."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import plotly.graph_objects as go

from qnviz.runs.trace import Entrant, Trace, clock

FONT = '"Source Sans", "Source Sans Pro", system-ui, sans-serif'


@dataclass(frozen=True)
class Theme:
    """One room's light."""

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

    def legible(self, color: str) -> str:
        """An entrant's colour as text: mixed with ink, as small type needs more contrast."""
        def parts(c: str) -> list[int]:
            return [int(c[i:i + 2], 16) for i in (1, 3, 5)]

        mixed = (round(0.6 * a + 0.4 * b) for a, b in zip(parts(color), parts(self.ink),
                                                          strict=True))
        return "#" + "".join(f"{v:02x}" for v in mixed)

    def base(self, x: str, y: str, **layout: Any) -> go.Layout:
        """The layout that all pictures share, with axis titles."""
        axis = dict(gridcolor=self.grid, zeroline=False, linecolor=self.grid, ticks="outside",
                    tickcolor=self.grid, ticklen=4,
                    tickfont=dict(color=self.muted, size=12),
                    title_standoff=4,
                    title_font=dict(color=self.muted, size=13), automargin=False)
        return go.Layout(
            template=go.layout.Template(),     # Plotly's own would add 7 kB that is all overridden
            font=dict(family=FONT, size=13, color=self.ink), paper_bgcolor="rgba(0,0,0,0)",
            plot_bgcolor="rgba(0,0,0,0)", showlegend=False, hovermode="closest", dragmode="zoom",
            margin=dict(l=52, r=10, t=6, b=44), xaxis=dict(axis, title_text=x),
            yaxis=dict(axis, title_text=y),
            hoverlabel=dict(bgcolor=self.paper, font_color=self.ink, bordercolor=self.grid),
        ).update(layout)


LIGHT = Theme(
    "light", ink="#1f2430", muted="#5d6475", grid="#e3e6ec", paper="#ffffff",
    surface=((0, "#35558a"), (0.25, "#7d9fc4"), (0.5, "#bccfe2"), (0.75, "#e2e9f1"),
             (1, "#f7f8fa")),
    level="rgba(31,36,48,0.22)", band="rgba(93,100,117,0.14)", alarm="#b3261e",
    reasons={"converged": ("#7fbfa6", ""), "negative curvature": ("#b3261e", "/"),
             "disturbing": ("#a05195", "x"), "budget": ("#8d93a1", "-"),
             "non finite": ("#1f2430", "+")})
DARK = Theme(
    "dark", ink="#e8eaf0", muted="#a3abbd", grid="#2b3240", paper="#0f131b",
    surface=((0, "#9cc3ee"), (0.25, "#4f7cae"), (0.5, "#2b4a70"), (0.75, "#1a2c45"),
             (1, "#121a28")),
    level="rgba(232,234,240,0.20)", band="rgba(163,171,189,0.16)", alarm="#ff8a80",
    reasons={"converged": ("#4f9c81", ""), "negative curvature": ("#ff8a80", "/"),
             "disturbing": ("#d69bd0", "x"), "budget": ("#7c8496", "-"),
             "non finite": ("#e8eaf0", "+")})
THEMES = {t.name: t for t in (LIGHT, DARK)}


@dataclass
class Picture:
    """A static figure with what the player moves above it.

    `heads` are (entrant index, x (n,), y (n,)): where an entrant stands at each of its steps.
    `cursor` asks for a vertical line at the playhead, `click` for a named answer to a click.
    """

    id: str
    title: str
    alt: str
    figure: go.Figure
    heads: list[tuple[int, np.ndarray, np.ndarray]] = field(default_factory=list)
    trail: int = 0
    cursor: bool = False
    click: str | None = None


def log_range(low: float, high: float) -> list[float]:
    """A Plotly log axis range that holds low … high with a little air."""
    a, b = np.log10(max(low, 1e-300)), np.log10(max(high, 1e-300))
    air = 0.05 * max(b - a, 1.0)
    return [a - air, b + air]


def log_axis(span: list[float], ticks: int = 6) -> dict[str, Any]:
    """A log axis over 10^span with ticks at a handful of powers of ten."""
    first, last = int(np.ceil(span[0])), int(np.floor(span[1]))
    stride = max(1, -(-(last - first) // ticks))
    powers = [k for k in range(first, last + 1) if k % stride == 0]
    return dict(type="log", range=span, tickvals=[10.0**k for k in powers],
                ticktext=[power_of_ten(k) for k in powers])


def power_of_ten(k: int) -> str:
    """10ᵏ in the axis's own type size: 0.01, 1, 100, 10⁻⁶."""
    if -2 <= k <= 3:
        return f"{10.0**k:g}"
    return "10" + str(k).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def time_range(trace: Trace, entrants: list[Entrant], axis: str, run: int) -> list[float]:
    """The axis range that holds the longest of these entrants' runs."""
    ends = [clock(trace[e.label], axis, run)[int(trace[e.label]["stopped"][run])]
            for e in entrants]
    longest = float(max(ends)) or 1.0
    return [-0.01 * longest, 1.01 * longest]


UNSTARTED = "No step was taken: the start already meets the rule for stopping."


def notice(theme: Theme, text: str) -> go.Figure:
    """An empty picture that says why it is empty."""
    figure = go.Figure(layout=theme.base("", ""))
    figure.update_xaxes(visible=False, range=[0, 1])
    figure.update_yaxes(visible=False, range=[0, 1])
    figure.add_annotation(text="<br>".join(textwrap.wrap(text, 42)), x=0.5, y=0.5,
                          showarrow=False, font=dict(color=theme.muted, size=14))
    return figure
