"""Extreme eigenvalues of the inverse curvature a method keeps, against what bounds them.

Diagnoses: whether the matrix stays usable. A minimum near 0 means directions are lost, a maximum
that climbs means one bad pair blew it up. The marks above say when damping acted: Powell's in the
upper half of a row, step 2 in the lower.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import curve, marks, note, sketched
from qnviz.figures.race import UNSTARTED, WAITING, RaceView
from qnviz.figures.race.views import between, chosen, stroke
from qnviz.figures.theme import Head, Picture, Theme, log_axis, log_range
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

EMPTY = ("None of these methods keeps a matrix, so there are no eigenvalues to bound. "
         "Add K-BFGS or K-BFGS(L).")
LIMIT = 1e4                           # how far a bound may stretch the axis beyond the spectra
SIDES, SIDE = 3, "eig-"               # how many pictures beside one another, and their ids
FAR = 3.0                             # decades that the others may stretch the first one's axis
ROW = 0.055                           # height of one row of ticks, as a share of the picture


def eigenvalues(view: RaceView) -> Picture:
    """λ_min and λ_max of H_g, the first one's bounds, damping events; a choice per layer."""
    return _layers(view, [i for i, e in enumerate(view.trace.entrants) if _keeps_matrix(view, e)])


def side_by_side(view: RaceView) -> list[Picture]:
    """The same for each of the first three damped entrants by itself, on one vertical axis."""
    each = [i for i, e in enumerate(view.trace.entrants) if _keeps_matrix(view, e)][:SIDES]
    pictures = [_layers(view, [i]) for i in each]
    first = [p.figure["layout"]["yaxis"].get("range") for p in pictures]
    known = [span for span in first if span]
    # the first entrant's spectra set the scale: what explodes leaves the picture at its top
    span = [max(min(s[0] for s in known), known[0][0] - FAR),
            min(max(s[1] for s in known), known[0][1] + FAR)] if known else None
    for i, picture in zip(each, pictures, strict=True):
        picture.id = f"{SIDE}{i}"
        for one in (picture, *picture.choices):
            if span and "range" in one.figure["layout"]["yaxis"]:
                one.figure["layout"]["yaxis"] |= log_axis(span)
    return pictures


def _layers(view: RaceView, places: Sequence[int]) -> Picture:
    """Some entrants' matrices of each layer."""
    layers = max((a.shape[2] for _, _, c in view.entrants for n, a in c.items()
                  if n in ("theta1", "eig_max") and a.ndim == 3), default=1)
    pictures = [_of_layer(view, places, l) for l in range(layers)]
    if layers > 1:
        for l, picture in enumerate(pictures):
            picture.label = f"layer {l + 1}"
    return chosen(pictures)


def _of_layer(view: RaceView, places: Sequence[int], layer: int) -> Picture:
    """λ_min and λ_max of H_g, its bounds from each pair and a-priori, and the damping events."""
    trace, theme = view.trace, view.theme
    if not places:
        return view.notice("eig", "No matrix to look at", EMPTY)
    shown = [(i, e, series) for i in places if view.steps(e := trace.entrants[i]) and np.isfinite(
        (series := _series(view, e, layer))["eig_max"]).any()]
    if not shown:
        why = WAITING if trace.unfinished else UNSTARTED
        return view.notice("eig", "No update to look at", why)
    damped = [(i, e, series) for i, e, series in shown if "theta1" in series]
    head = ROW * len(damped) + 0.02 if damped else 0.0        # for the rows of ticks
    layout = view.layout("eigenvalues of H")
    data: list[dict[str, Any]] = []
    heads, reached, found, follows = [], [], [], []
    bounds: list[float] = []
    bounded = band = ""                # one entrant's bounds: two would be a thicket
    for i, e, every in shown:
        rows = np.flatnonzero(np.isfinite(every["eig_max"]))
        known = {n: a[rows] for n, a in every.items()}             # where spectra were taken
        above = known["eig_min"][known["eig_min"] > 0]
        reached.append((np.min(known["eig_min"]), np.max(known["eig_max"]),
                        np.min(above, initial=np.inf), int((known["eig_min"] <= 0).sum())))
        if not bounded and "pair_low" in known:
            bounded = e.title
            drawn, bounds, band = _bounds(theme, i, e, known)
            data += drawn
            follows += _live_bounds(theme, i, e, layer)
        for name in ("eig_min", "eig_max"):
            way = stroke(theme, e, 2.2 if e.title == bounded else 1.4)
            follows.append(live.line(i, live.column(name, layer), head=True, **way))
            data.append(curve(
                known["x"], known[name], meta={"entrant": i}, name=e.title, line=way,
                hovertemplate=f"{e.title} {'λ_min' if name == 'eig_min' else 'λ_max'} = "
                              "%{y:.3~g}<extra></extra>"))
            # heads stand at iterates, events lie between them: none at the start
            height = between(every["x"], known["x"], known[name])
            heads.append(Head(i, view.clock(e), np.concatenate([[np.nan], height])))
    for row, (i, e, series) in enumerate(damped):
        middle, height = 1 - (row + 0.5) / len(damped), 1 / len(damped)
        drawn, words = _ticks(theme, i, e, series, middle, height)
        data += drawn
        found.append(words)
        follows += _live_ticks(theme, i, e, layer, middle, height)
    # a log axis cannot show a matrix that rounding has made indefinite: the words say so
    low = min((s[2] for s in reached if np.isfinite(s[2])), default=np.nan)
    high = max(s[1] for s in reached)
    reach = [b for b in bounds if low / LIMIT < b < high * LIMIT]
    span = log_range(min([low, *reach]), max([high, *reach]), trace.unfinished)
    layout["yaxis"] |= dict(domain=[0, 1 - head], **log_axis(span))
    layout["yaxis2"] = dict(domain=[min(1 - head + 0.02, 0.999), 1], range=[0, 1], visible=False)
    layout["xaxis"]["range"] = view.span([e for _, e, _ in shown])
    first = found[0] if found else shown[0][1].title
    first += f"{view.so_far}; H within {say(reached[0][0])} … {say(reached[0][1])}"
    if reached[0][3]:
        first += f", indefinite by rounding after {reached[0][3]}"
    if bounded:
        layout["annotations"] = [note(
            f"band for {bounded}: {band}", 0.99, 0.01, xref="paper",
            yref="paper", xanchor="right", yanchor="bottom", bgcolor=theme.paper,
            font=dict(size=12, color=theme.muted))]
    alt = ("Extreme eigenvalues of the inverse curvature matrices. "
           + " ".join(f"{e.title} stays within {say(s[0])} and {say(s[1])}."
                      + (f" Rounding has made it indefinite after {s[3]} updates." if s[3] else "")
                      for (_, e, _), s in zip(shown, reached, strict=True))
           + "".join(f" {words}." for words in found))
    return Picture("eig", first, alt, {"data": data, "layout": layout}, heads,
                   cursor=view.cursor, live=view.following(follows))


def _keeps_matrix(view: RaceView, e: Entrant) -> bool:
    # an entrant that took no step has exposed nothing yet; its family tells
    c = view.trace[e.label]
    return "eig_max" in c or (e.family == "quasi-Newton" and not c["stopped"].any())


def _series(view: RaceView, e: Entrant, layer: int) -> dict[str, np.ndarray]:
    """What the entrant exposes for one layer, cut where the run ended, and when."""
    names = ("eig_min", "eig_max", "pair_low", "pair_high", "apriori_low", "apriori_high",
             "theta1", "theta2", "skipped")
    found = {n: view.events(e, n) for n in names if n in view.trace[e.label]}
    return {n: a[:, min(layer, a.shape[1] - 1)] if a.ndim == 2 else a
            for n, a in found.items()} | {"x": view.clock(e)[1:]}


def _bounds(theme: Theme, i: int, e: Entrant, data: dict[str, np.ndarray]) -> tuple[
        list[dict[str, Any]], list[float], str]:
    """Bounds from each pair with a filled band, a-priori bounds dotted; their values; their names.

    The first are certified where there is an a-priori bound, and a-posteriori where damping limits
    nothing beforehand. A pair without a bound leaves a gap.
    """
    x = data["x"]
    own, ahead = ([_positive(data.get(f"{kind}_{side}", np.full(len(x), np.nan)))
                   for side in ("low", "high")] for kind in ("pair", "apriori"))
    lines, names = [_band(theme, i, x, *own)], []

    def line(y: np.ndarray, words: str, dash: str) -> None:
        if np.isfinite(y).any():
            lines.append(curve(
                x, y, meta={"entrant": i}, name="bound", opacity=0.75,
                line=dict(color=theme.tint(e.color), width=1.2, dash=dash),
                hovertemplate=f"{e.title}, {words} bound: %{{y:.3~g}}<extra></extra>"))

    for pair, known in zip(own, ahead, strict=True):
        line(known, "a-priori", "dot")
        sure = np.isfinite(known)
        kinds = {"certified": np.where(sure, pair, np.nan),
                 "a-posteriori": np.where(sure, np.nan, pair)}
        for words, y in kinds.items():
            line(y, words, "dash")
        names.append(" or ".join(words for words, y in kinds.items() if np.isfinite(y).any()))
    low, high = names
    text = low if low == high else f"{low} below, {high} above"
    if np.isfinite(ahead).any():
        text += "; dotted: a-priori"
    values = np.concatenate([*own, *ahead])
    return lines, [float(v) for v in values[np.isfinite(values)]], text


def _live_bounds(theme: Theme, i: int, e: Entrant, layer: int) -> list[live.Mark]:
    """The same bounds for a canvas."""
    drawn = [live.band(i, live.column("pair_low", layer), live.column("pair_high", layer),
                       theme.band)]
    for kind, dash in (("apriori", "dot"), ("pair", "dash")):
        drawn += [live.line(i, live.column(f"{kind}_{side}", layer), theme.tint(e.color),
                            width=1.2, dash=dash, opacity=0.75) for side in ("low", "high")]
    return drawn


def _positive(values: np.ndarray) -> np.ndarray:
    """What a logarithmic axis can show, with gaps elsewhere."""
    return np.where(np.isfinite(values) & (values > 0), values, np.nan)


def _band(theme: Theme, i: int, x: np.ndarray, low: np.ndarray,
          high: np.ndarray) -> dict[str, Any]:
    """The area between two lines, a polygon for each stretch where both are known."""
    rows = np.union1d(sketched(low), sketched(high))
    x, low, high = x[rows], low[rows], high[rows]
    known = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(int)))
    across: list[np.ndarray] = []
    up: list[np.ndarray] = []
    for a, b in edges.reshape(-1, 2):
        across += [x[a:b], x[a:b][::-1], np.array([np.nan])]
        up += [low[a:b], high[a:b][::-1], np.array([np.nan])]
    # a single update has no area: its outline shows it
    return dict(type="scatter", mode="lines", fill="toself", fillcolor=theme.band,
                x=np.concatenate([np.zeros(0), *across]), y=np.concatenate([np.zeros(0), *up]),
                meta={"entrant": i}, name="band", line=dict(color=theme.band, width=1.2),
                hoverinfo="skip", hovertemplate="")


def _live_ticks(theme: Theme, i: int, e: Entrant, layer: int, y: float, height: float
                ) -> list[live.Mark]:
    """The row of `_ticks` for a canvas: each step of damping has its half of a mark."""
    color = theme.tint(e.color)
    halves = [live.stems(i, live.at(y + foot * height), live.at(y + top * height), color, axis="y2",
                         where=[live.when(name, "below", 1, layer)])
              for name, foot, top in (("theta1", 0.0, 0.42), ("theta2", -0.42, 0.0))]
    return [*halves, live.dots(i, live.at(y), "x-thin-open", 7, color, axis="y2",
                               where=[live.when("skipped", "from", 1, layer)])]


def _ticks(theme: Theme, i: int, e: Entrant, data: dict[str, np.ndarray],
           y: float, height: float) -> tuple[list[dict[str, Any]], str]:
    """A row of marks where damping acted; and what was found, in words.

    All marks of a kind are one broken line: hundreds of symbols take long to draw, and overlap.
    """
    one, two = data["theta1"] < 1, data["theta2"] < 1
    kinds = [(one & ~two, 0.0, 0.42, "Powell's damping acted"), (two & ~one, -0.42, 0.0,
             "step 2 acted"), (one & two, -0.42, 0.42, "both steps acted")]
    color = theme.tint(e.color)
    rows = []
    for mask, foot, top, words in kinds:
        if mask.any():
            ends = np.array([y + foot * height, y + top * height, np.nan])
            rows.append(dict(
                type="scatter", mode="lines", x=np.repeat(data["x"][mask], 3),
                y=np.tile(ends, mask.sum()), meta={"entrant": i}, yaxis="y2",
                line=dict(color=color, width=1.6),
                hovertemplate=f"{e.title}: {words}<extra></extra>"))
    skipped = data["skipped"].astype(bool)
    if skipped.any():
        rows.append(marks(
            data["x"][skipped], np.full(skipped.sum(), y), meta={"entrant": i}, yaxis="y2",
            marker=dict(symbol="x-thin-open", size=7, color=color, line=dict(width=1.6)),
            hovertemplate=f"{e.title}: pair skipped<extra></extra>"))
    total = max(len(one), 1)
    return rows, f"{e.title} damped in {(one | two).sum()} of {total} updates"
