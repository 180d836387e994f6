"""Dense spectra of batches of small symmetric matrices, safe against runs that have diverged.

LAPACK's eigenvalues are exact to a rounding of the largest one, so that of a positive definite
matrix the smallest may come out negative. `definite_eigenvalues` tells that from a true loss of
definiteness (MATH §2).
"""

import torch
from torch import Tensor

from qnviz.problems.lapack import eigh, eigvalsh

DOUBT = 1e-8               # of λ_max: below, a small eigenvalue may have lost half of its digits


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

    LAPACK takes a hundred times as long for a batch of them. The determinant is that of the numbers
    in H, without rounding, and so both eigenvalues have the signs of H's.
    """
    a, b, d = (x.double() for x in (H[..., 0, 0], H[..., 1, 0], H[..., 1, 1]))
    m, r = 0.5 * (a + d), torch.hypot(0.5 * (a - d), b)
    large = m + torch.copysign(r, m)
    mantissa = torch.frexp(large)[0]
    power = mantissa / large                        # a power of 2: multiplying rounds nothing
    small = torch.where(large == 0, 0, _difference(a * power, d, b * power, b) / mantissa)
    finite = torch.isfinite(a) & torch.isfinite(b) & torch.isfinite(d)
    low, high = torch.minimum(small, large), torch.maximum(small, large)
    return tuple(torch.where(finite, x, torch.nan).to(H.dtype)       # type: ignore[return-value]
                 for x in (low, high))


def _difference(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """The float64 ab − cd to about one rounding of itself, by exact products."""
    p, q = a * b, c * d
    exact = (p - q) + (_rounded_off(a, b, p) - _rounded_off(c, d, q))
    return torch.where(torch.isfinite(exact), exact, p - q)          # beyond 1e300 halves overflow


def _rounded_off(a: Tensor, b: Tensor, product: Tensor) -> Tensor:
    """What a float64 product ab has lost, each factor split in two [Dekker 1971]."""
    (a1, a2), (b1, b2) = ((h, x - h) for x in (a, b)
                          for h in [134_217_729.0 * x - (134_217_729.0 * x - x)])
    return ((a1 * b1 - product) + a1 * b2 + a2 * b1) + a2 * b2


def definite_eigenvalues(H: Tensor) -> Tensor:
    """All eigenvalues (…, n), ascending, of matrices H (…, n, n) that should be positive definite.

    Where `eigenvalues` cannot tell the small ones from its own rounding, Cholesky's factors decide:
    if they exist H is positive definite, and its small eigenvalues are those of H⁻¹, inverted. If
    not, H has lost its definiteness in the floating-point numbers that it consists of, and what
    `eigenvalues` found stands. float32 is judged in float64. NaN where H is not finite.
    """
    if H.shape[-1] == 2:
        return torch.stack(_of_two(H), -1)
    wide = H.double()
    values = eigenvalues(wide)
    doubtful = values[..., 0] < DOUBT * values[..., -1]
    if bool(doubtful.any()):                            # rare, and each matrix is judged by itself
        values[doubtful] = _by_inverse(wide[doubtful], values[doubtful])
    return values.to(H.dtype)


def _by_inverse(H: Tensor, values: Tensor) -> Tensor:
    """The eigenvalues of H (k, n, n), where it has Cholesky factors the small ones from H⁻¹."""
    L, fault = torch.linalg.cholesky_ex(H)
    eye = torch.eye(H.shape[-1], dtype=H.dtype, device=H.device)
    inverse = torch.cholesky_inverse(torch.where(fault[:, None, None] == 0, L, eye))
    found = two_sided(values, 1 / eigenvalues(inverse).flip(-1))
    return torch.where((fault == 0)[:, None] & torch.isfinite(found), found, values)


def two_sided(large: Tensor, small: Tensor) -> Tensor:
    """The eigenvalues (…, n) of a matrix, known from itself and, inverted, from its inverse.

    Either is exact to a rounding of its own largest, λ_max of the one and 1/λ_min of the other.
    What is 0 or negative there was lost in that rounding; what both have lost is NaN.
    """
    lost = [torch.where(x > 0, r, torch.inf) for x, r in (
        (large, large[..., -1:] / large), (small, small / small[..., :1]))]
    found = torch.where(lost[1] < lost[0], small, large)
    return torch.where(torch.minimum(*lost) < torch.inf, found, torch.nan)


def gram_eigenvalues(G: Tensor) -> Tensor:
    """Eigenvalues (…, n) of GᵀG for G (…, k, n), ascending; G is scaled, lest its square overflow.

    They are exact to a rounding of the largest. NaN where G is not finite.
    """
    size = G.abs().amax((-2, -1), keepdim=True)
    F = G / torch.where(size > 0, size, 1)
    return eigenvalues(F.mT @ F) * size[..., 0].square()


def definite_extremes(H: Tensor) -> tuple[Tensor, Tensor]:
    """λ_min and λ_max (…,) of matrices H (…, n, n) that should be positive definite."""
    values = definite_eigenvalues(H)
    return values[..., 0], values[..., -1]


def pseudo_solve(M: Tensor, b: Tensor) -> Tensor:
    """M⁺ b for symmetric positive semi-definite M (R, n, n) and b (R, n).

    Eigenvalues below n ε λ_max count as zero, the threshold of numpy's pinv for Hermitian matrices.
    """
    values, vectors = eigen(M)
    floor = M.shape[-1] * torch.finfo(M.dtype).eps * values[..., -1:].abs()
    inverse = torch.where(values > floor, 1 / values, 0)
    coordinates = (vectors.mT @ b[..., None])[..., 0]
    return (vectors @ (inverse * coordinates)[..., None])[..., 0]
