"""The settings of a lab as its player takes them, for all entrants that were chosen."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.handles import of_entrant, of_run
from qnviz.ui.state.settings import Settings, base


def handles(settings: Settings) -> dict[str, Any]:
    """What `runs.handles` gives of a run, also for entrants that sit out."""
    problem = PROBLEMS[settings.problem["name"]]
    return {"entrants": [_entrant(settings, e) for e in settings.entrants],
            "run": of_run(problem, settings.problem, settings.seed, settings.steps),
            "summary": problem.summary}


def _entrant(settings: Settings, e: str) -> dict[str, Any]:
    method = METHODS[base(e)]
    try:
        idle = method.model_validate(settings.method(e)).idle()
    except ValidationError:                    # reported when the run is described
        idle = frozenset()
    values = {q.name: settings.value(e, q) for q in parameters(method)}
    return of_entrant(e, settings.title(e), method, values, idle, len(settings.entrants) > 1)
