"""The ledger: what reached the sample, kept where no driver can touch it."""

from collections import deque
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

KEPT_ENTRIES = 200_000
"""Newest entries kept one by one; the totals count all."""

DETAILED_DEVICES = 4096
"""Entries of at most so many devices keep every device's counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Pulses that reached the sample in one event."""

    source: str
    """Model of the instrument that fired."""
    tag: int
    """The controller's tag; 0 for a generator."""
    time_s: float
    """Virtual time at the end of the event."""
    first: int
    """First device of the range, or the lowest of a selection."""
    device_count: int
    """Devices addressed, those with no pulse included."""
    push_pulses: int
    pull_pulses: int
    push_amplitude_v: float
    push_width_s: float
    pull_amplitude_v: float
    pull_width_s: float
    energy_j: float
    """Energy of the pulses in the write path."""
    devices: NDArray[np.uint32] | None
    """Which devices, for small events."""
    push: NDArray[np.uint8] | NDArray[np.int64] | None
    """Push pulses of each of `devices`."""
    pull: NDArray[np.uint8] | NDArray[np.int64] | None
    """Pull pulses of each of `devices`."""


@final
class Ledger:
    """Running totals and the newest entries.

    Args:
        counters: one record with `push_pulses`, `pull_pulses` and `energy_j`, where the totals are kept.
    """

    def __init__(self, counters: NDArray[Any]) -> None:
        self.entries: deque[Entry] = deque(maxlen=KEPT_ENTRIES)
        self._totals = counters

    @property
    def push_pulses(self) -> int:
        """Return the pushes that all devices took together."""
        return int(self._totals["push_pulses"][0])

    @property
    def pull_pulses(self) -> int:
        """Return the pulls that all devices took together."""
        return int(self._totals["pull_pulses"][0])

    @property
    def energy_j(self) -> float:
        """Return the energy of all pulses in the write path, joules."""
        return float(self._totals["energy_j"][0])

    def add(self, entry: Entry) -> None:
        """Enter one event."""
        self.entries.append(entry)
        self._totals["push_pulses"] += entry.push_pulses
        self._totals["pull_pulses"] += entry.pull_pulses
        self._totals["energy_j"] += entry.energy_j
