"""Losses of the output u against a target: value, gradient and Hessian in u, per sample.

Each is a sum over outputs; the mean over the batch is taken by the problem. `sampled_gradient` is
the gradient for a target drawn from the model's own predictive distribution p(t|u) ∝ e^{−loss},
which KFAC needs [Martens, Grosse 2015].
"""

import math
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from qnviz.problems.activations import sigmoid, softplus

Draw = Callable[[], Tensor]                     # makes (R, N, out) random numbers when asked


class Loss(Protocol):
    """A loss whose Hessian in u is diagonal and positive semi-definite."""

    @property
    def squares(self) -> float | None:
        """The c of c ‖u − t‖², or None where the loss is no sum of squares."""
        ...

    def value(self, u: Tensor, t: Tensor) -> Tensor:
        """(R, N, out) → (R, N)."""
        ...

    def gradient(self, u: Tensor, t: Tensor) -> Tensor:
        """∇_u, (R, N, out)."""
        ...

    def hessian(self, u: Tensor) -> Tensor:
        """The diagonal of H_u; broadcasts against u."""
        ...

    def sampled_gradient(self, u: Tensor, uniform: Draw, normal: Draw) -> Tensor:
        """∇_u at a target drawn from p(t|u), from uniform or normal numbers shaped like u."""
        ...


class Squares:
    """c ‖u − t‖²; as −log p it is a Gaussian of variance 1/(2c) about u."""

    def __init__(self, c: float):
        self.squares = c

    def value(self, u: Tensor, t: Tensor) -> Tensor:
        r = u - t
        # one sample: as a product, since a sum over few outputs takes three times as long
        square = torch.bmm(r, r.mT)[:, 0] if r.shape[1] == 1 else (r * r).sum(-1)
        return square if self.squares == 1 else self.squares * square

    def gradient(self, u: Tensor, t: Tensor) -> Tensor:
        return 2 * self.squares * (u - t)

    def hessian(self, u: Tensor) -> Tensor:
        return u.new_full((1, 1, 1), 2 * self.squares)

    def sampled_gradient(self, u: Tensor, uniform: Draw, normal: Draw) -> Tensor:
        return math.sqrt(2 * self.squares) * normal()       # 2c (u − t), u − t ~ N(0, 1/2c)


class BinaryCrossEntropy:
    """−t log σ(u) − (1 − t) log(1 − σ(u)) on logits u, summed over outputs."""

    squares: float | None = None

    def value(self, u: Tensor, t: Tensor) -> Tensor:
        return (softplus(u) - t * u).sum(-1)

    def gradient(self, u: Tensor, t: Tensor) -> Tensor:
        return sigmoid(u) - t

    def hessian(self, u: Tensor) -> Tensor:
        s = sigmoid(u)
        return s * (1 - s)

    def sampled_gradient(self, u: Tensor, uniform: Draw, normal: Draw) -> Tensor:
        s = torch.sigmoid(u)
        return s - (uniform() < s).to(u.dtype)


class Itself:
    """The loss of a plain function: the output itself, whose Hessian in u is 0."""

    squares: float | None = None

    def value(self, u: Tensor, t: Tensor) -> Tensor:
        return u.sum(-1)

    def gradient(self, u: Tensor, t: Tensor) -> Tensor:
        return torch.ones_like(u)

    def hessian(self, u: Tensor) -> Tensor:
        return u.new_zeros(1, 1, 1)

    def sampled_gradient(self, u: Tensor, uniform: Draw, normal: Draw) -> Tensor:
        raise NotImplementedError("a plain function has no predictive distribution")


# of nets; a plain function's own value is no net's loss
LOSSES: dict[str, Loss] = {
    "squares": Squares(1.0), "mse": Squares(0.5), "bce": BinaryCrossEntropy()}
ALL_LOSSES: dict[str, Loss] = LOSSES | {"value": Itself()}
