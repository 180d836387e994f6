"""All pictures of a race under one playhead: the data that the player component draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qnviz.figures.packing import packed, plain
from qnviz.figures.race.codes import codes
from qnviz.figures.race.drift import drift
from qnviz.figures.race.eigenvalues import SIDE, eigenvalues, side_by_side
from qnviz.figures.race.factors import factors
from qnviz.figures.race.krylov import krylov
from qnviz.figures.race.loss import loss
from qnviz.figures.race.raster import raster
from qnviz.figures.race.ratios import ratios
from qnviz.figures.race.reasons import reasons
from qnviz.figures.race.reconstructions import reconstructions
from qnviz.figures.race.singular_values import singular_values
from qnviz.figures.race.trajectory import trajectory
from qnviz.figures.race.trials import trials
from qnviz.figures.race.zeros import zeros
from qnviz.figures.theme import THEMES, Head, Picture, Theme
from qnviz.numbers import say
from qnviz.runs.trace import Trace, at_every_step, clock

# every picture that a race can show, by its id
PICTURES: dict[str, Callable[[Trace, Theme, str, int], Picture]] = {
    "path": lambda trace, theme, axis, run: trajectory(trace, theme, run),
    "eig": eigenvalues,
    "krylov": krylov,
    "loss": loss,
    "singular": lambda trace, theme, axis, run: singular_values(trace, theme, axis),
    "zeros": lambda trace, theme, axis, run: zeros(trace, theme, axis),
    "drift": lambda trace, theme, axis, run: drift(trace, theme, axis),
    "reconstructions": lambda trace, theme, axis, run: reconstructions(trace, theme, run),
    "codes": lambda trace, theme, axis, run: codes(trace, theme),
    "factors": lambda trace, theme, axis, run: factors(trace, theme, axis),
    "ratios": ratios,
    "raster": raster,
    "trials": trials,
    "reasons": reasons,
}
# rows of pictures per problem, and per page of its own; the play bar stands below the first
LAYOUTS: dict[str, list[list[str]]] = {
    "rosenbrock": [["path", "eig", "krylov"], ["loss", "@words"]],
    "linear_net": [["path", "eig", "singular"], ["loss", "@words"], ["zeros", "drift", "krylov"]],
    "autoencoder": [["path", "eig", "reconstructions"], ["loss", "@words"],
                    ["codes", "factors", "krylov"]],
    "function": [["path", "eig", "krylov"], ["loss", "@words"]],
    "rosenbrock_n": [["path", "eig", "krylov"], ["loss", "@words"]],
    "damping": [["eig-*"], ["ratios", "raster", "loss"], ["@words"]],
    "fork": [["loss", "eig", "path"]],
    "krylov": [["path", "krylov", "trials"], ["loss", "reasons", "@words"]],
}
MAX_FRAMES = 600
PLAY_SECONDS = 6.0                    # how long a whole race takes at speed 1

CLOCKS = {"iterations": ("step", ""), "work": ("work", "passes"), "seconds": ("time", "s")}


def linked(trace: Trace, *, theme: str = "light", axis: str = "iterations", run: int = 0,
           frame: int | None = None, autoplay: bool = True, plotly_url: str = "",
           follow: bool | None = None,
           layout: str | tuple[tuple[str, ...], ...] | None = None) -> dict[str, Any]:
    """The player's payload for a race: the pictures of its problem, and words.

    Args:
        trace: the race.
        theme: a name in THEMES.
        axis: "iterations", "work" or "seconds".
        run: which of the trace's runs.
        frame: where the playhead is pinned, if it is.
        autoplay: whether the race plays at once.
        plotly_url: where the browser finds plotly.js.
        follow: whether the playhead keeps up with a run that grows; by default, while one does.
        layout: a name in LAYOUTS, or rows of pictures' ids; by default the problem's.
    """
    rows = [list(row) for row in layout] if isinstance(layout, tuple) else (
        LAYOUTS[layout or trace.spec["problem"]["name"]])
    if len(rows) > 2 and not any("krylov_reason" in trace[e.label] for e in trace.entrants):
        rows = [[name for name in row if name != "krylov"] for row in rows]
    pictures = [PICTURES[name](trace, THEMES[theme], axis, run)
                for row in rows for name in row if name in PICTURES]
    if rows[0] == [SIDE + "*"]:
        sides = side_by_side(trace, THEMES[theme], axis, run) or [
            eigenvalues(trace, THEMES[theme], axis, run)]
        pictures += sides
        rows = [[p.id for p in sides], *rows[1:]]
    frames = _frames(trace, axis, run)
    label, unit = CLOCKS[axis]
    clocks = [clock(trace[e.label], axis, run)[:int(trace[e.label]["stopped"][run]) + 1]
              for e in trace.entrants]
    follow = trace.unfinished if follow is None else follow
    # a run that is still growing has the key that it will have at its end
    so_far = [[int(trace[e.label]["stopped"].sum()), *trace[e.label]["status"].tolist()[:1000]]
              for e in trace.entrants]
    payload = assembled(
        pictures, [_entrant(trace, THEMES[theme], i, clocks[i], run)
                   for i in range(len(trace.entrants))],
        frames, rows, [trace.key, so_far, axis, run, layout], label=label, unit=unit, theme=theme,
        frame=frame, autoplay=autoplay and not follow, plotly_url=plotly_url)
    if follow and axis == "iterations":
        payload["clock"]["end"] = max(len(trace[e.label]["seconds"]) - 1 for e in trace.entrants)
    return payload | {"follow": follow}


def assembled(pictures: Sequence[Picture], entrants: Sequence[dict[str, Any]], frames: np.ndarray,
              rows: list[list[str]], content: Any, *, label: str = "step", unit: str = "",
              value: str = "Loss",
              theme: str = "light", frame: int | None = None, autoplay: bool = False,
              plotly_url: str = "") -> dict[str, Any]:
    """The player's payload for any pictures that share a playhead.

    Args:
        pictures: what is drawn; `rows` places them by their ids, and the words as "@words".
        entrants: label, title, color (in this theme's light), dash, marker, end, and per tick of
            its own: clock and loss (arrays), words (sentences).
        frames: where the playhead can stand, in the clocks' unit.
        rows: rows of ids; the play bar stands below the first.
        content: JSON that tells these pictures from others.
        label: what a frame is called.
        unit: the unit of a frame.
        value: what the entrants' "loss" is called.
        theme: a name in THEMES.
        frame: where the playhead is pinned, if it is.
        autoplay: whether it plays at once.
        plotly_url: where the browser finds plotly.js.
    """
    name = hashlib.sha256(json.dumps([content, theme]).encode()).hexdigest()[:16]
    clocks = [e["clock"] for e in entrants]
    return {
        "id": name, "plotly_url": plotly_url, "theme": theme, "frame": frame, "autoplay": autoplay,
        "follow": False, "value": value, "rate": max(len(frames) / PLAY_SECONDS, 4.0),
        "clock": {"label": label, "unit": unit, "frames": packed(frames, "f8")},
        "entrants": [e | {"clock": packed(e["clock"], "f8"), "loss": packed(e["loss"], "f8")}
                     for e in entrants],
        "panels": [_panel(p, clocks) for p in pictures], "rows": rows,
    }


def _frames(trace: Trace, axis: str, run: int) -> np.ndarray:
    """Where the playhead can stand: every step, or as many even ticks of work or time."""
    stops = [int(trace[e.label]["stopped"][run]) for e in trace.entrants]
    if axis == "iterations":
        return np.arange(max(stops) + 1)
    last = max(clock(trace[e.label], axis, run)[s]
               for e, s in zip(trace.entrants, stops, strict=True))
    return np.linspace(0, last, min(MAX_FRAMES, max(stops) + 1))


def _entrant(trace: Trace, theme: Theme, i: int, ticks: np.ndarray, run: int) -> dict[str, Any]:
    e = trace.entrants[i]
    c = trace[e.label]
    steps = len(ticks)
    words = trace.words[e.label][:steps - 1] if run == 0 else []
    words += [""] * (steps - 1 - len(words))
    over = c["status"][run] != "running" and run < len(trace.ends[e.label])
    return {"label": e.label, "title": e.title, "color": theme.tint(e.color), "dash": e.dash,
            "marker": e.marker, "clock": ticks, "loss": c["loss"][at_every_step(c, run), run],
            "words": [f"Starts at loss {say(float(c['loss'][0, run]))}.", *words],
            "end": trace.ends[e.label][run] if over else ""}


def _panel(p: Picture, clocks: Sequence[np.ndarray]) -> dict[str, Any]:
    return {"id": p.id, "title": p.title, "alt": p.alt, "span": 1, "figure": plain(p.figure),
            "trail": p.trail, "cursor": p.cursor, "click": p.click, "label": p.label,
            "strip": p.strip, "cloud": p.cloud, "choices": [_panel(c, clocks) for c in p.choices],
            "heads": [_head(h, clocks[h.entrant]) for h in p.heads]}


def _head(head: Head, ticks: np.ndarray) -> dict[str, Any]:
    """A head without x stands at its entrant's clock."""
    x = {} if np.array_equal(head.x, ticks) else {"x": packed(head.x)}
    return {"entrant": head.entrant, "y": packed(head.y), "axis": head.axis} | x
