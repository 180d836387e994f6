"""Numbers in the words that people use."""

import math
from typing import SupportsFloat

# what a method says of a step whose whole gain would be rounding: it stands at a minimum
AT_PRECISION = "no step along d lowers f any more at this precision"


def say(x: SupportsFloat) -> str:
    """A number as a person writes it: 3.2e−5, 0.031, 12.4, 1,240."""
    v = float(x)
    if math.isnan(v):
        return "undefined"
    if v == 0 or math.isinf(v):
        return "0" if v == 0 else "∞" if v > 0 else "−∞"
    if abs(v) >= 1e5 or abs(v) < 1e-3:
        mantissa, exponent = f"{v:.1e}".split("e")
        return f"{mantissa}e{int(exponent)}".replace("-", "−")
    text = f"{v:.3g}" if abs(v) < 999.5 else f"{v:,.0f}"
    return text.replace("-", "−")


def duration(seconds: float) -> str:
    """How long something takes: 8 s, 3 min."""
    return f"{max(1, seconds):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"
