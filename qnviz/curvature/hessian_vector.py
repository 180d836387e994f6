"""Five ways to multiply the Hessian by a vector, from the same forward pass (MATH §5).

    complex_step           H v = Im ∇f(θ + ihv) / h, in complex arithmetic throughout [Shen et al.]
    pairs                  the same with (real, imaginary/h) carried as two real arrays
    forward_over_reverse   torch.func: forward-mode derivative of the gradient
    double_backward        torch.autograd: derivative of gᵀv
    finite_difference      (∇f(θ + hv) − ∇f(θ − hv)) / 2h

The first two agree to rounding because h² vanishes against 1: nothing is subtracted. Finite
differences lose half of the digits. All take and return (R, P).

    forward_difference     (∇f(θ + hv) − ∇f(θ)) / h, for comparison only: no run uses it

`SLOPES` holds the same idea one derivative lower: five ways to the slope gᵀv of f along v, (R,).
Where a kind has a step, h is one number, one per run (R,), or left to the kind.
"""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal, get_args

import torch
from torch import Tensor

from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.tape import Tape

Kind = Literal["pairs", "complex_step", "forward_over_reverse", "double_backward",
               "finite_difference"]

Step = float | Tensor | None
# h² must not be denormal: on some processors a step of 1e-20 in float32 makes complex
# products 30-340 times slower.
COMPLEX_STEP = {torch.float64: 1e-20, torch.float32: 1e-10}
# torch numbers the levels of forward-mode differentiation for the whole process: two threads that
# are in it at once end each other's.
_ONE_AT_A_TIME = threading.Lock()


def pairs(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """Complex step as (real, imaginary/h) pairs: the hand-written dual pass over the tape."""
    return problem.hessian_vector(tape, v)


def complex_step(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """Im ∇f(θ + ihv) / h, through the same forward and backward in complex arithmetic."""
    h = _column(COMPLEX_STEP[v.dtype] if h is None else h, v)
    shifted = problem.forward(torch.complex(tape.theta, h * v), tape.batch)
    return problem.join(problem.gradient(shifted)).imag / h


def _column(h: float | Tensor, v: Tensor) -> Tensor:
    """A step per run, (R, 1), from one number or from (R,)."""
    return h[:, None].to(v.dtype) if isinstance(h, Tensor) else torch.full_like(v[:, :1], h)


def _balanced(tape: Tape, v: Tensor, power: float) -> Tensor:
    """The usual balance of truncation and rounding: ε^power max(1, ‖θ‖) / ‖v‖, (R, 1)."""
    eps = torch.finfo(v.dtype).eps ** power
    scale = norm(tape.theta, keepdim=True).clamp_min(1)
    return eps * scale / norm(v, keepdim=True).clamp_min(torch.finfo(v.dtype).tiny)


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
    with _ONE_AT_A_TIME:
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


def _gradient(problem: Problem, tape: Tape, theta: Tensor) -> Tensor:
    return problem.join(problem.gradient(problem.forward(theta, tape.batch)))


def finite_difference(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """Central difference of gradients; h defaults to ε^⅓ max(1, ‖θ‖) / ‖v‖, the usual balance."""
    step = _balanced(tape, v, 1 / 3) if h is None else _column(h, v)
    above = _gradient(problem, tape, tape.theta + step * v)
    return (above - _gradient(problem, tape, tape.theta - step * v)) / (2 * step)


def forward_difference(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """One-sided difference of gradients; h defaults to √ε max(1, ‖θ‖) / ‖v‖."""
    step = _balanced(tape, v, 1 / 2) if h is None else _column(h, v)
    here = problem.join(problem.gradient(tape))          # the forward pass is on the tape
    return (_gradient(problem, tape, tape.theta + step * v) - here) / step


KINDS: dict[str, Callable[[Problem, Tape, Tensor], Tensor]] = {
    "pairs": pairs, "complex_step": complex_step, "forward_over_reverse": forward_over_reverse,
    "double_backward": double_backward, "finite_difference": finite_difference}

assert set(KINDS) == set(get_args(Kind))


def slope_forward_difference(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """(f(θ + hv) − f(θ)) / h; h defaults to √ε max(1, ‖θ‖) / ‖v‖."""
    step = _balanced(tape, v, 1 / 2) if h is None else _column(h, v)
    return (problem.forward(tape.theta + step * v, tape.batch).f - tape.f) / step[:, 0]


def slope_central_difference(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """(f(θ + hv) − f(θ − hv)) / 2h; h defaults to ε^⅓ max(1, ‖θ‖) / ‖v‖."""
    step = _balanced(tape, v, 1 / 3) if h is None else _column(h, v)
    above = problem.forward(tape.theta + step * v, tape.batch).f
    return (above - problem.forward(tape.theta - step * v, tape.batch).f) / (2 * step[:, 0])


def slope_complex_step(problem: Problem, tape: Tape, v: Tensor, h: Step = None) -> Tensor:
    """Im f(θ + ihv) / h."""
    step = _column(COMPLEX_STEP[v.dtype] if h is None else h, v)
    return problem.forward(torch.complex(tape.theta, step * v), tape.batch).f.imag / step[:, 0]


def slope_dual_numbers(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """E[∇_uᵀ J v] + τ θᵀv: the tangent of the loss, carried forward beside its value."""
    slope = (problem.output_gradient(tape) * problem.jvp(tape, v)).sum(-1).mean(-1)
    return slope + problem.tau * (tape.theta * v).sum(-1)


def slope_backward(problem: Problem, tape: Tape, v: Tensor) -> Tensor:
    """gᵀv, with the gradient of one backward pass."""
    return (problem.join(problem.gradient(tape)) * v).sum(-1)


STEPPED: dict[str, Callable[[Problem, Tape, Tensor, Step], Tensor]] = {
    "forward_difference": forward_difference, "finite_difference": finite_difference,
    "complex_step": complex_step}
SLOPES_STEPPED: dict[str, Callable[[Problem, Tape, Tensor, Step], Tensor]] = {
    "forward_difference": slope_forward_difference, "finite_difference": slope_central_difference,
    "complex_step": slope_complex_step}
SLOPES: dict[str, Callable[[Problem, Tape, Tensor], Tensor]] = {
    "pairs": slope_dual_numbers, "backward": slope_backward}
