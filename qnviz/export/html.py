"""The linked player, or maps, as one HTML file that needs nothing else: no server, no network.

Both themes are inside, with Plotly's script and ours. The page's policy lets run only the scripts
that were written here, and lets nothing be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Mapping, Sequence
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
    _, version = _plotly()
    title = words.title(trace)
    about = {"title": title, "subtitle": words.caption(trace.spec),
             "problem": words.problem(trace.spec),
             "methods": words.methods(trace, run),
             "spec": json.dumps(trace.spec, indent=1, ensure_ascii=False),
             "made": f"{words.made(trace)} {_inside(version)}"}
    return _document("offline.js", ("player/player.css", "offline.css"), title, theme, payloads,
                     about)


def maps_html(payloads: Mapping[str, Mapping[str, Any]], specs: Sequence[Mapping[str, Any]], *,
              theme: str = "auto") -> str:
    """A page of maps as a page of its own; where they follow the hand in the app, they do here.

    Args:
        payloads: of both themes, as `ui/components/map.py` takes them.
        specs: the sweeps that the maps show, as JSON.
        theme: as for `player_html`.

    Raises:
        ExportError: plotly is not installed.
    """
    _, version = _plotly()
    first = next(iter(payloads.values()))
    title = first["headline"] or " and ".join(m["title"] for m in first["maps"])
    about = {"title": title, "spec": json.dumps(specs, indent=1, ensure_ascii=False),
             "made": f"Made with qnviz {__version__}. {_inside(version)}", "open": first["open"]}
    plain = {name: {**payload, "plotly_url": "", "headline": ""}
             for name, payload in payloads.items()}
    return _document("offline_maps.js", ("map/map.css", "offline.css"), title, theme, plain, about,
                     engine=web.bundle(web.ENGINE), worker=web.bundle(web.ENGINE_WORKER))


def _document(entry: str, styles: Sequence[str], title: str, theme: str,
              payloads: Mapping[str, Any], about: Mapping[str, Any], **scripts: str) -> str:
    """The page of a module and its template; `scripts` are texts that the module loads."""
    shared, table = interned(payloads)
    script, _ = _plotly()
    module = web.bundle(entry)
    data = web.encoded({"theme": theme, "about": about, "payloads": shared, "table": table})
    parts = {
        "csp": _policy(script, module, blobs=bool(scripts)), "generator": f"qnviz {__version__}",
        "title": html.escape(title), "style": "\n".join(map(web.text, styles)),
        "data": _harmless(data.decode()), "plotly": script, "module": module, **scripts}
    template = _text(f"{Path(entry).stem}.html").replace("{{head}}", _text("offline_head.html"))
    # one pass: what was filled in is not looked at again
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], template)


def _inside(version: str) -> str:
    return f"plotly.js {version}, © Plotly, Inc., is inside this file under the MIT licence."


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


def _policy(*scripts: str, blobs: bool = False) -> str:
    """What the page may do: run these scripts, have styles, show images made within it.

    With `blobs` it may also load scripts that it has made of its own texts, and start workers.
    """
    hashes = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(s.encode()).digest()).decode()}'"
        for s in scripts)
    more = " blob:; worker-src blob:" if blobs else ""
    return (f"default-src 'none'; script-src {hashes}{more}; style-src 'unsafe-inline'; "
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
