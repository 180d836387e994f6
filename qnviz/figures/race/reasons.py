"""The share of each reason for which Krylov iterations ended, a bar per entrant.

Diagnoses: how often a matrix was indefinite, how often the tolerance was reached.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures import live
from qnviz.figures.draw import note
from qnviz.figures.race import RaceView
from qnviz.figures.race.krylov import EMPTY, REASONS, idle, solving
from qnviz.figures.theme import Picture
from qnviz.numbers import percent

QUARTERS = (0, 0.25, 0.5, 0.75, 1)


def reasons(view: RaceView) -> Picture:
    """Shares of the outer steps, in per cent; the axis does not matter here."""
    theme, found = view.theme, solving(view)
    shown = [e for _, e, _ in found]
    if not shown:
        return view.notice("reasons", "No Krylov iterations to count", idle(view) or EMPTY)
    counts = np.stack([np.bincount(view.events(e, "krylov_reason").astype(int),
                                   minlength=len(REASONS)) for e in shown])
    share = counts / counts.sum(1, keepdims=True)
    names = [e.title for e in shown]
    layout: dict[str, Any] = theme.base("share of the outer steps", "") | dict(
        barmode="stack", showlegend=True, legend=dict(
            orientation="h", x=0, y=1.02, xanchor="left", yanchor="bottom",
            font=dict(size=12, color=theme.ink)))
    layout["margin"] |= dict(t=34, l=20)
    layout["xaxis"] |= dict(
        range=[0, 1.01], tickvals=QUARTERS, ticktext=[percent(q) for q in QUARTERS])
    layout["yaxis"] |= dict(visible=False, range=[len(shown) - 0.4, -0.75])
    data: list[dict[str, Any]] = []
    for code, words in enumerate(REASONS):
        if counts[:, code].any():
            data.append(dict(
                type="bar", orientation="h", y=np.arange(len(shown)), x=share[:, code],
                name=_in_words(words), width=0.5, customdata=counts[:, code],
                marker=theme.bar(words),
                hovertemplate=f"%{{customdata}} steps: {_in_words(words)}<extra></extra>"))
    layout["annotations"] = [note(
        f"{name}: " + ", ".join(f"{_in_words(w)} {percent(s)}" for w, s in zip(
            REASONS, row, strict=True) if s), 0, k - 0.3, xanchor="left", yanchor="bottom",
        font=dict(size=13, color=theme.ink))
        for k, (name, row) in enumerate(zip(names, share, strict=True))]
    late = counts[:, [REASONS.index(w) for w in ("converged", "budget", "stagnated")]].sum(1)
    early = 1 - late / counts.sum(1)
    title = ", ".join(f"{name}: {percent(s)} ended early" for name, s in zip(
        names, early, strict=True)) + view.so_far
    alt = "Why the inner iterations ended. " + " ".join(
        f"{name}: " + ", ".join(f"{_in_words(w)} {n} of {row.sum()}"
                                for w, n in zip(REASONS, row, strict=True) if n) + "."
        for name, row in zip(names, counts, strict=True))
    fills = [theme.bar(words) for words in REASONS]
    return Picture("reasons", title, alt, {"data": data, "layout": layout}, live=[
        live.shares(i, "krylov_reason", k, 0.5, fills) for k, (i, _, _) in enumerate(found)])


def _in_words(words: str) -> str:
    return "tolerance" if words == "converged" else words
