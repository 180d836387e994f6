"""The few products over runs that the calculus of layers is made of; none of them conjugates."""

import torch
from torch import Tensor

from qnviz.problems.activations import Activation


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
    return torch.bmm(x, y) if onto is None else onto.baddbmm_(x, y)


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
    nothing = g.new_empty(1, 1, 1)                    # beta = 0: it is not read
    return torch.baddbmm(nothing, g.mT, a, beta=0, alpha=1 / g.shape[1])
