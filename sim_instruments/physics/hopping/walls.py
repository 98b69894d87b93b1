"""Walls that hop from site to site of their tracks."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.hopping.chain import pulse_walls, settle_walls
from sim_instruments.physics.hopping.disorder import landscape
from sim_instruments.physics.hopping.escape import escape_tables
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.rest import rest_walls
from sim_instruments.physics.pulse_shape import segments
from sim_instruments.physics.walls import Drive, Kept, Moved, in_turn_s

Pieces = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@final
class HoppingWalls:
    """Walls of narrow tracks, each a point on a washboard of its own.

    A wall that was put between two sites moves to the nearest of them with its next pulse. Meant for up to about a
    million devices: the sites take 8 bytes each.

    Args:
        count: number of devices.
        seed: 64-bit seed of everything random.
        parameters: what the devices have in common.
        state: the arrays named by `kept`, worked on in place.

    Attributes:
        position: float32, shape (count,), fraction of the track, 0 to 1.
    """

    def __init__(self, count: int, seed: int, parameters: HoppingParameters, state: dict[str, NDArray]) -> None:
        self.parameters = parameters
        self.position: NDArray[np.float32] = state["position"]
        self._site: NDArray[np.int32] = state["site"]
        self._seed = seed
        self._ground = landscape(count, seed, parameters)
        self._tables = escape_tables()
        self._common = (parameters.track_length_m, parameters.friction_kg_s, parameters.stray_force_n)

    @staticmethod
    def kept(parameters: HoppingParameters) -> tuple[Kept, ...]:
        """Return what is kept for each device when the power is off: its position and its site."""
        del parameters
        return (
            Kept(name="position", dtype=np.dtype(np.float32), initial=0.5),
            Kept(name="site", dtype=np.dtype(np.int32), initial=-1),
        )

    @property
    def bytes_per_device(self) -> float:
        """Return the memory that a device takes, its sites included."""
        arrays = (*self._ground, self.position, self._site)
        return sum(array.nbytes for array in arrays) / max(1, len(self.position))

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
        busy = self._pulse(devices, push.astype(np.int64), pull.astype(np.int64), drive, event)
        return Moved(
            push_pulses=int(push.sum(dtype=np.int64)),
            pull_pulses=int(pull.sum(dtype=np.int64)),
            busy_s=in_turn_s(first, busy),
        )

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        busy_s = float(self._pulse(devices, push, pull, drive, event).max(initial=0.0))
        return Moved(push_pulses=int(push.sum()), pull_pulses=int(pull.sum()), busy_s=busy_s)

    def rest(self, duration_s: float, event: int) -> None:
        """Let the walls hop under the stray field alone. Moves the walls."""
        forces = (self._common[2], self.parameters.pulse_line.temperature_k)
        rest_walls(
            self.position, self._site, self._ground, self._common, forces, duration_s, self._tables, event, self._seed
        )

    def settle(self) -> None:
        """Put walls that are between two sites on the nearest, as their next pulse would. Moves the walls."""
        settle_walls(self.position, self._site, self._ground)

    def _pulse(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> NDArray[np.float64]:
        """Move the walls; return for how long each device was busy, edges and cooling included."""
        push_pieces = self._pieces(drive.push_amplitude_v, drive.push_width_s)
        pull_pieces = self._pieces(-drive.pull_amplitude_v, drive.pull_width_s)
        pulse_walls(
            self.position,
            self._site,
            devices,
            push,
            pull,
            self._ground,
            self._common,
            push_pieces,
            pull_pieces,
            self._tables,
            event,
            self._seed,
        )
        return push * push_pieces[0].sum() + pull * pull_pieces[0].sum()

    def _pieces(self, amplitude_v: float, width_s: float) -> Pieces:
        """Return durations, forces of the current and temperatures of a pulse in pieces."""
        p = self.parameters
        if width_s <= 0:
            return np.zeros(0), np.zeros(0), np.zeros(0)
        period_s = p.pulse_period_s
        if period_s is not None:
            period_s = max(period_s, width_s + min(width_s, p.pulse_line.rise_time_s))
        cut = segments(
            amplitude_v,
            width_s,
            p.pulse_line,
            p.write_line.resistance_ohm,
            parts=p.pulse_parts,
            period_s=period_s,
        )
        return cut.duration_s, p.force_per_volt_n_v * cut.voltage_v, cut.temperature_k
