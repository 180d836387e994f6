"""What maps say in words, computed from their cells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qnviz.figures.maps.cells import (
    ELSEWHERE,
    HALTED,
    SADDLE,
    STILL,
    Best,
    Cells,
    Range,
    Side,
)
from qnviz.numbers import percent, say

ALIKE = 1.25                          # two factors that differ by less are given as one
NAMED = 4                             # minima whose shares are given


def title(name: str, c: Cells, target: bool) -> str:
    """What a map of settings shows, by its name."""
    if not c.there.any():
        return f"{name}: not computed yet"
    if target:
        return f"{name}: {percent(c.share(c.good))} of the map reaches the target"
    found = c.loss[c.there & np.isfinite(c.loss)]
    least = f"down to loss {say(found.min())}" if len(found) else "no run stays finite"
    return f"{name}: {least}"


def summary(c: Cells, b: Best | None, x: Side, y: Side, seeds: int) -> str:
    """A map's best cell, how sharp it is, and how much is lost."""
    if not c.there.any():
        return ""
    parts = [so_far(c)] if c.fraction < 1 else []
    if b is None:
        parts.append("Every cell diverged." if c.lost[c.there].all() else
                     "Every cell ended where ∇f has no value." if c.halted[c.there].all() else
                     "No cell has a value.")
        return " ".join(parts)
    after = (f"{b.value:.0f} steps to the target" if b.by == "steps"
             else f"loss {say(b.value)}")
    over = f" (median of {seeds} seeds)" if seeds > 1 else ""
    sides = [(s, r) for s, r in ((x, b.x), (y, b.y)) if len(s.values) > 1 and s.label != "seed"]
    where = ", ".join(f"{s.label} = {say(r.best)}" for s, r in sides)
    best = "Best" if c.fraction == 1 else "Best so far"
    parts.append(f"{best} at {where}: {after}{over}.")
    if sides and c.fraction == 1:
        worse = ("at most twice as many steps" if b.by == "steps"
                 else f"at most {say(b.factor)} times its loss")
        parts.append(f"For {worse} {leeway(sides)}.")
    lost = f"{percent(c.share(c.lost))} diverged{_halted(c.halted, c)}."
    parts.append(lost[0].upper() + lost[1:])
    return " ".join(parts)


def _halted(which: np.ndarray, c: Cells) -> str:
    return f", {percent(c.share(which))} ended where ∇f has no value" if which.any() else ""


def leeway(sides: Sequence[tuple[Side, Range]]) -> str:
    """How far each setting may be off, the sharper one last."""
    widest = sorted(((_width(s, r), s, r) for s, r in sides), key=lambda t: -t[0])
    words = [_off(s, r) for _, s, r in widest]
    if len(words) == 1:
        return f"{words[0][0]} {words[0][1]}"
    (a, first), (b, second) = words
    only = "only " if widest[0][0] > ALIKE * widest[1][0] else ""
    return f"{a} {first}, {b} {only}{second.removeprefix('may be off ')}"


def _width(s: Side, r: Range) -> float:
    """How wide a range is, so that those of two axes compare."""
    if s.log:
        return float(np.log(r.high / r.low))
    return (r.high - r.low) / max(abs(r.best), 1e-12)


def _off(s: Side, r: Range) -> tuple[str, str]:
    edge = " (the map ends there)" if r.at_start or r.at_end else ""
    if r.low == r.high:
        return s.label, f"may be off by less than a cell{edge}"
    if not s.log:
        return s.label, f"may be off between {say(r.low)} and {say(r.high)}{edge}"
    down, up = r.best / r.low, r.high / r.best
    if down == 1 or up == 1:
        way, other = (f"×{_factor(up)} up", "down") if up > 1 else (f"÷{_factor(down)} down", "up")
        beyond = r.at_start if up > 1 else r.at_end
        return s.label, f"may be off by {way}{'' if beyond else f', not at all {other}'}{edge}"
    if max(down, up) / min(down, up) < ALIKE:
        return s.label, f"may be off by ×{_factor(max(down, up))} either way{edge}"
    return s.label, f"may be off by ÷{_factor(down)} … ×{_factor(up)}{edge}"


def _factor(f: float) -> str:
    return f"{f:.0f}" if f >= 9.95 else f"{f:.1f}".removesuffix(".0")


def so_far(c: Cells) -> str:
    """How much of a map is there."""
    return f"{percent(c.fraction)} of the cells computed so far, the others are filled in."


def difference(names: Sequence[str], both: Sequence[Cells], target: bool) -> str:
    """Two maps of settings against each other, in a sentence."""
    a, b = both
    if not (a.there.any() and b.there.any()):
        return ""
    lost = (f"diverged: {percent(a.share(a.lost))} against {percent(b.share(b.lost))}")
    if target:
        return (f"{names[0]} reaches the target on {percent(a.share(a.good))} of its map, "
                f"{names[1]} on {percent(b.share(b.good))}; {lost}.")
    lower = [_lower(a, b), _lower(b, a)]
    if a.loss.shape == b.loss.shape and lower[0] + lower[1] > 0:
        return (f"{names[0]} ends lower in {percent(lower[0])} of the cells, {names[1]} in "
                f"{percent(lower[1])}; {lost}.")
    return f"{lost.capitalize()}."


def _lower(a: Cells, b: Cells) -> float:
    if a.loss.shape != b.loss.shape:
        return 0.0
    both = a.there & b.there
    return float((a.loss[both] < b.loss[both]).mean()) if both.any() else 0.0


def basin_title(name: str, c: Cells, count: int = 1) -> str:
    """What a map of starts shows, by its name; `count` is how many minima are known."""
    which = _which(count)
    if not c.there.any():
        return f"{name}: not computed yet"
    if not count:
        return f"{name}: {percent(c.share(c.kind == STILL))} of the starts converge"
    if (c.reached > 0)[c.there].all():
        return f"{name}: every start reaches {which}"
    if not c.reached.any():
        return f"{name}: no start reaches {which}"
    return f"{name}: {percent(c.share(c.reached > 0))} of the starts reach {which}"


def _which(count: int) -> str:
    return "the minimum" if count == 1 else "a minimum"


def basin_summary(c: Cells, x: Side, y: Side, minimisers: Sequence[Sequence[float]]) -> str:
    """How fast the minimum is reached, and where the farthest failures start."""
    if not c.there.any():
        return ""
    parts = [so_far(c)] if c.fraction < 1 else []
    steps = c.steps[c.there & np.isfinite(c.steps)]
    if len(steps):
        parts.append(f"Median {np.median(steps):.0f} steps, 95 % within "
                     f"{np.quantile(steps, 0.95, method='higher'):.0f}.")
    n = len(minimisers)
    if n > 1 and c.reached.any():
        parts.append(_shares(c, n))
    failed = c.there & (c.reached == 0)
    if failed.any():
        elsewhere = c.share((c.kind == n + ELSEWHERE) | (c.kind == n + STILL))
        halted = _halted(c.kind == n + HALTED, c)
        saddle = c.kind == n + SADDLE
        at_saddle = f", {percent(c.share(saddle))} at a saddle or maximum" if saddle.any() else ""
        lost = (f"{percent(elsewhere)} end elsewhere{at_saddle}, "
                f"{percent(c.share(c.lost))} diverge{halted}.")
        parts.append(lost[0].upper() + lost[1:])
    if n == 1 and failed.any() and not failed[c.there].all():
        away = np.min([np.hypot(x.values - p[0], y.values[:, None] - p[1]) for p in minimisers],
                      axis=0)
        iy, ix = np.unravel_index(int(np.where(failed, away, np.inf).argmin()), away.shape)
        parts.append(f"The nearest failure starts at ({say(x.values[ix])}, {say(y.values[iy])}), "
                     f"{say(away[iy, ix])} from the minimum.")
    return " ".join(parts)


def _shares(c: Cells, n: int) -> str:
    """How many starts lead to each of several minima, the most first."""
    each = sorted(((c.share(c.kind == i), i + 1) for i in range(n)), key=lambda t: (-t[0], t[1]))
    named = [f"{percent(share)} end at minimum {i}" if k == 0 else f"{percent(share)} at {i}"
             for k, (share, i) in enumerate(each[:NAMED]) if share > 0]
    return ", ".join(named) + (", fewer at others." if len(each) > NAMED else ".")


def basin_difference(names: Sequence[str], both: Sequence[Cells], count: int = 1) -> str:
    """Two maps of starts against each other, in a sentence; `count` minima are known."""
    if not all(c.there.any() for c in both):
        return ""
    if not count:
        a, b = (percent(c.share(c.kind == STILL)) for c in both)
        return (f"No minimum is known. {names[0]} converges from {a} of the starts, {names[1]} "
                f"from {b}.")
    (a, first), (b, second) = ((percent(c.share(c.reached > 0)), _median(c)) for c in both)
    steps = f"; median {first} against {second} steps" if first and second else ""
    which = _which(count)
    return f"{names[0]} reaches {which} from {a} of the starts, {names[1]} from {b}{steps}."


def _median(c: Cells) -> str:
    steps = c.steps[c.there & np.isfinite(c.steps)]
    return f"{np.median(steps):.0f}" if len(steps) else ""
