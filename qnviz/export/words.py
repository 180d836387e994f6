"""What run it is, in words: its problem, its methods' settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qnviz import __version__
from qnviz.methods.registry import METHODS
from qnviz.numbers import say
from qnviz.problems.registry import PROBLEMS
from qnviz.runs.trace import Trace

LONGEST = 60                         # characters of one setting that are shown
NAMED = 3                            # how many entrants a title names before it counts them


def title(trace: Trace) -> str:
    """What was run: Rosenbrock: K-BFGS and Adam, or Rosenbrock: 6 methods."""
    names = [e.title for e in trace.entrants]
    who = f"{len(names)} methods" if len(names) > NAMED else " and ".join(
        filter(None, (", ".join(names[:-1]), names[-1])))
    return f"{problem_title(trace.spec)}: {who}"


def problem_title(spec: Mapping[str, Any]) -> str:
    """The problem's title; its name, where this version does not know it."""
    name = spec["problem"]["name"]
    return PROBLEMS[name].title if name in PROBLEMS else str(name)


def problem(spec: Mapping[str, Any]) -> str:
    """All settings of the problem and of the run."""
    settings = ", ".join([*_words(spec["problem"], {}), *_run(spec)])
    return f"{problem_title(spec)}: {settings}."


def caption(spec: Mapping[str, Any]) -> str:
    """The problem with what is unusual about it, and the seed: one short line."""
    name = spec["problem"]["name"]
    usual = PROBLEMS[name]().model_dump(mode="json") if name in PROBLEMS else {}
    return ", ".join([problem_title(spec), *_words(spec["problem"], usual),
                      f"seed {spec.get('seed', 0)}"])


def _run(spec: Mapping[str, Any]) -> list[str]:
    several = [f"{spec['runs']:,} runs"] if spec.get("runs", 1) > 1 else []
    forked = [f"all follow {spec['fork']['method']['name']} until step {spec['fork']['step']}"
              ] if spec.get("fork") else []
    return [f"up to {spec.get('steps', 300):,} steps", f"seed {spec.get('seed', 0)}",
            spec.get("dtype", "float64"), *several, *forked]


def methods(trace: Trace, run: int = 0) -> list[tuple[str, str, str]]:
    """Title, settings and end of every entrant."""
    given = {m.get("label") or m["name"]: m for m in trace.spec["methods"]}
    rows = []
    for e in trace.entrants:
        ends = trace.ends.get(e.label, [])
        rows.append((e.title, settings(given.get(e.label, {"name": e.name})),
                     ends[run] if run < len(ends) else str(trace[e.label]["status"][run])))
    return rows


def settings(method: Mapping[str, Any]) -> str:
    """All hyper-parameters of a method."""
    known = METHODS[method["name"]]() if method["name"] in METHODS else None
    usual = known.model_dump(mode="json") if known else {}
    return ", ".join(_settings({**usual, **method}, {})) or "nothing to set"


def made(trace: Trace) -> str:
    """By which version, and where."""
    return f"Made with qnviz {__version__}; computed {trace.device or 'elsewhere'}."


def _words(fields: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    return [text.replace("_", " ", 1) for text in _settings(fields, usual)]


def _settings(fields: Mapping[str, Any], usual: Mapping[str, Any]) -> list[str]:
    return [f"{name} = {_value(value)}" for name, value in fields.items()
            if name not in ("name", "label") and value not in (None, "", [])
            and (name not in usual or usual[name] != value)]


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(_value, value))})"
    text = say(value) if isinstance(value, float) else str(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
