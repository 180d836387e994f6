"""Activations with first and second derivative, holomorphic along the real axis.

Each takes h real or complex. Comparisons look at the real part only, so a complex step of any size
stays on the branch of its real point (MATH: relu(z) = z [Re z > 0]).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """φ, φ′ and φ″; derivatives get h and a = φ(h), whichever is cheaper to use."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor, Tensor], Tensor]
    curve: Callable[[Tensor, Tensor], Tensor]


def _positive(h: Tensor) -> Tensor:
    return (h.real if h.is_complex() else h) > 0


def sigmoid(h: Tensor) -> Tensor:
    """1 / (1 + e⁻ʰ), without overflow on either side."""
    if not h.is_complex():
        return torch.sigmoid(h)
    e = torch.exp(torch.where(_positive(h), -h, h))          # |e| ≤ 1
    return torch.where(_positive(h), 1 / (1 + e), e / (1 + e))


def softplus(h: Tensor) -> Tensor:
    """log(1 + eʰ), without overflow: max(h, 0) + log1p(e^{−|h|}), the signs by the real part."""
    if not h.is_complex():
        return torch.logaddexp(h, torch.zeros_like(h))
    positive = _positive(h)
    zero = torch.zeros_like(h)
    e = torch.exp(torch.where(positive, -h, h))
    # complex log1p is NaN where e is nearly denormal; there log1p(e) = e to rounding
    small = e.real < torch.finfo(e.real.dtype).eps ** 2
    return torch.where(positive, h, zero) + torch.where(
        small, e, torch.log1p(torch.where(small, zero, e)))


def _sigmoid_curve(a: Tensor) -> Tensor:
    return a * (1 - a) * (1 - 2 * a)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda h: h, lambda h, a: torch.ones_like(h),
                           lambda h, a: torch.zeros_like(h)),
    "tanh": Activation(torch.tanh, lambda h, a: 1 - a * a, lambda h, a: -2 * a * (1 - a * a)),
    "sigmoid": Activation(sigmoid, lambda h, a: a * (1 - a), lambda h, a: _sigmoid_curve(a)),
    "relu": Activation(lambda h: h * _positive(h), lambda h, a: _positive(h).to(h.dtype),
                       lambda h, a: torch.zeros_like(h)),
    "softplus": Activation(softplus, lambda h, a: sigmoid(h),
                           lambda h, a: (s := sigmoid(h)) * (1 - s)),
}
