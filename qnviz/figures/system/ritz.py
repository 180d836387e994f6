"""Ritz values crawling to the spectrum: what the Krylov space knows of the matrix after j products.

Diagnoses: which eigenvalues are found first (the outer ones, those apart from the others), and
when the smallest Ritz value turns negative, which is when both solvers meet negative curvature.
Where each product was taken on a batch of its own, the values need not lie within the spectrum.
"""

from __future__ import annotations

import numpy as np

from qnviz.figures.draw import curve, marks
from qnviz.figures.signed import ZERO, Signed
from qnviz.figures.system import Solve, System, SystemView
from qnviz.figures.theme import Head, Picture
from qnviz.numbers import say

NEAR = 0.01                           # relative distance at which an eigenvalue counts as found


def ritz(view: SystemView) -> Picture:
    """The eigenvalues of T_j for every j, over lines at the eigenvalues of the matrix."""
    system, theme = view.system, view.theme
    s = max(system.solves, key=lambda s: len(s.ritz))      # both solvers build the same T
    values = system.eigenvalues
    scale = Signed(values, *s.ritz)
    layout = view.layout("Ritz values")
    layout["yaxis"] |= scale.axis() | dict(zeroline=True, zerolinecolor=theme.muted,
                                           showgrid=False)
    left, right = layout["xaxis"]["range"]
    heights = scale(values)
    gaps = np.full(len(values), np.nan)
    lines = curve(np.tile([left, right, np.nan], len(values)), np.ravel(np.stack(
        [heights, heights, gaps], 1)), hoverinfo="skip", line=dict(color=theme.level, width=1))
    j = np.repeat(np.arange(1, len(s.ritz) + 1), [len(r) for r in s.ritz])
    every = np.concatenate(s.ritz) if s.ritz else np.zeros(0)
    found, zero = _found(every, values), _zero(s)
    negative = (every <= 0) & ~zero
    data = [lines]
    for mask, color, symbol, size in (
            (found & ~negative & ~zero, theme.tint("#009E73"), "circle", 5),
            (~found & ~negative & ~zero, theme.muted, "circle-open", 5),
            (negative, theme.alarm, "x", 7),
            (zero, theme.reasons[ZERO][0], "line-ew-open", 9)):
        data.append(marks(j[mask], scale(every[mask]), customdata=every[mask], marker=dict(
            symbol=symbol, size=size, color=color),
            hovertemplate="j = %{x}: Ritz value %{customdata:.4~g}<extra></extra>"))
    lowest = np.concatenate([[np.nan], [scale(r[:1])[0] for r in s.ritz]])
    highest = np.concatenate([[np.nan], [scale(r[-1:])[0] for r in s.ritz]])
    at = np.arange(len(lowest), dtype=float)
    i = system.solves.index(s)
    title, sentences = _finding(system, s)
    alt = (f"Ritz values after each inner iteration, of the Lanczos matrix that CG and MINRES "
           f"share, over the {'eigenvalues' if system.exact else 'Lanczos nodes'} of the matrix "
           f"from {say(values[0])} to {say(values[-1])}. {sentences}")
    return Picture("ritz", title, alt, {"data": data, "layout": layout},
                   [Head(i, at, lowest), Head(i, at, highest)], cursor=True)


def _found(ritz: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which Ritz values lie within a hundredth of an eigenvalue."""
    if not len(ritz):
        return np.zeros(0, dtype=bool)
    gap = np.abs(ritz[:, None] - values)
    return np.any(gap <= NEAR * np.maximum(np.abs(values), 1e-300), axis=1)


def _zero(solve: Solve) -> np.ndarray:
    """Which of all Ritz values is the one at which zero curvature ended the iteration."""
    mask = np.zeros(sum(map(len, solve.ritz)), dtype=bool)
    if solve.reason == ZERO and solve.ritz:
        last = np.abs(solve.ritz[-1])
        mask[len(mask) - len(last) + int(last.argmin())] = True
    return mask


def _finding(system: System, solve: Solve) -> tuple[str, str]:
    """What there is to see: a title, and the same in sentences."""
    ritz, flat = solve.ritz, _zero(solve).any()
    if not ritz:
        return "No Ritz value: nothing was iterated", "No product was finite."
    top = system.eigenvalues[-1]
    near = [j for j, r in enumerate(ritz, 1) if abs(r[-1] - top) <= NEAR * abs(top)]
    turned = next((j for j, r in enumerate(ritz[:len(ritz) - flat], 1) if r[0] <= 0), None)
    parts, sentences = [], []
    if near:
        parts.append(f"largest found at {near[0]}")
        sentences.append(f"The largest eigenvalue is met to 1 % at iteration {near[0]}.")
    if turned:
        parts.append(f"negative at {turned}")
        sentences.append(f"At iteration {turned} the smallest Ritz value turns negative, "
                         f"{say(ritz[turned - 1][0])}.")
    if flat:
        parts.append(f"zero at {len(ritz)}")
        sentences.append(f"At iteration {len(ritz)} a Ritz value is 0 to rounding.")
    count = int(_found(ritz[-1], system.eigenvalues).sum())
    if system.exact:
        parts.append(f"{count} of {system.size} found")
        sentences.append(f"At the end {count} Ritz values of {len(ritz[-1])} lie within 1 % of one "
                         f"of the {system.size} eigenvalues.")
    title = "Ritz: " + ", ".join(parts) if parts else "No eigenvalue found yet"
    return title, " ".join(sentences)
