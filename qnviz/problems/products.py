"""The few products over runs that the calculus of layers is made of; none of them conjugates."""

import torch
import torch.nn.functional as F
from torch import Tensor

from qnviz.problems.activations import Activation

WIDE = 30_000_000      # multiplications from which on a product in float32 is oneDNN's


def append_one(a: Tensor) -> Tensor:
    """[a; 1] along the last axis."""
    return torch.cat([a, torch.ones_like(a[..., :1])], -1)


def activate(phi: Activation, h: Tensor, bias: bool) -> tuple[Tensor, Tensor]:
    """A = φ(h) and ā = [a; 1], the input of the next layer; a is a view of ā where it can be."""
    if not bias:
        a = phi.value(h)
        return a, a
    if torch.is_grad_enabled() or h.is_complex():     # autograd refuses what is written in place
        a = phi.value(h)
        return a, append_one(a)
    appended = h.new_empty(*h.shape[:-1], h.shape[-1] + 1)
    appended.select(-1, -1).fill_(1)
    return phi.into(h, out=appended[..., :-1]), appended


def shared(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Both for the same runs, where one of them may be shared by all."""
    if len(x) == len(y):
        return x, y
    runs = max(len(x), len(y))
    return x.expand(runs, -1, -1), y.expand(runs, -1, -1)


def product(x: Tensor, y: Tensor, onto: Tensor | None = None) -> Tensor:
    """X @ y over runs, or added onto a tensor that is not needed without it."""
    x, y = shared(x, y)
    if _wide(x, y):
        return _by_onednn(x, y) if onto is None else onto.add_(_by_onednn(x, y))
    return torch.bmm(x, y) if onto is None else onto.baddbmm_(x, y)


def _wide(x: Tensor, y: Tensor) -> bool:
    """Whether oneDNN gains more than it has to copy; autograd cannot look through it."""
    return (x.dtype == torch.float32 and x.device.type == "cpu"
            and x.shape[-2] * x.shape[-1] * y.shape[-1] >= WIDE and not torch.is_grad_enabled()
            and torch.backends.mkldnn.is_available())


def _by_onednn(x: Tensor, y: Tensor) -> Tensor:
    """X @ y, run by run: where MKL leaves AVX-512 unused, as on AMD, in half the time."""
    z = [F.linear(x_r.to_mkldnn(), y_r.mT.to_mkldnn()).to_dense()
         for x_r, y_r in zip(x, y, strict=True)]
    return z[0][None] if len(z) == 1 else torch.stack(z)


def dot(x: Tensor, y: Tensor) -> Tensor:
    """Σ x y over the last axis of (R, P), without conjugation: (R,).

    As a product, since `sum` over an axis of two takes three times as long.
    """
    return torch.bmm(x[:, None], y[..., None])[:, 0, 0]


def mean_outer(g: Tensor, a: Tensor) -> Tensor:
    """E[g āᵀ] over samples: (R, N, out), (R, N, in+1) → (R, out, in+1)."""
    if g.shape[1] == 1:
        return g.mT * a
    g, a = shared(g, a)
    if _wide(g.mT, a):
        return _by_onednn(g.mT, a).mul_(1 / g.shape[1])
    nothing = g.new_empty(1, 1, 1)                    # beta = 0: it is not read
    return torch.baddbmm(nothing, g.mT, a, beta=0, alpha=1 / g.shape[1])
