"""When and how strongly damping acted: θ₁ and θ₂ as a raster of layers against steps.

A cell is the darker the less of the pair was kept; white cells are pairs that were left alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qnviz.figures import live
from qnviz.figures.colors import mixed
from qnviz.figures.draw import marks, note, rule
from qnviz.figures.race import UNSTARTED, WAITING, RaceView
from qnviz.figures.race.ratios import EMPTY
from qnviz.figures.theme import Picture
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

FAINTEST = 0.25                       # of the scale: the least that any damping is drawn with


class Row(NamedTuple):
    """One line of the raster, from the top."""

    entrant: int                      # its place in the race
    owner: Entrant
    theta: int                        # 1 or 2
    layer: int


def raster_rows(view: RaceView) -> list[Row]:
    """The rows of the raster: what is never damped has none, step 2 only where it is used."""
    rows = []
    for i, e, c in view.holding("theta1"):
        thetas = {"double": (1, 2), "powell": (1,), "none": ()}[view.setting(e, "damping")]
        layers = range(c["theta1"].shape[2])
        rows += [Row(i, e, theta, layer) for theta in thetas for layer in layers]
    return rows


def nearest_event(view: RaceView, row: Row, frame: int) -> int:
    """The iterate after the event of a row that is meant by a click; cells are thin.

    That is the nearest one within a fortieth of the run, else the iterate that was clicked.
    """
    kept, skipped = _of(view, row)
    events = 1 + np.flatnonzero((kept < 1) | skipped)
    if len(events):
        nearest = int(events[np.abs(events - frame).argmin()])
        if abs(nearest - frame) <= len(view.trace[row.owner.label]["work"]) / 40:
            return nearest
    return int(np.clip(frame, 1, len(kept)))


def raster(view: RaceView) -> Picture:
    """1 − θ of every update; a click opens one."""
    theme, rows = view.theme, raster_rows(view)
    if not rows:
        why = WAITING if view.trace.unfinished else EMPTY
        if view.holding("theta1"):
            why = "These entrants do not damp their pairs."
        return view.notice("raster", "No damping to look at", why)
    longest = max(rows, key=lambda r: view.steps(r.owner)).owner
    steps = view.steps(longest)
    if steps == 0:
        return view.notice("raster", "No damping to look at", UNSTARTED)
    z = np.full((len(rows), steps), np.nan)
    for j, row in enumerate(rows):
        kept, _ = _of(view, row)
        z[j, :len(kept)] = np.where(kept < 1, FAINTEST + (1 - FAINTEST) * (1 - kept), 0)
    x = view.clock(longest)[1:]
    tint = theme.tint(rows[0].owner.color)
    layout = view.layout("")
    scale = [[0, theme.paper], [0.01, mixed(theme.paper, tint, FAINTEST)],
             [FAINTEST, mixed(theme.paper, tint, FAINTEST + 0.15)],
             [1, mixed(tint, theme.ink, 0.3)]]
    data: list[dict[str, Any]] = [dict(
        type="heatmap", x=x, y=np.arange(len(rows), dtype=float), z=z, zmin=0, zmax=1,
        showscale=False, xgap=0, ygap=1 if len(rows) < 30 else 0, colorscale=scale,
        text=[[_hover(r, t, v) for t, v in enumerate(line)]
              for r, line in zip(rows, z, strict=True)],
        hovertemplate="%{text}<extra></extra>")]
    data += _skipped(view, rows)
    layout["yaxis"] |= dict(range=[len(rows) - 0.5, -0.5], showgrid=False, tickvals=[], title=None)
    _names(layout, view, rows)
    layout["margin"]["l"] = 96
    layout["xaxis"]["range"] = view.span([r.owner for r in rows])
    counts = [(words, sum(int((z[j] > 0).sum()) for j, r in enumerate(rows) if r.theta == theta),
               sum(int(np.isfinite(z[j]).sum()) for j, r in enumerate(rows) if r.theta == theta))
              for theta, words in ((1, "Powell's damping"), (2, "step 2"))]
    found = ", ".join(f"{words} in {n} of {of}" for words, n, of in counts if of)
    alt = ("Raster of damping events, a row per entrant, kind and layer, a column per step. It "
           f"acted: {found} pairs. " + " ".join(
               f"{r.owner.title}, θ{r.theta}, layer {r.layer + 1}: "
               f"{int((z[j] > 0).sum())}." for j, r in enumerate(rows)))
    return Picture("raster", f"Damping acted{view.so_far}: {found}", alt,
                   {"data": data, "layout": layout}, cursor=view.cursor,
                   click="event" if view.cursor else None, live=view.following(
                       [mark for j, row in enumerate(rows) for mark in _live(view, j, row, scale)]))


def _live(view: RaceView, j: int, row: Row, scale: list[list[Any]]) -> list[live.Mark]:
    """A row for a canvas."""
    kept = live.column(f"theta{row.theta}", row.layer)
    return [live.cells(row.entrant, kept, j, scale, FAINTEST),
            live.dots(row.entrant, live.at(float(j)), "x-thin-open", 8, view.theme.alarm,
                      where=[live.when("skipped", "from", 1, row.layer)])]


def _of(view: RaceView, row: Row) -> tuple[np.ndarray, np.ndarray]:
    """θ of a row's pairs (steps,), and whether they were skipped."""
    return (view.events(row.owner, f"theta{row.theta}")[:, row.layer],
            view.events(row.owner, "skipped")[:, row.layer].astype(bool))


def _hover(row: Row, step: int, shade: float) -> str:
    if not shade > 0:
        return f"{row.owner.title}, layer {row.layer + 1}, step {step + 1}: a good pair"
    theta = 1 - (shade - FAINTEST) / (1 - FAINTEST)
    return (f"{row.owner.title}, layer {row.layer + 1}, step {step + 1}: θ{'₁₂'[row.theta - 1]} = "
            f"{say(theta)} of {'sy'[row.theta - 1]} kept")


def _skipped(view: RaceView, rows: list[Row]) -> list[dict[str, Any]]:
    """Crosses where a pair was not used at all."""
    xs, ys = [], []
    for j, row in enumerate(rows):
        at = np.flatnonzero(_of(view, row)[1])
        xs.append(view.clock(row.owner)[1:][at])
        ys.append(np.full(len(at), float(j)))
    x, y = np.concatenate(xs), np.concatenate(ys)
    if not len(x):
        return []
    return [marks(x, y, marker=dict(symbol="x-thin-open", size=8, color=view.theme.alarm,
                                    line=dict(width=1.6, color=view.theme.alarm)),
                  hovertemplate="pair skipped<extra></extra>")]


def _names(layout: dict[str, Any], view: RaceView, rows: list[Row]) -> None:
    """Names at the left, of each entrant's groups of layers."""
    theme, groups = view.theme, dict[tuple[int, int], list[int]]()
    for j, r in enumerate(rows):
        groups.setdefault((r.entrant, r.theta), []).append(j)
    twins = len({r.entrant for r in rows}) > 1
    for (i, theta), at in groups.items():
        who = str(view.setting(view.trace.entrants[i], "damping")) if twins else ""
        words = f"{who} θ{'₁₂'[theta - 1]}".strip()
        layout["annotations"].append(note(
            words + (f"<br>layers 1…{len(at)}" if len(at) > 1 else ""), 0, float(np.mean(at)),
            xref="paper", yref="y", xanchor="right", xshift=-6, align="right",
            font=dict(size=12, color=theme.ink)))
        if at[0]:
            layout.setdefault("shapes", []).append(
                rule(at[0] - 0.5, color=theme.muted, width=1))
