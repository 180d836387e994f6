"""Headless qnviz: `python -m qnviz run SPEC.json --out run.npz`, `python -m qnviz list [--json]`.

`python -m qnviz sweep SPEC.json --out map.npz` computes a map, and goes on from an unfinished one.
`python -m qnviz export run.npz --out run.html` makes a page of a run, or pictures or numbers.

Exit status: 0 done, 1 could not be carried out, 2 the request was wrong, 130 interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from qnviz import __version__, environment
from qnviz.cli import export as command_export
from qnviz.cli import scoreboard as command_scoreboard
from qnviz.errors import QnvizError, SpecError


def main(argv: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    parser = argparse.ArgumentParser(prog="qnviz", description="Second-order optimizers, headless.")
    parser.add_argument("--version", action="version", version=f"qnviz {__version__}")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run a spec file and save the trace")
    run.add_argument("spec", type=Path, help="JSON file that describes the run")
    run.add_argument("--out", type=Path, required=True, help="where to save the trace (.npz)")
    run.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    sweep = commands.add_parser("sweep", help="compute a sweep, or go on with an unfinished one")
    sweep.add_argument("spec", type=Path, help="JSON file that describes the sweep")
    sweep.add_argument("--out", type=Path, required=True, help="where to save its numbers (.npz)")
    sweep.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    sweep.add_argument("--fresh", action="store_true", help="begin anew, whatever --out holds")
    command_scoreboard.options(commands.add_parser(
        "scoreboard", help="measure all methods on all problems: a table"))
    command_export.options(commands.add_parser(
        "export", help="make a page, pictures, numbers or a script of a run"))
    listing = commands.add_parser("list", help="list problems and methods")
    listing.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(argv)
    try:
        environment.check()
        if args.command == "sweep":
            from qnviz.cli.sweep import sweep_command

            return sweep_command(args)
        if args.command == "export":
            return command_export.export_command(args)
        if args.command == "scoreboard":
            if text := command_scoreboard.scoreboard_command(args):
                print(text)
            return 0
        if args.command == "run":
            from qnviz.cli.run import run_command

            return run_command(args)
        return _list(args)
    except SpecError as error:
        for fault in error.faults:
            print(f"qnviz: {fault}", file=sys.stderr)
        return 2
    except QnvizError as error:
        print(f"qnviz: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:                  # the reader, `head` say, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("qnviz: interrupted, nothing was saved.", file=sys.stderr)
        return 130


def _list(args: argparse.Namespace) -> int:
    from qnviz.fields import parameters
    from qnviz.methods.registry import METHODS
    from qnviz.problems.registry import PROBLEMS

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
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    for kind, models in found.items():
        print(kind.upper())
        for name, about in models.items():
            print(f"  {name:22}{about['title']}")
            for q in about["parameters"]:
                print(f"      {q['name']:14}{q['default']!s:16}{q['range']}")
            for problem, why in about.get("unavailable", {}).items():
                print(f"      not on {problem}: {why}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
