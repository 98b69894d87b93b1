"""A wall's hops from site to site, in the order of time, while the drive changes in steps.

Gillespie's method: the waiting time of a site is drawn, in units of its mean, and used up at the rate of the moment; so
a drive that changes on the way needs no other draw. Where barriers are high the waiting time is exponential; where the
drive has flattened them it is a gamma number of the regularity that `escape` tells. Very many hops under one drive are
summed up (`propagator`).

A wall under way over flattened barriers has no site. When the drive lets the barriers rise again the wall falls to the
side on which it is: onward if it has used up its waiting time but for the lead.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping.disorder import Landscape
from sim_instruments.physics.hopping.escape import EscapeTables, crossing
from sim_instruments.physics.hopping.propagator import followed_hops, picked, propagator
from sim_instruments.physics.pulse_order import is_push_next
from sim_instruments.physics.stream import uniform_pair
from sim_instruments.physics.variates import gamma

PULSE_PURPOSE = 4
REST_PURPOSE = 5
PASSAGE_PURPOSE = 6

_FORGETS = 0.99
"""From this irregularity on a waiting time is drawn as exponential."""


@nb.njit(error_model="numpy", cache=True)
def bond(index, place, barrier_k, length_m, friction, force, temperature, tables):
    """Return how a wall crosses the bond after a site, under a constant force. There is none beyond an end stop.

    Args:
        index: of the site before the bond.
        place: the track's sites, fraction of its length.
        barrier_k: the barriers after each site, V0 / k_B.
        length_m: of the track.
        friction: zeta, kg/s.
        force: N.
        temperature: K.
        tables: from `escape_tables`.

    Returns:
        Hop rates forward (from the site before) and backward (from the site after), 1/s; irregularity and lead of the
        waiting time.
    """
    if index < 0 or index >= place.shape[0] - 1:
        return 0.0, 0.0, 1.0, 0.0
    thermal = BOLTZMANN_J_K * temperature
    spacing = length_m * (np.float64(place[index + 1]) - np.float64(place[index]))
    work = force * spacing / thermal
    share, irregularity, lead = crossing(barrier_k[index] / temperature, work, tables)
    rate = share * thermal / (friction * spacing**2)
    return rate * _bernoulli(-work), rate * _bernoulli(work), irregularity, lead


@nb.njit(error_model="numpy", cache=True)
def hop_rates(place, barrier_k, length_m, friction, force, temperature, tables):
    """Return the rates forward and backward from every site of a track, 1/s, with the arguments of `bond`."""
    forward, backward = np.zeros(place.shape[0]), np.zeros(place.shape[0])
    for k in range(place.shape[0] - 1):
        law = bond(k, place, barrier_k, length_m, friction, force, temperature, tables)
        forward[k], backward[k + 1] = law[0], law[1]
    return forward, backward


@nb.njit(error_model="numpy", cache=True)
def _bernoulli(x: float) -> float:
    """Return x / (e^x - 1)."""
    if abs(x) < 1e-8:
        return 1.0 - 0.5 * x
    if x > 0.0:
        return x * math.exp(-x) / -math.expm1(-x)
    return x / math.expm1(x)


@nb.njit(error_model="numpy", cache=True)
def waiting_time(irregularity, draw, device, event, purpose, seed):
    """Return a waiting time over its mean, a uniform number for the direction, and the next unused draw."""
    u, v = uniform_pair(draw, device, event, purpose, seed)
    if irregularity >= _FORGETS:
        return -math.log(u), v, draw + 1
    shape = 1.0 / max(irregularity, 1e-4)
    value, draw = gamma(shape, draw + 1, device, event, purpose, seed)
    return value / shape, v, draw


@nb.njit(error_model="numpy", cache=True)
def follow(site, place, barrier_k, length_m, friction, durations, forces, temperatures, tables, draw, stream):
    """Let a wall hop through pieces of constant force and temperature.

    Args:
        site: where it is.
        place: as in `bond`, like the next three.
        barrier_k: V0 / k_B.
        length_m: of the track.
        friction: kg/s.
        durations: of the pieces, s.
        forces: N.
        temperatures: K.
        tables: from `escape_tables`.
        draw: first unused pair of the stream.
        stream: (device, event, purpose, seed).

    Returns:
        The site in the end and the next unused draw.
    """
    device, event, purpose, seed = stream
    limit = followed_hops(place.shape[0])
    drawn, clock, u, irregularity, lead, heading = 0.0, 0.0, 0.0, 1.0, 0.0, 0
    after, before = (0.0, 0.0, 1.0, 0.0), (0.0, 0.0, 1.0, 0.0)
    for piece in range(durations.shape[0]):
        force, temperature = forces[piece], temperatures[piece]
        was_heading, heading = heading, 1 if force >= 0.0 else -1
        is_onward = u * (after[0] + before[1]) < after[0]
        after = bond(site, place, barrier_k, length_m, friction, force, temperature, tables)
        before = bond(site - 1, place, barrier_k, length_m, friction, force, temperature, tables)
        way = after if heading > 0 else before
        if drawn > 0.0 and (irregularity >= _FORGETS or way[2] >= _FORGETS or heading != was_heading):
            # What forgets may be drawn again by the law of this piece; what was under way falls to its side first.
            if clock < lead * drawn:
                site += 1 if is_onward else -1
                after = bond(site, place, barrier_k, length_m, friction, force, temperature, tables)
                before = bond(site - 1, place, barrier_k, length_m, friction, force, temperature, tables)
                way = after if heading > 0 else before
            drawn = 0.0
        left, hops = durations[piece], 0
        while hops < limit:
            if drawn == 0.0:
                irregularity, lead = way[2], way[3]
                drawn, u, draw = waiting_time(irregularity, draw, device, event, purpose, seed)
                clock = drawn
            total = after[0] + before[1]
            if not clock < total * left:
                clock -= total * left
                break
            left -= clock / total
            drawn, hops = 0.0, hops + 1
            if u * total < after[0]:
                site += 1
                before, after = after, bond(site, place, barrier_k, length_m, friction, force, temperature, tables)
            else:
                site -= 1
                after = before
                before = bond(site - 1, place, barrier_k, length_m, friction, force, temperature, tables)
            way = after if heading > 0 else before
        if hops == limit:
            forward, backward = hop_rates(place, barrier_k, length_m, friction, force, temperature, tables)
            v, _ = uniform_pair(draw, device, event, purpose, seed)
            draw += 1
            site = picked(propagator(forward, backward, left)[site], v)
            irregularity = 1.0
    if drawn > 0.0 and clock < lead * drawn:
        site += 1 if u * (after[0] + before[1]) < after[0] else -1
    return site, draw


@nb.njit(cache=True)
def nearest_site(position, place):
    """Return the site nearest to a position; of two equally near the later one."""
    after = np.searchsorted(place, position)
    if after == 0:
        return 0
    if after == place.shape[0] or position - place[after - 1] < place[after] - position:
        return after - 1
    return after


@nb.njit(cache=True)
def settled_site(device, position, site, place):
    """Return a wall's site: the one it hopped to, or the nearest one if the wall was put elsewhere since."""
    known = site[device]
    if 0 <= known < place.shape[0] and place[known] == position[device]:
        return known
    return nearest_site(position[device], place)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def pulse_walls(
    position: np.ndarray,
    site: np.ndarray,
    devices: np.ndarray,
    push: np.ndarray,
    pull: np.ndarray,
    ground: Landscape,
    common: tuple[float, float, float],
    push_pieces: tuple[np.ndarray, np.ndarray, np.ndarray],
    pull_pieces: tuple[np.ndarray, np.ndarray, np.ndarray],
    tables: EscapeTables,
    event: int,
    seed: int,
) -> None:
    """Apply one event's pulses. Moves the walls.

    Args:
        position: float32, fraction of the track, of all devices.
        site: int32, of all devices.
        devices: which devices, shape (n,).
        push: pushes, shape (n,).
        pull: pulls, shape (n,).
        ground: the sites.
        common: length of the track (m), mean friction (kg/s), force without a pulse (N).
        push_pieces: durations (s), forces of the current on a mean device (N) and temperatures (K) of a push.
        pull_pieces: the same of a pull.
        tables: from `escape_tables`.
        event: number of the event.
        seed: of the sample.
    """
    length_m, friction, stray_n = common
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        if push[index] == 0 and pull[index] == 0:
            continue
        place = ground.place[ground.first[device] : ground.first[device + 1]]
        barrier_k = ground.barrier_k[ground.first[device] : ground.first[device + 1]]
        push_forces = stray_n + ground.torque[device] * push_pieces[1]
        pull_forces = stray_n + ground.torque[device] * pull_pieces[1]
        zeta = friction * ground.friction[device]
        stream = (device, event, PULSE_PURPOSE, seed)
        at = settled_site(device, position, site, place)
        draw, pushed, pulled = 0, 0, 0
        for _ in range(push[index] + pull[index]):
            if is_push_next(pushed, pulled, push[index], pull[index]):
                pushed += 1
                durations, forces, temperatures = push_pieces[0], push_forces, push_pieces[2]
            else:
                pulled += 1
                durations, forces, temperatures = pull_pieces[0], pull_forces, pull_pieces[2]
            at, draw = follow(
                at, place, barrier_k, length_m, zeta, durations, forces, temperatures, tables, draw, stream
            )
        site[device] = at
        position[device] = place[at]


@nb.njit(parallel=True, cache=True)
def settle_walls(position: np.ndarray, site: np.ndarray, ground: Landscape) -> None:
    """Put every wall on its site. Moves the walls."""
    for device in nb.prange(position.shape[0]):
        place = ground.place[ground.first[device] : ground.first[device + 1]]
        at = settled_site(device, position, site, place)
        site[device] = at
        position[device] = place[at]
