"""What to do with a secant pair: the BFGS update of an inverse, and L-BFGS in compact form.

H⁺ = (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,    ρ = 1/sᵀy                     [NW06, eq. 6.17]
H  = I + [S Y] ⎡R⁻ᵀ(D + YᵀY)R⁻¹   −R⁻ᵀ⎤ [S Y]ᵀ,  R = triu(SᵀY), D = diag(SᵀY)
⎣     −R⁻¹            0 ⎦                     [Byrd, Nocedal, Schnabel 1994]
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.spectrum import extremes


def bfgs_update(H: Tensor, s: Tensor, Hy: Tensor, sy: Tensor, yHy: Tensor,
                keep: Tensor) -> tuple[Tensor, Tensor]:
    """BFGS update of the inverses H (R, n, n), as a correction of rank two.

    Args:
        H: current inverse Hessian estimates.
        s: (R, n).
        Hy: H y, (R, n).
        sy: sᵀy, (R,).
        yHy: yᵀHy, (R,).
        keep: (R,) mask of the runs whose H stays as it is. (R, k) everywhere for k layers.

    Returns:
        H⁺ = H − ρ(s (Hy)ᵀ + (Hy) sᵀ) + ρ(1 + ρ yᵀHy) s sᵀ = H + s wᵀ + w sᵀ where `keep` is
        False; and `keep`, with the runs where H⁺ would not have been finite.
    """
    rho = (1 / sy)[..., None]
    w = rho * (0.5 * (1 + rho * yHy[..., None]) * s - Hy)
    largest = s.abs().amax(-1) * w.abs().amax(-1)   # of s wᵀ: finite, then so is all of H⁺
    keep = keep | ~(2 * largest < torch.inf)
    s, w = (v.masked_fill(keep[..., None], 0) for v in (s, w))    # 0·NaN is NaN, hence both
    # two products, as reading a transpose takes longer; symmetric to the last bit all the same
    sw, ws = s[..., :, None] * w[..., None, :], w[..., :, None] * s[..., None, :]
    return sw.add_(ws).add_(H), keep


def skip(sy: Tensor, ss: Tensor, scale: Tensor, usable: Tensor) -> Tensor:
    """(R,) mask of pairs that must not be used: sᵀy ≤ 10⁻⁴ sᵀs·scale, or not finite (MATH §3)."""
    # an sᵀs that is not finite fails the second comparison, and a NaN all of them
    return ~(usable & (sy > 0) & (sy > 1e-4 * ss * scale) & (sy < torch.inf))


@dataclass(frozen=True)
class CompactLBFGS:
    """The last p pairs, and the inverse they define from H₀ = γI, applied without a loop over them.

    Empty places hold s = y = 0 with 1 on the diagonal of R, so they change nothing and every run
    may have filled a different number of places.
    """

    S: Tensor            # (R, p, n)
    Y: Tensor            # (R, p, n)
    gamma: Tensor        # (R,)

    @staticmethod
    def empty(runs: int, p: int, n: int, like: Tensor) -> CompactLBFGS:
        """No pairs: H = I."""
        zero = torch.zeros(runs, p, n, dtype=like.dtype, device=like.device)
        return CompactLBFGS(zero, zero, torch.ones_like(zero[:, 0, 0]))

    def push(self, s: Tensor, y: Tensor, keep: Tensor) -> CompactLBFGS:
        """Append s, y (R, n) and forget the oldest pair, except in the runs of `keep`."""
        k = keep[..., None, None]
        S, Y = (torch.cat([V[..., 1:, :], v[..., None, :]], -2)
                for V, v in ((self.S, s), (self.Y, y)))
        return CompactLBFGS(torch.where(k, self.S, S), torch.where(k, self.Y, Y), self.gamma)

    def layer(self, l: int, n: int) -> CompactLBFGS:
        """Of pairs (R, k, p, …) those of layer l, without its padding."""
        own = CompactLBFGS(self.S[:, l, :, :n], self.Y[:, l, :, :n], self.gamma[:, l])
        own.__dict__["middle"] = tuple(X[:, l] for X in self.middle)       # it is made already
        return own

    def without_newest(self) -> CompactLBFGS:
        """The matrix that the newest pair was applied to, once the oldest had been forgotten."""
        last = torch.ones_like(self.S[0, :, :1])
        last[-1] = 0
        return CompactLBFGS(self.S * last, self.Y * last, self.gamma)

    @cached_property
    def middle(self) -> tuple[Tensor, Tensor]:
        """R⁻¹ and D + γYᵀY, both (R, p, p); made once, however often H is applied."""
        SY = self.S @ self.Y.mT
        d = SY.diagonal(dim1=-2, dim2=-1)
        eye = torch.eye(SY.shape[-1], dtype=SY.dtype, device=SY.device)
        upper = torch.triu(SY) + torch.diag_embed((d == 0).to(SY.dtype))
        inverse = torch.linalg.solve_triangular(upper, eye.expand_as(SY), upper=True)
        G = self.gamma[..., None, None] * (self.Y @ self.Y.mT)
        return inverse, torch.diag_embed(d) + G

    def apply(self, V: Tensor) -> Tensor:
        """H V for V (R, n, m), by matrix-matrix products alone."""
        inverse, DG = self.middle
        gamma = self.gamma[..., None, None]
        a = inverse @ (self.S @ V)                       # R⁻¹ SᵀV
        YV = gamma * (self.Y @ V)
        return (gamma * V + self.S.mT @ (inverse.mT @ (DG @ a - YV))
                - gamma * (self.Y.mT @ a))

    def __call__(self, v: Tensor) -> Tensor:
        """H v for v (R, n)."""
        return self.apply(v[..., None])[..., 0]

    @cached_property
    def dense(self) -> Tensor:
        """H itself, (R, n, n)."""
        n = self.S.shape[-1]
        eye = torch.eye(n, dtype=self.S.dtype, device=self.S.device)
        H = self.apply(eye.expand(self.S.shape[0], n, n))
        return 0.5 * (H + H.mT)

    @cached_property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """λ_min and λ_max of H, (R,) each.

        H − γI has rank 2p at most: with U = [S γY] = QR, its eigenvalues are those of the 2p × 2p
        matrix γI + R M Rᵀ, and γ itself.
        """
        p, n = self.S.shape[1:]
        if n <= 2 * p:
            return extremes(self.dense)
        inverse, DG = self.middle
        gamma = self.gamma[:, None, None]
        corner = inverse.mT @ DG @ inverse
        M = torch.cat([torch.cat([corner, -inverse.mT], 2),
                       torch.cat([-inverse, torch.zeros_like(inverse)], 2)], 1)
        _, R = torch.linalg.qr(torch.cat([self.S, gamma * self.Y], 1).mT, mode="r")
        eye = torch.eye(2 * p, dtype=R.dtype, device=R.device)
        low, high = extremes(gamma * eye + R @ M @ R.mT)
        return torch.minimum(low, self.gamma), torch.maximum(high, self.gamma)

    def rescaled(self, s: Tensor, y: Tensor, keep: Tensor) -> CompactLBFGS:
        """The same pairs from H₀ = (sᵀy / yᵀy) I [NW06, eq. 7.20], except in runs of `keep`."""
        gamma = torch.where(keep, self.gamma, vecdot(s, y) / vecdot(y, y))
        return CompactLBFGS(self.S, self.Y, gamma)
