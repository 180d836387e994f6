"""A model on one batch, in the words of `qnviz.curvature.oracle.Oracle`: answers by autograd.

It is one run, R = 1, of one sample, N = 1, whose output u is all that the closure gives back: E[·]
over samples is then inside the loss, and nothing has to be known about how that averages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from qnviz.errors import OptimizerError
from qnviz.optim.base import loss_of


@dataclass
class GraphTape:
    """What one call of the closure leaves behind; the graph lives as long as the tape."""

    params: list[Tensor]
    theta: Tensor                   # (1, P)
    f: Tensor                       # (1,), with weight decay
    loss: Tensor                    # with its graph
    output: Tensor | None           # with its graph, or None where the closure gave none

    @cached_property
    def slope(self) -> Tensor:
        """∇f (P,), itself differentiable; without weight decay."""
        with torch.enable_grad():
            return derivative(self.loss, self.params, create_graph=True)

    @cached_property
    def u(self) -> Tensor:
        """The output.

        Raises:
            OptimizerError: there is none, or the loss does not follow from it alone.
        """
        if self.output is None:
            raise OptimizerError("This curvature is that of the loss in the model's output: let "
                                 "the closure return (loss, output).")
        if not self.output.requires_grad or _bypassed(self.loss, self.output, self.params):
            raise OptimizerError(
                "The loss depends on parameters otherwise than through the output that the closure "
                "returned: return that very output, and use weight_decay for a penalty.")
        return self.output

    @cached_property
    def df(self) -> Tensor:
        """∇_u f, shaped like u, itself differentiable.

        Raises:
            OptimizerError: the loss does not depend on u.
        """
        with torch.enable_grad():
            df, = torch.autograd.grad(self.loss, self.u, create_graph=True, allow_unused=True)
        if df is None:
            raise OptimizerError("The loss was not computed from the output that the closure "
                                 "returned.")
        return df

    @cached_property
    def transposed(self) -> tuple[Tensor, Tensor]:
        """A dummy w shaped like u, and Jᵀw (P,), which is linear in it: its derivative is J."""
        with torch.enable_grad():
            w = torch.zeros_like(self.u, requires_grad=True)
            return w, derivative(self.u, self.params, w, create_graph=True)


class ClosureOracle:
    """Answers what CurveBall and Newton-Krylov ask of an oracle, from a closure."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any], tau: float):
        self.params, self.closure = params, closure
        self.problem = SimpleNamespace(tau=tau)
        self.here = torch.cat([p.reshape(-1) for p in params])[None]      # where the model stands
        self.loss: Tensor | None = None                                   # of the first call

    def place(self, theta: Tensor) -> None:
        """Put theta (1, P) into the model."""
        if theta is not self.here:
            sizes = [p.numel() for p in self.params]
            for p, part in zip(self.params, theta[0].split(sizes), strict=True):
                p.copy_(part.view_as(p))
            self.here = theta

    def forward(self, theta: Tensor, active: Tensor | None = None) -> GraphTape:
        """The closure at theta."""
        self.place(theta)
        result: Any = self.closure()
        loss: Any = result
        output: Any = None
        if isinstance(result, tuple) and len(result) == 2:
            loss, output = result
        value = loss_of(loss)
        if not loss.requires_grad:
            raise OptimizerError("The closure's loss has no graph: compute it with gradients on, "
                                 "and leave backward() and detach() out.")
        if output is not None and not (isinstance(output, Tensor)
                                       and output.is_floating_point()):
            raise OptimizerError("The output that the closure returns beside the loss must be a "
                                 "real tensor.")
        self.loss = value if self.loss is None else self.loss
        f = value.to(theta.dtype)[None]
        if tau := self.problem.tau:
            f = f + 0.5 * tau * (theta * theta).sum(-1)
        return GraphTape(self.params, theta, f, loss, output)

    def gradient(self, tape: GraphTape) -> Tensor:
        """∇f (1, P), with weight decay."""
        return self._decayed(tape.slope.detach()[None], tape.theta)

    def hessian_vector(self, tape: GraphTape, v: Tensor, kind: str = "double_backward",
                       active: Tensor | None = None) -> Tensor:
        """(∇²f + τI) v (1, P), by a derivative of gᵀv."""
        if not tape.slope.requires_grad:                     # f is linear
            return self._decayed(torch.zeros_like(v), v)
        Hv = derivative(tape.slope, tape.params, v[0])
        return self._decayed(Hv[None], v)

    def output_gradient(self, tape: GraphTape) -> Tensor:
        """∇_u f, (1, 1, outputs)."""
        return tape.df.detach().reshape(1, 1, -1)

    def output_hessian_vector(self, tape: GraphTape, v: Tensor) -> Tensor:
        """H_u v, (1, 1, outputs)."""
        if not tape.df.requires_grad:                        # the loss is linear in u
            return torch.zeros_like(v)
        Hv, = torch.autograd.grad(tape.df, tape.u, v.view_as(tape.u), retain_graph=True,
                                  allow_unused=True)
        return torch.zeros_like(v) if Hv is None else Hv.detach().reshape(1, 1, -1)

    def jvp(self, tape: GraphTape, v: Tensor) -> Tensor:
        """J v, (1, 1, outputs): the derivative in w of (Jᵀw)ᵀv."""
        w, Jw = tape.transposed
        return derivative(Jw, [w], v[0]).reshape(1, 1, -1)

    def vjp(self, tape: GraphTape, w: Tensor) -> Tensor:
        """Jᵀ w, (1, P)."""
        return derivative(tape.u, tape.params, w.view_as(tape.u))[None]

    def gauss_newton_vector(self, tape: GraphTape, v: Tensor,
                            active: Tensor | None = None) -> Tensor:
        """(JᵀH_uJ + τI) v, (1, P)."""
        Gv = self.vjp(tape, self.output_hessian_vector(tape, self.jvp(tape, v)))
        return self._decayed(Gv, v)

    def _decayed(self, product: Tensor, v: Tensor) -> Tensor:
        tau = self.problem.tau
        return product + tau * v if tau else product


def derivative(y: Tensor, params: list[Tensor], w: Tensor | None = None,
               create_graph: bool = False) -> Tensor:
    """(∂y/∂params)ᵀ w as one vector (P,); 0 where y does not depend on a parameter."""
    parts = torch.autograd.grad(y, params, w, retain_graph=True, create_graph=create_graph,
                                materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


def _bypassed(loss: Tensor, output: Tensor, params: list[Tensor]) -> bool:
    """Whether a way through the graph leads from the loss to parameters past the output."""
    ids, stop, left, seen = {id(p) for p in params}, output.grad_fn, [loss.grad_fn], set()
    while left:
        node = left.pop()
        if node is None or node is stop or node in seen:
            continue
        seen.add(node)
        if id(getattr(node, "variable", None)) in ids:
            return True
        left += [following for following, _ in node.next_functions]
    return False
