"""The linked player: static Plotly figures, a canvas above each, one playhead for all of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from qnviz.ui.components.component import component, nothing
from qnviz.web import encoded

_component = component("qnviz_player", "player/component.js", "player/player.css")


def player(
    payload: dict[str, Any] | bytes,
    *,
    key: str,
    address: str | None = None,
    on_start: Callable[[], None] | None = None,
    on_frame: Callable[[], None] | None = None,
    on_event: Callable[[], None] | None = None,
    on_edit: Callable[[], None] | None = None,
) -> Any:
    """Show figures that move with one playhead.

    Columns of numbers may be lists (None or NaN draws nothing there) or Plotly's
    ``{"dtype": "f4", "bdata": "<base64>"}``. A payload with the same ``key`` is drawn in place:
    playhead, zoom, speed and hidden entrants stay.

    Args:
        payload: ``id``, ``plotly_url``, ``theme``, ``frame``, ``autoplay``, ``rate``, ``clock``,
            ``entrants``, ``panels`` and ``rows``; figures as plain dicts. With ``follow`` the run
            still grows: the playhead keeps up with it and tells Python nothing. With ``handles``
            (`runs/handles.py`) settings can be changed at the chips of the legend; without
            rows there are these alone. Bytes are what `encoded` made of one.
        key: Widget key, fixed for as long as the picture should stay the same element.
        address: The field of the page's address that holds the frame. The player writes it there
            itself, before it reports, so that stepping leaves no entries in the browser's history.
        on_start: Called before the rerun after a click in a panel with ``"click": "start"``.
        on_frame: Called before the rerun after the playhead came to rest.
        on_event: Called before the rerun after a click in a panel with ``"click": "event"``.
        on_edit: Called before the rerun after settings were changed by hand.

    Returns:
        Streamlit's component result: ``.start`` is ``[x, y]`` in the run after a click and None
        otherwise, ``.frame`` the frame at which the reader last stopped, or None, ``.event``
        ``[frame, y]`` in the run after a click on an event, ``.edit`` what was changed of the
        settings (`Edit` in `ui/state/messages.py`) in the run after that.
    """
    written = payload if isinstance(payload, bytes) else encoded(payload)
    return _component(
        data=written[:-1] + f', "address": {json.dumps(address)}}}'.encode(),
        key=key,
        height="content",
        on_start_change=on_start or nothing,
        on_frame_change=on_frame or nothing,
        on_event_change=on_event or nothing,
        on_edit_change=on_edit or nothing,
    )
