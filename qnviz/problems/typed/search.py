"""The lowest minimum of a typed function that a small search finds: many Newton runs at once.

From a grid of points over the window, d = −Q diag(1/|μ|) Qᵀ g with H = Q diag(μ) Qᵀ, no longer than
half the window, and the first of eleven halvings that lowers f (Armijo). Where runs end is followed
in extended range (`settling`), so that what is only flat is no minimum. What the search finds is
called "lowest found", and no more: a function may hide a deeper valley between the points.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.problems import lapack
from qnviz.problems.typed.expression import Expression, parse
from qnviz.problems.typed.problem import TypedFunction
from qnviz.problems.typed.settling import Settled, settle

REACH = 100.0                                  # largest coordinate of a minimum
SIDE, STEPS, HALVINGS = 15, 60, 10             # points along an axis; steps; halvings of a step
ARMIJO = 1e-4
NEAR = 1e-3                                    # of the window: two ends that are one
MANY, MOST = 12, 24                            # minimisers that are drawn; ends that are followed
STILL = 1e-12                                  # of f's size: such a fall is none
RESIDUE = 1e-32                                # of f's size: such a value is 0; see MATH §7b
LEAST = 1e-9                                   # of f's size: such values are one

Box = tuple[tuple[float, float], tuple[float, float]]


class Lowest(NamedTuple):
    """The smallest value, and where it is taken; None where f falls without end or levels off."""

    value: float | None
    points: tuple[tuple[float, float], ...]
    level: float | None = None                 # what f approaches and does not take


@lru_cache(maxsize=256)
@torch.inference_mode()
def lowest(typed: str, box: Box) -> Lowest:
    """The lowest minimum found over a window, of a function as it was typed; searched once.

    Raises:
        ExpressionError: the text is no function.
    """
    expression = parse(typed)
    problem = TypedFunction(expression, torch.float64, torch.device("cpu"), (0.0, 0.0))
    (x0, x1), (y0, y1) = box
    # irrational shares, so that no point stands on a line of symmetry, where saddles lead
    share = (torch.arange(SIDE, dtype=torch.float64) + 0.4142) / SIDE
    theta = torch.cartesian_prod(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
    longest = 0.5 * max(x1 - x0, y1 - y0)
    f, g, mu, d = _model(problem, theta, longest)
    typical = _size(f)
    for _ in range(STEPS):
        falls = vecdot(g, d).abs() > STILL * torch.clamp_min(f.abs(), typical)
        if not len(on := torch.where(falls)[0]):
            break
        moved = _lower(problem, theta[on], f[on], g[on], d[on])
        if torch.equal(moved, theta[on]):
            break
        theta[on] = moved
        f[on], g[on], mu[on], d[on] = _model(problem, moved, longest)
    alive = torch.isfinite(f) & torch.isfinite(theta).all(1)
    if not bool(alive.any()):
        return Lowest(None, ())
    size = torch.clamp_min(f.abs(), typical)
    # d is no step but 0 where there is no derivative
    ended = alive & torch.isfinite(g).all(1) & (vecdot(g, d).abs() <= STILL * size)
    settled = ended & (mu[:, 0] >= -LEAST * mu[:, 1].abs()) & theta.abs().amax(1).le(REACH)
    least = float(f[alive].min())
    low = torch.where(settled & (f <= least + 1e-6 * size))[0]
    # the most curved first: what levels off is flat
    low = low[mu[low, 0].argsort(descending=True, stable=True)]
    minima, levels = [], []
    for p in _apart(theta[low], NEAR * longest)[:MOST]:
        found = _followed(expression, p, longest)
        if found.kind == "minimum":
            minima.append(found._replace(value=_without_residue(found.value, typical)))
        elif found.kind == "level":
            levels.append(_without_residue(found.value, typical))
        if len(levels) == 2 or (len(minima) > 2 and not any(e.alone for e in minima)):
            break                              # a plain or a valley: all of its points are alike
    if not minima:                             # something fell below all that has ended
        p = _lowest_of(theta, f, alive)
        if not levels and (found := _followed(expression, p, longest)).kind == "level":
            levels = [_without_residue(found.value, typical)]
        return Lowest(None, (), min(levels, default=None))
    value = min(e.value for e in minima)
    same = LEAST * max(abs(value), float(size.min()))
    if levels and min(levels) < value - same:
        return Lowest(None, (), min(levels))
    best = [e.point for e in minima if e.alone and e.value <= value + same]
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    apart = _apart(torch.tensor(best, dtype=torch.float64).view(-1, 2), NEAR * longest)
    apart = [(x, y) for x, y in apart if x0 <= x <= x1 and y0 <= y <= y1] or apart
    nearest = sorted(apart, key=lambda p: math.dist(p, middle))[:MANY]
    return Lowest(value, tuple(p for p in apart if p in nearest))


def _without_residue(value: float, typical: float) -> float:
    """A value, or 0 where it is what rounding leaves: a squared residual's, or a sum's."""
    return 0.0 if abs(value) <= RESIDUE * typical else value


def _size(f: Tensor) -> float:
    """How large f is where it is small, above its least value on the grid; scales as f does."""
    known = f[torch.isfinite(f)]
    return float(torch.quantile(known - known.min(), 0.02)) if len(known) else 0.0


def _followed(expression: Expression, point: tuple[float, float], longest: float) -> Settled:
    return settle(expression.program, expression.squares, point, longest)


def _lowest_of(theta: Tensor, f: Tensor, alive: Tensor) -> tuple[float, float]:
    x, y = theta[torch.where(alive, f, torch.inf).argmin()].tolist()
    return x, y


def _model(problem: TypedFunction, theta: Tensor,
           longest: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """F (n,), g (n, 2), the Hessian's eigenvalues (n, 2) and the step (n, 2)."""
    f, g, H = problem.derivatives(theta)
    eye = torch.eye(2, dtype=theta.dtype)
    good = torch.isfinite(H).all((1, 2)) & torch.isfinite(g).all(1)
    mu, Q = lapack.eigh(torch.where(good[:, None, None], 0.5 * (H + H.mT), eye))
    # where H is flat along g the step has no length of its own: it is as long as allowed
    size = torch.maximum(mu.abs(), 1e-6 * g.norm(dim=1, keepdim=True) / longest)
    size = torch.where(size > 0, size, 1.0)
    d = -(Q @ ((Q.mT @ g[..., None])[..., 0] / size)[..., None])[..., 0]
    d = d * torch.clamp_max(longest / torch.clamp_min(d.norm(dim=1, keepdim=True), 1e-300), 1.0)
    return f, g, mu, torch.where(good[:, None] & torch.isfinite(d), d, 0.0)


def _lower(problem: TypedFunction, theta: Tensor, f: Tensor, g: Tensor, d: Tensor) -> Tensor:
    """Theta after the longest of the halved steps that lowers f enough; itself where none does."""
    a = 0.5 ** torch.arange(HALVINGS + 1, dtype=theta.dtype)[:, None]             # (trials, 1)
    there = theta + a[..., None] * d                                             # (trials, n, 2)
    tried = problem.forward(there.flatten(0, 1), problem.reference()).f.view(len(a), -1)
    good = tried <= f + ARMIJO * a * vecdot(g, d)
    good &= tried < f
    first = good.to(torch.uint8).argmax(0)
    chosen = there[first, torch.arange(len(theta))]
    return torch.where(good.any(0)[:, None], chosen, theta)


def _apart(points: Tensor, near: float) -> list[tuple[float, float]]:
    """Each of the ends once, in their order."""
    found: list[tuple[float, float]] = []
    for x, y in points.tolist():
        if all(math.dist((x, y), p) > near for p in found):
            found.append((x, y))
    return found
