"""Nesterov's accelerated gradient, as torch.optim.SGD(nesterov=True) computes it.

v ← μ v − α g        θ ← θ + μ v − α g
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import ClassVar, Literal

from qnviz.curvature.oracle import Oracle
from qnviz.methods.base import Events, Look, column
from qnviz.methods.sgd import SGD, Momentum


class Nesterov(SGD):
    """SGD with Nesterov momentum."""

    title: ClassVar[str] = "Nesterov"
    idea: ClassVar[str] = ("Momentum that looks ahead: the gradient corrects the step after the "
                           "velocity has been applied, so overshoot is noticed one step earlier. "
                           "On convex problems that changes the rate from 1/k to 1/k².")
    equations: ClassVar[str] = (r"v \leftarrow \mu v - \alpha g,\qquad "
                                r"\theta \leftarrow \theta + \mu v - \alpha g")
    reference: ClassVar[str] = ("Y. Nesterov, A method for solving the convex programming problem "
                                "with convergence rate O(1/k²), 1983.")
    look: ClassVar[Look] = Look("#8a8a8a", "dash", "diamond")

    name: Literal["nesterov"] = "nesterov"

    def step(self, oracle: Oracle, state: Momentum, p: SimpleNamespace) -> tuple[Momentum, Events]:
        g = oracle.gradient(oracle.forward(state.theta))
        push = -column(p.lr) * g
        v = column(p.momentum) * state.v + push
        move = column(p.momentum) * v + push
        events = {"push": push.norm(dim=1), "velocity": move.norm(dim=1)}
        return Momentum(state.theta + move, state.k + 1, v), events
