"""Spectra of a layer's two Kronecker factors: all eigenvalues of H_g and H_a, as quantiles.

Diagnoses: what the inverse curvature treats alike. A narrow band means one scale for all
directions, hence nearly a gradient step; a band that keeps widening means directions of which
little was learned, bounded only by the damping.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.colors import veil
from qnviz.figures.draw import curve, note
from qnviz.figures.race import AXES, Columns, RaceView
from qnviz.figures.race.views import chosen, end_labels, label_margin, line, riding
from qnviz.figures.theme import Head, Picture, log_axis, log_range
from qnviz.numbers import say
from qnviz.runs.trace import Entrant

EMPTY = ("None of these methods keeps Kronecker factors. Add K-BFGS, K-BFGS(L) or KFAC.")
FACTORS = (("g", "output side", "y", [0.53, 1.0]), ("a", "input side", "y2", [0.0, 0.47]))
QUANTILES = {"min": 0.0, "10 %": 0.1, "median": 0.5, "90 %": 0.9, "max": 1.0}
LABELLED = ("min", "median", "max")
DECADES = 12                          # of an axis at most, below its largest value


def factors(view: RaceView) -> Picture:
    """Five quantiles of both factors' spectra; the reader chooses entrant and layer."""
    view = view.first
    shown = view.holding("view_spectrum_g")
    if not shown:
        return view.notice("factors", "No Kronecker factors to look at", EMPTY)
    times = view.span([e for _, e, _ in shown])
    return chosen([_one(view, i, e, c, layer, times)
                   for i, e, c in shown for layer in range(c["view_spectrum_g"].shape[1])])


def quantiles(spectra: np.ndarray) -> np.ndarray:
    """The five quantiles (V, 5) of ascending spectra (V, n) padded with NaN; NaN where unknown."""
    count = np.isfinite(spectra).sum(1)
    at = np.array(list(QUANTILES.values())) * np.maximum(count - 1, 0)[:, None]
    low = np.floor(at).astype(int)
    rows = np.arange(len(spectra))[:, None]
    below, above = spectra[rows, low], spectra[rows, np.ceil(at).astype(int)]
    return np.where(count[:, None] > 0, below + (at - low) * (above - below), np.nan)


def _one(view: RaceView, i: int, e: Entrant, c: Columns, layer: int,
         times: list[float]) -> Picture:
    theme = view.theme
    layout = view.layout("", right=label_margin(LABELLED))
    layout["xaxis"] |= dict(range=times, anchor="y2")
    layout["yaxis2"] = theme.axis("")
    data, heads, found, sentences = [], [], [], []
    for side, words, y, domain in FACTORS:
        spectra = c[f"view_spectrum_{side}"][:, layer].astype(float)
        bands = quantiles(spectra)
        bands = np.where(bands > 0, bands, np.nan)
        name, panel = f"H_{side}", layout["yaxis" + y[1:]]
        panel |= dict(domain=domain)
        panel["title"]["text"] = f"H<sub>{side}</sub>, {words.split()[0]}"
        known = np.flatnonzero(np.isfinite(bands).all(1))
        if not known.size:
            panel |= dict(range=[0, 1], showticklabels=False)
            layout["annotations"].append(note(
                f"diverged before {name} could be looked at", 0.5, sum(domain) / 2, xref="paper",
                yref="paper", font=dict(color=theme.muted, size=13)))
            continue
        data += _bands(view, i, e, c, bands, y)
        heads.append(Head(i, *riding(c, view.axis, bands[:, 2]), y))
        top = float(np.nanmax(bands))
        span = log_range(max(float(np.nanmin(bands)), top * 10.0**-DECADES), top,
                         view.trace.unfinished)
        panel |= log_axis(span, 3)
        last = bands[known[-1]]
        layout["annotations"] += end_labels(theme, [
            (q, float(np.log10(last[k])), theme.tint(e.color))
            for k, q in enumerate(QUANTILES) if q in LABELLED], span, y, share=0.2)
        lost = ", before it diverged" if known[-1] < len(bands) - 1 else ""
        size = int(np.isfinite(spectra).sum(1).max())
        found.append(f"{name} {say(last[0])} … {say(last[-1])}{lost}")
        sentences.append(
            f"of {name} ({words}, {size} eigenvalues) the median is {say(last[2])} and all lie "
            f"within {say(last[0])} … {say(last[-1])}, ratio {say(last[-1] / last[0])}{lost}")
    label, where = f"{e.title} · layer {layer + 1}", f"layer {layer + 1}"
    if not found:
        text = f"{e.title} diverged before H_g and H_a of {where} could be looked at."
        return view.notice("factors", f"{e.title} diverged: no H_g and H_a of {where} to look at",
                           text, label)
    alt = (f"Quantiles of the eigenvalues of {e.title}'s Kronecker factors of {where} over "
           f"{AXES[view.axis]}. In the last view, {'; '.join(sentences)}.")
    return Picture("factors", f"{', '.join(found)}{view.so_far} ({e.title}, {where})", alt,
                   {"data": data, "layout": layout}, heads,
                   cursor=True, label=label)


def _bands(view: RaceView, i: int, e: Entrant, c: Columns, bands: np.ndarray,
           y: str) -> list[dict[str, Any]]:
    """A line per quantile, with veils between them."""
    color, lines = view.theme.tint(e.color), []
    for k, quantile in enumerate(QUANTILES):
        inner, middle = quantile in ("10 %", "90 %"), quantile == "median"
        opacity = 0.32 if quantile in ("median", "90 %") else 0.13
        fill = dict(fill="tonexty", fillcolor=veil(color, opacity)) if k else {}
        lines.append(curve(
            *line(c, view.axis, bands[:, k]), meta={"entrant": i}, name=quantile, yaxis=y, **fill,
            line=dict(color=color, width=3 if middle else 1.2 if inner else 1.6,
                      dash="dot" if inner else "solid"),
            hovertemplate=f"{quantile}: %{{y:.3~g}}<extra></extra>"))
    return lines
