"""What an expression may be made of: each function once, with value, slope and curvature.

All are holomorphic along the real axis and take real or complex tensors, so a complex step through
them is exact (MATH §5). Where a function ends (log at 0, sqrt below it), the complex value is NaN
as the real one is: a branch cut is no place to differentiate. Which side of an end a complex
argument is on is decided by its *real point*, the argument without the step: (ih)² = −h² is no
negative number, but a step away from 0.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from qnviz.problems.activations import sigmoid, softplus

Inside = Callable[[Tensor], Tensor]


class Function(NamedTuple):
    """φ with φ′ and φ″, which get x and a = φ(x); `number` is φ of a plain number."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curve: Callable[[Tensor, Tensor], Tensor]
    number: Callable[[float], float]
    latex: str                                 # with {} where the argument stands
    undefined: str = ""                        # of which arguments there is no value
    # around which real points it is holomorphic; everywhere if not said
    inside: Inside | None = None
    # φ and φ′ of a complex argument whose real point is 0, where that is the end
    edge: tuple[float, float] = (math.nan, math.nan)

    def at(self, x: Tensor, point: Tensor | None) -> Tensor:
        """φ(x) of a complex x around a real point; of a real x, whose point is None."""
        return self._kept(self.value(x), point, 0)

    def slope_at(self, x: Tensor, a: Tensor, point: Tensor | None) -> Tensor:
        """φ′(x), likewise."""
        return self._kept(self.slope(x, a), point, 1)

    def _kept(self, value: Tensor, point: Tensor | None, order: int) -> Tensor:
        if point is None or self.inside is None:
            return value
        edge = complex(self.edge[order], self.edge[order])
        beside = torch.where(point == 0, edge, complex(math.nan, math.nan))
        return torch.where(self.inside(point), value, beside)


def positive(x: Tensor) -> Tensor:
    """Where x > 0."""
    return x > 0


def from_zero(x: Tensor) -> Tensor:
    """Where x ≥ 0."""
    return x >= 0


def elsewhere(x: Tensor) -> Tensor:
    """Where x ≠ 0."""
    return x != 0


def between(x: Tensor) -> Tensor:
    """Where −1 < x < 1."""
    return x.abs() < 1


def atan(x: Tensor) -> Tensor:
    """The arcus tangent.

    For z = a + ib it is ½ arg(1 + iz)/(1 − iz), whose imaginary part ¼ log1p(4b / (a² + (1 − b)²))
    keeps a tiny b; torch's own loses it in a difference of logarithms.
    """
    if not x.is_complex():
        return torch.atan(x)
    a, b = x.real, x.imag
    arc = 0.5 * (torch.atan2(a, 1 - b) + torch.atan2(a, 1 + b))
    return torch.complex(arc, 0.25 * torch.log1p(4 * b / (a * a + (1 - b) ** 2)))


def asin(x: Tensor) -> Tensor:
    """The arcus sine, on complex numbers by that of the tangent: arctan z/√(1 − z²)."""
    return atan(x / _beside(x)) if x.is_complex() else torch.asin(x)


def acos(x: Tensor) -> Tensor:
    """The arcus cosine, ½π − arcsin x."""
    return 0.5 * math.pi - asin(x) if x.is_complex() else torch.acos(x)


def _beside(x: Tensor) -> Tensor:
    """√(1 − x²), without a difference of squares near ±1."""
    return torch.sqrt((1 - x) * (1 + x))


def _raised(x: Tensor, p: float) -> Tensor:
    """Xᵖ for x ≥ 0, by polar coordinates where x is complex: both parts keep their digits."""
    if p == 0:
        return torch.ones_like(x)
    if x.is_complex():
        return torch.polar(x.abs() ** p, p * torch.atan2(x.imag, x.real))
    return x ** p


def _sides(x: Tensor) -> tuple[Tensor, Tensor]:
    """Sign and |x|; of a complex number the sign is its real part's, and |x| stays complex."""
    sign = torch.sign(x.real) if x.is_complex() else torch.sign(x)
    return sign, x * sign if x.is_complex() else x.abs()


@lru_cache(maxsize=512)
def power(p: float) -> Function:
    """Xᵖ for x ≥ 0. At 0 it is 0 for p > 0, its slope for p > 1 and its curvature for p ≥ 2."""
    def raised(x: Tensor, times: float, q: float) -> Tensor:
        real = x.real if x.is_complex() else x
        none = complex(math.nan, math.nan) if x.is_complex() else math.nan
        return torch.where(real < 0, none, times * _raised(x, q) if times else 0 * x)

    def number(x: float) -> float:
        if x < 0:
            raise ValueError("no real power")
        return x ** p

    return Function(
        lambda x: raised(x, 1, p), lambda x, a: raised(x, p, p - 1),
        lambda x, a: raised(x, p * (p - 1), p - 2), number, "", "negative numbers",
        from_zero if p == int(p) and p > 0 else positive,
        (0.0 if p > 1 else math.nan, 0.0 if p >= 2 else math.nan))


@lru_cache(maxsize=512)
def even_power(p: float) -> Function:
    """|x|ᵖ for p > 1: what (x²)^{p/2} is, without an end at 0."""
    def slope(x: Tensor, a: Tensor) -> Tensor:
        sign, size = _sides(x)
        return p * sign * _raised(size, p - 1)

    return Function(
        lambda x: _raised(_sides(x)[1], p), slope,
        lambda x, a: p * (p - 1) * _raised(_sides(x)[1], p - 2), lambda x: abs(x) ** p, "",
        "", elsewhere, (0.0, 0.0 if p >= 2 else math.nan))


@lru_cache(maxsize=512)
def odd_power(p: float) -> Function:
    """Sign(x) |x|ᵖ for p > 0: what roots of odd order are, and their powers."""
    def value(x: Tensor) -> Tensor:
        sign, size = _sides(x)
        return sign * _raised(size, p)

    def curve(x: Tensor, a: Tensor) -> Tensor:
        sign, size = _sides(x)
        bend = p * (p - 1) * sign * _raised(size, p - 2)
        return torch.where(sign == 0, math.nan, bend) if p == 2 else bend      # x|x| has two

    return Function(
        value, lambda x, a: p * _raised(_sides(x)[1], p - 1), curve,
        lambda x: math.copysign(abs(x) ** p, x), "", "", elsewhere,
        (0.0 if p > 1 else math.nan, 0.0 if p > 2 else math.nan))


FUNCTIONS: dict[str, Function] = {
    "sin": Function(torch.sin, lambda x, a: torch.cos(x), lambda x, a: -a, math.sin,
                    r"\sin{}"),
    "cos": Function(torch.cos, lambda x, a: -torch.sin(x), lambda x, a: -a, math.cos,
                    r"\cos{}"),
    "tan": Function(torch.tan, lambda x, a: 1 + a * a, lambda x, a: 2 * a * (1 + a * a), math.tan,
                    r"\tan{}"),
    "asin": Function(asin, lambda x, a: 1 / _beside(x), lambda x, a: x / _beside(x) ** 3,
                     math.asin, r"\arcsin{}", "numbers beyond ±1", between),
    "acos": Function(acos, lambda x, a: -1 / _beside(x), lambda x, a: -x / _beside(x) ** 3,
                     math.acos, r"\arccos{}", "numbers beyond ±1", between),
    "atan": Function(atan, lambda x, a: 1 / (1 + x * x),
                     lambda x, a: -2 * x / (1 + x * x) ** 2, math.atan, r"\arctan{}"),
    "exp": Function(torch.exp, lambda x, a: a, lambda x, a: a, math.exp, r"\exp{}"),
    "log": Function(torch.log, lambda x, a: 1 / x, lambda x, a: -1 / (x * x), math.log, r"\ln{}",
                    "numbers that are not positive", positive),
    "sqrt": Function(torch.sqrt, lambda x, a: 0.5 / a, lambda x, a: -0.25 / (a * x), math.sqrt,
                     r"\sqrt{{{}}}", "negative numbers", positive),
    "cbrt": odd_power(1 / 3)._replace(latex=r"\sqrt[3]{{{}}}", number=math.cbrt),
    "sinh": Function(torch.sinh, lambda x, a: torch.cosh(x), lambda x, a: a, math.sinh,
                     r"\sinh{}"),
    "cosh": Function(torch.cosh, lambda x, a: torch.sinh(x), lambda x, a: a, math.cosh,
                     r"\cosh{}"),
    "tanh": Function(torch.tanh, lambda x, a: 1 - a * a, lambda x, a: -2 * a * (1 - a * a),
                     math.tanh, r"\tanh{}"),
    "sigmoid": Function(sigmoid, lambda x, a: a * (1 - a),
                        lambda x, a: a * (1 - a) * (1 - 2 * a),
                        lambda x: 1 / (1 + math.exp(-x)) if x > -700 else 0.0, r"\sigma{}"),
    "softplus": Function(softplus, lambda x, a: sigmoid(x),
                         lambda x, a: (s := sigmoid(x)) * (1 - s),
                         lambda x: max(x, 0.0) + math.log1p(math.exp(-abs(x))),
                         r"\operatorname{{softplus}}{}"),
    # not to be written by name: a / b is a · (1/b)
    "reciprocal": Function(torch.reciprocal, lambda x, a: -a * a, lambda x, a: 2 * a * a * a,
                           lambda x: 1 / x, r"\frac{{1}}{{{}}}", "0", elsewhere),
}
# by the exponent that their step carries
POWERS: dict[str, Callable[[float], Function]] = {
    "power": power, "even_power": even_power, "odd_power": odd_power}
NAMED = tuple(name for name in FUNCTIONS if name != "reciprocal")


def function(op: str, exponent: float = 0.0) -> Function:
    """The function of a step: by its name, and of a power by its exponent."""
    return POWERS[op](exponent) if op in POWERS else FUNCTIONS[op]
