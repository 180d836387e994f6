"""A page's address: the fields that a visitor asks for, and those that the page writes.

A browser sends what a visitor does together with the address that it shows at that moment. While a
page is being drawn that is the address of before, so one that was replaced a few seconds ago is no
request: taking it for one would undo what was chosen since. `Address.asked` leaves it out.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping

import streamlit as st

from qnviz.ui.privates import went_back

MOST_FIELDS = 300                              # 16 entrants with all of theirs have 200
LONGEST_NAME, LONGEST_VALUE = 80, 400          # characters that are read
LATE = 10.0                                    # seconds for which a replaced address may come in
PLAYHEADS = ("step", "j")                      # fields that a player itself puts into the address
HERE = "address/page"                          # the page that was drawn last

Query = Mapping[str, str]


def bounded(query: Query) -> tuple[dict[str, str], list[str]]:
    """An address's fields within bounds, and a sentence about the others."""
    found, left_out = {}, 0
    for name, value in query.items():
        if len(name) > LONGEST_NAME or len(found) == MOST_FIELDS:
            left_out += 1
        else:
            found[name] = value[:LONGEST_VALUE]
    if not left_out:
        return found, []
    return found, [f"{left_out:,} of the link's fields were left out: a link has at most "
                   f"{MOST_FIELDS} of them, each with a name of at most {LONGEST_NAME} characters."]


def write(query: Query, force: bool = False) -> None:
    """Put these fields, and no others, into the browser's address; nothing else in the app does.

    Fields keep their order in the address: a step that the player has put there itself is then
    nothing new to the browser, and no entry of its history. After Back or Forward the address is
    written in any case, into the entry that is there, as what the page before still had to write
    may have come to it: Streamlit puts that under whatever page the browser shows.

    Args:
        query: the fields.
        force: send them even if Streamlit believes that the browser shows them already. A link
            within a page changes what Streamlit knows, but not what the browser shows.
    """
    asked = st.query_params.to_dict()
    if force or asked != dict(query) or went_back():
        st.query_params.from_dict({n: query[n] for n in asked if n in query} | dict(query))


def without_playheads(query: Query) -> dict[str, str]:
    """An address without the fields that a player writes."""
    return {name: value for name, value in query.items() if name not in PLAYHEADS}


class Address:
    """What one visitor asked of one page, and what the page wrote last."""

    def __init__(self, page: str):
        self.page, self._memory, self._replaced = page, f"{page}/query", f"{page}/query/replaced"

    @property
    def known(self) -> dict[str, str] | None:
        """The fields that the page wrote last; None before it was drawn."""
        return st.session_state.get(self._memory)

    def asked(self, links_only: bool = False) -> dict[str, str]:
        """The fields to be shown: the browser's, or where these say nothing new the known ones.

        Args:
            links_only: nothing but links changes this page, so that no address of it is late.
        """
        query, known, state = st.query_params.to_dict(), self.known, st.session_state
        arrived = state.get(HERE) != self.page
        state[HERE] = self.page
        if known is None or went_back():
            return query
        if not query:                          # back from another page: nothing is lost
            return known
        if arrived or links_only:
            return query
        now = time.monotonic()
        late = [old for old, at in state.get(self._replaced, ()) if now - at < LATE]
        if query in late:
            return known
        if without_playheads(query) in map(without_playheads, late):
            return known | {name: query[name] for name in PLAYHEADS if name in query}
        return query

    def remember(self, query: dict[str, str], force: bool = False) -> None:
        """Write the address, and keep it for when the visitor comes back to the page."""
        state, now, before = st.session_state, time.monotonic(), self.known
        if before is not None and before != query:
            recent = [(old, at) for old, at in state.get(self._replaced, ())
                      if now - at < LATE and old != query]
            state[self._replaced] = [*recent, (before, now)]
        state[self._memory] = query
        write(query, force)


def same_but_playheads(a: Query, b: Query | None) -> bool:
    """Whether two addresses differ in nothing but where a player stands."""
    return b is not None and without_playheads(a) == without_playheads(b)


def unknown(names: Collection[str]) -> list[str]:
    """A sentence for each field of an address that a page does not have."""
    return [f"The link's field {name!r} is not known here and was left out." for name in names]
