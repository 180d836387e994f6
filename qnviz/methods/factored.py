"""What methods with a Kronecker factor per layer have in common: what it costs, what is looked at."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor

from qnviz.curvature.spectrum import definite_eigenvalues, definite_extremes
from qnviz.methods.base import Events, Method, Summary
from qnviz.problems.spec import ProblemSpec

LARGEST = Summary("eig_max", "largest eigenvalue of H_g", "max", ("eig_max",),
                  lambda e: e["eig_max"].amax(-1), log=True)


class Factored(Method):
    """Base of the methods whose state holds H_g and H_a, iterable over layers."""

    summaries: ClassVar[tuple[Summary, ...]] = (LARGEST,)

    def footprint(self, problem: ProblemSpec) -> int:
        shapes = (layer.shape for layer in problem.layers)
        return 6 * problem.size + 4 * sum(out**2 + ins**2 for out, ins in shapes)

    def matrix(self, problem: ProblemSpec) -> int:
        return max(layer.fan_out for layer in problem.layers)

    def shown(self, state: Any) -> Any:
        return state.H_g

    def measure(self, shown: Any, p: SimpleNamespace) -> Events:
        low, high = zip(*(definite_extremes(H) for H in shown), strict=True)
        return {"eig_min": torch.stack(low, -1), "eig_max": torch.stack(high, -1)}

    def spectra(self, state: Any) -> dict[str, list[Tensor]]:
        return {name: [definite_eigenvalues(H) for H in factor]
                for name, factor in (("g", state.H_g), ("a", state.H_a))}
