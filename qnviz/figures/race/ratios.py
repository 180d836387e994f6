"""Both ratios that decide about damping, before and after it, with the lines that they must reach.

Diagnoses: how bad the pairs were, and what damping made of them. A thin stem leads from where a
ratio was to where damping put it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import curve, marks, note, rule
from qnviz.figures.race import UNSTARTED, WAITING, RaceView
from qnviz.figures.race.views import chosen
from qnviz.figures.theme import Picture, Theme
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

EMPTY = "No method here damps its pairs. Add K-BFGS or K-BFGS(L)."
# the settings that are their lines, and to which power
LINES = {"ratio1": ("mu1", 1.0), "ratio2": ("lam", 0.5)}
RATIOS = (("ratio1", "sᵀy / yᵀHy", "μ₁"), ("ratio2", "s̃ᵀy / s̃ᵀs̃", "μ₂"))
TICKS = (-1e6, -1e4, -100, -1, 0, 1, 100, 1e4, 1e6)
FINE = 0.01                           # ratios below this are drawn near the axis's 0


def ratios(view: RaceView) -> Picture:
    """sᵀy/yᵀHy and s̃ᵀy/s̃ᵀs̃ at every update; choices of entrant and layer."""
    shown = view.holding("ratio1_before")
    if not shown:
        why = WAITING if view.trace.unfinished else EMPTY
        return view.notice("ratios", "No pairs to look at", why)
    shown = [(i, e, c) for i, e, c in shown if view.steps(e)]
    if not shown:
        return view.notice("ratios", "No pairs to look at", UNSTARTED)
    pictures = []
    for i, e, c in shown:
        layers = c["ratio1_before"].shape[2]
        for layer in range(layers):
            picture = _of_layer(view, i, e, layer)
            picture.label = e.title + (f" · layer {layer + 1}" if layers > 1 else "")
            pictures.append(picture)
    return chosen(pictures)


def squeezed(x: np.ndarray) -> np.ndarray:
    """asinh(x/c) in decades: linear near 0, logarithmic on both sides."""
    return np.arcsinh(np.asarray(x, dtype=float) / (2 * FINE)) / np.log(10)


def _of_layer(view: RaceView, i: int, e: Entrant, layer: int) -> Picture:
    """Both ratios of one entrant in one layer."""
    theme, x, steps = view.theme, view.clock(e)[1:], view.steps(e)
    layout = view.layout(RATIOS[1][1], right=34)
    layout["yaxis2"] = theme.axis(RATIOS[0][1])
    data: list[dict[str, Any]] = []
    below, lines = [], thresholds(view, e)
    for (name, words, mu), line, y_axis in zip(RATIOS, lines, ("y2", "y"), strict=True):
        before, after = (view.events(e, f"{name}_{when}")[:, layer]
                         for when in ("before", "after"))
        good, bad = before >= line, before < line
        below.append(int(bad.sum()))
        for mask, color, symbol in ((good, theme.tint(e.color), "circle"),
                                    (bad, theme.alarm, "x-thin-open")):
            data.append(marks(
                x[mask], squeezed(before[mask]), yaxis=y_axis, meta={"entrant": i},
                customdata=before[mask], marker=dict(
                    symbol=symbol, color=color, size=4 if mask is good else 6,
                    line=dict(width=1.2, color=color)),
                hovertemplate=f"{words} = %{{customdata:.3~g}} before damping<extra></extra>"))
        moved = bad & (after != before) & np.isfinite(after)
        data.append(curve(
            np.repeat(x[moved], 3), np.stack([squeezed(before[moved]), squeezed(after[moved]),
                                              np.full(moved.sum(), np.nan)], 1).ravel(),
            yaxis=y_axis, meta={"entrant": i}, line=dict(color=theme.alarm, width=0.8),
            opacity=0.55, hoverinfo="skip"))
        data.append(marks(
            x[moved], squeezed(after[moved]), yaxis=y_axis, meta={"entrant": i},
            customdata=after[moved], marker=dict(symbol="circle-open", size=6,
                                                 color=theme.tint(e.color)),
            hovertemplate=f"{words} = %{{customdata:.3~g}} after damping<extra></extra>"))
        _line(layout, theme, float(squeezed(np.array(line))), y_axis, f"{mu} = {say(line)}")
    _axes(layout, data)
    layout["xaxis"] |= dict(range=view.span([e]), anchor="y")
    title = (f"{e.title}{view.so_far}: {below[0]} of {steps} pairs below μ₁, "
             f"{below[1]} below μ₂")
    acts = {"double": "Damping lifts both onto their lines.",
            "powell": "Powell's damping lifts the first onto its line; nothing lifts the second.",
            "none": "Nothing is done about them."}[view.setting(e, "damping")]
    alt = (f"The two ratios of every pair of {e.title} in layer {layer + 1}: sᵀy/yᵀHy was below "
           f"μ₁ = {say(lines[0])} {below[0]} times in {steps} updates, s̃ᵀy/s̃ᵀs̃ below μ₂ = "
           f"{say(lines[1])} {below[1]} times. {acts}")
    return Picture("ratios", title, alt, {"data": data, "layout": layout},
                   cursor=view.cursor, live=view.following(_live(theme, i, e, layer)))


def _live(theme: Theme, i: int, e: Entrant, layer: int) -> list[live.Mark]:
    """The same for a canvas, with the lines where the settings have them."""
    drawn, color, c = [], theme.tint(e.color), 2 * FINE
    for (name, *_), axis in zip(RATIOS, ("y2", "y"), strict=True):
        before, after = (live.column(f"{name}_{when}", layer, squeezed=c)
                         for when in ("before", "after"))
        bound = live.setting(*LINES[name])
        good, bad = (live.when(f"{name}_before", how, bound, layer) for how in ("from", "below"))
        moved = [bad, live.when(f"{name}_after", "differs", f"{name}_before", layer)]
        drawn += [
            live.rule(i, live.setting(*LINES[name], squeezed=c), theme.ink, axis=axis, dash="dash"),
            live.dots(i, before, "circle", 4, color, axis=axis, where=[good]),
            live.dots(i, before, "x-thin-open", 6, theme.alarm, axis=axis, where=[bad]),
            live.stems(i, before, after, theme.alarm, axis=axis, width=0.8, opacity=0.55,
                       where=moved),
            live.dots(i, after, "circle-open", 6, color, axis=axis, where=moved)]
    return drawn


def thresholds(view: RaceView, e: Entrant) -> tuple[float, float]:
    """μ₁ and μ₂ = √λ of an entrant."""
    mu1, mu2 = (float(view.setting(e, name)) ** power for name, power in LINES.values())
    return mu1, mu2


def _line(layout: dict[str, Any], theme: Theme, y: float, axis: str, text: str) -> None:
    layout.setdefault("shapes", []).append(rule(y, axis, color=theme.ink, width=1, dash="dash"))
    layout["annotations"].append(note(
        text, 1, y, xref="paper", yref=axis, xanchor="right", yanchor="bottom",
        bgcolor=theme.paper, opacity=0.85, font=dict(size=12, color=theme.ink)))


def _axes(layout: dict[str, Any], data: list[dict[str, Any]]) -> None:
    """Stack the two axes; ticks at powers of a hundred on both sides of 0."""
    for name, short, domain in (("yaxis2", "y2", [0.53, 1]), ("yaxis", "y", [0, 0.47])):
        seen = np.concatenate([d["y"] for d in data if d["yaxis"] == short])
        seen = seen[np.isfinite(seen)]
        low, high = min(seen.min(initial=0), 0), max(seen.max(initial=1), float(squeezed(
            np.array(1.0))))
        ticks = [t for t in TICKS if low - 0.5 <= squeezed(np.array(t)) <= high + 0.5]
        layout[name] |= dict(
            domain=domain, range=[low - 0.3, high + 0.4], zeroline=False,
            tickvals=[float(squeezed(np.array(t))) for t in ticks], ticktext=[
                say(t) for t in ticks])
