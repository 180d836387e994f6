"""KFAC [Martens, Grosse 2015] as [Goldfarb, Ren, Bahamou 2020] compare with it.

The Fisher matrix of layer l is approximated by A ⊗ G, both averaged over steps:

    M ← β M + (1−β) ∇W    A ← β A + (1−β) E[ā āᵀ]    G ← β G + (1−β) E[ĝ ĝᵀ]     (1)
    step k ≤ T, or k mod T = 0:  H_a = (A + √λ I)⁻¹,  H_g = (G + √λ I)⁻¹         (2)
    W ← W − α H_g M H_a                                                          (3)

A and G start as means over the training set, M from 0; the first T inversions are not saved, as
curvature changes fastest there: (2) is the rule of the authors of that comparison.
ĝ comes from targets sampled from the model's own predictive distribution: with the data's targets
it would be the empirical Fisher, which is no curvature matrix.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.kronecker import damped, second_moment
from qnviz.curvature.oracle import Oracle
from qnviz.fields import number, whole
from qnviz.methods.base import Events, Failure, State, Style, curved
from qnviz.methods.factored import Factored
from qnviz.numbers import say
from qnviz.problems.products import product
from qnviz.problems.spec import ProblemSpec


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

    name: Literal["kfac"] = "kfac"
    lr: float = number(0.1, r"\alpha", "Step size.", gt=0, le=10, log=True)
    lam: float = number(1.0, r"\lambda", "Damping: √λ is added to both factors.",
                        gt=0, le=1e4, log=True)
    momentum: float = number(0.9, r"\beta", "Memory of the averages.", ge=0, lt=1)
    period: int = whole(20, "T", "Steps between two inversions, after the first T.", ge=1, le=1000,
                        unit="steps")

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> KFACState:
        tape = oracle.forward(theta)
        A = [second_moment(a).expand(len(theta), -1, -1) for a in tape.a]       # warm start
        G = [second_moment(g) for g in oracle.sampled_gradient(tape)]
        H_a, H_g = ([safe_inverse(damped(X, p.lam)) for X in factor] for factor in (A, G))
        return KFACState(theta, 0, [torch.zeros_like(W) for W in tape.W], A, G, H_a, H_g)

    def step(self, oracle: Oracle, state: KFACState,
             p: SimpleNamespace) -> tuple[KFACState, Events]:
        b = p.momentum[:, None, None]
        tape = oracle.forward(state.theta)
        grads = oracle.blocks(tape)
        sampled = oracle.sampled_gradient(tape)
        M = [torch.lerp(D, M_l, b) for M_l, D in zip(state.M, grads, strict=True)]      # (1)
        A = [torch.lerp(second_moment(a), A_l, b) for A_l, a in zip(state.A, tape.a, strict=True)]
        G = [torch.lerp(second_moment(g), G_l, b) for G_l, g in zip(state.G, sampled, strict=True)]
        fresh = state.k <= self.period or state.k % self.period == 0
        H_a, H_g = state.H_a, state.H_g
        if fresh:                                                                       # (2)
            H_a = [safe_inverse(damped(A_l, p.lam)) for A_l in A]
            H_g = [safe_inverse(damped(G_l, p.lam)) for G_l in G]
        move = [product(product(H, M_l), Ha)
                for H, M_l, Ha in zip(H_g, M, H_a, strict=True)]                        # (3)
        theta = oracle.moved(state.theta, p.lr, move)
        events = {"inverted": torch.full_like(p.lr, float(fresh))}
        return KFACState(theta, state.k + 1, M, A, G, H_a, H_g), events

    def describe(self, e: Mapping[str, Any]) -> str:
        when = "inverted anew" if e["inverted"] else "kept from the last inversion"
        text = f"G⁻¹ was {when}"
        if "eig_max" in e and np.isfinite(e["eig_max"]).all():
            text += (f"; its eigenvalues are {say(e['eig_min'].min())} … "
                     f"{say(e['eig_max'].max())}")
        return text + "."

    # --- what it needs and costs ------------------------------------------------------------------

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if not curved(problem):
            return ("KFAC averages gradients for targets that the model itself draws, and a plain "
                    "function draws none. Where it has residuals, write them: r1; r2.")
        return None

    def passes(self, problem: ProblemSpec) -> float:
        return 5

    def recorded(self, problem: ProblemSpec) -> int:
        return 1 + 2 * len(problem.layers)

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "KFAC"
    family = "Newton"
    idea = (
        "Natural gradient with a Kronecker product per layer. The output factor is the average "
        "outer product of gradients for targets that the model itself draws. Both factors are "
        "inverted at each of the first T steps, then at every T-th.")
    equations = (
        r"G \leftarrow \beta G + (1-\beta)\,\mathbb E[\hat g\hat g^\top],\qquad W \leftarrow W - "
        r"\alpha\,(G+\sqrt\lambda I)^{-1} M (A+\sqrt\lambda I)^{-1}")
    reference = (
        "J. Martens, R. Grosse, Optimizing Neural Networks with Kronecker-factored Approximate "
        "Curvature, ICML 2015, arXiv 1503.05671.")
    ours = (
        "A and G start as means over the training set. On a full batch the authors' code starts "
        "them from 0, which makes the first steps longer, and more runs diverge.")
    fails = (
        "Between two inversions it uses old curvature: with a large α and a small λ, a step that "
        "suited the batches of the last inversion can be far too long for the next. Inverting at "
        "every step mends it, at a price.")
    failure = Failure(
        "diverged", {"name": "rosenbrock", "noise": 1.0, "start": (-0.25, -0.25)},
        {"lr": 1.0, "lam": 0.01},
        ({"name": "kfac", "lr": 1.0, "lam": 0.01, "period": 1}, {"name": "kfac"}))
    style = Style("#CC79A7", "solid", "square")


def safe_inverse(X: Tensor) -> Tensor:
    """X⁻¹ of damped factors; NaN, instead of LAPACK's error, where a diverged run left infinity."""
    inverse, info = torch.linalg.inv_ex(X)
    return torch.where((info == 0)[:, None, None], inverse, torch.nan)
