"""Numbers as people write them, and round numbers: one rule for texts, one for ticks and sliders.

`qnviz/web/numbers.js` is the same rule for the browser; a test holds the two together. Text for
people has a minus sign (−), which is as wide as a plus and no place to break a line. What programs
read has the digits of `repr` and a hyphen: addresses, CSV, JSON, code and LaTeX never come from
here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Context
from functools import cache
from typing import SupportsFloat

SMALL, LARGE = 1e-3, 100_000         # below and from here on a power of ten is easier to read
ROUND = (1, 2, 5)                    # times powers of ten: the round numbers of ticks and sliders
ROUNDING = 1e-9


def say(x: SupportsFloat, digits: int = 3) -> str:
    """A number in its first digits: 0.0119, 12.4, 1,240, 3.2e−5, −∞, undefined (NaN).

    Between 0.001 and 100,000 it has three digits (or `digits`, 2 … 5) or all those before its
    point, thousands apart, and no zeros at the end of a fraction. Outside it has one digit less and
    a power of ten: 3.2e−5, 1.0e6. What decides is the number as it would be written, so that 999.5
    is 1,000 and 99,999.5 is 1.0e5. Halves are rounded away from 0, as JavaScript and d3 do.
    """
    v = float(x)
    if math.isnan(v):
        return "undefined"
    size, sign = abs(v), "−" if v < 0 else ""
    if size == 0:
        return "0"
    if math.isinf(size):
        return f"{sign}∞"
    if size < SMALL or size >= LARGE:
        mantissa, power = _rounded(size, digits - 1).split("e")
        if int(power) != -3:
            return f"{sign}{mantissa}e{int(power)}".replace("-", "−")
    value = float(_rounded(size, digits))
    if value < 10**digits:
        return f"{sign}{value:g}"
    whole = math.floor(size + 0.5)
    return f"{sign}{whole:,}" if whole < LARGE else say(math.copysign(whole, v), digits)


def _rounded(size: float, digits: int) -> str:
    """In scientific notation with so many digits; format alone would round halves to even."""
    if (256 * size).is_integer():                   # no half of at most five digits is left out
        return f"{_half_up(digits).create_decimal_from_float(size):.{digits - 1}e}"
    return f"{size:.{digits - 1}e}"


@cache
def _half_up(digits: int) -> Context:
    return Context(prec=digits, rounding=ROUND_HALF_UP)


def percent(share: float) -> str:
    """A share in percent: 61 %; 0 % and 100 % only where that is so, up to rounding; – for NaN."""
    if not math.isfinite(share):
        return "–"
    if ROUNDING < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1 - ROUNDING:
        return "over 99 %"
    return f"{math.floor(100 * share + 0.5)} %"


def duration(seconds: float) -> str:
    """How long something takes: 8 s, 3 min."""
    return f"{max(1, seconds):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def round_up(value: float, steps: Sequence[float] = ROUND) -> float:
    """The least of `steps` times a power of ten that reaches `value` > 0, but for rounding.

    Steps are in [1, 10). By default they are those of ticks and of sliders: 1, 2, 5, 10, 20, …
    """
    power = math.floor(math.log10(value))
    marks = (float(f"{step}e{p}") for p in (power, power + 1) for step in steps)
    return next(mark for mark in marks if mark >= (1 - ROUNDING) * value)


def round_between(low: float, high: float, steps: Sequence[float] = ROUND) -> list[float]:
    """All of `steps` times a power of ten in 0 < `low` … `high`, but for rounding: log ticks."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    marks = (float(f"{step}e{p}") for p in powers for step in steps)
    return [m for m in marks if (1 - ROUNDING) * low <= m <= (1 + ROUNDING) * high]


def ticks(low: float, high: float) -> list[float]:
    """The multiples of one round step in `low` < `high`, but for rounding: two to seven of them."""
    span = high - low
    # a power of ten that fits twice is fine enough
    step = max(round_up(span / 6), 10.0 ** math.floor(math.log10(span / 2)))
    first, last = math.ceil(low / step - ROUNDING), math.floor(high / step + ROUNDING)
    places = -math.floor(math.log10(step))
    return [round(k * step, places) for k in range(first, last + 1)]
