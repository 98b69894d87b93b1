"""Brute force: the overdamped Langevin equation of a wall in a tilted washboard, step by step.

It knows nothing of sites, rates and hops, so it is what the chain and the closed forms are checked against. Reduced
units as in `washboard`: lengths in p, energies in kT, times in zeta p^2 / kT. There

    dx/dt = a - pi g sin(2 pi x) + sqrt(2) xi(t)

and steps follow Heun's scheme, whose error in the drift is of second order; the noise does not depend on x, so the
rules of Ito and Stratonovich agree. A step of 0.1 / (2 pi^2 g), a tenth of the relaxation time of a well, leaves errors
below 1 %. Without a washboard a step is exact, whatever its length.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.stream import normal_pair, uniform_pair

_PATH_PURPOSE = 7
_PASSAGE_PURPOSE = 8


def stable_step(barrier_kt: float) -> float:
    """Return the time step for a barrier, a tenth of the relaxation time at the bottom of a well."""
    return 0.1 / (2 * math.pi**2 * barrier_kt)


def endpoints(
    barrier_kt: float,
    work_kt: float,
    duration: float,
    start: NDArray[np.float64],
    *,
    steps: int | None = None,
    track: float = math.inf,
    seed: int = 1,
) -> NDArray[np.float64]:
    """Return where walls are after a time, in spacings.

    Args:
        barrier_kt: g; 0 for a flat track.
        work_kt: a.
        duration: in units of zeta p^2 / kT.
        start: positions at the beginning, in spacings.
        steps: how many; None takes `stable_step`.
        track: length of the track in spacings: walls are reflected at 0 and there. Infinite: no ends, not at 0 either.
        seed: of the noise.
    """
    if steps is None:
        steps = math.ceil(duration / stable_step(barrier_kt))
    positions = start.astype(np.float64)
    _advance(positions, barrier_kt, work_kt, duration / steps, steps, track, seed)
    return positions


def passage_times(
    barrier_kt: float, work_kt: float, length: float, count: int, *, step: float, seed: int = 1
) -> NDArray[np.float64]:
    """Return when walls that start from 0 first reach a place, in units of zeta p^2 / kT: shape (count,).

    A path that is short of the goal before and after a step may have been there in between: this has the probability
    exp(-d1 d2 / dt) of a Brownian bridge, with d1 and d2 the distances in the two moments.

    Args:
        barrier_kt: g; 0 for a flat track.
        work_kt: a, above 0.
        length: of the way, in spacings.
        count: number of walls.
        step: time step.
        seed: of the noise.
    """
    times = np.empty(count)
    _pass(times, barrier_kt, work_kt, length, step, seed)
    return times


@nb.njit(inline="always", error_model="numpy", cache=True)
def _heun(x: float, kick: float, ripple: float, work_kt: float, step: float) -> float:
    drift = work_kt - ripple * math.sin(2.0 * math.pi * x)
    predicted = x + drift * step + kick
    return x + 0.5 * step * (drift + work_kt - ripple * math.sin(2.0 * math.pi * predicted)) + kick


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _advance(positions, barrier_kt, work_kt, step, steps, track, seed) -> None:
    ripple, kick = math.pi * barrier_kt, math.sqrt(2.0 * step)
    for wall in nb.prange(positions.shape[0]):
        x = positions[wall]
        for pair in range((steps + 1) // 2):
            z = normal_pair(pair, wall, 0, _PATH_PURPOSE, seed)
            for half in range(min(2, steps - 2 * pair)):
                x = _heun(x, kick * z[half], ripple, work_kt, step)
                if track < math.inf:
                    # Folded as often as needed: a long step may meet both ends.
                    x = abs(x) % (2.0 * track)
                    x = 2.0 * track - x if x > track else x
        positions[wall] = x


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _pass(times, barrier_kt, work_kt, length, step, seed) -> None:
    ripple, kick = math.pi * barrier_kt, math.sqrt(2.0 * step)
    for wall in nb.prange(times.shape[0]):
        x, count = 0.0, 0
        while True:
            z, _ = normal_pair(count, wall, 0, _PASSAGE_PURPOSE, seed)
            u, when = uniform_pair(count, wall, 1, _PASSAGE_PURPOSE, seed)
            ahead = _heun(x, kick * z, ripple, work_kt, step)
            if ahead >= length or u < math.exp(-(length - x) * (length - ahead) / step):
                times[wall] = (count + when) * step
                break
            x = ahead
            count += 1
