"""Newton's method with λI and eigenvalue modification [NW06, §3.4].

    H = Q diag(μ) Qᵀ        d = −Q diag(1 / (max(|μ|, δ) + λ_k)) Qᵀ g             (1)
    λ_k = λ ‖g‖,  or λ where it is fixed                                          (2)

and backtracking until the Armijo condition holds. Taking |μ| turns directions of negative curvature
into descent directions; δ = 10⁻⁸ max|μ| keeps flat ones finite.

Near a minimum with H ≻ 0 the error e becomes H⁻¹ (λ_k e + O(‖e‖²)). A fixed λ > 0 leaves linear
convergence by λ / μ_min. With (2), λ_k is itself O(‖e‖): convergence is quadratic [Li, Fukushima,
Qi, Yamashita 2004], and no multiple of f changes the steps, as λ_k grows like H.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor

from qnviz.curvature.line_search import backtracking
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.spectrum import eigen
from qnviz.fields import choice, number
from qnviz.methods.base import AT_PRECISION, Events, Failure, Method, Row, State, Style, column
from qnviz.methods.levenberg_marquardt import DENSE_LIMIT
from qnviz.numbers import say
from qnviz.problems.norms import norm
from qnviz.problems.spec import ProblemSpec

FLAT = 1e-8


class Newton(Method):
    """Damped Newton with the absolute values of the eigenvalues."""

    name: Literal["newton"] = "newton"
    lam: float = number(1e-3, r"\lambda", "Damping added to all eigenvalues, or its ratio to the "
                        "gradient.", ge=0, le=1e6, log=True)
    regularization: Literal["gradient", "fixed"] = choice(
        "gradient", "Whether the damping is λ‖g‖, which fades at a minimum, or λ itself.",
        r"\lambda_k")

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> State:
        return State(theta, 0)

    def step(self, oracle: Oracle, state: State, p: SimpleNamespace) -> tuple[State, Events]:
        tape = oracle.forward(state.theta)
        g = oracle.gradient(tape)
        mu, Q = eigen(oracle.dense(tape, "hessian"))
        steep = norm(g)
        lam = p.lam * steep if self.regularization == "gradient" else p.lam         # (2)
        size = torch.maximum(mu.abs(), FLAT * mu.abs().amax(1, keepdim=True)) + column(lam)
        # H = 0 without damping gives no scale but the gradient's: d = −g/‖g‖, whatever multiplies f
        size = torch.where(size > 0, size, column(torch.where(steep > 0, steep, 1)))
        d = -(Q @ ((Q.mT @ g[..., None])[..., 0] / size)[..., None])[..., 0]            # (1)
        search = backtracking(oracle, state.theta, tape.f, g, d)
        events = {"hessian_low": mu[:, 0], "hessian_high": mu[:, -1], "step_size": search.a,
                  "modified": (mu < 0).sum(1), "lam": lam, "trials": search.trials,
                  "at_precision": search.at_precision}
        return State(search.theta, state.k + 1), events

    def describe(self, e: Mapping[str, Any]) -> str:
        text = f"Hessian eigenvalues {say(e['hessian_low'])} … {say(e['hessian_high'])}"
        if e["modified"] > 0:
            text += f", {int(e['modified'])} of them negative and made positive"
        if e["lam"] > 0:
            text += f"; damping {say(e['lam'])}"
        if e["step_size"] > 0:
            text += f"; step a = {say(e['step_size'])}"
            return f"{text}; {AT_PRECISION}." if e["at_precision"] else f"{text}."
        why = ("∇f = 0" if e["trials"] == 0 else AT_PRECISION if e["at_precision"] else
               "no step length decreased f enough")
        return f"{text}; {why}, W stays."

    # --- what it needs and costs ------------------------------------------------------------------

    dense = True

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if problem.size > DENSE_LIMIT:
            return (f"Newton decomposes a dense Hessian of {problem.size:,} parameters per step; "
                    f"the limit is {DENSE_LIMIT:,}.")
        return None

    def passes(self, problem: ProblemSpec) -> float:
        return 4 + 6 * problem.size

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "Newton"
    family = "Newton"
    idea = (
        "Jump to the minimum of the local quadratic model. Where the model has no minimum, "
        "eigenvalues are replaced by their absolute values. Near a minimum whose Hessian is "
        "positive definite, the number of correct digits doubles per step, as the damping fades "
        "with the gradient.")
    equations = (
        r"H = Q\,\mathrm{diag}(\mu)\,Q^\top,\qquad d = -Q\,\mathrm{diag}"
        r"\!\Big(\frac{1}{\max(|\mu|,\delta)+\lambda\|g\|}\Big)Q^\top g")
    reference = (
        "J. Nocedal, S. J. Wright, Numerical Optimization, 2006, §3.4, doi "
        "10.1007/978-0-387-40065-5.")
    ours = (
        "The damping is λ‖g‖, not a fixed λ: with a fixed one the error shrinks by the same "
        "factor per step. A fixed λ, and 0, can be chosen.")
    fails = (
        "On small batches it solves each batch for itself: directions that a batch does not see "
        "are flat to it, so steps along them are long, and the loss on all samples jumps.")
    failure = Failure(
        "jumps", {"name": "linear_net", "batch": 5}, {},
        ({"name": "newton", "lam": 10.0, "regularization": "fixed"},
         {"name": "kbfgs", "lr": 0.1, "lam": 0.1}))
    style = Style("#7a7a7a", "dash", "x")

    variants = {"regularization": {"fixed": "fixed λ"}}
    rows = (Row("newton", "Newton + λI", {"lam": 1e-3, "regularization": "fixed"}),
            Row("newton_gradient", "Newton + λ‖∇f‖I"))
