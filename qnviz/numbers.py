"""Numbers as people write them: one rule for sentences, tables, chips, tooltips and axes.

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
    """A share in percent: 61 %, and never 0 % or 100 % of what is only nearly so; – for NaN."""
    if not math.isfinite(share):
        return "–"
    if 0 < share < 0.01:
        return "under 1 %"
    if 0.99 < share < 1:
        return "over 99 %"
    return f"{math.floor(100 * share + 0.5)} %"


def duration(seconds: float) -> str:
    """How long something takes: 8 s, 3 min."""
    return f"{max(1, seconds):.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def round_up(value: float, steps: Sequence[float] = (1, 2, 5)) -> float:
    """The least of `steps` times a power of ten that reaches `value` > 0, but for rounding.

    Steps are in [1, 10). By default they are those of ticks and of sliders: 1, 2, 5, 10, 20, …
    """
    power = math.floor(math.log10(value))
    marks = (float(f"{step}e{p}") for p in (power, power + 1) for step in steps)
    return next(mark for mark in marks if mark >= (1 - 1e-9) * value)
