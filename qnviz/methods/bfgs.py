"""BFGS with a strong Wolfe line search [NW06, algorithm 6.1].

    d = −H g                                                                      (1)
    s = a d,   y = ∇f(W + s) − ∇f(W), on the same batch                           (2)
    H ← (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,   ρ = 1/sᵀy                         (3)

H₀ = I, rescaled to (sᵀy / yᵀy) I before the first update [NW06, eq. 6.20] unless asked otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.line_search import strong_wolfe
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.secant import bfgs_update, quotient, skip
from qnviz.curvature.spectrum import definite_extremes
from qnviz.fields import choice
from qnviz.methods.base import AT_PRECISION, Events, Failure, Method, Row, State, Style, Summary
from qnviz.methods.levenberg_marquardt import DENSE_LIMIT
from qnviz.numbers import say
from qnviz.problems.norms import norm
from qnviz.problems.products import dot
from qnviz.problems.spec import ProblemSpec


@dataclass
class QuasiNewtonState(State):
    """theta, k, the inverse Hessian estimate, and loss and gradient if they are still valid."""

    H: Any                                     # (R, P, P), or the pairs that define it
    f: Tensor                                  # (R,)
    g: Tensor                                  # (R, P)
    fresh: Tensor                              # (R,) whether H has seen no pair yet


class BFGS(Method):
    """The classic quasi-Newton method, on one dense matrix over all parameters."""

    name: Literal["bfgs"] = "bfgs"
    scaling: Literal["pair", "none"] = choice(
        "pair", "Whether H starts from (sᵀy / yᵀy) I, once a pair is known, or from I.", "H_0")

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> QuasiNewtonState:
        tape = oracle.forward(theta)
        g = oracle.gradient(tape)
        return QuasiNewtonState(theta, 0, self.identity(theta), tape.f, g,
                                torch.ones_like(tape.f, dtype=torch.bool))

    def step(self, oracle: Oracle, state: QuasiNewtonState,
             p: SimpleNamespace) -> tuple[QuasiNewtonState, Events]:
        theta, f, g = state.theta, state.f, state.g
        if not oracle.batch.full:              # a new batch is a new function
            tape = oracle.forward(theta)
            f, g = tape.f, oracle.gradient(tape)
        d = -self.apply(state.H, g)                                                     # (1)
        # with H = I nothing is known of the scale of f: the first trial moves by 1
        first = torch.where(state.fresh, 1 / norm(g), 1.0)
        search = strong_wolfe(oracle, theta, f, g, d, first)
        s, y = search.theta - theta, search.g - g                                       # (2)
        sy = dot(s, y)
        keep = skip(sy, dot(s, s), torch.zeros_like(sy), search.a > 0)
        rescale = state.fresh & ~keep & (self.scaling == "pair")
        H = self.update(state.H, s, y, keep, rescale)                                   # (3)
        # where no step was found H has gone bad: forget it
        lost = search.a == 0
        H = self.reset(H, lost)
        events = {"step_size": search.a, "trials": search.trials, "wolfe": search.found,
                  "skipped": keep, "at_precision": search.at_precision,
                  "stationary": (g == 0).all(-1)}
        return QuasiNewtonState(search.theta, state.k + 1, H, search.f, search.g,
                                (state.fresh & keep) | lost), events

    def known(self, state: QuasiNewtonState) -> tuple[Tensor, Tensor]:
        return state.f, state.g

    # --- what L-BFGS does differently ---------------------------------------------------------

    def identity(self, theta: Tensor) -> Any:
        """H = I."""
        return torch.eye(theta.shape[1], dtype=theta.dtype, device=theta.device).repeat(
            len(theta), 1, 1)

    def apply(self, H: Any, v: Tensor) -> Tensor:
        """H v for v (R, P)."""
        return (H @ v[..., None])[..., 0]

    def update(self, H: Any, s: Tensor, y: Tensor, keep: Tensor, rescale: Tensor) -> Any:
        """H after the pair; where `rescale`, from (sᵀy / yᵀy) I instead of I."""
        sy = dot(s, y)
        gamma = torch.where(rescale, quotient(s, y), 1.0)
        H = gamma[:, None, None] * H
        Hy = (H @ y[..., None])[..., 0]
        return bfgs_update(H, s, Hy, sy, dot(y, Hy), keep)[0]

    def reset(self, H: Any, lost: Tensor) -> Any:
        """H = I again in the runs of `lost`."""
        eye = torch.eye(H.shape[-1], dtype=H.dtype, device=H.device)
        return torch.where(lost[:, None, None], eye, H)

    # --- what there is to see ---------------------------------------------------------------------

    def matrix(self, problem: ProblemSpec) -> int:
        return problem.size

    def shown(self, state: QuasiNewtonState) -> Any:
        return state.H

    def measure(self, shown: Any, p: SimpleNamespace) -> Events:
        return dict(zip(("eig_min", "eig_max"), definite_extremes(shown), strict=True))

    def describe(self, e: Mapping[str, Any]) -> str:
        if e["step_size"] == 0:
            if e["trials"] == 0:
                why = "∇f = 0" if e["stationary"] else "H is not positive definite"
                return f"f does not fall along d, as {why}: W stays and H starts again from I."
            if e["at_precision"]:
                return f"{AT_PRECISION[0].upper()}{AT_PRECISION[1:]}: W stays, H starts from I."
            return "No step length lowered f, so W stays and H starts again from I."
        text = f"Step a = {say(e['step_size'])} after {int(e['trials'])} trial"
        text += "s" * bool(e["trials"] != 1)
        text += "" if e["wolfe"] else " (the Wolfe conditions were not reached)"
        text += "; the pair was skipped" if e["skipped"] else ""
        text += f"; {AT_PRECISION}" if e["at_precision"] else ""
        if np.isfinite(e.get("eig_max", np.nan)):
            text += f"; H has eigenvalues {say(e['eig_min'])} … {say(e['eig_max'])}"
        return text + "."

    # --- what it needs and costs ------------------------------------------------------------------

    dense = True

    def unavailable(self, problem: ProblemSpec) -> str | None:
        if problem.size > DENSE_LIMIT:
            return (f"BFGS keeps a dense matrix over all {problem.size:,} parameters; the limit "
                    f"is {DENSE_LIMIT:,}. L-BFGS has none.")
        return None

    def passes(self, problem: ProblemSpec) -> float:
        return 6

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "BFGS"
    family = "quasi-Newton"
    idea = (
        "Learn the inverse Hessian from how the gradient changes along each step. The line search "
        "makes every pair usable: sᵀy > 0. On a quadratic with exact searches it knows the whole "
        "Hessian after n steps.")
    equations = (
        r"d = -Hg,\qquad H \leftarrow (I-\rho s y^\top)\,H\,(I-\rho y "
        r"s^\top) + \rho\,s s^\top,\quad \rho = 1/s^\top y")
    reference = (
        "J. Nocedal, S. J. Wright, Numerical Optimization, 2006, alg. 6.1, doi "
        "10.1007/978-0-387-40065-5.")
    fails = (
        "On small batches each line search fits the batch at hand, and pairs from different "
        "batches contradict each other: it falls behind methods that average over batches.")
    failure = Failure(
        "slow", {"name": "linear_net", "batch": 2}, {},
        ({"name": "kbfgs", "lr": 0.1, "lam": 0.1}, {"name": "curveball"}))
    style = Style("#7f7f7f", "solid", "star")

    rows = (Row("bfgs", "BFGS"),
            Row("bfgs_identity", "BFGS from H₀ = I", {"scaling": "none"}))
    summaries = (
        Summary("eig_max", "largest eigenvalue of H", "max", ("eig_max",),
                lambda e: e["eig_max"], log=True),
        Summary("trials", "points tried per line search", "mean", ("trials",),
                lambda e: e["trials"]))
