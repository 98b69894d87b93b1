"""A buffer of readings as source-measure units keep them."""

from typing import final

import numpy as np

from sim_instruments.smu_output import Readings

_MOST_PARTS = 512


@final
class ReadingBuffer:
    """Readings in the order in which they were taken.

    Args:
        capacity: the most that it holds.
        kind: what is kept of a reading, a structured type.
        overwrites: whether the oldest make room when it is full; otherwise what does not fit is dropped.
    """

    def __init__(self, capacity: int, kind: np.dtype[np.void], *, overwrites: bool) -> None:
        self.capacity = capacity
        self._kind = kind
        self.overwrites = overwrites
        self._parts: list[Readings] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def is_full(self) -> bool:
        """Return whether it holds all that it can."""
        return self._count >= self.capacity

    def add(self, readings: Readings) -> None:
        """Store readings, as far as there is room."""
        room = self.capacity if self.overwrites else self.capacity - self._count
        kept = readings[-room:] if self.overwrites else readings[:room]
        if not len(kept):
            return
        self._parts.append(kept.copy())
        self._count += len(kept)
        while self._count > self.capacity:
            surplus = self._count - self.capacity
            first = self._parts.pop(0)
            if len(first) > surplus:
                self._parts.insert(0, first[surplus:])
            self._count -= min(surplus, len(first))
        if len(self._parts) > _MOST_PARTS:
            self.readings()

    def readings(self) -> Readings:
        """Return all readings, oldest first."""
        if len(self._parts) != 1:
            self._parts = [np.concatenate(self._parts) if self._parts else np.empty(0, self._kind)]
        return self._parts[0]

    def clear(self) -> None:
        """Forget every reading."""
        self._parts = []
        self._count = 0
