"""A number that a typed function cannot fall below, from the ranges of its parts."""

from __future__ import annotations

import math
from collections.abc import Callable

from qnviz.problems.typed.program import Program

Range = tuple[float, float]
ALL: Range = (-math.inf, math.inf)
# rising over all numbers on which they are defined, with their values at both ends of these
RISING: dict[str, tuple[Callable[[float], float], Range, Range]] = {
    "exp": (math.exp, ALL, (0.0, math.inf)), "log": (math.log, (0.0, math.inf), ALL),
    "sqrt": (math.sqrt, (0.0, math.inf), (0.0, math.inf)), "sinh": (math.sinh, ALL, ALL),
    "asin": (math.asin, (-1.0, 1.0), (-math.pi / 2, math.pi / 2)),
    "atan": (math.atan, ALL, (-math.pi / 2, math.pi / 2)), "tanh": (math.tanh, ALL, (-1.0, 1.0)),
    "sigmoid": (lambda t: 0.5 + 0.5 * math.tanh(t / 2), ALL, (0.0, 1.0)),
    "softplus": (lambda t: max(t, 0.0) + math.log1p(math.exp(-abs(t))), ALL, (0.0, math.inf))}


def bound(program: Program) -> float:
    """A lower bound of the first output over all (x, y), by interval arithmetic; often −∞.

    It is the infimum where no variable stands in two parts that pull against each other: √(x² + y²)
    has 0, x² − x has −∞.
    """
    found: list[Range] = []
    for op, args, value in program.steps:
        parts = [found[a] for a in args]
        if op == "variable":
            new = ALL
        elif op == "constant":
            new = (value, value)
        elif op == "add":
            new = (parts[0][0] + parts[1][0], parts[0][1] + parts[1][1])
        elif op == "times":
            new = _square(parts[0]) if args[0] == args[1] else _product(*parts)
        else:
            new = _function(op, value, parts[0])
        found.append(ALL if any(map(math.isnan, new)) else new)
    return found[program.outputs[0]][0]


def _times(a: float, b: float) -> float:
    return 0.0 if a == 0 or b == 0 else a * b            # of ends: 0 · ∞ is no value that is taken


def _product(a: Range, b: Range) -> Range:
    ends = [_times(s, t) for s in a for t in b]
    return min(ends), max(ends)


def _square(a: Range) -> Range:
    ends = [_times(t, t) for t in a]
    return (0.0 if a[0] <= 0 <= a[1] else min(ends)), max(ends)


def _power(t: float, p: float) -> float:
    """Tᵖ for t ≥ 0, with ∞ for what is larger than any number."""
    try:
        return t ** p
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _function(op: str, p: float, a: Range) -> Range:
    """The range of a function over one; `p` is a power's exponent."""
    low, high = a
    if op == "acos":
        low, high = (-t for t in _function("asin", p, a)[::-1])
        return math.pi / 2 + low, math.pi / 2 + high
    if op in ("power", "even_power"):
        near = 0.0 if low <= 0 <= high else min(abs(low), abs(high))
        far = max(high, 0.0) if op == "power" else max(abs(low), abs(high))
        ends = _power(max(low, 0.0) if op == "power" else near, p), _power(far, p)
        return min(ends), max(ends)
    if op in ("odd_power", "cbrt"):
        q = 1 / 3 if op == "cbrt" else p
        low, high = (math.copysign(_power(abs(t), q), t) for t in a)
        return low, high
    if op in ("sin", "cos"):
        return -1.0, 1.0
    if op == "cosh":
        return 1.0, math.inf
    if op == "reciprocal" and (low >= 0 or high <= 0):
        far = 1 / high if high else -math.inf
        return far, 1 / low if low else math.inf
    if op not in RISING:
        return ALL
    value, (first, last), (least, most) = RISING[op]
    try:
        return (least if low <= first else value(low)), (most if high >= last else value(high))
    except (OverflowError, ValueError):
        return least, most
