"""What a player draws settings from, at the chips of its legend: fields with values and ranges."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qnviz.fields import Parameter, parameters
from qnviz.handles import handle
from qnviz.methods.base import Method
from qnviz.problems.spec import ProblemSpec
from qnviz.runs.spec import RunSpec

KINDS = ("float", "int", "choice")             # of a method's fields: what has a handle
LAST_SEED = 99                                 # on the slider; others are typed
MOST = {"steps": 3000, "seed": 2**31 - 1}      # what a page takes; the command line takes more
SEED = Parameter("seed", "int", 0, "", "Starts, noise and batches are functions of the seed.",
                 low=0, high=MOST["seed"])
STEPS = Parameter("steps", "int", 300, "", "Who has not arrived before takes so many steps.",
                  low=1, high=MOST["steps"])


def handles(spec: RunSpec) -> dict[str, Any]:
    """The settings of a run as a player takes them.

    Returns:
        ``entrants``: for each its id (``entrant``), its ``label`` in the trace, its ``idea``,
        whether it may be removed, and its ``fields``; ``run``: the fields of the problem and the
        run, each with its place in an edit (``of``); ``summary``: what the problem is.
    """
    return {
        "entrants": [of_entrant(m.entrant, m.entrant, type(m), m.model_dump(), m.idle(), False)
                     for m in spec.methods],
        "run": of_run(type(spec.problem), spec.problem.model_dump(), spec.seed, spec.steps),
        "summary": spec.problem.summary}


def of_entrant(e: str, label: str, method: type[Method], values: Mapping[str, Any],
               idle: frozenset[str], removable: bool) -> dict[str, Any]:
    """One entrant's part; `idle` fields have no effect as its choices are."""
    return {"entrant": e, "label": label, "idea": method.idea, "removable": removable,
            "fields": [handle(q, values[q.name]) | {"idle": q.name in idle}
                       for q in of_method(method)]}


def of_run(problem: type[ProblemSpec], values: Mapping[str, Any], seed: int,
           steps: int) -> list[dict[str, Any]]:
    """The fields of the problem, then seed and steps."""
    seeds = handle(SEED, seed) | {"first": 0, "last": max(LAST_SEED, seed), "step": 1}
    return [handle(q, values.get(q.name, q.default)) | {"of": "problem"}
            for q in of_problem(problem)] + [
        seeds | {"of": "run"}, handle(STEPS, steps) | {"of": "run"}]


def of_problem(problem: type[ProblemSpec]) -> list[Parameter]:
    """The fields of a problem that have a handle: its real numbers."""
    return [q for q in parameters(problem) if q.kind == "float" and not q.optional]


def of_method(method: type[Method]) -> list[Parameter]:
    """The fields of a method that have a handle."""
    return [q for q in parameters(method) if q.kind in KINDS and not q.optional]
