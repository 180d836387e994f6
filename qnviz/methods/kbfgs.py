"""K-BFGS [Goldfarb, Ren, Bahamou 2020]: a quasi-Newton method with Kronecker factors per layer.

The inverse Hessian of layer l is approximated by H_a ⊗ H_g, so a step costs two small products:

    M ← β M + (1−β) ∇W              A ← β A + (1−β) E[ā āᵀ]                    (1)
    W ← W − α H_g M H_a                                                        (2)
    s_g ← β s_g + (1−β)(E[h⁺] − E[h]),   y_g ← β y_g + (1−β)(E[g⁺] − E[g])     (3)
    (s̃, ỹ) = DD(s_g, y_g; H_g, μ₁, μ₂ = √λ);   BFGS update of H_g with (s̃, ỹ)   (4)
    s_a = H_a E[ā],   y_a = (A + √λ I) s_a;    BFGS update of H_a              (5)

(3) compares pre-activations and their gradients before and after the step on the same batch; on a
full batch its β is 0. (5) is Hessian-action BFGS: it asks the known A for the pair it wants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from operator import attrgetter
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from qnviz.curvature.double_damping import (
    REPORTED,
    DampedPair,
    Damping,
    double_damping,
    spectrum_bounds,
    worst_case,
)
from qnviz.curvature.kronecker import (
    Layers,
    damped,
    hessian_action,
    joined,
    means,
    second_moment,
    second_moments,
    times,
)
from qnviz.curvature.oracle import Oracle
from qnviz.curvature.secant import bfgs_update, skip
from qnviz.fields import choice, number
from qnviz.methods.base import DropIn, Events, Failure, Row, State, Style, Summary, column
from qnviz.methods.factored import LARGEST, Factored
from qnviz.numbers import say
from qnviz.problems.products import product
from qnviz.problems.spec import Layer, ProblemSpec


@dataclass
class KroneckerState(State):
    """theta, k, and per layer: momentum, both factors, and the averaged pair.

    The layers of a small net share padded tensors (R, k, n, …): see `Layers`.
    """

    M: list[Tensor]                            # (R, out, in+1)
    A: Layers                                  # (R, in+1, in+1)
    H_a: Layers                                # (R, in+1, in+1)
    H_g: Layers                                # (R, out, out), or the pairs that define it
    s: Layers                                  # (R, out)
    y: Layers                                  # (R, out)


class KBFGS(Factored):
    """Kronecker-factored BFGS with double damping."""

    name: Literal["kbfgs"] = "kbfgs"
    lr: float = number(0.3, r"\alpha", "Step size.", gt=0, le=10, log=True)
    lam: float = number(0.3, r"\lambda", "Damping: √λ is added to A, and is μ₂.",
                        gt=0, lt=1, log=True)
    mu1: float = number(0.2, r"\mu_1", "Powell's damping acts where sᵀy < μ₁ yᵀHy.", gt=0, lt=1)
    momentum: float = number(0.9, r"\beta", "Memory of the averages.", ge=0, lt=1)
    damping: Damping = choice("double", "Which damping the pairs get.", r"\mathrm{DD}")

    def step(self, oracle: Oracle, state: KroneckerState,
             p: SimpleNamespace) -> tuple[KroneckerState, Events]:
        beta, root, join = p.momentum, p.lam.sqrt(), state.A.joined
        mu1, mu2 = column(p.mu1), column(root)
        tape = oracle.forward(state.theta)
        M = [torch.lerp(G, M_l, beta[:, None, None])
             for G, M_l in zip(oracle.blocks(tape), state.M, strict=True)]
        A = state.A if state.k == 0 else second_moments(tape.a, join).lerp(state.A, beta)  # (1)
        move = [product(self.apply(H_g, M_l), H_a)
                for H_g, M_l, H_a in zip(state.H_g, M, state.H_a, strict=True)]
        theta = oracle.moved(state.theta, p.lr, move)                                   # (2)
        after = oracle.forward(theta)
        oracle.backward(after)
        # h moves little against its size: in float32 the mean of h⁺ − h keeps a digit that the
        # difference of the means would lose
        dh = means([h1 - h for h1, h in zip(after.h, tape.h, strict=True)], join)
        g, g1 = means(tape.g, join), means(after.g, join)
        beta = torch.zeros_like(beta) if oracle.batch.full else beta
        s, y = dh.lerp(state.s, beta), g1.map(torch.sub, g).lerp(state.y, beta)         # (3)
        pairs = s.map(lambda s, y, H: double_damping(
            s, y, self.operator(H), mu1, mu2, self.damping), y, state.H_g)
        keep = pairs.map(lambda d, g: skip(d.sy, d.ss, g.norm(dim=-1), d.usable), g)
        H_g, skipped = state.H_g.map(self.update, pairs, keep).unzip()                  # (4)
        H_a = state.H_a.map(lambda H, A, a: hessian_action(H, A, root, a),
                            A, means(tape.a, join))                                     # (5)
        events = {name: pairs.map(attrgetter(name)).cat() for name in REPORTED}
        return KroneckerState(theta, state.k + 1, M, A, H_a, H_g, s, y), events | {
            "skipped": skipped.cat()}

    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> KroneckerState:
        moments = [second_moment(a).expand(len(theta), -1, -1) for a in oracle.forward(theta).a]
        return self.begin(theta, oracle.problem.layers, moments, p)

    def begin(self, theta: Tensor, layers: tuple[Layer, ...], moments: list[Tensor],
              p: SimpleNamespace) -> KroneckerState:
        """The state before the first step, from A = E[ā āᵀ] (R, in+1, in+1) of every layer."""
        join, runs = joined(layers), len(theta)
        A = Layers.of(moments, join)
        zero = Layers.of([theta.new_zeros(runs, layer.fan_out) for layer in layers], join)
        return KroneckerState(
            theta, 0, [theta.new_zeros(runs, *layer.shape) for layer in layers],
            A, A.map(lambda A: torch.linalg.inv(damped(A, p.lam))), zero.map(self.identity),
            zero, zero)

    # --- H_g, which K-BFGS(L) represents differently ----------------------------------------------

    def identity(self, like: Tensor) -> Any:
        """H_g = I for `like` (R, k, out)."""
        return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device).repeat(
            *like.shape[:-1], 1, 1)

    def apply(self, H: Any, M: Tensor) -> Tensor:
        """H_g M for M (R, out, m)."""
        return product(H, M)

    def operator(self, H: Any) -> Any:
        """H_g as a function of vectors (R, k, out)."""
        return lambda v: times(H, v)

    def update(self, H: Any, pair: DampedPair, keep: Tensor) -> tuple[Any, Tensor]:
        """H_g after the pair, and the mask of the runs that skipped it."""
        return bfgs_update(H, pair.s, pair.Hy, pair.sy, pair.c1 * pair.sy, keep)

    # --- what there is to see ---------------------------------------------------------------------

    def describe(self, e: Mapping[str, Any]) -> str:
        return damping_in_words(e, self.mu1, self.lam**0.5, self.damping)

    def watch(self, before: Events, after: Events, events: Events, p: SimpleNamespace) -> Events:
        """Extreme eigenvalues of H_g, and the bounds that the step's c₁, c₂ and damping give."""
        low, high = before["eig_min"], before["eig_max"]
        worst = worst_case(high, column(p.mu1), column(p.lam.sqrt()), self.damping)
        return after | spectrum_bounds(low, high, events["c1"], events["c2"], worst,
                                       events["skipped"])

    # --- what it needs and costs ------------------------------------------------------------------

    switchable = frozenset({"damping"})

    def footprint(self, problem: ProblemSpec) -> int:
        """As others with factors, but the layers of a small net are padded to the largest."""
        if not joined(problem.layers):
            return super().footprint(problem)
        outs, ins = zip(*(layer.shape for layer in problem.layers), strict=True)
        return 6 * problem.size + 4 * len(outs) * (max(outs)**2 + max(ins)**2)

    def recorded(self, problem: ProblemSpec) -> int:
        return 15 * len(problem.layers)

    def passes(self, problem: ProblemSpec) -> float:
        return 6

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "K-BFGS"
    family = "quasi-Newton"
    idea = (
        "Per layer, curvature is a Kronecker product of two small matrices: one for the inputs, "
        "one for the outputs. BFGS learns the output factor from how gradients change between two "
        "points. Double damping bends pairs that would make its eigenvalues explode or vanish, "
        "and those with sᵀy ≤ 0, which could only be skipped.")
    equations = (
        r"W \leftarrow W - \alpha\, H_g M H_a,\qquad (\tilde s,\tilde y) = "
        r"\mathrm{DD}(s_g, y_g; H_g),\qquad H_g \leftarrow (I-\rho\tilde s\tilde y^\top)\,H_g\,"
        r"(I-\rho\tilde y\tilde s^\top) + \rho\,\tilde s\tilde s^\top,\quad "
        r"\rho = 1/\tilde s^\top\tilde y")
    reference = (
        "D. Goldfarb, Y. Ren, A. Bahamou, Practical Quasi-Newton Methods for Training Deep Neural "
        "Networks, NeurIPS 2020, arXiv 2006.08877.")
    ours = (
        "A starts as the mean over the training set. On a full batch the authors' code starts it "
        "from 0, which makes the first steps longer, and more runs diverge.")
    fails = (
        "With a large α and a small λ it can still diverge: damping bounds the matrices, not the "
        "step. Undamped, a few bad pairs are enough to throw it far away.")
    failure = Failure(
        "diverged", {"name": "rosenbrock", "noise": 1.0, "start": (-0.25, -0.25)},
        {"lr": 1.0, "lam": 0.01},
        ({"name": "kbfgs", "lr": 0.1, "lam": 0.3},
         {"name": "kbfgs", "lr": 0.1, "lam": 0.3, "damping": "none"}))
    style = Style("#0072B2", "solid", "circle")

    ranges = {"lam": (1e-3, 0.9), "lr": (1e-2, 1.0)}
    variants = {"damping": {"double": "double damping", "powell": "Powell's damping",
                            "none": "undamped"}}
    rows = (Row("kbfgs", "K-BFGS", tuned=("lr", "momentum", "lam")),)
    summaries = (
        LARGEST,
        Summary("damped", "share of damped updates", "mean", ("theta1", "theta2"),
                lambda e: ((e["theta1"] < 1) | (e["theta2"] < 1)).double().mean(-1)))

    def drop_in(self) -> DropIn:
        return DropIn("qnviz.optim", "KBFGS", "backward",
                      "It passes the model twice a step: at the weights, and at the new ones.",
                      takes="model")


def damping_in_words(e: Mapping[str, Any], mu1: float, mu2: float, damping: Damping) -> str:
    """A sentence from the events of one step of one run; arrays (L,) over layers."""
    return (_of_layer(e, mu1, mu2, damping) if len(e["theta1"]) == 1 else _of_net(e)) + "."


def _of_net(e: Mapping[str, Any]) -> str:
    """All layers in one sentence: where damping acted, and where it acted most."""
    parts = []
    for name, theta, of in (("Powell's damping", e["theta1"], "s"), ("step 2", e["theta2"], "y")):
        acted = np.flatnonzero(theta < 1)
        if len(acted):
            most = int(np.argmin(theta))
            parts.append(f"{name} acted in {_layers(acted, len(theta))}, most in layer "
                         f"{most + 1}, where θ = {say(theta[most])} of {of} was kept")
    if (skipped := np.flatnonzero(e["skipped"])).size:
        parts.append(f"the pair of {_layers(skipped, len(e['skipped']))} was skipped")
    text = "; ".join(parts) or "good pairs in all layers"
    if "eig_max" in e and np.isfinite(e["eig_max"]).any():
        text += (f"; H_g has eigenvalues {say(np.nanmin(e['eig_min']))} … "
                 f"{say(np.nanmax(e['eig_max']))}")
    return text[0].upper() + text[1:]


def _of_layer(e: Mapping[str, Any], mu1: float, mu2: float, damping: Damping) -> str:
    """One layer, with the ratios that damping looks at."""
    if e["skipped"][0]:
        return "the pair was skipped (s̃ᵀỹ too small or not finite): H_g stays"
    parts = []
    if e["theta1"][0] < 1:
        parts.append(f"sᵀy/yᵀHy = {say(e['ratio1_before'][0])} < μ₁ = {say(mu1)}, so "
                     f"Powell's damping kept θ₁ = {say(e['theta1'][0])} of s")
    if e["theta2"][0] < 1:
        parts.append(f"s̃ᵀy/s̃ᵀs̃ = {say(e['ratio2_before'][0])} < μ₂ = {say(mu2)}, so "
                     f"step 2 kept θ₂ = {say(e['theta2'][0])} of y")
    if not parts:
        parts.append(("undamped" if damping == "none" else "a good pair")
                     + f", with sᵀy/sᵀs = {say(e['ratio2_before'][0])}")
    text = ", then ".join(parts)
    if "eig_max" in e and np.isfinite(e["eig_max"][0]):
        text += f"; H_g has eigenvalues {say(e['eig_min'][0])} … {say(e['eig_max'][0])}"
    return text


def _layers(rows: np.ndarray, all_of: int) -> str:
    """Layers in words: all layers, layer 3, layers 1, 2, 5."""
    if len(rows) == all_of:
        return "all layers"
    return f"layer{'s' * (len(rows) > 1)} {', '.join(str(r + 1) for r in rows)}"
