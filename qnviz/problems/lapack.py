"""Eigenvalues and singular values of batches of matrices, of which one may defeat LAPACK.

LAPACK's iterations may end without convergence, and torch then raises for the whole batch, although
the other matrices are fine. Here each matrix answers for itself, and what has no answer is NaN.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from qnviz.problems.norms import largest_power

Parts = tuple[Tensor, ...]
LinAlgError = torch.linalg.LinAlgError     # type: ignore  documented, though not in torch's stubs


def eigvalsh(H: Tensor) -> Tensor:
    """All eigenvalues (…, n), ascending; NaN where H (…, n, n) is not finite or LAPACK gives up."""
    return _answered(H, lambda A: (torch.linalg.eigvalsh(A),), (-1,))[0]


def eigh(H: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (…, n), ascending, and eigenvectors (…, n, n); NaN where there is no answer."""
    values, vectors = _answered(H, lambda A: tuple(torch.linalg.eigh(A)), (-1, 0))
    return values, vectors


def svdvals(M: Tensor) -> Tensor:
    """Singular values (…, min(m, n)), descending, of M (…, m, n); NaN where there is no answer."""
    return _answered(M, lambda A: (torch.linalg.svdvals(A),), (-1,))[0]


def _answered(H: Tensor, factor: Callable[[Tensor], Parts], kinds: tuple[int, ...]) -> Parts:
    """`factor` of every matrix; of its parts those of kind −1 scale with the matrix.

    Each matrix is scaled to entries of about 1 by a power of two, which is exact: LAPACK's own
    arithmetic on entries near the largest number overflows, and then does not converge.
    """
    size = largest_power(H.flatten(-2))[..., None]      # (…, 1, 1); 1 where it is not finite
    good = torch.isfinite(H).all(-1).all(-1)[..., None, None]
    safe = torch.where(good, H / size, torch.eye(*H.shape[-2:], dtype=H.dtype, device=H.device))
    try:
        parts = factor(safe)
    except LinAlgError:
        parts = _one_by_one(safe, factor)
    return tuple(torch.where(good[..., 0], x * size[..., 0], torch.nan) if kind < 0 else
                 torch.where(good, x, torch.nan) for x, kind in zip(parts, kinds, strict=True))


def _one_by_one(H: Tensor, factor: Callable[[Tensor], Parts]) -> Parts:
    """The parts of each matrix alone; NaN for one that does not converge."""
    blank = factor(torch.zeros_like(H[(0,) * (H.ndim - 2)]))
    rows: list[Parts] = []
    for A in H.reshape(-1, *H.shape[-2:]):
        try:
            rows.append(factor(A))
        except LinAlgError:
            rows.append(tuple(torch.full_like(x, torch.nan) for x in blank))
    return tuple(torch.stack(column).view(*H.shape[:-2], *column[0].shape)
                 for column in zip(*rows, strict=True))
