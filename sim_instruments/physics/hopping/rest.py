"""Hops without a pulse, over times from a nanosecond to ten years.

Each wall's hops are followed one by one, up to a limit. Whoever has more to do is a wall on low barriers, which may hop
1e15 times before it crosses a high one: from there on its place at the end is drawn in one go, from the exact
distribution exp(G t) of the chain over its sites, where G holds the hop rates. Both are exact, and since the chain
forgets, so is the change from one to the other. Waiting times at rest are exponential.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.hopping.chain import REST_PURPOSE, bond, settled_site
from sim_instruments.physics.hopping.disorder import Landscape
from sim_instruments.physics.hopping.escape import EscapeTables
from sim_instruments.physics.stream import uniform_pair

_FOLLOWED_HOPS = 1000
_TERMS = 12


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
        up, down = np.zeros(place.shape[0]), np.zeros(place.shape[0])
        for k in range(place.shape[0] - 1):
            law = bond(k, place, barrier_k, length_m, zeta, forces[0], forces[1], tables)
            up[k], down[k + 1] = law[0], law[1]
        at, left, hops = start, duration_s, 0
        while hops < _FOLLOWED_HOPS:
            total = up[at] + down[at]
            u, v = uniform_pair(hops, device, event, REST_PURPOSE, seed)
            wait = -math.log(u)
            if not wait < total * left:
                break
            left -= wait / total
            at += 1 if v * total < up[at] else -1
            hops += 1
        if hops == _FOLLOWED_HOPS:
            u, _ = uniform_pair(hops, device, event, REST_PURPOSE, seed)
            at = _picked(propagator(up, down, left)[at], u)
        site[device] = at
        position[device] = place[at]


@nb.njit(error_model="numpy", cache=True)
def propagator(up: np.ndarray, down: np.ndarray, duration: float) -> np.ndarray:
    """Return exp(G t) of a chain of hops to neighbours: row i is the distribution after t from site i.

    A short time by uniformisation (Jensen's series of the powers of a stochastic matrix), then doubled. All terms are
    positive, so a hop of probability 1e-30 a step is as accurate as any; probabilities to stay are what is left to 1.

    Args:
        up: rates to the next site, 1/s; the last is 0.
        down: rates to the site before; the first is 0.
        duration: t, s.
    """
    n = up.shape[0]
    fastest = 0.0
    for i in range(n):
        fastest = max(fastest, up[i] + down[i])
    doublings = max(0, math.ceil(math.log2(fastest * duration)) + 2)
    q = fastest * duration / 2.0**doublings
    once = np.zeros((n, n))
    for i in range(n):
        if i + 1 < n:
            once[i, i + 1] = up[i] / fastest
        if i > 0:
            once[i, i - 1] = down[i] / fastest
        once[i, i] = 1.0 - (up[i] + down[i]) / fastest
    weight = math.exp(-q)
    power = np.eye(n)
    result = weight * power
    for k in range(1, _TERMS):
        power = power @ once
        weight *= q / k
        result += weight * power
    _close(result)
    for _ in range(doublings):
        result = result @ result
        _close(result)
    return result


@nb.njit(cache=True)
def _close(matrix: np.ndarray) -> None:
    """Make rows add up to 1 by their diagonal."""
    for i in range(matrix.shape[0]):
        others = 0.0
        for j in range(matrix.shape[0]):
            if j != i:
                others += matrix[i, j]
        matrix[i, i] = max(0.0, 1.0 - others)


@nb.njit(cache=True)
def _picked(shares: np.ndarray, u: float) -> int:
    mark = u * shares.sum()
    for i in range(shares.shape[0] - 1):
        mark -= shares[i]
        if mark < 0.0:
            return i
    return shares.shape[0] - 1
