"""Drop-ins that see all parameters as one vector: any differentiable model, one parameter group."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn

from qnviz.errors import OptimizerError
from qnviz.fields import number
from qnviz.methods.base import State
from qnviz.optim.base import DropIn, Extra, Repeatable, all_finite, as_now
from qnviz.optim.oracle import ClosureOracle


class FlatExtra(Extra):
    """What these drop-ins add; schedulers of torch act on lr."""

    lr: float = number(1.0, r"\alpha", "The share of the method's own step that is made.", gt=0,
                       le=1)


class Flat(DropIn):
    """Base of CurveBall and NewtonKrylov; `kept` is the state of their method."""

    extra: ClassVar[type[Extra]] = FlatExtra
    kept: ClassVar[type[State]]

    def __init__(self, params: Iterable[Any], chosen: dict[str, Any]):
        if isinstance(params, nn.Module):
            raise OptimizerError(f"{type(self).__name__} takes parameters, as those of torch.optim "
                                 "do: give it model.parameters(), not the model.")
        super().__init__(params, chosen)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Take the only group there can be.

        Raises:
            OptimizerError: there is one already, or a setting is out of bounds.
        """
        if self.param_groups:
            raise OptimizerError(f"{type(self).__name__} solves one system in all parameters: "
                                 "there can be only one group of them.")
        super().add_param_group(param_group)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Tensor:       # type: ignore
        """One step; the closure returns the loss with its graph, or (loss, output), no backward.

        It is called as often as the method looks at f; .grad is neither read nor written. What it
        raises leaves parameters and state as they were, and so does a loss or a gradient that is
        not finite: `last["finite"]` and `describe` say so.

        Returns:
            The loss before the step, without weight decay.

        Raises:
            OptimizerError: the closure is missing, or returns something else.
        """
        group = self.param_groups[0]
        params = [p for p in group["params"] if p.requires_grad]
        if not params:
            raise OptimizerError("All parameters are frozen: there is nothing to train.")
        method, extra = self._method(group), self._extra(group)
        call = Repeatable(closure, params[0].device, type(self).__name__)
        oracle = ClosureOracle(params, call, extra.weight_decay)
        with call.exactly():
            return self._step(group["params"][0], method, extra, oracle)

    def _step(self, owner: Tensor, method: Any, extra: Any, oracle: ClosureOracle) -> Tensor:
        start = oracle.here
        saved, p = as_now(self.state.get(owner), start), method.tensors(1, start)
        asked = cast(Any, oracle)
        state = self.kept(theta=start, **saved) if saved else method.init(asked, start, p)
        others = [x for x in _tensors(state).values() if x.shape[1:] not in (start.shape[1:], ())]
        if others:
            raise OptimizerError(
                f"{start.numel():,} parameters are trained now, but {others[0].numel():,} were in "
                "the steps that the state is of: freeze and unfreeze before the optimizer is made, "
                "or load the state of the same parameters.")
        try:
            new, events = method.step(asked, self._shortened(state, extra.lr), p)
            reached = self._reached(start, new, extra.lr)
            made = oracle.finite() and all_finite([reached, *_tensors(new).values()])
            oracle.place(reached if made else start)
        except BaseException:
            oracle.place(start)
            raise
        if made:
            self.state[owner] = {"k": new.k} | _tensors(new)
            self._made({name: e[0] for name, e in events.items()})
        else:
            self._not_made(undone=False)
        return cast(Tensor, oracle.loss)

    def _fits(self, kept: dict[str, Any]) -> bool:
        return set(kept) == {f.name for f in fields(self.kept)} - {"theta"}

    def _shortened(self, state: Any, lr: float) -> Any:
        """The state from which the method sets out, for methods that take lr into account there."""
        return state

    def _reached(self, start: Tensor, new: Any, lr: float) -> Tensor:
        """Where the step ends, for methods whose lr acts there."""
        return new.theta


def _tensors(state: Any) -> dict[str, Tensor]:
    """The tensors of a state but the parameters, which are in the model."""
    return {f.name: getattr(state, f.name) for f in fields(state) if f.name not in ("theta", "k")}
