"""Which axes of an array are an image's, and which count the images.

    (N, H, W)  (N, D)       images along the first axis: what Python programs write
    (H, W, N)  (D, N)       along the last: what MATLAB programs write
    (D, n, k)  (n, k, D)    along two axes, such as n images of each of k classes
    (n, k, H, W) …          likewise; axes of length 1 are left out first

Several of these may fit. In this order, the person's choice decides, then the number of labels, the
shape of an image where it is known, and how much neighbouring pixels resemble each other: the
roughness of a reading is the larger one, of both directions, of

    mean (x_{i+1} − x_i)² over neighbours / mean (x_i − x_j)² over pairs i, j of an image

about 1 for pixels in a wrong order, and 0.05 to 0.6 for pictures. A reading other than the usual
one must be smoother by MARGIN. Pictures of 8×8 pixels are so rough that (n, k, D) may not be seen
in them: a height that is chosen tells. All of this is ours.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data.reading import Reading

FEWEST = 20                      # images of a set, held-out ones included
SMALLEST = 4                     # pixels of an image
LOOKED_AT = 200                  # images whose roughness is measured
LOOKED_IN = 5_000_000            # pixels of them together, at most
SMOOTH = 0.8                     # roughness below which a picture is seen
MARGIN = 0.75                    # … of the usual reading's that another must not exceed
LONGEST_SIDE = 2.0               # of an image of unknown shape, as a multiple of the other side
LONGEST_USUAL = 4.0              # … of one whose shape is taken without being smoother
SIDES = (8, 16, 20, 25, 28, 32, 48, 64, 96, 128)          # usual ones of square images
MOST_CLASSES = 100               # that an axis may count
LEANING = 3.0                    # by which photographs must be less symmetric left to right
BRIGHT = 0.15                    # … whose median pixel has this share of the brightest
COLOURS = 3
HUGE = 1e100                     # what is measured on values beyond is only that they are


@dataclass(frozen=True)
class Layout:
    """One way to take an array as images."""

    first: bool                  # whether the axes that count come first
    flat: bool                   # whether an image's pixels stand in one axis
    shape: tuple[int, int]       # height, width of an image
    plain: bool = True           # whether it needs no picture to be seen in it
    rough: float = 1.0           # see above
    standing: bool = False       # whether pixels run down the columns of an image, then across

    def images(self, array: np.ndarray) -> np.ndarray:
        """The array's images (N, H, W)."""
        pixels = 1 if self.flat else 2
        x = array if self.first else np.moveaxis(array, range(pixels), range(-pixels, 0))
        x = x.reshape(-1, *(self.shape[::-1] if self.standing else self.shape))
        return x.swapaxes(1, 2) if self.standing else x

    def counted(self, shape: Sequence[int]) -> tuple[int, ...]:
        """The lengths of the axes that count, of an array of that shape."""
        pixels = 1 if self.flat else 2
        return tuple(shape[:-pixels] if self.first else shape[pixels:])


def squeezed(array: np.ndarray) -> np.ndarray:
    """The array without axes of length 1."""
    return array.reshape([n for n in array.shape if n > 1])


def holds_images(array: np.ndarray) -> bool:
    """Whether an array's shape is that of some images."""
    shape = [n for n in array.shape if n > 1]
    if len(shape) == 2 and min(shape) < SMALLEST:
        return False
    return len(shape) >= 2 and max(shape) >= FEWEST and array.size >= FEWEST * SMALLEST


def decide(file: str, arrays: Sequence[np.ndarray], labels: Sequence[int | None],
           reading: Reading, shape: tuple[int, int] | None = None) -> tuple[list[Layout], str]:
    """Find how a file's arrays of images are laid out: alike, unless their dimensions differ.

    Args:
        file: the file's name, for errors.
        arrays: one or two arrays of images, without axes of length 1.
        labels: how many labels each has beside it; None where there are none.
        reading: what somebody chose.
        shape: height and width of an image, where it is known.

    Returns:
        A layout per array, and the decision in a sentence.

    Raises:
        DataError: no reading fits; it says what does not.
    """
    if len({x.ndim for x in arrays}) == 1:
        layout, said = _decided(file, arrays, labels, reading, shape)
        return [layout] * len(arrays), said
    found: dict[int, Layout] = {}
    sentences = []
    for i in sorted(range(len(arrays)), key=lambda i: -arrays[i].ndim):    # more axes say more
        found[i], said = _decided(file, arrays[i:i + 1], labels[i:i + 1], reading, shape, least=1)
        sentences.append(said)
        shape = found[i].shape
    return [found[i] for i in range(len(arrays))], " ".join(sentences)


def classes(layout: Layout, array: np.ndarray) -> np.ndarray | None:
    """Labels (N,) where one of two axes that count is that of the classes: the shorter one."""
    counted = layout.counted(array.shape)
    if len(counted) != 2 or min(counted) > MOST_CLASSES or counted[0] == counted[1]:
        return None
    return np.indices(counted)[int(counted[1] < counted[0])].reshape(-1)


def _decided(file: str, arrays: Sequence[np.ndarray], labels: Sequence[int | None],
             reading: Reading, shape: tuple[int, int] | None, least: int = FEWEST) -> tuple[
                 Layout, str]:
    _check_axes(file, arrays)
    candidates = list(_candidates(arrays, reading, shape))
    fitting = [c for c in candidates if _fits(c, arrays, shape, least)]
    if reading.along != "auto" and fitting:
        fitting = [c for c in fitting if c.first == (reading.along == "first")]
        if not fitting:
            raise DataError(f"{file} has {times(arrays[0].shape)} values, which are no images "
                            f"along the {reading.along} axis; choose another \"along\".")
    counts = [c for c in fitting if _labelled(c, arrays, labels)]
    by_labels = any(n is not None for n in labels) and 0 < len(counts) < len(fitting)
    fitting = [replace(c, rough=_roughness(c, arrays)) for c in counts or fitting]
    chosen, why = _smoothest(fitting)
    if reading.along == "auto" and not by_labels and (
            chosen is None or chosen.rough >= SMOOTH and not _is_usual(chosen)):
        for c in candidates:                   # lines of a few pictures are no pictures of a set
            if c.plain and _is_usual(c) and _fits(c, arrays, shape, 1):
                count = sum(math.prod(c.counted(x.shape)) for x in arrays)
                raise DataError(f"{file} has {count} images of {times(c.shape)} pixels, but at "
                                f"least {least} are needed.")
    if chosen is None:
        raise _misfit(file, arrays, shape, least)
    if chosen.shape[0] == COLOURS * chosen.shape[1] and shape is None and chosen.flat:
        raise _coloured(file, arrays[0].shape)
    if reading.along != "auto":
        why = "as chosen"
    elif by_labels:
        why = "as there are so many labels"
    known = reading.height is not None or shape is not None and shape[0] != shape[1]
    if chosen.flat and not known and chosen.rough < SMOOTH and _lies(chosen, arrays[0]):
        chosen = replace(chosen, standing=True, shape=chosen.shape[::-1])
        why += ("; their pixels run down the columns, as photographs resemble their mirror images "
                "left to right rather than top to bottom")
    count = sum(math.prod(chosen.counted(x.shape)) for x in arrays)
    sizes = " and ".join(times(x.shape) for x in arrays)
    return chosen, (f"{sizes} values are {count:,} images of {times(chosen.shape)} pixels, "
                    f"{_place(chosen, arrays[0].shape)}: {why}.")


def _check_axes(file: str, arrays: Sequence[np.ndarray]) -> None:
    shape = arrays[0].shape
    if not 2 <= len(shape) <= 4:
        raise DataError(f"{file} has an array with {len(shape)} dimensions, but images need 3 "
                        "(number, height, width) or 2 (number, pixels).")
    if len(shape) == 4 and any(n in (COLOURS, COLOURS + 1) for n in shape):
        raise _coloured(file, shape)


def _coloured(file: str, shape: Sequence[int]) -> DataError:
    return DataError(f"{file} has {times(shape)} values, which look like colour images; make them "
                     "grey first, by the mean over their colours.")


def _candidates(arrays: Sequence[np.ndarray], reading: Reading,
                shape: tuple[int, int] | None) -> Iterator[Layout]:
    """All layouts that arrays of these shapes may have, the usual ones first."""
    dimensions = arrays[0].ndim
    for flat in (False, True):
        if dimensions not in ((2, 3) if flat else (3, 4)):
            continue
        for first in (True, False):
            own = {x.shape[-1 - (not flat):] if first else x.shape[:1 + (not flat)]
                   for x in arrays}
            if len(own) > 1:                   # an image has the same pixels in both parts
                continue
            sizes, = own
            plain = not flat or dimensions == 2
            if not flat and reading.height in (None, sizes[0]):
                yield Layout(first, flat, (sizes[0], sizes[1]), plain)
            for each in _shapes(sizes[0], reading.height, shape) if flat else ():
                known = each[0] == each[1] or reading.height is not None or shape is not None
                yield Layout(first, flat, each, reading.height is not None or plain and known)


def _shapes(pixels: int, height: int | None, shape: tuple[int, int] | None) -> list[
        tuple[int, int]]:
    """Heights and widths that so many pixels may have; those of a square where it is one."""
    if height is not None:
        return [] if pixels % height else [(height, pixels // height)]
    if shape is not None:
        return [shape] if shape[0] * shape[1] == pixels else []
    side = math.isqrt(pixels)
    if side * side == pixels:
        return [(side, side)]
    found = [pair for h in range(math.ceil((pixels / LONGEST_SIDE) ** 0.5), side + 1)
             if pixels % h == 0 for pair in ((pixels // h, h), (h, pixels // h))]
    third = math.isqrt(pixels // COLOURS)
    colours = [(COLOURS * third, third)] if COLOURS * third**2 == pixels else []
    return found + colours


def _fits(c: Layout, arrays: Sequence[np.ndarray], shape: tuple[int, int] | None,
          least: int) -> bool:
    count = sum(math.prod(c.counted(x.shape)) for x in arrays)
    return count >= least and c.shape[0] * c.shape[1] >= SMALLEST and shape in (None, c.shape)


def _labelled(c: Layout, arrays: Sequence[np.ndarray], labels: Sequence[int | None]) -> bool:
    return all(n is None or n == math.prod(c.counted(x.shape))
               for x, n in zip(arrays, labels, strict=True))


def _smoothest(fitting: Sequence[Layout]) -> tuple[Layout | None, str]:
    """The reading in which pixels resemble their neighbours most, and why; None without any."""
    plain = [c for c in fitting if c.plain]
    if len(fitting) == len(plain) == 1:
        return plain[0], "the only way in which they fit"
    best = min(fitting, key=lambda c: c.rough, default=None)
    if best is not None and best.rough < SMOOTH:
        usual = next((c for c in plain if max(c.shape) <= LONGEST_USUAL * min(c.shape)), best)
        if best.rough > MARGIN * usual.rough:
            best = usual
        others = [c.rough for c in fitting if c is not best]
        rival = f"; read otherwise, by {min(others):.2f}" if others else ""
        return best, ("as neighbouring pixels then resemble each other (they differ by "
                      f"{best.rough:.2f} of what any two do{rival})")
    known = [c for c in plain if _is_usual(c)]
    if len(known) == 1:
        return known[0], "a usual size; neighbouring pixels do not tell"
    return next(iter(plain), None), "as is usual; neighbouring pixels do not tell"


def _is_usual(c: Layout) -> bool:
    return c.shape[0] == c.shape[1] and c.shape[0] in SIDES


def _some(c: Layout, array: np.ndarray) -> np.ndarray:
    """Some of an array's images (n, H, W), spread evenly, as finite floats."""
    images = c.images(array)
    most = max(1, min(LOOKED_AT, LOOKED_IN // images[0].size))
    at = np.linspace(0, len(images) - 1, min(most, len(images))).astype(np.int64)
    with np.errstate(over="ignore", invalid="ignore"):
        x = images[at].astype(np.float64)
    return np.clip(np.nan_to_num(x, posinf=0, neginf=0), -HUGE, HUGE)


def _roughness(c: Layout, arrays: Sequence[np.ndarray]) -> float:
    """How little neighbouring pixels resemble each other, of the larger part's images."""
    x = _some(c, max(arrays, key=lambda a: a.size))
    spread = 2 * x.reshape(len(x), -1).var(1, ddof=1).mean()
    if not spread > 0:
        return 1.0
    return max(float((np.diff(x, axis=axis) ** 2).mean() / spread)
               for axis in (1, 2) if x.shape[axis] > 1)


def _lies(c: Layout, array: np.ndarray) -> bool:
    """Whether photographs lie on their side: gravity makes things symmetric left to right."""
    x = _some(c, array)
    if np.median(x) < BRIGHT * x.max():                    # ink on paper has no such rule
        return False
    mean = x.mean(0) - x.mean()
    across, down = (((mean - flipped) ** 2).sum() for flipped in (mean[:, ::-1], mean[::-1]))
    return bool(0 < LEANING * down < across and down < (mean**2).sum())


def _place(c: Layout, shape: Sequence[int]) -> str:
    if len(shape) == 2:
        return "one per row" if c.first else "one per column"
    counted = "axis" if len(c.counted(shape)) == 1 else "two axes"
    return f"along the {'first' if c.first else 'last'} {counted}"


def _misfit(file: str, arrays: Sequence[np.ndarray], shape: tuple[int, int] | None,
            least: int) -> DataError:
    """Why the usual reading does not fit."""
    own = [x.shape[-2:] if x.ndim > 2 else x.shape[-1:] for x in arrays]
    count = sum(math.prod(x.shape) // math.prod(o) for x, o in zip(arrays, own, strict=True))
    if shape is not None and any(math.prod(o) != math.prod(shape) or len(o) == 2 and o != shape
                                 for o in own):
        return DataError(f"{file} has images of {times(own[0])} pixels, but they should be "
                         f"{times(shape)}.")
    if len(set(own)) > 1:
        return DataError(f"{file} has training images of {times(own[0])} pixels, but held-out "
                         f"ones of {times(own[1])}.")
    if count < least:
        return DataError(f"{file} has {count} images, but at least {least} are needed.")
    if len(own[0]) == 1:
        return DataError(f"{file} has images of {own[0][0]:,} pixels, which is no square; choose "
                         "their height under \"Your data\" or as \"height\" in the run's "
                         "description, or say both sides in an array named shape.")
    return DataError(f"{file} has {times(arrays[0].shape)} values, of which no two axes are an "
                     "image's height and width.")


def times(shape: Sequence[int]) -> str:
    """Lengths of axes as a person reads them."""
    return " × ".join(f"{n:,}" for n in shape)
