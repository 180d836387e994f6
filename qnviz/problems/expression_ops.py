"""What an expression may be made of: each function once, with value, slope and curvature.

All are holomorphic along the real axis and take real or complex tensors, so a complex step through
them is exact (MATH §5). Where a function ends (log and sqrt at 0), the complex value is NaN as the
real one is: a branch cut is no place to differentiate.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from qnviz.problems.activations import sigmoid, softplus


class Function(NamedTuple):
    """φ with φ′ and φ″, which get x and a = φ(x); `number` is φ of a plain number."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curve: Callable[[Tensor, Tensor], Tensor]
    number: Callable[[float], float]
    latex: str                                 # with {} where the argument stands
    undefined: str = ""                        # of which arguments there is no value


def _right(x: Tensor, value: Tensor) -> Tensor:
    """Complex `value` where Re x > 0, NaN elsewhere."""
    return torch.where(x.real > 0, value, torch.nan)


def log(x: Tensor) -> Tensor:
    """The natural logarithm of positive numbers."""
    return _right(x, torch.log(x)) if x.is_complex() else torch.log(x)


def sqrt(x: Tensor) -> Tensor:
    """The square root of positive numbers, and of 0, where it has no slope."""
    return _right(x, torch.sqrt(x)) if x.is_complex() else torch.sqrt(x)


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


FUNCTIONS: dict[str, Function] = {
    "sin": Function(torch.sin, lambda x, a: torch.cos(x), lambda x, a: -a, math.sin,
                    r"\sin{}"),
    "cos": Function(torch.cos, lambda x, a: -torch.sin(x), lambda x, a: -a, math.cos,
                    r"\cos{}"),
    "tan": Function(torch.tan, lambda x, a: 1 + a * a, lambda x, a: 2 * a * (1 + a * a), math.tan,
                    r"\tan{}"),
    "atan": Function(atan, lambda x, a: 1 / (1 + x * x),
                     lambda x, a: -2 * x / (1 + x * x) ** 2, math.atan, r"\arctan{}"),
    "exp": Function(torch.exp, lambda x, a: a, lambda x, a: a, math.exp, r"\exp{}"),
    "log": Function(log, lambda x, a: 1 / x, lambda x, a: -1 / (x * x), math.log, r"\log{}",
                    "numbers that are not positive"),
    "sqrt": Function(sqrt, lambda x, a: 0.5 / a, lambda x, a: -0.25 / (a * x), math.sqrt,
                     r"\sqrt{{{}}}", "negative numbers"),
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
                           lambda x: 1 / x, r"\frac{{1}}{{{}}}", "0"),
}
NAMED = tuple(name for name in FUNCTIONS if name != "reciprocal")
