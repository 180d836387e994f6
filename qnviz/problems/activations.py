"""Activations with first and second derivative, holomorphic along the real axis.

Each takes h real or complex. Comparisons look at the real part only, so a complex step of any size
stays on the branch of its real point (MATH: relu(z) = z [Re z > 0]).
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Activation(NamedTuple):
    """φ, φ′ and φ″; derivatives get h and a = φ(h), whichever is cheaper to use.

    `into`, for real h, writes φ(h) into a given tensor: (h, out=…).
    """

    value: Callable[[Tensor], Tensor]
    into: Callable[..., Tensor]
    times_slope: Callable[[Tensor, Tensor, Tensor], Tensor]       # (w, h, a) → w φ′(h)
    curve: Callable[[Tensor, Tensor], Tensor] | None              # None where φ″ = 0


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


def _softplus_into(h: Tensor, out: Tensor) -> Tensor:
    return torch.logaddexp(h, torch.zeros_like(h), out=out)


def _relu_into(h: Tensor, out: Tensor) -> Tensor:
    return torch.clamp_min(h, 0, out=out)            # what torch.relu does


def _identity_into(h: Tensor, out: Tensor) -> Tensor:
    return out.copy_(h)


def _sigmoid_curve(a: Tensor) -> Tensor:
    return a * (1 - a) * (1 - 2 * a)


def relu(h: Tensor) -> Tensor:
    """H where its real part is positive, else 0."""
    return h * _positive(h) if h.is_complex() else torch.relu(h)


def _relu_times_slope(w: Tensor, h: Tensor, a: Tensor) -> Tensor:
    if w.is_complex() or h.is_complex():
        return w * _positive(h)
    # torch's own backward of relu: one pass, where a product with a mask takes two
    return torch.ops.aten.threshold_backward(w, h, 0)


ACTIVATIONS: dict[str, Activation] = {
    "identity": Activation(lambda h: h, _identity_into, lambda w, h, a: w, None),
    "tanh": Activation(torch.tanh, torch.tanh, lambda w, h, a: w * (1 - a * a),
                       lambda h, a: -2 * a * (1 - a * a)),
    "sigmoid": Activation(sigmoid, torch.sigmoid, lambda w, h, a: w * (a * (1 - a)),
                          lambda h, a: _sigmoid_curve(a)),
    "relu": Activation(relu, _relu_into, _relu_times_slope, None),
    "softplus": Activation(softplus, _softplus_into, lambda w, h, a: w * sigmoid(h),
                           lambda h, a: (s := sigmoid(h)) * (1 - s)),
}
