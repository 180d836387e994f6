"""One Newton system taken apart: its pictures under one playhead that counts inner iterations."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.player import assembled
from qnviz.figures.system.curves import curvature, model, residual
from qnviz.figures.system.path import path
from qnviz.figures.system.ritz import ritz
from qnviz.figures.system.views import LOOKS, System
from qnviz.figures.theme import THEMES, Picture, Theme

ROWS = [["plane", "residual", "ritz"], ["curvature", "model", "@words"]]


def pictures(system: System, theme: Theme) -> list[Picture]:
    """All pictures of a system that has something to iterate."""
    return [draw(system, theme) for draw in (path, residual, ritz, curvature, model)]


def newton_player(system: System, *, content: Any, theme: str = "light", frame: int | None = None,
                  plotly_url: str = "") -> dict[str, Any]:
    """The player's payload for a system; its entrants are CG and MINRES, its frames iterations."""
    light = THEMES[theme]
    last = max(s.iterations for s in system.solves)
    entrants = []
    for s in system.solves:
        color, dash, marker = LOOKS[s.solver]
        at = np.minimum(np.arange(s.iterations + 1), len(s.residual) - 1)
        entrants.append({
            "label": s.solver, "title": s.title, "color": light.tint(color), "dash": dash,
            "marker": marker, "clock": np.arange(s.iterations + 1, dtype=float),
            "loss": s.residual[at], "words": list(s.words), "end": s.end})
    return assembled(pictures(system, light), entrants, np.arange(last + 1), ROWS,
                     [content, system.step], label="iteration", value="‖r‖", theme=theme,
                     frame=frame, plotly_url=plotly_url)
