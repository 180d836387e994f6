"""The linked player as one HTML file that needs nothing else: no server, no network.

Both themes are inside, with Plotly's script and the player's. The page's policy lets run only the
two scripts that were written here, and lets nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

from qnviz import __version__, web
from qnviz.errors import SpecError
from qnviz.export import words
from qnviz.export.pictures import plotly_js
from qnviz.figures.player import linked
from qnviz.figures.race import RaceView
from qnviz.figures.theme import THEMES
from qnviz.runs.handles import handles
from qnviz.runs.portable import portable
from qnviz.runs.spec import parse
from qnviz.runs.trace import Trace

_HERE = Path(__file__).parent
LONG = 80                            # characters; shorter texts are not worth a place in the table


def player_html(trace: Trace, *, layout: str | None = None, axis: str = "iterations",
                frame: int | None = None, run: int = 0, theme: str = "auto") -> str:
    """A run as a page of its own.

    Args:
        trace: the run.
        layout: which pictures, by a name in `figures.player.LAYOUTS`; by default the problem's.
        axis: "iterations", "work" or "seconds".
        frame: where the playhead stands; None: the run plays at once.
        run: which of the trace's runs.
        theme: the theme in which it opens: "light", "dark", or "auto" for the reader's own.

    Raises:
        ExportError: plotly is not installed.
    """
    live = _live(trace, axis, run)
    payloads = {name: linked(RaceView(trace, colors, axis, run), layout, follow=False)
                | {"frame": frame} | live for name, colors in THEMES.items()}
    shared, table = interned(payloads)
    script, version = _plotly()
    title = words.title(trace)
    about = {"title": title, "subtitle": words.caption(trace.spec),
             "problem": words.problem(trace.spec),
             "methods": words.methods(trace, run),
             "spec": json.dumps(trace.spec, indent=1, ensure_ascii=False),
             "made": f"{words.made(trace)} plotly.js {version}, © Plotly, Inc., is inside this "
                     "file under the MIT licence."}
    data = web.encoded({"theme": theme, "about": about, "payloads": shared, "table": table})
    module = web.bundle("offline.js")
    parts = {
        "csp": _policy(script, module), "generator": f"qnviz {__version__}",
        "title": html.escape(title),
        "style": f"{web.text('player/player.css')}\n{web.text('offline.css')}",
        "data": _harmless(data.decode()), "plotly": script, "module": module}
    # one pass: what was filled in is not looked at again
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _text("offline.html"))


def _live(trace: Trace, axis: str, run: int) -> dict[str, Any]:
    """What lets a page compute on: the run for the engine, and its handles; nothing beyond it.

    Only the first of several runs follows the hand, as the engine numbers them from 0.
    """
    try:
        spec = parse(trace.spec)
    except SpecError:                          # of another version, whose run is shown as it is
        return {}
    plain = portable(spec) if run == 0 else None
    if plain is None:
        return {}
    return {"live": {"spec": plain | {"runs": 1}, "engine": "", "axis": axis},
            "handles": handles(spec)}


def interned(value: Any) -> tuple[Any, list[Any]]:
    """JSON with long texts and lists of texts moved to a table, each once, as {"@": place}."""
    table: list[Any] = []
    places: dict[Any, int] = {}

    def moved(item: Any) -> Any:
        if isinstance(item, dict):
            return {name: moved(part) for name, part in item.items()}
        if isinstance(item, str):
            return kept(item, item) if len(item) > LONG else item
        if isinstance(item, (list, tuple)):
            if item and all(isinstance(part, str) for part in item):
                return kept(tuple(item), list(item)) if sum(map(len, item)) > LONG else item
            return [moved(part) for part in item]
        return item

    def kept(key: Any, item: Any) -> dict[str, int]:
        if key not in places:
            places[key] = len(table)
            table.append(item)
        return {"@": places[key]}

    return moved(value), table


def _harmless(text: str) -> str:
    """JSON that cannot end the element it stands in, whatever its texts say."""
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _policy(*scripts: str) -> str:
    """What the page may do: run these scripts, have styles, show images made within it."""
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts)
    return (f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; "
            "img-src data: blob:; base-uri 'none'; form-action 'none'")


@cache
def _plotly() -> tuple[str, str]:
    """Plotly's script, and its version."""
    script = plotly_js().read_text(encoding="utf-8")
    found = re.search(r"plotly\.js v([\d.]+)", script[:500])
    return script, found[1] if found else "of unknown version"


@cache
def _text(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
