"""What a method is: a frozen model of its hyper-parameters with `init` and `step`.

A method never loops over steps, never stops, prints or records: the one loop in `qnviz.runs` does.
It works on R runs at once. All tensors in its State have the leading axis R; `p` holds its real
hyper-parameters as (R,) tensors, so every run may have its own.

Whatever else the program knows of a method is declared here and stands in the method's file, after
the algorithm: its catalogue entry, its style, what maps may vary, its rows on the scoreboard, and
the optimizer that makes its steps outside the labs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from types import SimpleNamespace
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import StringConstraints
from torch import Tensor

from qnviz.curvature.oracle import Oracle
from qnviz.fields import Frozen, parameters
from qnviz.methods.declared import DropIn, Failure, Row, Style
from qnviz.problems.spec import ProblemSpec

__all__ = ["DropIn", "Events", "Failure", "Method", "Row", "State", "Style", "Summary"]

Events = dict[str, Tensor]                     # (R, …) per name; what a step lets people see
Family = Literal["quasi-Newton", "Newton", "first order", "outside"]
Label = Annotated[str, StringConstraints(pattern=r"^[\w .,:()=+-]{1,40}$", strip_whitespace=True)]

# what a method says of a step whose whole gain would be rounding: it stands at a minimum
AT_PRECISION = "no step along d lowers f any more at this precision"


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


class Summary(NamedTuple):
    """One number per run over all its steps, such as the largest eigenvalue ever met: for maps."""

    name: str
    title: str                                 # for people
    how: Literal["max", "mean", "sum"]
    needs: tuple[str, ...]                     # events, or names that `measure` gives
    value: Callable[[Events], Tensor]          # of these, (T, R, …) each → (T, R)
    log: bool = False                          # whether a colour scale should be logarithmic
    low_is_good: bool = True                   # whether a map paints small values as good ones

    @property
    def neutral(self) -> float:
        """The value before the first step."""
        return -torch.inf if self.how == "max" else 0.0

    def fold(self, old: Tensor, value: Tensor, inside: Tensor) -> Tensor:
        """`old` (R,) with the steps of `value` (T, R) that are `inside` and no NaN."""
        counts = inside & ~torch.isnan(value)
        if self.how == "max":
            return torch.maximum(old, torch.where(counts, value, -torch.inf).amax(0))
        return old + torch.where(counts, value, 0).sum(0)

    def total(self, folded: Tensor, steps: Tensor) -> Tensor:
        """The summary (R,) of runs that took so many steps; NaN where there was none."""
        if self.how == "mean":
            return folded / steps
        return torch.where(steps > 0, folded, torch.nan)


class Method(Frozen):
    """Base of all methods."""

    # the catalogue: the page of methods shows all of it
    title: ClassVar[str]
    family: ClassVar[Family]
    idea: ClassVar[str]                        # three sentences for a student
    equations: ClassVar[str]                   # LaTeX
    reference: ClassVar[str]                   # with its year
    ours: ClassVar[str] = ""                   # what is chosen otherwise than in the paper, and why
    fails: ClassVar[str]                       # when it fails, in a sentence or two
    failure: ClassVar[Failure]                 # a run that shows it
    style: ClassVar[Style]

    # the atlas and the basins
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}   # field → ends of its axis
    axes: ClassVar[tuple[str, str] | None] = None      # of its map, if not lam across and lr up
    variants: ClassVar[Mapping[str, Mapping[str, str]]] = {}
    """Choices that make an entry of their own in the list of methods: field → option → words."""
    summaries: ClassVar[tuple[Summary, ...]] = ()      # what a map of many runs can show

    # the scoreboard; a subclass does not inherit its parent's rows
    rows: ClassVar[tuple[Row, ...]] = ()

    # what the recording has to know
    dense: ClassVar[bool] = False              # whether a P × P matrix is made per run
    ragged: ClassVar[frozenset[str]] = frozenset()     # events whose last axis is as long as needed
    switchable: ClassVar[frozenset[str]] = frozenset() # choices that may change amid a run

    # whether web/engine/methods has its twin; otherwise the server computes it alone
    twin: ClassVar[bool] = False

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

    def passes(self, problem: ProblemSpec) -> float:
        """The most units of work that a step usually takes; 3 for a gradient (MATH §1)."""
        return 3

    def footprint(self, problem: ProblemSpec) -> int:
        """About how many numbers a run's state and the making of a step need at once."""
        return 4 * problem.size**2 if self.dense else 6 * problem.size

    def recorded(self, problem: ProblemSpec) -> int:
        """How many numbers a step of one run exposes at most; memory is planned with it."""
        return 12

    def idle(self) -> frozenset[str]:
        """Fields that have no effect with the method's choices as they are."""
        return frozenset()

    def drop_in(self) -> DropIn | None:
        """The optimizer that makes these steps on a model of the reader's own, if there is one."""
        return None

    @abstractmethod
    def init(self, oracle: Oracle, theta: Tensor, p: SimpleNamespace) -> Any:
        """The state before the first step; `oracle` holds the training set, noise-free."""

    @abstractmethod
    def step(self, oracle: Oracle, state: Any, p: SimpleNamespace) -> tuple[Any, Events]:
        """One step on one batch; its first forward pass, if it needs any, is at state.theta."""

    def known(self, state: Any) -> tuple[Tensor, Tensor] | None:
        """Loss (R,) and gradient (R, P) at state.theta, where a step on a fixed batch leaves them."""
        return None

    def ending(self, state: Any) -> Tensor | None:
        """How runs have ended at state.theta by a rule of the method's own, whole numbers (R,).

        0 where a run goes on, 1 where it has come to its end, 2 where the method gave it up. None
        where a method has no such rule.
        """
        return None

    def end_message(self, state: Any, run: int) -> str:
        """How a run that has ended so did, in a sentence."""
        return ""

    # --- what there is to see in a step, measured by the loop and not charged to the method -------

    def matrix(self, problem: ProblemSpec) -> int:
        """Rows of the largest matrix whose spectrum `measure` takes; 0 where there is none."""
        return 0

    def shown(self, state: Any) -> Any:
        """The part of a state that `measure` needs; its tensors lead with R."""
        return None

    def measure(self, shown: Any, p: SimpleNamespace) -> Events:
        """Numbers (R, …) of what is shown, such as its extreme eigenvalues."""
        return {}

    def watch(self, before: Events, after: Events, events: Events, p: SimpleNamespace) -> Events:
        """What to add to a step's events, from the measurements before and after it."""
        return after

    def spectra(self, state: Any) -> dict[str, list[Tensor]]:
        """All eigenvalues (R, n) of each layer's matrices, where they are worth a picture."""
        return {}

    def describe(self, e: Mapping[str, Any]) -> str:
        """What one step did, in a sentence, from its recorded events of one run."""
        return ""


FLAT_LOSS = ("The Gauss-Newton curvature JᵀH_uJ of a plain function is 0: choose hessian as the "
             "curvature, or write the function as residuals, r1; r2.")


def curved(problem: ProblemSpec) -> bool:
    """Whether the loss bends in the output: of a plain function it does not, so JᵀH_uJ is 0."""
    return getattr(problem, "loss", "squares") != "value"


def join(parts: list[Any]) -> Any:
    """The same structure with all tensors joined along their leading axis."""
    first = parts[0]
    if isinstance(first, Tensor):
        return torch.cat(parts)
    if isinstance(first, list | tuple):
        return type(first)(join(list(column)) for column in zip(*parts, strict=True))
    if is_dataclass(first) and not isinstance(first, type):
        return replace(first, **{f.name: join([getattr(part, f.name) for part in parts])
                                 for f in fields(first)})
    return first


def column(x: Tensor) -> Tensor:
    """(R,) → (R, 1), to scale vectors (R, P)."""
    return x[:, None]
