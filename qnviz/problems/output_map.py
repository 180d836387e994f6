"""Problems that are nothing but their output map: one layer with input 1, and one sample.

    h = W·1 = θ      u = r(θ; ξ)      f = loss(u, 0)

Seen as a net, the methods made for layers run on them unchanged: one layer with A = E[ā āᵀ] = 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from qnviz.problems import philox
from qnviz.problems.problem import Problem
from qnviz.problems.spec import Layer
from qnviz.problems.tape import Batch


class OutputMap(Problem):
    """Starts and batches of such a problem; subclasses give the output map."""

    def __init__(self, layers: tuple[Layer, ...], loss: str, dtype: torch.dtype,
                 device: torch.device, start: Sequence[float], start_noise: float = 0.0):
        super().__init__(layers, loss, dtype, device)
        self.point = torch.tensor(start, dtype=dtype, device=device)
        self.start_noise = start_noise
        self.one = torch.ones(1, 1, 1, dtype=dtype, device=device)
        self.zero = torch.zeros(1, 1, 1, dtype=dtype, device=device)

    def start(self, seed: int, runs: Tensor) -> Tensor:
        """The chosen start, with N(0, σ₀²) added per run and coordinate."""
        theta = self.point.expand(len(runs), -1)
        if self.start_noise:
            zeroth = torch.zeros(1, dtype=torch.int64, device=self.device)
            draw = philox.normal(seed, philox.START, runs, zeroth, self.size)[0]
            theta = theta + self.start_noise * draw.to(self.dtype)
        return theta.clone()

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        for step in range(first, first + count):
            yield Batch(self.one, self.zero, self.one[0], True, seed, step, runs)

    def reference(self) -> Batch:
        """The function itself."""
        return Batch(self.one, self.zero, self.one[0], full=True)
