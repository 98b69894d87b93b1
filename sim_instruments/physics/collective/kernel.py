"""Pulse events on the walls of a bench: each wall's pulses one after another, step by step."""

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.collective.equations import advance
from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.pulse_order import is_push_next
from sim_instruments.physics.stream import normal_pair

DISORDER_PURPOSE = 32
"""Purpose of what differs from device to device."""


class Pinning(NamedTuple):
    """The pinning of all tracks, each with barriers of its own."""

    periods: int
    barrier_j: float
    """Mean."""
    log_sd: float
    """Standard deviation of a barrier's logarithm."""


class Schedule(NamedTuple):
    """A pulse and the pause after it, in pieces of equal steps; arrays of one length."""

    steps: NDArray[np.int64]
    step_s: NDArray[np.float64]
    loads: NDArray[np.float64]
    """Shape (pieces, 4): the fields of `Load`."""


@nb.njit(error_model="numpy", cache=True)
def barriers_of(device: int, pinning: Pinning, seed: int) -> np.ndarray:
    """Return a device's barriers from the start of its track to the end, J, float64."""
    barriers = np.empty(pinning.periods)
    for pair in range((pinning.periods + 1) // 2):
        first, second = normal_pair(1 + pair, device, 0, DISORDER_PURPOSE, seed)
        barriers[2 * pair] = first
        if 2 * pair + 1 < pinning.periods:
            barriers[2 * pair + 1] = second
    for i in range(pinning.periods):
        barriers[i] = pinning.barrier_j * math.exp(pinning.log_sd * barriers[i] - 0.5 * pinning.log_sd**2)
    return barriers


@nb.njit(error_model="numpy", cache=True)
def torque_of(device: int, spread: float, seed: int) -> float:
    """Return a device's factor on all that a current does, of mean 1."""
    z, _ = normal_pair(0, device, 0, DISORDER_PURPOSE, seed)
    return 1.0 + spread * min(4.0, max(-4.0, z))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def pulse_walls(
    position: np.ndarray,
    angle: np.ndarray,
    devices: np.ndarray,
    push: np.ndarray,
    pull: np.ndarray,
    wall: Wall,
    pinning: Pinning,
    torque_spread: float,
    pushing: Schedule,
    pulling: Schedule,
    event: int,
    seed: int,
) -> None:
    """Apply pushes and pulls, interleaved evenly, a push first. Moves the walls.

    Args:
        position: float32, fraction of the track, of all devices.
        angle: float32, rad, of all devices.
        devices: uint32, shape (n,), which to pulse.
        push: int64, shape (n,).
        pull: int64, shape (n,).
        wall: what the walls have in common.
        pinning: law of the barriers.
        torque_spread: device-to-device relative standard deviation.
        pushing: a push.
        pulling: a pull.
        event: keys the noise.
        seed: of the sample.
    """
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        left = push[index] + pull[index]
        if left == 0:
            continue
        barriers = barriers_of(device, pinning, seed)
        torque = torque_of(device, torque_spread, seed)
        q, phi = position[device] * wall.track_length_m, float(angle[device])
        draw, pushed, pulled = 0, 0, 0
        while left > 0:
            is_push = is_push_next(pushed, pulled, push[index], pull[index])
            schedule = pushing if is_push else pulling
            for piece in range(schedule.steps.shape[0]):
                row = schedule.loads[piece]
                load = Load(torque * row[0], torque * row[1], torque * row[2], row[3])
                steps = schedule.steps[piece]
                q, phi = advance(q, phi, steps, schedule.step_s[piece], wall, load, barriers, draw, device, event, seed)
                draw += steps
            pushed += 1 if is_push else 0
            pulled += 0 if is_push else 1
            left -= 1
        # What lies beyond an end is the spring's thermal motion, far below the resolution of any reading.
        position[device] = min(1.0, max(0.0, q / wall.track_length_m))
        angle[device] = phi - 2.0 * math.pi * math.floor(phi / (2.0 * math.pi) + 0.5)
