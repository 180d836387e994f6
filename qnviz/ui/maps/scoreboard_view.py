"""How the scoreboard page shows a board: its address, its picture, its text, its links."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlencode

import numpy as np
import pandas as pd
import streamlit as st
from pydantic import field_validator

from qnviz.fields import Frozen, choice, text, whole
from qnviz.figures.maps.scoreboard import Strip, Table, in_words, scoreboard
from qnviz.figures.theme import Picture, Theme
from qnviz.scoreboard import MAIN
from qnviz.scoreboard.board import UNITS, Board, Cell, written
from qnviz.scoreboard.reference import REFERENCE, compared
from qnviz.scoreboard.table import COLUMNS, ROWS, TARGET
from qnviz.scoreboard.words import champions
from qnviz.ui.state import widgets
from qnviz.ui.state.form import NARROW, Form

LONGEST = 3000                                 # steps that a lab takes
MARGIN = 1.25                                  # of a run's steps, for its lab


class Shown(Frozen):
    """What the page shows; its address."""

    unit: Literal["iterations", "work", "seconds"] = choice("iterations", "What is counted.")
    rows: str = text(",".join(MAIN), "Methods, by comma.", "data")
    columns: str = text(",".join(COLUMNS), "Problems, by comma.", "data")
    repeats: Literal["10", "20", "50", "100", "200"] = choice("20", "Runs of each cell.")
    seed: int = whole(0, "", "Starts, noise and data are functions of it.", ge=0, le=2**31 - 1)
    anew: bool = choice(False, "Whether methods are tuned again.")

    @field_validator("rows", "columns")
    @classmethod
    def _known(cls, value: str, info: Any) -> str:
        known = ROWS if info.field_name == "rows" else COLUMNS
        names = [name.strip() for name in value.split(",")]
        for name in names:
            if name not in known:
                raise ValueError(f"{name!r} is not one of {', '.join(known)}")
        return ",".join(k for k in known if k in names)

    @property
    def chosen_rows(self) -> tuple[str, ...]:
        """Keys of ROWS."""
        return tuple(self.rows.split(","))

    @property
    def chosen_columns(self) -> tuple[str, ...]:
        """Keys of COLUMNS."""
        return tuple(self.columns.split(","))


def choose_several(form: Form[Shown], name: str, label: str, words: Mapping[str, str]) -> None:
    """Several of many, in a popover; the address has them by comma."""
    field, pick = form.key(name), form.key(f"{name}/pick")
    chosen = st.session_state[field].split(",")

    def picked() -> None:
        now = st.session_state[pick]
        st.session_state[field] = ",".join(k for k in words if k in now) or ",".join(chosen)

    with st.popover(f"{label} ({len(chosen)})"), st.container(width=NARROW):
        widgets.several(label, list(words), chosen, key=pick, then=picked, selection_mode="multi",
                     format_func=lambda k: words[k])


def drawn(theme: Theme, q: Shown, board: Board) -> Picture:
    """The board as a picture."""
    rows, columns = q.chosen_rows, q.chosen_columns
    strips = []
    best = {c: board.best(c, q.unit, rows) for c in columns}
    for i, r in enumerate(rows):
        for j, c in enumerate(columns):
            if (cell := board.cells.get((r, c))) is None:
                continue
            taken = np.stack([cell.values(u).astype(float) for u in UNITS], 1)
            agrees = compared(cell)
            strips.append(Strip(
                i, j, written(cell.figures(q.unit), q.unit), taken, cell.reached, *cell.look,
                hover=_hover(cell), best=best[c] == r,
                differs=q.unit == "iterations" and agrees is not None and not all(agrees),
                link=link(cell, board.seed)))
    title = champions(board, q.unit, rows, columns).replace("**", "")
    return scoreboard(Table([ROWS[r].title for r in rows],
                                   [COLUMNS[c].title for c in columns], strips, q.unit, title,
                            theme))


def _hover(cell: Cell) -> str:
    parts = [f"{ROWS[cell.row].title}, {COLUMNS[cell.column].title}"]
    tuned = ROWS[cell.row].tuned
    parts.append(("tuned: " if tuned else "declared: ") + in_words(cell.settings))
    words = {"iterations": " iterations", "work": " units of work", "seconds": ""}
    parts.append("; ".join(f"{written(cell.figures(u), u)}{words[u]}" for u in UNITS))
    if theirs := REFERENCE.get((cell.row, cell.column)):
        parts.append(f"reference: {written(theirs, 'iterations')} iterations")
    return "<br>".join(parts)


def link(cell: Cell, seed: int) -> str:
    """The lab in which this cell's first run can be watched."""
    name = ROWS[cell.row].name
    problem = COLUMNS[cell.column].problem
    steps = int(min(LONGEST, max(20, np.ceil(MARGIN * cell.iterations[0] / 10) * 10)))
    query = {"m": name, "steps": steps, "stop": f"{TARGET:g}", "seed": seed} | {
        n: ",".join(map(str, v)) if isinstance(v, tuple) else v
        for n, v in problem.items() if n != "name"} | {
        f"{name}.{n}": v for n, v in cell.settings.items()}
    if COLUMNS[cell.column].sets:
        query["data_seed"] = seed
    return f"{problem['name']}?{urlencode(query, safe=',')}"


def link_table(q: Shown, board: Board) -> None:
    """All that the picture shows as a table to read, sort and copy."""
    found = []
    for r in q.chosen_rows:
        for c in q.chosen_columns:
            if (cell := board.cells.get((r, c))) is None:
                continue
            theirs = REFERENCE.get((r, c))
            found.append({
                "method": ROWS[r].title, "problem": COLUMNS[c].title,
                **{u: written(cell.figures(u), u) for u in UNITS},
                "reference": "" if theirs is None else written(theirs, "iterations"),
                "settings": in_words(cell.settings), "first run": link(cell, board.seed)})
    st.dataframe(pd.DataFrame(found), hide_index=True, width="stretch", height=300, column_config={
        "first run": st.column_config.LinkColumn(display_text="open in its lab")})
