"""What lies below the pictures: on a visitor's first page it comes when they are drawn.

Tables and formulas bring three times as much of Streamlit's code as all else on the page, and the
browser would read it before it draws the first picture (benchmarks/NOTES.md).
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from qnviz.ui.components.component import component
from qnviz.web import encoded

COME, HERE = "later/come", "later/here"
_component = component("qnviz_later", "frame/later.js")


def later(draw: Callable[[], None]) -> None:
    """Draw it now, or on a visitor's first page as soon as the pictures are drawn."""
    state = st.session_state
    if state.get(COME):
        draw()
        return

    @st.fragment
    def below() -> None:
        if state.get(HERE):                    # what a visitor does in it concerns the whole page
            st.rerun()
        elif state.get(COME):
            state[HERE] = True
            draw()
        else:
            _component(data=encoded({}), key="later", on_ready_change=_come)

    below()


def _come() -> None:
    st.session_state[COME] = True
