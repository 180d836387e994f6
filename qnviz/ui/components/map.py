"""Maps side by side: Plotly's heatmaps below, one canvas each above, a legend for all of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qnviz.ui.components.component import component, nothing
from qnviz.web import encoded

_component = component("qnviz_map", "map/component.js", "map/map.css")


def maps(
    payload: dict[str, Any] | bytes, *, key: str, on_open: Callable[[], None] | None = None,
    on_pin: Callable[[], None] | None = None, on_edit: Callable[[], None] | None = None
) -> Any:
    """Show maps side by side; the cell under the pointer or the keyboard's cursor is described.

    A payload with the same ``key`` is drawn in place: the cursor stays where it is.

    Args:
        payload: ``plotly_url``, ``theme``, ``headline``, ``maps`` (each made by
            `qnviz.figures.maps.picture.panel`) and ``legend`` (a `Scale.legend`), or that encoded.
        key: Widget key, fixed for as long as the maps should stay the same element.
        on_open: Called before the rerun after a click, or Enter, on a cell whose run the browser
            cannot compute.
        on_pin: The same, where it can: the run stays beside the map.
        on_edit: Called after settings were dragged.

    Returns:
        Streamlit's component result: ``.open`` is [map, row, column] in the run after a cell was
        chosen, ``.pin`` [map, x, y, seed], or [] for none, ``.edit`` the settings that were
        dragged, as `MapEdit` in `ui/state/messages.py`; all are None otherwise.
    """
    return _component(
        data=payload if isinstance(payload, bytes) else encoded(payload), key=key,
        height="content", on_open_change=on_open or nothing, on_pin_change=on_pin or nothing,
        on_edit_change=on_edit or nothing)
