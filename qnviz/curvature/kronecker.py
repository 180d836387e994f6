"""Kronecker factors: second moments, their damping, and the matrices of all layers at once.

A step of a small net is bound by the number of torch calls, not by arithmetic. There, all layers
are padded to the widest and updated as one batch: vectors (R, k, n) and matrices (R, k, n, n) of k
layers. Vectors are 0 in the padding and stay so under H, and therefore a secant pair changes
nothing there. The layers of a wide net stay alone: k = 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.linalg import vecdot

from qnviz.curvature.secant import bfgs_update, skip
from qnviz.problems.products import mean_outer
from qnviz.problems.spec import Layer

PADDED = 40_000        # numbers of one run's padded matrices up to which layers are joined
BLOCK = 256            # columns above which a second moment is made in blocks


@dataclass
class Layers:
    """Vectors or matrices of all layers; iterating gives each layer's own, without the padding."""

    parts: list[Any]             # one of all layers, (R, L, n, …), or one each, (R, 1, n_l, …)
    sizes: tuple[int, ...]       # n_l

    @classmethod
    def of(cls, tensors: list[Tensor], join: bool) -> Layers:
        """From vectors (R, n_l) or matrices (R, n_l, n_l), one per layer."""
        return cls(pad(tensors, join), tuple(t.shape[-1] for t in tensors))

    @property
    def joined(self) -> bool:
        """Whether all layers are in one part."""
        return len(self.parts) == 1

    def map(self, f: Callable[..., Any], *others: Layers) -> Layers:
        """F of every part, together with the same part of others."""
        parts = zip(self.parts, *(other.parts for other in others), strict=True)
        return Layers([f(*same) for same in parts], self.sizes)

    def lerp(self, end: Layers, weight: Tensor) -> Layers:
        """(1 − weight) self + weight end, for a weight per run (R,)."""
        weight = weight.view(-1, *[1] * (self.parts[0].ndim - 1))
        return self.map(lambda x, y: torch.lerp(x, y, weight), end)

    def unzip(self) -> tuple[Layers, ...]:
        """One `Layers` for every place of parts that are tuples."""
        return tuple(Layers(list(same), self.sizes) for same in zip(*self.parts, strict=True))

    def cat(self) -> Tensor:
        """Parts (R, k) of a number per layer as one tensor (R, L)."""
        return torch.cat(self.parts, -1)

    def __iter__(self) -> Iterator[Any]:
        for l, n in enumerate(self.sizes):
            part, at = (self.parts[0], l) if self.joined else (self.parts[l], 0)
            if not isinstance(part, Tensor):
                yield part.layer(at, n)
            else:
                yield part[:, at, :n] if part.ndim == 3 else part[:, at, :n, :n]

    def __getitem__(self, l: int) -> Any:
        return list(self)[l]


class Pass(Protocol):
    """What a forward and a backward pass leave of every layer, per sample."""

    a: list[Tensor]              # ā_{l−1}    (R, N, in+1)
    h: list[Tensor]              # h_l        (R, N, out)
    g: list[Tensor]              # ∂f/∂h_l    (R, N, out)


def joined(layers: tuple[Layer, ...]) -> bool:
    """Whether a net is so small that padding costs less than one call per layer."""
    widest = max(max(layer.shape) for layer in layers)
    return len(layers) * widest**2 <= PADDED


def pad(tensors: list[Tensor], join: bool) -> list[Tensor]:
    """Vectors (R, n_l) or matrices (R, n_l, n_l) of all layers, with k layers in each part."""
    if not join:
        return [t[:, None] for t in tensors]
    runs, n = max(map(len, tensors)), max(t.shape[-1] for t in tensors)
    whole = tensors[0].new_zeros(runs, len(tensors), *[n] * (tensors[0].ndim - 1))
    for l, t in enumerate(tensors):
        own = whole[:, l, :t.shape[-1]]
        (own if t.ndim == 2 else own[..., :t.shape[-1]]).copy_(t)
    return [whole]


def means(samples: list[Tensor], join: bool) -> Layers:
    """E[h_l] of all layers from h_l (R, N, n_l)."""
    return Layers.of([h.mean(1) for h in samples], join)


def second_moments(samples: list[Tensor], join: bool) -> Layers:
    """E[ā_l ā_lᵀ] of all layers from ā_l (R, N, n_l)."""
    return Layers.of([second_moment(a) for a in samples], join)


def second_moment(a: Tensor) -> Tensor:
    """E[ā āᵀ] (R, n, n) of ā (R, N, n); wide ones in blocks, as half of it is a transpose."""
    n = a.shape[-1]
    if n <= BLOCK:
        return mean_outer(a, a)
    half = n // 32 * 16                           # products of a multiple of 16 columns are fast
    left, right = a[..., :half], a[..., half:]
    A, across = a.new_empty(len(a), n, n), mean_outer(left, right)
    A[:, :half, :half], A[:, half:, half:] = second_moment(left), second_moment(right)
    A[:, :half, half:], A[:, half:, :half] = across, across.mT
    return A


def damped(A: Tensor, lam: Tensor) -> Tensor:
    """A + √λ I, Levenberg-Marquardt damping of a factor (R, …, n, n)."""
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    return A + lam.sqrt().view(-1, *[1] * (A.ndim - 1)) * eye


def times(H: Tensor, v: Tensor) -> Tensor:
    """H v for H (R, k, n, n) and v (R, k, n)."""
    return (H @ v[..., None])[..., 0]


def hessian_action(H: Tensor, A: Tensor, damping: Tensor, mean: Tensor) -> Tensor:
    """One BFGS update of H ≈ (A + damping I)⁻¹ with the pair s = H mean, y = (A + damping I) s."""
    s = times(H, mean)
    y = torch.addcmul(times(A, s), damping[:, None, None], s)
    Hy = times(H, y)
    sy, ss = vecdot(s, y), vecdot(s, s)
    keep = skip(sy, ss, mean.norm(dim=-1), ss > 0)
    return bfgs_update(H, s, Hy, sy, vecdot(y, Hy), keep)[0]
