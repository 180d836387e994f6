"""Numbers are written in the browser as they are in Python."""

from __future__ import annotations

import math
import struct
from typing import Any

import numpy as np

from qnviz.numbers import round_up, say
from tests.browser.modules import imported


def values() -> list[float]:
    """Thousands of numbers: all sizes, borders of forms and decades, halves, and what is none."""
    rng = np.random.default_rng(3)
    found = [0.0, -0.0, math.inf, -math.inf, math.nan, 5e-324, 2.2e-308, 1.7976931348623157e308]
    found += (rng.choice([-1, 1], 4000) * 10 ** rng.uniform(-8, 8, 4000)).tolist()
    found += [struct.unpack("<d", rng.bytes(8))[0] for _ in range(2000)]
    for power in range(-9, 9):
        for digits in ("9.4", "9.5", "9.94", "9.95", "9.994", "9.995", "9.9995", "9.99995", "1"):
            border = float(f"{digits}e{power}")
            found += [border, -border, math.nextafter(border, 0), math.nextafter(border, math.inf)]
    found += [k / 2**n for k in range(1, 400, 2) for n in range(1, 13)]         # many a half
    found += [k + 0.5 for k in range(990, 1100)] + [99949.5, 99999.5, 1.25e15, 1.35e15, 2.5e22]
    return found


def test_numbers_are_written_as_in_python(page: Any) -> None:
    """With any number of digits."""
    imported(page, "numbers.js")
    given = values()
    texts = ["NaN" if math.isnan(v) else "Infinity" if v == math.inf else "-Infinity"
             if v == -math.inf else repr(v) for v in given]
    for digits in (2, 3, 4, 5):
        got = page.evaluate("([texts, d]) => texts.map((t) => m.say(Number(t), d))",
                            [texts, digits])
        wrong = [(v, a, b) for v, a, b in zip(given, got, (say(v, digits) for v in given),
                                              strict=True) if a != b]
        assert not wrong, wrong[:5]
    assert page.evaluate("[null, undefined, NaN, -0.5].map(m.cell)") == ["–", "–", "–", "−0.5"]


def test_steps_between_ticks_are_those_of_python(page: Any) -> None:
    """1, 2 or 5 times a power of ten, as near as may be."""
    imported(page, "numbers.js")
    given = [abs(v) for v in values() if math.isfinite(v) and 1e-300 < abs(v) < 1e300]
    assert page.evaluate("(values) => values.map(m.roundUp)", given) == list(map(round_up, given))
