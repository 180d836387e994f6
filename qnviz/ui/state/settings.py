"""What a lab page is set to, and its two-way translation to a short, hand-editable URL.

    ?noise=3&start=-0.25,-0.25&m=kbfgs,kbfgs~2,curveball&kbfgs~2.damping=none&step=120

Fields at the page's defaults are left out. `kbfgs~2` is a second entrant of the same method. A bad
value costs only itself: it gets a sentence and the default, everything else stays as asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from pydantic import ValidationError

from qnviz.errors import SpecError
from qnviz.fields import Frozen, Parameter, faults, parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.spec import ProblemSpec
from qnviz.problems.typed import for_address, from_address
from qnviz.runs.spec import MAX_ENTRANTS, RunSpec, parse
from qnviz.ui.state.address import bounded

AXES = ("iterations", "work", "seconds")
ALL = "all"                                    # in the URL: an optional number that is left out
DOUBLE_LIMIT = 500_000                         # parameters; larger nets run in float32
# what a page takes at most; the command line takes more
LIMITS = {"steps": 3000, "seed": 2**31 - 1, "stop_loss": 1.0}


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
        """One entrant as a method of a run spec, named so that equals are told apart."""
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
            except ValidationError:            # told when the run is described
                continue
            if why := method.unavailable(problem):
                found[e] = why
        return found

    def spec(self) -> RunSpec | None:
        """The run that these settings ask for; None where no entrant is left to run.

        Raises:
            SpecError: the problem is described wrongly, or the run is too large.
            DataError: the data cannot be read.
        """
        problem = self.problem_spec()
        if over := [f"{name} is {value}, but a page takes at most {LIMITS[name]}; the command line "
                    "takes more." for name in LIMITS
                    if (value := getattr(self, name)) > LIMITS[name]]:
            raise SpecError(over)
        wide = problem.size > DOUBLE_LIMIT
        # 0 as the loss to stop at asks for all steps
        arrived = {"stop_grad": problem.still} if problem.still and self.stop_loss else {}
        out = self.unavailable()
        methods = [self.method(e) for e in self.entrants if e not in out]
        if not methods:
            return None
        return parse({"problem": self.problem, "methods": methods, "steps": self.steps,
                      "seed": self.seed, "stop_loss": self.stop_loss,
                      "dtype": "float32" if wide else "float64"} | arrived)


def base(entrant: str) -> str:
    """The method's name in an entrant's id: kbfgs~2 → kbfgs."""
    return entrant.partition("~")[0]


def write_query(s: Settings, default: Settings) -> dict[str, str]:
    """Settings as URL parameters, without what stands at the default."""
    query = {}
    model = PROBLEMS[default.problem["name"]]
    usual = model.model_validate(default.problem).model_dump()
    typed = {q.name for q in parameters(model) if q.kind == "expression"}
    for name, value in s.problem.items():
        if name in usual and as_text(value) != as_text(usual[name]):
            query[name] = for_address(value) if name in typed else as_text(value)
    if list(s.entrants) != list(default.entrants):
        query["m"] = ",".join(s.entrants)
    for e, chosen in s.entrants.items():
        usual = default.usual(e)
        for q in parameters(METHODS[base(e)]):
            here = chosen.get(q.name, q.default)
            if here != usual.get(q.name, q.default):
                query[f"{e}.{q.name}"] = as_text(here)
    for name in ("steps", "seed", "stop_loss", "axis"):
        if getattr(s, name) != getattr(default, name):
            query[name.removesuffix("_loss")] = as_text(getattr(s, name))
    if s.ends:
        query["ends"] = ",".join(s.ends)
    if s.frame is not None:
        query["step"] = str(s.frame)
    return query


def read_query(query: Mapping[str, str], default: Settings) -> Settings:
    """URL parameters as settings; each fault is a sentence in `faults`, the default in place."""
    left, notes = bounded(query)
    entrants = _entrants(left.pop("m", None), default, notes)
    s = replace(default, entrants=entrants)

    known = parameters(PROBLEMS[s.problem["name"]])
    optional = {q.name for q in known if q.optional}
    typed = {q.name for q in known if q.kind == "expression"}
    for name in PROBLEMS[s.problem["name"]].model_fields:
        if name != "name" and name in left:
            raw = left.pop(name)
            value = None if raw == ALL and name in optional else from_address(raw) if (
                name in typed) else raw.split(",") if "," in raw else raw
            s = replace(s, problem=_try(PROBLEMS[s.problem["name"]], s.problem, name, value,
                                        name, notes))
    for key, name in (("steps", "steps"), ("seed", "seed"), ("stop", "stop_loss")):
        if key in left:
            s = _run_field(s, name, key, left.pop(key), notes)
    axis = left.pop("axis", s.axis)
    if axis not in AXES:
        notes.append(f"axis is {axis!r}, but must be one of {', '.join(AXES)}.")
    else:
        s = replace(s, axis=axis)
    if "ends" in left:
        s = replace(s, ends=_ends(left.pop("ends"), s, notes))
    if "step" in left:
        s = replace(s, frame=_frame(left.pop("step"), s, notes))
    for key, raw in left.items():
        e, dot, name = key.partition(".")
        known = dot and e in entrants and any(
            q.name == name for q in parameters(METHODS[base(e)]))
        if known:
            chosen = _try(METHODS[base(e)], s.entrants[e], name, raw, key, notes)
            s = replace(s, entrants=s.entrants | {e: chosen})
        else:
            notes.append(f"The link's field {key!r} is not known here and was left out.")
    return replace(s, faults=tuple(notes))


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


def _try(model: type[Frozen], chosen: dict[str, Any], name: str, raw: Any, key: str,
         notes: list[str]) -> dict[str, Any]:
    """`chosen` with one more field, or as it was, with a note, if the value is refused."""
    try:
        valid = model.model_validate({**chosen, name: raw})
    except ValidationError as error:
        notes.extend(f.replace(name, key, 1) + " The default is used." for f in faults(error))
        return chosen
    value = getattr(valid, name)
    return {**chosen, name: list(value) if isinstance(value, tuple) else value}


def _run_field(s: Settings, name: str, key: str, raw: str, notes: list[str]) -> Settings:
    probe = {"problem": {"name": next(iter(PROBLEMS))},            # whose data are always there
             "methods": [{"name": next(iter(METHODS))}], name: raw}
    try:
        value = getattr(RunSpec.model_validate(probe), name)
    except ValidationError as error:
        notes.extend(f.replace(name, key, 1) + " The default is used." for f in faults(error))
        return s
    if value is None or value > LIMITS[name]:
        notes.append(f"{key} is {value}, but a page takes at most {LIMITS[name]}; the command "
                     "line takes more. The default is used.")
        return s
    return replace(s, **{name: value})


def _ends(raw: str, s: Settings, notes: list[str]) -> tuple[str, ...]:
    ends = tuple(e.strip() for e in raw.split(","))
    if len(ends) == 2 and ends[0] != ends[1] and set(ends) <= set(s.entrants):
        return ends
    notes.append(f"ends is {raw!r}, but must name two entrants of this race, such as "
                 f"{','.join(list(s.entrants)[:2])}. The principal components are used.")
    return ()


def _frame(raw: str, s: Settings, notes: list[str]) -> int | None:
    if raw.isascii() and raw.isdigit() and int(raw) <= LIMITS["steps"]:
        return int(raw)
    notes.append(f"step is {raw!r}, but must be a whole number from 0 to {s.steps}. "
                 "The playhead starts at 0.")
    return None


def as_text(value: Any) -> str:
    """A value as it stands in the URL: 0.5,1 for a point, 64-32-64 for widths, all for None."""
    if isinstance(value, list | tuple):
        return ("-" if len(value) > 2 else ",").join(as_text(v) for v in value)
    if value is None:
        return ALL
    if isinstance(value, float):               # short where that is the very same number
        short = f"{value:.6g}"
        return short if float(short) == value else repr(value)
    return str(value)
