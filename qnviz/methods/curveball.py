"""CurveBall [Henriques, Ehrhardt, Albanie, Vedaldi 2018]: momentum that looks at curvature.

It minimises the local quadratic model by one gradient step on z per iteration, interleaved with
the step on the parameters. J is the Jacobian of the output u in all parameters, H_u the Hessian of the
loss in u, Ĥ = JᵀH_uJ + λI (MATH §4):

    Δz = Jᵀ(H_u J z + ∇_u f) + λ z                                              (1)
    ⎡ β⎤        ⎡Δzᵀ Ĥ Δz   zᵀ Ĥ Δz⎤ ⁺ ⎡(JΔz)ᵀ ∇_u f⎤
    ⎣−ρ⎦   =    ⎣zᵀ Ĥ Δz    zᵀ Ĥ z ⎦   ⎣(Jz)ᵀ ∇_u f ⎦                           (2)
    z ← ρ z − β Δz,   W ← W + z                                                 (3)

After steps 1, 6, 11, … λ follows the ratio of the true to the predicted change of f    (4).
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

from qnviz.curvature.oracle import Oracle
from qnviz.curvature.spectrum import pseudo_solve
from qnviz.fields import choice, number
from qnviz.methods.base import (
    FLAT_LOSS,
    DropIn,
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

PERIOD, RATE = 5, 0.999                       # how often λ moves, and by which factor per step


@dataclass
class CurveBallState(State):
    """theta, k, the momentum z and the damping λ."""

    z: Tensor                                  # (R, P)
    lam: Tensor                                # (R,)


class CurveBall(Method):
    """Heavy-ball momentum with one more term that carries curvature."""

    name: Literal["curveball"] = "curveball"
    lam: float = number(1.0, r"\lambda_0", "Damping added to the curvature at the start.",
                        gt=0, le=1e6, log=True)
    curvature: Literal["gauss_newton", "hessian", "none"] = choice(
        "gauss_newton", "Which curvature z looks at; none turns it into heavy ball.", r"\hat H")
    tuning: Literal["automatic", "fixed"] = choice(
        "automatic", "Whether ρ and β come from the 2×2 system or from the two fields below.")
    rho: float = number(0.9, r"\rho", "Momentum, where tuning is fixed.", ge=0, lt=1)
    beta: float = number(1e-3, r"\beta", "Step size, where tuning is fixed.", gt=0, le=10, log=True)

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> CurveBallState:
        return CurveBallState(theta, 0, torch.zeros_like(theta), p.lam)

    def step(self, oracle: Oracle, state: CurveBallState,
             p: SimpleNamespace) -> tuple[CurveBallState, Events]:
        z, lam = state.z, state.lam
        tape = oracle.forward(state.theta)
        Bz, Jz, df = self._curvature(oracle, tape, z)
        dz = torch.addcmul(Bz, column(lam), z)                                 # (1)
        if oracle.problem.tau:
            dz = dz + oracle.problem.tau * state.theta        # gradient of ½ τ‖θ‖²
        if self.curvature != "gauss_newton":
            g = oracle.vjp(tape, df)
            dz = dz + g
        if self.tuning == "automatic":
            beta, minus_rho, model = self._coefficients(oracle, tape, z, dz, Bz, Jz, df, lam)
        else:
            beta, minus_rho, model = p.beta, -p.rho, torch.full_like(lam, torch.nan)
        z = -column(minus_rho) * z - column(beta) * dz                         # (3)
        theta = state.theta + z
        ratio = torch.full_like(lam, torch.nan)
        if self.tuning == "automatic" and state.k % PERIOD == 0:               # (4)
            ratio = (oracle.forward(theta).f - tape.f) / model
            lam = torch.where(ratio < 0.5, lam / RATE**PERIOD,
                              torch.where(ratio > 1.5, lam * RATE**PERIOD, lam))
        events = {"rho": -minus_rho, "beta": beta, "lam": lam, "ratio": ratio,
                  "z_norm": norm(z)}
        return CurveBallState(theta, state.k + 1, z, lam), events

    def _curvature(self, oracle: Oracle, tape, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Ĥz without λ (with the gradient already in it for Gauss-Newton), Jz and ∇_u f."""
        df = oracle.output_gradient(tape)
        if self.curvature == "gauss_newton":
            Jz = oracle.jvp(tape, z)
            # one vector-Jacobian product brings back curvature and gradient together
            Bz = oracle.vjp(tape, oracle.output_hessian_vector(tape, Jz) + df)
            return Bz + oracle.problem.tau * z if oracle.problem.tau else Bz, Jz, df
        if self.curvature == "hessian":
            return oracle.hessian_vector(tape, z), oracle.jvp(tape, z), df
        return torch.zeros_like(z), oracle.jvp(tape, z), df

    def _coefficients(self, oracle: Oracle, tape, z: Tensor, dz: Tensor, Bz: Tensor, Jz: Tensor,
                      df: Tensor, lam: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """β, −ρ of (2), and the predicted change −½ [β, −ρ]·b of f."""
        Jdz = oracle.jvp(tape, dz)
        if self.curvature == "gauss_newton":
            HJz, HJdz = (oracle.output_hessian_vector(tape, v) for v in (Jz, Jdz))
            a11, a12, a22 = (_mean(x, y) for x, y in ((Jdz, HJdz), (Jz, HJdz), (Jz, HJz)))
            lam = lam + oracle.problem.tau
        elif self.curvature == "hessian":
            Bdz = oracle.hessian_vector(tape, dz)
            a11, a12, a22 = vecdot(dz, Bdz), vecdot(z, Bdz), vecdot(z, Bz)
        else:
            a11 = a12 = a22 = torch.zeros_like(lam)
        a11, a12, a22 = (a + lam * vecdot(x, y)
                         for a, x, y in ((a11, dz, dz), (a12, z, dz), (a22, z, z)))
        M = torch.stack([a11, a12, a12, a22], -1).view(-1, 2, 2)
        b = torch.stack([_mean(Jdz, df), _mean(Jz, df)], -1)
        if tau := oracle.problem.tau:             # the slopes of ½ τ‖θ‖² along Δz and z
            b = b + tau * torch.stack([vecdot(tape.theta, dz), vecdot(tape.theta, z)], -1)
        # Δz and z differ in size by orders of magnitude: scaled to a unit diagonal, the threshold of
        # the pseudo-inverse tells parallel from unequal directions; the step is the same
        size = torch.stack([a11, a22], -1).abs()
        D = torch.where(size > 0, size.rsqrt(), 1)
        solution = D * pseudo_solve(D[:, :, None] * M * D[:, None, :], D * b)
        return solution[:, 0], solution[:, 1], -0.5 * vecdot(solution, b)

    def describe(self, e: Mapping[str, Any]) -> str:
        text = f"ρ = {say(e['rho'])}, β = {say(e['beta'])}, damping λ = {say(e['lam'])}"
        if np.isfinite(e["ratio"]):
            r = float(e["ratio"])
            verdict = ("worse than the model: λ rose" if r < 0.5 else
                       "better than the model: λ fell" if r > 1.5 else "as the model said: λ stays")
            text += f"; f changed {say(r)} times as predicted, {verdict}"
        return text + "."

    # --- what it needs and costs ------------------------------------------------------------------

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if self.curvature == "gauss_newton" and not curved(problem):
            return FLAT_LOSS
        return None

    def passes(self, problem: ProblemSpec) -> float:
        return 5.2

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "CurveBall"
    family = "Newton"
    idea = (
        "A Newton step solves a linear system; CurveBall does one step of gradient descent on "
        "that system per iteration and moves along at once. What comes out is heavy-ball momentum "
        "whose push also sees the curvature along z. Two numbers, ρ and β, are chosen anew at "
        "each step by a 2×2 system.")
    equations = (
        r"\Delta z = J^\top(H_u J z + \nabla_u f) + \lambda z,\qquad "
        r"\begin{bmatrix}\beta\\-\rho\end{bmatrix} = \begin{bmatrix}\Delta z^\top\hat H\Delta z & "
        r"z^\top\hat H\Delta z\\ z^\top\hat H\Delta z & z^\top\hat H z\end{bmatrix}^{+}"
        r"\begin{bmatrix}(J\Delta z)^\top\nabla_u f\\(Jz)^\top\nabla_u f\end{bmatrix},\qquad "
        r"z \leftarrow \rho z - \beta\Delta z,\quad \theta \leftarrow \theta + z")
    reference = (
        "J. F. Henriques, S. Ehrhardt, S. Albanie, A. Vedaldi, Small steps and giant leaps, 2018, "
        "arXiv 1805.08095.")
    ours = (
        "The 2×2 matrix is scaled to a unit diagonal before it is inverted, so that rounding "
        "drops no direction. Where it is indefinite, as with the full Hessian it can be, "
        "directions of negative curvature are left out.")
    fails = (
        "λ moves by half a percent every five steps, so a λ₀ that is far off stays far off: one "
        "that is far too large leaves little but momentum with short steps.")
    failure = Failure(
        "slow", {"name": "rosenbrock"}, {"lam": 1e3}, ({"name": "curveball"},))
    style = Style("#D55E00", "solid", "diamond")

    variants = {"curvature": {"hessian": "Hessian"}, "tuning": {"fixed": "fixed ρ and β"}}
    rows = (Row("curveball_10", "CurveBall, λ₀ = 10", {"lam": 10.0}),
            Row("curveball_1", "CurveBall, λ₀ = 1", {"lam": 1.0}),
            Row("curveball_0.1", "CurveBall, λ₀ = 0.1", {"lam": 0.1}))
    summaries = (
        Summary("momentum", "mean of ρ", "mean", ("rho",), lambda e: e["rho"], low_is_good=False),)

    def idle(self) -> frozenset[str]:
        return frozenset() if self.tuning == "fixed" else frozenset({"rho", "beta"})

    def drop_in(self) -> DropIn:
        return DropIn("qnviz.optim", "CurveBall", "output",
                      "Its curvature comes from output and loss together.")


def _mean(x: Tensor, y: Tensor) -> Tensor:
    """E[xᵀy] over samples, (R,), for x, y (R, N, outputs)."""
    return vecdot(x, y).mean(-1)
