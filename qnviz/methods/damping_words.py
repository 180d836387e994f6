"""What damping did in a step of K-BFGS, in words: one layer with its ratios, a net at a glance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qnviz.curvature.double_damping import Damping
from qnviz.numbers import say


def damping_in_words(e: Mapping[str, Any], mu1: float, mu2: float, damping: Damping) -> str:
    """A sentence from the events of one step of one run; arrays (L,) over layers."""
    return (_of_layer(e, mu1, mu2, damping) if len(e["theta1"]) == 1 else _of_net(e)) + "."


def _of_net(e: Mapping[str, Any]) -> str:
    """All layers in one sentence: where damping acted, and where it acted most."""
    parts = []
    for name, theta, of in (("Powell's damping", e["theta1"], "s"), ("step 2", e["theta2"], "y")):
        acted = np.flatnonzero(theta < 1)
        if len(acted):
            most = int(np.argmin(theta))
            parts.append(f"{name} acted in {_layers(acted, len(theta))}, most in layer "
                         f"{most + 1}, where θ = {say(theta[most])} of {of} was kept")
    if (skipped := np.flatnonzero(e["skipped"])).size:
        parts.append(f"the pair of {_layers(skipped, len(e['skipped']))} was skipped")
    text = "; ".join(parts) or "good pairs in all layers"
    if "eig_max" in e and np.isfinite(e["eig_max"]).any():
        text += (f"; H_g has eigenvalues {say(np.nanmin(e['eig_min']))} … "
                 f"{say(np.nanmax(e['eig_max']))}")
    return text[0].upper() + text[1:]


def _of_layer(e: Mapping[str, Any], mu1: float, mu2: float, damping: Damping) -> str:
    """One layer, with the ratios that damping looks at."""
    if e["skipped"][0]:
        return "the pair was skipped (s̃ᵀỹ too small or not finite): H_g stays"
    parts = []
    if e["theta1"][0] < 1:
        parts.append(f"sᵀy/yᵀHy = {say(e['ratio1_before'][0])} < μ₁ = {say(mu1)}, so "
                     f"Powell's damping kept θ₁ = {say(e['theta1'][0])} of s")
    if e["theta2"][0] < 1:
        parts.append(f"s̃ᵀy/s̃ᵀs̃ = {say(e['ratio2_before'][0])} < μ₂ = {say(mu2)}, so "
                     f"step 2 kept θ₂ = {say(e['theta2'][0])} of y")
    if not parts:
        parts.append(("undamped" if damping == "none" else "a good pair")
                     + f", with sᵀy/sᵀs = {say(e['ratio2_before'][0])}")
    text = ", then ".join(parts)
    if "eig_max" in e and np.isfinite(e["eig_max"][0]):
        text += f"; H_g has eigenvalues {say(e['eig_min'][0])} … {say(e['eig_max'][0])}"
    return text


def _layers(rows: np.ndarray, all_of: int) -> str:
    """Layers in words: all layers, layer 3, layers 1, 2, 5."""
    if len(rows) == all_of:
        return "all layers"
    return f"layer{'s' * (len(rows) > 1)} {', '.join(str(r + 1) for r in rows)}"
