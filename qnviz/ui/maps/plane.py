"""The loss over a part of the plane, for level lines beneath starts and paths."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch

from qnviz.problems.spec import ProblemSpec
from qnviz.runs.plane import surface

POINTS = 81                                    # per axis
Surface = tuple[np.ndarray, np.ndarray, np.ndarray]


@lru_cache(maxsize=64)
def loss_over(problem: ProblemSpec, x0: float, x1: float, y0: float, y1: float) -> Surface:
    """The noise-free loss over a rectangle of the plane, above the lowest that is known."""
    built = problem.build(torch.float64, torch.device("cpu"))
    x, y = (torch.linspace(a, b, POINTS, dtype=torch.float64)
            for a, b in ((x0, x1), (y0, y1)))
    z = surface(built, lambda theta: theta, x, y, built.reference())
    known = z[np.isfinite(z)]
    lowest = problem.lowest if problem.lowest is not None else known.min() if len(known) else 0.0
    return x.numpy(), y.numpy(), z - lowest
