"""The compact wall model: displacement of many pulses in one draw, for tens of millions of walls.

A pulse of amplitude A and width t moves the wall by a random step of mean

    m = velocity * (A - A_threshold) / (A_reference - A_threshold) * t / L      (0 below the threshold)

and variance v = Fano length / L * m, both in fractions of the track length L. Pulses are independent, so n pushes and k
pulls add up to mean n m+ - k m- and variance n v+ + k v-, drawn as one Gaussian number. Walls stop at the ends of the
track, positions 0 and 1; within reach of an end this takes the pulses of one call as one move.

Devices differ: each has a velocity, a pull/push ratio and a Fano length of its own, kept as signed bytes in units of
1/32 standard deviation, clipped at 4. State is 7 bytes a device.
"""

from dataclasses import dataclass
from typing import final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words
from sim_instruments.physics.walls import Drive, Moved

_SPREAD_PURPOSE = 1
_PULSE_PURPOSE = 2

_UNIT = np.float32(1 / 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class WallParameters:
    """What the devices of one sample have in common."""

    track_length_m: float
    """Distance between the end stops."""
    reference_amplitude_v: float
    """Amplitude at which the velocities hold."""
    threshold_v: float
    """Largest amplitude that does not move a wall."""
    push_velocity_m_s: float
    """Mean wall velocity during a push pulse of the reference amplitude."""
    pull_velocity_m_s: float
    """The same for a pull pulse, a magnitude."""
    push_fano_length_m: float
    """Variance over mean of the displacement by pushes."""
    pull_fano_length_m: float
    """Variance over mean of the displacement by pulls."""
    velocity_dtod: float
    """Device-to-device relative standard deviation of the velocity, common to push and pull."""
    asymmetry_dtod: float
    """Device-to-device relative standard deviation of the pull/push ratio."""
    fano_dtod: float
    """Device-to-device relative standard deviation of the Fano length."""

    def mean_step(self, velocity_m_s: float, amplitude_v: float, width_s: float) -> float:
        """Return the mean displacement of one pulse, fraction of the track."""
        overdrive = max(0.0, amplitude_v - self.threshold_v) / (self.reference_amplitude_v - self.threshold_v)
        return velocity_m_s * overdrive * width_s / self.track_length_m


@final
class CompactWalls:
    """Positions and individual properties of many walls.

    Args:
        count: number of devices.
        seed: 64-bit seed of everything random.
        initial_position: where every wall starts, fraction of the track.
        parameters: what the devices have in common.

    Attributes:
        position: float32, shape (count,), fraction of the track, 0 to 1.
    """

    def __init__(self, count: int, seed: int, initial_position: float, parameters: WallParameters) -> None:
        self.parameters = parameters
        self.position = np.full(count, initial_position, np.float32)
        self._seed = seed
        self._spread = np.empty((3, count), np.int8)
        _draw_spread(self._spread, seed)

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
        blocks = _blocks(first, len(push))
        totals = np.zeros((blocks, 2), np.int64)
        busy = np.zeros(blocks, np.float64)
        _move_range(self.position, self._spread, first, push, pull, *self._law(drive), event, self._seed, totals, busy)
        return Moved(push_pulses=int(totals[:, 0].sum()), pull_pulses=int(totals[:, 1].sum()), busy_s=float(busy.sum()))

    def pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive, event: int
    ) -> Moved:
        """Apply `push[i]` pushes and `pull[i]` pulls to `devices[i]`, no device twice. Moves the walls."""
        _move_selected(self.position, self._spread, devices, push, pull, *self._law(drive), event, self._seed)
        busy_s = float((push * drive.push_width_s + pull * drive.pull_width_s).max(initial=0.0))
        return Moved(push_pulses=int(push.sum()), pull_pulses=int(pull.sum()), busy_s=busy_s)

    def _law(self, drive: Drive) -> tuple[tuple[np.float32, ...], tuple[np.float32, ...], tuple[float, float]]:
        p = self.parameters
        steps = (
            p.mean_step(p.push_velocity_m_s, drive.push_amplitude_v, drive.push_width_s),
            p.mean_step(p.pull_velocity_m_s, drive.pull_amplitude_v, drive.pull_width_s),
            p.push_fano_length_m / p.track_length_m,
            p.pull_fano_length_m / p.track_length_m,
        )
        spreads = (p.velocity_dtod, p.asymmetry_dtod, p.fano_dtod)
        return (
            tuple(np.float32(value) for value in steps),
            tuple(np.float32(value) for value in spreads),
            (drive.push_width_s, drive.pull_width_s),
        )


def _blocks(first: int, count: int) -> int:
    return (first + count - 1) // BLOCK - first // BLOCK + 1 if count else 0


@nb.njit(parallel=True, cache=True)
def _draw_spread(spread: np.ndarray, seed: int) -> None:
    count = spread.shape[1]
    for block in nb.prange((count + BLOCK - 1) // BLOCK):
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        for kind in range(3):
            fill_words(words, block, kind, _SPREAD_PURPOSE, seed)
            fill_normals(normals, words)
            z = normals.ravel()
            for i in range(min(BLOCK, count - block * BLOCK)):
                spread[kind, block * BLOCK + i] = np.int8(min(127.0, max(-127.0, np.rint(z[i] * np.float32(32.0)))))


@nb.njit(inline="always", cache=True)
def _moved(x, z, push, pull, velocity, asymmetry, fano, steps, spreads):
    gain = np.float32(1.0) + spreads[0] * (np.float32(velocity) * _UNIT)
    forward = np.float32(push) * steps[0] * gain
    backward = np.float32(pull) * steps[1] * gain * (np.float32(1.0) + spreads[1] * (np.float32(asymmetry) * _UNIT))
    variance = (forward * steps[2] + backward * steps[3]) * (np.float32(1.0) + spreads[2] * (np.float32(fano) * _UNIT))
    x = x + (forward - backward) + np.sqrt(variance) * z
    return min(np.float32(1.0), max(np.float32(0.0), x))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _move_range(position, spread, first, push, pull, steps, spreads, widths, event, seed, totals, busy):
    count = push.shape[0]
    first_block = first // BLOCK
    for index in nb.prange(totals.shape[0]):
        block = first_block + index
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, block, event, _PULSE_PURPOSE, seed)
        fill_normals(normals, words)
        low = max(first, block * BLOCK)
        high = min(first + count, (block + 1) * BLOCK)
        # Slices of equal length, indexed from 0: the form the compiler turns into vector instructions.
        z = normals.ravel()[low - block * BLOCK : high - block * BLOCK]
        x, n, k = position[low:high], push[low - first : high - first], pull[low - first : high - first]
        a, b, c = spread[0, low:high], spread[1, low:high], spread[2, low:high]
        for i in range(high - low):
            x[i] = _moved(x[i], z[i], n[i], k[i], a[i], b[i], c[i], steps, spreads)
        pushes, pulls, longest = 0, 0, 0.0
        for i in range(high - low):
            pushes += np.int64(n[i])
            pulls += np.int64(k[i])
            longest = max(longest, n[i] * widths[0] + k[i] * widths[1])
        totals[index, 0], totals[index, 1], busy[index] = pushes, pulls, longest


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _move_selected(position, spread, devices, push, pull, steps, spreads, widths, event, seed):
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, device // BLOCK, event, _PULSE_PURPOSE, seed)
        fill_normals(normals, words)
        a, b, c = spread[0, device], spread[1, device], spread[2, device]
        z = normals.ravel()[device % BLOCK]
        position[device] = _moved(position[device], z, push[index], pull[index], a, b, c, steps, spreads)
