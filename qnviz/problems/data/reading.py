"""How a file of images is to be read: what a person may choose, and what follows from it.

What is left open is decided from the file: its layout in `layout.py`, its scale in `scale.py`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

MOST_PIXELS = 4096               # of one image; larger ones are reduced
CHUNK = 2_000_000                # pixels that are reduced at a time


@dataclass(frozen=True)
class Reading:
    """A person's choices; None and "auto" leave it to what the file shows."""

    white: float | None = None   # the value that becomes 1
    along: str = "auto"          # the axes that count the images: "auto", "first" or "last"
    height: int | None = None    # of an image whose pixels stand in one row or column
    turn: int = 0                # degrees counter-clockwise, a multiple of 90
    mirror: bool = False         # left and right change places, before the turn


USUAL = Reading()


def turned(images: np.ndarray, reading: Reading) -> np.ndarray:
    """Images (N, H, W), mirrored and turned as chosen; a view."""
    images = images[:, :, ::-1] if reading.mirror else images
    return np.rot90(images, reading.turn // 90, axes=(1, 2))


def reduced_shape(shape: tuple[int, int], most: int = MOST_PIXELS) -> tuple[int, int]:
    """Height and width divided by the least whole number that leaves at most so many pixels."""
    factor = 1
    while (small := (max(1, round(shape[0] / factor)), max(1, round(shape[1] / factor))))[
            0] * small[1] > most:
        factor += 1
    return small


def area_means(images: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Images (N, H, W) made smaller, (N, h, w) float32.

    A new pixel is the mean over the area that it covers; old pixels on its border count by the
    part that lies within.
    """
    down, across = (_weights(old, new) for old, new in zip(images.shape[1:], shape, strict=True))
    out = np.empty((len(images), *shape), np.float32)
    count = max(1, CHUNK // max(1, images[0].size))
    for first in range(0, len(images), count):
        part = images[first:first + count].astype(np.float64)
        out[first:first + count] = down @ part @ across.T
    return out


def _weights(old: int, new: int) -> np.ndarray:
    """Which share of each new pixel every old one makes up, (new, old); rows sum to 1."""
    edges = np.arange(new + 1) * (old / new)
    at = np.arange(old)
    overlap = np.minimum(edges[1:, None], at + 1) - np.maximum(edges[:-1, None], at)
    return np.clip(overlap, 0, None) * (new / old)
