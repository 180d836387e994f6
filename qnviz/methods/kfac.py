"""KFAC [Martens, Grosse 2015] as [Goldfarb, Ren, Bahamou 2020] compare with it.

The Fisher matrix of layer l is approximated by A ⊗ G, both averaged over steps:

    M ← β M + (1−β) ∇W    A ← β A + (1−β) E[ā āᵀ]    G ← β G + (1−β) E[ĝ ĝᵀ]     (1)
    every T steps:  H_a = (A + √λ I)⁻¹,  H_g = (G + √λ I)⁻¹                      (2)
    W ← W − α H_g M H_a                                                          (3)

ĝ comes from targets sampled from the model's own predictive distribution: with the data's targets
it would be the empirical Fisher, which is no curvature matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.kronecker import damped, second_moment
from qnviz.curvature.oracle import Oracle
from qnviz.fields import number, whole
from qnviz.methods.base import Events, Failure, Look, State, column, curved
from qnviz.methods.factored import Factored
from qnviz.problems.base import ProblemSpec
from qnviz.problems.products import product
from qnviz.words import say


@dataclass
class KFACState(State):
    """theta, k, and per layer: momentum, both factors and their inverses."""

    M: list[Tensor]                            # (R, out, in+1)
    A: list[Tensor]                            # (R, in+1, in+1)
    G: list[Tensor]                            # (R, out, out)
    H_a: list[Tensor]
    H_g: list[Tensor]


class KFAC(Factored):
    """Kronecker-factored approximate curvature."""

    title: ClassVar[str] = "KFAC"
    family: ClassVar[str] = "Newton"
    idea: ClassVar[str] = ("Natural gradient with a Kronecker product per layer. The output factor "
                           "is the average outer product of gradients for targets that the model "
                           "itself draws. Both factors are inverted every few steps.")
    equations: ClassVar[str] = (
        r"G \leftarrow \beta G + (1-\beta)\,\mathbb E[\hat g\hat g^\top],\qquad W \leftarrow W - "
        r"\alpha\,(G+\sqrt\lambda I)^{-1} M (A+\sqrt\lambda I)^{-1}")
    reference: ClassVar[str] = ("J. Martens, R. Grosse, Optimizing Neural Networks with "
                                "Kronecker-factored Approximate Curvature, ICML 2015, "
                                "arXiv 1503.05671.")
    fails: ClassVar[str] = ("Between two inversions it uses old curvature: with a small λ, steps "
                            "that suited the last inversion are soon far too long. Inverting at "
                            "every step mends it, at a price.")
    failure: ClassVar[Failure] = Failure(
        "diverged", {"name": "rosenbrock"}, {"lam": 0.01},
        ({"name": "kfac", "lam": 0.01, "period": 1}, {"name": "kfac"}))
    look: ClassVar[Look] = Look("#CC79A7", "solid", "square")

    name: Literal["kfac"] = "kfac"
    lr: float = number(0.1, r"\alpha", "Step size.", gt=0, le=10, log=True)
    lam: float = number(1.0, r"\lambda", "Damping: √λ is added to both factors.",
                        gt=0, le=1e4, log=True)
    momentum: float = number(0.9, r"\beta", "Memory of the averages.", ge=0, lt=1)
    period: int = whole(20, "T", "Steps between two inversions.", ge=1, le=1000, unit="steps")

    def recorded(self, problem: ProblemSpec) -> int:
        return 1 + 2 * len(problem.layers)

    def passes(self, problem: ProblemSpec) -> float:
        return 5

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if not curved(problem):
            return ("KFAC averages gradients for targets that the model itself draws, and a plain "
                    "function draws none. Where it has residuals, write them: r1; r2.")
        return None

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> KFACState:
        tape = oracle.forward(theta)
        A = [second_moment(a).expand(len(theta), -1, -1) for a in tape.a]   # warm start
        zero = [torch.zeros_like(W) for W in tape.W]
        G = [W @ W.mT for W in zero]
        return KFACState(theta, 0, zero, A, G, list(A), list(G))

    def step(self, oracle: Oracle, state: KFACState,
             p: SimpleNamespace) -> tuple[KFACState, Events]:
        b = p.momentum[:, None, None]
        # the averages of G start from the first batch, not from 0: it would be inverted at once
        c = torch.zeros_like(b) if state.k == 0 else b
        tape = oracle.forward(state.theta)
        grads = oracle.blocks(tape)
        sampled = oracle.sampled_gradient(tape)
        M = [torch.lerp(D, M_l, b) for M_l, D in zip(state.M, grads, strict=True)]      # (1)
        A = [torch.lerp(second_moment(a), A_l, b) for A_l, a in zip(state.A, tape.a, strict=True)]
        G = [torch.lerp(second_moment(g), G_l, c) for G_l, g in zip(state.G, sampled, strict=True)]
        fresh = state.k % self.period == 0
        H_a, H_g = state.H_a, state.H_g
        if fresh:                                                                       # (2)
            H_a = [safe_inverse(damped(A_l, p.lam)) for A_l in A]
            H_g = [safe_inverse(damped(G_l, p.lam)) for G_l in G]
        move = [product(product(H, M_l), Ha)
                for H, M_l, Ha in zip(H_g, M, H_a, strict=True)]                        # (3)
        theta = torch.addcmul(state.theta, column(p.lr), oracle.problem.join(move), value=-1)
        events = {"inverted": torch.full_like(p.lr, float(fresh))}
        return KFACState(theta, state.k + 1, M, A, G, H_a, H_g), events

    def describe(self, e: Mapping[str, Any]) -> str:
        when = "inverted anew" if e["inverted"] else "kept from the last inversion"
        text = f"G⁻¹ was {when}"
        if "eig_max" in e and np.isfinite(e["eig_max"]).all():
            text += (f"; its eigenvalues are {say(e['eig_min'].min())} … "
                     f"{say(e['eig_max'].max())}")
        return text + "."


def safe_inverse(X: Tensor) -> Tensor:
    """X⁻¹ of damped factors; NaN, instead of LAPACK's error, where a diverged run left infinity."""
    inverse, info = torch.linalg.inv_ex(X)
    return torch.where((info == 0)[:, None, None], inverse, torch.nan)
