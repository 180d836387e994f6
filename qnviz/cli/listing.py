"""The command `python -m qnviz list`: problems and methods, for people or as JSON."""

from __future__ import annotations

import argparse
import json

from qnviz.cli.output import say
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.problems.registry import PROBLEMS


def command(args: argparse.Namespace) -> int:
    """Print all problems and methods with their parameters; returns the exit status."""
    def entry(model) -> dict:
        return {"title": model.title, "reference": model.reference, "parameters": [
            {"name": q.name, "default": q.default, "range": q.range, "help": q.help}
            for q in parameters(model)]}

    found = {
        "problems": {name: entry(model) for name, model in PROBLEMS.items()},
        "methods": {name: entry(model) | {"family": model.family, "unavailable": {
            problem: why for problem, spec in PROBLEMS.items()
            if (why := model().unavailable(spec()))}} for name, model in METHODS.items()}}
    if args.json:
        say(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for kind, models in found.items():
        say(kind.upper())
        for name, about in models.items():
            say(f"  {name:22}{about['title']}")
            for q in about["parameters"]:
                say(f"      {q['name']:14}{q['default']!s:16}{q['range']}")
            for problem, why in about.get("unavailable", {}).items():
                say(f"      not on {problem}: {why}")
    return 0
