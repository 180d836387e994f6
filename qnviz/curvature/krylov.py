"""Conjugate gradients on H d = −g that ends at the first disturbing direction [Shen et al. 2020].

From d₀ = 0, r₀ = p₀ = −g, with κ_j = p_jᵀ H p_j, the iteration ends (MATH §6), in this order:

    non-finite            any of Hp, κ not finite                        → keep d_j
    negative curvature    κ_j ≤ ε ‖p_j‖²                                 → keep d_j
    disturbing (ours)     q(d) = gᵀd + ½dᵀHd fails to decrease, or gᵀd_{j+1} ≥ 0 → keep d_j
    tolerance             ‖r_{j+1}‖ ≤ η ‖g‖                              → d_{j+1}, converged
    budget                j + 1 = j_max                                  → d_{j+1}

At j = 0 "keep d_j" would keep 0: then d = −g, steepest descent, is used instead. With `early` off,
neither curvature nor the model ends it: it goes on to tolerance or budget, as textbooks have it.
"""

from collections.abc import Callable
from enum import IntEnum
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot


class Reason(IntEnum):
    """Why a Krylov iteration ended."""

    CONVERGED = 0
    NEGATIVE_CURVATURE = 1
    DISTURBING = 2
    BUDGET = 3
    NON_FINITE = 4

    @property
    def words(self) -> str:
        """The reason as a person says it."""
        return self.name.lower().replace("_", " ")


class Krylov(NamedTuple):
    """The direction, and everything the iteration saw; J is the largest number of iterations."""

    d: Tensor               # (R, P)
    Hd: Tensor              # (R, P), at no extra product
    reason: Tensor          # (R,) int64, a Reason
    iterations: Tensor      # (R,) int64, products H p that were asked for
    curvature: Tensor       # κ_j                     (R, J), NaN after a run's end
    rayleigh: Tensor        # κ_j / ‖p_j‖²            (R, J)
    residual: Tensor        # ‖r_{j+1}‖               (R, J), NaN where d_{j+1} was not taken
    model: Tensor           # q(d_{j+1})              (R, J)
    alpha: Tensor           # CG's step lengths, or MINRES's Lanczos α_j        (R, J)
    beta: Tensor            # CG's ‖r_{j+1}‖²/‖r_j‖², or MINRES's β_{j+1}       (R, J)
    path: Tensor            # d_{j+1}, the last one repeated (R, J, P); (R, 0, P) if not kept


Product = Callable[[Tensor, Tensor], Tensor]       # (v, active) ↦ H v


def conjugate_gradients(product: Product, g: Tensor, eta: Tensor, epsilon: Tensor, budget: int,
                        early: bool = True, keep: bool = False) -> Krylov:
    """Solve H d = −g for all runs at once.

    Args:
        product: (v, active) ↦ H v; `active` (R,) masks the runs still iterating.
        g: gradients (R, P).
        eta: relative tolerance on the residual (R,).
        epsilon: curvature below ε‖p‖² counts as negative (R,).
        budget: the largest number of iterations.
        early: whether negative curvature and disturbing directions end it.
        keep: whether to keep all iterates.
    """
    zero = torch.zeros_like(g)
    d, Hd, r, p = zero, zero, -g, -g
    rr = vecdot(r, r)
    q = torch.zeros_like(rr)
    goal = eta * rr.sqrt()
    done = torch.zeros_like(rr, dtype=torch.bool)
    reason = torch.full_like(done, Reason.BUDGET, dtype=torch.int64)
    iterations = torch.zeros_like(reason)
    seen, path = Seen(), []
    for j in range(budget):
        active = ~done
        Hp = product(p, active)
        pp, kappa = vecdot(p, p), vecdot(p, Hp)
        finite = torch.isfinite(kappa) & torch.isfinite(Hp).all(-1)
        curved = kappa > epsilon * pp

        alpha = rr / kappa
        d1, Hd1 = d + alpha[:, None] * p, Hd + alpha[:, None] * Hp
        r1 = r - alpha[:, None] * Hp
        rr1, gd1 = vecdot(r1, r1), vecdot(g, d1)
        q1 = gd1 + 0.5 * vecdot(d1, Hd1)
        calm = (q1 < q) & (gd1 < 0)
        if not early:                             # a step of no finite length still ends it
            finite, curved, calm = finite & (torch.isfinite(q1) | (rr == 0)), rr > 0, rr > 0

        taken = active & finite & curved & calm
        end = first_reason(finite, curved, calm, rr == 0)
        stop = active & (~taken | (rr1.sqrt() <= goal))
        reason = torch.where(stop, end, reason)
        iterations = iterations + active

        take = taken[:, None]
        d, Hd, r = torch.where(take, d1, d), torch.where(take, Hd1, Hd), torch.where(take, r1, r)
        if j == 0:                                # nothing to keep yet: steepest descent instead
            bare = (stop & ~taken)[:, None]
            d = torch.where(bare, p, d)
            Hd = torch.where(bare & finite[:, None], Hp, Hd)
        beta = rr1 / rr
        seen.add(active, curvature=kappa, rayleigh=kappa / pp)
        seen.add(taken, residual=rr1.sqrt(), model=q1, alpha=alpha, beta=beta)
        if keep:
            path.append(d)
        done = done | stop
        if bool(done.all()):
            break
        p = torch.where(take, r + beta[:, None] * p, p)
        rr, q = torch.where(taken, rr1, rr), torch.where(taken, q1, q)
    return Krylov(d, Hd, reason, iterations, **seen.columns(),
                  path=torch.stack(path, 1) if keep else d[:, None][:, :0])


def first_reason(finite: Tensor, curved: Tensor, calm: Tensor, solved: Tensor) -> Tensor:
    """The first rule that fired (R,), in the order of the rules; `solved` where g = 0."""
    end = torch.where(~finite, Reason.NON_FINITE,
                      torch.where(~curved, Reason.NEGATIVE_CURVATURE,
                                  torch.where(~calm, Reason.DISTURBING, Reason.CONVERGED)))
    return torch.where(finite & solved, Reason.CONVERGED, end)


class Seen:
    """Numbers of every iteration, NaN for the runs to which they do not apply."""

    def __init__(self) -> None:
        self.parts: dict[str, list[Tensor]] = {}

    def add(self, mask: Tensor, **values: Tensor) -> None:
        """One iteration's numbers (R,) of the runs in the mask."""
        for name, value in values.items():
            self.parts.setdefault(name, []).append(torch.where(mask, value, torch.nan))

    def columns(self) -> dict[str, Tensor]:
        """All iterations (R, J) per name."""
        return {name: torch.stack(v, -1) for name, v in self.parts.items()}


def ritz_values(alpha: np.ndarray, beta: np.ndarray) -> list[np.ndarray]:
    """Ritz values after each CG iteration: eigenvalues of the Lanczos tridiagonal [NW06, §5.1].

    Args:
        alpha: CG's step lengths of one system (J,); NaN ends it.
        beta: CG's ratios (J,).

    Returns:
        For j = 1 … the j eigenvalues of T_j with diagonal 1/α_i + β_{i−1}/α_{i−1} and off-diagonal
        √β_i / α_i.
    """
    count = int(np.isfinite(alpha).sum())
    a, b = alpha[:count], beta[:count]
    diagonal = 1 / a
    diagonal[1:] += b[:-1] / a[:-1]
    off = np.sqrt(b[:-1]) / a[:-1]
    T = np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1)
    return [np.linalg.eigvalsh(T[:j, :j]) for j in range(1, count + 1)]
