"""Values that are kept in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, Protocol, TypeVar


class Sized(Protocol):
    """Anything that knows how much memory it takes."""

    @property
    def nbytes(self) -> int:
        """Bytes."""
        ...


V = TypeVar("V", bound=Sized)


class Store(Generic[V]):
    """Values by key, for any thread; beyond `limit` bytes the least recently used leave first."""

    def __init__(self, limit: int):
        self.limit = limit
        self.nbytes = 0                        # of all values together
        self._lock = threading.Lock()
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value in place of what its key had; one larger than the whole store is not kept.

        A value in the store must not change its size.
        """
        with self._lock:
            self._remove(key)
            if value.nbytes > self.limit:
                return
            self._values[key] = value
            self.nbytes += value.nbytes
            while self.nbytes > self.limit:
                self._remove(next(iter(self._values)))

    def get(self, key: Hashable) -> V | None:
        """The value of a key, or None; it counts as used now."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def take(self, key: Hashable) -> V | None:
        """Remove the value of a key and give it to the caller, who may change it."""
        with self._lock:
            return self._remove(key)

    def _remove(self, key: Hashable) -> V | None:
        value = self._values.pop(key, None)
        if value is not None:
            self.nbytes -= value.nbytes
        return value
