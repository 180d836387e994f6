"""All pictures of a race under one playhead: the data that the player component draws."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import numpy as np

from qnviz.figures.eigenvalues import eigenvalues
from qnviz.figures.krylov import krylov
from qnviz.figures.loss import loss
from qnviz.figures.theme import THEMES, Picture
from qnviz.figures.trajectory import trajectory
from qnviz.runs.trace import Trace, clock
from qnviz.words import say

MAX_FRAMES = 600
PLAY_SECONDS = 6.0                    # how long a whole race takes at speed 1

CLOCKS = {"iterations": ("step", ""), "work": ("work", "passes"), "seconds": ("time", "s")}


def packed(a: np.ndarray, dtype: str = "f4") -> dict[str, str]:
    """Numbers as Plotly packs them, base64 little-endian; f4 where they are only drawn."""
    largest = np.finfo(dtype).max
    small = np.clip(np.asarray(a, dtype=float), -largest, largest).astype(f"<{dtype}")
    return {"dtype": dtype, "bdata": base64.b64encode(small.tobytes()).decode()}


def linked(trace: Trace, *, theme: str = "light", axis: str = "iterations", run: int = 0,
           frame: int | None = None, autoplay: bool = True, plotly_url: str = "") -> dict[str, Any]:
    """The player's payload for a race on a plane: path, eigenvalues, Krylov, loss and words."""
    t = THEMES[theme]
    pictures = [trajectory(trace, t, run), eigenvalues(trace, t, axis, run),
                krylov(trace, t, axis, run), loss(trace, t, axis, run)]
    frames = _frames(trace, axis, run)
    label, unit = CLOCKS[axis]
    content = hashlib.sha256(json.dumps([trace.key, axis, run, theme]).encode()).hexdigest()[:16]
    return {
        "id": content, "plotly_url": plotly_url, "theme": theme, "frame": frame,
        "autoplay": autoplay, "rate": max(len(frames) / PLAY_SECONDS, 4.0),
        "clock": {"label": label, "unit": unit, "frames": [float(f) for f in frames]},
        "entrants": [_entrant(trace, i, axis, run) for i in range(len(trace.entrants))],
        "panels": [_panel(p) for p in pictures],
        "rows": [["path", "eig", "krylov"], ["loss", "@words"]],
    }


def _frames(trace: Trace, axis: str, run: int) -> np.ndarray:
    """Where the playhead can stand: every step, or as many even ticks of work or time."""
    stops = [int(trace[e.label]["stopped"][run]) for e in trace.entrants]
    if axis == "iterations":
        return np.arange(max(stops) + 1)
    last = max(clock(trace[e.label], axis, run)[s]
               for e, s in zip(trace.entrants, stops, strict=True))
    return np.linspace(0, last, min(MAX_FRAMES, max(stops) + 1))


def _entrant(trace: Trace, i: int, axis: str, run: int) -> dict[str, Any]:
    e = trace.entrants[i]
    c = trace[e.label]
    steps = int(c["stopped"][run]) + 1
    ticks = clock(c, axis, run)[:steps]
    words = trace.words[e.label][:steps - 1] if run == 0 else []
    words += [""] * (steps - 1 - len(words))
    return {"label": e.label, "title": e.title, "color": e.color, "dash": e.dash,
            "marker": e.marker, "clock": [round(float(v), 6) for v in ticks],
            "loss": packed(c["loss"][:steps, run], "f8"),
            "words": [f"Starts at loss {say(float(c['loss'][0, run]))}.", *words],
            "end": trace.ends[e.label][run] if run < len(trace.ends[e.label]) else ""}


def _panel(p: Picture) -> dict[str, Any]:
    return {"id": p.id, "title": p.title, "alt": p.alt, "span": 1,
            "figure": json.loads(str(p.figure.to_json())), "trail": p.trail, "cursor": p.cursor,
            "click": p.click,
            "heads": [{"entrant": i, "x": packed(x), "y": packed(y)} for i, x, y in p.heads]}
