"""What a player draws settings from, at the chips of its legend: fields with values and ranges."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from qnviz.fields import Parameter, in_unicode, parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.ui.state.controls import explained, named, slide
from qnviz.ui.state.settings import LIMITS, Settings, base

KINDS = ("float", "int", "choice")             # what has a handle
DECADES = 1e3                                  # a log slider runs so far around the default
LAST_SEED = 99                                 # on the slider; others are typed
SEED = Parameter("seed", "int", 0, "", "Starts, noise and batches are functions of the seed.",
                 low=0, high=LIMITS["seed"])
STEPS = Parameter("steps", "int", 300, "", "Who has not arrived before takes so many steps.",
                  low=1, high=LIMITS["steps"])


def handles(settings: Settings) -> dict[str, Any]:
    """The settings of a lab as a player takes them.

    Returns:
        ``entrants``: for each of the race, also for one that sits out, its id (``entrant``), its
        ``label`` in the trace, its ``idea``, whether it may be removed, and its ``fields``;
        ``run``: the fields of the problem and the run, each with its place in an edit (``of``);
        ``summary``: what the problem is.
    """
    problem = PROBLEMS[settings.problem["name"]]
    return {
        "entrants": [_entrant(settings, e) for e in settings.entrants],
        "run": [_field(q, settings.problem.get(q.name, q.default)) | {"of": "problem"}
                for q in parameters(problem) if q.kind == "float" and not q.optional]
        + [_seed(settings.seed) | {"of": "run"}, _field(STEPS, settings.steps) | {"of": "run"}],
        "summary": problem.summary}


def _entrant(settings: Settings, e: str) -> dict[str, Any]:
    method = METHODS[base(e)]
    try:
        idle = method.model_validate(settings.method(e)).idle()
    except ValidationError:                    # reported when the run is described
        idle = frozenset()
    return {"entrant": e, "label": settings.title(e), "idea": method.idea,
            "removable": len(settings.entrants) > 1,
            "fields": [_field(q, settings.value(e, q)) | {"idle": q.name in idle}
                       for q in parameters(method) if q.kind in KINDS and not q.optional]}


def _seed(value: int) -> dict[str, Any]:
    return _field(SEED, value) | {"first": 0, "last": max(LAST_SEED, value), "step": 1}


def _field(q: Parameter, value: Any) -> dict[str, Any]:
    """One field: what it is called and means, what it takes, and the ends of its slider."""
    field = {"name": q.name, "label": named(q, in_unicode(q.symbol)), "help": explained(q),
             "kind": q.kind, "value": value}
    if q.kind == "choice":
        return field | {"options": [[o, o.replace("_", " ")] for o in q.options]}
    kind = "a whole number" if q.kind == "int" else "a number"
    first, last, step = _log_ends(q, value) if q.log else slide(q, value)
    if q.kind == "int":
        first, last, step = int(first), int(last), max(1, int(step))
    return field | {
        "low": q.low, "high": q.high, "low_open": q.low_open, "high_open": q.high_open,
        "refusal": f"{q.name} must be {kind}, {q.range}.", "log": q.log,
        "first": first, "last": last, "step": step}


def _log_ends(q: Parameter, value: float) -> tuple[float, float, float]:
    """Both ends of a log slider, around the default; it has no step of its own."""
    low, high = (float(f"{q.default * by:.12g}") for by in (1 / DECADES, DECADES))
    if q.low:
        low = max(low, q.low)
    if q.high is not None:
        high = min(high, (0.9 if q.high_open else 1.0) * q.high)     # the last that is useful
    return min(low, value or low), max(high, value), 0.0
