"""Rosenbrock's function in n dimensions, a chain of bent valleys, as a net of one layer.

    h = W·1 = (x₁, …, x_n)      u = (10 (x_{i+1} − x_i²), 1 − x_i),  i < n      f = ‖u‖²

Its minimum 0 lies at (1, …, 1). From n = 4 on there is a second minimum near (−1, 1, …, 1), with
value 3.7 for n = 4 and about 4 for more [Shang, Qiu 2006].
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from qnviz.fields import number, whole
from qnviz.problems.output_map import OutputMap
from qnviz.problems.spec import Layer, ProblemSpec


class RosenbrockN(ProblemSpec):
    """The extended Rosenbrock function."""

    title: ClassVar[str] = "Rosenbrock in n dimensions"
    summary: ClassVar[str] = ("A chain of bent valleys: every pair of neighbours is Rosenbrock's "
                              "function. The minimum 0 lies at (1, …, 1); from n = 4 on a second "
                              "one waits near (−1, 1, …, 1).")
    reference: ClassVar[str] = ("H. H. Rosenbrock, 1960; Y.-W. Shang, Y.-H. Qiu, A note on the "
                                "extended Rosenbrock function, 2006.")
    equation: ClassVar[str] = (r"f(x) = \sum_{i<n} 100\,(x_{i+1} - x_i^2)^2 + (1 - x_i)^2,\qquad "
                               r"x^0 = (-1.2,\ 1,\ -1.2,\ \ldots)")

    still: ClassVar[float | None] = 1e-6       # for runs that end at the second minimum

    name: Literal["rosenbrock_n"] = "rosenbrock_n"
    n: int = whole(10, "n", "How many variables there are.", ge=2, le=100)
    start_noise: float = number(0.0, r"\sigma_0", "Standard deviation of the start around "
                                "(−1.2, 1, −1.2, …), drawn anew for each run.", ge=0, le=2)

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (Layer(1, self.n, bias=False),)

    def build(self, dtype: torch.dtype, device: torch.device) -> ChainOfValleys:
        return ChainOfValleys(self, dtype, device)


class ChainOfValleys(OutputMap):
    """The function on a device."""

    def __init__(self, spec: RosenbrockN, dtype: torch.dtype, device: torch.device):
        first = [-1.2 if i % 2 == 0 else 1.0 for i in range(spec.n)]
        super().__init__(spec.layers, "squares", dtype, device, first, spec.start_noise)

    def output(self, h: Tensor, xi: Tensor) -> Tensor:
        x, after = h[..., :-1], h[..., 1:]
        return torch.cat([10 * (after - x * x), 1 - x], -1)

    def output_jvp(self, h: Tensor, dh: Tensor, xi: Tensor) -> Tensor:
        d, after = dh[..., :-1], dh[..., 1:]
        return torch.cat([10 * (after - 2 * h[..., :-1] * d), -d], -1)

    def output_vjp(self, h: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        bent, straight = w.chunk(2, -1)
        return torch.nn.functional.pad(-20 * h[..., :-1] * bent - straight, (0, 1)) + \
            torch.nn.functional.pad(10 * bent, (1, 0))

    def output_curvature(self, h: Tensor, dh: Tensor, w: Tensor, xi: Tensor) -> Tensor:
        return torch.nn.functional.pad(-20 * w.chunk(2, -1)[0] * dh[..., :-1], (0, 1))
