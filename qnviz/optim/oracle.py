"""A model on one batch, in the words of `qnviz.curvature.oracle.Oracle`: answers by autograd.

It is one run, R = 1, of one sample, N = 1, whose output u is all that the closure gives back: E[·]
over samples is then inside the loss, and nothing has to be known about how that averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from qnviz.errors import OptimizerError
from qnviz.optim.base import REALS, all_finite, loss_of


@dataclass
class GraphTape:
    """What one call of the closure leaves behind; the graph lives as long as the tape."""

    params: list[Tensor]
    theta: Tensor                   # (1, P)
    f: Tensor                       # (1,), with weight decay
    loss: Tensor                    # with its graph
    output: Tensor | None           # with its graph, or None where the closure gave none
    walked: bool                    # whether the closure has called backward()

    def grads(self, y: Tensor, of: list[Tensor], w: Tensor | None = None,
              create_graph: bool = False) -> list[Tensor | None]:
        """(∂y/∂x)ᵀ w for every x in `of`; None where y does not depend on it.

        Raises:
            OptimizerError: torch cannot compute it.
        """
        try:
            return list(torch.autograd.grad(y, of, w, retain_graph=True, create_graph=create_graph,
                                            allow_unused=True))
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            if self.walked and type(error) is RuntimeError:
                raise OptimizerError(
                    "The closure called backward(), which frees the graph that curvature is "
                    "computed from. Leave backward() out and return the loss, or (loss, output) "
                    "where Gauss-Newton curvature is asked for; KBFGS and KBFGSL alone have "
                    "closures that call backward().") from error
            attends = "attention" in str(error)
            raise OptimizerError(
                "Curvature needs the loss differentiated twice, which torch could not do: "
                f"{str(error).splitlines()[0]}" + (
                    ". Attention can be, where the closure calls the model within "
                    "torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)."
                    if attends else "")) from error

    def derivative(self, y: Tensor, of: list[Tensor], w: Tensor | None = None,
                   create_graph: bool = False) -> Tensor:
        """The same as one vector (P,), 0 where y does not depend on a tensor.

        Raises:
            OptimizerError: torch cannot compute it, or a part is sparse.
        """
        parts = [torch.zeros_like(x) if part is None else part
                 for x, part in zip(of, self.grads(y, of, w, create_graph), strict=True)]
        if any(part.layout != torch.strided for part in parts):
            raise OptimizerError("A gradient is sparse, but curvature needs all of its numbers: "
                                 "build the nn.Embedding with sparse=False.")
        return torch.cat([part.reshape(-1) for part in parts])

    @cached_property
    def slope(self) -> Tensor:
        """∇f (P,), itself differentiable; without weight decay."""
        with torch.enable_grad():
            return self.derivative(self.loss, self.params, create_graph=True)

    @cached_property
    def u(self) -> Tensor:
        """The output.

        Raises:
            OptimizerError: there is none, or the loss does not follow from it alone.
        """
        if self.output is None:
            raise OptimizerError("This curvature is that of the loss in the model's output: let "
                                 "the closure return (loss, output), without backward(). "
                                 'NewtonKrylov with curvature="hessian" needs the loss alone.')
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
            df, = self.grads(self.loss, [self.u], create_graph=True)
        if df is None:
            raise OptimizerError("The loss was not computed from the output that the closure "
                                 "returned.")
        return df

    @cached_property
    def transposed(self) -> tuple[Tensor, Tensor]:
        """A dummy w shaped like u, and Jᵀw (P,), which is linear in it: its derivative is J."""
        with torch.enable_grad():
            w = torch.zeros_like(self.u, requires_grad=True)
            return w, self.derivative(self.u, self.params, w, create_graph=True)


class ClosureOracle:
    """Answers what CurveBall and Newton-Krylov ask of an oracle, from a closure."""

    def __init__(self, params: list[Tensor], closure: Callable[[], Any], tau: float):
        self.params, self.closure = params, closure
        self.problem = SimpleNamespace(tau=tau)
        self.here = torch.cat([p.reshape(-1) for p in params])[None]      # where the model stands
        self.loss: Tensor | None = None                                   # of the first call
        self.first: GraphTape | None = None

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
        before, newest = [(p.grad, _writes(p.grad)) for p in self.params], _newest_node()
        loss, output = self._called()
        walked = any(p.grad is not None and (p.grad is not grad or _writes(grad) != writes)
                     for p, (grad, writes) in zip(self.params, before, strict=True))
        value = loss_of(loss)
        if loss.dtype not in REALS:
            raise OptimizerError(
                f"The closure computed the loss in {str(loss.dtype).removeprefix('torch.')}, too "
                "coarse to see what a step gains: compute it from output.float().")
        if not loss.requires_grad:
            raise OptimizerError("The closure's loss has no graph: compute it with gradients on, "
                                 "leave backward() and detach() out, and give "
                                 "torch.utils.checkpoint use_reentrant=False.")
        if output is not None and not (isinstance(output, Tensor)
                                       and output.is_floating_point()):
            raise OptimizerError("The output that the closure returns beside the loss must be a "
                                 "real tensor.")
        if output is not None and not output.numel():
            raise OptimizerError("The output that the closure returned is empty: the batch has no "
                                 "samples.")
        if self.loss is None:
            self.loss = value
            self._refuse_graph(loss, newest)
        f = value.to(theta.dtype)[None]
        if tau := self.problem.tau:
            f = f + 0.5 * tau * (theta * theta).sum(-1)
        tape = GraphTape(self.params, theta, f, loss, output, walked)
        self.first = self.first or tape
        return tape

    def _called(self) -> tuple[Any, Any]:
        """What the closure returns: the loss, and the output or None."""
        result: Any = self.closure()
        return result if isinstance(result, tuple) and len(result) == 2 else (result, None)

    def _refuse_graph(self, loss: Tensor, newest: int) -> None:
        """Refuse a graph that does not show how the loss follows the parameters.

        Raises:
            OptimizerError: it is older than the closure's call, or hides what was checkpointed.
        """
        nodes = list(_nodes(loss.grad_fn))
        if any(type(node).__name__ == "CheckpointFunctionBackward" for node in nodes):
            raise OptimizerError("Gradients through torch.utils.checkpoint come without a graph "
                                 "where use_reentrant is True: say use_reentrant=False.")
        users = _users(nodes, self.params)
        older = any(node._sequence_nr() <= newest for node in users)
        # threads count for themselves, so only what comes back at a second call is certain
        if older and users & _users(_nodes(self._called()[0].grad_fn), self.params):
            raise OptimizerError(
                "The model was called outside the closure, so the loss does not follow the "
                "parameters as they move: call the model inside, at each call of the closure.")

    def finite(self) -> bool:
        """Whether the loss is finite where the step began, and the gradient if it was asked for."""
        if self.first is None:
            return True
        return all_finite([self.first.loss.detach(),
                           self.first.__dict__.get("slope", self.first.f).detach()])

    def gradient(self, tape: GraphTape) -> Tensor:
        """∇f (1, P), with weight decay."""
        return self._decayed(tape.slope.detach()[None], tape.theta)

    def hessian_vector(self, tape: GraphTape, v: Tensor, kind: str = "double_backward",
                       active: Tensor | None = None) -> Tensor:
        """(∇²f + τI) v (1, P), by a derivative of gᵀv."""
        if not tape.slope.requires_grad:                     # f is linear
            return self._decayed(torch.zeros_like(v), v)
        Hv = tape.derivative(tape.slope, tape.params, v[0])
        return self._decayed(Hv[None], v)

    def output_gradient(self, tape: GraphTape) -> Tensor:
        """∇_u f, (1, 1, outputs)."""
        return self._flat(tape.df)

    def output_hessian_vector(self, tape: GraphTape, v: Tensor) -> Tensor:
        """H_u v, (1, 1, outputs)."""
        if not tape.df.requires_grad:                        # the loss is linear in u
            return torch.zeros_like(v)
        Hv, = tape.grads(tape.df, [tape.u], _shaped(v, tape.u))
        return torch.zeros_like(v) if Hv is None else self._flat(Hv)

    def jvp(self, tape: GraphTape, v: Tensor) -> Tensor:
        """J v, (1, 1, outputs): the derivative in w of (Jᵀw)ᵀv."""
        w, Jw = tape.transposed
        return self._flat(tape.derivative(Jw, [w], v[0]))

    def vjp(self, tape: GraphTape, w: Tensor) -> Tensor:
        """Jᵀ w, (1, P)."""
        return tape.derivative(tape.u, tape.params, _shaped(w, tape.u))[None]

    def gauss_newton_vector(self, tape: GraphTape, v: Tensor,
                            active: Tensor | None = None) -> Tensor:
        """(JᵀH_uJ + τI) v, (1, P)."""
        Gv = self.vjp(tape, self.output_hessian_vector(tape, self.jvp(tape, v)))
        return self._decayed(Gv, v)

    def _flat(self, output: Tensor) -> Tensor:
        """(1, 1, outputs) of what is shaped like u, in the parameters' type: see autocast."""
        return output.detach().to(self.here.dtype).reshape(1, 1, -1)

    def _decayed(self, product: Tensor, v: Tensor) -> Tensor:
        tau = self.problem.tau
        return product + tau * v if tau else product


def _shaped(v: Tensor, u: Tensor) -> Tensor:
    """(1, 1, outputs) as u is, in shape and type."""
    return v.to(u.dtype).view_as(u)


def _writes(grad: Tensor | None) -> int:
    """How often a gradient was written to."""
    return 0 if grad is None else grad._version


def _newest_node() -> int:
    """The number of the newest node of any graph; each thread has a count of its own."""
    with torch.enable_grad():
        node = torch.zeros((), requires_grad=True).clone().grad_fn
    assert node is not None
    return node._sequence_nr()                                                    # type: ignore


def _nodes(root: Any, stop: Any = None) -> Iterator[Any]:
    """Every node of a graph once, without what lies behind `stop`."""
    left, seen = [root], set()
    while left:
        node = left.pop()
        if node is None or node is stop or node in seen:
            continue
        seen.add(node)
        yield node
        left += [following for following, _ in node.next_functions]


def _users(nodes: Iterable[Any], params: list[Tensor]) -> set[Any]:
    """Those of the nodes that take a parameter as it is."""
    ids = {id(p) for p in params}
    return {node for node in nodes
            if any(id(getattr(following, "variable", None)) in ids
                   for following, _ in node.next_functions)}


def _bypassed(loss: Tensor, output: Tensor, params: list[Tensor]) -> bool:
    """Whether a way through the graph leads from the loss to parameters past the output."""
    ids = {id(p) for p in params}
    return any(id(getattr(node, "variable", None)) in ids
               for node in _nodes(loss.grad_fn, output.grad_fn))
