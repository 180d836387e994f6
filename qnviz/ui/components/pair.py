"""One update in the plane, to be dragged: H, s, y, what damping makes of them, and H⁺."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qnviz.ui.components.component import component, nothing
from qnviz.web import encoded

_component = component("qnviz_pair", "pair/component.js", "pair/pair.css")


def pair(
    payload: dict[str, Any], *, key: str, on_pair: Callable[[], None] | None = None
) -> Any:
    """Show one update in the plane; handles and sliders change it within the browser.

    What the reader does lives in the browser. A payload with the same ``key`` is drawn in place,
    and its values are taken over only where they differ from those before and from what the view
    reported itself, compared with 6 significant digits.

    Args:
        payload: ``H`` as [h11, h12, h22], ``s`` and ``y`` as [x, y], ``mu1`` and ``mu2`` in (0, 1),
            ``theme`` "light" or "dark"; ``presets``, a list of {"title", …} with any of the fields
            before (others stay as they are); ``note``, a sentence on where the update comes from;
            ``shows``, a name of the update, None for the reader's own: with a new name the view
            scrolls into sight.
        key: Widget key, fixed for as long as the view should stay the same element.
        on_pair: Called before the rerun 250 ms after the reader let go of a handle or a key.

    Returns:
        Streamlit's component result: ``.pair`` is {"H", "s", "y", "mu1", "mu2"} as the reader left
        them, or None.
    """
    return _component(
        data=encoded(payload), key=key, height="content", on_pair_change=on_pair or nothing
    )
