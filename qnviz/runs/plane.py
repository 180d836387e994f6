"""The loss over a plane of start points, from one batched forward pass."""

import numpy as np
import torch

from qnviz.problems.base import Problem, ProblemSpec

POINTS = 121                          # per axis; 121² forwards of a tiny map take milliseconds


def plane(spec: ProblemSpec, problem: Problem) -> dict[str, np.ndarray]:
    """X (n,), y (n,), z (n, n) with z[i, j] = loss at (x[j], y[i]), over the problem's window."""
    (x0, x1), (y0, y1) = spec.window
    x = torch.linspace(x0, x1, POINTS, dtype=problem.dtype, device=problem.device)
    y = torch.linspace(y0, y1, POINTS, dtype=problem.dtype, device=problem.device)
    grid = torch.cartesian_prod(y, x).flip(1)
    z = problem.forward(grid, problem.reference()).f.view(POINTS, POINTS)
    return {"x": x.cpu().numpy(), "y": y.cpu().numpy(), "z": z.cpu().numpy(),
            "minimiser": np.array(spec.minimiser)}
