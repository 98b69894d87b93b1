"""Walls that are integrated in time, for the bench."""

import math
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.collective.energy import angle_stiffness_j, resting_angle_rad
from sim_instruments.physics.collective.kernel import Pinning, Schedule, pulse_walls
from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.collective.rest import Stillness, rest_walls
from sim_instruments.physics.pulse_shape import segments
from sim_instruments.physics.walls import Drive, Kept, Moved, in_turn_s


@final
class CollectiveWalls:
    """Walls as position and angle, each pulse integrated over its shape and over the pause that follows it.

    Pushes and pulls of an event are interleaved evenly, a push first (`pulse_order`). A pulse costs every wall some
    0.1 us per step, 1 ms for 10 ns of pulse and pause at the default step: meant for single devices to some thousands.

    Args:
        count: number of devices.
        seed: 64-bit seed of everything random.
        parameters: what the devices have in common.
        state: the arrays named by `kept`, worked on in place.

    Attributes:
        position: float32, shape (count,), fraction of the track, 0 to 1.
        angle: float32, shape (count,), of the magnetisation in the wall, rad, -pi to pi.
    """

    def __init__(self, count: int, seed: int, parameters: CollectiveParameters, state: dict[str, NDArray[Any]]) -> None:
        self.parameters = parameters
        self.position: NDArray[np.float32] = state["position"]
        self.angle: NDArray[np.float32] = state["angle"]
        self._seed = seed
        self._wall = parameters.wall
        self._pinning = Pinning(parameters.periods, float(parameters.barrier_j), parameters.barrier_log_sd)
        self._stillness = Stillness(
            temperature_k=float(parameters.pulse_line.temperature_k),
            angle_stiffness_j=angle_stiffness_j(resting_angle_rad(self._wall), self._wall),
        )

    @staticmethod
    def kept(parameters: CollectiveParameters) -> tuple[Kept, ...]:
        """Return what is kept of each device when the power is off."""
        return (
            Kept(name="position", dtype=np.dtype(np.float32), initial=0.5),
            Kept(name="angle", dtype=np.dtype(np.float32), initial=resting_angle_rad(parameters.wall)),
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
        devices = np.arange(first, first + len(push), dtype=np.uint32)
        pushes, pulls = push.astype(np.int64), pull.astype(np.int64)
        busy = self._pulse(devices, pushes, pulls, drive, event)
        return Moved(push_pulses=int(pushes.sum()), pull_pulses=int(pulls.sum()), busy_s=in_turn_s(first, busy))

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        busy = self._pulse(devices, push, pull, drive, event)
        return Moved(push_pulses=int(push.sum()), pull_pulses=int(pull.sum()), busy_s=float(busy.max(initial=0.0)))

    def rest(self, duration_s: float, event: int) -> None:
        """Let time pass without a pulse: walls hop over their barriers (`rest`). Moves the walls."""
        p = self.parameters
        if p.thermal_noise and duration_s > 0:
            rest_walls(self.position, self._wall, self._pinning, self._stillness, duration_s, event, self._seed)

    def schedule(self, voltage_v: float, width_s: float) -> Schedule:
        """Return a pulse and its pause in pieces of equal steps.

        Args:
            voltage_v: signed; a positive one pushes.
            width_s: full width at half maximum.
        """
        p = self.parameters
        pieces: list[tuple[float, float, float]] = []
        pause_s = p.settling_time_s
        if width_s > 0:
            cut = segments(voltage_v, width_s, p.pulse_line, p.write_line.resistance_ohm, parts=p.pulse_parts)
            pieces += zip(cut.duration_s.tolist(), cut.voltage_v.tolist(), cut.temperature_k.tolist(), strict=True)
            edge_s = min(p.pulse_line.rise_time_s, width_s)
            pause_s -= float(cut.duration_s.sum()) - (width_s + edge_s)  # the cooling is in the pieces already
        if pause_s > 1e-15:  # and not what rounding leaves of none
            pieces.append((pause_s, 0.0, p.pulse_line.temperature_k))
        loads = [p.load(voltage, temperature_k) for _, voltage, temperature_k in pieces]
        steps = [
            max(1, math.ceil(duration / p.step_s(load) * (1 - 1e-12)))
            for (duration, _, _), load in zip(pieces, loads, strict=True)
        ]
        return Schedule(
            steps=np.array(steps, np.int64),
            step_s=np.array([duration for duration, _, _ in pieces]) / steps,
            loads=np.array(loads, np.float64).reshape(len(pieces), 4),
        )

    def _pulse(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> NDArray[np.float64]:
        """Return for how long each device was busy, pauses included."""
        pulse_walls(
            self.position,
            self.angle,
            devices,
            push,
            pull,
            self._wall,
            self._pinning,
            float(self.parameters.torque_dtod),
            self.schedule(drive.push_amplitude_v, drive.push_width_s),
            self.schedule(-drive.pull_amplitude_v, drive.pull_width_s),
            event,
            self._seed,
        )
        pause_s = self.parameters.settling_time_s
        return push * (drive.push_width_s + pause_s) + pull * (drive.pull_width_s + pause_s)
