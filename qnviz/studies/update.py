"""One update of a recorded K-BFGS run, taken again: the pair and the matrix that damping saw.

A run is a function of its spec, so a step needs no record of its own to be looked at again.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from qnviz.curvature.double_damping import DampedPair, Damping, double_damping
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.pair import section
from qnviz.errors import TraceError
from qnviz.methods.kbfgs import KBFGS
from qnviz.runs.device import built, set_threads
from qnviz.runs.spec import RunSpec

MOST = 20_000_000                     # parameters × steps that are taken again for a picture


@dataclass(frozen=True)
class Update:
    """The update of H_g in one layer at one step of run 0; float64 or as the run was."""

    H: Tensor                          # (n, n), before the update
    s: Tensor                          # (n,), averaged, before damping
    y: Tensor                          # (n,)
    mu1: float
    mu2: float                         # √λ
    pair: DampedPair                   # what damping made of it, leading axis 1
    damping: Damping
    layer: int
    step: int                          # the update lies between iterates step and step + 1


@torch.inference_mode()
def update_at(spec: RunSpec, label: str, step: int, layer: int) -> Update:
    """Take run 0 of an entrant again up to a step, and return its update of a layer's H_g.

    Raises:
        TraceError: the entrant keeps no such matrix, or the step or layer is not there, or it would
            take too long.
    """
    method = next((m for m in spec.methods if m.entrant == label), None)
    if not isinstance(method, KBFGS):
        raise TraceError(f"{label} makes no updates that could be damped.")
    if not (0 <= step < spec.steps and 0 <= layer < len(spec.problem.layers)):
        raise TraceError(f"{label} made no update of layer {layer + 1} at step {step}.")
    if step * spec.problem.size > MOST:
        raise TraceError(f"To see this update, {step} steps of {spec.problem.size:,} parameters "
                         "would have to be taken again: that takes too long on a page.")
    problem, _ = built(spec)
    set_threads(problem.size)
    runs = torch.zeros(1, dtype=torch.int64, device=problem.device)
    theta = problem.start(spec.seed, runs)

    def acting(k: int) -> KBFGS:
        return spec.fork.method if spec.fork and k < spec.fork.step else method

    p = acting(0).tensors(1, theta)
    before = after = acting(0).init(
        Oracle(problem, problem.training(spec.seed, runs), 1), theta, p)
    for k, batch in enumerate(problem.batches(0, step + 1, spec.seed, runs)):
        before, p = after, acting(k).tensors(1, theta)
        after, _ = acting(k).step(Oracle(problem, batch, 1), before, p)
    H = before.H_g[layer]
    H = H[0] if isinstance(H, Tensor) else H.dense[0]
    s, y = after.s[layer][0], after.y[layer][0]
    mu1, mu2, damping = p.mu1, p.lam.sqrt(), acting(step).damping
    pair = double_damping(s[None], y[None], lambda v: v @ H, mu1, mu2, damping)
    return Update(H, s, y, float(mu1), float(mu2), pair, damping, layer, step)


@dataclass(frozen=True)
class InPlane:
    """An update cut by the plane of s and Hy, for the drag view."""

    H: list[float]                     # h11, h12, h22
    s: list[float]
    y: list[float]
    mu1: float
    mu2: float
    words: str                         # where it comes from


def in_plane(u: Update) -> InPlane:
    """An update in the plane of s and Hy (MATH §2).

    Raises:
        TraceError: there is nothing to cut: a vector is 0 or not finite, or H not definite.
    """
    where = f"Layer {u.layer + 1} at step {u.step + 1}"
    if not (u.s.any() and u.y.any()) or not all(x.isfinite().all() for x in (u.H, u.s, u.y)):
        raise TraceError(f"{where}: the pair has a vector that is 0 or not finite, so there is no "
                         "plane to look at.")
    cut = section(u.H, u.s, u.y)
    if len(u.s) > 2:
        where += f", in the plane of s and Hy: a cut through {len(u.s)} dimensions"
    (h11, h12), (_, h22) = cut.H.tolist()
    return InPlane([h11, h12, h22], cut.s.tolist(), cut.y.tolist(), u.mu1, u.mu2, where + ".")
