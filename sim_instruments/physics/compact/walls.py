"""Walls that move by the compact model."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.compact.end_stops import weight_of_teeth
from sim_instruments.physics.compact.kernel import draw_spread, move_range, move_selected
from sim_instruments.physics.compact.law_kernel import move_range_by_law, move_selected_by_law
from sim_instruments.physics.compact.laws import CODES, GAUSSIAN
from sim_instruments.physics.compact.memory import depth_of, drive_range, drive_selected
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.philox import block_count
from sim_instruments.physics.walls import Drive, Kept, Moved


@final
class CompactWalls:
    """Positions and individual properties of many walls.

    Args:
        count: number of devices.
        seed: 64-bit seed of everything random.
        parameters: what the devices have in common.
        state: arrays of `kept`, by name; worked on in place.

    Attributes:
        position: float32, shape (count,), fraction of the track, 0 to 1.
    """

    def __init__(self, count: int, seed: int, parameters: CompactParameters, state: dict[str, NDArray[Any]]) -> None:
        self.parameters = parameters
        self.position = state["position"]
        self._seed = seed
        self._pinning = state.get("pinning")
        self._code = CODES[parameters.law]
        self._spread = np.empty((3, count), np.int8)
        draw_spread(self._spread, seed)

    @staticmethod
    def kept(parameters: CompactParameters) -> tuple[Kept, ...]:
        """Return what is kept of each device when the power is off."""
        position = Kept(name="position", dtype=np.dtype(np.float32), initial=0.5)
        pinning = Kept(name="pinning", dtype=np.dtype(np.float32), initial=0.0)
        return (position, pinning) if parameters.memory_ratio < 1 else (position,)

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
        if self._pinning is not None:
            drive_range(self.position, self._pinning, self._spread, first, push, pull, *self._frozen(drive))
        totals = np.zeros((blocks, 2), np.int64)
        busy = np.zeros(blocks, np.float64)
        widths = (drive.push_width_s, drive.pull_width_s)
        if self._code == GAUSSIAN:
            move_range(
                self.position, self._spread, first, push, pull, self._law(drive), widths, event, self._seed, totals,
                busy,
            )  # fmt: skip
        else:
            move_range_by_law(
                self.position, self._spread, first, push, pull, *self._step_law(drive), widths, event, self._seed,
                totals, busy,
            )  # fmt: skip
        return Moved(push_pulses=int(totals[:, 0].sum()), pull_pulses=int(totals[:, 1].sum()), busy_s=float(busy.sum()))

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        if self._pinning is not None:
            drive_selected(self.position, self._pinning, self._spread, devices, push, pull, *self._frozen(drive))
        if self._code == GAUSSIAN:
            move_selected(self.position, self._spread, devices, push, pull, self._law(drive), event, self._seed)
        else:
            move_selected_by_law(
                self.position, self._spread, devices, push, pull, *self._step_law(drive), event, self._seed
            )
        busy_s = float((push * drive.push_width_s + pull * drive.pull_width_s).max(initial=0.0))
        return Moved(push_pulses=int(push.sum()), pull_pulses=int(pull.sum()), busy_s=busy_s)

    def rest(self, duration_s: float, event: int) -> None:
        """Let time pass: these walls stay where they are."""

    def _law(self, drive: Drive) -> tuple[Any, ...]:
        steps, spreads, gains, _, _ = self._step_law(drive)
        push, pull, push_fano, pull_fano = steps
        teeth = weight_of_teeth(push, pull, push * push_fano, pull * pull_fano)
        # What differs from device to device is cut off at 4 standard deviations.
        longest = max(push, pull) * (1 + 4 * spreads[0]) * (1 + 4 * spreads[1])
        # No tooth and no run of pulses that ends one is taken for more than 2.4 steps (`end_stops`).
        edge = 2.5 * longest
        return (
            tuple(np.float32(value) for value in steps),
            tuple(np.float32(value) for value in spreads),
            tuple(np.float32(value) for value in gains),
            any(gains),
            np.float32(teeth),
            np.float32(edge),
        )

    def _frozen(self, drive: Drive) -> tuple[Any, ...]:
        p = self.parameters
        steps, spreads, gains, *_ = self._law(drive)
        frozen_fano = np.float32(p.frozen_fano_length_m / p.track_length_m)
        return steps, spreads, gains, frozen_fano, depth_of(p.memory_length_m / p.track_length_m), self._seed

    def _step_law(self, drive: Drive) -> tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...], int, float]:
        p = self.parameters
        steps = (
            p.mean_step(p.push_velocity_m_s, drive.push_amplitude_v, drive.push_width_s),
            p.mean_step(p.pull_velocity_m_s, drive.pull_amplitude_v, drive.pull_width_s),
            (p.push_fano_length_m - p.frozen_fano_length_m) / p.track_length_m,
            (p.pull_fano_length_m - p.frozen_fano_length_m) / p.track_length_m,
        )
        gains = (p.push_gain_slope, p.push_gain_curvature, p.pull_gain_slope, p.pull_gain_curvature)
        return steps, (p.velocity_dtod, p.asymmetry_dtod, p.fano_dtod), gains, self._code, p.hop_cv
