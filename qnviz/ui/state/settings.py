"""What a lab page is set to, and its translation to and from a short, hand-editable address.

    ?noise=3&start=-0.25,-0.25&m=kbfgs,kbfgs~2,curveball&kbfgs~2.damping=none&step=120

Fields at the page's defaults are left out. `kbfgs~2` is a second entrant of the same method. A bad
value costs only itself: it gets a sentence and the default, everything else stays as asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

from pydantic import ValidationError

from qnviz.errors import SpecError
from qnviz.fields import Frozen, Parameter, faults, parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.spec import ProblemSpec
from qnviz.runs.handles import MOST
from qnviz.runs.spec import MAX_ENTRANTS, RunSpec, parse
from qnviz.ui.state.address import Query, bounded, unknown
from qnviz.ui.state.codec import accepted, described, encode, text

Axis = Literal["iterations", "work", "seconds"]
AXES: tuple[Axis, ...] = get_args(Axis)
DOUBLE_LIMIT = 500_000                         # parameters; larger nets run in float32
# what a page takes at most; the command line takes more
LIMITS = MOST | {"stop_loss": 1.0}
BEYOND = "a page takes at most {}; the command line takes more."


@dataclass(frozen=True)
class Settings:
    """One state of a lab page."""

    problem: dict[str, Any]                    # with "name"
    entrants: dict[str, dict[str, Any]]        # id → hyper-parameters that were set
    steps: int = 300
    seed: int = 0
    stop_loss: float = 1e-10
    axis: str = "iterations"
    frame: int | None = None
    ends: tuple[str, ...] = ()                 # of two entrants, through which the plane is laid
    faults: tuple[str, ...] = field(default=(), compare=False)
    # of a page's default: what a method starts from that is not in the race yet
    tuned: Mapping[str, dict[str, Any]] = field(default_factory=dict, compare=False)

    def method(self, entrant: str) -> dict[str, Any]:
        """One entrant as a method of a run spec, named so that equals can be distinguished."""
        name = base(entrant)
        return {"name": name, "label": self.title(entrant)} | self.entrants[entrant]

    def title(self, entrant: str) -> str:
        """The method's title; where it enters twice, with what sets this entrant apart."""
        name = base(entrant)
        twins = [e for e in self.entrants if base(e) == name]
        if len(twins) == 1:
            return METHODS[name].title
        differ = [q.name for q in parameters(METHODS[name])
                  if len({str(self.value(e, q)) for e in twins}) > 1]
        words = ", ".join(str(self.value(entrant, q)) if q.kind == "choice" else
                          f"{q.name}={self.value(entrant, q):g}"
                          for q in parameters(METHODS[name]) if q.name in differ)
        number = twins.index(entrant) + 1
        tail = f"({words})" if words and self._unique(twins, differ) else f"({number})"
        return f"{METHODS[name].title} {tail}"[:40]

    def _unique(self, twins: list[str], differ: list[str]) -> bool:
        kinds = {q.name: q for q in parameters(METHODS[base(twins[0])])}
        rows = {tuple(str(self.value(e, kinds[n])) for n in differ) for e in twins}
        return len(rows) == len(twins)

    def usual(self, entrant: str) -> dict[str, Any]:
        """With these settings as a page's default: what an entrant starts from, twins included."""
        name = base(entrant)
        return self.entrants.get(entrant, self.entrants.get(name, self.tuned.get(name, {})))

    def value(self, entrant: str, q: Parameter) -> Any:
        """What an entrant's hyper-parameter stands at."""
        return self.entrants[entrant].get(q.name, q.default)

    def problem_spec(self) -> ProblemSpec:
        """The problem that is asked for.

        Raises:
            SpecError: with one sentence per wrong field.
        """
        try:
            return PROBLEMS[self.problem["name"]].model_validate(self.problem)
        except ValidationError as error:
            raise SpecError(faults(error)) from None

    def unavailable(self) -> dict[str, str]:
        """Why an entrant cannot run on this problem, for those that cannot."""
        problem = self.problem_spec()
        found = {}
        for e in self.entrants:
            try:
                method = METHODS[base(e)].model_validate(self.method(e))
            except ValidationError:            # reported when the run is described
                continue
            if why := method.unavailable(problem):
                found[e] = why
        return found

    @property
    def running(self) -> list[str]:
        """The entrants that can run, in the order of the run's methods."""
        out = self.unavailable()
        return [e for e in self.entrants if e not in out]

    def spec(self) -> RunSpec | None:
        """The run that these settings ask for; None where no entrant is left to run.

        Raises:
            SpecError: the problem is described wrongly, or the run is too large.
            DataError: the data cannot be read.
        """
        problem = self.problem_spec()
        if over := [f"{name} is {text(value)}, but {BEYOND.format(text(LIMITS[name]))}"
                    for name in LIMITS if (value := getattr(self, name)) > LIMITS[name]]:
            raise SpecError(over)
        wide = problem.size > DOUBLE_LIMIT
        # 0 as the loss to stop at asks for all steps
        arrived = {"stop_grad": problem.still} if problem.still and self.stop_loss else {}
        methods = [self.method(e) for e in self.running]
        if not methods:
            return None
        return parse({"problem": self.problem, "methods": methods, "steps": self.steps,
                      "seed": self.seed, "stop_loss": self.stop_loss,
                      "dtype": "float32" if wide else "float64"} | arrived)


def base(entrant: str) -> str:
    """The method's name in an entrant's id: kbfgs~2 → kbfgs."""
    return entrant.partition("~")[0]


class RunFields(Frozen):
    """What a lab's address says of the whole run, and of how it is looked at."""

    steps: int = described(300, ge=1, le=LIMITS["steps"], limit=BEYOND)
    seed: int = described(0, ge=0, le=LIMITS["seed"], limit=BEYOND)
    stop: float = described(1e-10, ge=0, le=LIMITS["stop_loss"], limit=BEYOND)
    axis: Axis = described(AXES[0], f"one of {', '.join(AXES)}")
    step: int | None = described(None, "a whole number from 0 to {steps}", ge=0,
                                 le=LIMITS["steps"], instead="The playhead starts at 0.")


ATTRIBUTES = {"stop": "stop_loss", "step": "frame"}    # of Settings, where they have another name


def _run_fields(s: Settings) -> RunFields:
    """Not validated: a run that is too long for a page has an address, which says so."""
    return RunFields.model_construct(
        **{name: getattr(s, ATTRIBUTES.get(name, name)) for name in RunFields.model_fields})


def write_query(s: Settings, default: Settings) -> dict[str, str]:
    """Settings as an address's fields, without what is at the default."""
    model = PROBLEMS[default.problem["name"]]
    usual = model.model_validate(default.problem).model_dump()
    kinds = {q.name: q.kind for q in parameters(model)}
    query = {}
    for name, value in s.problem.items():
        if name in usual and (here := text(value, kinds.get(name, ""))) != text(
                usual[name], kinds.get(name, "")):
            query[name] = here
    if list(s.entrants) != list(default.entrants):
        query["m"] = ",".join(s.entrants)
    for e, chosen in s.entrants.items():
        usual = default.usual(e)
        for q in parameters(METHODS[base(e)]):
            here = chosen.get(q.name, q.default)
            if here != usual.get(q.name, q.default):
                query[f"{e}.{q.name}"] = text(here, q.kind)
    if s.ends:
        query["ends"] = ",".join(s.ends)
    return query | encode(_run_fields(s), _run_fields(default))


def read_query(query: Query, default: Settings) -> Settings:
    """An address's fields as settings, with a sentence in `faults` for each that is refused."""
    fields, notes = bounded(query)
    entrants = _entrants(fields.get("m"), default, notes)
    model = PROBLEMS[default.problem["name"]]
    known = {"m", "ends", *RunFields.model_fields}

    def taken(model: type[Frozen], usual: dict[str, Any], names: list[str],
              prefix: str = "") -> dict[str, Any]:
        chosen, faults = accepted(model, fields, usual, names, prefix)
        notes.extend(faults)
        known.update(prefix + name for name in names)
        return {**usual, **{name: list(value) if isinstance(value, tuple) else value
                            for name, value in chosen.items()}}

    problem = taken(model, default.problem, [n for n in model.model_fields if n != "name"])
    entrants = {e: taken(METHODS[base(e)], chosen, [q.name for q in parameters(METHODS[base(e)])],
                         f"{e}.") for e, chosen in entrants.items()}
    run, faults = accepted(RunFields, fields, _run_fields(default).model_dump())
    s = replace(default, problem=problem, entrants=entrants,
                **{ATTRIBUTES.get(name, name): value for name, value in run.items()})
    if "ends" in fields:
        s = replace(s, ends=_ends(fields["ends"], s, notes))
    return replace(s, faults=(*notes, *faults, *unknown([n for n in fields if n not in known])))


def _entrants(raw: str | None, default: Settings, notes: list[str]) -> dict[str, dict[str, Any]]:
    if raw is None:
        return dict(default.entrants)
    chosen: dict[str, dict[str, Any]] = {}
    for e in (part.strip() for part in raw.split(",")):
        if base(e) not in METHODS or not (e == base(e) or e.partition("~")[2].isdigit()):
            notes.append(f"m names the unknown method {e[:40]!r}; known are {', '.join(METHODS)}.")
        elif len(chosen) == MAX_ENTRANTS:
            notes.append(f"m names more than {MAX_ENTRANTS} methods; {e!r} was left out.")
        else:
            chosen[e] = dict(default.usual(e))
    return chosen or dict(default.entrants)


def _ends(raw: str, s: Settings, notes: list[str]) -> tuple[str, ...]:
    ends = tuple(e.strip() for e in raw.split(","))
    if len(ends) == 2 and ends[0] != ends[1] and set(ends) <= set(s.entrants):
        return ends
    notes.append(f"ends is {raw!r}, but must name two entrants of this race, such as "
                 f"{','.join(list(s.entrants)[:2])}. The principal components are used.")
    return ()
