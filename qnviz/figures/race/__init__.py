"""Pictures of a race: one file each, drawn under one playhead.

Each is a function `picture(view: RaceView) -> Picture`, a line in `qnviz.figures.player.PICTURES`.
What a view gives it is all it may depend on, so equal views have equal pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from qnviz.figures.theme import FINE, LIGHT, Picture, Theme, notice
from qnviz.numbers import round_up
from qnviz.runs.trace import Entrant, Trace, clock

AXES = {"iterations": "step", "work": "work (forward passes of the batch)",
        "seconds": "seconds in the method"}
UNSTARTED = "No step was taken: the run ended at its start."
WAITING = "No step has been taken yet."

Columns = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class RaceView:
    """One run of a race as its pictures are to show it."""

    trace: Trace
    theme: Theme = LIGHT
    axis: str = "iterations"                   # a name in AXES: what the horizontal axis counts
    run: int = 0                               # which of the trace's runs

    @property
    def first(self) -> RaceView:
        """Run 0, the one that a trace keeps views of."""
        return replace(self, run=0)

    @property
    def entrants(self) -> list[tuple[int, Entrant, Columns]]:
        """Every entrant with its place in the race and its columns."""
        return [(i, e, self.trace[e.label]) for i, e in enumerate(self.trace.entrants)]

    def holding(self, name: str) -> list[tuple[int, Entrant, Columns]]:
        """The entrants that have a column."""
        return [(i, e, c) for i, e, c in self.entrants if len(c.get(name, ()))]

    def steps(self, e: Entrant) -> int:
        """How many steps an entrant took."""
        return int(self.trace[e.label]["stopped"][self.run])

    def clock(self, e: Entrant) -> np.ndarray:
        """Where an entrant's iterates stand on the horizontal axis, (steps + 1,)."""
        return clock(self.trace[e.label], self.axis, self.run)[:self.steps(e) + 1]

    def events(self, e: Entrant, name: str) -> np.ndarray:
        """What an entrant's steps exposed under a name, (steps, …)."""
        return self.trace[e.label][name][:self.steps(e), self.run]

    def setting(self, e: Entrant, name: str) -> Any:
        """A hyper-parameter of an entrant, as the run's spec has it."""
        method = next(m for m in self.trace.spec["methods"]
                      if (m.get("label") or m["name"]) == e.label)
        return method[name]

    # --- layout and words -------------------------------------------------------------------------

    def layout(self, title: str, right: int = 10) -> dict[str, Any]:
        """The layout of a picture over the horizontal axis, with the title of the vertical one."""
        return self.theme.base(AXES[self.axis], title, right=right)

    def span(self, entrants: Sequence[Entrant]) -> list[float]:
        """The horizontal range that holds the longest of these entrants' runs.

        While a run is growing it holds what may still come, so that the axis seldom moves.
        """
        longest = float(max(self.clock(e)[-1] for e in entrants))
        if self.trace.unfinished and self.axis == "iterations":
            longest = float(max(len(self.trace[e.label]["seconds"]) - 1 for e in entrants))
        longest = longest or 1.0
        if self.trace.unfinished and self.axis != "iterations":
            longest = round_up(longest, FINE)
        return [-0.01 * longest, 1.01 * longest]

    @property
    def cursor(self) -> bool:
        """Whether one vertical line shows where all entrants are: by steps, not by work or time."""
        return self.axis == "iterations"

    def following(self, marks: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """What a picture over the horizontal axis draws while a hand drags.

        Nothing where that counts seconds: a browser's are not the method's.
        """
        return [] if self.axis == "seconds" else marks

    @property
    def so_far(self) -> str:
        """What a title adds while the run is not over."""
        return " so far" if self.trace.unfinished else ""

    @property
    def when(self) -> str:
        """Of what time a picture's numbers are."""
        return self.so_far.strip() or "at the end"

    def notice(self, id: str, title: str, why: str, label: str = "") -> Picture:
        """An empty picture that says why it is empty."""
        return notice(self.theme, id, title, why, label)
