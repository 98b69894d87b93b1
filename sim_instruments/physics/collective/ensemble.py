"""Many equal walls under a constant load, and one wall's path for a figure."""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.collective.equations import advance
from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.collective.time_step import check_time_step

NO_BARRIERS = np.zeros(0)


def evolve(
    position_m: NDArray[np.float64],
    angle_rad: NDArray[np.float64],
    wall: Wall,
    load: Load,
    duration_s: float,
    time_step_s: float,
    *,
    barriers_j: NDArray[np.float64] = NO_BARRIERS,
    seed: int = 0,
    event: int = 0,
    first_draw: int = 0,
) -> int:
    """Let time pass for many walls. Moves the walls.

    Args:
        position_m: q, shape (walls,), overwritten.
        angle_rad: phi, shape (walls,), overwritten; not wrapped, so that turns can be counted.
        wall: what the walls have in common.
        load: what acts on them.
        duration_s: cut into equal steps of at most `time_step_s`.
        time_step_s: dt.
        barriers_j: pinning barriers V_j that all walls meet.
        seed: of the thermal noise.
        event: keys the noise; wall i takes the stream of device i.
        first_draw: number of the streams' first unused pair.

    Returns:
        The next unused draw.

    Raises:
        ValueError: the step is too long for the wall's fastest motion.
    """
    check_time_step(time_step_s, wall, load, float(np.max(barriers_j, initial=0.0)))
    steps = max(1, math.ceil(duration_s / time_step_s * (1 - 1e-12)))
    _evolve(position_m, angle_rad, wall, load, steps, duration_s / steps, barriers_j, first_draw, event, seed)
    return first_draw + steps


def trajectory(
    times_s: NDArray[np.float64],
    wall: Wall,
    load: Load,
    time_step_s: float,
    *,
    position_m: float = 0.0,
    angle_rad: float = 0.0,
    barriers_j: NDArray[np.float64] = NO_BARRIERS,
    seed: int = 0,
    event: int = 0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return q, m, and phi, rad, of one wall at given times. The angle is not wrapped.

    Args:
        times_s: not negative, ascending; shape (times,).
        wall: constants.
        load: what acts from time 0 on.
        time_step_s: longest step; each interval is cut into equal ones.
        position_m: at time 0.
        angle_rad: at time 0.
        barriers_j: pinning barriers V_j.
        seed: of the thermal noise.
        event: keys the noise; the wall takes the stream of device 0.

    Raises:
        ValueError: the step is too long for the wall's fastest motion.
    """
    check_time_step(time_step_s, wall, load, float(np.max(barriers_j, initial=0.0)))
    intervals = np.diff(times_s, prepend=0.0)
    steps = np.ceil(intervals / time_step_s * (1 - 1e-12)).astype(np.int64)
    path_q, path_phi = np.empty(len(times_s)), np.empty(len(times_s))
    _follow(path_q, path_phi, position_m, angle_rad, wall, load, steps, intervals, barriers_j, event, seed)
    return path_q, path_phi


def step_error(
    wall: Wall,
    load: Load,
    duration_s: float,
    time_step_s: float,
    *,
    position_m: float = 0.0,
    angle_rad: float = 0.0,
    barriers_j: NDArray[np.float64] = NO_BARRIERS,
) -> tuple[float, float]:
    """Return by how much position, m, and angle, rad, change when the step is halved, without noise.

    The error that is left with the halved step is about a third of it.
    """
    cold = load._replace(noise_a2_s_m2=0.0)
    q, phi = np.full((2, 1), position_m), np.full((2, 1), angle_rad)
    for i in range(2):
        evolve(q[i], phi[i], wall, cold, duration_s, time_step_s / (i + 1), barriers_j=barriers_j)
    return float(q[1, 0] - q[0, 0]), float(phi[1, 0] - phi[0, 0])


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _evolve(position, angle, wall, load, steps, step_s, barriers, draw, event, seed):
    for i in nb.prange(position.shape[0]):
        position[i], angle[i] = advance(
            position[i], angle[i], steps, step_s, wall, load, barriers, draw, i, event, seed
        )


@nb.njit(error_model="numpy", cache=True)
def _follow(path_q, path_phi, q, phi, wall, load, steps, intervals, barriers, event, seed):
    draw = 0
    for i in range(steps.shape[0]):
        if steps[i] > 0:
            q, phi = advance(q, phi, steps[i], intervals[i] / steps[i], wall, load, barriers, draw, 0, event, seed)
            draw += steps[i]
        path_q[i], path_phi[i] = q, phi
