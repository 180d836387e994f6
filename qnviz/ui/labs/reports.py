"""What the player of a lab reported: a start, an event, an edit, or where the playhead rests."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TypeVar

import streamlit as st

from qnviz.problems.registry import PROBLEMS
from qnviz.runs.portable import portable
from qnviz.runs.spec import RunSpec
from qnviz.runs.trace import Trace
from qnviz.ui.labs import edits
from qnviz.ui.labs.handles import handles
from qnviz.ui.labs.page import Page
from qnviz.ui.labs.stage import Playing
from qnviz.ui.state.form import plain
from qnviz.ui.state.messages import EDIT, EVENT, FRAME, POINT, Message, received
from qnviz.ui.state.settings import Settings

T = TypeVar("T")


def playing(page: Page, settings: Settings, spec: RunSpec | None = None,
            trace: Trace | None = None) -> Playing:
    """How a page shows the run of a spec; a whole one, `trace`, may have events to click."""
    edits.name_entrants(page, settings)
    clicked = partial(_event, page, trace) if page.lab.event and trace is not None else None
    return Playing(settings.axis, settings.frame, on_start=partial(_start, page),
                   on_frame=partial(_frame, page), on_event=clicked,
                   on_edit=partial(_edit, page), handles=handles(settings),
                   live=spec and portable(spec), answered=st.session_state.get(_answered(page)))


def _start(page: Page) -> None:
    """The visitor clicked the surface."""
    point = _received(page, "start", POINT)
    if point is not None and PROBLEMS[page.on].plane:
        _refused(page, edits.begin(page, point))
        _redraw(page)


def _edit(page: Page) -> None:
    """The visitor changed settings by hand."""
    edit = _received(page, "edit", EDIT)
    if edit is not None:
        _refused(page, edits.take(page, edit))
        if edit.serial is not None:
            st.session_state[_answered(page)] = edit.serial
        _redraw(page)


def _answered(page: Page) -> str:
    """Where the number of the last edit that was taken is kept."""
    return f"{page.page}/answered"


def _refused(page: Page, sentences: Sequence[str]) -> None:
    """What was refused is said by the page's run that follows; this one ends before it could."""
    st.session_state[f"{page.page}/refused"] = sentences


def say_refused(page: Page) -> None:
    """Say what was refused of the last report, as it was sent."""
    for sentence in st.session_state.pop(f"{page.page}/refused", ()):
        st.toast(plain(sentence))


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
