"""Which value of a file's pixels is white, from their type and range where these make it plain.

    truth values, whole numbers up to 1, numbers up to 1    1
    up to 15 or 16 (digits of 16 grey levels)               16
    up to 128 … 255                                         255
    up to 95 … 100, unless they are bytes                   100
    up to 95 … 100 % of 2^b − 1, b = 10, 12, 14, 16         2^b − 1
    16-bit ones beyond half of their range                  65535

Anything else is ambiguous, and a person has to choose: a wrong scale makes images nearly black, and
every method looks good on these. Thresholds are ours.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qnviz.errors import DataError, UndecidedError

ROUNDING = 1e-6                  # how far a float may lie beyond an end of the range
DARKEST = 0.2                    # a set of numbers up to 1 reaches that; else it may be mis-scaled
NEARLY = 0.95                    # the share of white that the brightest pixel reaches
DEEP = tuple(2**bits - 1 for bits in (10, 12, 14, 16))
ROUND = (1000, 10_000)           # may be white themselves, so they speak for no power of 2
CHOICES = (1, 16, 100, 255, *DEEP)


def white(file: str, arrays: Sequence[np.ndarray], chosen: float | None = None) -> float:
    """The value that becomes 1; on the way, pixels must be finite and in range.

    Args:
        file: the file's name, for errors.
        arrays: images (N, D); training and held-out ones are scaled alike.
        chosen: the value that somebody chose or that is known; None to find it.

    Raises:
        UndecidedError: type and range do not say.
        DataError: a pixel is NaN, infinite, negative or above `chosen`; or no image shows anything.
    """
    with np.errstate(invalid="ignore"):
        low = np.concatenate([x.min(1) for x in arrays]).astype(np.float64)
        high = np.concatenate([x.max(1) for x in arrays]).astype(np.float64)
    bad = ~(np.isfinite(low) & np.isfinite(high))          # a NaN is both minimum and maximum
    if bad.any():
        raise DataError(f"{file} has NaN or infinite pixels in {bad.sum():,} of its {len(bad):,} "
                        f"images; the first is image {np.flatnonzero(bad)[0]:,}.")
    lowest, highest = float(low.min()), float(high.max())
    if lowest < -ROUNDING:
        raise DataError(f"{file} has pixels from {lowest:g} to {highest:g}, but 0 is black: none "
                        "may be negative. Shift and scale them before saving.")
    if (low == high).all():
        raise DataError(f"{file} has nothing but images of one colour each.")
    if chosen is not None:
        if highest > chosen * (1 + ROUNDING):
            raise DataError(f"{file} has pixels up to {highest:g}, but white = {chosen:g}: white "
                            "must be at least as bright as the brightest pixel.")
        return float(chosen)
    found = usual(highest, {x.dtype for x in arrays})
    if found is None:
        raise UndecidedError(
            f"{file} has pixels from {lowest:g} to {highest:g}, of type "
            f"{_types(arrays)}, which does not say which value is white. Choose white under "
            f"\"Your data\", or as \"white\" in the run's description: {_offered(highest)}.")
    return found


def usual(highest: float, types: set[np.dtype]) -> float | None:
    """What is white if the brightest pixel has the value `highest`; None where it is ambiguous."""
    whole = all(t.kind in "biu" for t in types)
    if highest <= 1 + ROUNDING:
        return 1.0 if whole or highest >= DARKEST else None
    if 15 <= highest <= 16:
        return 16.0
    if 128 <= highest <= 255:
        return 255.0
    if NEARLY * 100 <= highest <= 100 and types != {np.dtype(np.uint8)}:
        return 100.0
    if {(t.kind, t.itemsize) for t in types} == {("u", 2)} and highest >= 2**15:
        return float(DEEP[-1])
    fits = (w for w in DEEP if NEARLY * w <= highest <= w and highest not in ROUND)
    return next(map(float, fits), None)


def said(white: float, chosen: bool) -> str:
    """The scale in a sentence."""
    why = "as chosen" if chosen else "by their type and range"
    return f"Pixels: 0 is black, {white:g} is white, {why}."


def _types(arrays: Sequence[np.ndarray]) -> str:
    return " and ".join(sorted({x.dtype.name for x in arrays}))


def _offered(highest: float) -> str:
    """The brightest pixel, and usual values above it."""
    above = [w for w in CHOICES if w > highest][:2]
    values = dict.fromkeys(f"{w:g}" for w in (highest, *above))
    return " or ".join(values)
