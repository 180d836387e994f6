"""The browser's history: after Back no run that comes in late leads forward again."""

from __future__ import annotations

from qnviz.ui.components.component import component
from qnviz.web import encoded

_component = component("qnviz_history", "frame/history.js")


def keep() -> None:
    """Put the script that watches over it into the page."""
    _component(data=encoded({}), key="history")
