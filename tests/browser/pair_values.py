"""Updates for the page with the drag view, and for its tests."""

from __future__ import annotations

from typing import Any

import torch

from qnviz.curvature.pair import InPlane, update_in_plane

GOOD: dict[str, Any] = {
    "H": [1.0, 0.3, 0.6], "s": [1.2, 0.4], "y": [1.1, 0.5], "mu1": 0.2, "mu2": 0.5}
PRESETS: list[dict[str, Any]] = [
    {"title": "Good pair", **GOOD},
    {"title": "Negative curvature", **GOOD, "y": [-0.7, 0.9]},
    {"title": "Tiny sᵀy", **GOOD, "y": [-0.32, 1.0]},
    {"title": "Huge y", **GOOD, "s": [0.5, 0.3], "y": [2.2, 1.6]},
    {"title": "Noise", **GOOD, "s": [0.5, -0.25], "y": [0.3, 1.1]},
]
STRONG: dict[str, Any] = {**GOOD, "y": [-0.7, 0.9], "mu2": 0.8}       # both steps act


def python(state: dict[str, Any]) -> InPlane:
    """What Python makes of a state as the view reports it."""
    a, b, c = state["H"]
    numbers = ([[a, b], [b, c]], state["s"], state["y"], state["mu1"], state["mu2"])
    return update_in_plane(*(torch.tensor(v, dtype=torch.float64) for v in numbers))
