"""Which lesson, which step, presented or not: the address, and what the reader does.

/lessons?of=why-curvature&at=3&present=1
"""

from __future__ import annotations

import time
from typing import NamedTuple

import streamlit as st

from qnviz.ui.privates import went_back
from qnviz.ui.state.query import taken

MEMORY, LEFT, MOVED = "lessons/query", "lessons/left", "lessons/moved"
STALE = 10.0                                   # seconds for which a replaced address may come in
LONGEST = 100                                  # characters of a value that are looked at


class Place(NamedTuple):
    """Where the reader is: a lesson's id ("" for the index), a step from 1 on, presented or not."""

    of: str = ""
    at: int = 1
    present: bool = False

    @property
    def query(self) -> dict[str, str]:
        """The place as an address."""
        if not self.of:
            return {}
        return {"of": self.of, "at": str(self.at)} | ({"present": "1"} if self.present else {})


def read_place(query: dict[str, str]) -> tuple[Place, list[str]]:
    """An address as a place, and a sentence for each value that is refused."""
    query, notes = taken(query)
    notes += [f"The link's field {name!r} is not known here and was left out."
              for name in query if name not in Place._fields]
    of = query.get("of", "")[:LONGEST]
    raw, at = query.get("at", "1")[:LONGEST], 1
    if raw.isascii() and raw.isdigit() and len(raw) < 6 and int(raw) > 0:
        at = int(raw)
    else:
        notes.append(f"at is {raw!r}, but must be the number of a step. The lesson begins at "
                     "its first.")
    shown = query.get("present", "0")[:LONGEST]
    if shown not in ("0", "1"):
        notes.append(f"present is {shown!r}, but must be 0 or 1.")
    return Place(of, at, shown == "1"), notes


def here() -> tuple[Place, list[str]]:
    """Where the reader is: what was just asked for, else the address, else where they were.

    What a reader does while a page is drawn is sent with the address of before, so one that was
    just replaced is no wish, unless the browser's back button brought it.
    """
    state, asked = st.session_state, st.query_params.to_dict()
    known = state.get(MEMORY)
    moved = state.pop(MOVED, None)
    if moved is not None:
        return moved, []
    if known is not None and asked != known:
        now = time.monotonic()
        late = any(q == asked and now - at < STALE for q, at in state.get(LEFT, ()))
        if (late or not asked) and not went_back():
            return read_place(known)[0], []
    return read_place(asked)


def remember(place: Place) -> None:
    """Write the address, and keep it for when the reader comes back to this page."""
    state, query, now = st.session_state, place.query, time.monotonic()
    before = state.get(MEMORY)
    if before is not None and before != query:
        left = [(q, at) for q, at in state.get(LEFT, ()) if now - at < STALE and q != query]
        state[LEFT] = [*left, (before, now)]
    state[MEMORY] = query
    if st.query_params.to_dict() != query:
        st.query_params.from_dict(query)


def go(place: Place) -> None:
    """In a callback: the page is to be drawn there."""
    st.session_state[MOVED] = place
