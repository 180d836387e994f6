"""Numbers in words: one rule, at its borders."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qnviz.numbers import percent, round_between, round_up, say, ticks

FINITE = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(("value", "text"), [
    (0, "0"), (-0.0, "0"), (1, "1"), (-0.5, "−0.5"), (0.0119, "0.0119"), (12.44, "12.4"),
    (100.0, "100"), (1240.2, "1,240"), (12345.6, "12,346"), (-12346, "−12,346"),
    (3.178e-5, "3.2e−5"), (-3e-5, "−3.0e−5"), (1e6, "1.0e6"), (1.7e308, "1.7e308"),
    (5e-324, "4.9e−324"), (math.inf, "∞"), (-math.inf, "−∞"), (math.nan, "undefined")])
def test_numbers_in_words(value, text):
    """One line per form."""
    assert say(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (9.994, "9.99"), (9.995, "9.99"), (9.996, "10"), (99.95, "100"), (999.4, "999"),
    (999.5, "1,000"), (99950, "99,950"), (99999.4, "99,999"), (99999.5, "1.0e5"), (1e5, "1.0e5"),
    (0.001, "0.001"), (0.0009996, "0.001"), (0.000996, "0.000996"), (0.000994, "9.9e−4"),
    (9.96e-8, "1.0e−7"), (9.94e5, "9.9e5"), (9.96e5, "1.0e6")])
def test_borders_are_those_of_what_is_written(value, text):
    """The nearest of the forms' ends decide, not the number's own digits; 9.995 is 9.99499…"""
    assert say(value) == text


@pytest.mark.parametrize(("value", "text"), [
    (1.125, "1.13"), (1.135, "1.14"), (12.25, "12.3"), (0.0625, "0.0625"), (1000.5, "1,001"),
    (1001.5, "1,002"), (1.25e15, "1.3e15"), (1.15e15, "1.2e15"), (2.0**-11, "4.9e−4")])
def test_halves_go_away_from_zero(value, text):
    """Of numbers that are halves exactly; 1.135 and 0.0625 only look like them or are none."""
    assert say(value) == text
    assert say(-value) == f"−{text}"


@given(FINITE, st.integers(2, 5))
def test_texts_read_back_as_the_nearest(value, digits):
    """A text names the nearest number of so many digits, all digits of a whole part, and no 0s."""
    text = say(value, digits)
    plain = text.replace("−", "-").replace(",", "")
    read, exact = Decimal(plain), Decimal(abs(value))
    kept = digits - 1 if "e" in plain else max(digits, 1 + exact.adjusted())
    context = Context(prec=kept, rounding=ROUND_HALF_UP)
    assert abs(read) == context.create_decimal(exact)
    assert (read < 0) == (value < 0)
    if "." in plain and "e" not in plain:
        assert not plain.endswith("0")


@given(FINITE, FINITE)
def test_texts_keep_the_order(a, b):
    """The greater number never reads as the smaller one."""
    low, high = (float(say(v).replace("−", "-").replace(",", "")) for v in sorted((a, b)))
    assert low <= high


@pytest.mark.parametrize(("share", "text"), [
    (0.0, "0 %"), (0.004, "under 1 %"), (0.125, "13 %"), (0.61, "61 %"), (0.999, "over 99 %"),
    (1e-16, "0 %"), (1 - 2e-16, "100 %"),
    (1.0, "100 %"), (math.nan, "–")])
def test_shares(share, text):
    """Nearly none and nearly all are neither."""
    assert percent(share) == text


@given(st.floats(1e-300, 1e300))
def test_round_up(value):
    """The next of 1, 2, 5, 10, … and not one further."""
    mark = round_up(value)
    assert mark >= value * (1 - 1e-9)
    assert f"{mark:e}"[0] in "125"
    assert mark <= 2.5 * value * (1 + 1e-9)
    assert round_up(mark) == mark


def test_round_up_takes_other_steps():
    """Rounding is no reason to go on to the next."""
    assert [round_up(v) for v in (1, 2.1, 0.1 + 0.2, 999.9999999999999)] == [1, 5, 0.5, 1000]
    assert [round_up(v, (1, 1.5, 2, 3, 5, 7)) for v in (1.2, 0.1 + 0.2, 71)] == [1.5, 0.3, 100]


@given(st.floats(-300, 290), st.floats(0.01, 5), st.sampled_from([(1,), (1, 2, 5)]))
def test_round_numbers_between(power, decades, steps):
    """All that `round_up` meets on its way up, with both ends."""
    low = round_up(10.0**power, steps)
    high, expected = low * 10.0**decades, [low]
    while (mark := round_up(1.001 * expected[-1], steps)) <= (1 + 1e-9) * high:
        expected.append(mark)
    assert round_between(low, high, steps) == expected


@given(st.floats(-1e5, 1e5), st.floats(-3, 9))
def test_ticks_are_multiples_of_one_round_step(low, power):
    """Of 1, 2 or 5 times a power of ten, all that lie within, and few."""
    high = low + 10.0**power
    found = ticks(low, high)
    assert 2 <= len(found) <= 7
    step = (found[-1] - found[0]) / (len(found) - 1)
    assert step == pytest.approx(round_up(0.999 * step), rel=1e-6)
    air = 1e-6 * step
    assert low - air <= found[0] < low + step + air
    assert high - step - air < found[-1] <= high + air


def test_ticks_by_hand():
    """Both ends count where they are round."""
    assert ticks(0, 1) == [0, 0.2, 0.4, 0.6, 0.8, 1]
    assert ticks(0.1, 0.3) == [0.1, 0.2, 0.3]
    assert ticks(-7, 5) == [-6, -4, -2, 0, 2, 4]
    assert ticks(98.5, 131) == [100, 110, 120, 130]
