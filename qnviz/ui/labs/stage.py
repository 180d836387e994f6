"""The part of a lab that can be drawn without torch: its places, and the player in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import streamlit as st

from qnviz.figures.player import Clock, assembled, linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import THEMES
from qnviz.runs.trace import Trace
from qnviz.ui.components.player import player
from qnviz.ui.frame.server import ENGINE_URL, PLOTLY_URL
from qnviz.ui.state.ready import load, ready
from qnviz.ui.state.session import theme_name
from qnviz.ui.state.store import shipped
from qnviz.web import encoded

Layout = str | tuple[tuple[str, ...], ...]     # a name in LAYOUTS, or rows of pictures' ids


Report = Callable[[], None] | None


@dataclass(frozen=True)
class Playing:
    """How a player shows a run, and what is called when a visitor has done something in it."""

    axis: str = "iterations"
    frame: int | None = None
    on_start: Report = None                    # clicked the surface
    on_frame: Report = None                    # let the playhead come to rest
    on_event: Report = None                    # clicked an event
    on_edit: Report = None                     # changed settings by hand
    handles: Mapping[str, Any] | None = None   # … with these (runs/handles.py)
    live: Mapping[str, Any] | None = None      # the run as the browser's engine is given it
    answered: int | None = None                # the number of the last edit that is in the run


PLAIN = Playing()                              # from the start, with nothing to choose in it
STARTING = Playing(handles={"waiting": True})  # … until the numeric core is there


class Stage:
    """The places of a lab page, in the order in which they are seen."""

    def __init__(self, page: str, layout: str | None = None):
        self.page, self.layout = page, layout
        self.above = st.container(key="above", gap="small")
        self.controls = st.container(key="controls", gap="small")
        self.faults = st.container(key="faults")
        self.picture = st.container()
        self.after = st.container()
        self.status = st.container(key="status").empty()
        self.below = st.container()

    def draw(self, trace: Trace | None, playing: Playing = PLAIN) -> None:
        """Put a trace's pictures under one playhead; without a trace there are settings alone."""
        with self.picture:                     # in a fragment, as a growing run is: no remount
            st.fragment(show)(self, trace, playing)


def show(stage: Stage, trace: Trace | None, playing: Playing, growing: bool = False) -> None:
    """The player of a page, here; it stays the same element wherever a trace comes from.

    It stands in a fragment, so what a visitor does in it reruns that fragment alone; `moved` asks
    for a run of the whole page.
    """
    if st.session_state.pop(f"{stage.page}/moved", False):
        st.rerun()
    theme = theme_name()
    player(written(trace, theme, stage.layout, growing, playing),
           key=f"{stage.page}/player", address="step" if playing.on_frame else None,
           on_start=playing.on_start, on_frame=playing.on_frame, on_event=playing.on_event,
           on_edit=playing.on_edit)


@lru_cache(maxsize=16)
def payload(trace: Trace, theme: str, axis: str, layout: Layout | None,
            growing: bool = False) -> dict[str, Any]:
    """The player's data for a trace; scrubbing and returning viewers reuse it."""
    return linked(RaceView(trace, THEMES[theme], axis), layout, growing) | {
        "plotly_url": PLOTLY_URL}


def written(trace: Trace | None, theme: str, layout: Layout | None, growing: bool,
            playing: Playing) -> bytes:
    """The same as bytes, with what is a visitor's own: all who look at a run share the rest."""
    make = _growing if growing else _whole
    shared = _bare(theme) if trace is None else make(trace, theme, playing.axis, layout)
    own = {"frame": playing.frame, "handles": playing.handles, "answered": playing.answered,
           "live": playing.live and {"spec": playing.live, "axis": playing.axis,
                                     "engine": ENGINE_URL}}
    return shared[:-1] + b", " + encoded(own)[1:]


@lru_cache(maxsize=2)
def _bare(theme: str) -> bytes:
    """A player without pictures."""
    return _unpinned(assembled(THEMES[theme], [], [], Clock(np.zeros(1)), [], ["bare"]))


@lru_cache(maxsize=16)
def _whole(trace: Trace, theme: str, axis: str, layout: Layout | None) -> bytes:
    return _unpinned(payload(trace, theme, axis, layout))


@lru_cache(maxsize=4)                          # there is a new trace every time
def _growing(trace: Trace, theme: str, axis: str, layout: Layout | None) -> bytes:
    return _unpinned(payload.__wrapped__(trace, theme, axis, layout, growing=True))


def _unpinned(data: dict[str, Any]) -> bytes:
    return encoded({name: value for name, value in data.items() if name != "frame"})


def opened(page: str, first: str = "", layout: str | None = None) -> Stage:
    """Lay out a lab. On a server that has not imported torch yet, show a shipped run meanwhile.

    Args:
        page: the page's name, for keys.
        first: the shipped run that equals the page's default state; by default of its name.
        layout: which pictures, by a name in `figures.player.LAYOUTS`; by default the problem's.
    """
    stage = Stage(page, layout)
    trace = shipped(first or page)             # also answers the default state without a run
    if not ready():
        shown = None if st.query_params else trace
        if shown:
            stage.draw(shown, STARTING)
        stage.status.text("Starting the numeric core …")
        load()
        if shown:
            st.rerun()                         # the player can be placed once per run of the script
    return stage
