"""The bar of a lesson: back, a dot per step, next, presenting; and the keys that clickers send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qnviz.ui.components.component import component
from qnviz.web import encoded

_component = component("qnviz_lesson_bar", "lesson_bar/component.js", "lesson_bar/bar.css")


def bar(payload: dict[str, Any], *, key: str, on_ask: Callable[[], None]) -> Any:
    """Show where a lesson stands, and take keys: PageDown and n, PageUp and p, b and ., Esc.

    Args:
        payload: ``lesson`` and ``title``, ``at`` from 1 on, ``steps`` (their headings), ``present``
            whether it is presented, ``waits`` whether a question is yet to be revealed.
        key: Widget key, fixed for as long as the bar should stay the same element.
        on_ask: Called before the rerun when the reader asked for something.

    Returns:
        Streamlit's component result: ``.ask`` is, in the run after, one of {"at": 3},
        {"present": true}, {"reveal": 3} and {"index": true}.
    """
    return _component(data=encoded(payload), key=key, height="content", on_ask_change=on_ask)
