"""An autoencoder on random images, and the same net with the same weights in torch.nn."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from qnviz.problems.problem import Problem
from qnviz.problems.spec import Layer
from qnviz.problems.tape import Batch

CPU = torch.device("cpu")


class Pixels(Problem):
    """Relu, a linear code, cross-entropy; every run sees images of its own."""

    def __init__(self, widths: tuple[int, ...], batch: int, runs: int, dtype: torch.dtype):
        code = widths.index(min(widths)) - 1
        super().__init__(tuple(
            Layer(i, o, True, "identity" if l in (code, len(widths) - 2) else "relu")
            for l, (i, o) in enumerate(zip(widths[:-1], widths[1:], strict=True))), "bce", dtype,
            CPU)
        generator = torch.Generator().manual_seed(1)
        self.x = torch.rand(runs, batch, widths[0], generator=generator, dtype=dtype)
        self.one = torch.ones(1, 1, dtype=dtype)

    def start(self, seed: int, runs: Tensor) -> Tensor:
        """Small normal weights."""
        generator = torch.Generator().manual_seed(seed)
        return 0.02 * torch.randn(len(runs), self.size, generator=generator, dtype=self.dtype)

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        """The same images at every step."""
        for step in range(first, first + count):
            yield Batch(self.x, self.x, self.one, False, seed, step, runs)

    def reference(self) -> Batch:
        """The first run's images."""
        return Batch(self.x[:1], self.x[:1], self.one, True)


def same_net(problem: Pixels, theta: Tensor) -> nn.Sequential:
    """The first run's net with weights theta (1, P), as torch.nn has it."""
    parts: list[nn.Module] = []
    for layer, W in zip(problem.layers, problem.split(theta), strict=True):
        linear = nn.Linear(layer.fan_in, layer.fan_out, dtype=problem.dtype)
        with torch.no_grad():
            linear.weight.copy_(W[0, :, :-1])
            linear.bias.copy_(W[0, :, -1])
        parts.append(linear)
        if layer.activation == "relu":
            parts.append(nn.ReLU())
    return nn.Sequential(*parts)


def as_vector(problem: Pixels, tensors: list[Tensor]) -> Tensor:
    """Weights and biases in the order of a net's parameters, as one vector (1, P) of ours."""
    pairs = zip(tensors[::2], tensors[1::2], strict=True)
    return problem.join([torch.cat([W, b[:, None]], 1)[None] for W, b in pairs])


def as_tensors(problem: Pixels, v: Tensor) -> list[Tensor]:
    """A vector (1, P) of ours as weights and biases in the order of a net's parameters."""
    return [part.contiguous() for W in problem.split(v) for part in (W[0, :, :-1], W[0, :, -1])]


def mean_cross_entropy(u: Tensor, x: Tensor) -> Tensor:
    """Mean over images of the cross-entropy summed over pixels, as the problem's loss is."""
    return nn.functional.binary_cross_entropy_with_logits(u, x, reduction="sum") / len(x)
