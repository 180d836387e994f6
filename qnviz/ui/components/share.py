"""Share: the address of what is on the screen, to be copied as a link, for Markdown or LaTeX."""

from __future__ import annotations

import streamlit as st

from qnviz.paths import PAGES
from qnviz.ui.components.component import component
from qnviz.web import encoded

_component = component("qnviz_share", "share/component.js", "share/share.css")


def share(page: str, steps: bool = True) -> None:
    """A popover in the page's upper right corner with the link to what is on the screen.

    The browser's address bar is the truth: every control stands in it. The playhead is read off
    the page's first player, as the address follows it a quarter of a second later.

    Args:
        page: the page's name, for keys.
        steps: whether the page's address holds the step of its player.
    """
    with st.container(key="share"), st.popover("Share", icon=":material/link:"), \
            st.container(width=400):
        _component(data=encoded({"steps": steps}), key=f"{page}/share", height="content")
        st.page_link(st.Page(PAGES / "open.py", url_path="open"), label="Open a run from a file",
                     icon=":material/folder_open:")
