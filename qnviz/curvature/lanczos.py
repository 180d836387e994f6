"""The spectrum of a matrix that is only known by its products: stochastic Lanczos quadrature.

    H V = V T + β v eᵀ,   V (P, m) orthonormal,   T (m, m) tridiagonal            (Lanczos 1950)
    density(t) ≈ mean over probes of Σ_i ω_i δ(t − θ_i),   ω_i = (first component of T's i-th
    eigenvector)²                                       [Golub, Welsch 1969; Bai, Fahey, Golub 1996]

The m Ritz values θ_i of one random probe are the nodes of a Gauss quadrature for the spectral
density as that probe sees it; their extremes converge first. Full reorthogonalisation keeps V
orthonormal in floating point: without it, converged eigenvalues come back as ghosts.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qnviz.curvature.spectrum import eigen
from qnviz.problems.norms import norm


def lanczos(product: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> tuple[
        Tensor, Tensor]:
    """Tridiagonal matrices of a symmetric operator, one per probe, all in one batch.

    Args:
        product: V (R, P) ↦ H V, row by row.
        start: probes (R, P), of any length but 0.
        steps: m; fewer are taken where P is smaller.

    Returns:
        alpha (R, m), the diagonals, and beta (R, m − 1), the off-diagonals. Where the Krylov space
        of a probe is exhausted, beta is 0 from there on, and alpha too.
    """
    R, P = start.shape
    steps = min(steps, P)
    v = start / norm(start, keepdim=True)
    V = v[:, None]                                              # (R, j, P)
    alpha, beta = [], []
    alive, size = torch.ones(R, dtype=torch.bool, device=v.device), torch.zeros_like(v[:, 0])
    while True:
        w = product(v)
        a = torch.linalg.vecdot(w, v)
        alpha.append(torch.where(alive, a, 0))
        if len(alpha) >= steps:
            break
        for _ in range(2):                                      # twice is enough (Kahan, Parlett)
            w = w - (V.mT @ (V @ w[..., None]))[..., 0]
        b = norm(w)
        size = torch.maximum(size, a.abs() + b)                 # of H, as far as it was seen
        alive = alive & (b > 10 * torch.finfo(b.dtype).eps * P**0.5 * size)
        beta.append(torch.where(alive, b, 0))
        v = torch.where(alive[:, None], w / b[:, None], 0)
        V = torch.cat([V, v[:, None]], 1)
    return torch.stack(alpha, 1), (torch.stack(beta, 1) if beta else alpha[0][:, None][:, :0])


def ritz(alpha: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Ritz values (R, m), ascending, and their quadrature weights, which sum to 1 per probe.

    Both are NaN for a probe whose matrix is not finite.
    """
    T = torch.diag_embed(alpha) + torch.diag_embed(beta, 1) + torch.diag_embed(beta, -1)
    values, vectors = eigen(T)
    return values, vectors[:, 0] ** 2
