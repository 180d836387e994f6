"""Nesterov's accelerated gradient, as torch.optim.SGD(nesterov=True) computes it.

v ← μ v − α g        θ ← θ + μ v − α g
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Literal

from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import DropIn, Events, Failure, Row, Style, column
from qnviz.methods.sgd import SGD, Momentum
from qnviz.problems.norms import norm


class Nesterov(SGD):
    """SGD with Nesterov momentum."""

    name: Literal["nesterov"] = "nesterov"

    def step(self, oracle: Oracle, state: Momentum, p: SimpleNamespace) -> tuple[Momentum, Events]:
        g = oracle.gradient(oracle.forward(state.theta))
        push = -column(p.lr) * g
        v = column(p.momentum) * state.v + push
        move = column(p.momentum) * v + push
        events = {"push": norm(push), "velocity": norm(move)}
        return Momentum(state.theta + move, state.k + 1, v), events

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "Nesterov"
    idea = (
        "Momentum that looks ahead: the gradient corrects the step after the velocity has been "
        "applied. Overshoot is noticed one step earlier, so swings across a valley die out "
        "sooner. On convex problems, with μ rising towards 1, the error falls like 1/k² instead "
        "of 1/k.")
    equations = (
        r"v \leftarrow \mu v - \alpha g,\qquad "
        r"\theta \leftarrow \theta + \mu v - \alpha g")
    reference = (
        "Y. Nesterov, A method for solving the convex programming problem with convergence rate "
        "O(1/k²), 1983.")
    fails = (
        "Looking ahead costs step size: on a quadratic it diverges from 2(1+μ)/((1+2μ) λ_max) on, "
        "at μ = 0.9 little more than a third of the α that plain momentum bears.")
    failure = Failure(
        "diverged", {"name": "rosenbrock"}, {"lr": 3e-3},
        ({"name": "nesterov", "lr": 1e-3}, {"name": "sgd", "lr": 3e-3}), steps=1000)
    style = Style("#8a8a8a", "dash", "diamond")

    rows = (Row("nesterov", "Nesterov", tuned=("lr", "momentum")),)

    def drop_in(self) -> DropIn:
        return DropIn("torch.optim", "SGD", "none", "torch computes it as the lab does.",
                      fixed={"nesterov": True})
