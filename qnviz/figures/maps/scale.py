"""The one colour scale of maps side by side: categories of cells, each with colours of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from qnviz.figures.colors import mixed
from qnviz.figures.maps.cells import Cells, Quantity
from qnviz.figures.theme import Theme
from qnviz.numbers import round_between, say, ticks

# Viridis [van der Walt, Smith 2015]: even steps, also for the colour-blind and in grey.
VIRIDIS = ("#440154", "#472d7b", "#3b528b", "#2c728e", "#21918c", "#28ae80", "#5ec962", "#addc30",
           "#fde725")
# Okabe-Ito, one per minimiser, few steps to many; where there are more, their numbers tell
HUES = (("#cfe8f7", "#56b4e9", "#0072b2", "#003553"),
        ("#d3f0e5", "#5cc4a2", "#009e73", "#004633"),
        ("#f6e3ee", "#dda5c4", "#cc79a7", "#6a2f50"),
        ("#fbf8d0", "#f0e442", "#a89e1e", "#544e00"),
        ("#e6e6e6", "#a6a6a6", "#696969", "#2b2b2b"))
ELSEWHERE = "#e69f00"
HALTED = "#7a5195"                    # where derivatives have no value
SADDLE = "#8c510a"
STILL = "#5f8a8b"                     # where ∇f vanishes at another place


class Kind(NamedTuple):
    """A category of cells: its colours, low values to high, or one; and whether it is hatched.

    The legend shows a rare one only beside maps that have it.
    """

    text: str
    colors: tuple[str, ...]
    hatched: bool = False
    rare: bool = False


@dataclass(frozen=True)
class Scale:
    """One colour scale for all maps of a page: kinds in the order of their numbers."""

    title: str
    kinds: tuple[Kind, ...]
    low: float
    high: float
    log: bool
    hatch: str                                 # the colour of the lines

    def place(self, value: np.ndarray) -> np.ndarray:
        """Values on 0 … 1 of the scale."""
        low, high = self.low, self.high
        with np.errstate(divide="ignore", invalid="ignore"):
            if self.log:
                value, low, high = np.log(value), np.log(low), np.log(high)
            return np.clip((value - low) / (high - low), 0, 1) if high > low else 0 * value

    @property
    def colorscale(self) -> list[list[Any]]:
        """Plotly's scale over kind + place, from 0 to the number of kinds."""
        n, found = len(self.kinds), []
        for i, kind in enumerate(self.kinds):
            colors = kind.colors * 2 if len(kind.colors) == 1 else kind.colors
            found += [[(i + t) / n, color] for t, color in zip(
                np.linspace(0, 1, len(colors)).tolist(), colors, strict=True)]
        return found

    @property
    def legend(self) -> dict[str, Any]:
        """What the scale's legend shows, as the component draws it."""
        return {"title": self.title, "hatch": self.hatch, "ticks": self._ticks, "kinds": [
            {"text": k.text, "colors": k.colors, "hatched": k.hatched, "rare": k.rare}
            for k in self.kinds]}

    @property
    def _ticks(self) -> list[dict[str, Any]]:
        low, high = self.low, self.high
        if not high > low:
            return [{"at": 0.5, "text": say(low)}]
        if not self.log:
            values = ticks(low, high)
        elif high / low > 1e3:
            powers = round_between(low, high, (1,))
            values = powers[::-(-len(powers) // 6)]
        else:
            values = round_between(low, high)
        return [{"at": float(self.place(np.array(v))), "text": say(v)}
                for v in values or [low, high]]


def setting_scale(theme: Theme, q: Quantity, maps: Sequence[Cells], unreached: str) -> Scale:
    """The one scale of maps of settings: bright is good."""
    low, high = _span([c.value for c in maps], q.log)
    ramp = VIRIDIS[::-1] if q.low_is_good else VIRIDIS
    return Scale(q.title, (Kind("", ramp), Kind(unreached, (_quiet(theme),)),
                           _lost(theme), _halted(theme)),
                 low, high, q.log, theme.alarm)


def basin_scale(theme: Theme, maps: Sequence[Cells], places: Sequence[str],
                elsewhere: str) -> Scale:
    """The one scale of maps of starts: a hue per minimiser, darker where it takes more steps."""
    low, high = _span([np.where(np.isfinite(c.value), c.value, np.nan) for c in maps], True)
    return Scale("steps to the minimum", (
        *(Kind(text, HUES[i % len(HUES)]) for i, text in enumerate(places)),
        Kind(elsewhere, (mixed(ELSEWHERE, theme.paper, 0.25),)), _lost(theme),
        _halted(theme), Kind("at a saddle or a maximum", (mixed(SADDLE, theme.paper, 0.1),),
                             rare=True),
        Kind("converged elsewhere", (mixed(STILL, theme.paper, 0.1),), rare=True)),
        low, high, True, theme.alarm)


def _quiet(theme: Theme) -> str:
    return mixed(theme.muted, theme.paper, 0.72 if theme.name == "light" else 0.6)


def _lost(theme: Theme) -> Kind:
    return Kind("diverged", (mixed(theme.alarm, theme.paper, 0.68),), hatched=True)


def _halted(theme: Theme) -> Kind:
    """The category of runs that ended where derivatives have no value."""
    return Kind("∇f has no value", (mixed(HALTED, theme.paper, 0.3),), rare=True)


def _span(values: Sequence[np.ndarray], log: bool) -> tuple[float, float]:
    """The range of all finite values, without the outermost hundredth where it is far out."""
    flat = np.concatenate([v[np.isfinite(v)] for v in values]) if values else np.array([])
    if log:
        flat = flat[flat > 0]
    if not len(flat):
        return 1.0, 1.0
    low, high = float(flat.min()), float(flat.max())
    inner = np.quantile(flat, [0.01, 0.99])
    far = (high / max(inner[1], 1e-300) > 10, inner[0] / max(low, 1e-300) > 1e3) if log else (
        False, False)
    return float(inner[0]) if far[1] else low, float(inner[1]) if far[0] else high
