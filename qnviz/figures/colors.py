"""Colours as numbers: mixed, made transparent, and made lighter without changing their hue."""

from __future__ import annotations

from functools import cache

import numpy as np

# Björn Ottosson's OKLab, https://bottosson.github.io/posts/oklab: equal steps look equally large.
CONES = np.array([[0.4122214708, 0.5363325363, 0.0514459929],
                  [0.2119034982, 0.6806995451, 0.1073969566],
                  [0.0883024619, 0.2817188376, 0.6299787005]])
LAB = np.array([[0.2104542553, 0.7936177850, -0.0040720468],
                [1.9779984951, -2.4285922050, 0.4505937099],
                [0.0259040371, 0.7827717662, -0.8086757660]])


def parts(color: str) -> list[int]:
    """Red, green and blue of "#rrggbb"."""
    return [int(color[i:i + 2], 16) for i in (1, 3, 5)]


def mixed(color: str, other: str, share: float) -> str:
    """A colour with a share of another in it."""
    both = zip(parts(color), parts(other), strict=True)
    return _hex(round((1 - share) * a + share * b) for a, b in both)


def veil(color: str, opacity: float) -> str:
    """A colour that lets what is behind it through."""
    return f"rgba({', '.join(map(str, parts(color)))}, {opacity})"


def oklab(color: str) -> np.ndarray:
    """Lightness 0 … 1, and two axes of hue."""
    v = np.array(parts(color)) / 255
    return LAB @ np.cbrt(CONES @ np.where(v <= 0.04045, v / 12.92, ((v + 0.055) / 1.055) ** 2.4))


@cache
def relit(color: str, scale: float, offset: float) -> str:
    """A colour of lightness scale · L + offset and the same hue.

    An affine map keeps the order of colours and most of their distance, so those that differ by
    lightness alone still are.
    """
    lightness, *hue = oklab(color)
    v = np.zeros(3)
    for chroma in np.linspace(1, 0, 51):           # until it is one that a screen can show
        lab = np.array([scale * lightness + offset, *(chroma * np.array(hue))])
        v = np.linalg.solve(CONES, np.linalg.solve(LAB, lab) ** 3)
        if v.min() >= -1e-3 and v.max() <= 1.001:
            break
    v = np.clip(v, 0, 1)
    v = np.where(v <= 0.0031308, 12.92 * v, 1.055 * v ** (1 / 2.4) - 0.055)
    return _hex(round(255 * x) for x in v)


def _hex(values) -> str:
    return "#" + "".join(f"{v:02x}" for v in values)
