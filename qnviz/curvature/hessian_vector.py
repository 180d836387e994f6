"""Five ways to multiply the Hessian by a vector, from the same forward pass (MATH §5).

    complex_step           H v = Im ∇f(θ + ihv) / h, in complex arithmetic throughout [Shen et al.]
    pairs                  the same with (real, imaginary/h) carried as two real arrays
    forward_over_reverse   torch.func: forward-mode derivative of the gradient
    double_backward        torch.autograd: derivative of gᵀv
    finite_difference      (∇f(θ + hv) − ∇f(θ − hv)) / 2h

The first two agree to rounding because h² vanishes against 1: nothing is subtracted. Finite
differences lose half of the digits. All take and return (R, P).
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from qnviz.problems.base import Problem, Tape

Kind = Literal["pairs", "complex_step", "forward_over_reverse", "double_backward",
               "finite_difference"]

# h² must not be denormal: in float32 a step of 1e-20 makes complex products 30-340 times slower.
COMPLEX_STEP = {torch.float64: 1e-20, torch.float32: 1e-10}


def pairs(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """Complex step as (real, imaginary/h) pairs: the hand-written dual pass over the tape."""
    return problem.hessian_vector(tape, v)


def complex_step(problem: Problem, tape: Tape, v: Tensor, h: float | None = None) -> Tensor:
    """Im ∇f(θ + ihv) / h, through the same forward and backward in complex arithmetic."""
    h = COMPLEX_STEP[v.dtype] if h is None else h
    shifted = problem.forward(torch.complex(tape.theta, h * v), tape.batch)
    return problem.join(problem.gradient(shifted)).imag / h


def _differentiable(problem: Problem, tape: Tape) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The loss summed over runs, and theta, as autograd wants them.

    Runs do not interact, so the gradient of the sum is each run's own gradient. The loop works in
    inference mode, whose tensors autograd refuses: it gets copies.
    """
    b = tape.batch
    batch = replace(b, x=b.x.clone(), target=b.target.clone(), xi=b.xi.clone())
    return lambda theta: problem.forward(theta, batch).f.sum(), tape.theta.clone()


@torch.inference_mode(False)
def forward_over_reverse(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """Forward-mode derivative of the reverse-mode gradient (torch.func)."""
    total, theta = _differentiable(problem, tape)
    return torch.func.jvp(torch.func.grad(total), (theta,), (v.clone(),))[1]


@torch.inference_mode(False)
def double_backward(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """Derivative of gᵀv by differentiating the backward pass (torch.autograd)."""
    total, theta = _differentiable(problem, tape)
    theta.requires_grad_()
    with torch.enable_grad():
        g, = torch.autograd.grad(total(theta), theta, create_graph=True)
        # a zero term keeps the graph connected where the gradient is constant in theta
        return torch.autograd.grad((g * v.clone()).sum() + 0 * theta.sum(), theta)[0]


def finite_difference(problem: Problem, tape: Tape, v: Tensor, h: float | None = None) -> Tensor:
    """Central difference of gradients; h defaults to ε^⅓ max(1, ‖θ‖) / ‖v‖, the usual balance."""
    if h is None:
        eps = torch.finfo(v.dtype).eps ** (1 / 3)
        scale = tape.theta.norm(dim=1, keepdim=True).clamp_min(1)
        step = eps * scale / v.norm(dim=1, keepdim=True).clamp_min(torch.finfo(v.dtype).tiny)
    else:
        step = torch.full_like(v[:, :1], h)

    def gradient(theta: Tensor) -> Tensor:
        return problem.join(problem.gradient(problem.forward(theta, tape.batch)))

    return (gradient(tape.theta + step * v) - gradient(tape.theta - step * v)) / (2 * step)


KINDS: dict[str, Callable[[Problem, Tape, Tensor], Tensor]] = {
    "pairs": pairs, "complex_step": complex_step, "forward_over_reverse": forward_over_reverse,
    "double_backward": double_backward, "finite_difference": finite_difference}

assert set(KINDS) == set(get_args(Kind))
