"""All pictures of a race, or of a Newton system, under one playhead: what the player draws."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from qnviz.figures.packing import packed, plain
from qnviz.figures.race import RaceView
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
from qnviz.figures.system import SystemView
from qnviz.figures.system.curves import curvature, model, residual
from qnviz.figures.system.path import path
from qnviz.figures.system.ritz import ritz
from qnviz.figures.system.views import STYLES
from qnviz.figures.theme import Head, Picture, Theme
from qnviz.numbers import say
from qnviz.runs.trace import Entrant, at_every_step


class Kind(NamedTuple):
    """A picture that a race can show."""

    name: str                         # in lists of pictures
    draw: Callable[[RaceView], Picture]


# every picture that a race can show, by its id
PICTURES = {
    "path": Kind("Paths", trajectory),
    "eig": Kind("Eigenvalues of H", eigenvalues),
    "krylov": Kind("Krylov iterations", krylov),
    "loss": Kind("Loss", loss),
    "singular": Kind("Singular values", singular_values),
    "zeros": Kind("Zero eigenvalues", zeros),
    "drift": Kind("What gradient flow keeps", drift),
    "reconstructions": Kind("Reconstructions", reconstructions),
    "codes": Kind("Codes", codes),
    "factors": Kind("Kronecker factors", factors),
    "ratios": Kind("Curvature ratios", ratios),
    "raster": Kind("Damping events", raster),
    "trials": Kind("Trial steps", trials),
    "reasons": Kind("Why iterations ended", reasons),
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
# the pictures of a Newton system, by their ids
SYSTEM: dict[str, Callable[[SystemView], Picture]] = {
    "plane": path, "residual": residual, "ritz": ritz, "curvature": curvature, "model": model}
SYSTEM_ROWS = [["plane", "residual", "ritz"], ["curvature", "model", "@words"]]
MAX_FRAMES = 600
PLAY_SECONDS = 6.0                    # how long a whole race takes at speed 1

CLOCKS = {"iterations": ("step", ""), "work": ("work", "passes"), "seconds": ("time", "s")}

Rows = Sequence[Sequence[str]]


class Clock(NamedTuple):
    """Where a playhead can stand, in the unit of its entrants' clocks."""

    frames: np.ndarray
    label: str = "step"               # what a frame is called
    unit: str = ""


def linked(view: RaceView, layout: str | Rows | None = None,
           follow: bool | None = None) -> dict[str, Any]:
    """The player's payload for a race: the pictures of its problem, and words.

    Args:
        view: the race.
        layout: a name in LAYOUTS, or rows of pictures' ids; by default the problem's.
        follow: whether the playhead keeps up with a run that grows; by default, while one does.
    """
    trace, follow = view.trace, view.trace.unfinished if follow is None else follow
    pictures, rows = _pictures(view, layout)
    # a run that is still growing has the key that it will have at its end
    so_far = [[int(c["stopped"].sum()), *c["status"].tolist()[:1000]] for _, _, c in view.entrants]
    payload = assembled(view.theme, pictures, [_entrant(view, e) for e in trace.entrants],
                        _clock(view), rows, [trace.key, so_far, view.axis, view.run, layout])
    if follow and view.axis == "iterations":
        payload["clock"]["end"] = max(len(c["seconds"]) - 1 for _, _, c in view.entrants)
    return payload | {"follow": follow, "autoplay": not follow}


def newton_player(view: SystemView, content: Any) -> dict[str, Any]:
    """The player's payload for a system; its entrants are CG and MINRES, its frames iterations."""
    entrants = []
    for s in view.system.solves:
        color, dash, marker = STYLES[s.solver]
        at = np.minimum(np.arange(s.iterations + 1), len(s.residual) - 1)
        entrants.append({
            "label": s.solver, "title": s.title, "color": view.theme.tint(color), "dash": dash,
            "marker": marker, "clock": np.arange(s.iterations + 1, dtype=float),
            "loss": s.residual[at], "words": list(s.words), "end": s.end})
    return assembled(
        view.theme, [draw(view) for draw in SYSTEM.values()], entrants,
        Clock(np.arange(view.last + 1), "iteration"), SYSTEM_ROWS, [content, view.system.step],
    ) | {"value": "‖r‖"}


def assembled(theme: Theme, pictures: Sequence[Picture], entrants: Sequence[dict[str, Any]],
              clock: Clock, rows: Rows, content: Any) -> dict[str, Any]:
    """The player's payload for any pictures that share a playhead.

    What a caller may change in it: `frame`, where the playhead is pinned; `autoplay`, whether it
    plays at once; `value`, what the entrants' "loss" is called; `plotly_url`, where the browser
    finds plotly.js.

    Args:
        theme: the colours of the pictures.
        pictures: what is drawn; `rows` places them by their ids, and the words as "@words".
        entrants: label, title, color (in this theme), dash, marker, end, and per tick of its own:
            clock and loss (arrays), words (sentences).
        clock: where the playhead can stand.
        rows: rows of ids; the play bar stands below the first.
        content: JSON that tells these pictures from others.
    """
    name = hashlib.sha256(json.dumps([content, theme.name]).encode()).hexdigest()[:16]
    clocks = [e["clock"] for e in entrants]
    return {
        "id": name, "plotly_url": "", "theme": theme.name, "frame": None, "autoplay": False,
        "follow": False, "value": "Loss", "rate": max(len(clock.frames) / PLAY_SECONDS, 4.0),
        "clock": {"label": clock.label, "unit": clock.unit, "frames": packed(clock.frames, "f8")},
        "entrants": [e | {"clock": packed(e["clock"], "f8"), "loss": packed(e["loss"], "f8")}
                     for e in entrants],
        "panels": [_panel(p, clocks) for p in pictures], "rows": [list(row) for row in rows],
    }


def _pictures(view: RaceView, layout: str | Rows | None) -> tuple[list[Picture], Rows]:
    """The pictures of a layout, and its rows as they are for this race."""
    trace = view.trace
    rows = LAYOUTS[layout or trace.spec["problem"]["name"]] if (
        layout is None or isinstance(layout, str)) else layout
    if len(rows) > 2 and not any("krylov_reason" in c for _, _, c in view.entrants):
        rows = [[name for name in row if name != "krylov"] for row in rows]
    pictures = [PICTURES[name].draw(view) for row in rows for name in row if name in PICTURES]
    if list(rows[0]) == [SIDE + "*"]:
        sides = side_by_side(view) or [eigenvalues(view)]
        return pictures + sides, [[p.id for p in sides], *rows[1:]]
    return pictures, rows


def _clock(view: RaceView) -> Clock:
    """Where the playhead can stand: every step, or as many even ticks of work or time."""
    entrants = view.trace.entrants
    most = max(view.steps(e) for e in entrants)
    if view.axis == "iterations":
        return Clock(np.arange(most + 1), *CLOCKS[view.axis])
    last = max(view.clock(e)[-1] for e in entrants)
    return Clock(np.linspace(0, last, min(MAX_FRAMES, most + 1)), *CLOCKS[view.axis])


def _entrant(view: RaceView, e: Entrant) -> dict[str, Any]:
    trace, run, steps, c = view.trace, view.run, view.steps(e), view.trace[e.label]
    words = trace.words[e.label][:steps] if run == 0 else []
    words += [""] * (steps - len(words))
    over = c["status"][run] != "running" and run < len(trace.ends[e.label])
    return {"label": e.label, "title": e.title, "color": view.theme.tint(e.color), "dash": e.dash,
            "marker": e.marker, "clock": view.clock(e),
            "loss": c["loss"][at_every_step(c, run), run],
            "words": [f"Starts at loss {say(float(c['loss'][0, run]))}.", *words],
            "end": trace.ends[e.label][run] if over else ""}


def _panel(p: Picture, clocks: Sequence[np.ndarray]) -> dict[str, Any]:
    return {"id": p.id, "title": p.title, "alt": p.alt, "span": 1, "figure": plain(p.figure),
            "trail": p.trail, "cursor": p.cursor, "click": p.click, "label": p.label,
            "strip": p.strip, "cloud": p.cloud, "live": p.live,
            "choices": [_panel(c, clocks) for c in p.choices],
            "heads": [_head(h, clocks[h.entrant]) for h in p.heads]}


def _head(head: Head, ticks: np.ndarray) -> dict[str, Any]:
    """A head without x stands at its entrant's clock."""
    x = {} if np.array_equal(head.x, ticks) else {"x": packed(head.x)}
    return {"entrant": head.entrant, "y": packed(head.y), "axis": head.axis} | x
