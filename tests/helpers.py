"""Slow, plain versions of what qnviz computes fast, and small nets to compare them on.

Nothing here calls the code under test for a derivative: forwards are written with
torch.nn.functional for one run at a time, and derivatives are taken by autograd.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.problems import philox
from qnviz.problems.activations import ACTIVATIONS
from qnviz.problems.losses import LOSSES
from qnviz.problems.problem import Problem
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.rosenbrock import NoisyRosenbrock, Rosenbrock
from qnviz.problems.spec import Layer, ProblemSpec
from qnviz.problems.tape import Batch
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import Trace

CPU = torch.device("cpu")
F64 = torch.float64


def awaited(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine gives, in a thread of its own: playwright keeps a loop in the main one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=generator(seed), dtype=F64)


class Net(Problem):
    """A small net with real-valued data; every run starts elsewhere.

    With `samples` all runs share one full batch; with `minibatch` every run draws its own samples
    anew at each step.
    """

    def __init__(self, widths: tuple[int, ...], activation: str, loss: str, *, samples: int = 7,
                 minibatch: int = 0, biases: tuple[bool, ...] = (), seed: int = 0,
                 dtype: torch.dtype = F64, tau: float = 0.0):
        biases = biases or (True,) * (len(widths) - 1)
        layers = tuple(
            Layer(i, o, b, activation if k < len(widths) - 2 else "identity")
            for k, (i, o, b) in enumerate(zip(widths[:-1], widths[1:], biases, strict=True)))
        super().__init__(layers, loss, dtype, CPU, tau)
        self.x = normal(seed + 1, 1, samples, widths[0]).to(dtype)
        target = normal(seed + 2, 1, samples, widths[-1])
        self.target = (torch.sigmoid(target) if loss == "bce" else target).to(dtype)
        self.minibatch = minibatch
        self.deterministic = not minibatch

    def start(self, seed: int, runs: Tensor) -> Tensor:
        draws = philox.normal(seed, philox.START, runs, torch.zeros(1, dtype=torch.int64),
                              self.size)[0]
        return (0.5 * draws).to(self.dtype)

    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        xi = torch.ones(1, 1, dtype=self.dtype)
        for step in range(first, first + count):
            if not self.minibatch:
                yield Batch(self.x, self.target, xi, True, seed, step, runs)
                continue
            u = philox.uniform(seed, philox.NOISE, runs, torch.tensor([step]), self.minibatch)[0]
            index = (u * self.x.shape[1]).long()
            yield Batch(self.x[0][index], self.target[0][index], xi, False, seed, step, runs)

    def reference(self) -> Batch:
        return Batch(self.x, self.target, torch.ones(1, 1, dtype=self.dtype), True)


NETS = [(activation, loss) for activation in ACTIVATIONS for loss in LOSSES]


def net(activation: str, loss: str, **settings) -> Net:
    """The net on which calculus is checked: three layers, one of them without bias."""
    return Net((5, 4, 3, 2), activation, loss, biases=(True, False, True), **settings)


def rosenbrock(noise: float = 0.0, dtype: torch.dtype = F64, start_noise: float = 1.0,
               start: tuple[float, float] = (-0.25, -0.25), **more: str) -> Problem:
    return Rosenbrock(noise=noise, start=start, start_noise=start_noise, **more).build(dtype, CPU)


def first_batch(problem: Problem, runs: int, seed: int = 0, step: int = 0) -> Batch:
    return next(iter(problem.batches(step, 1, seed, torch.arange(runs))))


# --- one run at a time, by autograd ---------------------------------------------------------------

PLAIN_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "identity": lambda h: h, "tanh": torch.tanh, "sigmoid": torch.sigmoid, "relu": F.relu,
    "softplus": lambda h: -F.logsigmoid(-h)}      # F.softplus turns linear above 20

PLAIN_LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squares": lambda u, t: (u - t).square().sum(-1),
    "mse": lambda u, t: 0.5 * (u - t).square().sum(-1),
    "bce": lambda u, t: F.binary_cross_entropy_with_logits(u, t, reduction="none").sum(-1)}


def samples_of(batch: Batch, r: int) -> tuple[Tensor, Tensor, Tensor]:
    """x (N, in), target, ξ of one run; copied, as a run in inference mode may have made them."""
    return tuple(t[r if t.shape[0] > 1 else 0].clone() for t in (batch.x, batch.target, batch.xi))


def plain_layers(problem: Problem, theta: Tensor, batch: Batch, r: int) -> tuple[
        list[Tensor], list[Tensor], Tensor]:
    """ā_{l−1}, h_l and u of one run, theta (P,), layer after layer."""
    x, _, xi = samples_of(batch, r)
    inputs, pre, at, z = [], [], 0, x
    for l, layer in enumerate(problem.layers):
        W = theta[at:at + layer.size].reshape(layer.fan_out, -1)
        at += layer.size
        z = torch.cat([z, torch.ones(len(z), 1, dtype=z.dtype)], 1) if layer.bias else z
        inputs.append(z)
        pre.append(z @ W.T)
        last = l + 1 == len(problem.layers)
        z = pre[-1] if last else PLAIN_ACTIVATIONS[layer.activation](pre[-1])
    if not isinstance(problem, NoisyRosenbrock):
        return inputs, pre, z
    x1, x2 = z[:, 0], z[:, 1]
    return inputs, pre, torch.stack([10 * xi * (x2 - x1**2), 1 - x1], 1)


def plain_loss(problem: Problem, theta: Tensor, batch: Batch, r: int) -> Tensor:
    """The mean loss of one run, theta (P,), with its weight decay."""
    u = plain_layers(problem, theta, batch, r)[2]
    f = PLAIN_LOSSES[problem.loss_name](u, samples_of(batch, r)[1].expand_as(u)).mean()
    return f + 0.5 * problem.tau * (theta * theta).sum()


def plain_gradient(problem: Problem, theta: Tensor, batch: Batch, r: int) -> Tensor:
    with torch.enable_grad():
        leaf = theta.detach().clone().requires_grad_()
        return torch.autograd.grad(plain_loss(problem, leaf, batch, r), leaf)[0]


def plain_hessian(problem: Problem, theta: Tensor, batch: Batch, r: int) -> Tensor:
    with torch.enable_grad():
        return torch.autograd.functional.hessian(
            lambda t: plain_loss(problem, t, batch, r), theta.detach(), vectorize=True)


def plain_jacobian(problem: Problem, theta: Tensor, batch: Batch, r: int) -> Tensor:
    """∂u/∂theta of one run, (N, outputs, P)."""
    with torch.enable_grad():
        return torch.autograd.functional.jacobian(
            lambda t: plain_layers(problem, t, batch, r)[2], theta.detach(), vectorize=True)


def plain_output_hessian(problem: Problem, u: Tensor, target: Tensor) -> Tensor:
    """The diagonal of H_u, (N, outputs), by differentiating the plain loss twice."""
    with torch.enable_grad():
        leaf = u.detach().clone().requires_grad_()
        loss = PLAIN_LOSSES[problem.loss_name](leaf, target.expand_as(leaf)).sum()
        g, = torch.autograd.grad(loss, leaf, create_graph=True)
        return torch.autograd.grad(g.sum(), leaf)[0]       # H_u is diagonal


def plain_gauss_newton(problem: Problem, theta: Tensor, batch: Batch, r: int) -> Tensor:
    """E[Jᵀ H_u J] + τI of one run, (P, P)."""
    J = plain_jacobian(problem, theta, batch, r)
    u = plain_layers(problem, theta, batch, r)[2]
    H_u = plain_output_hessian(problem, u, samples_of(batch, r)[1])
    G = torch.einsum("nop,no,noq->pq", J, H_u, J) / len(J)
    return G + problem.tau * torch.eye(len(G), dtype=G.dtype)


# --- driving a method without the loop of qnviz.runs ----------------------------------------------

@dataclass
class Path:
    """All states of a run and what its steps exposed."""

    states: list
    events: list[dict[str, Tensor]]
    work: list[Tensor]

    @property
    def theta(self) -> Tensor:
        return torch.stack([s.theta for s in self.states])          # (T+1, R, P)

    def event(self, name: str) -> Tensor:
        return torch.stack([e[name] for e in self.events])          # (T, R, …)


@torch.no_grad()
def drive(method, problem: Problem, runs: Tensor | int, steps: int, seed: int = 0,
          start: Tensor | None = None, **tensors: Tensor) -> Path:
    """Steps of a method on a problem; `tensors` replace hyper-parameters run by run."""
    runs = torch.arange(runs) if isinstance(runs, int) else runs
    theta = problem.start(seed, runs) if start is None else start
    p = method.tensors(len(runs), theta)
    vars(p).update(tensors)
    state = method.init(Oracle(problem, problem.training(seed, runs), len(runs)), theta, p)
    path = Path([state], [], [])
    for batch in problem.batches(0, steps, seed, runs):
        oracle = Oracle(problem, batch, len(runs))
        state, events = method.step(oracle, state, p)
        path.states.append(state)
        path.events.append(events)
        path.work.append(oracle.work)
    return path


# --- matrices and comparisons ---------------------------------------------------------------------

def spd(seed: int, runs: int, n: int, condition: float = 1e2) -> Tensor:
    """Random symmetric positive definite matrices (runs, n, n) of a given condition."""
    Q = torch.linalg.qr(normal(seed, runs, n, n))[0]
    values = torch.logspace(0, float(np.log10(condition)), n, dtype=F64) / condition**0.5
    A = (Q * values) @ Q.mT
    return 0.5 * (A + A.mT)


def assert_close(a: Tensor, b: Tensor, rtol: float) -> None:
    """|a − b| ≤ rtol · max |b|: relative to the size of the whole, as rounding errors are."""
    a, b = torch.as_tensor(a), torch.as_tensor(b)
    assert a.shape == b.shape, f"shapes {tuple(a.shape)} and {tuple(b.shape)}"
    assert torch.isfinite(b).all(), "the reference is not finite"
    error = (a - b).abs().max().item() if a.numel() else 0.0
    scale = b.abs().max().item() if b.numel() else 0.0
    assert error <= rtol * max(scale, 1e-300), f"differs by {error:.2e}, size {scale:.2e}"


def nearby(theta: Tensor) -> Tensor:
    """The same point but for a change in its 13th digit."""
    return theta * (1 + 1e-13 * normal(0, *theta.shape))


def assert_same_but_for_rounding(a: Tensor, b: Tensor, rtol: float,
                                 moved: Callable[[], Tensor]) -> None:
    """|a_k − b_k| ≤ rtol·max|b|, or what rounding explains, along iterates a, b (K, P).

    Products of one run and of several are summed in another order. Newton's steps on singular
    Hessians, long conjugate-gradient runs, and nets far from a minimum amplify such differences
    without bound, so where rtol is exceeded `moved` gives the path b from `nearby`: up to every
    iterate, a and b may be apart by 100 times as much as that path and b.
    """
    if (a - b).abs().max() <= rtol * b.abs().max():
        return
    yardstick = (moved()[:len(b)] - b).abs().amax(1).nan_to_num(torch.inf).cummax(0).values
    error = (a - b).abs().amax(1)
    allowed = rtol * b.abs().max() + 100 * yardstick
    assert (error <= allowed).all(), f"{error.tolist()} against {allowed.tolist()}"


def plain_backward(problem: Problem, theta: Tensor, batch: Batch, r: int,
                   target: Tensor | None = None) -> tuple[list, list, list[Tensor]]:
    """ā_{l−1}, h_l and per-sample g_l = ∂f/∂h_l of one run, by autograd."""
    with torch.enable_grad():
        leaf = theta.detach().clone().requires_grad_()
        inputs, pre, u = plain_layers(problem, leaf, batch, r)
        t = samples_of(batch, r)[1].expand_as(u) if target is None else target
        g = torch.autograd.grad(PLAIN_LOSSES[problem.loss_name](u, t).sum(), pre)
    return [a.detach() for a in inputs], [h.detach() for h in pre], list(g)


def facts(problem: Problem):
    """What `Method.unavailable` asks of a problem's description, for a test net."""
    return SimpleNamespace(size=problem.size, deterministic=getattr(problem, "deterministic", True),
                           loss=problem.loss_name, layers=problem.layers)


TINY = {"data": "file:tiny.npz", "widths": (16, 5, 2, 5, 16)}     # see `tiny_images` in conftest.py
SMALL: dict[str, dict[str, dict]] = {     # of nets, sizes at which dense methods take milliseconds
    "linear_net": {
        "": {"samples": 40},
        "minibatch": {"samples": 40, "batch": 8, "width": 7, "init": "scaled"},
        "deep": {"samples": 30, "depth": 3, "width": 4, "init": "scaled"}},
    "function": {
        # 20 steps end nowhere near the minimum of this one
        "": {"f": "100*(y - x^2)^2 + (1 - x)^2", "start": (-1.2, 1.0), "start_noise": 0.3},
        "plain": {"f": "(x^4 - 16*x^2 + 5*x)/2 + (y^4 - 16*y^2 + 5*y)/2", "start": (1.5, -1.0),
                  "start_noise": 0.3}},
    "rosenbrock_n": {"": {"n": 6, "start_noise": 0.2}},
    "autoencoder": {
        "relu-bce": TINY | {"batch": 8},
        "tanh-mse": TINY | {"batch": None, "activation": "tanh", "loss": "mse"},
        "sigmoid-mse": TINY | {"batch": 16, "activation": "sigmoid", "loss": "mse", "tau": 0.01},
        "softplus-bce": TINY | {"batch": None, "activation": "softplus", "tau": 1e-3}}}


def not_here(method, problem: ProblemSpec) -> str | None:
    """Why a method is not tried on a problem: it cannot, or it would take minutes."""
    if method.family == "outside" and not problem.plane:
        return "SciPy runs to its very end before the first step: too long on a net."
    return method.unavailable(problem)


def variants() -> list[tuple[str, ProblemSpec]]:
    """Every registered problem at its defaults, or in a few small sizes; and noisy where it can be.

    Images come from `tiny_images`: a test that builds what it finds here needs that fixture.
    """
    found = []
    for name, model in PROBLEMS.items():
        for kind, fields in SMALL.get(name, {"": {}}).items():
            found.append((f"{name}-{kind}".strip("-"), model(**fields)))
        if "noise" in model.model_fields:
            fields = {"noise": 3.0} | ({"start_noise": 0.1} if "start_noise" in model.model_fields
                                       else {})
            found.append((f"{name}-noisy", model(**fields)))
    return found


NOISY = {"name": "rosenbrock", "noise": 3.0, "start": [-0.25, -0.25], "start_noise": 0.1}


def spec(*methods, **fields) -> RunSpec:
    """A race of methods given by name or as objects."""
    entries = [{"name": m} if isinstance(m, str) else m for m in methods]
    return parse({"problem": NOISY, "methods": entries, "steps": 30, "runs": 5} | fields)


def assert_measured(name: str, x: np.ndarray, y: np.ndarray) -> None:
    """Two recordings of a column: steps bit by bit, what was measured of them but for rounding.

    Instruments look at as many iterates as a chunk has in one call, whose sums are ordered by size.
    """
    if name == "theta" or x.dtype.kind != "f":
        np.testing.assert_array_equal(x, y, err_msg=name)
    else:
        size = np.abs(y[np.isfinite(y)]).max(initial=0)
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-13 * size, err_msg=name)


def assert_same(a: Trace, b: Trace, ragged: bool = False) -> None:
    """All numbers but the seconds are the same, bit by bit.

    With `ragged`, for other cuts into chunks: places of a last axis that nobody used do not count,
    nor does rounding in what instruments measured.
    """
    assert list(a.columns) == list(b.columns)
    for label, columns in a.columns.items():
        assert set(columns) == set(b[label])
        for name, x in columns.items():
            y = b[label][name]
            if ragged and x.ndim == y.ndim == 3 and x.dtype.kind == "f":
                n = min(x.shape[2], y.shape[2])
                assert np.isnan(x[..., n:]).all()
                assert np.isnan(y[..., n:]).all()
                x, y = x[..., :n], y[..., :n]
            if name != "seconds" and ragged:
                assert_measured(f"{label}/{name}" if name != "theta" else name, x, y)
            elif name != "seconds":
                np.testing.assert_array_equal(x, y, err_msg=f"{label}/{name}")
