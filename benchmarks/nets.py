"""Steps on autoencoders, against one forward-backward-SGD step of the same net in torch.nn.

MNIST's shape in float32 with batch 1,000, and the digits' shape in both dtypes with batch 256,
alone and per run of a sweep of 16. Pixels are random: the cost does not depend on them. The peer's
step and ours take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.timing import interleaved, shown
from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.autoencoder import PUBLISHED
from qnviz.problems.base import Batch, Layer, Problem
from qnviz.runs.device import set_threads

CPU = torch.device("cpu")
SETTINGS: dict[str, dict] = {
    "kbfgs": {"lr": 1e-3}, "kbfgs_l": {"lr": 1e-3, "memory": 20}, "kfac": {"lr": 1e-3},
    "curveball": {}, "adam": {}, "sgd": {"lr": 1e-4}}


class Pixels(Problem):
    """An autoencoder on random images."""

    def __init__(self, widths: tuple[int, ...], batch: int, runs: int, dtype: torch.dtype):
        code = widths.index(min(widths)) - 1
        super().__init__(tuple(
            Layer(i, o, True, "identity" if l in (code, len(widths) - 2) else "relu")
            for l, (i, o) in enumerate(zip(widths[:-1], widths[1:], strict=True))), "bce", dtype,
            CPU)
        self.x = torch.rand(runs, batch, widths[0], dtype=dtype)
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


def ours(problem: Pixels, method: Method, runs: int) -> Callable[[], None]:
    """One step of a method, called again and again."""
    with torch.inference_mode():
        which = torch.arange(runs)
        theta = problem.start(0, which)
        p = method.tensors(runs, theta)
        state = [method.init(Oracle(problem, problem.reference(), runs), theta, p)]
    batch = next(problem.batches(0, 1, 0, which))

    @torch.inference_mode()
    def step() -> None:
        state[0] = method.step(Oracle(problem, batch, runs), state[0], p)[0]

    return step


def peer(problem: Pixels) -> Callable[[], None]:
    """One SGD step of the same net in torch.nn."""
    parts: list[nn.Module] = []
    for layer in problem.layers:
        parts.append(nn.Linear(layer.fan_in, layer.fan_out, dtype=problem.dtype))
        if layer.activation == "relu":
            parts.append(nn.ReLU())
    net, x = nn.Sequential(*parts), problem.x[0]
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)
    loss = nn.BCEWithLogitsLoss(reduction="sum")

    def step() -> None:
        optimizer.zero_grad()
        (loss(net(x), x) / len(x)).backward()
        optimizer.step()

    return step


def table(title: str, widths: tuple[int, ...], batch: int, runs: int, dtype: torch.dtype,
          repeats: int) -> dict[str, float]:
    """Print the ratios of every method's step, per run, over the peer's."""
    problem = Pixels(widths, batch, runs, dtype)
    set_threads(problem.size * runs)
    steps: dict[str, Callable[[], object]] = {"torch.nn SGD": peer(problem)}
    steps |= {name: ours(problem, METHODS[name](**settings), runs)
              for name, settings in SETTINGS.items()}
    times = interleaved(steps, repeats)
    unit = float(np.median(times["torch.nn SGD"]))
    ratios = {name: float(np.median(seconds)) / unit / (1 if name == "torch.nn SGD" else runs)
              for name, seconds in times.items()}
    print(title)
    for name, seconds in times.items():
        print(f"  {name:16}{shown(seconds)}   {ratios[name]:6.2f} SGD steps per run")
    print()
    return ratios


def main() -> None:
    """Print the tables."""
    table("MNIST's shape 784-1000-500-250-30-…, batch 1000, float32", PUBLISHED["mnist"], 1000, 1,
          torch.float32, 7)
    for dtype in (torch.float64, torch.float32):
        alone = table(f"Digits' shape 64-32-16-6-…, batch 256, {dtype}, R = 1", PUBLISHED["digits"],
                      256, 1, dtype, 200)
        many = table("The same, 16 runs at once", PUBLISHED["digits"], 256, 16, dtype, 60)
        for name in SETTINGS:
            print(f"  {name:16}per run of 16: {alone[name] / many[name]:5.2f} times cheaper than "
                  "alone")
        print()
