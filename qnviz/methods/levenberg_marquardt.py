"""Levenberg-Marquardt for sums of squares f = c ‖r‖² [Levenberg 1944, Marquardt 1963].

    (JᵀJ + λ D) d = −Jᵀr,   D = I, or the largest diag JᵀJ so far                 (1)
    gain = (f(W) − f(W + d)) / (m(0) − m(d))                                      (2)
    gain > 0: take d.  λ ← λ·max(⅓, 1 − (2·gain − 1)³);  else λ ← λν, ν ← 2ν      (3)

(3) is Nielsen's rule [Madsen, Nielsen, Tingleff 2004, eq. 2.21], started from λ = λ₀. Where f does
not fall, and m(0) − m(d) ≤ ε f or ‖d‖ ≤ ε ‖W‖ with ε the unit of rounding, the gain is a ratio of
rounding errors: W, λ and ν stay [Moré, Garbow, Hillstrom 1980, whose MINPACK ends there].

Scaled by diag JᵀJ, steps do not depend on the units of the parameters [Marquardt 1963]. The largest
so far keeps a column that vanishes on the way from holding λ up for all others [Moré 1978]. A column
that is 0 from the start has no scale: entries of D are at least ε max D, and λ at least ε of what it
is added to, as less would change no digit of JᵀJ and leave the system singular.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.line_search import below_rounding
from qnviz.curvature.oracle import Oracle
from qnviz.fields import choice, number
from qnviz.methods.base import (
    AT_PRECISION,
    Events,
    Failure,
    Method,
    Row,
    State,
    Style,
    Summary,
    column,
    curved,
)
from qnviz.numbers import say
from qnviz.problems.norms import norm
from qnviz.problems.spec import ProblemSpec

DENSE_LIMIT = 2000                             # parameters; a dense P×P solve per run and step


@dataclass
class LMState(State):
    """theta, k, the scaling, the damping and its growth factor."""

    D: Tensor                                  # (R, P), the diagonal
    lam: Tensor                                # (R,)
    nu: Tensor                                 # (R,)


class LevenbergMarquardt(Method):
    """Gauss-Newton with damping that follows the gain ratio."""

    name: Literal["levenberg_marquardt"] = "levenberg_marquardt"
    lam: float = number(1e-3, r"\lambda_0", "Damping at the start, relative to the largest "
                        "diagonal entry of JᵀJ.", gt=0, le=1e6, log=True)
    scaling: Literal["identity", "diagonal"] = choice(
        "identity", "Levenberg's D = I, or Marquardt's diag JᵀJ, its largest so far.", "D")

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> LMState:
        JJ = oracle.dense(oracle.forward(theta), "gauss_newton")
        diagonal = JJ.diagonal(dim1=1, dim2=2)
        if self.scaling == "identity":
            D, lam = torch.ones_like(diagonal), p.lam * diagonal.amax(1)
        else:
            D, lam = diagonal, p.lam
        return LMState(theta, 0, D, lam, torch.full_like(p.lam, 2.0))

    def step(self, oracle: Oracle, state: LMState, p: SimpleNamespace) -> tuple[LMState, Events]:
        tape = oracle.forward(state.theta)
        g = oracle.gradient(tape)
        JJ = oracle.dense(tape, "gauss_newton")
        D, lam = self.weights(JJ.diagonal(dim1=1, dim2=2), state)
        shift = column(lam) * D
        d = solve(JJ + torch.diag_embed(shift), -g)                                     # (1)
        f_next = oracle.forward(state.theta + d).f
        predicted = 0.5 * (vecdot(d, shift * d) - vecdot(g, d))
        gain = (tape.f - f_next) / predicted                                            # (2)
        good = (f_next < tape.f) & (predicted > 0)
        short = norm(d) <= torch.finfo(d.dtype).eps * norm(state.theta)
        done = ~good & (below_rounding(predicted.abs(), tape.f) | short)
        worse = ~good & ~done & torch.isfinite(predicted)
        theta = torch.where(column(good), state.theta + d, state.theta)
        shrink = torch.clamp_min(1 - (2 * gain - 1) ** 3, 1 / 3)
        lam_next = torch.where(good, lam * shrink, torch.where(worse, lam * state.nu, lam))  # (3)
        nu = torch.where(good, 2.0, torch.where(worse, 2 * state.nu, state.nu))
        events = {"lam": lam, "lam_next": lam_next, "gain": gain, "accepted": good,
                  "at_precision": done}
        return LMState(theta, state.k + 1, D, lam_next, nu), events

    def weights(self, diagonal: Tensor, state: LMState) -> tuple[Tensor, Tensor]:
        """D (R, P) and λ (R,), so that λ D can be seen beside JᵀJ with this diagonal (R, P)."""
        eps, top = torch.finfo(diagonal.dtype).eps, diagonal.amax(1)
        top = torch.where(top > 0, top, 1)
        if self.scaling == "identity":
            return state.D, torch.maximum(state.lam, eps * top)
        D = torch.maximum(state.D, torch.maximum(diagonal, column(eps * top)))
        return D, state.lam.clamp_min(eps)

    def describe(self, e: Mapping[str, Any]) -> str:
        text = f"Damping λ = {say(e['lam'])}; "
        if e["at_precision"]:
            return f"{text}{AT_PRECISION}: W and λ stay."
        if not np.isfinite(e["gain"]):
            return f"{text}f has no finite value after the step: W stays."
        change = ("falls" if e["lam_next"] < e["lam"] else
                  "rises" if e["lam_next"] > e["lam"] else "stays")
        return (f"{text}the step gained {say(e['gain'])} times what was predicted: "
                f"{'taken' if e['accepted'] else 'taken back'}, λ {change}.")

    # --- what it needs and costs ------------------------------------------------------------------

    dense = True

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

    def passes(self, problem: ProblemSpec) -> float:
        return 4 + 3 * problem.size

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "Levenberg-Marquardt"
    family = "Newton"
    idea = (
        "Between Gauss-Newton and gradient descent: λ says how far the linearised residuals are "
        "trusted. A step that gains what was predicted lowers λ, a step that loses is taken back "
        "and raises it. It needs a sum of squares, and a dense solve.")
    equations = (
        r"(J^\top J + \lambda D)\,d = -J^\top r,\qquad \lambda \leftarrow "
        r"\lambda\,\max\!\big(\tfrac13,\, 1-(2\varrho-1)^3\big)"
        r"\ \text{if gain}\ \varrho > 0,\ \text{else}\ \lambda\nu")
    reference = (
        "K. Madsen, H. B. Nielsen, O. Tingleff, Methods for Non-Linear Least Squares Problems, "
        "2004.")
    fails = (
        "On small batches most steps gain on their own batch what was predicted, so λ falls to "
        "nothing: a step that fits one batch exactly is far too long for the others, and the loss "
        "on all samples jumps.")
    failure = Failure(
        "jumps", {"name": "linear_net", "batch": 3}, {},
        ({"name": "kbfgs", "lr": 0.1, "lam": 0.1}, {"name": "curveball"}))
    style = Style("#767676", "longdash", "cross")

    variants = {"scaling": {"diagonal": "diagonal"}}
    rows = (Row("lm", "Levenberg-Marquardt"),
            Row("lm_1", "LM from λ₀ = 1", {"lam": 1.0}))
    summaries = (
        Summary("refused", "share of steps taken back", "mean", ("accepted", "at_precision"),
                lambda e: (~e["accepted"] & ~e["at_precision"]).double()),)


def solve(A: Tensor, b: Tensor) -> Tensor:
    """A⁻¹ b (R, P); NaN, instead of LAPACK's error, where A is singular or not finite."""
    x, info = torch.linalg.solve_ex(A, b)
    return torch.where((info == 0)[:, None], x, torch.nan)
