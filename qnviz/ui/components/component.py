"""What the app's browser components have in common: one script each, with Streamlit around it.

The scripts and style sheets are in `qnviz/web`; its `component.js` lets a component outlive the
calls that bring it new data.
"""

from __future__ import annotations

from typing import Any

from streamlit.components import v2

from qnviz import web


def component(name: str, script: str, style: str | None = None) -> Any:
    """Declare a component to Streamlit; called with data, a key and callbacks it mounts one.

    Args:
        name: the component's name, unique in the app.
        script: the module of `qnviz/web` whose default export Streamlit calls.
        style: a style sheet of `qnviz/web`.
    """
    # Plotly's own style rules do not reach into a shadow root, hence `isolate_styles=False`
    return v2.component(name, js=web.bundle(script), css=None if style is None else web.text(style),
                        isolate_styles=False)


def nothing() -> None:
    """Stand in for a callback: Streamlit keeps only values that have one."""
