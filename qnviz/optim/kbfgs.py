"""K-BFGS and K-BFGS(L) as drop-ins for torch.optim, on the Linear layers of a model.

The step is that of `qnviz.methods.kbfgs` with one run; a parameter group is a set of layers with
settings of its own, whose factors are updated as one batch where they are small.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, ClassVar, Never

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from qnviz.curvature.double_damping import Damping
from qnviz.curvature.kronecker import Layers, second_moment
from qnviz.curvature.secant import CompactLBFGS
from qnviz.errors import OptimizerError
from qnviz.fields import choice
from qnviz.methods import kbfgs, kbfgs_l
from qnviz.methods.base import Events
from qnviz.methods.kbfgs import KroneckerState
from qnviz.optim.base import DropIn, Extra, Repeatable, all_finite, as_now, loss_of, settings
from qnviz.optim.layers import Block, Moments, Passed, blocks_of, passed, watched

LAYERS = ("A", "H_a", "H_g", "s", "y")            # what a state holds of every layer, padded
LARGE = 20.0           # root mean square of a layer's inputs from which on a warning is given


class KroneckerExtra(Extra):
    """What the drop-ins of both K-BFGS add."""

    full_batch: bool = choice(False, "Whether every step sees all data: pairs are not averaged.")


class KBFGS(DropIn):
    """Kronecker-factored BFGS with double damping [Goldfarb, Ren, Bahamou 2020].

    Args:
        model: an nn.Module whose trained parameters are those of Linear layers, or a list of
            {"module": …, "lr": …} with settings of their own.
        lr: step size α.
        lam: damping λ, in (0, 1): √λ is added to the input factor, and is μ₂.
        mu1: Powell's damping acts where sᵀy < μ₁ yᵀHy.
        momentum: memory β of the averages.
        damping: "double", "powell" or "none".
        weight_decay: τ; ½τ‖W‖² is added to the loss.
        full_batch: whether every step sees all data; the pairs are then not averaged.

    Raises:
        OptimizerError: a setting is unknown or out of bounds, or other layers are to be trained as
            well.
    """

    kind: ClassVar[type[kbfgs.KBFGS]] = kbfgs.KBFGS
    extra: ClassVar[type[Extra]] = KroneckerExtra

    def __init__(self, model: nn.Module | list[dict[str, Any]], lr: float = 1.0, lam: float = 0.3,
                 mu1: float = 0.2, momentum: float = 0.9, damping: Damping = "double",
                 weight_decay: float = 0.0, full_batch: bool = False, **unknown: Never):
        self._build(model, settings(locals()))

    def _build(self, model: Any, chosen: dict[str, Any]) -> None:
        self.blocks: list[list[Block]] = []            # per group
        groups = model if isinstance(model, list | tuple) else [{"module": model}]
        super().__init__(list(groups), chosen)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add {"module": …} with settings of its own.

        Raises:
            OptimizerError: a setting is unknown or out of bounds, or the module has other layers
                to train.
        """
        group: dict[str, Any] = (dict(param_group) if isinstance(param_group, dict)
                                 else {"module": param_group})
        blocks = blocks_of(group.pop("module", group.get("params")), type(self).__name__)
        group["params"] = [p for block in blocks for p in block.parameters]
        super().add_param_group(group)
        self.blocks.append(blocks)

    @contextmanager
    def warm_start(self) -> Iterator[None]:
        """What is passed through the model in this block becomes the first E[ā āᵀ].

        Without it, the batch of the first step is the first E[ā āᵀ].

        Raises:
            OptimizerError: all layers have made steps already, or one was never passed.
        """
        fresh = [(g, b) for g, b in zip(self.param_groups, self.blocks, strict=True)
                 if g["params"][0] not in self.state]
        if not fresh:
            raise OptimizerError("A warm start comes before the first step; steps were made "
                                 "already.")
        moments = Moments([block for _, blocks in fresh for block in blocks])
        with torch.no_grad(), watched(moments.blocks, moments.add):
            yield
        means = iter(moments.means())
        for group, blocks in fresh:
            self.state[group["params"][0]] = _kept(
                self._begin(group, blocks, [next(means) for _ in blocks]))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:       # type: ignore
        """One step; the closure clears gradients, computes the loss, calls backward, returns it.

        It is called twice on one batch, before and after the step; .grad is that of the new point.
        It may pass several batches one after another, with backward() after each: they count as
        one. What it raises leaves parameters and state as they were, and so does a loss or a
        gradient that is not finite: `last["finite"]` and `describe` say so.

        Returns:
            The loss before the step, without weight decay.

        Raises:
            OptimizerError: the closure is missing, layers are not passed once per sample, or the
                second call saw another batch.
        """
        everything = [p for group in self.param_groups for p in group["params"]]
        methods = [self._method(group) for group in self.param_groups]
        call = Repeatable(closure, everything[0].device, type(self).__name__)
        for block in (block for blocks in self.blocks for block in blocks):
            block.check(type(self).__name__)
        with call.exactly():
            return self._step(call, methods, everything)

    def _step(self, call: Repeatable, methods: list[Any], everything: list[Tensor]) -> Tensor:
        whole = [block for blocks in self.blocks for block in blocks]
        tape, result = passed(whole, call)
        loss = loss_of(result)
        del result                                                    # and with it the graph
        tapes, grads, states = tape.split(map(len, self.blocks)), [], []
        for group, blocks, own in zip(self.param_groups, self.blocks, tapes, strict=True):
            grads.append([block.gradient(self._extra(group).weight_decay) for block in blocks])
            states.append(self._state(group, blocks)
                          or [second_moment(a) for a in own.a])       # a warm start by this batch
        fresh = [E for state in states if isinstance(state, list) for E in state]
        if not all_finite([loss, *fresh, *(G for own in grads for G in own)]):
            self._not_made(undone=False)
            return loss
        for block, a, g in zip(whole, tape.a, tape.g, strict=True):
            block.refuse_changed(a, g)
        for i, (group, blocks) in enumerate(zip(self.param_groups, self.blocks, strict=True)):
            if isinstance(states[i], list):
                states[i] = self._begin(group, blocks, states[i])
        joint = Joint(call, whole, tape, [
            Group(method, state, blocks, own, slopes, self._extra(group).full_batch)
            for group, method, state, blocks, own, slopes in zip(
                self.param_groups, methods, states, self.blocks, tapes, grads, strict=True)])
        before = [p.clone() for p in everything]
        try:
            joint.step()
            kept = [_kept(state) for state, _ in joint.made]
            slopes = [block.gradient(0) for block in whole]
            finite = all_finite([joint.reached, *slopes, *everything, *_tensors(kept)])
        except BaseException:
            _restore(everything, before)
            raise
        if not finite:
            _restore(everything, before)
            self._not_made(undone=True)
            return loss
        for group, own in zip(self.param_groups, kept, strict=True):
            self.state[group["params"][0]] = own
        self._made({name: torch.cat([events[name][0] for _, events in joint.made])
                    for name in joint.made[0][1]})
        return loss

    # --- state, as torch saves it: in the first parameter of a group ------------------------------

    def _begin(self, group: dict[str, Any], blocks: list[Block],
               moments: list[Tensor]) -> KroneckerState:
        if not all(bool(torch.isfinite(E).all()) for E in moments):
            raise OptimizerError("The inputs of a layer were infinite or NaN, or too large to be "
                                 "squared, within warm_start().")
        for block, E in zip(blocks, moments, strict=True):
            size = float(E.diagonal(dim1=-2, dim2=-1).mean().sqrt())
            if size > LARGE:
                warnings.warn(
                    f"The inputs of Linear layer {block.name} are large, {size:.0f} in root mean "
                    "square: training will be slow or unstable. Bring the model's inputs to about "
                    "1, pixels in 0 … 255 by x / 255.", stacklevel=2)
        method, none = self._method(group), moments[0].new_zeros(1, 0)
        return method.begin(none, tuple(b.layer for b in blocks), moments,
                            method.tensors(1, none))

    def _state(self, group: dict[str, Any], blocks: list[Block]) -> KroneckerState | None:
        kept = as_now(self.state.get(group["params"][0]), group["params"][0])
        if not kept:
            return None
        shapes = [block.layer.shape for block in blocks]
        if [tuple(M.shape[1:]) for M in kept["M"]] != shapes:
            raise OptimizerError("The loaded state belongs to layers of other shapes.")
        outs, ins = (tuple(n) for n in zip(*shapes, strict=True))
        none = kept["M"][0].new_zeros(1, 0)             # the parameters are in the model alone
        memory = group.get("memory", 0)
        A, H_a, H_g, s, y = (
            Layers([_unpacked(part, memory) for part in kept[name]], sizes)
            for name, sizes in zip(LAYERS, (ins, ins, outs, outs, outs), strict=True))
        return KroneckerState(none, kept["k"], kept["M"], A, H_a, H_g, s, y)

    def _fits(self, kept: dict[str, Any]) -> bool:
        matrix = not issubclass(self.kind, kbfgs_l.KBFGSL)
        return (set(kept) == {"k", "M", *LAYERS}
                and all(isinstance(part, Tensor) == matrix for part in kept["H_g"]))

    def __getstate__(self) -> dict[str, Any]:
        return super().__getstate__() | {"blocks": self.blocks}


class KBFGSL(KBFGS):
    """K-BFGS that keeps the last pairs of a layer instead of a matrix for its outputs.

    Args:
        model: as for KBFGS, and so are all others.
        lr: step size α.
        lam: damping λ.
        mu1: Powell's μ₁.
        momentum: memory β of the averages.
        damping: "double", "powell" or "none".
        memory: how many pairs each layer remembers.
        weight_decay: τ.
        full_batch: whether every step sees all data.
    """

    kind: ClassVar[type[kbfgs.KBFGS]] = kbfgs_l.KBFGSL

    def __init__(self, model: nn.Module | list[dict[str, Any]], lr: float = 0.3, lam: float = 0.1,
                 mu1: float = 0.2, momentum: float = 0.9,
                 damping: Damping = "double", memory: int = 10, weight_decay: float = 0.0,
                 full_batch: bool = False, **unknown: Never):
        self._build(model, settings(locals()))


@dataclass
class Group:
    """The layers of one group at their old point, with the method and the state that move them."""

    method: Any                                    # a KBFGS
    state: KroneckerState
    blocks: list[Block]
    tape: Passed
    gradients: list[Tensor]
    full_batch: bool


class Joint:
    """One step of all groups, which share the pass at the new point.

    A method's step moves its layers and asks for that pass in the middle of its work. By then all
    other groups must have moved as well, so the steps are nested: the pass that one group asks for
    first makes the next group's step, and the innermost calls the closure.
    """

    def __init__(self, call: Repeatable, blocks: list[Block], tape: Passed, groups: list[Group]):
        self.call, self.blocks, self.tape, self.groups = call, blocks, tape, groups
        self.made: list[tuple[KroneckerState, Events]] = []   # of every group, once all are made
        self.reached = torch.empty(0)                         # the loss at the new point
        self.after: list[Passed] = []                         # of every group

    def step(self, i: int = 0) -> None:
        """Make the steps of group i and of all that follow it.

        Raises:
            OptimizerError: the second call of the closure saw another batch, or went wrong.
        """
        if i == len(self.groups):
            self._pass()
            return
        group = self.groups[i]
        p = group.method.tensors(1, group.gradients[0])
        self.made.insert(0, group.method.step(LayersOracle(self, i), group.state, p))

    def _pass(self) -> None:
        after, result = passed(self.blocks, self.call)
        _refuse_other_batch(self.tape, after)
        self.reached = loss_of(result)
        self.after = after.split(len(group.blocks) for group in self.groups)


class LayersOracle:
    """The layers of a group in the words of `qnviz.curvature.oracle.Oracle`, for one step.

    The parameters are in the model alone, so `theta` is empty: `moved` moves the layers themselves.
    """

    def __init__(self, joint: Joint, i: int):
        self.joint, self.i, self.group = joint, i, joint.groups[i]
        self.batch = SimpleNamespace(full=self.group.full_batch)
        self.away = False                              # whether the layers have moved

    def forward(self, theta: Tensor) -> Passed:
        """What a pass at the point leaves behind, backward pass included."""
        if not self.away:
            return self.group.tape
        self.joint.step(self.i + 1)
        return self.joint.after[self.i]

    def blocks(self, tape: Passed) -> list[Tensor]:
        """∇W_l with weight decay, at the old point."""
        return self.group.gradients

    def backward(self, tape: Passed) -> None:
        """There is nothing to do: the closure walks back by itself."""

    def moved(self, theta: Tensor, lr: Tensor, move: list[Tensor]) -> Tensor:
        """Move the layers in place; the step size is the method's, which needs no host copy."""
        for block, direction in zip(self.group.blocks, move, strict=True):
            block.move(direction, self.group.method.lr)
        self.away = True
        return theta


def _refuse_other_batch(tape: Passed, after: Passed) -> None:
    """Both calls of a step must see one batch: the inputs of the first layer are the same.

    Raises:
        OptimizerError: they are not.
    """
    both = "both calls of a step must see the same batch, so draw it before step(closure)."
    if any(h.shape != h1.shape for h, h1 in zip(tape.h, after.h, strict=True)):
        raise OptimizerError(f"The closure saw a batch of another size at its second call; {both}")
    if (l := tape.first) is not None:
        a, a1 = tape.a[l], after.a[l]
        near = torch.finfo(a.dtype).eps**0.5                 # what makes the inputs may round anew
        if not bool((a1 - a).norm() <= near * a.norm()):
            raise OptimizerError(f"The closure saw another batch at its second call; {both}")


def _restore(params: list[Tensor], values: list[Tensor]) -> None:
    for p, value in zip(params, values, strict=True):
        p.copy_(value)


def _tensors(kept: Any) -> Iterator[Tensor]:
    """All tensors of a saved state."""
    if isinstance(kept, Tensor):
        yield kept
    elif isinstance(kept, dict | list):
        for part in kept.values() if isinstance(kept, dict) else kept:
            yield from _tensors(part)


def _kept(state: KroneckerState) -> dict[str, Any]:
    """A state as torch saves it."""
    return {"k": state.k, "M": state.M} | {
        name: [_packed(part) for part in getattr(state, name).parts] for name in LAYERS}


def _packed(part: Tensor | CompactLBFGS) -> Any:
    if isinstance(part, Tensor):
        return part
    return {"S": part.S, "Y": part.Y, "gamma": part.gamma}


def _unpacked(part: Any, memory: int) -> Tensor | CompactLBFGS:
    """What was saved; of pairs the newest, as many as `memory` says by now."""
    if isinstance(part, Tensor):
        return part
    S, Y = (F.pad(V[..., -memory:, :], (0, 0, max(memory - V.shape[-2], 0), 0))
            for V in (part["S"], part["Y"]))
    return CompactLBFGS(S, Y, part["gamma"])
