"""K-BFGS [Goldfarb, Ren, Bahamou 2020]: a quasi-Newton method with Kronecker factors per layer.

The inverse Hessian of layer l is approximated by H_a ⊗ H_g, so a step costs two small products:

    M ← β M + (1−β) ∇W              A ← β A + (1−β) E[ā āᵀ]                    (1)
    W ← W − α H_g M H_a                                                        (2)
    s_g ← β s_g + (1−β)(E[h⁺] − E[h]),   y_g ← β y_g + (1−β)(E[g⁺] − E[g])     (3)
    (s̃, ỹ) = DD(s_g, y_g; H_g, μ₁, μ₂ = √λ);   BFGS update of H_g with (s̃, ỹ)   (4)
    s_a = H_a E[ā],   y_a = (A + √λ I) s_a;    BFGS update of H_a              (5)

(3) compares pre-activations and their gradients before and after the step on the same batch; on a
full batch its β is 0. (5) is Hessian-action BFGS: it asks the known A for the pair it wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from qnviz.curvature.double_damping import (
    DampedPair,
    Damping,
    double_damping,
    update_bounds,
    worst_case,
)
from qnviz.curvature.kronecker import (
    Layers,
    Pass,
    damped,
    hessian_action,
    joined,
    means,
    pad,
    second_moment,
    times,
)
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.secant import bfgs_update, skip
from qnviz.fields import choice, number
from qnviz.methods.base import Events, Failure, Look, State, Summary, column
from qnviz.methods.damping_words import damping_in_words
from qnviz.methods.factored import LARGEST, Factored
from qnviz.problems.products import product
from qnviz.problems.spec import Layer, ProblemSpec


@dataclass
class KroneckerState(State):
    """theta, k, and per layer: momentum, both factors, and the averaged pair.

    The layers of a small net share padded tensors (R, k, n, …): see `Layers`.
    """

    M: list[Tensor]                            # (R, out, in+1)
    A: Layers                                  # (R, in+1, in+1)
    H_a: Layers                                # (R, in+1, in+1)
    H_g: Layers                                # (R, out, out), or the pairs that define it
    s: list[Tensor]                            # (R, k, out)
    y: list[Tensor]                            # (R, k, out)


class KBFGS(Factored):
    """Kronecker-factored BFGS with double damping."""

    title: ClassVar[str] = "K-BFGS"
    family: ClassVar[str] = "quasi-Newton"
    idea: ClassVar[str] = (
        "Per layer, curvature is a Kronecker product of two small matrices: one for the inputs, "
        "one for the outputs. BFGS learns the output factor from how gradients change between "
        "two points. Double damping bends pairs that would make its eigenvalues explode or vanish, "
        "and those with sᵀy ≤ 0, which could only be skipped.")
    equations: ClassVar[str] = (
        r"W \leftarrow W - \alpha\, H_g M H_a,\qquad (\tilde s,\tilde y) = "
        r"\mathrm{DD}(s_g, y_g; H_g),\qquad H_g \leftarrow (I-\rho\tilde s\tilde y^\top)\,H_g\,"
        r"(I-\rho\tilde y\tilde s^\top) + \rho\,\tilde s\tilde s^\top,\quad "
        r"\rho = 1/\tilde s^\top\tilde y")
    reference: ClassVar[str] = ("D. Goldfarb, Y. Ren, A. Bahamou, Practical Quasi-Newton Methods "
                                "for Training Deep Neural Networks, NeurIPS 2020, "
                                "arXiv 2006.08877.")
    ours: ClassVar[str] = ("A starts as the mean over the training set. On a full batch the "
                           "authors' code starts it from 0, which makes the first steps longer, "
                           "and more runs diverge.")
    fails: ClassVar[str] = ("With a large α and a small λ it can still diverge: damping bounds the "
                            "matrices, not the step. Undamped, a few bad pairs are enough to throw "
                            "it far away.")
    failure: ClassVar[Failure] = Failure(
        "diverged", {"name": "rosenbrock", "noise": 1.0, "start": (-0.25, -0.25)},
        {"lr": 1.0, "lam": 0.01},
        ({"name": "kbfgs", "lr": 0.1, "lam": 0.3},
         {"name": "kbfgs", "lr": 0.1, "lam": 0.3, "damping": "none"}))
    look: ClassVar[Look] = Look("#0072B2", "solid", "circle")

    switchable: ClassVar[frozenset[str]] = frozenset({"damping"})

    summaries: ClassVar[tuple[Summary, ...]] = (
        LARGEST,
        Summary("damped", "share of damped updates", "mean", ("theta1", "theta2"),
                lambda e: ((e["theta1"] < 1) | (e["theta2"] < 1)).double().mean(-1)))

    name: Literal["kbfgs"] = "kbfgs"
    lr: float = number(0.3, r"\alpha", "Step size.", gt=0, le=10, log=True)
    lam: float = number(0.3, r"\lambda", "Damping: √λ is added to A, and is μ₂.",
                        gt=0, lt=1, log=True)
    mu1: float = number(0.2, r"\mu_1", "Powell's damping acts where sᵀy < μ₁ yᵀHy.", gt=0, lt=1)
    momentum: float = number(0.9, r"\beta", "Memory of the averages.", ge=0, lt=1)
    damping: Damping = choice("double", "Which damping the pairs get.", r"\mathrm{DD}")

    def held(self, problem: ProblemSpec) -> int:
        """As others with factors, but the layers of a small net are padded to the largest."""
        if not joined(problem.layers):
            return super().held(problem)
        outs, ins = zip(*(layer.shape for layer in problem.layers), strict=True)
        return 6 * problem.size + 4 * len(outs) * (max(outs)**2 + max(ins)**2)

    def recorded(self, problem: ProblemSpec) -> int:
        return 15 * len(problem.layers)

    def passes(self, problem: ProblemSpec) -> float:
        return 6

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> KroneckerState:
        moments = [second_moment(a).expand(len(theta), -1, -1) for a in oracle.forward(theta).a]
        return self.begin(theta, oracle.problem.layers, moments, p)             # warm start

    def begin(self, theta: Tensor, layers: tuple[Layer, ...], moments: list[Tensor],
              p: SimpleNamespace) -> KroneckerState:
        """The state before the first step, from A = E[ā āᵀ] (R, in+1, in+1) of every layer."""
        join, runs = joined(layers), len(theta)
        outs, ins = zip(*(layer.shape for layer in layers), strict=True)
        A = pad(moments, join)
        H_a = [torch.linalg.inv(damped(A_k, p.lam)) for A_k in A]
        zero = pad([theta.new_zeros(runs, out) for out in outs], join)
        return KroneckerState(theta, 0, [theta.new_zeros(runs, *layer.shape) for layer in layers],
                              Layers(A, ins), Layers(H_a, ins),
                              Layers([self.identity(z) for z in zero], outs), zero, zero)

    def step(self, oracle: Oracle, state: KroneckerState,
             p: SimpleNamespace) -> tuple[KroneckerState, Events]:
        tape = oracle.forward(state.theta)
        M, A, move = self.direction(state, tape, oracle.blocks(tape), p)
        theta = torch.addcmul(state.theta, column(p.lr), oracle.problem.join(move), value=-1)
        after = oracle.forward(theta)
        oracle.backward(after)
        return self.learn(replace(state, theta=theta, M=M, A=A), tape, after, oracle.batch.full, p)

    def direction(self, state: KroneckerState, tape: Pass, grads: list[Tensor],
                  p: SimpleNamespace) -> tuple[list[Tensor], Layers, list[Tensor]]:
        """M and A with the new batch in them, and H_g M H_a of every layer."""
        b = p.momentum[:, None, None]
        M = [torch.lerp(G, M_l, b) for M_l, G in zip(state.M, grads, strict=True)]      # (1)
        A = state.A.parts if state.k == 0 else [
            torch.lerp(E, A_k, b[..., None]) for A_k, E in zip(
                state.A.parts, pad([second_moment(a) for a in tape.a], state.A.joined),
                strict=True)]
        move = [product(self.apply(H_g, M_l), H_a)
                for H_g, M_l, H_a in zip(state.H_g, M, state.H_a, strict=True)]         # (2)
        return M, replace(state.A, parts=A), move

    def learn(self, state: KroneckerState, tape: Pass, after: Pass, full: bool,
              p: SimpleNamespace) -> tuple[KroneckerState, Events]:
        """Both factors learn from the passes before and after the step, on a full batch or not."""
        b, root, join = p.momentum[:, None, None], p.lam.sqrt(), state.A.joined
        c = torch.zeros_like(b) if full else b
        # h moves little against its size: in float32 the mean of h⁺ − h keeps a digit that the
        # difference of the means would lose
        dh = means([h1 - h for h1, h in zip(after.h, tape.h, strict=True)], join)
        g, g1 = means(tape.g, join), means(after.g, join)
        s = [torch.lerp(dh_k, s_k, c) for s_k, dh_k in zip(state.s, dh, strict=True)]
        y = [torch.lerp(g1 - g, y_k, c) for y_k, g1, g in zip(state.y, g1, g, strict=True)]  # (3)
        H_g, seen = [], []
        for H, s_k, y_k, g_k in zip(state.H_g.parts, s, y, g, strict=True):
            pair = double_damping(s_k, y_k, self.operator(H), column(p.mu1), column(root),
                                  self.damping)
            keep = skip(pair.sy, pair.ss, g_k.norm(dim=-1), pair.usable)
            H_next, keep = self.update(H, pair, keep)                                   # (4)
            H_g.append(H_next)
            seen.append({
                "theta1": pair.theta1, "theta2": pair.theta2, "skipped": keep,
                "c1": pair.c1, "c2": pair.c2,
                "ratio1_before": pair.ratio1_before, "ratio1_after": pair.ratio1_after,
                "ratio2_before": pair.ratio2_before, "ratio2_after": pair.ratio2_after})
        H_a = [hessian_action(H, A_k, root, a) for H, A_k, a in zip(                    # (5)
            state.H_a.parts, state.A.parts, means(tape.a, join), strict=True)]
        events = {name: torch.cat([e[name] for e in seen], -1) for name in seen[0]}
        return replace(state, k=state.k + 1, H_a=replace(state.H_a, parts=H_a),
                       H_g=replace(state.H_g, parts=H_g), s=s, y=y), events

    # --- what K-BFGS(L) does differently ----------------------------------------------------

    def identity(self, like: Tensor) -> Any:
        """H_g = I for `like` (R, k, out)."""
        return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device).repeat(
            *like.shape[:-1], 1, 1)

    def apply(self, H: Any, M: Tensor) -> Tensor:
        """H_g M for M (R, out, m)."""
        return product(H, M)

    def operator(self, H: Any) -> Any:
        """H_g as a function of vectors (R, k, out)."""
        return lambda v: times(H, v)

    def update(self, H: Any, pair: DampedPair, keep: Tensor) -> tuple[Any, Tensor]:
        """H_g after the pair, and the mask of the runs that skipped it."""
        return bfgs_update(H, pair.s, pair.Hy, pair.sy, pair.c1 * pair.sy, keep)

    # --- what there is to see ---------------------------------------------------------------------

    def watch(self, before: Events, after: Events, events: Events, p: SimpleNamespace) -> Events:
        """Extreme eigenvalues of H_g, and the bounds that the step's c₁, c₂ and damping give."""
        low, high = before["eig_min"], before["eig_max"]
        worst = worst_case(high, column(p.mu1), column(p.lam.sqrt()), self.damping)
        return after | spectrum_bounds(low, high, events["c1"], events["c2"], worst,
                                       events["skipped"])

    def describe(self, e: Mapping[str, Any]) -> str:
        return damping_in_words(e, self.mu1, self.lam**0.5, self.damping)


def spectrum_bounds(low: Tensor, high: Tensor, c1: Tensor, c2: Tensor,
                    worst: tuple[Tensor, Tensor], keep: Tensor) -> dict[str, Tensor]:
    """Bounds on H⁺ from the pair's own c₁, c₂ (a skipped one leaves λ(H)), and from their worst case.

    The first are NaN where the pair has none, as s̃ᵀỹ is not positive; all are where H has lost its
    definiteness by rounding.
    """
    definite = low > 0
    bounded = definite & (c2 > 0) & (c2 < torch.inf)
    bounds = {}
    for side, known, from_pair, from_worst in zip(
            ("low", "high"), (low, high), update_bounds(low, high, c1, c2),
            update_bounds(low, high, *worst), strict=True):
        bounds[f"pair_{side}"] = torch.where(
            bounded, torch.where(keep, known, from_pair), torch.nan)
        bounds[f"apriori_{side}"] = torch.where(definite, from_worst, torch.nan)
    return bounds
