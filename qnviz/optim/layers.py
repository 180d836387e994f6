"""Linear layers of a model as the Kronecker methods see them: blocks W, inputs ā, outputs h, g.

Everything is read by hooks that live for one pass only: between steps a model has none of them, so
it can be copied, pickled and compiled as if there were no optimizer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from qnviz.curvature.kronecker import second_moment
from qnviz.errors import OptimizerError
from qnviz.problems.products import append_one, product
from qnviz.problems.spec import Layer

CHANGED = 1e-2         # relative; rounding in bfloat16 is less


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

    def check(self, name: str) -> None:
        """Refuse what has become of the layer since it was given to the optimizer.

        Raises:
            OptimizerError: it computes its weight from others by now, or parts of it were frozen.
        """
        _refuse_unlike(self.module, self.name, name)
        if frozen := [q for q, trained in (("weight", self.weight), ("bias", self.bias))
                      if trained and not getattr(self.module, q).requires_grad]:
            raise OptimizerError(
                f"{' and '.join(frozen).capitalize()} of Linear layer {self.name} "
                f"{'was' if len(frozen) == 1 else 'were'} frozen after {name} was made: freeze "
                "first, then make the optimizer.")

    def input(self, x: Tensor) -> Tensor:
        """ā (1, N, in+1) from what the layer was given, (…, in); rows are samples."""
        a = x.detach().to(self.module.weight.dtype).reshape(1, -1, x.shape[-1])
        if not self.weight:
            return torch.ones_like(a[..., :1])
        # a copy where no column is added, since the next batch may be read into the same memory
        return append_one(a) if self.bias else a.clone()

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

    def refuse_changed(self, a: Tensor, g: Tensor) -> None:
        """Refuse a hook on a parameter that changes its gradient, such as a mask.

        Raises:
            OptimizerError: there are hooks, and ∇W is not E[g āᵀ].
        """
        if any(p._backward_hooks for p in self.parameters):
            from_pass = product(g.mT, a) / a.shape[1]
            if bool((self.gradient(0) - from_pass).norm() > CHANGED * from_pass.norm()):
                raise OptimizerError(
                    f"A hook changes the gradient of Linear layer {self.name}. The step multiplies "
                    "it by both factors, so what the hook has set to 0 would move all the same: "
                    "take the hook away, or leave the layer to another optimizer.")

    def move(self, direction: Tensor, lr: float) -> None:
        """W ← W − lr · direction (1, out, in+1)."""
        widths = [p.numel() // len(p) for p in self.parameters]
        for p, part in zip(self.parameters, direction[0].split(widths, 1), strict=True):
            p.sub_(part.reshape(p.shape), alpha=lr)


@dataclass
class Passed:
    """What the passes of a closure left behind, layer by layer: a `Pass` with R = 1."""

    a: list[Tensor] = field(default_factory=list)
    h: list[Tensor] = field(default_factory=list)
    g: list[Tensor] = field(default_factory=list)
    first: int | None = None             # the layer that was passed first: its inputs are the batch

    def split(self, counts: Iterable[int]) -> list[Passed]:
        """The layers of each group of so many."""
        own, first = [], 0
        for count in counts:
            s = slice(first, first + count)
            own.append(Passed(self.a[s], self.h[s], self.g[s]))
            first += count
        return own


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
        if isinstance(layer, nn.Linear) and any(p.requires_grad for p in layer.parameters()):
            path = path or "itself"
            _refuse_unlike(layer, path, name)
            trained = [p is not None and p.requires_grad for p in (layer.weight, layer.bias)]
            blocks.append(Block(path, layer, *trained))
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


def _refuse_unlike(layer: nn.Linear, path: str, name: str) -> None:
    """Refuse a layer that is no Wx + b with trained W and b of its own.

    Raises:
        OptimizerError: it has a forward of its own, computes its weight, or is empty.
    """
    elsewhere = "or leave the layer to another optimizer"
    if type(layer).forward is not nn.Linear.forward or "forward" in vars(layer):
        raise OptimizerError(
            f"Layer {path}, a {type(layer).__name__}, has a forward of its own, and {name} takes "
            "it that a Linear layer computes Wx + b. Put what it does beside into a module before "
            f"or after a plain nn.Linear, {elsewhere}.")
    others = sorted({q for q, _ in layer.named_parameters()} - {"weight", "bias"})
    if others or not {"weight", "bias"} <= layer._parameters.keys():
        raise OptimizerError(
            f"Linear layer {path} computes its weight or bias from other tensors "
            f"({', '.join(others)}), as pruning and parametrizations do, and {name} moves W "
            "itself. Make them permanent (torch.nn.utils.prune.remove, "
            f"parametrize.remove_parametrizations), {elsewhere}.")
    if is_lazy(layer.weight):
        raise OptimizerError(f"Linear layer {path} has no shape yet: pass a batch through the "
                             "model before it is given to an optimizer.")
    if not layer.in_features or not layer.out_features:
        raise OptimizerError(
            f"Linear layer {path} has {layer.in_features} inputs and {layer.out_features} outputs: "
            "there is nothing to train. Leave it out of the model.")


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


def in_backward() -> bool:
    """Whether autograd is at work: what is passed then, activation checkpointing passes again."""
    return torch._C._current_graph_task_id() != -1


class Passes:
    """ā, h and g of all passes of one call of the closure, pooled as rows of one batch.

    A pass counts where it has gradients. A layer may be passed again once backward() has brought
    those of its last pass: so gradients are accumulated over batches that are too large for one.
    """

    def __init__(self, blocks: list[Block]):
        self.blocks = blocks
        self.a: list[list[Tensor]] = [[] for _ in blocks]        # (1, N_i, …) of pass i
        self.h: list[list[Tensor]] = [[] for _ in blocks]
        self.g: list[list[Tensor | None]] = [[] for _ in blocks]
        self.blind = [0] * len(blocks)           # passes without gradients, not made again so far
        self.first: int | None = None
        self.handles: list[Any] = []

    def forward(self, l: int, x: Tensor, output: Tensor) -> None:
        """Layer l was passed.

        Raises:
            OptimizerError: its last pass has no gradient yet.
        """
        if not output.requires_grad:
            self.blind[l] += 1
            return
        if in_backward():
            if not self.blind[l]:
                return                            # the first time it was passed with gradients
            self.blind[l] -= 1
        elif self.first is None and not any(self.blind):
            self.first = l
        block = self.blocks[l]
        if self.g[l] and self.g[l][-1] is None:
            raise OptimizerError(
                f"Linear layer {block.name} was passed again before backward() had brought the "
                "gradients of its first pass. A layer that one sample passes twice is none for a "
                "Kronecker factor: leave it to another optimizer. Where the closure has several "
                "batches, call backward() after each.")
        self.a[l].append(block.input(x))
        # a copy, since an activation may work in place
        self.h[l].append(output.detach().to(self.a[l][-1].dtype, copy=True).reshape(
            1, -1, output.shape[-1]))
        self.g[l].append(None)
        self.handles.append(output.register_hook(partial(self.backward, l, len(self.g[l]) - 1)))

    def backward(self, l: int, i: int, grad: Tensor) -> None:
        """∂f/∂h of pass i has come, or another part of it."""
        h, before = self.h[l][i], self.g[l][i]
        rows = grad.detach().to(h.dtype).reshape(h.shape)
        self.g[l][i] = rows if before is None else before + rows

    def pooled(self) -> Passed:
        """All rows; g is ∂f/∂h per sample of a loss that is a mean: N times what backward brings.

        Raises:
            OptimizerError: a layer took no part, got no gradient, or was passed by no sample.
        """
        if not any(self.h) and not any(self.blind):
            raise OptimizerError(
                "The closure passed through none of the Linear layers: call the model inside the "
                "closure, at each call, and not before it.")
        a, h, g = [], [], []
        for l, block in enumerate(self.blocks):
            if not self.h[l] and self.blind[l]:
                raise OptimizerError("The closure computed the loss without gradients: leave out "
                                     "no_grad() and detach().")
            own = [rows for rows in self.g[l] if rows is not None]
            if not own or len(own) < len(self.h[l]):
                what = ("got no gradient: the closure must call backward() on a loss that depends "
                        "on it" if self.h[l] else "took no part in the closure's forward pass")
                raise OptimizerError(f"Linear layer {block.name} {what}. Give the optimizer only "
                                     "layers that the loss depends on.")
            a.append(_joined(self.a[l]))
            h.append(_joined(self.h[l]))
            g.append(_joined(own) * h[l].shape[1])
            if not h[l].shape[1]:
                raise OptimizerError(f"No sample passed Linear layer {block.name}: the batch is "
                                     "empty.")
        return Passed(a, h, g, self.first)

    def clear(self) -> None:
        """Forget all: a graph that somebody keeps holds the hooks, but no longer what they saw."""
        for kept in (*self.a, *self.h, *self.g):
            kept.clear()
        for handle in self.handles:
            handle.remove()


def passed(blocks: list[Block], closure: Callable[[], Any]) -> tuple[Passed, Any]:
    """What one call of the closure left at every layer, and what it returned.

    Raises:
        OptimizerError: a layer was passed in a way of which there are no statistics.
    """
    passes = Passes(blocks)
    try:
        with watched(blocks, passes.forward):
            result = closure()
        return passes.pooled(), result
    finally:
        passes.clear()


def _joined(parts: list[Tensor]) -> Tensor:
    return parts[0] if len(parts) == 1 else torch.cat(parts, 1)


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
