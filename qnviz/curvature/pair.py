"""One quasi-Newton update in the plane: a 2×2 H with its pair under every damping.

A real update has n dimensions, but s, Hy and with them s̃ lie in a plane: `section` cuts H by it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from qnviz.curvature.double_damping import (
    DampedPair,
    Damping,
    double_damping,
    update_bounds,
    worst_case,
)
from qnviz.curvature.secant import bfgs_update
from qnviz.curvature.spectrum import definite_extremes
from qnviz.errors import QnvizError
from qnviz.problems.norms import norm

PARALLEL = 1e-13           # what is left of Hy beside s is rounding below this share of it


class Updated(NamedTuple):
    """H⁺ under one damping, its spectrum and what bounds it; all (…)."""

    pair: DampedPair
    H: Tensor                 # H⁺           (…, 2, 2); H itself where `changed` is False
    changed: Tensor           # False where s = 0, yᵀHy = 0 or s̃ᵀỹ = 0: there is no update
    low: Tensor               # λ_min(H⁺); negative exactly where the undamped sᵀy is
    high: Tensor
    pair_low: Tensor          # from λ(H) and the pair's own c₁, c₂; NaN unless s̃ᵀỹ > 0
    pair_high: Tensor         # certified where the a-priori one is not 0 or ∞, else a-posteriori
    apriori_low: Tensor       # from λ(H), μ₁ and μ₂ alone; 0 and ∞ where damping promises nothing
    apriori_high: Tensor


class InPlane(NamedTuple):
    """The same update under the three dampings."""

    none: Updated
    powell: Updated
    double: Updated


def update_in_plane(H: Tensor, s: Tensor, y: Tensor, mu1: Tensor, mu2: Tensor) -> InPlane:
    """BFGS update of H ≻ 0 (…, 2, 2) with s, y (…, 2), undamped, Powell-damped, double-damped.

    mu1, mu2 (…) lie in (0, 1). What the drag view computes in the browser is tested against this.
    """
    low, high = definite_extremes(H)

    def updated(damping: Damping) -> Updated:
        p = double_damping(s, y, lambda v: (H @ v[..., None])[..., 0], mu1, mu2, damping)
        yHy = (p.y * p.Hy).sum(-1)
        H_new, kept = bfgs_update(H, p.s, p.Hy, p.sy, yHy, ~p.usable | (p.sy == 0))
        ends = _spectrum(H_new, torch.where(kept, low * high, _turned(H, low * high, p.s) / p.sy))
        bounded = p.usable & (p.sy > 0)
        low_c, high_c = (torch.where(bounded, b, torch.nan)
                         for b in update_bounds(low, high, p.c1, p.c2))
        low_a, high_a = update_bounds(low, high, *worst_case(high, mu1, mu2, damping))
        return Updated(p, H_new, ~kept, *ends, low_c, high_c, low_a, high_a)

    return InPlane(updated("none"), updated("powell"), updated("double"))


def _turned(H: Tensor, det: Tensor, s: Tensor) -> Tensor:
    """sᵀy det H⁺ = tᵀHt with s turned to t = (s₂, −s₁), as a sum of squares."""
    a, b = H[..., 0, 0], H[..., 0, 1]
    t1, t2 = s[..., 1], -s[..., 0]
    return a * (t1 + b / a * t2) ** 2 + det / a * t2**2


def _spectrum(H: Tensor, det: Tensor) -> tuple[Tensor, Tensor]:
    """λ_min and λ_max (…) of H (…, 2, 2) from its entries and its determinant.

    Where H⁺ has condition 10¹⁶ the entries alone no longer tell its smaller eigenvalue.
    """
    a, b, d = H[..., 0, 0], H[..., 0, 1], H[..., 1, 1]
    m = 0.5 * (a + d)
    large = m + torch.copysign(torch.hypot(0.5 * (a - d), b), m)
    return torch.minimum(det / large, large), torch.maximum(det / large, large)


class Section(NamedTuple):
    """An update of n dimensions, seen in the plane of s and Hy; float64."""

    H: Tensor      # H′ = (QᵀH⁻¹Q)⁻¹   (2, 2)
    s: Tensor      # s′ = Qᵀs          (2,), along the first axis
    y: Tensor      # y′ = Qᵀy          (2,)
    Q: Tensor      # orthonormal basis (n, 2)


def section(H: Tensor, s: Tensor, y: Tensor) -> Section:
    """Cut the ellipsoid {v : vᵀH⁻¹v = 1} of H ≻ 0 (n, n) by the plane of s and Hy (MATH §2).

    θ₁, θ₂, s̃ᵀỹ and c₂ in the plane are those of the n-dimensional update, and the ellipse of H′⁺
    is the cut of that of H⁺. Where Hy is parallel to s, or either is 0, any direction completes
    the plane; for n = 1 a second axis of H's own scale does, on which nothing happens.

    Raises:
        QnvizError: H is not positive definite.
    """
    H, s, y = (x.to("cpu", torch.float64) for x in (H, s, y))
    if n_is_one := len(s) == 1:
        H = H * torch.eye(2, dtype=H.dtype)
        s, y = (torch.cat([v, torch.zeros_like(v)]) for v in (s, y))
    L, fault = torch.linalg.cholesky_ex(H)
    if fault or not torch.isfinite(L).all():
        raise QnvizError("H is not positive definite, so its ellipsoid cannot be cut by a plane.")
    Q = _plane(s, H @ y)
    # with W = L⁻¹Q, QᵀH⁻¹Q = WᵀW = RᵀR
    R = torch.linalg.qr(torch.linalg.solve_triangular(L, Q, upper=False)).R
    root = torch.linalg.inv(R)
    return Section(root @ root.mT, Q.mT @ s, Q.mT @ y, Q[:1] if n_is_one else Q)


def _plane(s: Tensor, Hy: Tensor) -> Tensor:
    """Orthonormal basis (n, 2) of a plane that holds s and Hy, its first axis along s."""
    columns: list[Tensor] = []
    candidates = iter((s, Hy, *torch.eye(len(s), dtype=s.dtype)))
    while len(columns) < 2:
        rest = v = next(candidates)
        for _ in range(2):                # once is not enough where v is nearly in the span
            for q in columns:
                rest = rest - (q @ rest) * q
        if norm(rest) > PARALLEL * norm(v):
            columns.append(rest / norm(rest))
    return torch.stack(columns, 1)
