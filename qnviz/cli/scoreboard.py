"""`python -m qnviz scoreboard`: the board as a plain table or as JSON."""

from __future__ import annotations

import argparse
import json

from qnviz.cli.output import bar, check_folder, say, writing
from qnviz.cli.parser import REPEATS
from qnviz.paths import ASSETS
from qnviz.scoreboard.board import UNITS, Board, Cell, load, written
from qnviz.scoreboard.reference import MISSING, RULE, SOURCE, compared, differences
from qnviz.scoreboard.rows import DECLARED
from qnviz.scoreboard.scoring import board, checked
from qnviz.scoreboard.table import COLUMNS, FEWEST

SHIPPED = ASSETS / "scoreboard.json"


def command(args: argparse.Namespace) -> int:
    """Compute the board, save it and print it; returns the exit status.

    Raises:
        SpecError: an option is wrong.
        QnvizError: the file cannot be written.
    """
    rows, columns = _names(args.rows, DECLARED), _names(args.columns, COLUMNS)
    repeats = args.repeats if args.repeats is not None else FEWEST if args.quick else REPEATS
    checked(rows, columns, repeats, args.seed)
    if args.out is not None:
        check_folder(args.out)

    def progress(cell: Cell, done: int, of: int) -> None:
        shown.update(done - shown.n)

    with bar(len(rows) * len(columns), "cell", args.quiet) as shown:
        found = board(repeats, args.seed, rows, columns, load(SHIPPED) if args.quick else None,
                      progress)
    if args.out is not None:
        with writing(args.out):
            found.save(args.out)
    if args.json:
        say(json.dumps(found.plain() | _comparison(found), indent=1, ensure_ascii=False))
    elif not (args.quiet and args.out):
        say(table(found, rows, columns))
    return 0


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
        cells += [[board.rows[r].title, *(
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
