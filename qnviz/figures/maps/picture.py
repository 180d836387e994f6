"""Maps: a number over two settings or over starts. Diagnoses: how wide and how sharp the good is.

Two maps side by side share one colour scale. Divergence is a category with a colour and a hatch of
its own, and so is not reaching the target; the best cell carries a star, and two bars through it
span what is nearly as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from qnviz.figures.colors import mixed
from qnviz.figures.draw import curve, marks
from qnviz.figures.maps.cells import (
    NOTHING,
    UNDEFINED,
    Best,
    Cells,
    Quantity,
    Side,
    nearest,
)
from qnviz.figures.packing import exact, packed, plain
from qnviz.figures.theme import Picture, Theme, log_axis
from qnviz.numbers import say

# Viridis [van der Walt, Smith 2015]: even steps, also for the colour-blind and in grey.
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30",
           "#fde725")
HUES = (("#cfe8f7", "#56b4e9", "#0072b2", "#003553"),      # one per minimiser, few steps to many
        ("#d3f0e5", "#5cc4a2", "#009e73", "#004633"),
        ("#f6e3ee", "#dda5c4", "#cc79a7", "#6a2f50"))
ELSEWHERE = "#e69f00"
HALTED = "#7a5195"                    # where derivatives have no value
TICKS = (1.0, 2.0, 5.0)
MARGIN = dict(l=56, r=8, t=4, b=40)
LEVELS = (1.0, 1000.0)                # of the loss; below, the valley is narrower than a pixel


class Kind(NamedTuple):
    """A category of cells: its colours, low values to high, or one; and whether it is hatched."""

    text: str
    colors: tuple[str, ...]
    hatched: bool = False


@dataclass(frozen=True)
class Scale:
    """One colour scale for all maps of a page: kinds in the order of their numbers."""

    title: str
    kinds: tuple[Kind, ...]
    low: float
    high: float
    log: bool
    hatch: str                                 # the colour of the lines

    def place(self, value: np.ndarray) -> np.ndarray:
        """Values on 0 … 1 of the scale."""
        low, high = self.low, self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.log:
                value, low, high = np.log(value), np.log(low), np.log(high)
            return np.clip((value - low) / (high - low), 0, 1) if high > low else 0 * value

    @property
    def colorscale(self) -> list[list[Any]]:
        """Plotly's scale over kind + place, from 0 to the number of kinds."""
        n, found = len(self.kinds), []
        for i, kind in enumerate(self.kinds):
            colors = kind.colors * 2 if len(kind.colors) == 1 else kind.colors
            found += [[(i + t) / n, color] for t, color in zip(
                np.linspace(0, 1, len(colors)).tolist(), colors, strict=True)]
        return found

    @property
    def legend(self) -> dict[str, Any]:
        """What the scale's legend shows, as the component draws it."""
        return {"title": self.title, "hatch": self.hatch, "ticks": self._ticks, "kinds": [
            {"text": k.text, "colors": k.colors, "hatched": k.hatched} for k in self.kinds]}

    @property
    def _ticks(self) -> list[dict[str, Any]]:
        low, high = self.low, self.high
        if not high > low:
            return [{"at": 0.5, "text": say(low)}]
        if self.log and high / low > 1e3:
            powers = np.arange(np.ceil(np.log10(low)), np.floor(np.log10(high)) + 1)
            values = 10.0 ** powers[::-(-len(powers) // 6) or 1]
        elif self.log:
            powers = 10.0 ** np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
            values = np.array([m * p for p in powers for m in TICKS])
        else:
            step = 10 ** np.floor(np.log10((high - low) / 2))
            step *= next(m for m in (1, 2, 5, 10) if (high - low) / (m * step) <= 6)
            values = np.arange(np.ceil(low / step), np.floor(high / step) + 1) * step
        inside = values[(values >= low * (1 - 1e-9)) & (values <= high * (1 + 1e-9))]
        return [{"at": float(self.place(np.array(v))), "text": say(float(f"{v:.6g}"))}
                for v in (inside if len(inside) else [low, high])]


def setting_scale(theme: Theme, q: Quantity, maps: Sequence[Cells], unreached: str) -> Scale:
    """The one scale of maps of settings: bright is good."""
    low, high = _span([c.value for c in maps], q.log)
    ramp = VIRIDIS[::-1] if q.low_is_good else VIRIDIS
    return Scale(q.title, (Kind("", ramp), Kind(unreached, (_quiet(theme),)),
                           _lost(theme), *_halted(theme, maps, UNDEFINED)),
                 low, high, q.log, theme.alarm)


def basin_scale(theme: Theme, maps: Sequence[Cells], places: Sequence[str],
                elsewhere: str) -> Scale:
    """The one scale of maps of starts: a hue per minimiser, darker where it takes more steps."""
    low, high = _span([np.where(np.isfinite(c.value), c.value, np.nan) for c in maps], True)
    return Scale("steps to the minimum", (
        *(Kind(text, HUES[i % len(HUES)]) for i, text in enumerate(places)),
        Kind(elsewhere, (mixed(ELSEWHERE, theme.paper, 0.25),)), _lost(theme),
        *_halted(theme, maps, len(places) + 2)),
        low, high, True, theme.alarm)


def _quiet(theme: Theme) -> str:
    return mixed(theme.muted, theme.paper, 0.72 if theme.name == "light" else 0.6)


def _lost(theme: Theme) -> Kind:
    return Kind("diverged", (mixed(theme.alarm, theme.paper, 0.68),), hatched=True)


def _halted(theme: Theme, maps: Sequence[Cells], number: int) -> list[Kind]:
    """The category of runs that ended where derivatives have no value, on maps that have it."""
    there = any((c.kind == number).any() for c in maps)
    return [Kind("∇f has no value", (mixed(HALTED, theme.paper, 0.3),))] if there else []


def _span(values: Sequence[np.ndarray], log: bool) -> tuple[float, float]:
    """The range of all finite values, without the outermost hundredth where it is far out."""
    flat = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.array([])
    if log:
        flat = flat[flat > 0]
    if not len(flat):
        return 1.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    inner = np.quantile(flat, [0.01, 0.99])
    far = (high / max(inner[1], 1e-300) > 10, inner[0] / max(low, 1e-300) > 1e3) if log else (
        False, False)
    return float(inner[0]) if far[1] else low, float(inner[1]) if far[0] else high


def picture(theme: Theme, id: str, title: str, words: str, c: Cells, x: Side, y: Side,
            scale: Scale, *, best: Best | None = None, points: Sequence[Sequence[float]] = (),
            surface: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None) -> Picture:
    """One map as a figure.

    Args:
        theme: the room's light.
        id: the picture's id.
        title: what it shows.
        words: what is found in it, for those who do not see it.
        c: the cells; one that is not computed is filled from its neighbour on the coarse grid.
        x: the horizontal axis.
        y: the vertical axis.
        scale: the colours.
        best: the best cell, starred, and the ranges around it.
        points: minimisers to be marked, where the axes are the plane itself.
        surface: x (n,), y (m,) and loss (m, n), whose level lines lie on the map.
    """
    layout = theme.base(x.title or x.label, y.title or y.label)
    layout["margin"] = dict(MARGIN)
    layout |= dict(dragmode=False, hovermode=False)
    for name, side in (("xaxis", x), ("yaxis", y)):
        layout[name] |= _axis(side) | dict(fixedrange=True, showgrid=False)
    layout["yaxis"]["title"]["standoff"] = 8
    data: list[dict[str, Any]] = [dict(
        type="heatmap", x=x.edges, y=y.edges, z=colored(c, scale), zmin=0, zmax=len(scale.kinds),
        colorscale=scale.colorscale, showscale=False, zsmooth=False, hoverinfo="skip")]
    if surface is not None:
        data += _levels(theme, *surface)
    if best is not None:
        data += _star(theme, best, x, y)
    if len(points):
        at = np.asarray(points, dtype=float)
        data.append(marks(at[:, 0], at[:, 1], hoverinfo="skip", marker=dict(
            symbol="star", size=13, color=theme.paper, line=dict(width=1.4, color=theme.ink))))
    return Picture(id, title, f"{title}. {words}", {"data": data, "layout": layout}, click="open")


def colored(c: Cells, scale: Scale) -> np.ndarray:
    """Kind + place on its scale (ny, nx), NaN where not even a neighbour is computed."""
    place = np.nan_to_num(scale.place(c.value), nan=1.0, posinf=1.0)    # inf: all of the steps
    many = np.array([len(k.colors) > 1 for k in scale.kinds] + [False])
    kind = np.minimum(c.kind, len(scale.kinds))
    z = kind + np.where(many[kind], np.clip(place, 2e-3, 1 - 2e-3), 0.5)
    at = nearest(c.kind != NOTHING)
    return np.where(at >= 0, z.ravel()[at], np.nan)


def shown(c: Cells) -> np.ndarray:
    """The kind that each cell is drawn with (ny, nx): its own, or that of what stands in for it."""
    at = nearest(c.there)
    return np.where(at >= 0, c.kind.ravel()[at], NOTHING)


def _axis(side: Side) -> dict[str, Any]:
    if side.log:
        return log_axis(side.span)
    return dict(type="linear", range=side.span, nticks=7)


def _levels(theme: Theme, x: np.ndarray, y: np.ndarray, loss: np.ndarray) -> list[dict[str, Any]]:
    """Thin level lines of the loss, a factor of ten apart."""
    height = np.log10(np.clip(loss, 1e-6, 1e30)).astype(np.float32)
    return [dict(type="contour", x=x, y=y, z=height, showscale=False, hoverinfo="skip",
                 contours=dict(coloring="none", start=np.log10(LEVELS[0]), end=np.log10(LEVELS[1]),
                               size=1.0), line=dict(width=0.8, color="rgba(20,24,32,0.38)"))]


def _star(theme: Theme, b: Best, x: Side, y: Side) -> list[dict[str, Any]]:
    """The best cell, and bars over what is nearly as good."""
    dark, light = "#101318", "#ffffff"
    found: list[dict[str, Any]] = []
    for color, width in ((light, 4.5), (dark, 1.8)):
        way = dict(color=color, width=width)
        found += [curve(np.array([b.x.low, b.x.high]), np.full(2, b.y.best), line=way,
                        hoverinfo="skip"),
                  curve(np.full(2, b.x.best), np.array([b.y.low, b.y.high]), line=way,
                        hoverinfo="skip")]
    found.append(marks(np.array([b.x.best]), np.array([b.y.best]), hoverinfo="skip", marker=dict(
        symbol="star", size=16, color=light, line=dict(width=1.6, color=dark))))
    return found


def column(title: str, values: np.ndarray, low: np.ndarray | None = None,
           high: np.ndarray | None = None) -> dict[str, Any]:
    """Numbers (ny, nx) that the component tells under the pointer, with their spread.

    What is not finite is not told.
    """
    spread = {} if low is None or high is None else {"low": packed(low.ravel()),
                                                     "high": packed(high.ravel())}
    return {"title": title, "values": packed(np.where(
        np.isfinite(values), values, np.nan).ravel())} | spread


def panel(p: Picture, c: Cells, x: Side, y: Side, words: str,
          columns: Sequence[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """One map as the component takes it: the figure, its grid, and what each cell says."""
    return {"id": p.id, "title": p.title, "alt": p.alt, "words": words, "margin": MARGIN,
            "figure": plain(p.figure), "kind": exact(c.kind, "u1"),
            "shown": exact(shown(c), "u1"), "seeds": seeds,
            "grid": [_grid(x), _grid(y)], "columns": list(columns),
            "counts": [exact(np.minimum(a, 255), "u1") for a in (c.runs, c.reached, c.diverged)]
            if seeds > 1 else []}


def _grid(side: Side) -> dict[str, Any]:
    return {"label": side.label, "log": side.log, "values": packed(side.values, "f8"),
            "edges": packed(side.edges, "f8")}
