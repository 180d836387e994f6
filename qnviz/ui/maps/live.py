"""What the browser needs to compute a page's maps itself, while a setting is dragged.

The maps that it computes are finer than the server's, over the same part of the plane and by the
same rules; numbers, titles and sentences stay the server's.
"""

from __future__ import annotations

from typing import Any

from qnviz.figures.maps.cells import Side
from qnviz.figures.maps.scale import Scale
from qnviz.runs.ends import STATUS, WORDS
from qnviz.runs.portable import portable
from qnviz.sweeps.spec import Axis, SweepSpec
from qnviz.ui.frame.server import ENGINE_URL, ENGINE_WORKER_URL

LABELS = {"hint": "Point at a cell to see its run", "loss": "loss",
          "own": "extreme eigenvalues of H_g", "hessian": "extreme eigenvalues of the Hessian"}


def refined(spec: SweepSpec, x: Side, y: Side) -> SweepSpec:
    """The sweep over as many points as the browser computes."""
    def axis(a: Axis, side: Side) -> Axis:
        return a if side.fine is None or a.points == 1 else a.model_copy(
            update={"points": side.fine})

    assert spec.sweep.y is not None
    sweep = spec.sweep.model_copy(update={"x": axis(spec.sweep.x, x), "y": axis(spec.sweep.y, y)})
    return spec.model_copy(update={"sweep": sweep})


def live_map(spec: SweepSpec, x: Side, y: Side) -> dict[str, Any] | None:
    """One map as the browser computes it; None where it cannot, or where rows are seeds."""
    if spec.sweep.y is None or not spec.problem.plane:
        return None
    fine = refined(spec, x, y)
    found = portable(fine)
    return found and {"spec": found, "ny": fine.shape[0], "nx": fine.shape[1]}


def live_page(rule: dict[str, Any], scale: Scale, seeds: int,
              surface: dict[str, Any] | None) -> dict[str, Any]:
    """What all maps of a page share: where the engine is, how cells are judged and coloured."""
    return {"engine": ENGINE_URL, "worker": ENGINE_WORKER_URL, "rule": rule | {"status": STATUS},
            "seeds": seeds, "low": scale.low, "high": scale.high, "log": scale.log,
            "words": WORDS, "surface": surface, "labels": LABELS}
