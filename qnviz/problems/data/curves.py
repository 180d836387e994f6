"""CURVES: images of smooth pen strokes through three random points.

[Hinton, Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, Science 313,
2006] made 20,000 training and 10,000 test images, 28×28, of curves through three points chosen at
random in the plane: an image has six degrees of freedom, which a code of six units should find.
Their images (digs3pts_1.mat) can be loaded as a file of one's own. These here are drawn anew; the
paper leaves open how, so what follows is our choice:

    points     uniform in a square of side 20 around the centre; p₁ is the one opposite the longest
               side of their triangle, p₀ and p₂ follow: the pen takes the shortest way through them
    curve      the parabola B with B(0) = p₀, B(τ) = p₁, B(1) = p₂, by Lagrange's polynomials, where
               τ : 1 − τ = √|p₁ − p₀| : √|p₂ − p₁|. So it has no hairpins, and overshoots the square
               by at most ⅛ of its side (a search found no more): no ink falls outside the image
    ink        INK per unit of length, so a fast stroke is as dark as a slow one, laid down at
               SAMPLES points with bilinear weights on the four nearest pixels
    pixel      min(1, ink), rounded to 8 bits: a stroke two pixels wide, mostly black or white
"""

from __future__ import annotations

import io
from contextlib import suppress
from pathlib import Path

import numpy as np

from qnviz.errors import DataError
from qnviz.problems.data import files, formats

SIDE = 28
PIXELS = SIDE * SIDE
TRAIN, TEST = 20_000, 10_000
BOX = 20.0                       # side of the square of the points
INK = 2.2
SAMPLES = 160                    # at most half a pixel apart
SEED = 2006
VERSION = 1                      # of the drawing: another number forgets cached images
CHUNK = 500


def draw(count: int) -> np.ndarray:
    """The first `count` images, (count, 784) uint8. Image i does not depend on `count`."""
    bits = np.random.PCG64(SEED).random_raw(6 * count)            # numpy keeps these for ever
    points = (bits >> np.uint64(11)) * 2.0**-53                   # uniform in [0, 1)
    points = (points.reshape(count, 3, 2) - 0.5) * BOX + (SIDE - 1) / 2
    out = np.empty((count, PIXELS), np.uint8)
    for first in range(0, count, CHUNK):
        ink = _ink(points[first:first + CHUNK])
        out[first:first + CHUNK] = np.rint(255 * np.minimum(1, ink))
    return out


def _ordered(points: np.ndarray) -> np.ndarray:
    """Triples (C, 3, 2) with the point opposite the longest side in the middle."""
    sides = np.linalg.norm(points[:, [1, 2, 0]] - points[:, [2, 0, 1]], axis=-1)
    middle = sides.argmax(1)
    order = np.stack([(middle + 1) % 3, middle, (middle + 2) % 3], 1)
    return np.take_along_axis(points, order[..., None], 1)


def _ink(points: np.ndarray) -> np.ndarray:
    """Ink on the pixels (C, 784) of the curves through points (C, 3, 2), in pixels."""
    p = _ordered(points)
    root = np.sqrt(np.linalg.norm(np.diff(p, axis=1), axis=-1))                     # (C, 2)
    tau = (root[:, 0] / root.sum(1))[:, None]
    t = (np.arange(SAMPLES) + 0.5) / SAMPLES
    basis = np.stack([(t - tau) * (t - 1) / tau, t * (t - 1) / (tau * (tau - 1)),
                      t * (t - tau) / (1 - tau)], 1)                                # (C, 3, S)
    slope = np.stack([(2 * t - tau - 1) / tau, (2 * t - 1) / (tau * (tau - 1)),
                      (2 * t - tau) / (1 - tau)], 1)
    path = np.einsum("cpx,cps->xcs", p, basis)                                      # (2, C, S)
    speed = np.hypot(*np.einsum("cpx,cps->xcs", p, slope))                          # (C, S)
    amount = speed * (INK / SAMPLES)
    corner = np.floor(path).astype(np.int64)
    x, y = path - corner
    left = corner[1] * SIDE + corner[0] + np.arange(len(points))[:, None] * PIXELS
    ink = np.zeros(len(points) * PIXELS)
    for step, weight in ((0, (1 - x) * (1 - y)), (1, x * (1 - y)), (SIDE, (1 - x) * y),
                         (SIDE + 1, x * y)):
        ink += np.bincount((left + step).ravel(), (amount * weight).ravel(), len(ink))
    return ink.reshape(len(points), PIXELS)


def images(folder: Path) -> np.ndarray:
    """All images (30,000, 784) uint8, from the folder's cache, or drawn and put there.

    A cache that is damaged is drawn anew. One that cannot be written only costs time.
    """
    path = folder / "cache" / f"curves-{VERSION}.npz"
    cached = _cached(path)
    if cached is not None:
        return cached
    out = draw(TRAIN + TEST)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, images=out)
    with suppress(OSError):      # a read-only folder is no fault: the images are here
        files.write(path, buffer.getvalue())
    return out


def _cached(path: Path) -> np.ndarray | None:
    try:
        if not files.exists(path):
            return None
        found = formats.npz(path.name, files.read(path)).get("images")
    except DataError:
        return None
    fits = found is not None and found.shape == (TRAIN + TEST, PIXELS) and found.dtype == np.uint8
    return found if fits else None
