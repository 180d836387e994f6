"""Lengths of vectors that neither overflow nor underflow on the way: ‖x‖ = m ‖x/m‖ (MATH §1)."""

import torch
from torch import Tensor


def norm(x: Tensor, dim: int = -1, *, keepdim: bool = False) -> Tensor:
    """‖x‖ along an axis, without its: squares of 1e200 are infinite, and those of 1e−200 are 0.

    m is the largest power of two that is at most max|xᵢ|. Scaling by it is exact, so wherever plain
    squares neither over- nor underflow the result is theirs to the last bit.

    Args:
        x: (…, n, …), real.
        dim: the axis of length n.
        keepdim: whether the axis stays, with length 1.

    Returns:
        Of the shape of x without that axis; NaN where an entry is, ∞ where one is infinite.
    """
    m = largest_power(x, dim)
    length = (x / m).norm(dim=dim, keepdim=True) * m
    return length if keepdim else length.squeeze(dim)


def largest_power(x: Tensor, dim: int = -1) -> Tensor:
    """The largest power of two at most max|xᵢ| along an axis, which stays; 1 where there is none.

    None is there where all entries are 0, or one is not finite.
    """
    most = x.abs().amax(dim, keepdim=True)
    mantissa = torch.frexp(most)[0]                              # in [½, 1), exactly
    return (most / mantissa.mul_(2)).nan_to_num_(1, 1, 1)        # 0/0, ∞/∞, or NaN already
