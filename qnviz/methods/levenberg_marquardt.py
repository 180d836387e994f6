"""Levenberg-Marquardt for sums of squares f = c ‖r‖² [Levenberg 1944, Marquardt 1963].

    (JᵀJ + λ D) d = −Jᵀr,   D = I or diag JᵀJ                                     (1)
    gain = (f(W) − f(W + d)) / (m(0) − m(d))                                      (2)
    gain > 0: take d.  λ ← λ·max(⅓, 1 − (2·gain − 1)³);  else λ ← λν, ν ← 2ν      (3)

(3) is Nielsen's rule [Madsen, Nielsen, Tingleff 2004, eq. 2.21], started from λ = λ₀.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.oracle import Oracle
from qnviz.fields import choice, number
from qnviz.methods.base import Events, Failure, Look, Method, State, Summary, column, curved
from qnviz.problems.base import ProblemSpec
from qnviz.words import say

DENSE_LIMIT = 2000                             # parameters; a dense P×P solve per run and step


@dataclass
class LMState(State):
    """theta, k, the damping and its growth factor."""

    lam: Tensor                                # (R,)
    nu: Tensor                                 # (R,)


class LevenbergMarquardt(Method):
    """Gauss-Newton with damping that follows the gain ratio."""

    title: ClassVar[str] = "Levenberg-Marquardt"
    family: ClassVar[str] = "Newton"
    idea: ClassVar[str] = ("Between Gauss-Newton and gradient descent: λ says how far the "
                           "linearised residuals are trusted. A step that gains what was "
                           "predicted lowers λ, a step that loses is taken back and raises it. "
                           "It needs a sum of squares, and a dense solve.")
    equations: ClassVar[str] = (r"(J^\top J + \lambda D)\,d = -J^\top r,\qquad \lambda \leftarrow "
                                r"\lambda\,\max\!\big(\tfrac13,\, 1-(2\varrho-1)^3\big)"
                                r"\ \text{if gain}\ \varrho > 0,\ \text{else}\ \lambda\nu")
    reference: ClassVar[str] = ("K. Madsen, H. B. Nielsen, O. Tingleff, Methods for Non-Linear "
                                "Least Squares Problems, 2004.")
    fails: ClassVar[str] = ("On small batches most steps gain on their own batch what was "
                            "predicted, so λ falls to nothing: a step that fits one batch exactly "
                            "is far too long for the others, and the loss on all samples jumps.")
    failure: ClassVar[Failure] = Failure(
        "jumps", {"name": "linear_net", "batch": 5}, {},
        ({"name": "kbfgs", "lr": 0.1, "lam": 0.1}, {"name": "curveball"}))
    look: ClassVar[Look] = Look("#767676", "longdash", "cross")
    dense: ClassVar[bool] = True

    summaries: ClassVar[tuple[Summary, ...]] = (
        Summary("refused", "share of steps taken back", "mean", ("accepted",),
                lambda e: (~e["accepted"]).double()),)

    name: Literal["levenberg_marquardt"] = "levenberg_marquardt"
    lam: float = number(1e-3, r"\lambda_0", "Damping at the start, relative to the largest "
                        "diagonal entry of JᵀJ.", gt=0, le=1e6, log=True)
    scaling: Literal["identity", "diagonal"] = choice("identity", "Levenberg's D = I, or "
                                                      "Marquardt's D = diag JᵀJ.", "D")

    def passes(self, problem: ProblemSpec) -> float:
        return 4 + 3 * problem.size

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if getattr(problem, "loss", "squares") == "bce":
            return "Levenberg-Marquardt needs a sum of squares; this loss is a cross-entropy."
        if not curved(problem):
            return ("Levenberg-Marquardt needs a sum of squares; this function is none. Where it "
                    "has residuals, write them: r1; r2.")
        if problem.size > DENSE_LIMIT:
            return (f"Levenberg-Marquardt solves a dense system of {problem.size:,} unknowns per "
                    f"step; the limit is {DENSE_LIMIT:,}.")
        return None

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> LMState:
        JJ = oracle.dense(oracle.forward(theta), "gauss_newton")
        top = JJ.diagonal(dim1=1, dim2=2).amax(1)
        scale = top if self.scaling == "identity" else torch.ones_like(top)
        return LMState(theta, 0, p.lam * scale, torch.full_like(p.lam, 2.0))

    def step(self, oracle: Oracle, state: LMState, p: SimpleNamespace) -> tuple[LMState, Events]:
        tape = oracle.forward(state.theta)
        g = oracle.gradient(tape)
        JJ = oracle.dense(tape, "gauss_newton")
        D = (torch.ones_like(g) if self.scaling == "identity"
             else JJ.diagonal(dim1=1, dim2=2))
        lam = column(state.lam)
        d = solve(JJ + torch.diag_embed(lam * D), -g)                                   # (1)
        f_next = oracle.forward(state.theta + d).f
        predicted = 0.5 * (vecdot(d, lam * D * d) - vecdot(g, d))
        gain = (tape.f - f_next) / predicted                                            # (2)
        good = gain > 0
        theta = torch.where(column(good), state.theta + d, state.theta)
        shrink = torch.clamp_min(1 - (2 * gain - 1) ** 3, 1 / 3)
        events = {"lam": state.lam, "gain": gain, "accepted": good}
        lam_next = torch.where(good, state.lam * shrink, state.lam * state.nu)          # (3)
        nu = torch.where(good, torch.full_like(gain, 2.0), 2 * state.nu)
        return LMState(theta, state.k + 1, lam_next, nu), events

    def describe(self, e: Mapping[str, Any]) -> str:
        verdict = "taken, λ falls" if e["accepted"] else "taken back, λ rises"
        return (f"Damping λ = {say(e['lam'])}; the step gained {say(e['gain'])} times what was "
                f"predicted: {verdict}.")


def solve(A: Tensor, b: Tensor) -> Tensor:
    """A⁻¹ b (R, P); NaN, instead of LAPACK's error, where A is singular or not finite."""
    x, info = torch.linalg.solve_ex(A, b)
    return torch.where((info == 0)[:, None], x, torch.nan)
