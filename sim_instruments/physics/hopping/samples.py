"""Samples of the two distributions that an experiment on hopping walls measures, over many devices of one kind."""

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.hopping.chain import PASSAGE_PURPOSE, bond, nearest_site, waiting_time
from sim_instruments.physics.hopping.disorder import Landscape, landscape
from sim_instruments.physics.hopping.escape import EscapeTables, escape_tables
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.walls import HoppingWalls
from sim_instruments.physics.walls import Drive


def pulse_displacements(
    parameters: HoppingParameters,
    amplitude_v: float,
    width_s: float,
    count: int,
    *,
    seed: int = 1,
    pulses: int = 1,
    start: float = 0.5,
) -> NDArray[np.float64]:
    """Return how far a burst of pulses moves each of many walls, m: shape (count,), one device each.

    Args:
        parameters: the tracks; each device has its own sites.
        amplitude_v: positive pushes, negative pulls.
        width_s: of a pulse.
        count: number of walls.
        seed: of everything random.
        pulses: in the burst.
        start: fraction of the track; each wall starts from the site nearest to it.
    """
    state = {kept.name: np.full(count, kept.initial, kept.dtype) for kept in HoppingWalls.kept(parameters)}
    state["position"][:] = start
    walls = HoppingWalls(count, seed, parameters, state)
    walls.settle()
    before = walls.position.astype(np.float64)
    is_push = amplitude_v > 0
    drive = Drive(
        push_amplitude_v=max(amplitude_v, 0.0),
        push_width_s=width_s if is_push else 0.0,
        pull_amplitude_v=max(-amplitude_v, 0.0),
        pull_width_s=0.0 if is_push else width_s,
    )
    push = np.full(count, pulses if is_push else 0, np.int64)
    walls.pulse_selected(np.arange(count, dtype=np.uint32), push, pulses - push, drive, event=1)
    return (walls.position - before) * parameters.track_length_m


def first_passage_times(
    parameters: HoppingParameters,
    voltage_v: float,
    sites: int,
    count: int,
    *,
    seed: int = 1,
    longest_s: float = np.inf,
    start: float = 0.5,
) -> NDArray[np.float64]:
    """Return when each of many walls under a constant voltage is first this many sites further, s: shape (count,).

    The step of a voltage without edges or heating. Infinite for a wall that was not there before `longest_s`, and for
    one that would have to pass an end stop: a censored observation.

    Args:
        parameters: the tracks; each device has its own sites.
        voltage_v: positive pushes, and the passage is forward; negative pulls, and it is backward.
        sites: how many, 1 or more.
        count: number of walls.
        seed: of everything random.
        longest_s: when to stop waiting.
        start: fraction of the track; each wall starts from the site nearest to it.
    """
    ground = landscape(count, seed, parameters)
    times = np.empty(count)
    common = (
        parameters.track_length_m,
        parameters.friction_kg_s,
        parameters.stray_force_n,
        parameters.force_per_volt_n_v * voltage_v,
        parameters.pulse_line.temperature_k,
    )
    goal = sites if voltage_v > 0 else -sites
    _pass_sites(times, ground, common, goal, longest_s, start, escape_tables(), seed)
    return times


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _pass_sites(
    times: np.ndarray,
    ground: Landscape,
    common: tuple[float, float, float, float, float],
    goal: int,
    longest_s: float,
    start: float,
    tables: EscapeTables,
    seed: int,
) -> None:
    length_m, friction, stray_n, drive_n, temperature = common
    for device in nb.prange(times.shape[0]):
        place = ground.place[ground.first[device] : ground.first[device + 1]]
        barrier_k = ground.barrier_k[ground.first[device] : ground.first[device + 1]]
        zeta, force = friction * ground.friction[device], stray_n + ground.torque[device] * drive_n
        site = nearest_site(start, place)
        end, time, draw = site + goal, 0.0, 0
        while site != end and time < longest_s and 0 <= end < place.shape[0]:
            after = bond(site, place, barrier_k, length_m, zeta, force, temperature, tables)
            before = bond(site - 1, place, barrier_k, length_m, zeta, force, temperature, tables)
            irregularity = after[2] if force > 0.0 else before[2]
            waiting, u, draw = waiting_time(irregularity, draw, device, 0, PASSAGE_PURPOSE, seed)
            total = after[0] + before[1]
            time += waiting / total
            site += 1 if u * total < after[0] else -1
        times[device] = time if site == end and time <= longest_s else np.inf
