"""What we use of Streamlit and Plotly that they do not promise to keep, with the reasons.

An upgrade may take any of this away. `tests/test_privates.py` looks for each in the installed
packages, and for uses that are not listed here.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import plotly
import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx
from streamlit.runtime.scriptrunner_utils.script_requests import ScriptRequestType

STATIC = Path(st.__file__).parent / "static"

# --- Streamlit's server ---------------------------------------------------------------------------

def went_back() -> bool:
    """Whether this script run follows the browser's back or forward button.

    An address that arrives otherwise may be an old one, which the browser sent before it heard of
    the one that replaced it. Streamlit knows the difference, but has no public way to ask.
    """
    context = get_script_run_ctx()
    return context is not None and context.is_history_navigation


def connected() -> Callable[[], bool]:
    """A function, for any thread, that says whether the visitor of this script run is still here.

    Work that takes long ends when nobody waits for it. Where a page runs without a server
    (streamlit.testing), the visitor is always here.
    """
    context = get_script_run_ctx()
    if context is None or not runtime.exists():
        return lambda: True
    server, name = runtime.get_instance(), context.session_id
    return lambda: server.is_active_session(name)


def sessions() -> int:
    """How many sessions there are; those whose time to come back is over are dropped by counting.

    Streamlit keeps them in a cache that consults the clock only when it is counted or written to,
    so that a server that nobody visits any more would keep its last visitors' memory.
    """
    if not runtime.exists():
        return 0
    known: Any = runtime.get_instance()._session_mgr
    return known.num_active_sessions() + len(known._session_storage._cache)


def yield_to_reruns() -> None:
    """Let a control that was changed meanwhile end this script run here.

    Streamlit asks whether a rerun was requested whenever the session's state is read. A loop that
    waits for a run to end reads nothing, and would keep the visitor waiting. What was reported from
    within a fragment, as from a player, does not end a run of the whole page by itself; a timer's
    rerun of a fragment shall not. The rerun is of the address that came with the report: this run's
    own is older, and would be put into the browser's history.
    """
    st.session_state.get("interrupt")
    context = get_script_run_ctx()
    if context is None or context.script_requests is None:
        return
    requests = context.script_requests
    if requests._state == ScriptRequestType.RERUN and not requests._rerun_data.is_auto_rerun:
        context.query_string = requests._rerun_data.query_string
        st.rerun()


@cache
def index() -> str:
    """Streamlit's page, whose one inline script the content security policy allows by its hash."""
    return (STATIC / "index.html").read_text(encoding="utf-8")


# --- Streamlit's elements, by the names under which our style sheets and scripts find them --------

TEST_IDS = {
    "stApp": "its colour scheme says whether the page is light or dark",
    "stCaptionContainer": "captions are paler than WCAG's contrast allows",
    "stElementContainer": "pages that run again dim what is old; players and maps are never old",
    "stHeader": "presenting hides the bar of pages",
    "stHeading": "headlines are large; ours share the first screen with pictures",
    "stHorizontalBlock": "rows of tables made of page links",
    "stMarkdown": "larger type on large screens",
    "stMarkdownContainer": "no margin within rows of tables",
    "stPageLink": "links within text and tables are not buttons",
    "stPopover": "buttons of one row have one height",
    "stPopoverBody": "popovers are narrow, so that pictures stay in sight",
    "stProgress": "its text is as small as that beside it",
}
CLASSES = {
    "stAlert": "warnings in one row with other text",
    "stApp": "presenting has a background of its own",
    "stButton": "buttons of one row have one height",
    "stMain": "the part of the page below the bar",
    "stMainBlockContainer": "its wide margins would push pictures off the first screen",
    "stPlotlyChart": "charts outside the player, for printing",
    "stVerticalBlock": "its gaps",
}

# --- Streamlit's hand on the browser's history, in the words of its script ------------------------

HISTORY = {
    "this.historyNavigationEpoch===null?window.history.pushState({},``,n):"
    "window.history.replaceState({},``,n)": "an address that Python writes is an entry of its own, "
    "but after Back or Forward that entry's: so `write` in ui/state/address.py corrects it",
    "t!==ut(document.location.search)&&": "… and is nothing where the browser has it already, "
    "letter by letter: so the player writes its step first, as Python would",
    "window.history.pushState({},``,o)": "a run of a page puts that page's path into the history, "
    "also one that begins too late: web/frame/history.js keeps that out",
}

# --- Plotly's script ------------------------------------------------------------------------------

PLOTLY_JS = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"
PLOTLY = {
    "_fullLayout": "a drawn picture's axes, above which the player puts its canvas",
    "_offset": "where an axis begins on the page, in pixels",
    "_length": "how long it is",
    "_m": "its direction, for values that no pixel holds",
    "l2p": "the pixel of a linear value, for heads, trails and cursors",
    "p2d": "the value of a pixel, for clicks on the surface",
}
# Plotly's bundle is one function, called at once. In brackets browsers take it for that, and read
# it once, beside all else, as it arrives; otherwise a second time, in the way of all else.
BUNDLE = ((b'this, () => {\n"use strict";', b'this, (() => {\n"use strict";'),
          (b"return Plotly;\n}));", b"return Plotly;\n})));"))
