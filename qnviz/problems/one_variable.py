"""Functions of one variable, on which derivatives are compared: nets of one layer with input 1.

The layer gives h = W·1 = x, the output map is the function, and the loss is the output itself.
squire_trapp is eˣ / √(sin³x + cos³x), the usual example for the complex step [Martins, Sturdza,
Alonso 2003, after Squire, Trapp 1998]; exp_relu is e^relu(x), with a kink at 0; exp_softplus is
e^softplus(x) = 1 + eˣ, the same without a kink.
"""

from __future__ import annotations

import torch
from torch import Tensor

from qnviz.problems.activations import ACTIVATIONS
from qnviz.problems.output_map import OutputMap
from qnviz.problems.spec import Layer


def _jet(name: str, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The function, its first and its second derivative at x, real or complex."""
    if name == "squire_trapp":                     # eˣ / √(sin³x + cos³x)
        s, c = torch.sin(x), torch.cos(x)
        p, dp = s**3 + c**3, 3 * s * c * (s - c)
        ddp = 3 * (2 * s * c * (c + s) - p)
        f, q = torch.exp(x) / torch.sqrt(p), 1 - dp / (2 * p)
        return f, f * q, f * (q * q - ddp / (2 * p) + dp * dp / (2 * p * p))
    phi = ACTIVATIONS[name.removeprefix("exp_")]   # e^φ(x)
    a = phi.value(x)
    f, slope = torch.exp(a), phi.times_slope(torch.ones_like(x), x, a)
    bend = torch.zeros_like(x) if phi.curve is None else phi.curve(x, a)
    return f, f * slope, f * (slope * slope + bend)


class OneVariable(OutputMap):
    """One of them at a point x, on the processor."""

    def __init__(self, name: str, x: float, dtype: torch.dtype):
        # the output map applies it; the layer names it for those who look for kinks
        activation = "relu" if name == "exp_relu" else "identity"
        super().__init__((Layer(1, 1, bias=False, activation=activation),), "value", dtype,
                         torch.device("cpu"), (x,))
        self.name = name

    def output(self, h: Tensor, xi: Tensor) -> Tensor:
        return _jet(self.name, h)[0]

    def output_jvp(self, h: Tensor, dh: Tensor, xi: Tensor) -> Tensor:
        return _jet(self.name, h)[1] * dh

    def output_vjp(self, h: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        return _jet(self.name, h)[1] * w

    def output_curvature(self, h: Tensor, dh: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        return _jet(self.name, h)[2] * dh * w
