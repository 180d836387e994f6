"""Conjugate gradients on H d = −g that ends at the first disturbing direction [Shen et al. 2020].

From d₀ = 0, r₀ = p₀ = −g, with κ_j = p_jᵀ H p_j, the iteration ends (MATH §6), in this order:

    non-finite            any of Hp, κ, q not finite                     → keep d_j
    zero curvature        |κ_j| ≤ ‖p_j‖² max(ε c_j, u ‖Hp_j‖/‖p_j‖)      → keep d_j
    negative curvature    κ_j < 0                                        → keep d_j
    disturbing            q(d) = gᵀd + ½dᵀHd rises, or gᵀd_{j+1} ≥ 0     → keep d_j
    tolerance             ‖r_{j+1}‖ ≤ η ‖g‖                              → d_{j+1}, converged
    budget                j + 1 = j_max                                  → d_{j+1}

c_j is the largest |κ_i|/‖p_i‖² of the iterations before, and u the unit of rounding, which ε is at
least: what counts as zero depends on what this solve has seen, and not on the scale of f. While
all products are of one H (`fixed`) and κ > 0, nothing but rounding can raise the model, and the
iteration has then stagnated; so it has where one more product, asked for where rounding may have
decided, finds the true residual above η ‖g‖. At j = 0 "keep d_j" would keep 0: then steepest
descent is used instead, d = −g ‖g‖/‖Hg‖, or of length 1 where Hg says nothing. With `early` off,
neither negative curvature nor the model ends it: it goes on to tolerance or budget, as textbooks
have it. How we read "disturbing", and all of this paragraph, is ours.
"""

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.line_search import ROUNDINGS
from qnviz.curvature.spectrum import eigenvalues
from qnviz.problems.norms import largest_power, norm


class Reason(IntEnum):
    """Why a Krylov iteration ended; the numbers stand in saved runs."""

    CONVERGED = 0
    NEGATIVE_CURVATURE = 1
    DISTURBING = 2
    BUDGET = 3
    NON_FINITE = 4
    ZERO_CURVATURE = 5
    STAGNATED = 6

    @property
    def words(self) -> str:
        """The reason as a person says it."""
        return self.name.lower().replace("_", " ")


class Krylov(NamedTuple):
    """The direction, and everything the iteration saw; J is the largest number of iterations."""

    d: Tensor               # (R, P)
    Hd: Tensor              # (R, P), at no extra product
    bare: Tensor            # (R,) whether d is steepest descent, in place of an empty direction
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
Solver = Callable[..., Krylov]


def scaled(solve: Solver) -> Solver:
    """A solver that sees g at a length of about 1, so that no square over- or underflows.

    H d = −g is linear in g, and a power of two scales exactly: but for the ends of floating point
    the numbers are the same. Here, too, steepest descent gets its length.
    """
    @wraps(solve)
    def at_any_scale(product: Product, g: Tensor, eta: Tensor, epsilon: Tensor, budget: int,
                     early: bool = True, keep: bool = False, fixed: bool = True) -> Krylov:
        m = largest_power(g)                                                            # (R, 1)
        k = solve(product, g / m, eta, epsilon, budget, early, keep, fixed)
        length = norm(k.d)
        size = length / norm(k.Hd) * m[:, 0]                    # of −g/m: ‖g‖/‖H(g/m)‖
        known = torch.isfinite(size) & (size > 0)
        along = torch.where(known, size, 1 / length)[:, None]
        bare = k.bare[:, None]
        d, Hd = (torch.where(bare, along * x, m * x) for x in (k.d, k.Hd))
        path = torch.where(bare[..., None], d[:, None], m[..., None] * k.path)
        return k._replace(
            d=d, Hd=Hd, path=path, residual=m * k.residual, curvature=m * m * k.curvature,
            model=m * m * k.model)
    return at_any_scale


@scaled
def conjugate_gradients(product: Product, g: Tensor, eta: Tensor, epsilon: Tensor, budget: int,
                        early: bool = True, keep: bool = False, fixed: bool = True) -> Krylov:
    """Solve H d = −g for all runs at once.

    Args:
        product: (v, active) ↦ H v; `active` (R,) masks the runs still iterating.
        g: gradients (R, P).
        eta: relative tolerance on the residual (R,).
        epsilon: curvature below that times the largest seen before counts as zero (R,).
        budget: the largest number of iterations.
        early: whether negative curvature and disturbing directions end it.
        keep: whether to keep all iterates.
        fixed: whether all products are of the same H; otherwise no product can tell a residual.
    """
    zero, u = torch.zeros_like(g), torch.finfo(g.dtype).eps
    d, Hd, r, p = zero, zero, -g, -g
    rr = vecdot(r, r)
    q, largest, drift = (torch.zeros_like(rr) for _ in range(3))
    goal, g_norm = eta * rr.sqrt(), rr.sqrt()
    done = bare = torch.zeros_like(rr, dtype=torch.bool)
    reason = torch.full_like(done, Reason.BUDGET, dtype=torch.int64)
    iterations = torch.zeros_like(reason)
    seen, path = Seen(), []
    for j in range(budget):
        active = ~done
        Hp = product(p, active)
        pp, kappa, size = vecdot(p, p), vecdot(p, Hp), norm(Hp)
        rayleigh = kappa / pp
        flat = is_flat(rayleigh, largest, size / pp.sqrt(), epsilon)
        largest = torch.maximum(largest, rayleigh.abs())

        alpha = rr / kappa
        d1, Hd1 = d + alpha[:, None] * p, Hd + alpha[:, None] * Hp
        r1 = r - alpha[:, None] * Hp
        rr1, gd1 = vecdot(r1, r1), vecdot(g, d1)
        q1 = gd1 + 0.5 * vecdot(d1, Hd1)
        left = rr1.sqrt()
        drift = drift + u * (alpha.abs() * size + left)
        finite = torch.isfinite(kappa) & torch.isfinite(Hp).all(-1)
        finite = finite & (torch.isfinite(q1) | flat | (rr == 0))
        calm = (q1 <= q + rounding(g_norm, d1, Hd1, drift)) & (gd1 < 0)
        rise = kappa > 0
        if not early:
            rise, calm = rr > 0, rr > 0

        taken = active & finite & ~flat & rise & calm
        end = first_reason(finite, flat, rise, calm, rr == 0, fixed)
        small = taken & (left <= goal)
        if fixed:
            left, end = checked(product, g, d1, goal, left, drift, small, end)
        stop = active & (~taken | small)
        reason = torch.where(stop, end, reason)
        iterations = iterations + active

        take = taken[:, None]
        d, Hd, r = torch.where(take, d1, d), torch.where(take, Hd1, Hd), torch.where(take, r1, r)
        if j == 0:                                # nothing to keep yet: steepest descent instead
            bare = stop & ~taken & (rr != 0)
            d = torch.where(bare[:, None], p, d)
            Hd = torch.where((bare & finite)[:, None], Hp, Hd)
        beta = rr1 / rr
        seen.add(active, curvature=kappa, rayleigh=rayleigh)
        seen.add(taken, residual=left, model=q1, alpha=alpha, beta=beta)
        if keep:
            path.append(d)
        done = done | stop
        if bool(done.all()):
            break
        p = torch.where(take, r + beta[:, None] * p, p)
        rr, q = torch.where(taken, rr1, rr), torch.where(taken, q1, q)
    return Krylov(d, Hd, bare, reason, iterations, **seen.columns(),
                  path=torch.stack(path, 1) if keep else d[:, None][:, :0])


def is_flat(rayleigh: Tensor, largest: Tensor, size: Tensor, epsilon: Tensor) -> Tensor:
    """Whether a curvature is zero as far as this solve can tell (R,).

    Args:
        rayleigh: vᵀHv/‖v‖² (R,).
        largest: the largest |vᵀHv|/‖v‖² of the iterations before (R,).
        size: ‖Hv‖/‖v‖, of which the scalar product vᵀHv is a rounded part (R,).
        epsilon: the share of `largest` below which curvature counts as zero (R,).
    """
    u = torch.finfo(rayleigh.dtype).eps
    return rayleigh.abs() <= torch.maximum(epsilon.clamp_min(u) * largest, u * size)


def rounding(g_norm: Tensor, d: Tensor, Hd: Tensor, drift: Tensor) -> Tensor:
    """By how much rounding alone may change q(d) = gᵀd + ½dᵀHd (R,), generously.

    `drift` (R,) is about what each rounding has added to Hd on its way.
    """
    u = torch.finfo(d.dtype).eps
    return ROUNDINGS * norm(d) * (u * (g_norm + norm(Hd)) + drift)


def checked(product: Product, g: Tensor, d: Tensor, goal: Tensor, left: Tensor, drift: Tensor,
            small: Tensor, end: Tensor) -> tuple[Tensor, Tensor]:
    """The residuals (R,) and reasons of runs that claim convergence, by a product where in doubt.

    A residual kept by recurrence goes on falling when that of d, which rounding keeps up, does not.

    Args:
        product: (v, active) ↦ H v.
        g: gradients (R, P).
        d: the iterates that claim it (R, P).
        goal: η ‖g‖ (R,).
        left: their residuals by recurrence (R,).
        drift: a bound on how far rounding has taken these from the true ones (R,).
        small: the mask (R,) of the runs that claim it.
        end: their reasons so far (R,).
    """
    doubt = small & (left + ROUNDINGS * drift > goal)
    if not bool(doubt.any()):
        return left, end
    true = norm(g + product(d, doubt))
    left = torch.where(doubt, true, left)
    return left, torch.where(doubt & ~(true <= goal), Reason.STAGNATED, end)


def first_reason(finite: Tensor, flat: Tensor, rise: Tensor, calm: Tensor, solved: Tensor,
                 fixed: bool) -> Tensor:
    """The first rule that fired (R,), in the order of the rules; `solved` where g = 0.

    Where all products are of one H and κ > 0, only rounding can raise the model.
    """
    raised = Reason.STAGNATED if fixed else Reason.DISTURBING
    end = torch.where(~finite, Reason.NON_FINITE, torch.where(
        flat, Reason.ZERO_CURVATURE, torch.where(
            ~rise, Reason.NEGATIVE_CURVATURE, torch.where(
                ~calm, raised, Reason.CONVERGED))))
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
    return leading_spectra(diagonal, off)


def leading_spectra(diagonal: np.ndarray, off: np.ndarray) -> list[np.ndarray]:
    """Eigenvalues of the leading j × j parts of a tridiagonal matrix; NaN where one is not finite.

    Args:
        diagonal: (J,).
        off: the off-diagonal (J − 1,).
    """
    T = torch.as_tensor(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return [eigenvalues(T[:j, :j]).numpy() for j in range(1, len(diagonal) + 1)]
