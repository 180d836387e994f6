"""Batches of a finite data set: all of it, or shuffled anew for every run and epoch."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor

from qnviz.errors import DataError
from qnviz.problems import philox
from qnviz.problems.tape import Batch

KEPT = 4                             # permutations; a race's entrants ask for the same in turn


class Minibatches:
    """Draws batches from x (N, in) and target (N, out) as a pure function of (seed, run, step).

    An epoch is ⌊N / size⌋ batches of a fresh permutation; what is left over sits out until the
    next. With size None every batch is the whole set.

    Raises:
        DataError: a batch would be larger than the data set.
    """

    def __init__(self, x: Tensor, target: Tensor, size: int | None, name: str):
        self.x, self.target, self.size = x, target, size
        if size is not None and size > len(x):
            raise DataError(f"batch is {size:,}, but {name} has only {len(x):,} training samples: "
                            "choose that many or fewer, or leave batch empty for all of them.")
        self.xi = torch.ones(1, 1, dtype=x.dtype, device=x.device)
        self._orders: OrderedDict[tuple, Tensor] = OrderedDict()

    @property
    def per_epoch(self) -> int:
        """Steps in one epoch."""
        return 1 if self.size is None else len(self.x) // self.size

    def __call__(self, first: int, count: int, seed: int, runs: Tensor) -> Iterator[Batch]:
        """The batches of steps first … first + count − 1 for the given runs."""
        for step in range(first, first + count):
            if self.size is None:
                yield Batch(self.x[None], self.target[None], self.xi, True, seed, step, runs)
                continue
            epoch, at = divmod(step, self.per_epoch)
            chosen = self._order(seed, epoch, runs)[:, at * self.size:(at + 1) * self.size]
            x = self.x[chosen]                                                  # (R, size, in)
            target = x if self.target is self.x else self.target[chosen]
            yield Batch(x, target, self.xi, False, seed, step, runs)

    def fresh(self, batch: Batch, iteration: int) -> Batch:
        """Another batch of the same step and size: the first of a permutation of its own."""
        if batch.full:
            return batch
        step = torch.tensor([batch.step], device=batch.runs.device)
        draw = philox.uniform(batch.seed, philox.SHUFFLE, batch.runs, step, len(self.x), iteration)
        chosen = draw[0].argsort(1)[:, :self.size]
        x = self.x[chosen]
        return replace(batch, x=x, target=x if self.target is self.x else self.target[chosen])

    def _order(self, seed: int, epoch: int, runs: Tensor) -> Tensor:
        """A permutation (R, N) of the samples for every run."""
        key = seed, epoch, tuple(runs.tolist())
        if key not in self._orders:
            at = torch.tensor([epoch], device=runs.device)
            draw = philox.uniform(seed, philox.SHUFFLE, runs, at, len(self.x))[0]
            self._orders[key] = draw.argsort(1)
            while len(self._orders) > KEPT:
                self._orders.popitem(last=False)
        return self._orders[key]
