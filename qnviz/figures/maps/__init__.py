"""Many runs in one picture: maps of cells, with their words, and the scoreboard.

A map is drawn by `picture(view: MapView) -> Picture`, the scoreboard by one of a `Table`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qnviz.figures.maps.cells import Best, Cells, Side
from qnviz.figures.maps.scale import Scale
from qnviz.figures.theme import Theme


@dataclass(frozen=True)
class MapView:
    """One map as its picture is to show it."""

    theme: Theme
    id: str
    title: str                                 # what it shows
    words: str                                 # what is found in it, for those who do not see it
    cells: Cells
    x: Side
    y: Side
    scale: Scale
    best: Best | None = None                   # starred, with the ranges around it
    points: Sequence[Sequence[float]] = ()     # minimisers, where the axes are the plane itself
    surface: tuple[np.ndarray, np.ndarray, np.ndarray] | None = None
    """x (n,), y (m,) and loss above its lowest (m, n), whose level lines lie on the map."""
