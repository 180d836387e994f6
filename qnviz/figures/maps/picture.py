"""Maps: a number over two settings or over starts. Diagnoses: how wide and how sharp the good is.

Two maps side by side share one colour scale. Divergence is a category with a colour and a hatch of
its own, and so is not reaching the target; the best cell carries a star, and two bars through it
span what is nearly as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qnviz.figures.draw import curve, marks, note
from qnviz.figures.maps import MapView
from qnviz.figures.maps.cells import NOTHING, Best, Cells, Side, nearest
from qnviz.figures.maps.scale import Scale
from qnviz.figures.packing import exact, packed, plain
from qnviz.figures.theme import Picture, log_axis

MARGIN = dict(l=56, r=8, t=4, b=40)
SPAN = (0.02, 0.98)                   # share of a surface whose levels are drawn


def picture(view: MapView) -> Picture:
    """One map as a figure; a cell that is not computed is filled from its coarse neighbour."""
    theme, x, y = view.theme, view.x, view.y
    layout = theme.base(x.title or x.label, y.title or y.label)
    layout["margin"] = dict(MARGIN)
    layout |= dict(dragmode=False, hovermode=False)
    for name, side in (("xaxis", x), ("yaxis", y)):
        layout[name] |= _axis(side) | dict(fixedrange=True, showgrid=False)
    layout["yaxis"]["title"]["standoff"] = 8
    scale = view.scale
    data: list[dict[str, Any]] = [dict(
        type="heatmap", x=x.edges, y=y.edges, z=colored(view.cells, scale), zmin=0,
        zmax=len(scale.kinds), colorscale=scale.colorscale, showscale=False, zsmooth=False,
        hoverinfo="skip")]
    if view.surface is not None:
        data += _levels(*view.surface)
    if view.best is not None:
        data += _star(view.best)
    if len(view.points):
        at = np.asarray(view.points, dtype=float)
        data.append(marks(at[:, 0], at[:, 1], hoverinfo="skip", marker=dict(
            symbol="star", size=13, color=theme.paper, line=dict(width=1.4, color=theme.ink))))
        if len(at) > 1:                        # colours repeat; numbers do not
            layout["annotations"] = [note(
                f"<b>{i + 1}</b>", x, y, xshift=13, yshift=9, bgcolor=theme.paper, opacity=0.9,
                borderpad=1, font=dict(size=12, color=theme.ink)) for i, (x, y) in enumerate(at)]
    return Picture(view.id, view.title, f"{view.title}. {view.words}",
                   {"data": data, "layout": layout}, click="open")


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


def _levels(x: np.ndarray, y: np.ndarray, loss: np.ndarray) -> list[dict[str, Any]]:
    """Thin level lines of the loss, a factor of ten apart where it spans enough of them.

    The lowest parts are left out, where a valley is narrower than a pixel.
    """
    height = np.log10(np.clip(loss, 1e-6, 1e30)).astype(np.float32)
    known = height[np.isfinite(height)]
    low, high = np.quantile(known, SPAN).tolist() if len(known) else (0.0, 1.0)
    size = 1.0 if high - low > 2.5 else 0.5 if high - low > 1.2 else 0.25
    return [dict(type="contour", x=x, y=y, z=height, showscale=False, hoverinfo="skip",
                 contours=dict(coloring="none", start=float(np.ceil(low / size) * size),
                               end=float(np.floor(high / size) * size), size=size),
                 line=dict(width=0.8, color="rgba(20,24,32,0.38)"))]


def _star(b: Best) -> list[dict[str, Any]]:
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
    """Numbers (ny, nx) that the component shows under the pointer, with their spread.

    What is not finite is left out.
    """
    spread = {} if low is None or high is None else {"low": packed(low.ravel()),
                                                     "high": packed(high.ravel())}
    return {"title": title, "values": packed(np.where(
        np.isfinite(values), values, np.nan).ravel())} | spread


def panel(view: MapView, columns: Sequence[dict[str, Any]], seeds: int) -> dict[str, Any]:
    """One map as the component takes it: the figure, its grid, and what each cell says.

    Args:
        view: the map.
        columns: numbers of each cell, made by `column`.
        seeds: runs per cell.
    """
    p, c = picture(view), view.cells
    return {"id": p.id, "title": p.title, "alt": p.alt, "words": view.words, "margin": MARGIN,
            "figure": plain(p.figure), "kind": exact(c.kind, "u1"), "shown": exact(shown(c), "u1"),
            "seeds": seeds, "grid": [_grid(view.x), _grid(view.y)], "columns": list(columns),
            "counts": [exact(np.minimum(a, 255), "u1") for a in (c.runs, c.reached, c.diverged)]
            if seeds > 1 else []}


def _grid(side: Side) -> dict[str, Any]:
    return {"label": side.label, "log": side.log, "values": packed(side.values, "f8"),
            "edges": packed(side.edges, "f8")}
