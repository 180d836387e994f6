"""What pictures of one Newton system share: marks at rules, the solvers' styles."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.draw import marks, note
from qnviz.figures.signed import ZERO
from qnviz.figures.system import Solve, System
from qnviz.figures.theme import Theme

STYLES = {"cg": ("#009E73", "solid", "circle"), "minres": ("#CC79A7", "dash", "diamond")}


def fired(theme: Theme, solve: Solve, i: int, height: float, log: bool = False) -> tuple[
        dict[str, Any], dict[str, Any]]:
    """A mark where a solver's rule fired, and the rule in words beside it."""
    color, _ = theme.reasons[solve.reason]
    at = np.array([solve.iterations]), np.array([height])
    mark = marks(*at, meta={"entrant": i}, hoverinfo="skip", marker=dict(
        symbol="x" if solve.reason != "converged" else "star", size=12, color=color,
        line=dict(width=1, color=theme.ink)))
    y = float(np.log10(max(height, 1e-300))) if log else height
    words = note(f"{solve.title}: {rule(solve)}", solve.iterations, y, xanchor="right",
                 yanchor="bottom" if i else "top", xshift=-4, yshift=7 if i else -7,
                 bgcolor=theme.paper, opacity=0.9, borderpad=1,
                 font=dict(size=12, color=theme.legible(theme.tint(STYLES[solve.solver][0]))))
    return mark, words


def zeros(solve: Solve) -> np.ndarray:
    """Which of its curvatures (J,) counts as zero: the last one, if that ended it."""
    last = np.zeros(len(solve.rayleigh), dtype=bool)
    last[-1:] = solve.reason == ZERO
    return last


def rule(solve: Solve) -> str:
    """Why a solver ended, in two words."""
    reason: str = solve.reason
    return {"converged": "tolerance", "disturbing": "disturbing direction",
            "non finite": "not finite"}.get(reason, reason)


def stroke(theme: Theme, solve: Solve, width: float = 2.2) -> dict[str, Any]:
    """How a solver's line is drawn."""
    color, dash, _ = STYLES[solve.solver]
    return dict(color=theme.tint(color), dash=dash, width=width)


def ended(system: System) -> str:
    """How both solvers ended, for a title or an alternative text."""
    if len({(rule(s), s.iterations) for s in system.solves}) == 1:
        return f"Both end: {rule(system.solves[0])}, at {system.solves[0].iterations}"
    return "; ".join(f"{s.title} {rule(s)} at {s.iterations}" for s in system.solves)
