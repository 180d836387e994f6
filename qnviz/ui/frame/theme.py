"""When the browser's theme changes under an open page, its pictures follow.

The script also watches over the history (`web/frame/history.js`).
"""

from __future__ import annotations

from qnviz.ui.components.component import component, nothing
from qnviz.ui.state.session import theme_name
from qnviz.web import encoded

_component = component("qnviz_theme", "frame/theme.js")


def follow() -> None:
    """Have the page run again when the browser turns dark or light, at sunset for one.

    Streamlit sends Python the theme with each run of the script, but asks for none.
    """
    _component(data=encoded({"theme": theme_name()}), key="theme", on_changed_change=nothing)
