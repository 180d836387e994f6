"""Newton-Krylov on complex-step derivatives, ended by the first disturbing direction [Shen et al. 2020].

At W with gradient g and v ↦ Hv by complex step, conjugate gradients (or MINRES) on

    (H + λI) d = −g    until tolerance, budget, negative curvature or a disturbing direction    (1)

The step size watches the error of the Taylor expansion m(a) = f + a gᵀd + ½a² dᵀHd:

    err(a) = |f(W + a d) − m(a)| / |f − m(a)| ≤ τ   and   f(W + a d) < f                        (2)

Starting from a = min(1, 2 a_prev), a is halved until (2) holds: line search and trust region in one.
After steepest descent, whose length is another matter, it starts from 1 again (ours).

With `krylov_batches: fresh` every product is taken on a batch of its own (ours): H is then another
one in each iteration, which is when a direction can be disturbing although κ > 0 (MATH §6).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from types import SimpleNamespace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.hessian_vector import Kind
from qnviz.curvature.krylov import (
    Krylov,
    Product,
    Reason,
    conjugate_gradients,
)
from qnviz.curvature.line_search import ROUNDINGS, below_rounding
from qnviz.curvature.minres import minres
from qnviz.curvature.oracle import Oracle
from qnviz.fields import choice, number, whole
from qnviz.methods.base import (
    AT_PRECISION,
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
from qnviz.problems.tape import Tape

HALVINGS = 60
SOLVERS: dict[str, Callable[..., Krylov]] = {"cg": conjugate_gradients, "minres": minres}
SOLVER_NAMES = {"cg": "CG", "minres": "MINRES"}


@dataclass
class NewtonKrylovState(State):
    """theta, k, the step size to go on from, and ‖g‖ at the first step (NaN before it)."""

    a: Tensor                                  # (R,)
    first: Tensor                              # (R,)


class System(NamedTuple):
    """One outer step's system (H + λI) d = −g, with the tolerance η to which it is solved."""

    tape: Tape
    g: Tensor                                  # (R, P)
    product: Product                           # (v, active) ↦ (H + λI) v on the step's batch
    eta: Tensor                                # (R,)
    products: Callable[[], Product]            # for one solve: a batch each where they are fresh
    fixed: bool                                # whether they are all of the same H


class NewtonKrylov(Method):
    """Matrix-free Newton with early termination."""

    name: Literal["newton_krylov"] = "newton_krylov"
    eta: float = number(0.1, r"\eta", "Krylov tolerance: stop at ‖r‖ ≤ η‖g‖.", gt=0, lt=1, log=True)
    forcing: Literal["fixed", "superlinear"] = choice(
        "fixed", "η as given, or min(½, √(‖g‖/‖g₀‖)), which makes convergence superlinear.")
    epsilon: float = number(1e-10, r"\varepsilon", "Curvature below this share of the largest that "
                            "the solve has seen counts as zero.", ge=0, le=1, log=False)
    budget: int = whole(50, r"j_{\max}", "Largest number of Krylov iterations.", ge=1, le=500)
    tau: float = number(0.5, r"\tau", "Largest relative Taylor error of a step.", gt=0, le=10,
                        log=True)
    lam: float = number(0.0, r"\lambda", "Damping added to the curvature.", ge=0, le=1e6)
    curvature: Literal["hessian", "gauss_newton"] = choice(
        "hessian", "Which curvature matrix the system has.", "H")
    derivative: Kind = choice("pairs", "How H v is computed.", "Hv")
    solver: Literal["cg", "minres"] = choice(
        "cg", "Conjugate gradients make the model smallest, MINRES the residual.", "d")
    krylov_batches: Literal["same", "fresh"] = choice(
        "same", "Whether all products of a step are taken on its batch, or each on a fresh one.")

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> NewtonKrylovState:
        one = torch.ones_like(theta[:, 0])
        return NewtonKrylovState(theta, 0, one, one * torch.nan)

    def step(self, oracle: Oracle, state: NewtonKrylovState,
             p: SimpleNamespace) -> tuple[NewtonKrylovState, Events]:
        s = self.system(oracle, state.theta, p, state.first)
        g_norm = norm(s.g)
        krylov = self.solve(s, p)                                                       # (1)
        a, theta, trials = self._step_size(oracle, s.tape, s.g, krylov, state.a, p.tau)  # (2)
        # after a refusal the next batch may well allow a long step, and the length of steepest
        # descent says nothing about a direction that CG has found: start over from 1 (ours)
        a_next = torch.where((a == 0) | krylov.bare, torch.ones_like(a), a)
        events = trials | {
            "krylov_iterations": krylov.iterations, "krylov_reason": krylov.reason,
            "step_size": a, "grad_norm_batch": g_norm, "tolerance": s.eta * g_norm,
            "curvature": krylov.curvature, "rayleigh": krylov.rayleigh,
            "residual": krylov.residual, "model": krylov.model,
            "krylov_alpha": krylov.alpha, "krylov_beta": krylov.beta}
        first = torch.where(state.first.isnan(), g_norm, state.first)
        return NewtonKrylovState(theta, state.k + 1, a_next, first), events

    def system(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace, first: Tensor) -> System:
        """The system at theta on the oracle's batch.

        Args:
            oracle: the function on the step's batch.
            theta: (R, P).
            p: the real hyper-parameters.
            first: ‖g‖ at the first step of the run (R,), NaN where this is the first.
        """
        tape = oracle.forward(theta)
        g = oracle.gradient(tape)
        g_norm = norm(g)
        known = ~first.isnan() & (first > 0)
        share = torch.where(known, g_norm / torch.where(known, first, 1), 1)
        eta = p.eta if self.forcing == "fixed" else torch.clamp_max(share.sqrt(), 0.5)

        def product(v: Tensor, active: Tensor, on: Tape = tape) -> Tensor:
            if self.curvature == "gauss_newton":
                Hv = oracle.gauss_newton_vector(on, v, active)
            else:
                Hv = oracle.hessian_vector(on, v, self.derivative, active)
            return Hv + column(p.lam) * v

        def fresh() -> Product:
            iterations = count(1)

            def on_its_own_batch(v: Tensor, active: Tensor) -> Tensor:
                there = oracle.fresh(tape, next(iterations), active)
                if self.curvature == "hessian":
                    oracle.backward(there, active)
                return product(v, active, there)

            return on_its_own_batch

        if self.krylov_batches == "fresh" and not oracle.batch.full:
            return System(tape, g, product, eta, fresh, False)
        return System(tape, g, product, eta, lambda: product, True)

    def solve(self, s: System, p: SimpleNamespace, solver: str = "", early: bool = True,
              keep: bool = False) -> Krylov:
        """What a solver, this method's own if none is named, does with a system."""
        return SOLVERS[solver or self.solver](s.products(), s.g, s.eta, p.epsilon, self.budget,
                                              early, keep, s.fixed)

    def _step_size(self, oracle: Oracle, tape: Tape, g: Tensor, krylov: Krylov, a_prev: Tensor,
                   tau: Tensor) -> tuple[Tensor, Tensor, Events]:
        """The accepted a (0 where refused), the new theta, and every trial (a, f, m, err)."""
        d, f = krylov.d, tape.f
        slope, bend = vecdot(g, d), vecdot(d, krylov.Hd)
        a = torch.clamp_max(2 * a_prev, 1)
        done = ~(slope < 0)                        # g = 0, or nothing finite: no step to look for
        taken, theta = torch.zeros_like(a), tape.theta
        error = torch.full_like(a, torch.nan)
        gain = torch.zeros_like(a)                 # the largest decrease that any trial found
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
            gain = torch.where(active, torch.fmax(gain, f - f_a), gain)
            # a predicted change below rounding cannot be seen in f: shorter steps neither
            done = done | accept | below_rounding(predicted.abs(), f)
            if bool(done.all()):
                break
            a = torch.where(done, a, 0.5 * a)
        at_precision = (slope < 0) & (taken == 0) & below_rounding(gain / ROUNDINGS, f)
        return taken, theta, {"taylor_error": error, "at_precision": at_precision} | {
            k: torch.stack(v, -1) for k, v in seen.items()}

    def describe(self, e: Mapping[str, Any]) -> str:
        j, reason = int(e["krylov_iterations"]), Reason(int(e["krylov_reason"]))
        quotient = ("pᵀHp/pᵀp" if self.solver == "cg" else
                    "rᵀHr/rᵀr" if self.krylov_batches == "same" else "vᵀHv")
        why = {
            Reason.CONVERGED: "the residual fell below η‖g‖",
            Reason.NEGATIVE_CURVATURE: f"it met negative curvature, {quotient} = "
                                       f"{say(_last(e['rayleigh']))}",
            Reason.ZERO_CURVATURE: "it met zero curvature",
            Reason.DISTURBING: "the next direction would have raised the model",
            Reason.BUDGET: "the budget was used up",
            Reason.NON_FINITE: "a product or its step was not finite",
            Reason.STAGNATED: "the residual stagnated above η‖g‖, at rounding"}[reason]
        text = f"{SOLVER_NAMES[self.solver]} ended after {j} iteration{'s' * bool(j != 1)}: {why}"
        if reason is not Reason.CONVERGED and not np.isfinite(e["residual"]).any():
            text += ", so steepest descent was used"
        if e["step_size"] == 0:
            if e["grad_norm_batch"] == 0:
                return text + "; ∇f = 0, W stays."
            why = AT_PRECISION if e["at_precision"] else "every step size was refused"
            return f"{text}; {why}, W stays."
        trials = int(np.isfinite(e["trial_step"]).sum())
        halved = f" after {trials - 1} halving{'s' * bool(trials != 2)}" if trials > 1 else ""
        return (f"{text}; step a = {say(e['step_size'])}{halved}, Taylor error "
                f"{say(e['taylor_error'])} ≤ τ = {say(self.tau)}.")

    # --- what it needs and costs ------------------------------------------------------------------

    ragged = frozenset({
        "curvature", "rayleigh", "residual", "model", "krylov_alpha", "krylov_beta",
        "trial_step", "trial_loss", "trial_model", "trial_error"})

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if self.curvature == "gauss_newton" and not curved(problem):
            return FLAT_LOSS
        return None

    def passes(self, problem: ProblemSpec) -> float:
        fresh = self.krylov_batches == "fresh" and not problem.deterministic
        hessian = self.curvature == "hessian"
        return 4 + self.budget * ((6 if hessian else 3) + (3 if hessian else 1) * fresh)

    def recorded(self, problem: ProblemSpec) -> int:
        return 7 + 6 * self.budget + 4 * (HALVINGS + 1)

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "Newton-Krylov"
    family = "Newton"
    idea = (
        "Newton's system is solved by conjugate gradients, which only asks for products Hv; a "
        "complex step gives them to rounding, its two parts carried as a pair. The iteration ends "
        "at the first direction that looks disturbing, such as negative curvature. The step is as "
        "long as the quadratic model can be trusted.")
    equations = (
        r"Hv \approx \frac{\operatorname{Im}\nabla f(\theta + ihv)}{h},\qquad Hd = -g,\qquad "
        r"\mathrm{err}(a) = \frac{|f(\theta+ad) - m(a)|}{|f - m(a)|} \le \tau,\quad "
        r"m(a) = f + a\,g^\top d + \tfrac12 a^2 d^\top H d")
    reference = (
        "S. Shen, T. Shao, K. Zhou, C. Jiang, F. Luo, Y. Yang, Second-order Neural Network "
        "Training Using Complex-step Directional Derivative, 2020, arXiv 2009.07098.")
    fails = (
        "Where the Hessian is indefinite, CG ends after a direction or two: the step follows "
        "steep directions alone, and along a flat valley it crawls. A trust region would use the "
        "negative curvature.")
    failure = Failure(
        "slow", {"name": "rosenbrock", "start": (-10.0, 10.0)}, {},
        ({"name": "newton"}, {"name": "scipy_trust_krylov"}))
    style = Style("#009E73", "solid", "triangle-up")

    ranges = {"lam": (0.0, 1.0), "epsilon": (1e-12, 1e-2)}
    axes = ("eta", "tau")
    variants = {"curvature": {"gauss_newton": "Gauss-Newton"}}
    rows = (Row("newton_krylov", "Newton-Krylov"),)
    summaries = (
        Summary("krylov", "Krylov iterations in all", "sum", ("krylov_iterations",),
                lambda e: e["krylov_iterations"], log=True),
        Summary("negative", "share of solves that met negative curvature", "mean",
                ("krylov_reason",),
                lambda e: (e["krylov_reason"] == Reason.NEGATIVE_CURVATURE).double()),
        Summary("disturbing", "share of solves that a disturbing direction ended", "mean",
                ("krylov_reason",),
                lambda e: (e["krylov_reason"] == Reason.DISTURBING).double()))

    def drop_in(self) -> DropIn:
        # Gauss-Newton products pass through the model's output, Hessian ones need the loss alone
        return DropIn("qnviz.optim", "NewtonKrylov",
                      "output" if self.curvature == "gauss_newton" else "loss",
                      "It differentiates the loss as often as its Krylov method asks.")


def _last(x: np.ndarray) -> float:
    finite = x[np.isfinite(x)]
    return float(finite[-1]) if len(finite) else float("nan")
