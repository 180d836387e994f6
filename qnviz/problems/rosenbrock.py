"""Rosenbrock's function with CurveBall's multiplicative noise, as a net of one layer with input 1.

    h = W·1 = (x₁, x₂)      u(h; ε) = (10 ε (x₂ − x₁²), 1 − x₁)      f = u₁² + u₂²

At ε = 1 this is the classic function with minimum 0 at (1, 1). Noise s draws ε ~ U[0, s] anew at
each step [Henriques et al. 2018, §4]. It may be read in two ways: ε in the residual, as above, so
that f has 100 ε² (x₂ − x₁²)²; or in front of the term of f, 100 ε (x₂ − x₁²)², whose residual has
√ε in place of ε. Progress is reported at ε = 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor

from qnviz.fields import choice, number
from qnviz.problems import philox
from qnviz.problems.output_map import OutputMap
from qnviz.problems.spec import Layer, ProblemSpec
from qnviz.problems.tape import Batch

Coordinate = Annotated[float, Field(ge=-10, le=10)]


class Rosenbrock(ProblemSpec):
    """The noisy Rosenbrock function."""

    title: ClassVar[str] = "Rosenbrock"
    summary: ClassVar[str] = ("A bent valley: easy to fall into, slow to walk along. Its floor is "
                              "the parabola x₂ = x₁², its minimum 0 lies at (1, 1).")
    reference: ClassVar[str] = ("H. H. Rosenbrock, An automatic method for finding the greatest or "
                                "least value of a function, 1960; the noise is CurveBall's, "
                                "arXiv 1805.08095, §4.")
    loss_name: ClassVar[str] = "loss at ε = 1"
    equation: ClassVar[str] = r"f(x_1, x_2) = 100\,(x_2 - x_1^2)^2 + (1 - x_1)^2"
    plane: ClassVar[bool] = True

    name: Literal["rosenbrock"] = "rosenbrock"
    noise: float = number(0.0, "s", "Each step draws ε from U[0, s]; 0 means ε = 1, no noise.",
                          ge=0, le=10)
    noise_in: Literal["residual", "function"] = choice(
        "residual", "Where ε stands: in the residual, so that f has 100 ε² (x₂ − x₁²)², or in "
        "front of the term of the function, 100 ε (x₂ − x₁²)².")
    start: tuple[Coordinate, Coordinate] = (-1.2, 1.0)
    start_noise: float = number(0.0, r"\sigma_0", "Standard deviation of the start around the "
                                "chosen point, drawn anew for each run.", ge=0, le=2)

    @property
    def formula(self) -> str:
        """The function as this problem draws it: the noise shows where it stands."""
        if self.deterministic:
            return self.equation
        term = (r"\big(10\,\varepsilon\,(x_2 - x_1^2)\big)^2" if self.noise_in == "residual"
                else r"100\,\varepsilon\,(x_2 - x_1^2)^2")
        return rf"f(x_1, x_2) = {term} + (1 - x_1)^2,\qquad \varepsilon \sim U[0, {self.noise:g}]"

    @property
    def deterministic(self) -> bool:
        return self.noise == 0

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer(1, 2, bias=False),)

    @property
    def window(self) -> tuple[tuple[float, float], tuple[float, float]]:
        x, y = self.start
        return (min(-2.0, x - 0.25), max(2.0, x + 0.25)), (min(-1.0, y - 0.25), max(3.0, y + 0.25))

    @property
    def minimiser(self) -> tuple[float, float]:
        return 1.0, 1.0

    @property
    def portable(self) -> dict[str, Any]:
        return {}

    def build(self, dtype: torch.dtype, device: torch.device) -> NoisyRosenbrock:
        return NoisyRosenbrock(self, dtype, device)


class NoisyRosenbrock(OutputMap):
    """The function on a device."""

    def __init__(self, spec: Rosenbrock, dtype: torch.dtype, device: torch.device):
        super().__init__(spec.layers, "squares", dtype, device, spec.start, spec.start_noise)
        self.spec = spec

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        if self.spec.deterministic:
            epsilon = [torch.ones(1, 1, dtype=self.dtype, device=self.device)] * count
        else:
            steps = torch.arange(first, first + count, device=self.device)
            draws = philox.uniform(seed, philox.NOISE, runs, steps, 1)          # (T, R, 1)
            epsilon = self._factor(draws).unbind(0)
        for i, eps in enumerate(epsilon):
            yield Batch(self.one, self.zero, eps, self.spec.deterministic, seed, first + i, runs)

    def fresh(self, batch: Batch, iteration: int) -> Batch:
        """The same step with another ε."""
        if batch.full:
            return batch
        step = torch.tensor([batch.step], device=self.device)
        draw = philox.uniform(batch.seed, philox.NOISE, batch.runs, step, 1, iteration)[0]
        return replace(batch, xi=self._factor(draw))

    def _factor(self, draws: Tensor) -> Tensor:
        """The factor of the residual for draws from U[0, 1): ε, or √ε where f has ε."""
        epsilon = self.spec.noise * draws
        return (epsilon.sqrt() if self.spec.noise_in == "function" else epsilon).to(self.dtype)

    def output(self, h: Tensor, xi: Tensor) -> Tensor:
        x1, x2 = h.unbind(-1)
        return torch.stack([10 * xi * (x2 - x1 * x1), 1 - x1], -1)

    def output_jvp(self, h: Tensor, dh: Tensor, xi: Tensor) -> Tensor:
        d1, d2 = dh.unbind(-1)
        return torch.stack([10 * xi * (d2 - 2 * h[..., 0] * d1), -d1], -1)

    def output_vjp(self, h: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        w1, w2 = w.unbind(-1)
        slope = 10 * xi * w1
        return torch.stack([-2 * h[..., 0] * slope - w2, slope], -1)

    def output_curvature(self, h: Tensor, dh: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        bend = -20 * xi * w[..., 0] * dh[..., 0]
        return torch.stack([bend, torch.zeros_like(bend)], -1)
