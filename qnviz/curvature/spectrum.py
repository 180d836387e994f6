"""Dense spectra of batches of small symmetric matrices, safe against runs that have diverged."""

import torch
from torch import Tensor

from qnviz.problems.lapack import eigh, eigvalsh


def eigenvalues(H: Tensor) -> Tensor:
    """All eigenvalues (…, n), ascending; NaN where H (…, n, n) is not finite or has no answer."""
    return eigvalsh(H)


def eigen(H: Tensor) -> tuple[Tensor, Tensor]:
    """Eigenvalues (…, n) and eigenvectors (…, n, n); NaN where H is not finite or has no answer."""
    return eigh(H)


def extremes(H: Tensor) -> tuple[Tensor, Tensor]:
    """λ_min and λ_max (…,) of H (…, n, n); NaN where H is not finite."""
    if H.shape[-1] == 2:
        return _of_two(H)
    values = eigenvalues(H)
    return values[..., 0], values[..., -1]


def _of_two(H: Tensor) -> tuple[Tensor, Tensor]:
    """Both eigenvalues of 2×2 matrices: m ± r, in which the smaller in size is det H / the other.

    LAPACK takes a hundred times as long for a batch of them.
    """
    a, b, d = H[..., 0, 0], H[..., 1, 0], H[..., 1, 1]
    m, r = 0.5 * (a + d), torch.hypot(0.5 * (a - d), b)
    large = m + torch.copysign(r, m)
    small = torch.where(large == 0, 0, (a / large) * d - (b / large) * b)
    finite = torch.isfinite(a) & torch.isfinite(b) & torch.isfinite(d)
    low, high = torch.minimum(small, large), torch.maximum(small, large)
    return torch.where(finite, low, torch.nan), torch.where(finite, high, torch.nan)


def pseudo_solve(M: Tensor, b: Tensor) -> Tensor:
    """M⁺ b for symmetric positive semi-definite M (R, n, n) and b (R, n).

    Eigenvalues below n ε λ_max count as zero, the threshold of numpy's pinv for Hermitian matrices.
    """
    values, vectors = eigen(M)
    floor = M.shape[-1] * torch.finfo(M.dtype).eps * values[..., -1:].abs()
    inverse = torch.where(values > floor, 1 / values, 0)
    coordinates = (vectors.mT @ b[..., None])[..., 0]
    return (vectors @ (inverse * coordinates)[..., None])[..., 0]
