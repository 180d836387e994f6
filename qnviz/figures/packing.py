"""Numbers as payloads carry them to the browser, base64 little-endian as in Plotly; and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np


def exact(a: np.ndarray, dtype: str) -> dict[str, str]:
    """An array as it is, flat: the player knows its shape."""
    data = np.ascontiguousarray(a, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "bdata": base64.b64encode(data.tobytes()).decode()}


def packed(a: np.ndarray, dtype: str = "f4") -> dict[str, str]:
    """What Plotly draws, with its shape where that has several axes; f4 suffices for a screen.

    What the type cannot hold becomes its largest number, as infinity has no place in a figure.
    """
    largest = np.finfo(dtype).max
    shape = {"shape": ", ".join(map(str, a.shape))} if a.ndim > 1 else {}
    return exact(np.clip(np.asarray(a, dtype=float), -largest, largest), dtype) | shape


def unpacked(column: Any) -> np.ndarray:
    """The array of a column: a list, or base64 with the type and perhaps the shape."""
    if not isinstance(column, Mapping):
        return np.array([np.nan if v is None else v for v in column], dtype=float)
    values = np.frombuffer(base64.b64decode(column["bdata"]), np.dtype(f"<{column['dtype']}"))
    if "shape" in column:
        values = values.reshape([int(n) for n in str(column["shape"]).split(",")])
    return values


def plain(value: Any) -> Any:
    """A figure as JSON can hold it."""
    if isinstance(value, dict):
        return {name: plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    return packed(value) if isinstance(value, np.ndarray) else value
