"""L-BFGS with a strong Wolfe line search [NW06, algorithm 7.5], in compact form.

The last p pairs define H from H₀ = γI, γ = sᵀy / yᵀy of the newest pair [NW06, eq. 7.20].
"""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Literal

import torch
from torch import Tensor

from qnviz.curvature.secant import CompactLBFGS
from qnviz.fields import whole
from qnviz.methods.base import DropIn, Events, Failure, Row, Style
from qnviz.methods.bfgs import BFGS
from qnviz.problems.spec import ProblemSpec


class LBFGS(BFGS):
    """Limited-memory BFGS."""

    name: Literal["lbfgs"] = "lbfgs"
    memory: int = whole(10, "p", "How many pairs are remembered.", ge=1, le=200)

    def identity(self, theta: Tensor) -> CompactLBFGS:
        return CompactLBFGS.empty(len(theta), self.memory, theta.shape[1], theta)

    def apply(self, H: CompactLBFGS, v: Tensor) -> Tensor:
        return H(v)

    def update(self, H: CompactLBFGS, s: Tensor, y: Tensor, keep: Tensor,
               rescale: Tensor) -> CompactLBFGS:
        return H.push(s, y, keep).rescaled(s, y, keep if self.scaling == "pair" else keep | True)

    def reset(self, H: CompactLBFGS, lost: Tensor) -> CompactLBFGS:
        k = lost[:, None, None]
        return replace(H, S=torch.where(k, 0, H.S), Y=torch.where(k, 0, H.Y),
                       gamma=torch.where(lost, 1, H.gamma))

    def matrix(self, problem: ProblemSpec) -> int:
        return min(2 * self.memory, problem.size)

    def measure(self, shown: CompactLBFGS, p: SimpleNamespace) -> Events:
        return dict(zip(("eig_min", "eig_max"), shown.extremes, strict=True))

    # --- what it needs and costs ------------------------------------------------------------------

    dense = False

    def unavailable(self, problem: ProblemSpec) -> str | None:
        return None

    def footprint(self, problem: ProblemSpec) -> int:
        return (4 * self.memory + 6) * problem.size

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "L-BFGS"
    idea = (
        "BFGS that keeps the last p pairs instead of a matrix. Its inverse starts from γI, with γ "
        "read off the newest pair. Memory is 2pP, so it fits problems with millions of unknowns.")
    equations = (
        r"H = \gamma I + [S\;\gamma Y]\begin{bmatrix}R^{-\top}(D+\gamma "
        r"Y^\top Y)R^{-1} & -R^{-\top}\\-R^{-1} & 0\end{bmatrix}"
        r"[S\;\gamma Y]^\top,\qquad \gamma = s^\top y/y^\top y")
    reference = (
        "J. Nocedal, S. J. Wright, Numerical Optimization, 2006, alg. 7.5, doi "
        "10.1007/978-0-387-40065-5.")
    fails = (
        "Where many eigenvalues differ, p pairs cannot hold them all: what is forgotten has to be "
        "learned again, and BFGS, which forgets nothing, arrives earlier.")
    failure = Failure(
        "slow", {"name": "linear_net"}, {}, ({"name": "bfgs"},))
    style = Style("#7f7f7f", "dashdot", "star")

    rows = (Row("lbfgs", "L-BFGS"),)

    def drop_in(self) -> DropIn:
        return DropIn(
            "torch.optim", "LBFGS", "backward",
            "torch has the same recursion and the same Wolfe conditions, but its own line search: "
            "close to the lab's run, not equal. It wants the full batch.",
            renamed={"memory": "history_size"}, full_batch=True,
            fixed={"max_iter": 1, "max_eval": 30, "line_search_fn": "strong_wolfe"})
