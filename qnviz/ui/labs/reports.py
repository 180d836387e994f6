"""What the player of a lab reported: a start, an event, or where the playhead came to rest."""

from __future__ import annotations

from functools import partial
from typing import TypeVar

import streamlit as st

from qnviz.problems.registry import PROBLEMS
from qnviz.runs.trace import Trace
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.stage import Playing
from qnviz.ui.state.messages import EVENT, FRAME, POINT, Message, received
from qnviz.ui.state.settings import Settings

T = TypeVar("T")


def playing(page: Page, settings: Settings, trace: Trace | None = None) -> Playing:
    """How a page shows a run; a whole one, `trace`, may have events to click."""
    clicked = partial(_event, page, trace) if page.lab.event and trace is not None else None
    return Playing(settings.axis, settings.frame, on_start=partial(_start, page),
                   on_frame=partial(_frame, page), on_event=clicked)


def _start(page: Page) -> None:
    """The visitor clicked the surface."""
    point, reach = _received(page, "start", POINT), PROBLEMS[page.on].reach
    if point is None or not PROBLEMS[page.on].plane:
        return
    if max(map(abs, point)) > reach:
        st.toast(f"Coordinates of the start must lie between −{reach:g} and {reach:g}.")
        return
    page.start_from(point)
    _redraw(page)


def _event(page: Page, trace: Trace) -> None:
    """The visitor clicked an event."""
    event = _received(page, "event", EVENT)
    if event is None or page.lab.event is None:
        return
    st.session_state[page.key("frame")] = page.lab.event(page, trace, *event)
    st.session_state[f"{page.page}/placed"] = True
    _redraw(page)


def _frame(page: Page) -> None:
    """The playhead came to rest."""
    st.session_state[page.key("frame")] = _received(page, "frame", FRAME)
    _redraw(page)


def _redraw(page: Page) -> None:
    """The player's fragment runs alone; this has it run the whole page (`stage.show`)."""
    st.session_state[f"{page.page}/moved"] = True


def _received(page: Page, name: str, message: Message[T]) -> T | None:
    return received(f"{page.page}/player", name, message)
