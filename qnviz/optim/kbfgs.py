"""K-BFGS and K-BFGS(L) as drop-ins for torch.optim, on the Linear layers of a model.

The step is that of `qnviz.methods.kbfgs` with one run; a parameter group is a set of layers with
settings of its own, whose factors are updated as one batch where they are small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from qnviz.curvature.double_damping import Damping
from qnviz.curvature.kronecker import Layers, second_moment
from qnviz.curvature.secant import CompactLBFGS
from qnviz.errors import OptimizerError
from qnviz.fields import choice
from qnviz.methods import kbfgs, kbfgs_l
from qnviz.methods.kbfgs import KroneckerState
from qnviz.optim.base import DropIn, Extra, Repeatable, loss_of, settings
from qnviz.optim.layers import Block, Moments, Passed, blocks_of, passed, watched

FACTORS = ("A", "H_a", "H_g")


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
        OptimizerError: a setting is out of bounds, or other layers are to be trained as well.
    """

    kind: ClassVar[type[kbfgs.KBFGS]] = kbfgs.KBFGS
    extra: ClassVar[type[Extra]] = KroneckerExtra

    def __init__(self, model: nn.Module | list[dict[str, Any]], lr: float = 0.3, lam: float = 0.3,
                 mu1: float = 0.2, momentum: float = 0.9, damping: Damping = "double",
                 weight_decay: float = 0.0, full_batch: bool = False):
        self._build(model, settings(locals()))

    def _build(self, model: Any, chosen: dict[str, Any]) -> None:
        self.blocks: list[list[Block]] = []            # per group
        groups = model if isinstance(model, list | tuple) else [{"module": model}]
        super().__init__(list(groups), chosen)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add {"module": …} with settings of its own.

        Raises:
            OptimizerError: a setting is out of bounds, or the module has other layers to train.
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
            self._keep(group, self._begin(group, blocks, [next(means) for _ in blocks]))

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:       # type: ignore
        """One step; the closure clears gradients, computes the loss, calls backward, returns it.

        It is called twice on one batch, before and after the step; .grad is that of the new point.
        What it raises leaves parameters and state as they were.

        Returns:
            The loss before the step, without weight decay.

        Raises:
            OptimizerError: the closure is missing, or layers are not passed once per call.
        """
        everything = [p for group in self.param_groups for p in group["params"]]
        call = Repeatable(closure, everything[0].device, type(self).__name__)
        parts = [len(blocks) for blocks in self.blocks]
        whole = [block for blocks in self.blocks for block in blocks]
        tape, result = passed(whole, call)
        loss = loss_of(result)
        del result                                                    # and with it the graph
        methods = [self._method(group) for group in self.param_groups]
        tapes, states, moves = _split(tape, parts), [], []
        for group, method, blocks, own in zip(self.param_groups, methods, self.blocks, tapes,
                                              strict=True):
            state = self._state(group, blocks) or self._begin(
                group, blocks, [second_moment(a) for a in own.a])
            grads = [block.gradient(self._extra(group).weight_decay) for block in blocks]
            M, A, move = method.direction(state, own, grads, method.tensors(1, grads[0]))
            states.append((state, M, A))
            moves.append(move)
        before = [p.clone() for p in everything]
        try:
            for method, blocks, move in zip(methods, self.blocks, moves, strict=True):
                for block, direction in zip(blocks, move, strict=True):
                    block.move(direction, method.lr)
            after, _ = passed(whole, call)
            if any(h.shape != h1.shape for h, h1 in zip(tape.h, after.h, strict=True)):
                raise OptimizerError("The closure saw a batch of another size at its second call; "
                                     "both calls of a step must see the same batch.")
        except BaseException:
            for p, old in zip(everything, before, strict=True):
                p.copy_(old)
            raise
        self._learn(methods, states, tapes, _split(after, parts))
        return loss

    def _learn(self, methods: list[Any], states: list[Any], tapes: list[Passed],
               afters: list[Passed]) -> None:
        events = []
        for group, method, (state, M, A), tape, after in zip(
                self.param_groups, methods, states, tapes, afters, strict=True):
            state.M, state.A = M, A
            new, seen = method.learn(state, tape, after, self._extra(group).full_batch,
                                     method.tensors(1, M[0]))
            self._keep(group, new)
            events.append(seen)
        self.last = {name: torch.cat([e[name][0] for e in events]) for name in events[0]}

    # --- state, as torch saves it: in the first parameter of a group ------------------------------

    def _begin(self, group: dict[str, Any], blocks: list[Block],
               moments: list[Tensor]) -> KroneckerState:
        if not all(bool(torch.isfinite(E).all()) for E in moments):
            raise OptimizerError("The inputs of a layer are infinite or NaN before the first step.")
        method, none = self._method(group), moments[0].new_zeros(1, 0)
        return method.begin(none, tuple(b.layer for b in blocks), moments,
                            method.tensors(1, none))

    def _keep(self, group: dict[str, Any], state: KroneckerState) -> None:
        kept: dict[str, Any] = {"k": state.k, "M": state.M, "s": state.s, "y": state.y}
        kept |= {name: [_packed(part) for part in getattr(state, name).parts] for name in FACTORS}
        self.state[group["params"][0]] = kept

    def _state(self, group: dict[str, Any], blocks: list[Block]) -> KroneckerState | None:
        kept = self.state.get(group["params"][0])
        if not kept:
            return None
        shapes = [block.layer.shape for block in blocks]
        if [tuple(M.shape[1:]) for M in kept["M"]] != shapes:
            raise OptimizerError("The loaded state belongs to layers of other shapes.")
        outs, ins = (tuple(n) for n in zip(*shapes, strict=True))
        none = kept["M"][0].new_zeros(1, 0)             # the parameters are in the model alone
        A, H_a, H_g = (Layers([_unpacked(part) for part in kept[name]], sizes)
                       for name, sizes in zip(FACTORS, (ins, ins, outs), strict=True))
        return KroneckerState(none, kept["k"], kept["M"], A, H_a, H_g, kept["s"], kept["y"])

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

    def __init__(self, model: nn.Module | list[dict[str, Any]], lr: float = 0.3, lam: float = 0.3,
                 mu1: float = 0.2, momentum: float = 0.9,
                 damping: Damping = "double", memory: int = 10, weight_decay: float = 0.0,
                 full_batch: bool = False):
        self._build(model, settings(locals()))


def _split(tape: Passed, parts: list[int]) -> list[Passed]:
    """The layers of each group."""
    own, first = [], 0
    for count in parts:
        s = slice(first, first + count)
        own.append(Passed(tape.a[s], tape.h[s], tape.g[s]))
        first += count
    return own


def _packed(part: Tensor | CompactLBFGS) -> Any:
    if isinstance(part, Tensor):
        return part
    return {"S": part.S, "Y": part.Y, "gamma": part.gamma}


def _unpacked(part: Any) -> Tensor | CompactLBFGS:
    return part if isinstance(part, Tensor) else CompactLBFGS(**part)
