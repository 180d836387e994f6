"""What a Krylov solver did with one system: its record as numpy columns, and a sentence each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from qnviz.curvature.krylov import Krylov, Reason, leading_spectra, ritz_values
from qnviz.methods.newton_krylov import SOLVER_NAMES
from qnviz.numbers import say
from qnviz.problems.norms import norm


@dataclass(frozen=True)
class Solve:
    """J iterations, of which the last gave no iterate if a rule fired before its step."""

    solver: str
    title: str
    reason: str                      # in words
    iterations: int                  # J, products that were asked for
    bare: bool                       # whether steepest descent replaced an empty d
    curvature: np.ndarray            # κ_j (J,), of CG's direction or of MINRES's residual
    rayleigh: np.ndarray             # κ_j over the squared length (J,)
    residual: np.ndarray             # ‖r_j‖ from j = 0 on (taken + 1,)
    model: np.ndarray                # q(d_j) from j = 0 on (taken + 1,)
    ritz: list[np.ndarray]           # eigenvalues of T_j for j = 1 … J
    path: np.ndarray                 # d_j from j = 0 on (taken + 1, P)
    d: np.ndarray                    # (P,), the direction that came out
    words: list[str]                 # one sentence for j = 0 … J
    end: str                         # why it ended


def solved(solver: str, k: Krylov, g: Tensor, eta: Tensor) -> Solve:
    """The record of a system alone in its batch, in numpy."""
    J = int(k.iterations[0])
    columns = {n: getattr(k, n)[0, :J].cpu().numpy() for n in (
        "curvature", "rayleigh", "residual", "model", "alpha", "beta")}
    taken = int(np.isfinite(columns["residual"]).sum())
    size, g0 = float(norm(g[0])), g[0].cpu().numpy()
    residual = np.concatenate([[size], columns["residual"][:taken]])
    model = np.concatenate([[0.0], columns["model"][:taken]])
    path = np.concatenate([np.zeros((1, len(g0))), k.path[0, :taken].cpu().numpy()])
    reason = Reason(int(k.reason[0]))
    goal = float(eta[0]) * size
    end = _end(solver, reason, J, columns["rayleigh"], goal)
    bare = bool(k.bare[0])
    if bare:
        end += " So steepest descent, d along −g, instead."
    ritz = _ritz(solver, columns, residual)
    words = [f"d = 0 and r = −g: ‖r‖ = {say(size)}; the goal is ≤ {say(goal)}."]
    for j in range(1, J + 1):
        text = f"Curvature {say(columns['rayleigh'][j - 1])}"
        if j <= taken:
            text += f"; ‖r‖ = {say(residual[j])}, q = {say(model[j])}"
        words.append(text + "." + (f" {end}" if j == J else ""))
    return Solve(solver, SOLVER_NAMES[solver], reason.words, J, bare, columns["curvature"],
                 columns["rayleigh"], residual, model, ritz, path, k.d[0].cpu().numpy(), words, end)


def _end(solver: str, reason: Reason, J: int, rayleigh: np.ndarray, goal: float) -> str:
    """Why it ended, with its numbers."""
    along = "p" if solver == "cg" else "r"
    curvature = f"{along}ᵀH{along}/{along}ᵀ{along}"
    return f"Ended at iteration {J}: " + {
        Reason.CONVERGED: f"tolerance reached, ‖r‖ ≤ {say(goal)}.",
        Reason.NEGATIVE_CURVATURE: f"negative curvature, {curvature} = {say(rayleigh[-1])}.",
        Reason.ZERO_CURVATURE: f"zero curvature, {curvature} is 0 beside what was seen before.",
        Reason.DISTURBING: "disturbing direction, its step would have raised the model.",
        Reason.BUDGET: "the budget was used up.",
        Reason.NON_FINITE: "a product or its step was not finite.",
        Reason.STAGNATED: f"the residual stagnated above {say(goal)}, at rounding."}[reason]


def _ritz(solver: str, columns: dict[str, np.ndarray], residual: np.ndarray) -> list[np.ndarray]:
    """Ritz values of every iteration, the one that met negative curvature among them."""
    alpha, beta = columns["alpha"], columns["beta"]
    if residual[0] == 0:
        return []
    if solver == "minres":
        return leading_spectra(alpha, beta[:-1])
    kappa = columns["curvature"][-1]
    if not np.isfinite(alpha[-1]) and np.isfinite(kappa) and kappa:
        # the step that was not taken has a length too, and its Ritz value is the one that turned
        alpha = np.append(alpha[:-1], residual[len(alpha) - 1] ** 2 / kappa)
    return ritz_values(alpha, beta)
