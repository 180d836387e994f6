"""Problems of the lab as torch models, and closures for the drop-ins of qnviz.optim."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qnviz.fields import parameters
from qnviz.optim import KBFGS, KBFGSL, CurveBall, NewtonKrylov
from qnviz.problems.problem import Problem
from tests.helpers import F64, PLAIN_LOSSES, generator, normal

ACTIVATIONS = {"identity": nn.Identity, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid, "relu": nn.ReLU,
               "softplus": nn.Softplus}
DROP_INS = {"kbfgs": KBFGS, "kbfgs_l": KBFGSL, "curveball": CurveBall,
            "newton_krylov": NewtonKrylov}
KRONECKER = (KBFGS, KBFGSL)
# with which a small net trains
SETTINGS = {"kbfgs": {"lr": 0.1}, "kbfgs_l": {"lr": 0.1, "memory": 3}, "curveball": {},
            "newton_krylov": {"lam": 0.3, "budget": 6}}


def model_of(problem: Problem, theta: Tensor) -> nn.Sequential:
    """The net of a problem at theta (P,)."""
    parts: list[nn.Module] = []
    for layer, (W,) in zip(problem.layers, problem.split(theta[None]), strict=True):
        linear = nn.Linear(layer.fan_in, layer.fan_out, layer.bias, dtype=theta.dtype)
        with torch.no_grad():
            linear.weight.copy_(W[:, :layer.fan_in])
            if layer.bias:
                linear.bias.copy_(W[:, -1])
        parts += [linear, ACTIVATIONS[layer.activation]()]
    return nn.Sequential(*parts)


def theta_of(model: nn.Module) -> Tensor:
    """The parameters as a problem orders them, (P,)."""
    blocks = [torch.cat([layer.weight] + ([] if layer.bias is None else [layer.bias[:, None]]), 1)
              for layer in model.modules() if isinstance(layer, nn.Linear)]
    return torch.cat([block.reshape(-1) for block in blocks]).detach()


def closure_of(opt, model: nn.Module, x: Tensor, t: Tensor, loss):
    """The closure that a drop-in wants, for the mean of a loss per sample."""
    def closure():
        if isinstance(opt, KRONECKER):
            opt.zero_grad()
        u = model(x)
        value = loss(u, t).mean()
        if isinstance(opt, KRONECKER):
            value.backward()
            return value
        return value, u
    return closure


def lab_steps(problem: Problem, opt, model: nn.Module, steps: int, seed: int = 0) -> Tensor:
    """Iterates (steps + 1, P) of a drop-in on the lab's own batches of run 0."""
    path = [theta_of(model)]
    for batch in problem.batches(0, steps, seed, torch.arange(1)):
        opt.step(closure_of(opt, model, batch.x[0], batch.target[0],
                            PLAIN_LOSSES[problem.loss_name]))
        path.append(theta_of(model))
    return torch.stack(path)


def small_net(seed: int = 0, dtype: torch.dtype = F64) -> nn.Sequential:
    """A net of three Linear layers, 5-4-3-2, of which the second has no bias."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3, bias=False), nn.Tanh(),
                             nn.Linear(3, 2)).to(dtype)


def classes(seed: int = 1, samples: int = 40, dtype: torch.dtype = F64) -> tuple[Tensor, Tensor]:
    """Inputs (samples, 5) and labels 0 or 1 that a small net can learn."""
    x = normal(seed, samples, 5)
    return x.to(dtype), (x[:, 0] * x[:, 1] + x[:, 2] > 0).long()


def batches(steps: int, seed: int = 3, dtype: torch.dtype = F64) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of 16 of `classes`, the same for the same seed."""
    x, t = classes(dtype=dtype)
    draw = generator(seed)
    for _ in range(steps):
        index = torch.randperm(len(x), generator=draw)[:16]
        yield x[index], t[index]


def entropy(u: Tensor, t: Tensor) -> Tensor:
    """Cross entropy per sample."""
    return F.cross_entropy(u, t, reduction="none")


def train(opt, model: nn.Module, data) -> list[float]:
    """Steps on batches of data; the losses."""
    return [opt.step(closure_of(opt, model, x, t, entropy)).item() for x, t in data]


# of a model, products are always by double backward, and on the batch that the closure sees
LAB_ALONE = frozenset({"derivative", "krylov_batches"})


def as_in_lab(name: str) -> dict[str, Any]:
    """The settings that the lab's method has by itself."""
    return {q.name: q.default for q in parameters(DROP_INS[name].kind) if q.name not in LAB_ALONE}


def made(name: str, model: nn.Module, **settings):
    """A drop-in by name on a model."""
    kind = DROP_INS[name]
    return kind(model if kind in KRONECKER else model.parameters(), **settings)
