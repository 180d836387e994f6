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
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.double_damping import DampedPair, worst_case
from qnviz.curvature.secant import CompactLBFGS
from qnviz.curvature.spectrum import extremes
from qnviz.fields import whole
from qnviz.methods.base import Look
from qnviz.methods.kbfgs import KBFGS, spectrum_bounds


class KBFGSL(KBFGS):
    """Kronecker-factored limited-memory BFGS with double damping."""

    title: ClassVar[str] = "K-BFGS(L)"
    idea: ClassVar[str] = (
        "K-BFGS with a short memory: instead of a matrix per layer it keeps the last p pairs. "
        "The inverse they define is applied by a few matrix products. What p pairs ago was "
        "learned is forgotten, which helps when curvature changes quickly.")
    equations: ClassVar[str] = (
        r"H_g v = v + [S\,Y]\begin{bmatrix}R^{-\top}(D+Y^\top Y)R^{-1} & -R^{-\top}\\"
        r"-R^{-1} & 0\end{bmatrix}[S\,Y]^\top v,\qquad R = \mathrm{triu}(S^\top Y),\;"
        r"D = \mathrm{diag}(S^\top Y)")
    look: ClassVar[Look] = Look("#56B4E9", "dash", "circle")

    name: Literal["kbfgs_l"] = "kbfgs_l"
    memory: int = whole(10, "p", "How many pairs each layer remembers.", ge=1, le=200)

    def identity(self, like: Tensor) -> CompactLBFGS:
        return CompactLBFGS.empty(len(like), self.memory, like.shape[1], like)

    def apply(self, H: CompactLBFGS, M: Tensor) -> Tensor:
        return H.apply(M)

    def operator(self, H: CompactLBFGS) -> Any:
        return H

    def update(self, H: CompactLBFGS, pair: DampedPair, keep: Tensor,
               p: SimpleNamespace) -> tuple[CompactLBFGS, dict[str, Tensor]]:
        """The window with the new pair, and the spectrum of the matrix it defines."""
        H_next = H.push(pair.s, pair.y, keep)
        overflow = ~torch.isfinite(H_next.dense).all(-1).all(-1)
        if bool(overflow.any()):                               # rare: H_next keeps what it computed
            keep = keep | overflow
            H_next = H.push(pair.s, pair.y, keep)
        base = H_next.without_newest()                         # what the pair was applied to
        low, high = extremes(torch.where(keep[:, None, None], H_next.dense, base.dense))
        c1 = (vecdot(pair.y, base(pair.y)) / pair.sy).clamp_min(0)   # base ≻ 0 but for rounding
        worst1, worst2 = worst_case(high, p.mu1, p.lam.sqrt(), self.damping)
        # Damping looked at H, the update starts from `base`: ỹᵀ base ỹ ≤ (λ_max(base)/λ_min(H)) ỹᵀHỹ
        low_H, high_H = H.extremes
        worst_H, _ = worst_case(high_H, p.mu1, p.lam.sqrt(), self.damping)
        full = (H.S[:, 0] != 0).any(-1)                        # a pair had to leave
        worst1 = torch.where(full & torch.isfinite(worst_H), worst_H * high / low_H, worst1)
        bounds = spectrum_bounds(low, high, c1, pair.c2, (worst1, worst2), keep)
        return H_next, bounds | {"skipped": keep} | dict(
            zip(("eig_min", "eig_max"), H_next.extremes, strict=True))
