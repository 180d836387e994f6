"""What Streamlit knows of a visitor beside the widgets: who, in which light, still connected."""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

DAY = 86_400.0                                 # seconds


def viewer() -> str:
    """This visitor's name, the same on all pages."""
    return st.session_state.setdefault("viewer", uuid4().hex)


def theme_name() -> str:
    """The visitor's light: "dark" or "light"."""
    return "dark" if st.context.theme.type == "dark" else "light"


def went_back() -> bool:
    """Whether this script run follows the browser's back or forward button."""
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


@st.fragment(run_every=DAY)
def stay() -> None:
    """Have the browser run the page again when it has found the server after losing it.

    Streamlit does so of itself only where something is drawn anew from time to time. A page of a
    server that has started anew meanwhile would take no click in a player or a map, and lose the
    first changed control: to that server its fragments are unknown, and its state is the address's.
    """


def session() -> Callable[[], bool]:
    """A function, for any thread, that says whether the visitor of this script run is still here.

    Where a page runs without a server (streamlit.testing), the visitor is always here.
    """
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    server, name = runtime.get_instance(), context.session_id
    return lambda: server.is_active_session(name)
