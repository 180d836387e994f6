"""Where ∇f = 0 in a window of the plane, and what is there: many Newton steps at once.

Newton's method is drawn by minima, saddles and maxima alike, so from a grid of points it finds what
`search`, which only descends, passes by. Nothing says that it finds all of them.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import torch

from qnviz.problems import lapack
from qnviz.problems.typed.expression import parse
from qnviz.problems.typed.problem import TypedFunction
from qnviz.problems.typed.search import Box

SIDE, STEPS = 35, 80                           # points along an axis; steps
LONGEST = 0.1                                  # of a step, of the window
CLOSE = 1e-11                                  # of the window: so short a last step has arrived
ZERO = 1e-12                                   # of the window: so small a coordinate is 0
NEAR = 1e-3                                    # of the window: two ends that are one
ROUND = 1e-8                                   # of the larger |μ|: so small a one has no sign
MANY = 12                                      # of each kind, the nearest to the middle

Point = tuple[float, float]


class Stationary(NamedTuple):
    """Points where ∇f = 0 by the signs of the Hessian's eigenvalues: both > 0, and all others."""

    minima: tuple[Point, ...]
    others: tuple[Point, ...]                  # saddles and maxima


@lru_cache(maxsize=256)
@torch.inference_mode()
def stationary(typed: str, box: Box) -> Stationary:
    """The isolated points of a window at which a function's gradient vanishes, as far as found.

    Args:
        typed: the function's text.
        box: ((x0, x1), (y0, y1)).

    Raises:
        ExpressionError: the text is no function.
    """
    problem = TypedFunction(parse(typed), torch.float64, torch.device("cpu"), (0.0, 0.0))
    (x0, x1), (y0, y1) = box
    width = max(x1 - x0, y1 - y0)
    # irrational shares, as `search` has them
    share = (torch.arange(SIDE, dtype=torch.float64) + 0.4142) / SIDE
    theta = torch.cartesian_prod(x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
    mu = torch.zeros_like(theta)
    size = torch.full((len(theta),), torch.inf, dtype=theta.dtype)
    for _ in range(STEPS):
        _, g, H = problem.derivatives(theta)
        good = torch.isfinite(H).all((1, 2)) & torch.isfinite(g).all(1)
        eye = torch.eye(2, dtype=theta.dtype)
        mu, Q = lapack.eigh(torch.where(good[:, None, None], 0.5 * (H + H.mT), eye))
        d = -(Q @ ((Q.mT @ g[..., None])[..., 0] / mu)[..., None])[..., 0]
        size = torch.where(good & torch.isfinite(d).all(1), d.norm(dim=1), torch.inf)
        d = d * torch.clamp_max(LONGEST * width / torch.clamp_min(size, 1e-300), 1.0)[:, None]
        theta = torch.where(torch.isfinite(size)[:, None], theta + d, theta)
    (a, b) = theta.unbind(1)
    there = (size <= CLOSE * width) & (a >= x0) & (a <= x1) & (b >= y0) & (b <= y1)
    there &= mu.abs().amin(1) > ROUND * mu.abs().amax(1)
    low = there & (mu > 0).all(1)
    middle = ((x0 + x1) / 2, (y0 + y1) / 2)
    theta = torch.where(theta.abs() <= ZERO * width, 0.0, theta)
    return Stationary(*(_apart(theta[which].tolist(), NEAR * width, middle)
                        for which in (low, there & ~low)))


def _apart(found: list[list[float]], near: float, middle: Point) -> tuple[Point, ...]:
    """One of each group of points that are one, the nearest to the middle first."""
    kept: list[Point] = []
    for x, y in sorted(found, key=lambda p: math.dist(p, middle)):
        if all(math.dist((x, y), p) > near for p in kept):
            kept.append((x, y))
            if len(kept) == MANY:
                break
    return tuple(kept)
