"""Double damping of a secant pair (s, y), and what it guarantees [Goldfarb, Ren, Bahamou 2020].

    1.  Powell's damping, on H:   if sᵀy < μ₁ yᵀHy:   θ₁ = (1−μ₁) yᵀHy / (yᵀHy − sᵀy)
                                  s̃ = θ₁ s + (1−θ₁) H y
    2.  damping with B = I:       if s̃ᵀy < μ₂ s̃ᵀs̃:   θ₂ = (1−μ₂) s̃ᵀs̃ / (s̃ᵀs̃ − s̃ᵀy)
                                  ỹ = θ₂ y + (1−θ₂) s̃

After 1, s̃ᵀy ≥ μ₁ yᵀHy; after 2, s̃ᵀỹ ≥ μ₂ s̃ᵀs̃. With c₁ = ỹᵀHỹ / s̃ᵀỹ and c₂ = s̃ᵀs̃ / s̃ᵀỹ the
BFGS update obeys λ_max(H⁺) ≤ (√λ_max(H) + √(c₁c₂))² + c₂ and λ_min(H⁺) ≥ λ_min(H) / (1 + c₁)
(MATH §2).
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.linalg import vecdot

Damping = Literal["double", "powell", "none"]
REPORTED = ("theta1", "theta2", "c1", "c2",                    # of a pair, in a recorded run
            "ratio1_before", "ratio1_after", "ratio2_before", "ratio2_after")


class DampedPair(NamedTuple):
    """The damped pair and the numbers that show what damping did; all (R, …)."""

    s: Tensor                 # s̃            (R, n)
    y: Tensor                 # ỹ            (R, n)
    Hy: Tensor                # H ỹ          (R, n)
    theta1: Tensor            # 1 where step 1 did not act
    theta2: Tensor            # 1 where step 2 did not act
    ratio1_before: Tensor     # sᵀy / yᵀHy   Powell's ratio, to be ≥ μ₁
    ratio1_after: Tensor      # s̃ᵀy / yᵀHy
    ratio2_before: Tensor     # s̃ᵀy / s̃ᵀs̃   the second ratio, to be ≥ μ₂
    ratio2_after: Tensor      # s̃ᵀỹ / s̃ᵀs̃
    sy: Tensor                # s̃ᵀỹ
    ss: Tensor                # s̃ᵀs̃
    c1: Tensor                # ỹᵀHỹ / s̃ᵀỹ
    c2: Tensor                # s̃ᵀs̃ / s̃ᵀỹ
    usable: Tensor            # False where s = 0 or yᵀHy = 0: nothing can be learned from the pair


def double_damping(s: Tensor, y: Tensor, H: Callable[[Tensor], Tensor], mu1: Tensor, mu2: Tensor,
                   damping: Damping = "double") -> DampedPair:
    """Damp the pairs s, y (R, n) against H, given as v ↦ Hv; mu1, mu2 (R,) in (0, 1).

    With (R, k, n) and (R, 1) it damps the pairs of k layers at once.

    `damping` "powell" leaves step 2 out, "none" both: the pair then passes through untouched, with
    the same numbers reported.
    """
    Hy = H(y)
    sy, yHy = vecdot(s, y), vecdot(y, Hy)
    usable = (vecdot(s, s) > 0) & (yHy > 0) & (yHy < torch.inf) & (sy.abs() < torch.inf)
    one = torch.ones_like(sy)
    if damping == "none":
        theta1, s_t = one, s
    else:
        act1 = usable & (sy < mu1 * yHy)
        theta1 = torch.where(act1, (1 - mu1) * yHy / (yHy - sy), one)
        s_t = torch.where(act1[..., None], torch.lerp(Hy, s, theta1[..., None]), s)
    s_ty, ss = vecdot(s_t, y), vecdot(s_t, s_t)
    if damping == "double":
        act2 = usable & (s_ty < mu2 * ss)
        theta2 = torch.where(act2, (1 - mu2) * ss / (ss - s_ty), one)
        y_t = torch.where(act2[..., None], torch.lerp(s_t, y, theta2[..., None]), y)
        Hy_t = H(y_t)
    else:
        theta2, y_t, Hy_t = one, y, Hy
    sy_t = vecdot(s_t, y_t)
    return DampedPair(s_t, y_t, Hy_t, theta1, theta2, sy / yHy, s_ty / yHy, s_ty / ss, sy_t / ss,
                      sy_t, ss, vecdot(y_t, Hy_t) / sy_t, ss / sy_t, usable)


def update_bounds(low: Tensor, high: Tensor, c1: Tensor, c2: Tensor) -> tuple[Tensor, Tensor]:
    """Bounds on the eigenvalues of H⁺ from those of H and the update's c₁, c₂."""
    return low / (1 + c1), (high.sqrt() + (c1 * c2).sqrt()) ** 2 + c2


def worst_case(high: Tensor, mu1: Tensor, mu2: Tensor, damping: Damping = "double") -> tuple[
        Tensor, Tensor]:
    """The least upper bounds of c₁ and c₂ over all pairs after damping, given λ_max(H) = high.

    c₂ ≤ 1/μ₂ because s̃ᵀỹ ≥ μ₂ s̃ᵀs̃. Where step 2 did not act, c₁ ≤ 1/μ₁. Where it did, c₁ is at
    most max over 0 ≤ t ≤ μ₂ of (√((1−t)(μ₂−t)/μ₁) + t √λ_max)² / μ₂, with t = 1−θ₂; that is 1/μ₁
    as long as 4μ₁μ₂ λ_max ≤ (1+μ₂)², and beyond

        ((1+μ₂) √λ_max − (1−μ₂) √(λ_max − 1/μ₁))² / 4μ₂  <  max(1/μ₁, λ_max)            (ours).

    Pairs come as near to both as one likes (MATH §2). Without step 2 nothing bounds c₂, without
    step 1 nothing bounds either.
    """
    infinite = torch.full_like(high, torch.inf)
    if damping == "none":
        return infinite, infinite
    if damping == "powell":
        return (1 / mu1).expand_as(high), infinite
    powell, near, far = 1 / mu1, 1 - mu2, 1 + mu2
    # a² − b² over a + b, as a − b cancels for small μ₂
    root = (4 * mu2 * high + near**2 * powell) / (
        far * high.sqrt() + near * (high - powell).clamp_min(0).sqrt())
    c1 = torch.where(4 * mu2 * high > far**2 * powell, root**2 / (4 * mu2), powell)
    return c1, (1 / mu2).expand_as(high)


def spectrum_bounds(low: Tensor, high: Tensor, c1: Tensor, c2: Tensor,
                    worst: tuple[Tensor, Tensor], skipped: Tensor) -> dict[str, Tensor]:
    """Bounds on H⁺ from the pair's own c₁, c₂ (a skipped one leaves λ(H)), and from the worst case.

    The first are NaN where the pair has none, as s̃ᵀỹ is not positive; all are where H has lost its
    definiteness by rounding.
    """
    definite = low > 0
    bounded = definite & (c2 > 0) & (c2 < torch.inf)
    bounds = {}
    for side, known, from_pair, from_worst in zip(
            ("low", "high"), (low, high), update_bounds(low, high, c1, c2),
            update_bounds(low, high, *worst), strict=True):
        bounds[f"pair_{side}"] = torch.where(
            bounded, torch.where(skipped, known, from_pair), torch.nan)
        bounds[f"apriori_{side}"] = torch.where(definite, from_worst, torch.nan)
    return bounds
