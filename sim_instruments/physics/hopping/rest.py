"""Hops without a pulse, over times from a nanosecond to ten years.

Each wall's hops are followed one by one, up to a limit, and summed up from there on (`propagator`). Waiting times at
rest are exponential.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.hopping.chain import REST_PURPOSE, bond, hop_rates, settled_site
from sim_instruments.physics.hopping.disorder import Landscape
from sim_instruments.physics.hopping.escape import EscapeTables
from sim_instruments.physics.hopping.propagator import followed_hops, picked, propagator
from sim_instruments.physics.stream import uniform_pair


@nb.njit(parallel=True, error_model="numpy", cache=True)
def rest_walls(
    position: np.ndarray,
    site: np.ndarray,
    ground: Landscape,
    common: tuple[float, float, float],
    forces: tuple[float, float],
    duration_s: float,
    tables: EscapeTables,
    event: int,
    seed: int,
) -> None:
    """Let time pass. Moves the walls.

    Args:
        position: float32, fraction of the track, of all devices.
        site: int32, of all devices.
        ground: the sites.
        common: length of the track (m), mean friction (kg/s), force without a pulse (N).
        forces: force (N) and temperature (K).
        duration_s: how long.
        tables: from `escape_tables`.
        event: number of the event.
        seed: of the sample.
    """
    length_m = common[0]
    for device in nb.prange(position.shape[0]):
        place = ground.place[ground.first[device] : ground.first[device + 1]]
        barrier_k = ground.barrier_k[ground.first[device] : ground.first[device + 1]]
        zeta = common[1] * ground.friction[device]
        start = settled_site(device, position, site, place)
        total = (
            bond(start, place, barrier_k, length_m, zeta, forces[0], forces[1], tables)[0]
            + bond(start - 1, place, barrier_k, length_m, zeta, forces[0], forces[1], tables)[1]
        )
        u, _ = uniform_pair(0, device, event, REST_PURPOSE, seed)
        if not -math.log(u) < total * duration_s:
            continue  # a wall that stays keeps the very place it was put to
        # No rate changes at rest, and a wall that hops at all passes the same bonds again and again.
        up, down = hop_rates(place, barrier_k, length_m, zeta, forces[0], forces[1], tables)
        at, left, hops, limit = start, duration_s, 0, followed_hops(place.shape[0])
        while hops < limit:
            total = up[at] + down[at]
            u, v = uniform_pair(hops, device, event, REST_PURPOSE, seed)
            wait = -math.log(u)
            if not wait < total * left:
                break
            left -= wait / total
            at += 1 if v * total < up[at] else -1
            hops += 1
        if hops == limit:
            u, _ = uniform_pair(hops, device, event, REST_PURPOSE, seed)
            at = picked(propagator(up, down, left)[at], u)
        site[device] = at
        position[device] = place[at]
