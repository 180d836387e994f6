"""What runs in the browser: ES modules and style sheets, in the app and in exported pages.

    player/  pair/  map/  share/  lesson_bar/  frame/     one component each
    engine/                                               what computes; it knows of no page
    *.js                                                  what several of them use
    offline.js                                            the page of an exported run

A `component.js` is what Streamlit mounts, all else knows nothing of Streamlit. `bundle` puts a
module and what it imports into one script.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from qnviz.web.bundle import bundle

__all__ = ["ENGINE", "ENGINE_WORKER", "bundle", "encoded", "text"]

ENGINE = "engine/index.js"                     # what a page loads of the engine
ENGINE_WORKER = "engine/worker.js"             # … and a worker of it

_HERE = Path(__file__).parent


def text(name: str) -> str:
    """A file of this folder, such as "player/player.css"."""
    return (_HERE / name).read_text(encoding="utf-8")


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
