"""Traces of nets made by hand, with views of known numbers, and how to read what is drawn."""

import base64

import numpy as np

from qnviz.figures.theme import Picture
from qnviz.runs.trace import Entrant, Trace

STEPS = 12
TARGET = np.array([4.0, 2.5, 1.5, 0.9, 0.5, 0.2])
LOOKS = [("K-BFGS", "#0072B2", "solid", "circle"), ("Adam", "#E69F00", "dash", "diamond"),
         ("SGD", "#7f7f7f", "dot", "square")]


def entrant(k: int) -> Entrant:
    title, color, dash, marker = LOOKS[k % len(LOOKS)]
    if k >= len(LOOKS):
        title = f"{title} {k}"
    return Entrant(f"e{k}", title.lower(), title, color, dash, marker, "quasi-Newton")


def columns(steps: int, stopped: int, status: str, looks: np.ndarray) -> dict[str, np.ndarray]:
    """What every entrant holds, without views; one second and two units per step."""
    return {"step": np.arange(steps + 1), "loss": np.ones((steps + 1, 1)),
            "work": 2.0 * np.arange(steps + 1)[:, None], "seconds": np.arange(steps + 1.0),
            "status": np.array([status]), "stopped": np.array([stopped]), "view_step": looks}


def race(scene: dict[str, np.ndarray], views: list[dict[str, np.ndarray]], *,
         ends: list[tuple[int, str]] | None = None, steps: int = STEPS,
         looks: np.ndarray | None = None) -> Trace:
    """A trace by hand: one entrant per set of views."""
    looks = np.arange(0, steps + 1, 3) if looks is None else looks
    ends = ends or [(steps, "budget")] * len(views)
    entrants = [entrant(k) for k in range(len(views))]
    cols = {e.label: columns(steps, *end, looks) | v
            for e, end, v in zip(entrants, ends, views, strict=True)}
    return Trace({}, "key", entrants, cols, scene=scene)


def autoencoder(count=2, looks=5, images=4, points=30, units=3, seed=0, labels=None, **more):
    draw = np.random.default_rng(seed)
    inputs = draw.integers(0, 256, (images, 6)).astype(np.uint8)
    labels = np.arange(points) % 10 if labels is None else labels
    views = []
    for k in range(count):
        fade = np.linspace(0, 1 - 0.2 * k, looks)[:, None, None]
        centre = draw.normal(size=(10, units))[labels]
        views.append({
            "view_reconstruction": (fade * inputs).astype(np.uint8),
            "view_code": (fade * centre + 0.05 * (1 + k) * draw.normal(
                size=(looks, len(labels), units))).astype(np.float32),
            "error": np.linspace(9, 1 + k, STEPS + 1)[:, None]})
    scene = {"inputs": inputs, "shape": np.array([2, 3]), "labels": labels}
    return race(scene, views, **more)


def linear(count=2, looks=5, pairs=2, parameters=20, flat=7, **more):
    views = []
    for k in range(count):
        grow = np.linspace(0.1, 1 - 0.02 * k * np.arange(6), looks)        # (V, 6)
        spectrum = np.tile(np.linspace(1, 5, parameters), (looks, 1))
        spectrum[-1, :flat - k] = 1e-9
        spectrum[-1, 0] = -0.5 * (k == 1)
        views.append({
            "view_singular": TARGET * grow, "view_hessian": np.sort(spectrum, 1),
            "view_drift": np.linspace(0, 0.1 * (k + 1), looks)[:, None] * np.arange(1, pairs + 1)})
    return race({"singular": TARGET, "zeros": np.array(flat)}, views, **more)


def kronecker(count=1, layers=2, looks=5, seed=0, **more):
    draw = np.random.default_rng(seed)

    def spectra(n, most):
        a = np.full((looks, layers, most), np.nan)
        a[..., :n] = np.sort(np.exp(draw.normal(size=(looks, layers, n))), -1)
        return a

    views = [{"view_spectrum_g": spectra(4, 6), "view_spectrum_a": spectra(6, 6)}
             for _ in range(count)]
    return race({}, views, **more)


def unpack(column: dict[str, str]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(column["bdata"]), f"<{column['dtype']}")


def places(p: Picture) -> np.ndarray:
    """A cloud's points as the player puts them, (V · N, 2)."""
    cloud = p.cloud
    return cloud["origin"] + unpack(cloud["views"]).reshape(-1, 2) * np.array(cloud["step"])
