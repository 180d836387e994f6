"""Linear layers of a model as the Kronecker methods see them: blocks W, inputs ā, outputs h, g.

Everything is read by hooks that live for one pass only: between steps a model has none of them, so
it can be copied, pickled and compiled as if there were no optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from qnviz.curvature.kronecker import second_moment
from qnviz.errors import OptimizerError
from qnviz.problems.base import Layer
from qnviz.problems.products import append_one


@dataclass
class Block:
    """One nn.Linear and which of its parameters are trained; the last column of W is the bias."""

    name: str
    module: nn.Linear
    weight: bool
    bias: bool

    @property
    def layer(self) -> Layer:
        """Its shape, as problems have it; a frozen weight leaves the column of the bias alone."""
        return Layer(self.module.in_features * self.weight, self.module.out_features, self.bias)

    @property
    def parameters(self) -> list[Tensor]:
        """The trained parameters, the weight first."""
        pair = ((self.module.weight, self.weight), (self.module.bias, self.bias))
        return [p for p, trained in pair if trained]

    def input(self, x: Tensor) -> Tensor:
        """ā (1, N, in+1) from what the layer was given, (…, in); rows are samples."""
        a = x.detach().to(self.module.weight.dtype).reshape(1, -1, x.shape[-1])
        if not self.weight:
            return torch.ones_like(a[..., :1])
        return append_one(a) if self.bias else a

    def gradient(self, tau: float) -> Tensor:
        """∇W + τW, (1, out, in+1).

        Raises:
            OptimizerError: backward has left no gradient.
        """
        columns = []
        for p in self.parameters:
            if p.grad is None:
                raise OptimizerError(f"Linear layer {self.name} has no gradient: the closure must "
                                     "call backward() on a loss that depends on it.")
            g = p.grad.to_dense() if p.grad.is_sparse else p.grad
            columns.append((g + tau * p if tau else g).reshape(len(g), -1))
        return torch.cat(columns, 1)[None]

    def move(self, direction: Tensor, lr: float) -> None:
        """W ← W − lr · direction (1, out, in+1)."""
        widths = [p.numel() // len(p) for p in self.parameters]
        for p, part in zip(self.parameters, direction[0].split(widths, 1), strict=True):
            p.sub_(part.reshape(p.shape), alpha=lr)


@dataclass
class Passed:
    """What a pass left behind, layer by layer: a `Pass` with R = 1."""

    a: list[Tensor] = field(default_factory=list)
    h: list[Tensor] = field(default_factory=list)
    g: list[Tensor] = field(default_factory=list)


def blocks_of(module: Any, name: str) -> list[Block]:
    """The Linear layers of a module, in its order; what is frozen is left out.

    Raises:
        OptimizerError: it is no module, other layers of it are trained too, or layers share a W.
    """
    if not isinstance(module, nn.Module):
        raise OptimizerError(f"{name} looks at the inputs of layers, so give it the nn.Module, or "
                             '[{"module": …}, …] for groups, and not '
                             f"{type(module).__name__}.")
    blocks, owned = [], set()
    for path, layer in module.named_modules():
        if isinstance(layer, nn.Linear):
            own = layer._parameters                    # of a parametrized layer these are missing
            trained = [p is not None and p.requires_grad
                       for p in (own.get("weight"), own.get("bias"))]
            if any(trained):
                blocks.append(Block(path or "itself", layer, *trained))
                owned |= {id(p) for p in blocks[-1].parameters}
    for path, p in module.named_parameters():
        if p.requires_grad and id(p) not in owned:
            layer = type(module.get_submodule(path.rpartition(".")[0])).__name__
            raise OptimizerError(
                f"{name} knows Linear layers only, but {path} belongs to a layer of type {layer}. "
                "Freeze it, or give it to another optimizer and pass the Linear layers here as "
                '[{"module": layer}, …].')
    names: dict[int, list[str]] = {}
    for path, p in module.named_parameters(remove_duplicate=False):
        names.setdefault(id(p), []).append(path)
    if shared := next((n for i, n in names.items() if i in owned and len(n) > 1), None):
        raise OptimizerError(f"{' and '.join(shared)} are one tensor, whose curvature is no "
                             f"Kronecker product: {name} needs layers of their own.")
    if not blocks:
        raise OptimizerError(f"{name} found no trainable Linear layer in {type(module).__name__}.")
    return blocks


@contextmanager
def watched(blocks: list[Block], seen: Callable[[int, Tensor, Tensor], None]) -> Iterator[None]:
    """Calls seen(l, input, output) whenever layer l of the blocks is passed."""
    def hook(l: int, module: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> None:
        seen(l, args[0] if args else kwargs["input"], output)

    # first of all hooks, as another may replace the output
    handles = [b.module.register_forward_hook(partial(hook, l), prepend=True, with_kwargs=True)
               for l, b in enumerate(blocks)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def passed(blocks: list[Block], closure: Callable[[], Any]) -> tuple[Passed, Any]:
    """ā, h and g of one forward and backward pass, and what the closure returned.

    g is ∂f/∂h per sample of a loss that is a mean over samples: N times what backward brings.

    Raises:
        OptimizerError: a layer took part twice, not at all, or got no gradient.
    """
    a: dict[int, Tensor] = {}
    h: dict[int, Tensor] = {}
    g: dict[int, Tensor] = {}
    handles = []

    def forward(l: int, x: Tensor, output: Tensor) -> None:
        if l in h:
            raise OptimizerError(
                f"Linear layer {blocks[l].name} was passed twice in one call of the closure: the "
                "statistics of a layer hold for one pass of one batch.")
        if not output.requires_grad:
            raise OptimizerError("The closure computed the loss without gradients: leave out "
                                 "no_grad() and detach().")
        a[l] = blocks[l].input(x)
        # a copy, since an activation may work in place
        h[l] = output.detach().to(a[l].dtype, copy=True).reshape(1, -1, output.shape[-1])
        handles.append(output.register_hook(partial(backward, l)))

    def backward(l: int, grad: Tensor) -> None:
        rows = grad.detach().to(h[l].dtype).reshape(h[l].shape)
        g[l] = rows * rows.shape[1]

    try:
        with watched(blocks, forward):
            result = closure()
        for l, block in enumerate(blocks):
            if l not in g:
                what = ("got no gradient: the closure must call backward() on a loss that depends "
                        "on it" if l in h else "took no part in the closure's forward pass")
                raise OptimizerError(f"Linear layer {block.name} {what}. Give the optimizer only "
                                     "layers that the loss depends on.")
        order = range(len(blocks))
        return Passed([a[l] for l in order], [h[l] for l in order], [g[l] for l in order]), result
    finally:
        # a graph that somebody keeps holds the hooks, but no longer what they saw
        for kept in (a, h, g):
            kept.clear()
        for handle in handles:
            handle.remove()


class Moments:
    """E[ā āᵀ] of every layer, averaged over all rows of many batches."""

    def __init__(self, blocks: list[Block]):
        self.blocks = blocks
        self.sums: dict[int, Tensor] = {}
        self.rows = [0] * len(blocks)

    def add(self, l: int, x: Tensor, output: Tensor) -> None:
        """The rows of one batch at layer l."""
        a = self.blocks[l].input(x)
        own = second_moment(a).mul_(a.shape[1])
        self.sums[l] = self.sums[l].add_(own) if l in self.sums else own
        self.rows[l] += a.shape[1]

    def means(self) -> list[Tensor]:
        """(1, in+1, in+1) per layer.

        Raises:
            OptimizerError: a layer was never passed.
        """
        if missing := [b.name for b, n in zip(self.blocks, self.rows, strict=True) if not n]:
            raise OptimizerError(f"Nothing was passed through Linear layer {missing[0]} within "
                                 "warm_start().")
        return [self.sums[l] / n for l, n in enumerate(self.rows)]
