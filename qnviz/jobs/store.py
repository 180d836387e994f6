"""Results that are kept, as many as fit."""

from __future__ import annotations

from collections import OrderedDict

from qnviz.sweeps.result import SweepResult


class Store:
    """Results of sweeps by key, whole or partial; those not asked for longest leave first."""

    def __init__(self, room: int):
        self.room = room                       # bytes
        self._results: OrderedDict[str, SweepResult] = OrderedDict()

    def __len__(self) -> int:
        return len(self._results)

    @property
    def nbytes(self) -> int:
        """Memory held by all."""
        return sum(r.nbytes for r in self._results.values())

    def put(self, result: SweepResult) -> None:
        """Keep a result; one that alone is larger than all the room is not kept."""
        key = result.spec.key()
        if result.nbytes > self.room:
            return
        self._results[key] = result
        self._results.move_to_end(key)
        while self.nbytes > self.room:
            self._results.popitem(last=False)

    def get(self, key: str) -> SweepResult | None:
        """A whole result stays; a partial one is handed over, to be gone on from."""
        result = self._results.get(key)
        if result is None:
            return None
        if not result.complete:
            return self._results.pop(key)
        self._results.move_to_end(key)
        return result
