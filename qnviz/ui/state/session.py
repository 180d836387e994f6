"""What Streamlit knows of a visitor beside the widgets: who it is, and which theme."""

from __future__ import annotations

from uuid import uuid4

import streamlit as st

DAY = 86_400.0                                 # seconds


def viewer() -> str:
    """This visitor's name, the same on all pages."""
    return st.session_state.setdefault("viewer", uuid4().hex)


def theme_name() -> str:
    """The visitor's theme: "dark" or "light"."""
    return "dark" if st.context.theme.type == "dark" else "light"


@st.fragment(run_every=DAY)
def stay() -> None:
    """Have the browser run the page again when it has found the server after losing it.

    Streamlit does so of itself only where something is drawn anew from time to time. A page of a
    server that has started anew meanwhile would take no click in a player or a map, and lose the
    first changed control: to that server its fragments are unknown, and its state is the address's.
    """
