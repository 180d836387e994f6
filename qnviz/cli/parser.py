"""All options of the command line. Help and wrong usage answer without loading torch."""

from __future__ import annotations

import argparse
from pathlib import Path

from qnviz import __version__
from qnviz.scoreboard import MAIN
from qnviz.scoreboard.table import COLUMNS, FEWEST, ROWS

PICTURES = (".png", ".svg", ".pdf")
ENDINGS = (".html", *PICTURES, ".csv", ".npz", ".py")      # of what can be exported
REPEATS = 100                                              # runs of each cell of a scoreboard


def parser() -> argparse.ArgumentParser:
    """The parser; `module` in what it returns is the module of `qnviz.cli` to call."""
    found = argparse.ArgumentParser(prog="qnviz", description="Second-order optimizers, headless.")
    found.add_argument("--version", action="version", version=f"qnviz {__version__}")
    commands = found.add_subparsers(dest="command", required=True)
    for name, declare, help in (
            ("run", _run, "run a spec file and save the trace"),
            ("sweep", _sweep, "compute a sweep, or go on with an unfinished one"),
            ("scoreboard", _scoreboard, "measure all methods on all problems: a table"),
            ("export", _export, "make a page, pictures, numbers or a script of a run"),
            ("list", _list, "list problems and methods")):
        command = commands.add_parser(name, help=help)
        command.set_defaults(module="listing" if name == "list" else name)
        declare(command)
    return found


def _run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, help="JSON file that describes the run")
    parser.add_argument("--out", type=Path, required=True, help="where to save the trace (.npz)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def _sweep(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("spec", type=Path, help="JSON file that describes the sweep")
    parser.add_argument("--out", type=Path, required=True, help="where to save its numbers (.npz)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    parser.add_argument("--fresh", action="store_true",
                        help="start again, whatever the file at --out contains")


def _scoreboard(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--quick", action="store_true",
                        help=f"{FEWEST} runs of each cell, and the settings that were tuned for "
                             "the table that comes with qnviz")
    parser.add_argument("--repeats", type=int, help=f"runs of each cell, {REPEATS} by default; "
                                                    "a fifth on the linear net")
    parser.add_argument("--seed", type=int, default=0, help="of starts, noise and data")
    parser.add_argument("--rows", default=",".join(MAIN), metavar="A,B",
                        help=f"methods: all, or some of {', '.join(ROWS)}, and of rows that "
                             "methods have declared since the table was made")
    parser.add_argument("--columns", default="all", metavar="A,B",
                        help=f"problems: all, or some of {', '.join(COLUMNS)}")
    parser.add_argument("--out", type=Path, help="where to save everything (.json)")
    parser.add_argument("--quiet", action="store_true",
                        help="no progress; with --out and without --json, no table either")


def _export(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", type=Path,
                        help="a saved trace (.npz), or a spec (JSON) to run first")
    parser.add_argument("--out", type=Path, required=True,
                        help=f"what to make, by its ending: {', '.join(ENDINGS)}")
    parser.add_argument("--theme", choices=("light", "dark"),
                        help="colours; an HTML file has both and opens in its reader's own")
    parser.add_argument("--axis", choices=("iterations", "work", "seconds"), default="iterations",
                        help="what time is measured in")
    parser.add_argument("--step", type=int, help="where the playhead stands, by default at the end "
                        "(with --axis work or seconds: which of its ticks)")
    parser.add_argument("--run", type=int, default=0, help="which run of several, from 0 on")
    parser.add_argument("--layout", help="which pictures: those of another page, such as damping")
    parser.add_argument("--panel", action="append", metavar="ID", help="one picture instead of all "
                        "of them, such as loss, or 'eig/layer 2' where there is a choice; may be "
                        "repeated")
    parser.add_argument("--size", default="16:9", help="of a picture: 16:9, 4:3, half, third, 4k")
    parser.add_argument("--transparent", action="store_true", help="nothing behind a picture")
    parser.add_argument("--method", metavar="NAME", help="CSV: this entrant alone; .py: a script "
                        "that uses this method on a model of your own")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")


def _list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="as JSON")
