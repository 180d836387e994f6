"""The linked player as the browser runs it, with or without Streamlit around it."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

_HERE = Path(__file__).parent

PLAYER = ("tools.js", "views.js", "panel.js", "words.js", "keys.js", "player.js")
"""The parts of the player's ES module, in order; `mountPlayer` is what it exports."""


def text(name: str) -> str:
    """A file of this folder."""
    return (_HERE / name).read_text(encoding="utf-8")


def script() -> str:
    """The player's ES module: ``mountPlayer(root, payload, callbacks)`` and its helpers."""
    return "\n".join(text(name) for name in PLAYER)


def style() -> str:
    """The player's style sheet."""
    return text("player.css")


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
