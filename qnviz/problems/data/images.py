"""What a set of images is, and how arrays of anybody's making are checked and become one.

Pixels stay in the type in which they came until the very end: 8 bits take a quarter of float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qnviz.errors import DataError

FEWEST = 20                      # images of a set, held-out ones included
MOST_PIXELS = 250_000_000        # of all images together: 1 GB as float32
ROUNDING = 1e-6                  # how far a float may be outside [0, 1] and still mean its end
HELD_OUT = 0.2
SPLIT_SEED = 0


@dataclass(frozen=True, eq=False)          # two sets are the same only if they are one object
class Images:
    """A set of images. N for training, M held out, D = height · width pixels, all read-only."""

    name: str                    # "digits", "curves", "mnist", "faces", or the file's name
    train: np.ndarray            # (N, D) float32 in [0, 1]
    test: np.ndarray             # (M, D) float32 in [0, 1]
    shape: tuple[int, int]       # height, width
    train_labels: np.ndarray     # (N,) int16 class, −1 where unknown
    test_labels: np.ndarray      # (M,) int16 class, −1 where unknown
    source: str                  # where the images come from and how they were split


@dataclass(frozen=True, eq=False)
class Part:
    """Images as they came, with their labels if there are any."""

    images: np.ndarray                     # (N, H, W), or (N, D)
    labels: np.ndarray | None = None       # (N,), or (N, 1), or (1, N)


def shuffled(count: int) -> np.ndarray:
    """A fixed permutation of `count` images, as indices (count,).

    It sorts the bits of PCG64, which numpy promises never to change, as it does not promise for
    Generator.permutation.
    """
    return np.argsort(np.random.PCG64(SPLIT_SEED).random_raw(count), kind="stable")


def assemble(name: str, file: str, parts: Sequence[Part], source: str, *,
             shape: tuple[int, int] | None = None, divisor: float | None = None) -> Images:
    """Check images, bring them to [0, 1], and hold some out.

    Args:
        name: what the set is called.
        file: the file or files they came from, for errors.
        parts: training and held-out images, or all of them: then every fifth is held out, by a
            fixed permutation.
        source: a sentence on where they come from.
        shape: height and width, where the arrays do not say; else images are taken as square.
        divisor: the value of white; None for 1 or 255, whichever the largest pixel calls for.

    Raises:
        DataError: wrong dimensions, too few or too many, NaN, out of range, constant, bad labels.
    """
    flat, shapes = zip(*(_flat(file, p.images, shape) for p in parts), strict=True)
    if len(set(shapes)) > 1:
        raise DataError(f"{file} has training images of {_times(shapes[0])} pixels, but held-out "
                        f"ones of {_times(shapes[1])}.")
    _check_amount(file, flat)
    white = _white(file, flat, divisor)
    labels = [_labels(file, p.labels, len(x)) for p, x in zip(parts, flat, strict=True)]
    if len(flat) == 1:
        order = shuffled(len(flat[0]))
        cut = len(order) - math.ceil(HELD_OUT * len(order))
        chosen = order[:cut], order[cut:]
        flat, labels = [flat[0][i] for i in chosen], [labels[0][i] for i in chosen]
    train, test = (_unit(x, white) for x in flat)
    for array in (train, test, *labels):
        array.flags.writeable = False
    return Images(name, train, test, shapes[0], labels[0], labels[1], source)


def _flat(file: str, images: np.ndarray, shape: tuple[int, int] | None) -> tuple[
        np.ndarray, tuple[int, int]]:
    """Images (N, D) and the shape of one."""
    if images.ndim == 3:
        height, width = images.shape[1:]
        if shape not in (None, (height, width)):
            raise DataError(f"{file} has images of {_times((height, width))} pixels, but they "
                            f"should be {_times(shape)}.")
        return images.reshape(len(images), -1), (height, width)
    if images.ndim != 2:
        raise DataError(f"{file} has an array with {images.ndim} dimensions, but images need 3 "
                        "(number, height, width) or 2 (number, pixels).")
    pixels = images.shape[1]
    if shape is None:
        side = math.isqrt(pixels)
        if side * side != pixels:
            raise DataError(f"{file} has images of {pixels:,} pixels, which is no square; say "
                            "their height and width in an array named shape.")
        shape = side, side
    if shape[0] * shape[1] != pixels:
        raise DataError(f"{file} has images of {pixels:,} pixels, but they should be "
                        f"{_times(shape)}.")
    return images, shape


def _check_amount(file: str, flat: Sequence[np.ndarray]) -> None:
    count = sum(len(x) for x in flat)
    if count < FEWEST:
        raise DataError(f"{file} has {count} images, but at least {FEWEST} are needed.")
    if min(x.size for x in flat) == 0:
        raise DataError(f"{file} has no {'pixels' if len(flat) == 1 else 'images in one part'}.")
    if sum(x.size for x in flat) > MOST_PIXELS:
        raise DataError(f"{file} has {count:,} images of {flat[0].shape[1]:,} pixels; the limit is "
                        f"{MOST_PIXELS:,} pixels in all.")


def _white(file: str, flat: Sequence[np.ndarray], divisor: float | None) -> float:
    """The value that becomes 1; on the way, pixels must be finite, in range, and say something."""
    with np.errstate(invalid="ignore"):
        low = np.concatenate([x.min(1) for x in flat]).astype(np.float64)
        high = np.concatenate([x.max(1) for x in flat]).astype(np.float64)
    bad = ~(np.isfinite(low) & np.isfinite(high))          # a NaN is both minimum and maximum
    if bad.any():
        raise DataError(f"{file} has NaN or infinite pixels in {bad.sum():,} of its {len(bad):,} "
                        f"images; the first is image {np.flatnonzero(bad)[0]:,}.")
    lowest, highest = low.min(), high.max()
    top = divisor or 255.0
    if lowest < -ROUNDING or highest > top:
        span = f"{lowest:g} to {highest:g}"
        allowed = f"0 to {top:g}" + ("" if divisor else ", or 0 to 1")
        raise DataError(f"{file} has pixels from {span}, but they must lie within {allowed}.")
    if (low == high).all():
        raise DataError(f"{file} has nothing but images of one colour each.")
    return divisor or (255.0 if highest > 1 + ROUNDING else 1.0)


def _unit(pixels: np.ndarray, white: float) -> np.ndarray:
    """Pixels as float32 in [0, 1], in an array of our own."""
    out = pixels.astype(np.float32, order="C")
    if white != 1:
        out /= np.float32(white)
    return np.clip(out, 0, 1, out=out)


def _labels(file: str, labels: np.ndarray | None, count: int) -> np.ndarray:
    """Classes (count,) int16, −1 where there are none."""
    if labels is None:
        return np.full(count, -1, np.int16)
    if labels.size != count or max(labels.shape, default=0) != count:
        raise DataError(f"{file} has {count:,} images, but its labels are "
                        f"{_times(labels.shape)}.")
    flat = labels.reshape(-1)
    with np.errstate(invalid="ignore"):                    # NaN compares as false, and is refused
        whole = bool((flat == np.floor(flat)).all()) and flat.min() >= -1 and flat.max() < 2**15
    if not whole:
        raise DataError(f"{file} has labels that are not whole numbers from −1 to 32,767.")
    return flat.astype(np.int16)


def _times(shape: Sequence[int]) -> str:
    return " × ".join(f"{n:,}" for n in shape)
