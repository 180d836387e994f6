"""One visitor's state of a page, in three places that follow each other.

The **address** says what a link asks for, the **session** holds what the widgets say, and the page
works with a **value** made from them. A page is drawn in this order: an address that asks for
something new fills the session; the session makes the value; the value writes the address.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, Generic, TypeVar

import streamlit as st

from qnviz.ui.state.address import Address, Query, same_but_playheads

V = TypeVar("V")


class Binder(ABC, Generic[V]):
    """One visitor's state of one page, of which a subclass says what its value is."""

    def __init__(self, page: str, links_only: bool = False):
        """Take up what the address asks for, if that is new.

        Args:
            page: the page's name, for keys.
            links_only: nothing but links changes the page.
        """
        self.page, self.links_only, self.address = page, links_only, Address(page)
        asked, known = self.address.asked(links_only), self.address.known
        moved = asked != known
        if moved and same_but_playheads(asked, known):
            moved = False
            if self.complete():
                self.follow_playheads(asked)
        self.seeded = moved or not self.complete()
        if self.seeded:
            value, faults = self.decode(asked, moved)
            self.seed(value)
            self.faults = faults

    # --- what a page's value is -----------------------------------------------------------------

    @abstractmethod
    def decode(self, asked: Query, moved: bool) -> tuple[V, tuple[str, ...]]:
        """An address as a value, and a sentence for each field that is refused.

        Where the address has not `moved`, it says nothing new, and the session lacks something.
        """

    @abstractmethod
    def encode(self, value: V) -> dict[str, str]:
        """A value as an address's fields."""

    @abstractmethod
    def spread(self, value: V) -> dict[str, Any]:
        """What the session holds of a value, by name."""

    @abstractmethod
    def gather(self) -> tuple[V, tuple[str, ...]]:
        """The value of what the session holds, and a sentence for all that is not taken."""

    @abstractmethod
    def names(self) -> Iterable[str]:
        """The names without which the session holds no whole value."""

    @property
    def scope(self) -> str:
        """What the keys of its widgets begin with."""
        return self.page

    def follow_playheads(self, asked: Query) -> None:
        """Take over where a player stands, where the address says nothing else that is new."""

    # --- the session ----------------------------------------------------------------------------

    def key(self, name: str) -> str:
        """The key of a widget's value."""
        return f"{self.scope}:{name}"

    def complete(self) -> bool:
        """Whether the session holds a whole value: an interrupted run of the script leaves some."""
        return all(self.key(name) in st.session_state for name in (*self.names(), "faults"))

    def seed(self, value: V) -> None:
        """Put a value into the session, before any widget is drawn."""
        for name, part in self.spread(value).items():
            st.session_state[self.key(name)] = part
        self.faults = ()

    @property
    def value(self) -> V:
        """What the widgets say: their values stand in the session before they are drawn."""
        return self.gather()[0]

    @property
    def faults(self) -> tuple[str, ...]:
        """What was wrong with the link, or with what was chosen last."""
        return st.session_state[self.key("faults")]

    @faults.setter
    def faults(self, sentences: tuple[str, ...]) -> None:
        st.session_state[self.key("faults")] = sentences

    # --- and back to the address ----------------------------------------------------------------

    def remember(self) -> V:
        """The page's value; the address follows, also for when the visitor comes back.

        What was wrong with the link stays on the page until the first change after it.
        """
        value, refused = self.gather()
        query = self.encode(value)
        if refused or (not self.seeded and query != self.address.known):
            self.faults = refused
        self.address.remember(query, force=self.links_only and self.seeded)
        return value
