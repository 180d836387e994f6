"""A typed function as a problem on a device: its program is the output map."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from qnviz.problems.output_map import OutputMap
from qnviz.problems.spec import Layer
from qnviz.problems.typed.expression import Expression

LAYERS = (Layer(1, 2, bias=False),)


class TypedFunction(OutputMap):
    """What an expression means, with its exact Jacobian products and second-order term."""

    def __init__(self, expression: Expression, dtype: torch.dtype, device: torch.device,
                 start: Sequence[float], start_noise: float = 0.0):
        super().__init__(LAYERS, expression.loss, dtype, device, start, start_noise)
        self.program = expression.program

    def derivatives(self, theta: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """F (n,), ∇f (n, 2) and the Hessian (n, 2, 2), whose rows are H e_i, at points (n, 2)."""
        tape = self.forward(theta, self.reference())
        g = self.join(self.gradient(tape))
        eye = torch.eye(2, dtype=theta.dtype)
        H = torch.stack([self.hessian_vector(tape, e.expand_as(theta)) for e in eye], -2)
        return tape.f, g, H

    def output(self, h: Tensor, xi: Tensor) -> Tensor:
        return self.program.value(h)

    def output_jvp(self, h: Tensor, dh: Tensor, xi: Tensor) -> Tensor:
        return self.program.jvp(h, dh)

    def output_vjp(self, h: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        return self.program.vjp(h, w)

    def output_curvature(self, h: Tensor, dh: Tensor, w: Tensor, xi: Tensor) -> Tensor | None:
        return None if self.program.affine else self.program.curvature(h, dh, w)
