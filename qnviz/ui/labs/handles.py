"""What a player draws settings from, at the chips of its legend: fields with values and ranges."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from qnviz.fields import Parameter, parameters
from qnviz.methods.base import Method
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.problems.spec import ProblemSpec
from qnviz.ui.state.controls import handle
from qnviz.ui.state.settings import LIMITS, Settings, base

KINDS = ("float", "int", "choice")             # of a method's fields: what has a handle
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
        "run": [handle(q, settings.problem.get(q.name, q.default)) | {"of": "problem"}
                for q in of_problem(problem)]
        + [_seed(settings.seed) | {"of": "run"}, handle(STEPS, settings.steps) | {"of": "run"}],
        "summary": problem.summary}


def _entrant(settings: Settings, e: str) -> dict[str, Any]:
    method = METHODS[base(e)]
    try:
        idle = method.model_validate(settings.method(e)).idle()
    except ValidationError:                    # reported when the run is described
        idle = frozenset()
    return {"entrant": e, "label": settings.title(e), "idea": method.idea,
            "removable": len(settings.entrants) > 1,
            "fields": [handle(q, settings.value(e, q)) | {"idle": q.name in idle}
                       for q in of_method(method)]}


def of_problem(problem: type[ProblemSpec]) -> list[Parameter]:
    """The fields of a problem that have a handle: its real numbers."""
    return [q for q in parameters(problem) if q.kind == "float" and not q.optional]


def of_method(method: type[Method]) -> list[Parameter]:
    """The fields of a method that have a handle."""
    return [q for q in parameters(method) if q.kind in KINDS and not q.optional]


def _seed(value: int) -> dict[str, Any]:
    return handle(SEED, value) | {"first": 0, "last": max(LAST_SEED, value), "step": 1}
