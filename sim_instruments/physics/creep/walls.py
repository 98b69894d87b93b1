"""Walls in wide tracks, for the bench."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.creep import kernel
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.creep.pulse import Felt, felt, resting, track
from sim_instruments.physics.philox import block_count
from sim_instruments.physics.walls import Drive, Kept, Moved


@final
class CreepWalls:
    """Walls that creep, depin and flow.

    Pushes and pulls of an event are interleaved evenly, a push first (`pulse_order`), and the wall stops at the ends of
    the track after each.

    Args:
        count: number of devices.
        seed: 64-bit seed of everything random.
        parameters: what the devices have in common.
        state: arrays of `kept`, by name; worked on in place.

    Attributes:
        position: float32, shape (count,), fraction of the track, 0 to 1.
        nucleated: uint8, shape (count,), 1 where a nucleated domain hides the wall.
    """

    def __init__(self, count: int, seed: int, parameters: CreepParameters, state: dict[str, NDArray[Any]]) -> None:
        self.parameters = parameters
        self.position = state["position"]
        self.nucleated = state["nucleated"]
        self._state = (self.position, self.nucleated, state["swept"])
        self._seed = seed
        self._law = parameters.law
        self._track = track(parameters)
        self._may_creep_at_rest = parameters.stray_field_a_m != 0 or parameters.stray_field_dtod_a_m > 0

    @staticmethod
    def kept(parameters: CreepParameters) -> tuple[Kept, ...]:
        """Return what is kept of each device when the power is off."""
        return (
            Kept(name="position", dtype=np.dtype(np.float32), initial=0.5),
            Kept(name="nucleated", dtype=np.dtype(np.uint8), initial=0),
            Kept(name="swept", dtype=np.dtype(np.float32), initial=0),
        )

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
        blocks = block_count(first, len(push))
        totals = np.zeros((blocks, 2), np.int64)
        busy = np.zeros(blocks, np.float64)
        kernel.pulse_range(
            self._state, first, push, pull, *self._pulses(drive), self._law, self._track, self._widths(drive), event,
            self._seed, totals, busy,
        )  # fmt: skip
        return Moved(push_pulses=int(totals[:, 0].sum()), pull_pulses=int(totals[:, 1].sum()), busy_s=float(busy.sum()))

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        kernel.pulse_selected(
            self._state, devices, push, pull, *self._pulses(drive), self._law, self._track, event, self._seed
        )
        push_s, pull_s = self._widths(drive)
        busy_s = float((push * push_s + pull * pull_s).max(initial=0.0))
        return Moved(push_pulses=int(push.sum()), pull_pulses=int(pull.sum()), busy_s=busy_s)

    def rest(self, duration_s: float, event: int) -> None:
        """Let time pass without a pulse: walls creep in their stray field. Moves the walls."""
        if self._may_creep_at_rest and duration_s > 0:
            time = resting(self.parameters, duration_s)
            kernel.rest(self.position, self.nucleated, time, self._law, self._track, event, self._seed)

    def _pulses(self, drive: Drive) -> tuple[Felt, Felt]:
        return (
            felt(self.parameters, drive.push_amplitude_v, drive.push_width_s),
            felt(self.parameters, -drive.pull_amplitude_v, drive.pull_width_s),
        )

    def _widths(self, drive: Drive) -> tuple[float, float]:
        period_s = self.parameters.pulse_period_s or 0.0
        return max(drive.push_width_s, period_s), max(drive.pull_width_s, period_s)
