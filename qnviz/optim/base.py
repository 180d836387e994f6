"""What the drop-ins share: checked hyper-parameters, repeatable closures, a step in words.

A drop-in has no mathematics of its own: it shows a model to a method of `qnviz.methods` as one run,
R = 1, and lets that method make the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import Tensor

from qnviz.errors import OptimizerError
from qnviz.fields import Frozen, Parameter, faults, number, parameters
from qnviz.methods.base import Method

REALS = (torch.float32, torch.float64)


class Extra(Frozen):
    """What a drop-in adds to its method's hyper-parameters; subclasses add their own."""

    weight_decay: float = number(0.0, r"\tau", "½τ‖θ‖² is added to the loss.", ge=0, le=1)


class DropIn(torch.optim.Optimizer):
    """Base of the drop-ins; `kind` and `extra` declare the hyper-parameters and their bounds."""

    kind: ClassVar[type[Method]]
    extra: ClassVar[type[Extra]]
    last: dict[str, Tensor]              # what the last step lets people see

    def __init__(self, params: Iterable[Any], settings: dict[str, Any]):
        self.last = {}
        super().__init__(params, settings)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with settings of its own.

        Raises:
            OptimizerError: a setting is out of bounds, or the parameters are of several kinds.
        """
        super().add_param_group(param_group)
        try:
            for model in (self.kind, self.extra):
                _checked(model, param_group)
            _of_one_kind(param_group["params"])
        except OptimizerError:
            self.param_groups.pop()
            raise

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load what `state_dict` gave.

        Raises:
            OptimizerError: it is the state of another optimizer.
        """
        declared = {q.name for model in (self.kind, self.extra) for q in parameters(model)}
        for group in state_dict["param_groups"]:
            if missing := sorted(declared & set(self.defaults) - set(group)):
                raise OptimizerError(f"This is not the state of a {type(self).__name__}: it has "
                                     f"no {', '.join(missing)}.")
        super().load_state_dict(state_dict)

    def describe(self) -> str:
        """The last step in a sentence, as the app says it; reads its numbers from the device.

        Raises:
            OptimizerError: there was no step yet.
        """
        if not self.last:
            raise OptimizerError("No step was made yet, so there is nothing to describe.")
        method = self._method(self.param_groups[0])
        return method.describe({name: e.cpu().numpy() for name, e in self.last.items()})

    def _method(self, group: dict[str, Any]) -> Any:
        """The method with a group's settings, checked anew: schedulers and people change them."""
        return _resting(self.kind, group)

    def _extra(self, group: dict[str, Any]) -> Any:
        return _resting(self.extra, group)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("last", {})


class Repeatable:
    """A closure that draws the same random numbers at every call, so that f stays one function.

    What dropout draws from torch's generators is meant; gradients are on in every call.

    Raises:
        OptimizerError: there is no closure to call.
    """

    def __init__(self, closure: Callable[[], Any] | None, device: torch.device, name: str):
        if closure is None:
            raise OptimizerError(f"{name} evaluates the loss at several points in one step: call "
                                 "step(closure) with a function that computes it.")
        self.closure, self.device = closure, device
        self.before: tuple[Tensor, Tensor | None] | None = None

    def __call__(self) -> Any:
        """What the closure returns."""
        on_gpu = self.device.type == "cuda"
        if self.before is None:
            self.before = (torch.get_rng_state(),
                           torch.cuda.get_rng_state(self.device) if on_gpu else None)
        else:
            torch.set_rng_state(self.before[0])
            if self.before[1] is not None:
                torch.cuda.set_rng_state(self.before[1], self.device)
        with torch.enable_grad():
            return self.closure()


def loss_of(value: Any) -> Tensor:
    """The loss that a closure returned, as a tensor without its graph.

    Raises:
        OptimizerError: it is not one real number.
    """
    if not (isinstance(value, Tensor) and value.numel() == 1 and value.is_floating_point()):
        what = (f"a tensor of shape {tuple(value.shape)} and {value.dtype}"
                if isinstance(value, Tensor) else f"{type(value).__name__}")
        raise OptimizerError(f"The closure must return the loss as one real number in a tensor, "
                             f"but it returned {what}.")
    return value.detach().reshape(())


def settings(values: dict[str, Any]) -> dict[str, Any]:
    """The settings among a constructor's local names."""
    return {k: v for k, v in values.items() if k not in ("self", "params", "model", "__class__")}


def _checked(model: type[Frozen], group: dict[str, Any]) -> Frozen:
    """A model made from the fields that it shares with a group."""
    given = {q.name: _number(group[q.name], q) for q in parameters(model) if q.name in group}
    try:
        return model(**given)
    except ValidationError as error:
        raise OptimizerError(" ".join(faults(error))) from None


def _resting(model: type[Frozen], group: dict[str, Any]) -> Frozen:
    """The same, where a scheduler may have set lr to 0 for a while: nothing then moves."""
    if "lr" not in model.model_fields or group["lr"] != 0:
        return _checked(model, group)
    others = {name: value for name, value in group.items() if name != "lr"}
    return _checked(model, others).model_copy(update={"lr": 0.0})


def _number(value: Any, declared: Parameter) -> Any:
    """Torch lets hyper-parameters be tensors of one number."""
    single = isinstance(value, Tensor) and value.numel() == 1 and declared.kind in ("float", "int")
    return value.item() if single else value


def _of_one_kind(params: list[Tensor]) -> None:
    kinds = sorted({f"{str(p.dtype).removeprefix('torch.')} on {p.device}" for p in params})
    if len(kinds) > 1:
        raise OptimizerError(f"The parameters of a group must be of one type on one device; these "
                             f"are {' and '.join(kinds)}.")
    if params and params[0].dtype not in REALS:
        raise OptimizerError(f"Curvature needs float32 or float64 parameters; these are "
                             f"{kinds[0]}.")
