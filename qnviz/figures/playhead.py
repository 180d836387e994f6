"""The playhead of a payload in Python: where it stands, and what is due there, as in the player."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from qnviz.figures.packing import unpacked
from qnviz.numbers import say

SIZES = {"circle": 11.0, "square": 9.8, "diamond": 10.2, "triangle-up": 11.0, "cross": 11.0,
         "x": 11.0, "star": 10.2}     # Plotly's sizes of what the canvas draws with a radius of 5.5


def marker_size(entrant: Mapping[str, Any]) -> float:
    """Plotly's size of an entrant's marker."""
    return SIZES.get(entrant["marker"], SIZES["circle"])


@dataclass(frozen=True)
class Playhead:
    """Where the player stands: a frame of a payload."""

    payload: Mapping[str, Any]
    frame: int

    @staticmethod
    def at(payload: Mapping[str, Any], frame: int | None = None) -> Playhead:
        """The playhead at a frame, or at the last one; a frame beyond the ends is at that end."""
        last = len(unpacked(payload["clock"]["frames"])) - 1
        return Playhead(payload, last if frame is None else min(max(frame, 0), last))

    @cached_property
    def frames(self) -> np.ndarray:
        """Where the playhead can stand, in the clocks' unit."""
        return unpacked(self.payload["clock"]["frames"]).astype(float)

    @property
    def time(self) -> float:
        """Where it stands, in the clocks' unit."""
        return float(self.frames[self.frame])

    @cached_property
    def clocks(self) -> list[np.ndarray]:
        """The clock of every entrant."""
        return [unpacked(e["clock"]) for e in self.payload["entrants"]]

    def index(self, entrant: int) -> int:
        """The entrant's own step."""
        ticks = self.clocks[entrant]
        limit = self.time + 1e-7 * abs(self.time)     # a float32 clock meets a float64 playhead
        return max(0, int(np.searchsorted(ticks, limit, side="right")) - 1)

    def over(self, entrant: int) -> bool:
        """Whether the entrant's run has ended before."""
        ended = bool(self.payload["entrants"][entrant]["end"])
        return ended and self.time > float(self.clocks[entrant][-1]) * (1 + 1e-7)

    def row(self, rows: np.ndarray, entrant: int) -> int:
        """Which of an entrant's views is due."""
        return int(rows[min(self.index(entrant), len(rows) - 1)])

    @property
    def words(self) -> str:
        """Where it stands, such as "step 120 of 300"."""
        clock = self.payload["clock"]
        short = say if (self.frames % 1).any() else lambda v: f"{v:,.0f}"
        end = clock.get("end", float(self.frames[-1]))
        unit = f" {clock['unit']}" if clock["unit"] else ""
        return f"{clock['label']} {short(self.time)} of {short(end)}{unit}"
