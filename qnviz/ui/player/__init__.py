"""The linked player: static Plotly figures, a canvas above each, one playhead for all of them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from streamlit.components import v2

_HERE = Path(__file__).parent

SOURCES = ("tools.js", "views.js", "panel.js", "words.js", "keys.js", "player.js",
           "component.js", "streamlit.js")
"""The parts of the one ES module that the browser loads, in order."""


def source() -> str:
    """Return the player's ES module: ``mountPlayer``, the helpers, Streamlit's default export."""
    return "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SOURCES)


# Plotly's own style rules do not reach into a shadow root, hence `isolate_styles=False`.
_component = v2.component(
    "qnviz_player",
    js=source(),
    css=(_HERE / "player.css").read_text(encoding="utf-8"),
    isolate_styles=False,
)


def player(
    payload: dict[str, Any] | bytes,
    *,
    key: str,
    on_start: Callable[[], None] | None = None,
    on_frame: Callable[[], None] | None = None,
    on_event: Callable[[], None] | None = None,
) -> Any:
    """Show figures that move with one playhead.

    Columns of numbers may be lists (None or NaN draws nothing there) or Plotly's
    ``{"dtype": "f4", "bdata": "<base64>"}``. A payload with the same ``key`` is drawn in place:
    playhead, zoom, speed and hidden entrants stay.

    Args:
        payload: ``id``, ``plotly_url``, ``theme``, ``frame``, ``autoplay``, ``rate``, ``clock``,
            ``entrants``, ``panels`` and ``rows``; figures as plain dicts. With ``follow`` the run
            still grows: the playhead keeps up with it and tells Python nothing. Bytes are what
            `encoded` made of one.
        key: Widget key, fixed for as long as the picture should stay the same element.
        on_start: Called before the rerun after a click in a panel with ``"click": "start"``.
        on_frame: Called before the rerun after the playhead came to rest.
        on_event: Called before the rerun after a click in a panel with ``"click": "event"``.

    Returns:
        Streamlit's component result: ``.start`` is ``[x, y]`` in the run after a click and None
        otherwise, ``.frame`` the frame at which the reader last stopped, or None, ``.event``
        ``[frame, y]`` in the run after a click on an event.
    """
    return _component(
        data=payload if isinstance(payload, bytes) else encoded(payload),
        key=key,
        height="content",
        on_start_change=on_start or nothing,
        on_frame_change=on_frame or nothing,
        on_event_change=on_event or nothing,
    )


def nothing() -> None:
    """Stand in for a callback: Streamlit keeps only values that have one."""


def encoded(payload: dict[str, Any]) -> bytes:
    """Write the payload as JSON bytes, NaN and infinities as null: a browser's JSON knows neither.

    Bytes, as Streamlit would write a dict three times over: to send it, to hash it, to compare it.
    """
    try:
        return json.dumps(payload, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return json.dumps(_without_nan(payload), allow_nan=False, ensure_ascii=False).encode()


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _without_nan(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(item) for item in value]
    return value
