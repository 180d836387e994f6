"""The lowest minimum of a typed function that a small search finds: many Newton runs at once.

From a grid of points over the window, d = −Q diag(1/|μ|) Qᵀ g with H = Q diag(μ) Qᵀ, no longer than
half the window, and the first of eleven halvings that lowers f (Armijo). What it finds is called
"lowest found", and no more: a function may hide a deeper valley between the points.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.problems.base import Problem

if TYPE_CHECKING:
    from qnviz.problems.function import Function

SIDE, STEPS, HALVINGS = 15, 60, 10             # points along an axis; steps; halvings of a step
ARMIJO = 1e-4
FLAT = 1e-8                                    # of |μ| against the largest: a valley, no minimum
NEAR = 1e-3                                    # of the window: two ends that are one
MANY = 12                                      # minimisers that are drawn; more are a valley's


class Lowest(NamedTuple):
    """The smallest value, and where in the window it is taken; None where f falls without end."""

    value: float | None
    points: tuple[tuple[float, float], ...]


@torch.inference_mode()
def _search(spec: Function) -> Lowest:
    problem = spec.build(torch.float64, torch.device("cpu"))
    (x0, x1), (y0, y1) = spec.window
    # irrational shares, so that no point stands on a line of symmetry, where saddles lead
    share = (torch.arange(SIDE, dtype=torch.float64) + 0.4142) / SIDE
    theta = torch.cartesian_prod(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
    longest = 0.5 * max(x1 - x0, y1 - y0)
    f, g, mu, d = _model(problem, theta, longest)
    for _ in range(STEPS):
        moved = _lower(problem, theta, f, g, d)
        if torch.equal(moved, theta):
            break
        theta = moved
        f, g, mu, d = _model(problem, theta, longest)
    alive = torch.isfinite(f) & torch.isfinite(theta).all(1)
    if not bool(alive.any()):
        return Lowest(None, ())
    scale = torch.clamp_min(f.abs(), 1e-3)
    inside = (theta[:, 0] - (x0 + x1) / 2).abs().le((x1 - x0) / 2) & (
        theta[:, 1] - (y0 + y1) / 2).abs().le((y1 - y0) / 2)
    steep = mu[:, 0] > FLAT * mu[:, 1]
    settled = alive & (vecdot(g, d).abs() <= 1e-12 * scale) & (mu[:, 0] >= -1e-9 * mu[:, 1].abs()) \
        & (steep | inside) & theta.abs().amax(1).le(spec.reach)
    if not bool(settled.any()):
        return Lowest(None, ())
    value = float(f[settled].min())
    if float(f[alive].min()) < value - 1e-6 * max(abs(value), 1.0):
        return Lowest(None, ())                # something fell below it and has not ended
    best = settled & inside & (f <= value + 1e-9 * max(abs(value), 1e-3))
    return Lowest(value, _apart(theta[best], f[best], NEAR * longest))


@lru_cache(maxsize=128)
def _known(spec: Function) -> Lowest:
    return _search(spec)


def lowest(spec: Function) -> Lowest:
    """The lowest minimum found over a function's window, wherever a run starts; searched once."""
    where = spec.model_copy(update={"start": (spec.mid_x, spec.mid_y), "start_noise": 0.0})
    return _known(where)                       # type: ignore[arg-type]  frozen models hash


def _model(problem: Problem, theta: Tensor,
           longest: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """F (n,), g (n, 2), the Hessian's eigenvalues (n, 2) and the step (n, 2)."""
    tape = problem.forward(theta, problem.reference())
    g = problem.join(problem.gradient(tape))
    eye = torch.eye(2, dtype=theta.dtype)
    H = torch.stack([problem.hessian_vector(tape, e.expand_as(theta)) for e in eye], -1)
    good = torch.isfinite(H).all((1, 2)) & torch.isfinite(g).all(1)
    mu, Q = torch.linalg.eigh(torch.where(good[:, None, None], 0.5 * (H + H.mT), eye))
    # where H is flat along g the step has no length of its own: it is as long as allowed
    size = torch.maximum(mu.abs(), 1e-6 * g.norm(dim=1, keepdim=True) / longest)
    size = torch.where(size > 0, size, 1.0)
    d = -(Q @ ((Q.mT @ g[..., None])[..., 0] / size)[..., None])[..., 0]
    d = d * torch.clamp_max(longest / torch.clamp_min(d.norm(dim=1, keepdim=True), 1e-300), 1.0)
    return tape.f, g, mu, torch.where(good[:, None] & torch.isfinite(d), d, 0.0)


def _lower(problem: Problem, theta: Tensor, f: Tensor, g: Tensor, d: Tensor) -> Tensor:
    """Theta after the longest of the halved steps that lowers f enough; itself where none does."""
    a = 0.5 ** torch.arange(HALVINGS + 1, dtype=theta.dtype)[:, None]             # (trials, 1)
    there = theta + a[..., None] * d                                             # (trials, n, 2)
    tried = problem.forward(there.flatten(0, 1), problem.reference()).f.view(len(a), -1)
    good = tried <= f + ARMIJO * a * vecdot(g, d)
    good &= tried < f
    first = good.to(torch.uint8).argmax(0)
    chosen = there[first, torch.arange(len(theta))]
    return torch.where(good.any(0)[:, None], chosen, theta)


def _apart(points: Tensor, f: Tensor, near: float) -> tuple[tuple[float, float], ...]:
    """Each of the ends once, lowest first; none where they are too many to be single points."""
    found: list[Tensor] = []
    for i in f.argsort():
        if all(float((points[i] - p).norm()) > near for p in found):
            found.append(points[i])
    return tuple((float(p[0]), float(p[1])) for p in found) if len(found) <= MANY else ()
