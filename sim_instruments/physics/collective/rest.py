"""Hops between pinning sites without a pulse, over times that no integration reaches.

A wall in a well of its track leaves it over the barrier on either side at Langer's rate (J. S. Langer, Annals of
Physics 54, 258 (1969)), the generalisation of Kramers' to more than one coordinate:

    r = (lambda / 2 pi) sqrt(k_well / k_top) exp(-E_b / k T)

lambda is the rate at which the wall at the top of the barrier runs away from it by the equations of motion, and k are
second derivatives of the energy by position; those by the angle are the same in well and top and cancel. In a force F
along the track (the field along the easy axis), with f = F p / (pi V),

    E_b = V (sqrt(1 - f^2) - f arccos f) forwards, and F p more backwards,

so hops forth and back are in the ratio exp(F p / k T). The first and the last well have a stiff spring on one side.

The rate holds for barriers well above k T, and for a damping not so small that a wall swings many times before it
forgets its energy. It is right to some tens of per cent; what a barrier's own uncertainty does to a rate is more.
"""

import math
from typing import NamedTuple

import numba as nb
import numpy as np

from sim_instruments.physics.collective.kernel import Pinning, barriers_of
from sim_instruments.physics.collective.terms import Wall
from sim_instruments.physics.constants import BOLTZMANN_J_K, GYROMAGNETIC_M_A_S
from sim_instruments.physics.hopping.rest import propagator
from sim_instruments.physics.stream import uniform_pair

REST_PURPOSE = 33
"""Purpose of the random numbers of hops at rest."""

_G0 = GYROMAGNETIC_M_A_S


class Stillness(NamedTuple):
    """What decides on hops at rest, beside wall and pinning."""

    temperature_k: float
    angle_stiffness_j: float
    """Second derivative of the energy by the angle, where it rests."""


@nb.njit(error_model="numpy", cache=True)
def escape_rate_1_s(wall: Wall, top_stiffness_n_m: float, angle_stiffness_j: float) -> float:
    """Return lambda, the rate at which a wall runs away from the top of a barrier, 1/s.

    The positive eigenvalue of the linearised motion about a maximum by q and a minimum by phi.

    Args:
        wall: damping, width and force per field.
        top_stiffness_n_m: minus the second derivative of the energy by the position, above 0.
        angle_stiffness_j: the second derivative by the angle, above 0.
    """
    a = wall.damping
    spring, twist = -top_stiffness_n_m * wall.width_m, angle_stiffness_j / wall.width_m
    decay = a * (spring + twist)
    root = math.sqrt(decay * decay - 4.0 * (1.0 + a * a) * spring * twist)
    return 0.5 * _G0 / wall.force_per_field_n_m_a / (1.0 + a * a) * (root - decay)


@nb.njit(error_model="numpy", cache=True)
def hop_rates(wall: Wall, barriers: np.ndarray, stillness: Stillness) -> tuple[np.ndarray, np.ndarray]:
    """Return the rates of hops to the next well and to the one before, 1/s, shape (wells,) each.

    Well i lies between barriers i - 1 and i; there is one well more than barriers. A barrier that the force has pulled
    flat counts as none: the wall leaves at lambda of a barrier nearly so.

    Args:
        wall: constants.
        barriers: heights V_j, J.
        stillness: temperature and angle.
    """
    wells = barriers.shape[0] + 1
    up, down = np.zeros(wells), np.zeros(wells)
    kt = BOLTZMANN_J_K * stillness.temperature_k
    wave = math.pi / wall.pinning_period_m
    tilt = wall.polarity * wall.field_z_a_m * wall.force_per_field_n_m_a
    for i in range(wells - 1):
        f = min(0.99, max(-0.99, tilt / (wave * barriers[i])))
        flattened = math.sqrt(1.0 - f * f)
        stiffness = 2.0 * barriers[i] * wave * wave * flattened
        attempt = escape_rate_1_s(wall, stiffness, stillness.angle_stiffness_j) / (2.0 * math.pi)
        height = barriers[i] * (flattened - f * math.acos(f))
        back = tilt * wall.pinning_period_m
        up[i] = attempt * _narrowness(i, barriers, wall, stiffness) * math.exp(-height / kt)
        down[i + 1] = attempt * _narrowness(i + 1, barriers, wall, stiffness) * math.exp(-(height + back) / kt)
    return up, down


@nb.njit(error_model="numpy", cache=True)
def _narrowness(well: int, barriers: np.ndarray, wall: Wall, top: float) -> float:
    """Return sqrt(k_well / k_top): each half of the well counts with a stiffness of its own."""
    wave = math.pi / wall.pinning_period_m
    left = 2.0 * barriers[well - 1] * wave * wave if well > 0 else wall.end_stiffness_n_m
    right = 2.0 * barriers[well] * wave * wave if well < barriers.shape[0] else wall.end_stiffness_n_m
    return 2.0 / (math.sqrt(top / left) + math.sqrt(top / right))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def rest_walls(
    position: np.ndarray,
    wall: Wall,
    pinning: Pinning,
    stillness: Stillness,
    duration_s: float,
    event: int,
    seed: int,
) -> None:
    """Let time pass: walls hop from well to well, the others stay where they are. Moves the walls.

    The first hop is drawn by its waiting time, the well at the end from the exact distribution after it.

    Args:
        position: float32, fraction of the track, of all devices.
        wall: constants.
        pinning: law of the barriers.
        stillness: temperature and angle.
        duration_s: how long.
        event: keys the random numbers.
        seed: of the sample.
    """
    for device in nb.prange(position.shape[0]):
        barriers = barriers_of(device, pinning, seed)
        up, down = hop_rates(wall, barriers, stillness)
        start = int(position[device] * pinning.periods + 0.5)
        total = up[start] + down[start]
        u, side = uniform_pair(0, device, event, REST_PURPOSE, seed)
        wait = -math.log(u)
        if not wait < total * duration_s:
            continue
        first = start + (1 if side * total < up[start] else -1)
        u, _ = uniform_pair(1, device, event, REST_PURPOSE, seed)
        end = first
        left = duration_s - wait / total
        if left > 0.0:
            row = propagator(up, down, left)[first]
            end = np.searchsorted(np.cumsum(row), u * row.sum())
        if end != start:
            position[device] = min(pinning.periods, end) / pinning.periods
