"""RMSprop [Tieleman, Hinton 2012], as torch.optim.RMSprop computes it.

v ← β v + (1−β) g²        θ ← θ − α g / (√v + ε)
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
class RMSpropState(State):
    """theta, k, and the mean squared gradient."""

    v: Tensor                                  # (R, P)


class RMSprop(Method):
    """Gradient descent rescaled by the root mean square of recent gradients."""

    name: Literal["rmsprop"] = "rmsprop"
    lr: float = number(0.01, r"\alpha", "Step size per coordinate.", gt=0, le=10, log=True)
    beta: float = number(0.99, r"\beta", "Memory of the mean squared gradient.", ge=0, lt=1)
    eps: float = number(1e-8, r"\epsilon", "Keeps the division finite.", gt=0, le=1, log=True)

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> RMSpropState:
        return RMSpropState(theta, 0, torch.zeros_like(theta))

    def step(self, oracle: Oracle, state: RMSpropState,
             p: SimpleNamespace) -> tuple[RMSpropState, Events]:
        g = oracle.gradient(oracle.forward(state.theta))
        b = column(p.beta)
        v = b * state.v + (1 - b) * g * g
        scale = v.sqrt() + column(p.eps)
        move = -column(p.lr) * g / scale
        events = {"rescaling": scale.amax(1) / scale.amin(1), "move": norm(move)}
        return RMSpropState(state.theta + move, state.k + 1, v), events

    def describe(self, e: Mapping[str, Any]) -> str:
        return (f"The step was {say(e['move'])} long; the coordinates' scales differ by a factor "
                f"of {say(e['rescaling'])}.")

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "RMSprop"
    family = "first order"
    idea = (
        "Each coordinate's gradient is divided by its recent root mean square. Steep coordinates "
        "are slowed, flat ones sped up. Unlike Adam it has no momentum and no correction of the "
        "first steps.")
    equations = (
        r"v \leftarrow \beta v + (1-\beta) g^2,\qquad "
        r"\theta \leftarrow \theta - \alpha \frac{g}{\sqrt v + \epsilon}")
    reference = "T. Tieleman, G. Hinton, Lecture 6.5, Coursera, 2012."
    fails = (
        "Its steps do not shrink with the gradient, as √v shrinks as well: where the valley is "
        "narrower than α it keeps hopping from wall to wall.")
    failure = Failure(
        "stalls", {"name": "rosenbrock"}, {"lr": 0.1}, ({"name": "rmsprop"},), steps=1000)
    style = Style("#a6761d", "dashdot", "triangle-up")

    rows = (Row("rmsprop", "RMSprop", tuned=("lr", "beta")),)

    def drop_in(self) -> DropIn:
        return DropIn("torch.optim", "RMSprop", "none", "torch computes it as the lab does.",
                      renamed={"beta": "alpha"})
