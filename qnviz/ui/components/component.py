"""What the app's browser components have in common: one ES module each, with Streamlit around it.

A component's folder holds its scripts, the last of which is Streamlit's default export, and a style
sheet. `component.js` lets it outlive the calls that bring it new data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components import v2

from qnviz import web

LASTING = Path(__file__).with_name("component.js").read_text(encoding="utf-8")


def module(folder: Path, *names: str, before: str | None = None) -> str:
    """An ES module: what stands before (the player's tools by default), then the folder's scripts.

    The last script is Streamlit's default export.
    """
    own = [(folder / name).read_text(encoding="utf-8") for name in names]
    return "\n".join([web.text("tools.js") if before is None else before, LASTING, *own])


def component(name: str, script: str, style: str | None = None) -> Any:
    """Declare a component to Streamlit; called with data, a key and callbacks it mounts one."""
    # Plotly's own style rules do not reach into a shadow root, hence `isolate_styles=False`
    return v2.component(name, js=script, css=style, isolate_styles=False)


def nothing() -> None:
    """Stand in for a callback: Streamlit keeps only values that have one."""
