"""K-BFGS(L) [Goldfarb, Ren, Bahamou 2020]: K-BFGS that stores pairs instead of a matrix.

H_g is never formed: the last p damped pairs define it from H₀ = I, and it is applied in the compact form
of Byrd, Nocedal and Schnabel, by matrix-matrix products without a loop over pairs, which suits GPUs:

    H v = v + [S Y] ⎡R⁻ᵀ(D + YᵀY)R⁻¹   −R⁻ᵀ⎤ [S Y]ᵀ v,    R = triu(SᵀY), D = diag(SᵀY)
                    ⎣     −R⁻¹            0 ⎦

Everything else is K-BFGS. When the window is full, the oldest pair is forgotten before the new one
is used, so the eigenvalue bounds are those of an update of that shortened matrix (ours).
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, Literal

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.double_damping import DampedPair, spectrum_bounds, worst_case
from qnviz.curvature.kronecker import Layers
from qnviz.curvature.secant import CompactLBFGS
from qnviz.curvature.spectrum import definite_eigenvalues
from qnviz.fields import whole
from qnviz.methods.base import DropIn, Events, Failure, Style, column
from qnviz.methods.kbfgs import KBFGS, KroneckerState
from qnviz.problems.spec import ProblemSpec


class KBFGSL(KBFGS):
    """Kronecker-factored limited-memory BFGS with double damping."""

    name: Literal["kbfgs_l"] = "kbfgs_l"
    memory: int = whole(10, "p", "How many pairs each layer remembers.", ge=1, le=200)

    def identity(self, like: Tensor) -> CompactLBFGS:
        zero = like.new_zeros(*like.shape[:-1], self.memory, like.shape[-1])
        return CompactLBFGS(zero, zero, torch.ones_like(like[..., 0]))

    def apply(self, H: CompactLBFGS, M: Tensor) -> Tensor:
        return H.apply(M)

    def operator(self, H: CompactLBFGS) -> Any:
        return H

    def update(self, H: CompactLBFGS, pair: DampedPair, keep: Tensor) -> tuple[
            CompactLBFGS, Tensor]:
        """The window with the new pair, and the mask of the runs that skipped it."""
        H_next = H.push(pair.s, pair.y, keep)
        overflow = ~torch.stack([torch.isfinite(x).flatten(-2).all(-1) for x in H_next.middle]).all(0)
        if bool(overflow.any()):                               # rare: H_next keeps what it computed
            keep = keep | overflow
            H_next = H.push(pair.s, pair.y, keep)
        return H_next, keep

    # --- what there is to see ---------------------------------------------------------------------

    def matrix(self, problem: ProblemSpec) -> int:
        return min(2 * self.memory, super().matrix(problem))

    def measure(self, shown: Layers, p: SimpleNamespace) -> Events:
        """Of H and of `base`, what its newest pair was applied to, once the oldest had left."""
        layers = []
        for H in shown:
            base, y = H.without_newest(), H.Y[:, -1]
            sy = vecdot(H.S[:, -1], y)
            low, high = H.extremes
            base_low, base_high = base.extremes
            layers.append({
                "eig_min": low, "eig_max": high, "base_low": base_low, "base_high": base_high,
                "base_c1": base.squared(y) / sy,
                "full": (H.S[:, 0] != 0).any(-1)})                # the next pair drives one out
        return {name: torch.stack([layer[name] for layer in layers], -1) for name in layers[0]}

    def watch(self, before: Events, after: Events, events: Events, p: SimpleNamespace) -> Events:
        """As for K-BFGS, but the update starts from `base`, not from the H that damping saw."""
        keep, mu1, mu2 = events["skipped"], column(p.mu1), column(p.lam.sqrt())
        low = torch.where(keep, after["eig_min"], after["base_low"])
        high = torch.where(keep, after["eig_max"], after["base_high"])
        # where a pair had to leave H, yᵀ base y ≤ q yᵀHy ≤ (q/μ₁) s̃ᵀy with q = λ_max(base)/λ_min(H)
        ratio = torch.where(before["full"], high / before["eig_min"], 1)
        worst = worst_case(high, mu1 / ratio, mu2, self.damping)
        bounds = spectrum_bounds(low, high, after["base_c1"], events["c2"], worst, keep)
        return bounds | {name: after[name] for name in ("eig_min", "eig_max")}

    def spectra(self, state: KroneckerState) -> dict[str, list[Tensor]]:
        return {"g": [H.eigenvalues for H in state.H_g],
                "a": [definite_eigenvalues(H) for H in state.H_a]}

    # --- what it needs and costs ------------------------------------------------------------------

    def footprint(self, problem: ProblemSpec) -> int:
        """K-BFGS's numbers and the pairs, which in small nets may be larger than the matrices."""
        widest = max(layer.fan_out for layer in problem.layers)
        return super().footprint(problem) + 4 * self.memory * len(problem.layers) * widest

    # --- how it is listed, drawn and compared -----------------------------------------------------

    twin = True

    title = "K-BFGS(L)"
    idea = (
        "K-BFGS with a short memory: for the outputs of a layer it keeps the last p pairs in "
        "place of a matrix. The inverse they define is applied by a few matrix products. What was "
        "learned from older pairs is forgotten.")
    equations = (
        r"H_g v = v + [S\,Y]\begin{bmatrix}R^{-\top}(D+Y^\top Y)R^{-1} & -R^{-\top}\\"
        r"-R^{-1} & 0\end{bmatrix}[S\,Y]^\top v,\qquad R = \mathrm{triu}(S^\top Y),\;"
        r"D = \mathrm{diag}(S^\top Y)")
    fails = (
        "Where a pair is forgotten, H_g is the identity again: a short memory forgets the steep "
        "directions, and an α that suited the learned H_g is far too large without it.")
    failure = Failure(
        "diverged", {"name": "rosenbrock"}, {"lr": 0.05, "memory": 1},
        ({"name": "kbfgs_l", "lr": 0.05}, {"name": "kbfgs", "lr": 0.05}))
    style = Style("#56B4E9", "dash", "circle")

    def drop_in(self) -> DropIn:
        return super().drop_in()._replace(name="KBFGSL")
