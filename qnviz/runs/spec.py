"""A run is described by a RunSpec: frozen, JSON, with a content hash."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union

from pydantic import Field, ValidationError, model_validator

from qnviz import __version__
from qnviz.errors import DataError, SpecError
from qnviz.fields import Frozen, faults, parameters
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS

MAX_STEPS, MAX_RUNS = 10_000, 65_536
MAX_ENTRANTS = max(16, len(METHODS))           # all methods may race at once; MAX_BYTES holds too
MAX_BYTES = 2_000_000_000          # of recorded numbers; planned before anything is allocated
MAX_LIVE = 6_000_000_000           # of one entrant's state, all runs together
INSTRUMENTS = 8                    # numbers that the loop itself records per run and step
SPEED = 1e10                       # multiplications and additions per second that are counted on
SNAPSHOT_BYTES = 64_000_000        # of parameters per entrant, where not all iterates are recorded
FEWEST_SNAPSHOTS = 16              # fewer show no path
KEPT_BYTES = 128_000_000           # of a net's parameters; beyond, a trace keeps the last ones
RESERVED = ("plane", "scene")      # what a saved trace holds besides its entrants

AnyProblem = (Annotated[Union[tuple(PROBLEMS.values())], Field(discriminator="name")]  # noqa: UP007
              if len(PROBLEMS) > 1 else next(iter(PROBLEMS.values())))
AnyMethod = Annotated[Union[tuple(METHODS.values())], Field(discriminator="name")]     # noqa: UP007

TAGS = frozenset(PROBLEMS) | frozenset(METHODS)
S = TypeVar("S", bound="RunSpec")


class Fork(Frozen):
    """All entrants of a run follow one method up to a step, and then their own settings.

    They go on from the same parameters, matrices and averages, on the same batches.
    """

    method: AnyMethod                                                    # type: ignore[valid-type]
    step: int = Field(ge=0, le=MAX_STEPS)


class RunSpec(Frozen):
    """Everything that determines a run's numbers."""

    problem: AnyProblem                                                  # type: ignore[valid-type]
    methods: Annotated[tuple[AnyMethod, ...],                            # type: ignore[valid-type]
                       Field(min_length=1, max_length=MAX_ENTRANTS)]
    steps: int = Field(300, ge=1, le=MAX_STEPS)
    runs: int = Field(1, ge=1, le=MAX_RUNS)
    seed: int = Field(0, ge=0, lt=2**63)
    stop_loss: float | None = Field(None, ge=0, le=1e300)     # above the problem's lowest loss
    stop_grad: float | None = Field(None, ge=0, le=1e300)
    dtype: Literal["float64", "float32"] = "float64"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    fork: Fork | None = None

    @model_validator(mode="after")
    def _consistent(self) -> RunSpec:
        labels = [m.entrant for m in self.methods]
        for i, label in enumerate(labels):
            if label in labels[:i]:
                raise ValueError(f"methods[{i}] is the second entrant called {label!r}; "
                                 "give it a label of its own")
        for i, label in enumerate(labels):
            if label in RESERVED:
                raise ValueError(f"methods[{i}] is called {label!r}, which a saved run uses itself")
        for i, method in enumerate(self.methods):
            if why := method.unavailable(self.problem):
                raise ValueError(f"methods[{i}] cannot run on this problem: {why}")
            if (live := self.itemsize * self.runs * method.footprint(self.problem)) > MAX_LIVE:
                raise ValueError(
                    f"methods[{i}] would hold {live / 1e9:.1f} GB at once for {self.runs:,} runs "
                    f"of {self.problem.size:,} parameters; the limit is {MAX_LIVE / 1e9:.0f} GB. "
                    "Take fewer runs")
        if why := self.problem.undefined:
            raise ValueError(why)
        if self.fork is not None:
            self._forks(self.fork)
        if self.bytes > MAX_BYTES:
            raise ValueError(
                f"steps × runs × methods would record {self.bytes / 1e9:.1f} GB; the limit is "
                f"{MAX_BYTES / 1e9:.0f} GB. Take fewer runs, steps or methods")
        return self

    def _forks(self, fork: Fork) -> None:
        """Refuse what cannot go on from the state that the forked method leaves."""
        if fork.step >= self.steps:
            raise ValueError(f"fork.step is {fork.step}, but the run has only {self.steps} steps")
        for i, method in enumerate(self.methods):
            if type(method) is not type(fork.method):
                raise ValueError(f"methods[{i}] cannot go on from the state of "
                                 f"{fork.method.title}: only {fork.method.title} itself can")
            for q in parameters(type(method)):
                if getattr(method, q.name) != getattr(fork.method, q.name) and not (
                        q.kind == "float" or q.name in method.switchable):
                    raise ValueError(f"methods[{i}].{q.name} cannot change at a fork: it shapes "
                                     "the state")

    @property
    def snapshot_every(self) -> int:
        """Steps between two snapshots: iterates whose loss and parameters are recorded."""
        if (most := self.problem.most_snapshots) is None:
            return 1
        fitting = SNAPSHOT_BYTES // (self.itemsize * self.problem.size * self.runs)
        return -(-self.steps // max(FEWEST_SNAPSHOTS, min(most, fitting)))

    @property
    def view_every(self) -> int:
        """Steps between two views, a multiple of `snapshot_every`; 0 where there are none."""
        if not (most := self.problem.most_views):
            return 0
        snapshots = -(-self.steps // self.snapshot_every)
        return self.snapshot_every * -(-snapshots // most)

    @property
    def itemsize(self) -> int:
        """Bytes of one number."""
        return 8 if self.dtype == "float64" else 4

    @property
    def bytes(self) -> int:
        """The most that a full recording of this run can hold."""
        at_snapshots = self._snapshots * (self.problem.size + INSTRUMENTS)
        at_steps = (self.steps + 1) * sum(INSTRUMENTS + m.recorded(self.problem)
                                          for m in self.methods)
        clocks_and_ends = len(self.methods) * (self.steps + 1 + 8 * self.runs)
        return (8 * (at_steps * self.runs + clocks_and_ends)
                + self.itemsize * at_snapshots * self.runs)

    @property
    def keeps_parameters(self) -> bool:
        """Whether a trace keeps the parameters of all snapshots; a large net would fill memory."""
        size = self._snapshots * self.problem.size * self.runs * self.itemsize
        return self.problem.plane or size <= KEPT_BYTES

    @property
    def _snapshots(self) -> int:
        """At most so many snapshots of all entrants together."""
        return len(self.methods) * (-(-self.steps // self.snapshot_every) + 1)

    def minutes(self, method: Method) -> float:
        """About how long a method computes, at a processor's usual speed; for a word in advance."""
        work = self.steps * self.runs * method.passes(self.problem)
        return work * 2.0 * self.problem.step_samples * self.problem.size / SPEED / 60

    def key(self) -> str:
        """A content hash: equal keys mean equal numbers from this version of qnviz."""
        text = json.dumps([__version__, self.model_dump(mode="json"), self.problem.content],
                          sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def short(self) -> dict[str, Any]:
        """The spec as JSON without fields that stand at their defaults."""
        plain = self.model_dump(mode="json", exclude_defaults=True)
        plain["problem"] = {"name": self.problem.name} | plain.get("problem", {})
        plain["methods"] = [{"name": m.name} | m.model_dump(mode="json", exclude_defaults=True)
                            for m in self.methods]
        return plain


def parse(data: Any) -> RunSpec:
    """Validate a run description.

    Raises:
        SpecError: with one sentence per wrong field.
    """
    if isinstance(data, dict) and "sweep" in data:
        raise SpecError(["This describes a sweep; `python -m qnviz sweep` computes it."])
    return parsed(data, RunSpec)


def parsed(data: Any, model: type[S]) -> S:
    """The same for any kind of run.

    Raises:
        SpecError: with one sentence per wrong field.
    """
    if not isinstance(data, dict):
        raise SpecError([f"A run is described by a JSON object, not by {type(data).__name__}."])
    data = dict(data)
    if isinstance(data.get("problem"), dict):
        name = data["problem"].get("name")
        if not isinstance(name, str) or name not in PROBLEMS:
            raise SpecError([f"problem.name is {name!r}, but must be one of "
                             f"{', '.join(map(repr, PROBLEMS))}."])
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise SpecError(faults(error, TAGS)) from None
    except DataError as error:                       # widths that only the data's file would tell
        raise SpecError([str(error)]) from None


def read(path: str | Path) -> RunSpec:
    """Read and validate a spec file.

    Raises:
        SpecError: it cannot be read, is no JSON, or describes no valid run.
    """
    return parse(load_json(path))


def load_json(path: str | Path) -> Any:
    """What a JSON file holds.

    Raises:
        SpecError: it cannot be read, or is no JSON.
    """
    name = Path(path).name
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise SpecError([f"The spec file {name} cannot be read: {why}."]) from None
    return json_of(text, f"The spec file {name}")


def json_of(text: str, called: str) -> Any:
    """What JSON text holds; `called` begins a complaint.

    Raises:
        SpecError: it is no JSON.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError([f"{called} is not valid JSON: {error.msg} in line "
                         f"{error.lineno}, column {error.colno}."]) from None
    except ValueError as error:                      # a number of thousands of digits
        raise SpecError([f"{called} cannot be read: {error}."]) from None
    except RecursionError:
        raise SpecError([f"{called} is nested too deeply."]) from None
