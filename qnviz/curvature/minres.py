"""MINRES on H d = −g, ended by the same rules as conjugate gradients [Paige, Saunders 1975].

Lanczos builds orthonormal v_1 = −g/‖g‖, v_2, … with H V = V T + β_{j+1} v_{j+1} eᵀ, and Givens
rotations (c, s) turn T into a triangle; d_j is what makes ‖H d + g‖ smallest over the Krylov space:

    α_j = v_jᵀ H v_j,   β_{j+1} v_{j+1} = H v_j − α_j v_j − β_j v_{j−1}                         (1)
    δ₂ = c δ₁ + s α_j,   γ₁ = s δ₁ − c α_j,   ε⁺ = s β_{j+1},   δ₁⁺ = −c β_{j+1}                (2)
    γ₂ = √(γ₁² + β_{j+1}²),   c⁺ = γ₁/γ₂,   s⁺ = β_{j+1}/γ₂                                     (3)
    w_j = (v_j − δ₂ w_{j−1} − ε w_{j−2}) / γ₂,   d ← d + c⁺ φ w_j,   φ ← s⁺ φ = ‖r‖             (4)

The curvature of the residual comes for free: r_{j−1}ᵀ H r_{j−1} / ‖r_{j−1}‖² = −c γ₁, which is
positive for as long as T_j is positive definite, so that this test fires at the very iteration at
which conjugate gradients meet negative curvature [Liu, Roosta 2022, arXiv 2206.05732]. Then d is
kept, as there; Newton-MR would go along the residual instead (ours). Where products are of
different matrices, −c γ₁ is no curvature of any of them, and negative without cause: what judges
there is α_j = v_jᵀ H_j v_j, that of the product's own.

With `early` off, a system without a solution ends at its least-squares solution, where
‖H r‖ = φ √(γ₁² + (c β_{j+1})²) is 0 but for rounding: there is no curvature left to use.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.krylov import (
    Krylov,
    Product,
    Reason,
    Seen,
    checked,
    first_reason,
    is_flat,
    rounding,
    scaled,
)
from qnviz.problems.norms import norm


@scaled
def minres(product: Product, g: Tensor, eta: Tensor, epsilon: Tensor, budget: int,
           early: bool = True, keep: bool = False, fixed: bool = True) -> Krylov:
    """Solve H d = −g for all runs at once; arguments as for `conjugate_gradients`.

    In the record, curvature and rayleigh are those of the residual before each iteration, or,
    unless `fixed`, of the Lanczos vector on the product's own matrix; alpha and beta are Lanczos's
    α_j and β_{j+1}, also of the last iteration, whose d may not be taken.
    """
    zero, none, u = torch.zeros_like(g), torch.zeros_like(g[:, 0]), torch.finfo(g.dtype).eps
    d, Hd, q, done = zero, zero, none, torch.zeros_like(none, dtype=torch.bool)
    reason = torch.full_like(done, Reason.BUDGET, dtype=torch.int64)
    iterations, bare = torch.zeros_like(reason), done
    phi = g_norm = norm(g)
    goal, beta, size, largest, drift = eta * phi, none, none, none, none
    v, v_before = torch.where((phi > 0)[:, None], -g / phi[:, None], 0), zero
    w, w_before, Hw, Hw_before = zero, zero, zero, zero
    c, s, delta1, eps = -torch.ones_like(phi), none, none, none
    seen, path = Seen(), []
    for j in range(budget):
        active = ~done
        Hv = product(v, active)
        alpha = vecdot(v, Hv)                                                               # (1)
        y = Hv - alpha[:, None] * v - beta[:, None] * v_before
        beta1 = norm(y)
        delta2, gamma1 = c * delta1 + s * alpha, s * delta1 - c * alpha                     # (2)
        rayleigh = -c * gamma1 if fixed else alpha
        gamma2 = torch.hypot(gamma1, beta1)                                                 # (3)
        c1, s1 = gamma1 / gamma2, beta1 / gamma2
        w1 = _next(v, w, w_before, delta2, eps, gamma2)                                     # (4)
        Hw1 = _next(Hv, Hw, Hw_before, delta2, eps, gamma2)
        tau = (c1 * phi)[:, None]
        d1, Hd1 = d + tau * w1, Hd + tau * Hw1
        phi1, gd1 = s1 * phi, vecdot(g, d1)
        q1 = gd1 + 0.5 * vecdot(d1, Hd1)

        size = torch.maximum(size, alpha.abs() + beta + beta1)
        drift = drift + u * (size * norm(tau * w1) + phi1)
        flat = is_flat(rayleigh, largest, norm(Hv), epsilon)
        largest = torch.maximum(largest, rayleigh.abs())
        rise, calm = rayleigh > 0, (q1 <= q + rounding(g_norm, d1, Hd1, drift)) & (gd1 < 0)
        if not early:
            flat = ~(torch.hypot(gamma1, c * beta1) > u**0.75 * size) & (phi > 0)
            rise, calm = phi > 0, phi > 0
        finite = torch.isfinite(alpha) & torch.isfinite(Hv).all(-1)
        finite = finite & (torch.isfinite(q1) | flat | (phi == 0))
        taken = active & finite & ~flat & rise & calm
        end = first_reason(finite, flat, rise, calm, phi == 0, fixed)
        small, left = taken & (phi1 <= goal), phi1
        if fixed:
            left, end = checked(product, g, d1, goal, left, drift, small, end)
        stop = active & (~taken | small)
        reason = torch.where(stop, end, reason)
        iterations = iterations + active

        take = taken[:, None]
        d, Hd = torch.where(take, d1, d), torch.where(take, Hd1, Hd)
        if j == 0:                                # nothing to keep yet: steepest descent instead
            bare = stop & ~taken & (phi != 0)
            d = torch.where(bare[:, None], -g, d)
            Hd = torch.where((bare & finite)[:, None], Hv * phi[:, None], Hd)
        seen.add(active, curvature=rayleigh * phi**2, rayleigh=rayleigh, alpha=alpha, beta=beta1)
        seen.add(taken, residual=left, model=q1)
        if keep:
            path.append(d)
        done = done | stop
        if bool(done.all()):
            break
        v, v_before = torch.where(take, y / beta1[:, None], v), v
        w, w_before, Hw, Hw_before = w1, w, Hw1, Hw
        eps, delta1, c, s = s * beta1, -c * beta1, c1, s1
        phi, q, beta = torch.where(taken, phi1, phi), torch.where(taken, q1, q), beta1
    return Krylov(d, Hd, bare, reason, iterations, **seen.columns(),
                  path=torch.stack(path, 1) if keep else d[:, None][:, :0])


def _next(v: Tensor, w: Tensor, w_before: Tensor, delta2: Tensor, eps: Tensor,
          gamma2: Tensor) -> Tensor:
    """(v − δ₂ w − ε w_before) / γ₂, row by row."""
    return (v - delta2[:, None] * w - eps[:, None] * w_before) / gamma2[:, None]
