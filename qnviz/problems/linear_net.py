"""The degenerate linear net of Rahimi and Recht: depth without nonlinearity, badly conditioned.

    u = W_L ⋯ W₂ W₁ x,    f = mean over samples of ‖u − A x‖²                 (MATH §1)
    x ~ N(0, I₆),    A = diag(linspace(1, κ, 10)) U,    U (10, 6) uniform on [0, 1]

Only the product of the blocks matters: W₁ → C W₁, W₂ → W₂ C⁻¹ leaves f as it is, so the minimisers
form a manifold, and the Hessian at each of them is singular. Gradient flow keeps the differences
W_l W_lᵀ − W_{l+1}ᵀ W_{l+1} constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar, Literal

import numpy as np
import torch
from pydantic import model_validator
from torch import Tensor

from qnviz.fields import choice, number, optional_whole, whole
from qnviz.problems import philox
from qnviz.problems.lapack import eigh, svdvals
from qnviz.problems.minibatches import Minibatches
from qnviz.problems.norms import norm
from qnviz.problems.problem import Problem
from qnviz.problems.spec import Layer, ProblemSpec
from qnviz.problems.tape import Batch

INPUTS, OUTPUTS = 6, 10
ZEROTH = torch.zeros(1, dtype=torch.int64)


class LinearNet(ProblemSpec):
    """A linear map, learned as a product of matrices."""

    title: ClassVar[str] = "Degenerate linear net"
    summary: ClassVar[str] = ("A linear map learned as a product of matrices. The loss depends on "
                              "the product alone, so its minimisers form a surface along which "
                              "curvature is zero; and its smallest singular values hardly matter "
                              "to f, so they are learned last.")
    reference: ClassVar[str] = ("A. Rahimi, B. Recht, Reflections on random kitchen sinks, NeurIPS "
                                "test-of-time talk, 2017; the scaled start is CurveBall's, "
                                "arXiv 1805.08095, §4.")
    loss_name: ClassVar[str] = "loss on all samples"
    equation: ClassVar[str] = (r"f(W_1,\dots,W_L) = \tfrac1N\sum_n \big\|W_L\cdots W_1 x_n - "
                               r"A x_n\big\|^2,\qquad A = \mathrm{diag}(1,\dots,\kappa)\,U")
    rare: ClassVar[tuple[str, ...]] = ("samples", "data_seed")
    most_views: ClassVar[int] = 100

    name: Literal["linear_net"] = "linear_net"
    width: int = whole(6, "w", "Units in each hidden layer.", ge=1, le=100)
    depth: int = whole(2, "L", "How many matrices are multiplied.", ge=2, le=5)
    condition: float = number(1e-5, r"\kappa", "The smallest scale in A; the largest is 1.",
                              ge=1e-8, le=1e-1, log=True)
    samples: int = whole(1000, "N", "How many points x are drawn.", ge=10, le=100_000)
    init: Literal["randn", "scaled"] = choice(
        "randn", "Standard normal weights, or CurveBall's smaller ones.", r"W(0)")
    batch: int | None = optional_whole(None, "b", "Samples per step; empty for all of them.", ge=1,
                                       le=100_000)
    data_seed: int = whole(0, r"\xi", "Seed of U and of the samples.", ge=0, le=2**31 - 1)

    @model_validator(mode="after")
    def _batch_fits(self) -> LinearNet:
        if self.batch is not None and self.batch > self.samples:
            raise ValueError(f"batch is {self.batch}, but there are only {self.samples} samples")
        return self

    @property
    def deterministic(self) -> bool:
        return self.batch is None

    @property
    def step_samples(self) -> int:
        return self.batch or self.samples

    @property
    def layers(self) -> tuple[Layer, ...]:
        sizes = [INPUTS, *[self.width] * (self.depth - 1), OUTPUTS]
        return tuple(Layer(i, o, bias=False) for i, o in zip(sizes[:-1], sizes[1:], strict=True))

    @property
    def zeros(self) -> int:
        """The least number of zero eigenvalues of the Hessian at a minimiser.

        All parameters but the 60 numbers of the product, or the rank that a narrow net can reach:
        a matrix of rank w has w (6 + 10 − w) degrees of freedom.
        """
        free = min(self.width, INPUTS)
        return self.size - free * (INPUTS + OUTPUTS - free)

    def build(self, dtype: torch.dtype, device: torch.device) -> DegenerateLinearNet:
        return DegenerateLinearNet(self, dtype, device)


class DegenerateLinearNet(Problem):
    """The net, its A and its samples on a device."""

    def __init__(self, spec: LinearNet, dtype: torch.dtype, device: torch.device):
        super().__init__(spec.layers, "squares", dtype, device)
        self.spec = spec
        U = _draw(philox.uniform, spec.data_seed, 1, OUTPUTS, INPUTS)
        A = torch.linspace(1, spec.condition, OUTPUTS, dtype=torch.float64)[:, None] * U
        x = _draw(philox.normal, spec.data_seed, 0, spec.samples, INPUTS)
        self.A = A.to(device, dtype)
        self.draw = Minibatches(x.to(device, dtype), (x @ A.mT).to(device, dtype), spec.batch,
                                "the linear net")
        few = _same_moments(x)
        one = torch.ones(1, 1, dtype=dtype, device=device)
        self.whole = Batch(few.to(device, dtype)[None], (few @ A.mT).to(device, dtype)[None], one,
                           full=True)

    def start(self, seed: int, runs: Tensor) -> Tensor:
        """Standard normal weights, or times 2/(w + 6) in the first layer and 1/w in the others."""
        draws = philox.normal(seed, philox.START, runs, ZEROTH.to(runs.device), self.size)[0]
        if self.spec.init == "scaled":
            w = self.spec.width
            draws = torch.cat([W.flatten(1) * (2 / (w + INPUTS) if l == 0 else 1 / w)
                               for l, W in enumerate(self.split(draws))], 1)
        return draws.to(self.dtype)

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        yield from self.draw(first, count, seed, runs)

    def fresh(self, batch: Batch, iteration: int) -> Batch:
        return self.draw.fresh(batch, iteration)

    def reference(self) -> Batch:
        """Seven points with the mean and second moments of all samples.

        f depends on the samples through E[x xᵀ] alone, as targets are linear in x, and so do the
        second moments of every layer's inputs: this batch is the full one, to rounding.
        """
        return self.whole

    def training(self, seed: int, runs: Tensor) -> Batch:
        """All samples: seven points are too few to draw targets for."""
        d = self.draw
        return Batch(d.x[None], d.target[None], d.xi, True, seed, -1, runs)

    def product(self, theta: Tensor) -> Tensor:
        """W_L ⋯ W₁, (n, 10, 6)."""
        first, *rest = self.split(theta)
        for W in rest:
            first = W @ first
        return first

    def views(self, theta: Tensor, start: Tensor) -> dict[str, Tensor]:
        """Singular values of the product (n, 6), and how far each W_l W_lᵀ − W_{l+1}ᵀ W_{l+1} went.

        The latter, (n, L−1), is the Frobenius norm of its change over that at the start.
        """
        M = self.product(theta)
        return {"singular": svdvals(M),
                "drift": _norm(self._conserved(theta) - self._conserved(start))
                / _norm(self._conserved(start))}

    def _conserved(self, theta: Tensor) -> Tensor:
        """W_l W_lᵀ − W_{l+1}ᵀ W_{l+1}, (n, L−1, w, w)."""
        W = self.split(theta)
        return torch.stack([a @ a.mT - b.mT @ b for a, b in zip(W[:-1], W[1:], strict=True)], 1)

    def scene(self) -> dict[str, np.ndarray]:
        return {"singular": svdvals(self.A).cpu().numpy(),
                "zeros": np.array(self.spec.zeros)}


def _norm(C: Tensor) -> Tensor:
    return norm(C.flatten(-2))


def _draw(source, seed: int, part: int, *shape: int) -> Tensor:
    """Numbers (…) of the data's own stream, made on the CPU so that all devices get the same."""
    count = int(np.prod(shape))
    return source(seed, philox.DATA, torch.tensor([part]), ZEROTH, count)[0, 0].view(shape)


def _same_moments(x: Tensor) -> Tensor:
    """Points (n+1, n) with the mean and the second moments E[x xᵀ] of x (N, n).

    With S the covariance, C = S^½ and a regular simplex of n + 1 vectors v_i of mean 0 and
    covariance I, the points are mean + C v_i.
    """
    n, mean = x.shape[1], x.mean(0)
    S = (x - mean).mT @ (x - mean) / len(x)
    values, vectors = eigh(S)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.mT
    full = torch.linalg.qr(torch.cat([torch.ones(n + 1, 1, dtype=x.dtype),
                                      torch.eye(n + 1, dtype=x.dtype)[:, :n]], 1))[0]
    simplex = full[:, 1:] * (n + 1) ** 0.5          # orthonormal columns, orthogonal to 1
    return mean + simplex @ root
