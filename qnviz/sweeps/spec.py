"""What a sweep is: a run spec with one more field, `sweep`, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, ValidationError, model_validator

from qnviz.errors import SpecError
from qnviz.fields import Frozen, Parameter, faults, parameters
from qnviz.methods.base import Method
from qnviz.runs.spec import RunSpec, load_json, parsed

MAX_SWEEP_RUNS = 4_000_000
START = "start."                     # start.0 is the first coordinate of the start


class Axis(Frozen):
    """Values of one swept field."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False,
                              validate_by_name=True, serialize_by_alias=True)

    field: Annotated[str, Field(min_length=1, max_length=40)]
    start: float = Field(alias="from")
    to: float
    points: int = Field(ge=1, le=1_000_000)
    scale: Literal["linear", "log"] = "linear"

    @model_validator(mode="after")
    def _sensible(self) -> Axis:
        if self.scale == "log" and (self.start <= 0 or self.to <= 0):
            raise ValueError(f"a log axis needs ends above 0; it runs from {self.start:g} "
                             f"to {self.to:g}")
        if self.points > 1 and self.start == self.to:
            raise ValueError(f"from and to are both {self.to:g}, so all {self.points} points "
                             "would be the same; take points = 1")
        return self

    @property
    def values(self) -> np.ndarray:
        """The points (n,), in the order from → to; one point is `from`."""
        if self.points == 1:
            return np.array([self.start])
        space = np.geomspace if self.scale == "log" else np.linspace
        return space(self.start, self.to, self.points)


class Sweep(Frozen):
    """Which entrant's fields are swept, and how often each cell is run."""

    entrant: str | None = None                 # None: the only one
    x: Axis
    y: Axis | None = None
    seeds: int = Field(1, ge=1, le=10_000)


class SweepSpec(RunSpec):
    """A run spec with a sweep: everything that determines a map's numbers."""

    sweep: Sweep

    @model_validator(mode="after")
    def _swept(self) -> SweepSpec:
        if self.runs != 1:
            raise ValueError("a sweep's runs are its cells and seeds; leave runs out")
        if self.fork is not None:
            raise ValueError("a sweep has no fork; leave fork out")
        names = [m.entrant for m in self.methods]
        if self.sweep.entrant is None and len(names) > 1:
            raise ValueError(f"sweep.entrant is missing; it must be one of {', '.join(names)}")
        if self.sweep.entrant is not None and self.sweep.entrant not in names:
            raise ValueError(f"sweep.entrant is {self.sweep.entrant!r}, but must be one of "
                             f"{', '.join(map(repr, names))}")
        if self.size > MAX_SWEEP_RUNS:
            raise ValueError(f"the sweep would make {self.size:,} runs; the limit is "
                             f"{MAX_SWEEP_RUNS:,}. Take fewer points or seeds")
        if self.sweep.y is not None and self.sweep.y.field == self.sweep.x.field:
            raise ValueError(f"sweep.x and sweep.y are both {self.sweep.x.field!r}")
        for name, axis in self.axes.items():
            self._allowed(f"sweep.{name}", axis)
        return self

    def _allowed(self, where: str, axis: Axis) -> None:
        """Refuse a field that does not exist, or values that it does not allow."""
        ends = axis.values[[0, -1]]
        if axis.field.startswith(START):
            place = axis.field.removeprefix(START)
            start = getattr(self.problem, "start", None) if self.problem.plane else None
            if start is None or not place.isdigit() or int(place) >= len(start):
                known = (", ".join(f"{START}{i}" for i in range(len(start))) if start is not None
                         else "none: this problem's start is no point of a plane")
                raise ValueError(f"{where}.field is {axis.field!r}; start fields are {known}")
            for v in ends:
                moved = tuple(v if i == int(place) else s for i, s in enumerate(start))
                _valid(where, type(self.problem), self.problem.model_dump() | {"start": moved})
            return
        q = self._parameter(axis.field)
        if q is None:
            known = [p.name for p in parameters(type(self.swept)) if p.kind in ("float", "int")]
            raise ValueError(f"{where}.field is {axis.field!r}, which {self.swept.title} does not "
                             f"have; it can sweep {', '.join(known) or 'nothing of its own'}")
        for v in ends:
            value = int(round(v)) if q.kind == "int" else float(v)
            _valid(where, type(self.swept), self.swept.model_dump() | {axis.field: value})
        if q.kind == "int" and len(set(np.rint(axis.values))) < axis.points:
            raise ValueError(f"{where}: {axis.field} takes whole numbers, of which there are only "
                             f"{len(set(np.rint(axis.values)))} among the {axis.points} points")

    def _parameter(self, field: str) -> Parameter | None:
        return next((q for q in parameters(type(self.swept))
                     if q.name == field and q.kind in ("float", "int")), None)

    @property
    def swept(self) -> Method:
        """The method whose fields are swept."""
        return next(m for m in self.methods if self.sweep.entrant in (None, m.entrant))

    @property
    def axes(self) -> dict[str, Axis]:
        """The one or two axes by name."""
        found = {"x": self.sweep.x} | ({"y": self.sweep.y} if self.sweep.y else {})
        return found

    @property
    def values(self) -> dict[str, np.ndarray]:
        """The values of each axis; whole numbers where the field takes only those."""
        return {name: np.rint(axis.values) if self.whole(axis.field) else axis.values
                for name, axis in self.axes.items()}

    def whole(self, field: str) -> bool:
        """Whether a swept field takes whole numbers only."""
        q = None if field.startswith(START) else self._parameter(field)
        return q is not None and q.kind == "int"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(ny, nx, seeds); ny is 1 where there is no y."""
        return (self.sweep.y.points if self.sweep.y else 1), self.sweep.x.points, self.sweep.seeds

    @property
    def size(self) -> int:
        """How many runs there are."""
        return int(np.prod(self.shape))

    def at(self, iy: int, ix: int, seed: int = 0) -> RunSpec:
        """The run of one cell alone, as a lab shows it."""
        return self.run({name: float(values[ix if name == "x" else iy])
                         for name, values in self.values.items()}, seed)

    def run(self, place: Mapping[str, float], seed: int = 0) -> RunSpec:
        """The run at values of the axes, by name, between the cells too.

        Raises:
            ValidationError: a field does not take its value.
        """
        plain = {name: getattr(self, name) for name in RunSpec.model_fields}
        method, problem = self.swept.model_dump(), self.problem.model_dump()
        for name, value in place.items():
            field = self.axes[name].field
            if field.startswith(START):
                index = int(field.removeprefix(START))
                problem["start"] = tuple(value if i == index else s
                                         for i, s in enumerate(problem["start"]))
            else:
                method[field] = round(value) if self.whole(field) else value
        return RunSpec.model_validate(plain | {
            "methods": (method,), "problem": problem, "seed": self.seed + seed})


def _valid(where: str, model: type[Frozen], values: dict[str, Any]) -> None:
    try:
        model.model_validate(values)
    except ValidationError as error:
        raise ValueError(f"{where}: " + " ".join(faults(error)).removesuffix(".")) from None


def parse_sweep(data: Any) -> SweepSpec:
    """Validate a sweep's description.

    Raises:
        SpecError: with one sentence per wrong field.
    """
    if isinstance(data, dict) and "sweep" not in data:
        raise SpecError(["sweep is missing: it says which field runs over which values. "
                         "A single run is for `python -m qnviz run`."])
    return parsed(data, SweepSpec)


def read_sweep(path: str | Path) -> SweepSpec:
    """Read and validate a sweep's spec file.

    Raises:
        SpecError: it cannot be read, is no JSON, or describes no valid sweep.
    """
    return parse_sweep(load_json(path))
