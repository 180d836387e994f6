"""Gradient descent with heavy-ball momentum [Polyak 1964], as torch.optim.SGD computes it.

v ← μ v − α g        θ ← θ + v
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.fields import number
from qnviz.methods.base import DropIn, Events, Failure, Method, Row, State, Style, column
from qnviz.numbers import say
from qnviz.problems.norms import norm


@dataclass
class Momentum(State):
    """theta, k, and the velocity."""

    v: Tensor                                  # (R, P)


class SGD(Method):
    """Stochastic gradient descent with momentum."""

    name: Literal["sgd"] = "sgd"
    lr: float = number(1e-3, r"\alpha", "Step size.", gt=0, le=10, log=True)
    momentum: float = number(0.9, r"\mu", "Share of the last step that is kept.", ge=0, lt=1)

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> Momentum:
        return Momentum(theta, 0, torch.zeros_like(theta))

    def step(self, oracle: Oracle, state: Momentum, p: SimpleNamespace) -> tuple[Momentum, Events]:
        g = oracle.gradient(oracle.forward(state.theta))
        push = -column(p.lr) * g
        v = column(p.momentum) * state.v + push
        events = {"push": norm(push), "velocity": norm(v)}
        return Momentum(state.theta + v, state.k + 1, v), events

    def describe(self, e: Mapping[str, Any]) -> str:
        return (f"The gradient pushed by {say(e['push'])}; with momentum the step was "
                f"{say(e['velocity'])} long.")

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "SGD + momentum"
    family = "first order"
    idea = (
        "A heavy ball rolls downhill: each step keeps a share μ of the last one and adds a push "
        "against the gradient. It sees slope, never curvature. In a narrow valley the steep walls "
        "limit α, and the floor is slow.")
    equations = r"v \leftarrow \mu v - \alpha g,\qquad \theta \leftarrow \theta + v"
    reference = (
        "B. T. Polyak, Some methods of speeding up the convergence of iteration methods, 1964, "
        "doi 10.1016/0041-5553(64)90137-5.")
    fails = (
        "It diverges when α is well above 2(1+μ)/λ_max, the limit on a quadratic whose largest "
        "eigenvalue is λ_max. Well below that limit it crawls along the flat directions.")
    failure = Failure(
        "diverged", {"name": "rosenbrock"}, {"lr": 1e-2},
        ({"name": "sgd", "lr": 3e-3}, {"name": "sgd", "lr": 3e-4}), steps=1000)
    style = Style("#8a8a8a", "dot", "square")

    rows = (Row("sgd", "SGD + momentum", tuned=("lr", "momentum")),)

    def drop_in(self) -> DropIn:
        return DropIn("torch.optim", "SGD", "none", "torch computes it as the lab does.")
