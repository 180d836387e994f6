"""Validation of runs that others saved: what does not fit together is refused, in a sentence.

Pictures and tables trust a trace: shapes, kinds, the order of steps. A file from outside is checked
against what its own description says a run leaves behind. Names and colours are taken from the
description, not from the file; columns that this version does not know are left out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from qnviz.curvature.krylov import Reason
from qnviz.errors import SpecError, TraceError
from qnviz.methods.base import Method
from qnviz.problems.rosenbrock import Rosenbrock
from qnviz.runs.ends import STATUS
from qnviz.runs.loop import SENTENCES, entrants, run
from qnviz.runs.plane import landmarks
from qnviz.runs.record import DENSE_INSTRUMENT
from qnviz.runs.spec import RunSpec, parse
from qnviz.runs.trace import Trace, is_event

FLOAT, WHOLE, TRUTH, WORDS = "f", "iu", "b", "U"
LONGEST = 2000                       # letters of a sentence
WIDEST = 4096                        # places of a column's last axis that is as long as needed
MOST_POINTS = 1000                   # of a plane, per axis
LABELS = (-1, 127)                   # classes of images; −1 is unknown
# events whose values name something: (lowest, highest)
NAMED = {"krylov_reason": (0, len(Reason) - 1), "krylov_iterations": (0, WIDEST)}
# what pictures compare a problem's views with
COMPARED = {"linear_net": ("singular", "zeros"), "autoencoder": ("inputs", "shape", "labels")}
FROM_BATCHES = ("batch_loss", "batch_hessian_min", "batch_hessian_max")


class Checked(NamedTuple):
    """A trace that fits together, with its description, and the columns that were left out."""

    trace: Trace
    spec: RunSpec
    left_out: tuple[str, ...]


def checked(trace: Trace) -> Checked:
    """A trace from outside, checked against its own description.

    Raises:
        TraceError: its description is wrong, or its columns do not fit it; says which.
    """
    if not isinstance(trace.spec, dict):
        raise TraceError("Its description is no JSON object.")
    try:
        spec = parse(trace.spec)
    except SpecError as error:
        raise TraceError(f"Its description is wrong: {error}") from None
    if not isinstance(trace.key, str) or not isinstance(trace.device, str):
        raise TraceError("Its key or the device it was computed on is no text.")
    known = entrants(spec.methods)
    if [e.label for e in trace.entrants] != [e.label for e in known]:
        raise TraceError("Its entrants are not those of its description.")
    left_out: list[str] = []
    plane = _plane(trace.plane, spec)
    scene = _scene(trace.scene, spec) | {"loss_name": np.array(spec.problem.loss_name)}
    columns = {}
    for method, e in zip(spec.methods, known, strict=True):
        found = _Entrant(trace.columns[e.label], method, spec, "explained" in plane, scene)
        columns[e.label] = found.columns
        left_out += [f"{e.label}/{name}" for name in trace.columns[e.label]
                     if name not in found.columns]
    if len({len(c["theta"]) == len(c["step"]) for c in columns.values()}) > 1:
        raise TraceError("It holds the parameters of some entrants, and not of others.")
    whole = replace(
        trace, spec=spec.model_dump(mode="json"), entrants=known, columns=columns, plane=plane,
        scene=scene, words=_sentences(trace.words, "words", columns, spec.steps),
        ends=_sentences(trace.ends, "ends", columns, SENTENCES, exactly=min(spec.runs, SENTENCES)),
        device=trace.device[:LONGEST])
    return Checked(whole, spec, tuple(left_out))


class _Entrant:
    """One entrant's columns against the shapes that a run of its method leaves."""

    def __init__(self, given: dict[str, np.ndarray], method: Method, spec: RunSpec,
                 shadow: bool, scene: dict[str, np.ndarray]):
        self.given, self.label, self.columns = given, method.entrant, {}
        T, R, P = spec.steps, spec.runs, spec.problem.size
        step = self.take("step", WHOLE, (None,))
        K = len(step)
        self.rising("step", step, 0, T)
        if K < 1 or step[0] != 0 or step[-1] != T:
            self.refuse("step", f"must go from 0 to {T}")
        for name in ("loss", "grad_norm"):
            self.take(name, FLOAT, (K, R))
        light = len(given.get("theta", ())) == 1 and not spec.problem.plane
        self.take("theta", FLOAT, (1 if light else K, R, P))
        for name, shape in (("work", (T + 1, R)), ("seconds", (T + 1,))):
            clock = self.take(name, FLOAT, shape)
            if not np.isfinite(clock).all() or clock.min() < 0 or (
                    clock[1:] < clock[:-1]).any():
                self.refuse(name, "must rise from 0 and be finite")
        self.inside("stopped", self.take("stopped", WHOLE, (R,)), 0, T)
        status = self.take("status", WORDS, (R,))
        if not np.isin(status, STATUS).all():
            self.refuse("status", f"must be one of {', '.join(STATUS)}")
        if P <= DENSE_INSTRUMENT:
            for name in ("hessian_min", "hessian_max"):
                self.take(name, FLOAT, (K, R))
        for name in ("test_loss", "error"):
            if name in given:
                self.take(name, FLOAT, (K, R))
        if shadow:
            self.take("path", FLOAT, (K, 2))
            for name in ("path_loss", "path_true"):
                self.take(name, FLOAT, (K,))
        self.events(method, spec)
        self.views(spec, scene)

    def refuse(self, name: str, why: str) -> None:
        raise TraceError(f"{self.label}: the column {name!r} {why}.")

    def take(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> np.ndarray:
        """A column of such a kind and shape; None stands for any length."""
        if name not in self.given:
            raise TraceError(f"{self.label}: the column {name!r} is missing.")
        a = self.given[name]
        if a.dtype.kind not in kinds:
            self.refuse(name, f"holds values of the wrong kind ({a.dtype})")
        if a.ndim != len(shape) or any(n not in (None, m) for n, m in zip(shape, a.shape,
                                                                          strict=True)):
            want = " × ".join("n" if n is None else str(n) for n in shape)
            self.refuse(name, f"is {' × '.join(map(str, a.shape)) or 'one number'}, but must be "
                              f"{want}")
        self.columns[name] = a
        return a

    def inside(self, name: str, a: np.ndarray, low: int, high: int) -> None:
        if a.size and (a.min() < low or a.max() > high):
            self.refuse(name, f"must be between {low} and {high}")

    def rising(self, name: str, a: np.ndarray, low: int, high: int) -> None:
        self.inside(name, a, low, high)
        if (a[1:] <= a[:-1]).any():
            self.refuse(name, "must rise")

    def events(self, method: Method, spec: RunSpec) -> None:
        """What the method exposes at each step; a run stopped before its first has none."""
        T, R, layers = spec.steps, spec.runs, len(spec.problem.layers)
        known = leaves(method.model_copy(update={"label": None}))          # type: ignore[arg-type]
        if not any(is_event(name) for name in self.given) and not self.columns["stopped"].any():
            return
        for name, (kinds, ndim) in known.items():
            last = () if ndim == 2 else (None,) if name in method.ragged else (layers,)
            a = self.take(name, kinds, (T, R, *last))
            if a.ndim == 3 and not 1 <= a.shape[2] <= WIDEST:
                self.refuse(name, f"must have 1 to {WIDEST} places per step")
            if name in NAMED:
                self.inside(name, a, *NAMED[name])
        for family in {frozenset(n for n in known if n in method.ragged and n.startswith(start))
                       for start in ("trial_", "krylov_")}:
            if len({self.columns[n].shape for n in family}) > 1:
                self.refuse(", ".join(sorted(family)), "must be equally long")
        batches = FROM_BATCHES[:1] if spec.problem.size > DENSE_INSTRUMENT else FROM_BATCHES
        if not spec.problem.deterministic and FROM_BATCHES[0] in self.given:
            for name in batches:
                self.take(name, FLOAT, (T, R))

    def views(self, spec: RunSpec, scene: dict[str, np.ndarray]) -> None:
        """What there is to see, against the scene it is compared with."""
        if not any(name.startswith("view_") for name in self.given):
            return
        step = self.take("view_step", WHOLE, (None,))
        self.rising("view_step", step, 0, spec.steps)
        if (V := len(step)) < 1:
            self.refuse("view_step", "is empty")
        layers = spec.problem.layers
        outs, ins = (max(layer.shape[i] for layer in layers) for i in (0, 1))
        shapes: dict[str, tuple[str, tuple[int | None, ...]]] = {
            "view_hessian": (FLOAT, (V, spec.problem.size)),
            "view_drift": (FLOAT, (V, len(layers) - 1)),
            "view_spectrum_g": (FLOAT, (V, len(layers), outs)),
            "view_spectrum_a": (FLOAT, (V, len(layers), ins))}
        if "singular" in scene:
            shapes["view_singular"] = FLOAT, (V, len(scene["singular"]))
        if "inputs" in scene:
            shapes["view_reconstruction"] = "u", (V, *scene["inputs"].shape)
        if "labels" in scene:
            shapes["view_code"] = FLOAT, (V, len(scene["labels"]), min(
                layer.fan_out for layer in layers[:-1]) if len(layers) > 1 else None)
        both = {"view_spectrum_g", "view_spectrum_a"}
        for name, (kinds, shape) in shapes.items():
            if name in self.given or (name in both and both & set(self.given)):
                a = self.take(name, kinds, shape)
                if name == "view_singular" and np.isinf(a).any():
                    self.refuse(name, "must be finite")


@lru_cache(maxsize=256)
def leaves(method: Method) -> dict[str, tuple[str, int]]:
    """What a method's steps leave behind: kind and number of axes (T, R, …) of each event.

    Read off three steps on a problem that costs nothing; names and axes are the same on any.
    """
    c = run(RunSpec.model_validate({"problem": Rosenbrock(), "methods": (method,), "steps": 3,
                                    "device": "cpu"}))[method.name]
    kinds = {"f": FLOAT, "i": WHOLE, "b": TRUTH}
    return {name: (kinds[a.dtype.kind], a.ndim) for name, a in c.items() if is_event(name)}


def _plane(given: dict[str, np.ndarray], spec: RunSpec) -> dict[str, np.ndarray]:
    """The plane of the paths: that of two parameters, one laid through many, or none."""
    if not given and not spec.problem.plane:
        return {}
    found = {}
    names = ("x", "y", "z") if spec.problem.plane else ("x", "y", "z", "explained")
    for name in names:
        a = given.get(name)
        if a is None or a.dtype.kind != FLOAT or a.ndim != (2 if name == "z" else 1):
            raise TraceError(f"The plane of its paths has no fitting {name!r}.")
        found[name] = a
    x, y, z = (found[n] for n in "xyz")
    for a in (x, y):
        if not 2 <= len(a) <= MOST_POINTS or not np.isfinite(a).all() or (np.diff(a) <= 0).any():
            raise TraceError("The axes of its plane must rise and be finite.")
    if z.shape != (len(y), len(x)):
        raise TraceError("The surface of its plane does not fit its axes.")
    if spec.problem.plane:
        return found | landmarks(spec.problem)
    shares = found["explained"]
    if shares.shape != (2,) or not ((shares >= 0) & (shares <= 1)).all():
        raise TraceError("The shares of variance in its plane are no shares.")
    return found


def _scene(given: dict[str, np.ndarray], spec: RunSpec) -> dict[str, np.ndarray]:
    """What views are compared with; what is not known here is left out."""
    if missing := [name for name in COMPARED.get(spec.problem.name, ()) if name not in given]:
        raise TraceError(f"What its views are compared with is missing: {', '.join(missing)}.")
    found = {}
    for name, kinds, ndim in (("singular", FLOAT, 1), ("zeros", WHOLE, 0), ("inputs", "u", 2),
                              ("shape", WHOLE, 1), ("labels", WHOLE, 1)):
        if (a := given.get(name)) is None:
            continue
        fits = a.dtype.kind in kinds and a.ndim == ndim and a.size > 0
        if fits and kinds == FLOAT:            # singular values, not all of them 0
            fits = bool((np.isfinite(a) & (a >= 0)).all() and a.any())
        if not fits:
            raise TraceError(f"What its views are compared with, {name!r}, does not fit.")
        found[name] = a
    if "inputs" in found and ("shape" not in found or found["shape"].shape != (2,) or prod(
            int(n) for n in found["shape"]) != found["inputs"].shape[1]):
        raise TraceError("The shape of its images is not that of their pixels.")
    if "labels" in found and not (found["labels"].min() >= LABELS[0]
                                  and found["labels"].max() <= LABELS[1]):
        raise TraceError("The classes of its images are not those of any data set.")
    return found


def _sentences(given: Any, what: str, columns: dict[str, Any], most: int,
               exactly: int | None = None) -> dict[str, list[str]]:
    """Sentences per entrant, as text of a limited length."""
    if not isinstance(given, dict) or set(given) != set(columns):
        raise TraceError(f"Its {what} are not one list per entrant.")
    for label, sentences in given.items():
        if not isinstance(sentences, list) or len(sentences) > most or not all(
                isinstance(s, str) and len(s) <= LONGEST for s in sentences):
            raise TraceError(f"{label}: its {what} are no list of at most {most} sentences.")
        if exactly is not None and len(sentences) != exactly:
            raise TraceError(f"{label}: its {what} must be {exactly}, one per run.")
    return given
