"""What a lesson can ask about a run: `entrant.what`, each a number or a word.

| name | what it is |
|---|---|
| e.steps, e.work | steps until the end, forward passes they cost |
| e.start, e.loss, e.lowest | loss at the start, at the end, the least of all |
| e.gradient | length of the gradient at the end |
| e.end | converged, diverged, undefined, ended, failed, or budget: all steps were used |
| e.lr, e.lam, … | a hyper-parameter |
| e.damped, e.updates, e.skipped | updates damped, all, left out, of all layers |
| e.powell, e.second | updates in which the first, the second step of damping acted |
| e.negative | pairs with sᵀy < 0; systems that negative curvature ended |
| e.products | products Hv |
| e.column@20 | a recorded number at step 20, e.g. e.loss@20, e.rho@3, e.theta2@100 |
| e.column.min, max, mean, first, last, count | of a recorded number over all steps and layers |
| problem.size, square, blocks, factors, layers | parameters P; P²; numbers of full and of \
factored blocks per layer |
"""

from __future__ import annotations

import numpy as np

from qnviz.curvature.krylov import Reason
from qnviz.fields import parameters
from qnviz.methods.registry import METHODS
from qnviz.runs.trace import STATE_COLUMNS, Trace, is_event, snapshots
from qnviz.ui.lessons.claims import ClaimError, Value
from qnviz.ui.state.settings import Settings, base

OVER = {"min": np.nanmin, "max": np.nanmax, "mean": np.nanmean, "first": lambda a: a.flat[0],
        "last": lambda a: a.flat[-1], "count": lambda a: np.count_nonzero(~np.isnan(a))}
PAIRS = ("damped", "updates", "powell", "second", "skipped", "negative")
SIZES = ("size", "square", "blocks", "factors", "layers")


def run_fact(trace: Trace, settings: Settings, name: str) -> Value:
    """One fact of a run by its name.

    Raises:
        ClaimError: there is none of this name.
    """
    subject, _, what = name.partition(".")
    if subject == "problem" and what in SIZES:
        return _size(settings, what)
    label = settings.title(subject) if subject in settings.entrants else ""
    if label not in trace.columns:
        raise ClaimError(f"{name!r} asks about {subject!r}, which does not run here.")
    fact = _of_entrant(trace, settings, subject, label, what)
    if fact is None:
        raise ClaimError(f"{name!r} is not known: {label} has no {what!r}.")
    return fact


def _size(settings: Settings, what: str) -> float:
    layers = settings.problem_spec().layers
    size = sum(layer.size for layer in layers)
    return float({"size": size, "square": size**2, "layers": len(layers),
                  "blocks": sum(layer.size**2 for layer in layers),
                  "factors": sum(n**2 for layer in layers for n in layer.shape)}[what])


def _of_entrant(trace: Trace, settings: Settings, e: str, label: str, what: str) -> Value | None:
    c = trace[label]
    stop, last = int(c["stopped"][0]), len(snapshots(c)) - 1
    simple = {"steps": lambda: stop, "work": lambda: c["work"][stop, 0],
              "start": lambda: c["loss"][0, 0], "loss": lambda: c["loss"][last, 0],
              "lowest": lambda: np.nanmin(c["loss"][:last + 1, 0]),
              "gradient": lambda: c["grad_norm"][last, 0]}
    if what in simple:
        return float(simple[what]())
    if what == "end":
        return str(c["status"][0])
    for q in parameters(METHODS[base(e)]):
        if q.name == what:
            value = settings.value(e, q)
            return float(value) if isinstance(value, int | float) else str(value)
    if what in PAIRS and "theta1" in c:
        one, two = c["theta1"][:stop, 0] < 1, c["theta2"][:stop, 0] < 1
        return float({"damped": (one | two).sum(), "updates": one.size, "powell": one.sum(),
                      "second": two.sum(), "skipped": c["skipped"][:stop, 0].astype(bool).sum(),
                      "negative": (c["ratio1_before"][:stop, 0] < 0).sum()}[what])
    if what in ("products", "negative") and "krylov_reason" in c:
        return float(c["krylov_iterations"][:stop, 0].sum() if what == "products" else
                     (c["krylov_reason"][:stop, 0] == Reason.NEGATIVE_CURVATURE).sum())
    return _column(c, stop, what)


def _column(c: dict[str, np.ndarray], stop: int, what: str) -> float | None:
    """A recorded column at a step, or over the whole run."""
    name, at, step = what.partition("@")
    name, dot, over = name.rpartition(".") if not at else (name, "", "")
    if name not in c or bool(dot) == bool(at) or c[name].dtype.kind not in "fib":
        return None
    if name in STATE_COLUMNS:
        rows, a = snapshots(c), c[name]
        a = a[:len(rows)] if name.startswith("path") else a[:len(rows), 0]
    elif name in ("work", "seconds"):
        rows, a = np.arange(stop + 1), c[name][:stop + 1, 0]
    elif is_event(name):                       # row k led to iterate k + 1
        rows, a = np.arange(1, stop + 1), c[name][:stop, 0]
    else:
        return None
    if not len(rows):
        return None
    a = a.astype(float)
    if dot:
        return float(OVER[over](a)) if over in OVER and not np.isnan(a).all() else None
    row = int(np.searchsorted(rows, int(step), side="right")) - 1
    here = a[max(row, 0)]
    return float(here) if here.ndim == 0 else float(here[0]) if here.size == 1 else None
