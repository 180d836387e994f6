"""The plane in which the iterates of one Newton system are drawn, with the model's values in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from qnviz.methods.newton_krylov import System
from qnviz.problems.norms import norm
from qnviz.studies.krylov_solve import Solve

POINTS = 81                          # per axis of the model's surface
MARGIN = 0.16                        # of the points' extent, on every side
TINY = float(np.finfo(float).tiny)
NEAR = 4.0                           # times as long as d: such a Newton step widens the window


@dataclass(frozen=True)
class Plane:
    """Coordinates in a plane: of two parameters themselves, or along −g and towards d.

    The latter's axes are orthonormal with the iterate as origin, and what lies across is lost; it
    holds −g, the run's direction d and so its step. Newton's step is a shadow: where the matrix is
    nearly singular, nearly all of it lies across.
    """

    exact: bool                      # whether nothing is lost
    x: np.ndarray                    # (n,)
    y: np.ndarray                    # (n,)
    z: np.ndarray                    # (n, n), the model q(d) over the plane
    paths: dict[str, np.ndarray]     # solver → (taken + 1, 2)
    ends: dict[str, np.ndarray]      # solver → (2,), the direction that came out
    share: dict[str, float]          # solver → share of ‖d‖² that lies in the plane
    newton: np.ndarray | None        # (2,), the exact Newton step, where it is known
    newton_held: float               # share of its ‖d‖² that lies in the plane
    newton_length: float             # its length over that of d
    steepest: np.ndarray             # (2,), the lowest point along −g, or where it falls for ever
    taken: np.ndarray                # (2,), a d


def laid(s: System, solves: Sequence[Solve], own: Solve, newton: Tensor | None, a: float,
         size: int) -> Plane:
    """Lay the plane and put everything in it; the step taken is a · d of the run's own solver."""
    g, exact = s.g[0], size == 2
    active = torch.ones(1, dtype=torch.bool, device=g.device)
    if exact:
        axes, origin = torch.eye(2).to(g), s.tape.theta[0].cpu().numpy()
    else:
        towards = [torch.as_tensor(x.d).to(g) for x in (own, *solves)]
        towards += [] if newton is None else [newton]
        axes, origin = _axes(g, towards), np.zeros(2)
    H2 = torch.stack([s.product(e[None], active)[0] @ axes.mT for e in axes])
    g2 = axes @ g
    E = axes.cpu().numpy()

    def place(d: np.ndarray) -> np.ndarray:
        return origin + d @ E.T

    e = g / norm(g)
    He = s.product(e[None], active)[0]
    curved, bent = float(e @ He), float(norm(He))
    long = float(norm(g)) / (curved if curved > 0 else bent) if bent > 0 else 1.0
    steepest = place(-long * e.cpu().numpy())
    paths = {x.solver: place(x.path) for x in solves}
    ends = {x.solver: place(x.d) for x in solves}
    step = place(a * own.d)
    points = [*paths.values(), *[e[None] for e in ends.values()], steepest[None], step[None]]

    def share(d: np.ndarray) -> float:
        return (_length(d @ E.T) / max(_length(d), TINY)) ** 2

    there = np.zeros(size) if newton is None else newton.cpu().numpy()
    longer = _length(there) / max(_length(own.d), TINY)
    if newton is not None and longer <= NEAR:
        points.append(place(there)[None])
    x, y = _window(np.concatenate(points))
    flat = np.stack(np.meshgrid(x, y), -1) - origin
    slope, bend = g2.cpu().numpy(), H2.cpu().numpy()
    z = flat @ slope + 0.5 * np.einsum("...i,ij,...j->...", flat, bend, flat)
    return Plane(exact, x, y, z, paths, ends, {q.solver: share(q.d) for q in solves},
                 None if newton is None else place(there), share(there), longer, steepest, step)


def _axes(g: Tensor, towards: Sequence[Tensor]) -> Tensor:
    """Orthonormal (2, P): along −g, and what is left of the first step that points elsewhere."""
    first = -g / norm(g)
    spare = torch.zeros_like(g)
    spare[int(first.abs().argmin())] = 1.0              # all along −g: any other direction will do
    for d in (*towards, spare):
        across = d - (d @ first) * first
        if bool(norm(across) > 1e-9 * norm(d)):
            across = across - (across @ first) * first
            return torch.stack([first, across / norm(across)])
    raise AssertionError("a unit vector least along the gradient is not along it")


def _length(d: np.ndarray) -> float:
    return float(norm(torch.from_numpy(d)))


def _window(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A grid around points (n, 2), not thinner than a fifth of its length."""
    low, high = points.min(0), points.max(0)
    extent = np.maximum(high - low, 0.2 * max(float((high - low).max()), 1e-12))
    middle, half = (low + high) / 2, (0.5 + MARGIN) * extent
    return tuple(np.linspace(middle[i] - half[i], middle[i] + half[i], POINTS)
                 for i in (0, 1))                       # type: ignore[return-value]
