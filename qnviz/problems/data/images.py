"""What a set of images is, and how arrays of anybody's making are checked and become one.

Pixels stay in the type in which they came until the very end: 8 bits take a quarter of float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import scale
from qnviz.problems.data.layout import FEWEST, times

MOST_PIXELS = 250_000_000        # of all images together: 1 GB as float32
HELD_OUT = 0.2
SPLIT_SEED = 0
GAP, GREY = 2, 128               # between the images of a strip: pixels, brightness


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
    notes: tuple[str, ...] = ()  # how they were read, where that had to be decided


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
             shape: tuple[int, int] | None = None, white: float | None = None,
             notes: tuple[str, ...] = ()) -> Images:
    """Check images, bring them to [0, 1], and hold some out.

    Args:
        name: what the set is called.
        file: the file or files they came from, for errors.
        parts: training and held-out images, or all of them: then every fifth is held out, by a
            fixed permutation.
        source: a sentence on where they come from.
        shape: height and width, where the arrays do not say.
        white: the value that becomes 1; None to find it by type and range.
        notes: what there is to say about how the file was read.

    Raises:
        UndecidedError: what is white is not known.
        DataError: wrong dimensions, too few or too many, NaN, out of range, constant, bad labels.
    """
    flat, shapes = zip(*(_flat(file, p.images, shape) for p in parts), strict=True)
    if len(set(shapes)) > 1:
        raise DataError(f"{file} has training images of {times(shapes[0])} pixels, but held-out "
                        f"ones of {times(shapes[1])}.")
    _check_amount(file, flat)
    top = scale.white(file, flat, white)
    labels = [_labels(file, p.labels, len(x)) for p, x in zip(parts, flat, strict=True)]
    if len(flat) == 1:
        order = shuffled(len(flat[0]))
        cut = len(order) - math.ceil(HELD_OUT * len(order))
        chosen = order[:cut], order[cut:]
        flat, labels = [flat[0][i] for i in chosen], [labels[0][i] for i in chosen]
    train, test = (_unit(x, top) for x in flat)
    for array in (train, test, *labels):
        array.flags.writeable = False
    return Images(name, train, test, shapes[0], labels[0], labels[1], source,
                  (*notes, scale.said(top, white is not None)) if notes else ())


def strip(images: Images, count: int = 16, per_row: int = 8, side: int = 36) -> np.ndarray:
    """Some training images side by side, as bytes (h, w), to see how they were read.

    Args:
        images: the set; images from all of it are taken, evenly.
        count: how many.
        per_row: of them in a row.
        side: pixels that the longer side of an image shall have at least.
    """
    height, width = images.shape
    at = np.linspace(0, len(images.train) - 1, min(count, len(images.train))).astype(np.int64)
    shown = (255 * images.train[at]).round().astype(np.uint8).reshape(-1, height, width)
    factor = max(1, math.ceil(side / max(height, width)))
    shown = shown.repeat(factor, 1).repeat(factor, 2)
    h, w = shown.shape[1] + GAP, shown.shape[2] + GAP
    rows = math.ceil(len(shown) / per_row)
    out = np.full((rows * h - GAP, per_row * w - GAP), GREY, np.uint8)
    for i, image in enumerate(shown):
        y, x = i // per_row * h, i % per_row * w
        out[y:y + h - GAP, x:x + w - GAP] = image
    return out


def _flat(file: str, images: np.ndarray, shape: tuple[int, int] | None) -> tuple[
        np.ndarray, tuple[int, int]]:
    """Images (N, D) and the shape of one."""
    if images.ndim == 3:
        shape = images.shape[1], images.shape[2]
        return images.reshape(len(images), -1), shape
    if images.ndim != 2 or shape is None or shape[0] * shape[1] != images.shape[1]:
        raise DataError(f"{file} has values of {times(images.shape)}, which are not images"
                        + (f" of {times(shape)} pixels." if shape else "."))
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
                        f"{times(labels.shape)}.")
    flat = labels.reshape(-1)
    with np.errstate(invalid="ignore"):                    # NaN compares as false, and is refused
        whole = bool((flat == np.floor(flat)).all()) and flat.min() >= -1 and flat.max() < 2**15
    if not whole:
        raise DataError(f"{file} has labels that are not whole numbers from −1 to 32,767.")
    return flat.astype(np.int16)
