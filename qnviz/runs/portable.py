"""What the browser's engine (`web/engine/`) is given of a run: its spec, and what was found out.

The engine computes problems in the plane by methods that have a twin there. All else is computed
here alone.
"""

from __future__ import annotations

from typing import Any

from qnviz.methods.base import Method
from qnviz.runs.spec import RunSpec

LARGEST_SEED = 2**53                 # beyond, JavaScript's numbers skip some


def portable(spec: RunSpec) -> dict[str, Any] | None:
    """A run or a sweep as JSON for the engine; None where it cannot compute it.

    It is the spec with all defaults written out. Of a typed function comes with it what was made of
    its text: its program, and the lowest value that is known.
    """
    found = spec.problem.portable
    methods: list[Method] = [*spec.methods, *([spec.fork.method] if spec.fork else [])]
    if found is None or spec.dtype != "float64" or spec.seed >= LARGEST_SEED or not all(
            method.twin for method in methods):
        return None
    plain = spec.model_dump(mode="json")
    plain["problem"] |= found
    if "sweep" in plain:
        axes = (plain["sweep"]["x"], plain["sweep"]["y"])
        plain["sweep"]["whole"] = [
            axis["field"] for axis in axes
            if axis and spec.whole(axis["field"])]           # type: ignore[attr-defined]
    return plain
