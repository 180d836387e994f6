"""Curvatures on an axis: numbers of both signs over many decades, and those that count as 0."""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.theme import power_of_ten

ZERO = "zero curvature"
DECADES = 6                           # that a signed axis resolves below its largest number


class Signed:
    """A signed log axis: sign(x) log₁₀(1 + |x|/s), resolving a few decades on both sides of 0."""

    def __init__(self, *values: np.ndarray):
        every = np.concatenate([np.ravel(v) for v in values])
        every = every[np.isfinite(every)]
        self.largest = float(np.abs(every).max(initial=0)) or 1.0
        self.low, self.high = float(every.min(initial=0)), float(every.max(initial=0))
        self.power = int(np.floor(np.log10(self.largest))) - DECADES
        self.unit = 10.0**self.power

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Where a number stands on the axis."""
        return np.sign(x) * np.log10(1 + np.abs(x) / self.unit)

    def axis(self) -> dict[str, Any]:
        """Ticks at powers of ten, and a line at 0."""
        powers = list(range(self.power + 1, self.power + DECADES + 2, 2))
        values = [-(10.0**k) for k in powers[::-1]] + [0.0] + [10.0**k for k in powers]
        names = ["−" + power_of_ten(k) for k in powers[::-1]] + ["0"] + [
            power_of_ten(k) for k in powers]
        span = self(np.array([self.low, self.high]))
        air = 0.07 * max(float(span[1] - span[0]), 1.0)
        return dict(tickvals=self(np.array(values)).tolist(), ticktext=names,
                    range=[float(span[0]) - air, float(span[1]) + air])
