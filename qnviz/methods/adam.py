"""Adam [Kingma, Ba 2015, algorithm 1], as torch.optim.Adam computes it.

m ← β₁ m + (1−β₁) g      v ← β₂ v + (1−β₂) g²
θ ← θ − α m̂ / (√v̂ + ε),   m̂ = m / (1−β₁ᵏ),  v̂ = v / (1−β₂ᵏ)
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
class AdamState(State):
    """theta, k, and both moments."""

    m: Tensor                                  # (R, P)
    v: Tensor                                  # (R, P)


class Adam(Method):
    """Adaptive moment estimation."""

    name: Literal["adam"] = "adam"
    lr: float = number(0.05, r"\alpha", "Step size per coordinate.", gt=0, le=10, log=True)
    beta1: float = number(0.9, r"\beta_1", "Memory of the mean gradient.", ge=0, lt=1)
    beta2: float = number(0.999, r"\beta_2", "Memory of the mean squared gradient.", ge=0, lt=1)
    eps: float = number(1e-8, r"\epsilon", "Keeps the division finite.", gt=0, le=1, log=True)

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> AdamState:
        zero = torch.zeros_like(theta)
        return AdamState(theta, 0, zero, zero)

    def step(self, oracle: Oracle, state: AdamState,
             p: SimpleNamespace) -> tuple[AdamState, Events]:
        g = oracle.gradient(oracle.forward(state.theta))
        k, b1, b2 = state.k + 1, column(p.beta1), column(p.beta2)
        m = b1 * state.m + (1 - b1) * g
        v = b2 * state.v + (1 - b2) * g * g
        scale = v.sqrt() / (1 - b2**k).sqrt() + column(p.eps)
        move = -column(p.lr) / (1 - b1**k) * m / scale
        events = {"rescaling": (scale.amax(1) / scale.amin(1)), "move": norm(move)}
        return AdamState(state.theta + move, k, m, v), events

    def describe(self, e: Mapping[str, Any]) -> str:
        return (f"The step was {say(e['move'])} long; the coordinates' scales differ by a factor "
                f"of {say(e['rescaling'])}.")

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "Adam"
    family = "first order"
    idea = (
        "Momentum divided by the recent size of each coordinate's gradient, so all coordinates "
        "move about α a step. That is a diagonal rescaling by gradient size, not by curvature. A "
        "valley that runs diagonally is still a valley for it.")
    equations = (
        r"m \leftarrow \beta_1 m + (1-\beta_1) g,\quad v \leftarrow \beta_2 v + (1-\beta_2) g^2,"
        r"\quad \theta \leftarrow \theta - \alpha \frac{m/(1-\beta_1^k)}"
        r"{\sqrt{v/(1-\beta_2^k)} + \epsilon}")
    reference = "D. P. Kingma, J. Ba, Adam, ICLR 2015, arXiv 1412.6980."
    fails = (
        "With a large α it does not stay where it has arrived: as gradients become small, √v "
        "forgets the large ones, steps grow relative to them, and one of them jumps out of the "
        "valley.")
    failure = Failure(
        "jumps", {"name": "rosenbrock"}, {"lr": 1.0}, ({"name": "adam", "lr": 0.5},), steps=1000)
    style = Style("#E69F00", "dash", "triangle-up")

    rows = (Row("adam", "Adam", tuned=("lr", "beta1", "beta2")),
            Row("adam_lr", "Adam, only α tuned", tuned=("lr",)))

    def drop_in(self) -> DropIn:
        return DropIn("torch.optim", "Adam", "none", "torch computes it as the lab does.",
                      renamed={"beta1": "betas", "beta2": "betas"})
