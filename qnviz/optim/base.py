"""What the drop-ins share: checked hyper-parameters, repeatable closures, a step in words.

A drop-in has no mathematics of its own: it shows a model to a method of `qnviz.methods` as one run,
R = 1, and lets that method make the step.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, ClassVar

import torch
from pydantic import ValidationError
from torch import Tensor
from torch.nn.parameter import is_lazy

from qnviz.errors import OptimizerError
from qnviz.fields import Frozen, Parameter, faults, number, parameters
from qnviz.methods.base import Method

REALS = (torch.float32, torch.float64)
# what groups hold beside settings: torch's own names, a label for logs, and what schedulers keep
BESIDE = ("params", "param_names", "name")
SCHEDULED = ("initial", "base", "max", "min", "swa")
NOT_HERE = {
    "maximize": "it lowers the loss; to raise a function, return its negative as the loss",
    "foreach": "it has no loop over parameters that could be joined; leave it out",
    "fused": "it has one implementation only; leave it out",
    "capturable": "a step decides on the host, so no CUDA graph can capture it; leave it out",
    "differentiable": "a step leaves no graph; leave it out"}
NUMBERS = {"float": "a number", "int": "a whole number", "bool": "True or False"}
ELSEWHERE = {                              # what other optimizers call a setting
    "learning_rate": "lr", "alpha": "lr", "step_size": "lr", "lambda_": "lam", "lambd": "lam",
    "damping": "lam", "beta": "momentum", "betas": "momentum", "mu": "mu1",
    "history_size": "memory", "max_iter": "budget", "max_eval": "budget",
    "tolerance_grad": "eta", "tol": "eta", "rtol": "eta", "l2": "weight_decay",
    "wd": "weight_decay", "hessian": "curvature"}


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
        self.defaults = settings
        self._all_known(settings.pop("unknown"))
        super().__init__(params, settings)

    @property
    def _settings(self) -> list[str]:
        """The names of all settings; torch adds others to `defaults` when it unpickles."""
        return [q.name for model in (self.kind, self.extra) for q in parameters(model)
                if q.name in self.defaults]

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters with settings of its own.

        Raises:
            OptimizerError: a setting is unknown or out of bounds, or the parameters are of several
                kinds.
        """
        self._all_known(param_group)
        if "params" not in param_group:
            raise OptimizerError(f'A group of {type(self).__name__} needs its parameters: '
                                 '{"params": …}.')
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
            OptimizerError: it is the state of another optimizer, or has settings that are unknown.
        """
        name = type(self).__name__
        for group in state_dict["param_groups"]:
            if missing := sorted(set(self._settings) - set(group)):
                raise OptimizerError(f"This is not the state of a {name}: it has no "
                                     f"{', '.join(missing)}.")
            self._all_known(group, f"This is not the state of a {name}: ")
        if not all(self._fits(kept) for kept in state_dict["state"].values()):
            raise OptimizerError(f"This is not the state of a {name}: what it keeps of a step is "
                                 "that of another method.")
        super().load_state_dict(state_dict)

    def _fits(self, kept: dict[str, Any]) -> bool:
        """Whether a saved entry can be one of this optimizer's."""
        raise NotImplementedError

    def _all_known(self, given: Iterable[str], head: str = "") -> None:
        """Refuse names that no group of this optimizer has.

        Raises:
            OptimizerError: names one of them, and the setting that it may stand for.
        """
        settings, name = self._settings, type(self).__name__
        known = {*settings, *BESIDE, *(f"{p}_{q}" for p in SCHEDULED for q in settings)}
        for unknown in given:
            if unknown in known:
                continue
            if unknown in NOT_HERE:
                why = f": {NOT_HERE[unknown]}."
            elif near := _nearest(unknown, settings):
                why = f"; did you mean {near}?"
            else:
                why = f"; its settings are {', '.join(sorted(settings))}."
            raise OptimizerError(f"{head}{name} has no setting {unknown}{why}")

    def describe(self) -> str:
        """The last step in a sentence, as the app says it; reads its numbers from the device.

        Raises:
            OptimizerError: there was no step yet.
        """
        if not self.last:
            raise OptimizerError("No step was made yet, so there is nothing to describe.")
        if self.last["undone"]:
            return ("The step led to where the loss or its gradient is not finite, and was taken "
                    "back: the parameters and the optimizer's state stay as they were. If this "
                    "happens often, lower lr or raise lam.")
        if not self.last["finite"]:
            return ("The loss, its gradient or the curvature was not finite on this batch: the "
                    "parameters and the optimizer's state stay as they were.")
        method = self._method(self.param_groups[0])
        return method.describe({name: e.cpu().numpy() for name, e in self.last.items()})

    def _method(self, group: dict[str, Any]) -> Any:
        """The method with a group's settings, checked anew: schedulers and people change them."""
        self._all_known(group)
        _of_one_kind(group["params"])
        return _resting(self.kind, group)

    def _extra(self, group: dict[str, Any]) -> Any:
        return _resting(self.extra, group)

    def _made(self, events: dict[str, Tensor]) -> None:
        """Keep what a step let people see."""
        self.last = events | self._outcome(finite=True, undone=False)

    def _not_made(self, undone: bool) -> None:
        """No step, as something was not finite: at the start, or where the step led (`undone`)."""
        nothing = {name: torch.full_like(e, torch.nan) if e.is_floating_point()
                   else torch.zeros_like(e) for name, e in self.last.items()}
        self.last = nothing | self._outcome(finite=False, undone=undone)

    def _outcome(self, **flags: bool) -> dict[str, Tensor]:
        device = self.param_groups[0]["params"][0].device
        return {name: torch.full((), value, device=device) for name, value in flags.items()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("last", {})


class Repeatable:
    """A closure that draws the same random numbers at every call, so that f stays one function.

    What dropout draws from torch's generators is meant; gradients are on in every call, and
    autocast is as it was where `step` was called, while the step's own products do without.

    Raises:
        OptimizerError: there is no closure to call, or no gradient to be had.
    """

    def __init__(self, closure: Callable[[], Any] | None, device: torch.device, name: str):
        if closure is None:
            raise OptimizerError(f"{name} evaluates the loss at several points in one step: call "
                                 "step(closure) with a function that computes it.")
        if torch.is_inference_mode_enabled():
            raise OptimizerError(f"{name} needs gradients, and there are none within "
                                 "torch.inference_mode(): call step outside of it.")
        self.closure, self.device = closure, device
        self.before: tuple[Tensor, Tensor | None] | None = None
        self.autocast = (torch.get_autocast_dtype(device.type),
                         torch.is_autocast_enabled(device.type))

    def exactly(self) -> torch.autocast:
        """Where the step's own products are made: without autocast."""
        return torch.autocast(self.device.type, enabled=False)

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
        dtype, enabled = self.autocast
        torch.clear_autocast_cache()           # of the parameters as they were at the last call
        with torch.enable_grad(), torch.autocast(self.device.type, dtype, enabled):
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
    given = {q: _number(group[q.name], q) for q in parameters(model) if q.name in group}
    wrong = [f"{q.name} is {value!r}, but must be {NUMBERS[q.kind]}."
             for q, value in given.items() if _text(value, q)]
    try:
        made = model(**{q.name: value for q, value in given.items() if not _text(value, q)})
    except ValidationError as error:
        raise OptimizerError(" ".join(wrong + faults(error))) from None
    if wrong:
        raise OptimizerError(" ".join(wrong))
    return made


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


def _text(value: Any, declared: Parameter) -> bool:
    """Whether text, or a truth value, stands for a number: "0.1" would be read as 0.1."""
    texts = (str,) if declared.kind == "bool" else (str, bool)
    return declared.kind in NUMBERS and isinstance(value, texts)


def _nearest(unknown: str, settings: list[str]) -> str | None:
    """The setting that somebody may have meant."""
    if (same := ELSEWHERE.get(unknown.lower())) in settings:
        return same
    near = get_close_matches(unknown.lower(), settings, 1)
    return near[0] if near else None


def all_finite(tensors: Iterable[Tensor]) -> bool:
    """Whether every number is finite; looked at once per device."""
    sums: dict[torch.device, list[Tensor]] = defaultdict(list)
    for x in tensors:
        sums[x.device].append(torch.isfinite(x.sum()))            # one NaN or ∞ makes a sum so
    return all(bool(torch.stack(parts).all()) for parts in sums.values())


def as_now(kept: Any, param: Tensor) -> Any:
    """A saved state in the type and on the device that its parameters have by now."""
    if isinstance(kept, Tensor):
        return kept.to(param.device, param.dtype) if kept.is_floating_point() else kept
    if isinstance(kept, list):
        return [as_now(part, param) for part in kept]
    if isinstance(kept, dict):
        return {name: as_now(part, param) for name, part in kept.items()}
    return kept


def _of_one_kind(params: list[Tensor]) -> None:
    if any(is_lazy(p) for p in params):
        raise OptimizerError("Some parameters have no shape yet: pass a batch through the model "
                             "before it is given to an optimizer.")
    kinds = sorted({f"{str(p.dtype).removeprefix('torch.')} on {p.device}" for p in params})
    if len(kinds) > 1:
        raise OptimizerError(f"The parameters of a group must be of one type on one device; these "
                             f"are {' and '.join(kinds)}.")
    if params and params[0].dtype not in REALS:
        raise OptimizerError(f"Curvature needs float32 or float64 parameters; these are "
                             f"{kinds[0]}.")
