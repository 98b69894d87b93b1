"""The ageing of one sample: which of its kinds are on, and when each has its turn."""

from collections.abc import Callable
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.ageing.parameters import WEAR_COUNT, AgeingParameters
from sim_instruments.ageing.read_disturb import ReadDisturb
from sim_instruments.ageing.retention import Retention
from sim_instruments.ageing.wear import Wear
from sim_instruments.clock import VirtualClock
from sim_instruments.nonvolatile import Memory
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.walls import Drive, Walls


@final
class Ageing:
    """What happens to the walls of one sample besides pulses.

    Finer models than the compact one move their walls at rest themselves: `rest` asks them to.

    Args:
        parameters: which kinds are on.
        wall: parameters of the walls' model.
        walls: the walls.
        memory: of the sample; has the counters of wear, and until when the walls have rested.
        clock: of the sample.
        seed: of the sample.
    """

    def __init__(
        self,
        parameters: AgeingParameters,
        wall: Any,
        walls: Walls,
        memory: Memory,
        clock: VirtualClock,
        seed: int,
    ) -> None:
        self._walls = walls
        self._clock = clock
        self._rested_s = memory.counters["rested_s"]
        self._compact = wall if isinstance(wall, CompactParameters) else None
        self._retention: Retention | None = None
        self._read_disturb: ReadDisturb | None = None
        self.wear: Wear | None = None
        if self._compact is None:
            return
        track_m = self._compact.track_length_m
        if parameters.retention:
            self._retention = Retention(parameters.retention, track_m, len(walls.position), seed)
        if parameters.read_disturb:
            self._read_disturb = ReadDisturb(parameters.read_disturb, track_m, seed)
        if parameters.wear:
            self.wear = Wear(parameters.wear, memory.state[WEAR_COUNT.name], seed)

    @property
    def has_rest(self) -> bool:
        """Return whether walls may move at rest."""
        return self._compact is None or self._retention is not None

    def rest(self, next_event: Callable[[], int]) -> None:
        """Let the walls rest from when they rested last until now. Moves the walls.

        As long as nothing could be seen of it, nothing is done, and the time stays to be rested.

        Args:
            next_event: returns a number that keys random numbers and was never used.
        """
        duration_s = self._clock.now_s - float(self._rested_s[0])
        if duration_s <= 0:
            return
        if self._compact is None:
            self._walls.rest(duration_s, next_event())
        elif self._retention is not None and self._retention.is_visible(duration_s):
            self._retention.rest(self._walls.position, duration_s, next_event())
        else:
            return
        self._rested_s[0] += duration_s

    def before_range(self, first: int, count: int) -> NDArray[np.float32] | None:
        """Return what `after_range` needs to know of the walls before pulses; None if nothing."""
        return self._walls.position[first : first + count].copy() if self.wear else None

    def after_range(
        self,
        before: NDArray[np.float32] | None,
        first: int,
        push: NDArray[np.uint8],
        pull: NDArray[np.uint8],
        drive: Drive,
        event: int,
    ) -> None:
        """Wear the devices of a range by pulses that have just been applied. Moves the walls."""
        if self.wear and before is not None:
            variances = self._variances(drive)
            self.wear.wear_range(self._walls.position, before, first, push, pull, variances, event)

    def before_selected(self, devices: NDArray[np.uint32]) -> NDArray[np.float32] | None:
        """Return what `after_selected` needs to know of the walls before pulses; None if nothing."""
        return self._walls.position[devices] if self.wear else None

    def after_selected(
        self,
        before: NDArray[np.float32] | None,
        devices: NDArray[np.uint32],
        push: NDArray[np.int64],
        pull: NDArray[np.int64],
        drive: Drive,
        event: int,
    ) -> None:
        """Wear these devices by pulses that have just been applied. Moves the walls."""
        if self.wear and before is not None:
            variances = self._variances(drive)
            self.wear.wear_selected(self._walls.position, before, devices, push, pull, variances, event)

    def read_range(self, first: int, count: int, event: int) -> None:
        """Note that the array has read a range. Moves walls if readings do."""
        if self._read_disturb:
            self._read_disturb.read_range(self._walls.position, first, count, event)

    def read_selected(self, devices: NDArray[np.uint32], event: int) -> None:
        """Note that the array has read these devices. Moves walls if readings do."""
        if self._read_disturb:
            self._read_disturb.read_selected(self._walls.position, devices, event)

    @property
    def has_read_disturb(self) -> bool:
        """Return whether readings move walls."""
        return self._read_disturb is not None

    def measure(self, device: int, voltages_v: NDArray[np.float64], event: int) -> None:
        """Note that a meter has read a device at each of these voltages. Moves its wall if readings do."""
        if self._read_disturb:
            self._read_disturb.measure(self._walls.position, device, voltages_v, event)

    def _variances(self, drive: Drive) -> tuple[float, float]:
        """Return the variance of the displacement of an average fresh device by one push and by one pull."""
        p = self._compact
        if p is None:
            return 0.0, 0.0
        push = p.mean_step(p.push_velocity_m_s, drive.push_amplitude_v, drive.push_width_s)
        pull = p.mean_step(p.pull_velocity_m_s, drive.pull_amplitude_v, drive.pull_width_s)
        return push * p.push_fano_length_m / p.track_length_m, pull * p.pull_fano_length_m / p.track_length_m
