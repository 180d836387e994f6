"""What a method is: a frozen model of its hyper-parameters with `init` and `step`.

A method never loops over steps, never stops, prints or records: the one loop in `qnviz.runs` does.
It works on R runs at once. All tensors in its State have the leading axis R; `p` holds its real
hyper-parameters as (R,) tensors, so every run may have its own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, NamedTuple

import torch
from pydantic import StringConstraints
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.fields import Frozen, parameters
from qnviz.problems.base import ProblemSpec

Events = dict[str, Tensor]                     # (R, …) per name; what a step lets people see
Label = Annotated[str, StringConstraints(pattern=r"^[\w .,:()=+-]{1,40}$", strip_whitespace=True)]


@dataclass
class State:
    """Everything that evolves. Subclasses add their own; tensors lead with R, k is the step."""

    theta: Tensor                              # (R, P)
    k: int


def take(value: Any, index: Tensor) -> Any:
    """The same state for the chosen runs alone: what has finished leaves the batch."""
    if isinstance(value, Tensor):
        return value.index_select(0, index)
    if isinstance(value, list | tuple):
        return type(value)(take(v, index) for v in value)
    if isinstance(value, SimpleNamespace):
        return SimpleNamespace(**{k: take(v, index) for k, v in vars(value).items()})
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{f.name: take(getattr(value, f.name), index)
                                 for f in fields(value)})
    return value


class Look(NamedTuple):
    """How an entrant is drawn, everywhere: never told by colour alone."""

    color: str
    dash: str = "solid"
    marker: str = "circle"


class Method(Frozen):
    """Base of all methods."""

    title: ClassVar[str]
    family: ClassVar[str] = "baseline"         # "quasi-Newton", "Newton", "first order", "outside"
    idea: ClassVar[str]                        # three sentences for a student
    equations: ClassVar[str]                   # LaTeX
    reference: ClassVar[str]
    fails: ClassVar[str]                       # when it fails, in a sentence
    look: ClassVar[Look]

    name: str = ""                             # a Literal in each method: what a spec calls it
    label: Label | None = None

    @property
    def entrant(self) -> str:
        """The name under which this entrant appears in a race and in a saved trace."""
        return self.label or self.name

    def tensors(self, runs: int, like: Tensor) -> SimpleNamespace:
        """The real hyper-parameters as (R,) tensors."""
        return SimpleNamespace(**{
            q.name: torch.full((runs,), getattr(self, q.name), dtype=like.dtype, device=like.device)
            for q in parameters(type(self)) if q.kind == "float"})

    def unavailable(self, problem: ProblemSpec) -> str | None:
        """Why this method cannot run on a problem, in a sentence; None where it can."""
        return None

    def recorded(self, problem: ProblemSpec) -> int:
        """How many numbers a step of one run exposes at most; memory is planned with it."""
        return 12

    @abstractmethod
    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> Any:
        """The state before the first step; `oracle` holds the full (noise-free) batch."""

    @abstractmethod
    def step(self, oracle: Oracle, state: Any, p: SimpleNamespace) -> tuple[Any, Events]:
        """One step on one batch; its first forward pass, if it needs any, is at state.theta."""

    def describe(self, e: Mapping[str, Any]) -> str:
        """What one step did, in a sentence, from its recorded events of one run."""
        return ""


def column(x: Tensor) -> Tensor:
    """(R,) → (R, 1), to scale vectors (R, P)."""
    return x[:, None]
