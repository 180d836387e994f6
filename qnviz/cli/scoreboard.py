"""`python -m qnviz scoreboard`: the board as a plain table or as JSON."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from qnviz.errors import QnvizError, SpecError
from qnviz.paths import ASSETS
from qnviz.scoreboard.board import UNITS, Board, Cell, load, written
from qnviz.scoreboard.reference import MISSING, RULE, SOURCE, compared, differences
from qnviz.scoreboard.table import COLUMNS, FEWEST, MAIN, ROWS

SHIPPED = ASSETS / "scoreboard.json"
REPEATS = 100


def options(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    parser.add_argument("--json", action="store_true", help="everything, as JSON")
    parser.add_argument("--quick", action="store_true",
                        help=f"{FEWEST} runs of each cell, and the settings that were tuned for "
                             "the table that comes with qnviz")
    parser.add_argument("--repeats", type=int, help=f"runs of each cell, {REPEATS} by default; "
                                                    "a fifth on the linear net")
    parser.add_argument("--seed", type=int, default=0, help="of starts, noise and data")
    parser.add_argument("--rows", default=",".join(MAIN), metavar="A,B",
                        help=f"methods: all, or some of {', '.join(ROWS)}")
    parser.add_argument("--columns", default="all", metavar="A,B",
                        help=f"problems: all, or some of {', '.join(COLUMNS)}")
    parser.add_argument("--out", type=Path, help="where to save everything (.json)")
    parser.add_argument("--quiet", action="store_true",
                        help="no progress; with --out and without --json, no table either")


def scoreboard_command(args: argparse.Namespace) -> str:
    """Compute the board and save it; returns what is to be printed.

    Raises:
        SpecError: an option is wrong.
        QnvizError: the file cannot be written.
    """
    from tqdm import tqdm

    from qnviz.scoreboard.scoring import board, checked

    rows, columns = _names(args.rows, ROWS), _names(args.columns, COLUMNS)
    repeats = args.repeats if args.repeats is not None else FEWEST if args.quick else REPEATS
    checked(rows, columns, repeats, args.seed)
    if args.out is not None and not (folder := args.out.resolve().parent).is_dir():
        raise SpecError([f"--out {args.out}: the folder {folder.name!r} does not exist."])
    def told(cell: Cell, done: int, of: int) -> None:
        bar.update(done - bar.n)

    with tqdm(total=len(rows) * len(columns), unit="cell", disable=args.quiet, file=sys.stderr,
              dynamic_ncols=True) as bar:
        found = board(repeats, args.seed, rows, columns, load(SHIPPED) if args.quick else None,
                      told)
    if args.out is not None:
        try:
            found.save(args.out)
        except OSError as error:
            raise QnvizError(f"{args.out} could not be written: {error.strerror}.") from None
    if args.json:
        return json.dumps(found.plain() | _comparison(found), indent=1, ensure_ascii=False)
    return "" if args.quiet and args.out else table(found, rows, columns)


def _names(text: str, known: dict) -> tuple[str, ...]:
    if text == "all":
        return tuple(known)
    return tuple(dict.fromkeys(part.strip() for part in text.split(",")))


def table(board: Board, rows: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """All units as plain text, and what differs from the reference."""
    lines = []
    for unit in UNITS:
        lines.append(unit.upper())
        cells = [["", *(COLUMNS[c].title for c in columns)]]
        cells += [[ROWS[r].title, *(
            written(board.cells[r, c].figures(unit), unit)
            + (" *" if board.best(c, unit, rows) == r else "") for c in columns)] for r in rows]
        widths = [max(len(line[k]) for line in cells) for k in range(len(cells[0]))]
        lines += ["  ".join(text.ljust(w) for text, w in zip(line, widths, strict=True)).rstrip()
                  for line in cells]
        lines.append("")
    lines.append("Mean ± standard deviation of the runs that reached the target; (nF): n failed; "
                 "*: the best.")
    if others := differences(board, load(SHIPPED)):
        lines += [f"Beside {SOURCE}: {RULE} {MISSING}", *(f"  {d.words}" for d in others)]
    return "\n".join(lines)


def _comparison(board: Board) -> dict:
    verdicts = {at: compared(cell) for at, cell in board.cells.items()}
    return {"comparison": {
        "with": SOURCE, "rule": RULE, "without": MISSING,
        "cells": [{"row": r, "column": c, "steps agree": v[0], "failures agree": v[1]}
                  for (r, c), v in verdicts.items() if v is not None],
        "differences": [d.words for d in differences(board, load(SHIPPED))]}}
