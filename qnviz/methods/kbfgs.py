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
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.double_damping import (
    DampedPair,
    Damping,
    double_damping,
    update_bounds,
    worst_case,
)
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.secant import bfgs_update, skip
from qnviz.curvature.spectrum import extremes
from qnviz.fields import choice, number
from qnviz.methods.base import Events, Look, Method, State, column
from qnviz.problems.base import ProblemSpec
from qnviz.words import say


@dataclass
class KroneckerState(State):
    """theta, k, and per layer: momentum, both factors, and the averaged pair."""

    M: list[Tensor]                            # (R, out, in+1)
    A: list[Tensor]                            # (R, in+1, in+1)
    H_a: list[Tensor]                          # (R, in+1, in+1)
    H_g: list[Any]                             # (R, out, out), or the pairs that define it
    s: list[Tensor]                            # (R, out)
    y: list[Tensor]                            # (R, out)


class KBFGS(Method):
    """Kronecker-factored BFGS with double damping."""

    title: ClassVar[str] = "K-BFGS"
    family: ClassVar[str] = "quasi-Newton"
    idea: ClassVar[str] = (
        "Per layer, curvature is a Kronecker product of two small matrices: one for the inputs, "
        "one for the outputs. BFGS learns the output factor from how gradients change between "
        "two points. Double damping bends pairs that would make it explode or turn indefinite.")
    equations: ClassVar[str] = (
        r"W \leftarrow W - \alpha\, H_g M H_a,\qquad (\tilde s,\tilde y) = "
        r"\mathrm{DD}(s_g, y_g; H_g),\qquad H_g \leftarrow (I-\rho\tilde s\tilde y^\top)\,H_g\,"
        r"(I-\rho\tilde y\tilde s^\top) + \rho\,\tilde s\tilde s^\top,\quad "
        r"\rho = 1/\tilde s^\top\tilde y")
    reference: ClassVar[str] = ("D. Goldfarb, Y. Ren, A. Bahamou, Practical Quasi-Newton Methods "
                                "for Training Deep Neural Networks, NeurIPS 2020, "
                                "arXiv 2006.08877.")
    fails: ClassVar[str] = ("With a large α and a small λ it can still diverge: damping bounds the "
                            "matrices, not the step. Undamped, one bad pair is enough.")
    look: ClassVar[Look] = Look("#0072B2", "solid", "circle")

    name: Literal["kbfgs"] = "kbfgs"
    lr: float = number(0.3, r"\alpha", "Step size.", gt=0, le=10, log=True)
    lam: float = number(0.3, r"\lambda", "Damping: √λ is added to A, and is μ₂.",
                        gt=0, lt=1, log=True)
    mu1: float = number(0.2, r"\mu_1", "Powell's damping acts where sᵀy < μ₁ yᵀHy.", gt=0, lt=1)
    momentum: float = number(0.9, r"\beta", "Memory of the averages.", ge=0, lt=1)
    damping: Damping = choice("double", "Which damping the pairs get.", r"\mathrm{DD}")

    def recorded(self, problem: ProblemSpec) -> int:
        return 13 * problem.depth

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> KroneckerState:
        tape = oracle.forward(theta)
        A = [second_moment(a).expand(len(theta), -1, -1) for a in tape.a]   # warm start
        H_a = [torch.linalg.inv(damped(A_l, p.lam)) for A_l in A]
        zero = [torch.zeros_like(W[:, :, 0]) for W in tape.W]
        return KroneckerState(theta, 0, [torch.zeros_like(W) for W in tape.W], A, H_a,
                              [self.identity(z) for z in zero], zero, zero)

    def step(self, oracle: Oracle, state: KroneckerState,
             p: SimpleNamespace) -> tuple[KroneckerState, Events]:
        b = p.momentum[:, None, None]
        tape = oracle.forward(state.theta)
        grads = oracle.blocks(tape)
        M = [b * M_l + (1 - b) * G for M_l, G in zip(state.M, grads, strict=True)]      # (1)
        A = state.A if state.k == 0 else [
            b * A_l + (1 - b) * second_moment(a) for A_l, a in zip(state.A, tape.a, strict=True)]
        move = [self.apply(H, M_l) @ H_a
                for H, M_l, H_a in zip(state.H_g, M, state.H_a, strict=True)]           # (2)
        theta = state.theta - column(p.lr) * oracle.problem.join(move)

        after = oracle.forward(theta)
        oracle.blocks(after)
        c = torch.zeros_like(b[..., 0]) if oracle.batch.full else b[..., 0]
        s = [c * s_l + (1 - c) * (h1 - h).mean(1)
             for s_l, h1, h in zip(state.s, after.h, tape.h, strict=True)]              # (3)
        y = [c * y_l + (1 - c) * (g1 - g).mean(1)
             for y_l, g1, g in zip(state.y, after.g, tape.g, strict=True)]
        H_g, layers = [], []
        for H, s_l, y_l, g in zip(state.H_g, s, y, tape.g, strict=True):
            pair = double_damping(s_l, y_l, self.operator(H), p.mu1, p.lam.sqrt(), self.damping)
            keep = skip(pair.sy, pair.ss, g.mean(1).norm(dim=1), pair.usable)
            H_next, spectrum = self.update(H, pair, keep, p)                            # (4)
            H_g.append(H_next)
            layers.append(spectrum | {
                "theta1": pair.theta1, "theta2": pair.theta2,
                "ratio1_before": pair.ratio1_before, "ratio1_after": pair.ratio1_after,
                "ratio2_before": pair.ratio2_before, "ratio2_after": pair.ratio2_after})
        H_a = [hessian_action(H, damped(A_l, p.lam), a.mean(1))
               for H, A_l, a in zip(state.H_a, A, tape.a, strict=True)]                 # (5)
        events = {name: torch.stack([layer[name] for layer in layers], -1) for name in layers[0]}
        return KroneckerState(theta, state.k + 1, M, A, H_a, H_g, s, y), events

    # --- what K-BFGS(L) does differently ----------------------------------------------------

    def identity(self, like: Tensor) -> Any:
        """H_g = I for a layer with `like` (R, out)."""
        return torch.eye(like.shape[1], dtype=like.dtype, device=like.device).repeat(
            len(like), 1, 1)

    def apply(self, H: Any, M: Tensor) -> Tensor:
        """H_g M for M (R, out, m)."""
        return H @ M

    def operator(self, H: Any) -> Any:
        """H_g as a function of vectors (R, out)."""
        return lambda v: (H @ v[..., None])[..., 0]

    def update(self, H: Any, pair: DampedPair, keep: Tensor, p: SimpleNamespace) -> tuple[
            Any, dict[str, Tensor]]:
        """H_g after the pair, and the extreme eigenvalues with both bounds (MATH §2)."""
        low, high = extremes(H)
        H_next = bfgs_update(H, pair.s, pair.Hy, pair.sy, pair.c1 * pair.sy, keep)
        overflow = ~torch.isfinite(H_next).all(-1).all(-1)
        H_next, keep = torch.where(overflow[:, None, None], H, H_next), keep | overflow
        bounds = spectrum_bounds(low, high, pair.c1, pair.c2,
                                 worst_case(high, p.mu1, p.lam.sqrt(), self.damping), keep)
        return H_next, bounds | {"skipped": keep} | dict(
            zip(("eig_min", "eig_max"), extremes(H_next), strict=True))

    def describe(self, e: Mapping[str, Any]) -> str:
        return "; ".join(self._describe_layer(e, l) for l in range(len(e["theta1"]))) + "."

    def _describe_layer(self, e: Mapping[str, Any], l: int) -> str:
        name = f"layer {l + 1}: " if len(e["theta1"]) > 1 else ""
        if e["skipped"][l]:
            return f"{name}the pair was skipped (s̃ᵀỹ too small or not finite): H_g stays"
        parts = []
        if e["theta1"][l] < 1:
            parts.append(f"sᵀy/yᵀHy = {say(e['ratio1_before'][l])} < μ₁ = {say(self.mu1)}, so "
                         f"Powell's damping kept θ₁ = {say(e['theta1'][l])} of s")
        if e["theta2"][l] < 1:
            parts.append(f"s̃ᵀy/s̃ᵀs̃ = {say(e['ratio2_before'][l])} < μ₂ = {say(self.lam**0.5)}, so "
                         f"step 2 kept θ₂ = {say(e['theta2'][l])} of y")
        if not parts:
            parts.append(f"undamped, with sᵀy/sᵀs = {say(e['ratio2_before'][l])}"
                         if self.damping == "none" else "a good pair")
        return (f"{name}{', then '.join(parts)}; H_g has eigenvalues {say(e['eig_min'][l])} … "
                f"{say(e['eig_max'][l])}")


def second_moment(a: Tensor) -> Tensor:
    """E[ā āᵀ] (R, in+1, in+1) of ā (R, N, in+1)."""
    return a.mT @ a / a.shape[1]


def damped(A: Tensor, lam: Tensor) -> Tensor:
    """A + √λ I, Levenberg-Marquardt damping of a factor."""
    return A + torch.diag_embed(lam.sqrt()[:, None].expand(-1, A.shape[-1]))


def hessian_action(H: Tensor, A_lm: Tensor, mean: Tensor) -> Tensor:
    """One BFGS update of H ≈ A_lm⁻¹ with the pair s = H mean, y = A_lm s  (5)."""
    s = (H @ mean[..., None])[..., 0]
    y = (A_lm @ s[..., None])[..., 0]
    Hy = (H @ y[..., None])[..., 0]
    sy, ss = vecdot(s, y), vecdot(s, s)
    keep = skip(sy, ss, mean.norm(dim=1), ss > 0)
    H_next = bfgs_update(H, s, Hy, sy, vecdot(y, Hy), keep)
    return torch.where(torch.isfinite(H_next).all(-1).all(-1)[:, None, None], H_next, H)


def spectrum_bounds(low: Tensor, high: Tensor, c1: Tensor, c2: Tensor,
                    worst: tuple[Tensor, Tensor], keep: Tensor) -> dict[str, Tensor]:
    """The certified and the a-priori bound on H⁺; a skipped update keeps the spectrum of H."""
    bounds = {}
    for name, (low_next, high_next) in (("certified", update_bounds(low, high, c1, c2)),
                                        ("apriori", update_bounds(low, high, *worst))):
        bounds[f"{name}_low"] = torch.where(keep, low, low_next)
        bounds[f"{name}_high"] = torch.where(keep, high, high_next)
    return bounds
