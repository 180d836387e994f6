"""When and how strongly damping acted: θ₁ and θ₂ as a raster of layers against steps.

A cell is the darker the less of the pair was kept; white cells are pairs that were left alone.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from qnviz.figures.colors import mixed
from qnviz.figures.draw import marks
from qnviz.figures.race.loss import AXES
from qnviz.figures.race.ratios import EMPTY, setting
from qnviz.figures.race.views import so_far
from qnviz.figures.theme import UNSTARTED, WAITING, Picture, Theme, notice, time_range
from qnviz.runs.trace import Entrant, Trace, clock

FAINTEST = 0.25                       # of the scale: the least that any damping is drawn with
NAMED = 16                            # rows up to which each has a name


class Row(NamedTuple):
    """One line of the raster, from the top."""

    entrant: int
    label: str
    theta: int                        # 1 or 2
    layer: int


def raster_rows(trace: Trace) -> list[Row]:
    """The rows of the raster: what is never damped has none, step 2 only where it is used."""
    rows = []
    for i, e in enumerate(trace.entrants):
        if "theta1" not in trace[e.label]:
            continue
        thetas = {"double": (1, 2), "powell": (1,), "none": ()}[setting(trace, e, "damping")]
        layers = range(trace[e.label]["theta1"].shape[2])
        rows += [Row(i, e.label, theta, layer) for theta in thetas for layer in layers]
    return rows


def nearest_event(trace: Trace, row: Row, frame: int, run: int = 0) -> int:
    """The iterate after the event of a row that is meant by a click; cells are thin.

    That is the nearest one within a fortieth of the run, else the iterate that was clicked.
    """
    c = trace[row.label]
    stop = int(c["stopped"][run])
    theta, skipped = c[f"theta{row.theta}"], c["skipped"]
    events = 1 + np.flatnonzero((theta[:stop, run, row.layer] < 1)
                                | skipped[:stop, run, row.layer].astype(bool))
    if len(events):
        nearest = int(events[np.abs(events - frame).argmin()])
        if abs(nearest - frame) <= len(theta) / 40:
            return nearest
    return int(np.clip(frame, 1, stop))


def raster(trace: Trace, theme: Theme, axis: str = "iterations", run: int = 0) -> Picture:
    """1 − θ of every update; a click opens one."""
    rows = raster_rows(trace)
    if not rows:
        why = WAITING if trace.unfinished else EMPTY
        if any("theta1" in c for c in trace.columns.values()):
            why = "These entrants do not damp their pairs."
        return Picture("raster", "No damping to look at", why, notice(theme, why))
    steps = max(int(trace[r.label]["stopped"][run]) for r in rows)
    if steps == 0:
        return Picture("raster", "No damping to look at", UNSTARTED, notice(theme, UNSTARTED))
    z = np.full((len(rows), steps), np.nan)
    for j, row in enumerate(rows):
        c = trace[row.label]
        stop = int(c["stopped"][run])
        kept = c[f"theta{row.theta}"][:stop, run, row.layer]
        z[j, :stop] = np.where(kept < 1, FAINTEST + (1 - FAINTEST) * (1 - kept), 0)
    longest = max(rows, key=lambda r: int(trace[r.label]["stopped"][run]))
    x = clock(trace[longest.label], axis, run)[1:steps + 1]
    tint = theme.tint(trace.entrants[rows[0].entrant].color)
    layout = theme.base(AXES[axis], "")
    data: list[dict[str, Any]] = [dict(
        type="heatmap", x=x, y=np.arange(len(rows), dtype=float), z=z, zmin=0, zmax=1,
        showscale=False, xgap=0, ygap=1 if len(rows) < 30 else 0, colorscale=[
            [0, theme.paper], [0.01, mixed(theme.paper, tint, FAINTEST)],
            [FAINTEST, mixed(theme.paper, tint, FAINTEST + 0.15)],
            [1, mixed(tint, theme.ink, 0.3)]],
        text=[[_hover(trace.entrants[r.entrant], r, t, v) for t, v in enumerate(line)]
              for r, line in zip(rows, z, strict=True)],
        hovertemplate="%{text}<extra></extra>")]
    data += _skipped(trace, theme, rows, axis, run)
    layout["yaxis"] |= dict(range=[len(rows) - 0.5, -0.5], showgrid=False, tickvals=[], title=None)
    _names(layout, theme, trace, rows)
    layout["margin"]["l"] = 96
    layout["xaxis"]["range"] = time_range(trace, [trace.entrants[r.entrant] for r in rows], axis,
                                          run)
    counts = [(words, sum(int((z[j] > 0).sum()) for j, r in enumerate(rows) if r.theta == theta),
               sum(int(np.isfinite(z[j]).sum()) for j, r in enumerate(rows) if r.theta == theta))
              for theta, words in ((1, "Powell's damping"), (2, "step 2"))]
    found = ", ".join(f"{words} in {n} of {of}" for words, n, of in counts if of)
    alt = ("Raster of damping events, a row per entrant, kind and layer, a column per step. It "
           f"acted: {found} pairs. " + " ".join(
               f"{trace.entrants[r.entrant].title}, θ{r.theta}, layer {r.layer + 1}: "
               f"{int((z[j] > 0).sum())}." for j, r in enumerate(rows)))
    return Picture("raster", f"Damping acted{so_far(trace)}: {found}", alt,
                   {"data": data, "layout": layout}, cursor=axis == "iterations",
                   click="event" if axis == "iterations" else None)


def _hover(e: Entrant, row: Row, step: int, shade: float) -> str:
    if not shade > 0:
        return f"{e.title}, layer {row.layer + 1}, step {step + 1}: a good pair"
    theta = 1 - (shade - FAINTEST) / (1 - FAINTEST)
    return (f"{e.title}, layer {row.layer + 1}, step {step + 1}: θ{'₁₂'[row.theta - 1]} = "
            f"{theta:.3g} of {'sy'[row.theta - 1]} kept")


def _skipped(trace: Trace, theme: Theme, rows: list[Row], axis: str,
             run: int) -> list[dict[str, Any]]:
    """Crosses where a pair was not used at all."""
    xs, ys = [], []
    for j, row in enumerate(rows):
        c = trace[row.label]
        stop = int(c["stopped"][run])
        at = np.flatnonzero(c["skipped"][:stop, run, row.layer])
        xs.append(clock(c, axis, run)[1:stop + 1][at])
        ys.append(np.full(len(at), float(j)))
    x, y = np.concatenate(xs), np.concatenate(ys)
    if not len(x):
        return []
    return [marks(x, y, marker=dict(symbol="x-thin-open", size=8, color=theme.alarm,
                                    line=dict(width=1.6, color=theme.alarm)),
                  hovertemplate="pair skipped<extra></extra>")]


def _names(layout: dict[str, Any], theme: Theme, trace: Trace, rows: list[Row]) -> None:
    """Names at the left: of every row where there is room, else of groups of layers."""
    groups: dict[tuple[int, int], list[int]] = {}
    for j, r in enumerate(rows):
        groups.setdefault((r.entrant, r.theta), []).append(j)
    twins = len({r.entrant for r in rows}) > 1
    for (i, theta), at in groups.items():
        e = trace.entrants[i]
        who = str(setting(trace, e, "damping")) if twins else ""
        many = len(at) > 1
        layout["annotations"].append(dict(
            text=f"{who} θ{'₁₂'[theta - 1]}".strip() + ("<br>layers 1…" + str(len(at))
                                                      if many else ""),
            x=0, xref="paper", xanchor="right", xshift=-6, y=float(np.mean(at)), yref="y",
            showarrow=False, align="right", font=dict(size=12, color=theme.ink)))
        if at[0]:
            layout.setdefault("shapes", []).append(dict(
                type="line", xref="paper", x0=0, x1=1, yref="y", y0=at[0] - 0.5, y1=at[0] - 0.5,
                line=dict(color=theme.muted, width=1)))
