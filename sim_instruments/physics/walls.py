"""What every model of domain walls offers to the bench: positions, pulses, rest."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.philox import BLOCK


@dataclass(frozen=True, slots=True, kw_only=True)
class Drive:
    """One push and one pull pulse shape."""

    push_amplitude_v: float
    push_width_s: float
    pull_amplitude_v: float
    pull_width_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What one event delivered."""

    push_pulses: int
    pull_pulses: int
    busy_s: float
    """Pulse time when the devices of a block of 1024 are driven in parallel and the blocks one after another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """One number per device that a model keeps when the power is off."""

    name: str
    """Name of the array, and of the file it may be kept in."""
    dtype: np.dtype
    initial: float
    """Its value in a sample that was just made."""


def in_turn_s(first: int, busy_s: NDArray[np.float64]) -> float:
    """Return the time of an event at devices `first ...`: those of a block are driven together, blocks take turns.

    Args:
        first: first device.
        busy_s: pulse time of each device, seconds, shape (n,).
    """
    starts = np.flatnonzero(np.diff((first + np.arange(len(busy_s))) // BLOCK, prepend=-1))
    return float(np.maximum.reduceat(busy_s, starts).sum()) if len(busy_s) else 0.0


class Walls(Protocol):
    """The walls of a sample, one per device, whatever moves them.

    Random numbers are keyed by (seed, event, device): results depend neither on the number of threads nor on how the
    devices are cut into calls, and no event is used twice.
    """

    position: NDArray[np.float32]
    """Shape (devices,), fraction of the track, 0 to 1. A wall may be put elsewhere by writing to it."""

    def pulse_range(
        self, first: int, push: NDArray[np.uint8], pull: NDArray[np.uint8], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to device `first + i`. Moves the walls.

        Args:
            first: first device.
            push: uint8, shape (n,).
            pull: uint8, shape (n,).
            drive: the pulse shapes.
            event: number that keys the random draw; never used twice.
        """
        ...

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        ...

    def rest(self, duration_s: float, event: int) -> None:
        """Let time pass without a pulse: walls that thermal motion moves are moved."""
        ...
