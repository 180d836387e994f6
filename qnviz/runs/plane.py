"""Planes on which paths are drawn: that of two parameters, or one laid through many."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.oracle import slice_numbers
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.tape import Batch
from qnviz.runs.device import built
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace, snapshots

Columns = Mapping[str, dict[str, np.ndarray]]

POINTS = 121                          # per axis; 121² forwards of a tiny map take milliseconds
POINTS_OF_NETS = 41                   # …; of a net they cost real work,
FEWEST_POINTS = 15
SAMPLES = 128                         # so they look at a part of the reference batch,
FEWEST_SAMPLES = 16
OPERATIONS = 4e9                      # and together take about this many multiplications
ROWS = 40                             # iterates of each entrant that the plane is fitted to
MARGIN = 0.12                         # of the paths' extent, on every side
ASTRAY = 10.0                         # times the loss at the start: such iterates fit no plane


def plane(spec: ProblemSpec, problem: Problem) -> dict[str, np.ndarray]:
    """X (n,), y (n,), z (n, n) with z[i, j] = loss at (x[j], y[i]), over the problem's window.

    With the minimisers (k, 2) and the lowest loss as far as they are known, and the axes' names.
    """
    (x0, x1), (y0, y1) = spec.window
    x = torch.linspace(x0, x1, POINTS, dtype=problem.dtype, device=problem.device)
    y = torch.linspace(y0, y1, POINTS, dtype=problem.dtype, device=problem.device)
    z = surface(problem, _same, x, y, problem.reference())
    return {"x": x.cpu().numpy(), "y": y.cpu().numpy(), "z": z} | landmarks(spec)


def landmarks(spec: ProblemSpec) -> dict[str, np.ndarray]:
    """What is known of the plane of two parameters without computing anything."""
    found = {"minimiser": np.array(spec.minimisers).reshape(-1, 2), "axes": np.array(spec.axes)}
    return found if spec.lowest is None else found | {"lowest": np.array(spec.lowest)}


def surface(problem: Problem, place: Callable[[Tensor], Tensor], x: Tensor, y: Tensor,
            batch: Batch) -> np.ndarray:
    """Loss (m, n) over a grid; `place` takes points (N, 2) of the plane to theta (N, P)."""
    grid = torch.cartesian_prod(y, x).flip(1)
    return _losses(problem, place, grid, batch).reshape(len(y), len(x))


@torch.inference_mode()
def projected(problem: Problem, columns: Columns, ends: tuple[str, str] | None = None,
              quality: float = 1.0) -> tuple[dict[str, np.ndarray], dict[str, dict]]:
    """The paths of run 0 of all entrants in one plane, and the loss surface of that plane.

    The axes are the two leading principal components of the iterates, or, with `ends`, the
    directions from the start to where two entrants ended, made orthogonal. A projection hides
    what happens across it, so the plane says which share of the iterates' variance it holds, and
    every iterate comes with the loss at its shadow in the plane beside its own, on the same
    samples of the reference batch.

    Args:
        problem: the net.
        columns: per entrant, with theta (K, R, P), loss, step and stopped.
        ends: two entrants' labels.
        quality: how much of the usual work to spend, for a picture that is still growing.

    Returns:
        plane: x (n,), y (m,), z (m, n), and explained (2,), the shares of the variance; empty where
            the parameters were not kept. Per entrant: path (K, 2); path_loss and path_true (K,),
            NaN but at 40 iterates spread over the run.
    """
    paths = {label: torch.as_tensor(c["theta"][:len(snapshots(c)), 0], device=problem.device)
             for label, c in columns.items() if "theta" in c}
    if not paths:
        return {}, {}
    fitted = torch.cat([_fitted(path, columns[label]) for label, path in paths.items()])
    first = next(iter(paths.values()))[0]
    if ends is None:
        origin = fitted.mean(0)
        axes = _principal(fitted - origin)
    else:
        origin = first
        axes = _orthogonal([paths[label][-1] - first for label in ends])
    spread = fitted - fitted.mean(0)
    total = float((spread**2).sum()) or 1.0
    explained = [float(((spread @ d) ** 2).sum()) / total for d in axes]
    flat = {label: (path - origin) @ axes.mT for label, path in paths.items()}
    x, y, batch = _grid(problem, (fitted - origin) @ axes.mT, quality)

    def place(points: Tensor) -> Tensor:
        return origin + points @ axes

    found = {}
    for label, path in paths.items():
        K, n = len(columns[label]["step"]), len(path)
        points = flat[label].cpu().numpy()
        found[label] = {"path": np.concatenate([points, np.repeat(points[-1:], K - n, 0)])}
        some = _spread(n, ROWS)
        at_some = torch.as_tensor(some, device=path.device)
        for name, put, at in (("path_loss", place, flat[label]), ("path_true", _same, path)):
            found[label][name] = np.full(K, np.nan)
            found[label][name][some] = _losses(problem, put, at[at_some], batch)
    z = surface(problem, place, x, y, batch)
    return {"x": x.cpu().numpy(), "y": y.cpu().numpy(), "z": z,
            "explained": np.array(explained)}, found


def laid_through(trace: Trace, ends: tuple[str, str]) -> Trace:
    """The same run with its paths in the plane through the start and where two entrants ended.

    Raises:
        TraceError: the trace does not hold the parameters any more.
    """
    trace.theta(ends[0])                        # raises, where no entrant's are there
    problem, _ = built(parse(trace.spec))
    flat, paths = projected(problem, trace.columns, ends)
    columns = {label: c | paths[label] for label, c in trace.columns.items()}
    return replace(trace, key=f"{trace.key}/{'/'.join(ends)}", plane=flat, columns=columns)


def _fitted(path: Tensor, c: dict[str, np.ndarray]) -> Tensor:
    """Up to ROWS iterates of an entrant, evenly spaced, without those far astray."""
    loss = c["loss"][:len(path), 0]
    good = np.flatnonzero(loss <= ASTRAY * loss[0])
    return path[torch.as_tensor(good[_spread(len(good), ROWS)], device=path.device)]


def _spread(n: int, most: int) -> np.ndarray:
    """Up to `most` evenly spaced rows of n, the first and the last among them."""
    return np.linspace(0, n - 1, min(most, n)).round().astype(int)


def _same(theta: Tensor) -> Tensor:
    return theta


def _principal(X: Tensor) -> Tensor:
    """The two leading principal directions (2, P) of centred rows X (M, P), from X Xᵀ (M, M)."""
    values, vectors = torch.linalg.eigh(X @ X.mT)
    return _orthogonal([X.mT @ vectors[:, -1], X.mT @ vectors[:, -2] if len(X) > 1 else 0 * X[0]])


def _orthogonal(pair: list[Tensor]) -> Tensor:
    """Two orthonormal directions (2, P) that span the pair; a unit vector where one is missing."""
    axes: list[Tensor] = []
    for k, v in enumerate(pair):
        size = norm(v)
        for axis in axes:
            v = v - (v @ axis) * axis
        if not bool(norm(v) > 1e-9 * size):           # no path, or both along one line
            v = torch.zeros_like(v)
            v[k] = 1.0
            for axis in axes:
                v = v - (v @ axis) * axis
        axes.append(v / norm(v))
    return torch.stack(axes)


def _grid(problem: Problem, points: Tensor, quality: float) -> tuple[Tensor, Tensor, Batch]:
    """Grid and batch for the surface under points (M, 2), within the operations allowed."""
    allowed = quality * OPERATIONS / (2 * problem.size)
    side = int(np.clip((allowed / 64) ** 0.5, FEWEST_POINTS, POINTS_OF_NETS))
    whole = problem.reference()
    samples = int(np.clip(allowed / side**2, FEWEST_SAMPLES, SAMPLES))
    batch = replace(whole, x=whole.x[:, :samples], target=whole.target[:, :samples])
    low, high = points.amin(0), points.amax(0)
    air = MARGIN * torch.clamp_min(high - low, 1e-3 * float((high - low).max()) or 1e-3)
    low, high = low - air, high + air
    x, y = (torch.linspace(float(low[k]), float(high[k]), side, dtype=problem.dtype,
                           device=problem.device) for k in (0, 1))
    return x, y, batch


def _losses(problem: Problem, place: Callable[[Tensor], Tensor], points: Tensor,
            batch: Batch) -> np.ndarray:
    """Loss (N,) at points, in slices."""
    per_point = problem.size + 3 * batch.x.shape[1] * problem.units
    at_once = max(1, slice_numbers(problem) // per_point)
    return torch.cat([problem.forward(place(part), batch).f
                      for part in points.split(at_once)]).cpu().numpy()
