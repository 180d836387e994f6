"""Held-out images as each autoencoder gives them back, at the playhead; the inputs above.

Diagnoses: what a lower error buys to the eye. Blur is a mean of images, learned first; what a
method gets wrong late in the race is one image, not all of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from qnviz.figures.packing import exact
from qnviz.figures.race import Columns, RaceView
from qnviz.figures.race.views import due, listed, ranked, thinned
from qnviz.figures.theme import Picture
from qnviz.numbers import say

EMPTY = "No images to look at: reconstructions are kept for autoencoders, of the first run."
MOST_BYTES = 1_000_000                # of images in one payload; more views are thinned evenly
INK = 64                              # a median byte below this means strokes on an empty ground


def reconstructions(view: RaceView) -> Picture:
    """A row of inputs, then a row of reconstructions per entrant."""
    shown = view.holding("view_reconstruction")
    if not shown or view.run != 0:
        return view.notice("reconstructions", "No images to look at", EMPTY)
    scene = view.trace.scene
    inputs, shape = scene["inputs"], [int(n) for n in scene["shape"]]
    most = MOST_BYTES // (inputs.size * len(shown))
    rows: list[dict[str, Any]] = []
    ends: list[tuple[str, float]] = []
    for i, e, c in shown:
        kept, steps = thinned(due(c), most)
        images = c["view_reconstruction"][kept]
        errors = squared_errors(images, inputs)
        mean = _mean_error(c, errors, kept)
        # what has diverged holds no image, whatever its bytes say
        ends.append((e.title, np.nan if c["status"][0] == "diverged" else float(mean[-1])))
        rows.append({"entrant": i, "images": exact(images, "u1"), "rows": exact(steps, "u2"),
                     "errors": exact(errors, "f4"), "mean": exact(mean, "f4")})
    layout = view.theme.base("", "") | dict(margin=dict(l=0, r=0, t=0, b=0), dragmode=False)
    for axis in ("xaxis", "yaxis"):
        layout[axis] = dict(visible=False, range=[0, 1], fixedrange=True)
    strip = {"shape": shape, "count": len(inputs), "inputs": exact(inputs, "u1"),
             "photo": bool(np.median(inputs) >= INK), "rows": rows}
    order = ranked(ends)
    alt = (f"{len(inputs)} held-out images of {shape[0]} × {shape[1]} pixels, and what each "
           "network gives back, at the playhead. Mean squared error per held-out image "
           f"{view.when}: " + "; ".join(f"{t} {_in_words(v)}" for t, v in order) + ".")
    return Picture("reconstructions", _title(order, view.so_far), alt,
                   {"data": [], "layout": layout}, strip=strip)


def squared_errors(images: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Σ over pixels of (image − input)² with pixels in 0 … 1, (V, S)."""
    gap = (images.astype(np.float32) - inputs.astype(np.float32)) / 255
    return np.square(gap).sum(-1)


def _mean_error(c: Columns, errors: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """The error over all held-out images at each view, else over the images shown."""
    if "error" not in c:
        return errors.mean(1)
    at = np.searchsorted(c["step"], c["view_step"][kept], side="right") - 1
    mean = c["error"][at, 0].astype(float)
    if c["status"][0] != "running":
        mean[-1] = c["error"][-1, 0]            # the last view is the run's end
    return mean


def _in_words(value: float) -> str:
    return say(value) if np.isfinite(value) else "diverged"


def _title(order: list[tuple[str, float]], now: str) -> str:
    first, error = order[0]
    if not np.isfinite(error):
        return "No reconstruction is left: " + ("it diverged" if len(order) == 1
                                                else "all diverged")
    if len(order) == 1:
        return f"{first} reconstructs with error {say(error)} per image{now}"
    return f"{first} reconstructs best{now}: error {say(error)} per image, " + listed(
        [f"{t} {_in_words(v)}" for t, v in order[1:]])
