"""Newton-Krylov on complex-step derivatives, ended by the first disturbing direction [Shen et al. 2020].

At W with gradient g and v ↦ Hv by complex step, conjugate gradients (or MINRES) on

    (H + λI) d = −g    until tolerance, budget, negative curvature or a disturbing direction    (1)

The step size watches the error of the Taylor expansion m(a) = f + a gᵀd + ½a² dᵀHd:

    err(a) = |f(W + a d) − m(a)| / |f − m(a)| ≤ τ   and   f(W + a d) < f                        (2)

Starting from a = min(1, 2 a_prev), a is halved until (2) holds: line search and trust region in one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.hessian_vector import Kind
from qnviz.curvature.krylov import Krylov, Product, Reason, conjugate_gradients
from qnviz.curvature.minres import minres
from qnviz.curvature.oracle import Oracle
from qnviz.fields import choice, number, whole
from qnviz.methods.base import (
    FLAT_LOSS,
    Events,
    Failure,
    Look,
    Method,
    State,
    Summary,
    column,
    curved,
)
from qnviz.problems.base import ProblemSpec, Tape
from qnviz.words import say

HALVINGS = 60
SOLVERS: dict[str, Callable[..., Krylov]] = {"cg": conjugate_gradients, "minres": minres}
SOLVER_NAMES = {"cg": "CG", "minres": "MINRES"}


@dataclass
class NewtonKrylovState(State):
    """theta, k, and the last accepted step size."""

    a: Tensor                                  # (R,)


class System(NamedTuple):
    """One outer step's system (H + λI) d = −g, with the tolerance η to which it is solved."""

    tape: Tape
    g: Tensor                                  # (R, P)
    product: Product                           # (v, active) ↦ (H + λI) v
    eta: Tensor                                # (R,)


class NewtonKrylov(Method):
    """Matrix-free Newton with early termination."""

    title: ClassVar[str] = "Newton-Krylov"
    family: ClassVar[str] = "Newton"
    idea: ClassVar[str] = (
        "Newton's system is solved by conjugate gradients, which only asks for products Hv; these "
        "come from a complex step, exact to rounding. The iteration ends at the first direction "
        "that looks disturbing, such as negative curvature. The step is as long as the quadratic "
        "model can be trusted.")
    equations: ClassVar[str] = (
        r"Hv \approx \frac{\operatorname{Im}\nabla f(\theta + ihv)}{h},\qquad Hd = -g,\qquad "
        r"\mathrm{err}(a) = \frac{|f(\theta+ad) - m(a)|}{|f - m(a)|} \le \tau,\quad "
        r"m(a) = f + a\,g^\top d + \tfrac12 a^2 d^\top H d")
    reference: ClassVar[str] = ("S. Shen, T. Shao, K. Zhou, C. Jiang, F. Luo, Y. Yang, "
                                "Second-order Neural Network Training Using Complex-step "
                                "Directional Derivative, 2020, arXiv 2009.07098.")
    fails: ClassVar[str] = ("Where the Hessian is indefinite, CG ends after a direction or two: "
                            "the step follows steep directions alone, and along a flat valley it "
                            "crawls. A trust region would use the negative curvature.")
    failure: ClassVar[Failure] = Failure(
        "slow", {"name": "rosenbrock", "start": (-10.0, 10.0)}, {},
        ({"name": "newton"}, {"name": "scipy_trust_krylov"}))
    look: ClassVar[Look] = Look("#009E73", "solid", "triangle-up")

    ragged: ClassVar[frozenset[str]] = frozenset({
        "curvature", "rayleigh", "residual", "model", "krylov_alpha", "krylov_beta",
        "trial_step", "trial_loss", "trial_model", "trial_error"})

    summaries: ClassVar[tuple[Summary, ...]] = (
        Summary("krylov", "Krylov iterations in all", "sum", ("krylov_iterations",),
                lambda e: e["krylov_iterations"], log=True),
        Summary("negative", "share of solves that met negative curvature", "mean",
                ("krylov_reason",),
                lambda e: (e["krylov_reason"] == Reason.NEGATIVE_CURVATURE).double()))

    name: Literal["newton_krylov"] = "newton_krylov"
    eta: float = number(0.1, r"\eta", "Krylov tolerance: stop at ‖r‖ ≤ η‖g‖.", gt=0, lt=1, log=True)
    forcing: Literal["fixed", "superlinear"] = choice(
        "fixed", "η as given, or min(½, √‖g‖), which makes convergence superlinear.")
    epsilon: float = number(1e-10, r"\varepsilon", "Curvature κ below ε‖p‖² counts as negative.",
                            ge=0, le=10, log=False)
    budget: int = whole(50, r"j_{\max}", "Largest number of Krylov iterations.", ge=1, le=500)
    tau: float = number(0.5, r"\tau", "Largest relative Taylor error of a step.", gt=0, le=10,
                        log=True)
    lam: float = number(0.0, r"\lambda", "Damping added to the curvature.", ge=0, le=1e6)
    curvature: Literal["hessian", "gauss_newton"] = choice(
        "hessian", "Which curvature matrix the system has.", "H")
    derivative: Kind = choice("pairs", "How H v is computed.", "Hv")
    solver: Literal["cg", "minres"] = choice(
        "cg", "Conjugate gradients make the model smallest, MINRES the residual.", "d")

    def passes(self, problem: ProblemSpec) -> float:
        return 4 + self.budget * (6 if self.curvature == "hessian" else 3)

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if self.curvature == "gauss_newton" and not curved(problem):
            return FLAT_LOSS
        return None

    def recorded(self, problem: ProblemSpec) -> int:
        return 6 + 6 * self.budget + 4 * (HALVINGS + 1)

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> NewtonKrylovState:
        return NewtonKrylovState(theta, 0, torch.ones_like(theta[:, 0]))

    def step(self, oracle: Oracle, state: NewtonKrylovState,
             p: SimpleNamespace) -> tuple[NewtonKrylovState, Events]:
        tape, g, product, eta = self.system(oracle, state.theta, p)
        solve = SOLVERS[self.solver]
        krylov = solve(product, g, eta, p.epsilon, self.budget)                         # (1)
        a, theta, trials = self._step_size(oracle, tape, g, krylov, state.a, p.tau)     # (2)
        refused = a == 0
        # after a refusal the next batch may well allow a long step: start over from 1 (ours)
        a_next = torch.where(refused, torch.ones_like(a), a)
        norm = g.norm(dim=1)
        events = trials | {
            "krylov_iterations": krylov.iterations, "krylov_reason": krylov.reason,
            "step_size": a, "grad_norm_batch": norm, "tolerance": eta * norm,
            "curvature": krylov.curvature, "rayleigh": krylov.rayleigh,
            "residual": krylov.residual, "model": krylov.model,
            "krylov_alpha": krylov.alpha, "krylov_beta": krylov.beta}
        return NewtonKrylovState(theta, state.k + 1, a_next), events

    def system(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> System:
        """The system at theta on the oracle's batch."""
        tape = oracle.forward(theta)
        g = oracle.gradient(tape)
        eta = p.eta if self.forcing == "fixed" else torch.clamp_max(g.norm(dim=1).sqrt(), 0.5)

        def product(v: Tensor, active: Tensor) -> Tensor:
            if self.curvature == "gauss_newton":
                Hv = oracle.gauss_newton_vector(tape, v, active)
            else:
                Hv = oracle.hessian_vector(tape, v, self.derivative, active)
            return Hv + column(p.lam) * v

        return System(tape, g, product, eta)

    def _step_size(self, oracle: Oracle, tape: Tape, g: Tensor, krylov: Krylov, a_prev: Tensor,
                   tau: Tensor) -> tuple[Tensor, Tensor, Events]:
        """The accepted a (0 where refused), the new theta, and every trial (a, f, m, err)."""
        d, f = krylov.d, tape.f
        slope, bend = vecdot(g, d), vecdot(d, krylov.Hd)
        a = torch.clamp_max(2 * a_prev, 1)
        done = ~(slope < 0)                        # g = 0, or nothing finite: no step to look for
        taken, theta = torch.zeros_like(a), tape.theta
        error = torch.full_like(a, torch.nan)
        seen: dict[str, list[Tensor]] = {
            k: [] for k in ("trial_step", "trial_loss", "trial_model", "trial_error")}
        for _ in range(HALVINGS + 1):
            active = ~done
            there = tape.theta + column(a) * d
            f_a = oracle.forward(there, active).f
            predicted = a * slope + 0.5 * a * a * bend                  # m(a) − f
            err = (f_a - f - predicted).abs() / predicted.abs()
            accept = active & (err <= tau) & (f_a < f)
            for name, value in zip(seen, (a, f_a, f + predicted, err), strict=True):
                seen[name].append(torch.where(active, value, torch.nan))
            taken, error = torch.where(accept, a, taken), torch.where(active, err, error)
            theta = torch.where(column(accept), there, theta)
            # a predicted change below rounding cannot be seen in f: shorter steps neither
            done = done | accept | (predicted.abs() <= torch.finfo(f.dtype).eps * f.abs())
            if bool(done.all()):
                break
            a = torch.where(done, a, 0.5 * a)
        return taken, theta, {"taylor_error": error} | {
            k: torch.stack(v, -1) for k, v in seen.items()}

    def describe(self, e: Mapping[str, Any]) -> str:
        j, reason = int(e["krylov_iterations"]), Reason(int(e["krylov_reason"]))
        quotient = "pᵀHp/pᵀp" if self.solver == "cg" else "rᵀHr/rᵀr"
        why = {
            Reason.CONVERGED: "the residual fell below η‖g‖",
            Reason.NEGATIVE_CURVATURE: f"it met negative curvature, {quotient} = "
                                       f"{say(_last(e['rayleigh']))}",
            Reason.DISTURBING: "the next direction would not have lowered the model",
            Reason.BUDGET: "the budget was used up",
            Reason.NON_FINITE: "a product was not finite"}[reason]
        text = f"{SOLVER_NAMES[self.solver]} ended after {j} iteration{'s' * bool(j != 1)}: {why}"
        if j == 1 and reason in (Reason.NEGATIVE_CURVATURE, Reason.DISTURBING):
            text += ", so steepest descent was used"
        if e["step_size"] == 0:
            return text + "; every step size was refused, W stays."
        trials = int(np.isfinite(e["trial_step"]).sum())
        halved = f" after {trials - 1} halving{'s' * bool(trials != 2)}" if trials > 1 else ""
        return (f"{text}; step a = {say(e['step_size'])}{halved}, Taylor error "
                f"{say(e['taylor_error'])} ≤ τ = {say(self.tau)}.")


def _last(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite[-1]) if len(finite) else float("nan")
