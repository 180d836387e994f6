"""A problem: a layered map together with where runs start and what data each step sees."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from torch import Tensor

from qnviz.problems.calculus import LayeredMap
from qnviz.problems.tape import Batch


class Problem(LayeredMap, ABC):
    """What is minimised, on one device. Subclasses give layers, batches and start."""

    @abstractmethod
    def start(self, seed: int, runs: Tensor) -> Tensor:
        """Theta (R, P) at which the given runs begin."""

    @abstractmethod
    def batches(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        """The batches of steps first … first + count − 1 for the given runs."""

    def fresh(self, batch: Batch, iteration: int) -> Batch:
        """Another batch of the same step, by (seed, run, step, iteration ≥ 1); a full one stays."""
        return batch

    @abstractmethod
    def reference(self) -> Batch:
        """The noise-free or full batch on which progress is reported; shared by all runs."""

    def training(self, seed: int, runs: Tensor) -> Batch:
        """The samples on which methods begin, at step −1: what they draw there is drawn once."""
        return replace(self.reference(), seed=seed, step=-1, runs=runs)

    # --- what there is to see besides the loss --------------------------------------------------

    def report(self, theta: Tensor) -> dict[str, Tensor]:
        """More numbers (n,) to report at iterates theta (n, P), such as the held-out loss."""
        return {}

    def views(self, theta: Tensor, start: Tensor) -> dict[str, Tensor]:
        """What a person looks at, (n, …), at iterates theta (n, P) of a run that began at start."""
        return {}

    def scene(self) -> dict[str, np.ndarray]:
        """What the views are compared with, the same at every step."""
        return {}
