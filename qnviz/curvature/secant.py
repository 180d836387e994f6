"""What to do with a secant pair: the BFGS update of an inverse, and L-BFGS in compact form.

H⁺ = (I − ρ s yᵀ) H (I − ρ y sᵀ) + ρ s sᵀ,    ρ = 1/sᵀy                     [NW06, eq. 6.17]
H  = I + [S Y] ⎡R⁻ᵀ(D + YᵀY)R⁻¹   −R⁻ᵀ⎤ [S Y]ᵀ,  R = triu(SᵀY), D = diag(SᵀY)
⎣     −R⁻¹            0 ⎦                     [Byrd, Nocedal, Schnabel 1994]

Where every sᵀy > 0 both H and B = H⁻¹ are sums of squares, which rounding cannot make negative:

H = GᵀG,  G = ⎡D^½ A         ⎤,   A = R⁻¹Sᵀ                                  (MATH §7a)
              ⎣γ^½ (I − Y A) ⎦
B = WᵀW − (QᵀW)ᵀ(QᵀW),   W = ⎡γ^-½ I  ⎤,   Q R′ = ⎡γ^-½ S  ⎤,   L = SᵀY below its diagonal
                             ⎣D^-½ Yᵀ ⎦           ⎣D^-½ Lᵀ ⎦
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.spectrum import eigenvalues, gram_eigenvalues, two_sided
from qnviz.problems.norms import largest_power


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


def quotient(s: Tensor, y: Tensor) -> Tensor:
    """The first scale sᵀy / yᵀy (R,) of an inverse, for y (R, n) of any size that numbers have."""
    m = largest_power(y)
    unit = y / m
    return vecdot(s, unit) / vecdot(unit, unit) / m[..., 0]


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
        G = self._share * (self._short @ self.Y.mT)
        return inverse, torch.diag_embed(d) + G

    @cached_property
    def _short(self) -> Tensor:
        """Y times γ's power of two: YYᵀ is as far from 1 as the square of f's unit, γYYᵀ is not."""
        return self.Y * (self.gamma[..., None, None] / self._share)

    @cached_property
    def _share(self) -> Tensor:
        """What of γ is left for a factor, (R, 1, 1), in [½, 1)."""
        return torch.frexp(self.gamma[..., None, None])[0]

    def apply(self, V: Tensor) -> Tensor:
        """H V for V (R, n, m), by matrix-matrix products alone."""
        inverse, DG = self.middle
        gamma = self.gamma[..., None, None]
        a = inverse @ (self.S @ V)                       # R⁻¹ SᵀV
        YV = self._share * (self._short @ V)
        return (gamma * V + self.S.mT @ (inverse.mT @ (DG @ a - YV))
                - gamma * (self.Y.mT @ a))

    def __call__(self, v: Tensor) -> Tensor:
        """H v for v (R, n)."""
        return self.apply(v[..., None])[..., 0]

    @cached_property
    def dense(self) -> Tensor:
        """H itself, (R, n, n)."""
        G = self._wide._root()
        H = G.mT @ G
        return self._or_applied(0.5 * (H + H.mT), lambda H: H)

    def squared(self, v: Tensor) -> Tensor:
        """vᵀHv for v (R, n), as a sum of squares: never negative."""
        return (self._wide._root() @ v.double()[..., None]).square().sum((-2, -1)).to(v.dtype)

    @cached_property
    def eigenvalues(self) -> Tensor:
        """All eigenvalues of H, (R, n), ascending.

        Large ones are taken from GᵀG, small ones from B. H − γI has rank 2p at most: beyond the
        span of S and Y the eigenvalues are γ.
        """
        p, n = self.S.shape[-2:]
        m, wide, basis = min(n, 2 * p), self._wide, None
        if m < n:                          # orthonormal, of the span of S and Y
            basis, _ = torch.linalg.qr(torch.cat([wide.S, wide.Y], -2).mT)
        values = two_sided(gram_eigenvalues(wide._root(basis)),
                           1 / gram_eigenvalues(wide._inverse_root(basis)).flip(-1))
        if m < n:
            rest = wide.gamma[..., None].expand(*values.shape[:-1], n - m)
            values = torch.cat([values, rest], -1).sort(-1).values
        return self._or_applied(values, eigenvalues)

    @property
    def extremes(self) -> tuple[Tensor, Tensor]:
        """λ_min and λ_max of H, (R,) each."""
        return self.eigenvalues[..., 0], self.eigenvalues[..., -1]

    @cached_property
    def _wide(self) -> CompactLBFGS:
        """The same pairs in float64: what is looked at is not rounded as what is applied."""
        if self.S.dtype == torch.float64:
            return self
        return CompactLBFGS(self.S.double(), self.Y.double(), self.gamma.double())

    def _or_applied(self, found: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
        """What was `found`; where some sᵀy < 0, that `of` the matrices H as they are applied."""
        wide = self._wide
        lost = (wide._sy < 0).any(-1)
        if bool(lost.any()):
            eye = torch.eye(wide.S.shape[-1], dtype=wide.S.dtype, device=wide.S.device)
            H = CompactLBFGS(wide.S[lost], wide.Y[lost], wide.gamma[lost]).apply(eye)
            found[lost] = of(0.5 * (H + H.mT))
        return found.to(self.S.dtype)

    @property
    def _sy(self) -> Tensor:
        """sᵀy of every pair, (R, p); 0 in an empty place."""
        return vecdot(self.S, self.Y)

    def _root(self, basis: Tensor | None = None) -> Tensor:
        """G (R, p + m, m) with H = GᵀG, in an orthonormal basis (R, n, m); m = n without one."""
        S, Y, eye = self._within(basis)
        A = self.middle[0] @ S
        return torch.cat([self._sy.sqrt()[..., None] * A,
                          self.gamma.sqrt()[..., None, None] * (eye - Y.mT @ A)], -2)

    def _inverse_root(self, basis: Tensor | None = None) -> Tensor:
        """J (R, m + p, m) with H⁻¹ = JᵀJ: W without its part in the span of Q."""
        S, Y, eye = self._within(basis)
        empty = self._sy == 0
        root = torch.where(empty, 1, self._sy).rsqrt()[..., None]
        theta = self.gamma.rsqrt()[..., None, None]
        W = torch.cat([theta * eye, root * Y], -2)
        # an empty place gets a column that meets no other, nor W: qr would make one that does
        below = torch.tril(self.S @ self.Y.mT, -1).mT * root + torch.diag_embed(empty.to(S.dtype))
        Q, _ = torch.linalg.qr(torch.cat([theta * S.mT, below], -2))
        return W - Q @ (Q.mT @ W)

    def _within(self, basis: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        """S and Y (R, p, m) in a basis, and I (R, m, m)."""
        S, Y = (self.S, self.Y) if basis is None else (self.S @ basis, self.Y @ basis)
        eye = torch.eye(S.shape[-1], dtype=S.dtype, device=S.device)
        return S, Y, eye.expand(*S.shape[:-2], -1, -1)

    def rescaled(self, s: Tensor, y: Tensor, keep: Tensor) -> CompactLBFGS:
        """The same pairs from H₀ = (sᵀy / yᵀy) I [NW06, eq. 7.20], except in runs of `keep`."""
        gamma = torch.where(keep, self.gamma, quotient(s, y))
        return CompactLBFGS(self.S, self.Y, gamma)

