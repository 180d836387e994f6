"""What a lab takes apart: one Newton system, a derivative, the spectrum of a Hessian.

Each picture of a system is a function `picture(view: SystemView) -> Picture` and a line in
`qnviz.figures.player.SYSTEM`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from qnviz.figures.theme import LIGHT, Theme
from qnviz.numbers import round_up

# A NewtonSystem of qnviz.studies and its Solves, which drawing does not import: torch comes along.
System = Any
Solve = Any


@dataclass(frozen=True)
class SystemView:
    """One Newton system as its pictures are to show it."""

    system: System
    theme: Theme = LIGHT

    def layout(self, title: str) -> dict[str, Any]:
        """The layout of a picture over inner iterations, with the title of the vertical axis."""
        layout, last = self.theme.base("inner iteration j", title), self.last
        air = 0.04 * max(last, 1)
        layout["xaxis"] |= dict(
            range=[-air, last + air], tickformat="d",
            dtick=int(round_up(max(last / 8, 1))))
        return layout

    @property
    def last(self) -> int:
        """The iterations of the solver that took more."""
        return max(s.iterations for s in self.system.solves)
