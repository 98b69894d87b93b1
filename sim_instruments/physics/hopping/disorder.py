"""Where the pinning sites of every device are, and how high the barriers between them: drawn once, for good.

Everything is a function of (seed, device, site), so it is the same after every restart and needs no file. A wall that
is pushed forth and pulled back therefore meets the same sites again: return-point memory is not put in, it follows.
"""

import math
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.stream import normal_pair, uniform_pair
from sim_instruments.physics.variates import gamma

_DEVICE_PURPOSE = 1
_BARRIER_PURPOSE = 2
_SPACING_PURPOSE = 3

_FARTHEST = 4.0
_CLOSEST = 0.02
_SHALLOWEST = 0.02
"""Least spacing and barrier over their means: a site on top of another one is the same site."""


class Landscape(NamedTuple):
    """Sites of all devices, one device after another: about 8 bytes a site."""

    first: NDArray[np.int64]
    """Shape (devices + 1,): index of each device's first site in the arrays below."""
    place: NDArray[np.float32]
    """Of the site, fraction of the track: 0 for a device's first site, 1 for its last."""
    barrier_k: NDArray[np.float32]
    """To the next site, V0 / k_B. Of a device's last site: without meaning."""
    torque: NDArray[np.float32]
    """Shape (devices,): force per volt over its mean."""
    friction: NDArray[np.float32]
    """Shape (devices,): zeta over its mean."""


def landscape(count: int, seed: int, parameters: HoppingParameters) -> Landscape:
    """Return the sites of all devices.

    From the first end stop on sites follow at their random spacings. The other end stop is a site, too, in place of all
    that would lie beyond it or less than half a spacing before it.
    """
    p = parameters
    gains = np.empty((4, count), np.float32)
    spreads = np.array([p.barrier_dtod, p.spacing_dtod, p.torque_dtod, p.damping_dtod])
    _draw_gains(gains, spreads, seed)
    spacings_m = p.site_spacing_m * gains[1].astype(np.float64)
    sites = np.empty(count, np.int64)
    _count_sites(sites, spacings_m / p.track_length_m, p.spacing_cv, seed)
    first = np.concatenate(([0], np.cumsum(sites)))
    place, barrier_k = np.empty(first[-1], np.float32), np.empty(first[-1], np.float32)
    law = weibull_shape(p.barrier_cv) if p.barrier_law == "weibull" and p.barrier_cv else 0.0
    log_sd = math.sqrt(math.log1p(p.barrier_cv**2))
    mean_k = p.barrier_j / BOLTZMANN_J_K
    _place_sites(place, first, spacings_m / p.track_length_m, p.spacing_cv, seed)
    _draw_barriers(barrier_k, first, gains[0], mean_k, law, log_sd, seed)
    return Landscape(first=first, place=place, barrier_k=barrier_k, torque=gains[2], friction=gains[3])


def weibull_shape(cv: float) -> float:
    """Return the shape of the Weibull law with this coefficient of variation, 0 < cv <= 1."""
    low, high = 1.0, 2.0 / cv
    for _ in range(60):
        middle = 0.5 * (low + high)
        log_ratio = math.lgamma(1 + 2 / middle) - 2 * math.lgamma(1 + 1 / middle)
        low, high = (middle, high) if math.expm1(log_ratio) > cv**2 else (low, middle)
    return 0.5 * (low + high)


@nb.njit(parallel=True, cache=True)
def _draw_gains(gains: np.ndarray, spreads: np.ndarray, seed: int) -> None:
    for device in nb.prange(gains.shape[1]):
        for pair in range(2):
            z = normal_pair(pair, device, 0, _DEVICE_PURPOSE, seed)
            for half in range(2):
                bounded = min(_FARTHEST, max(-_FARTHEST, z[half]))
                gains[2 * pair + half, device] = np.float32(1.0 + spreads[2 * pair + half] * bounded)


@nb.njit(error_model="numpy", cache=True)
def _next_place(place: float, spacing: float, cv: float, draw: int, device: int, seed: int) -> tuple[float, int]:
    """Return the place of the site after one, fraction of the track, and the next unused draw."""
    share = 1.0
    if cv > 0.0:
        value, draw = gamma(1.0 / cv**2, draw, device, 0, _SPACING_PURPOSE, seed)
        share = max(value * cv**2, _CLOSEST)
    return place + share * spacing, draw


@nb.njit(parallel=True, cache=True)
def _count_sites(sites: np.ndarray, spacings: np.ndarray, cv: float, seed: int) -> None:
    for device in nb.prange(sites.shape[0]):
        place, draw, count = 0.0, 0, 1
        while place <= 1.0 - 0.5 * spacings[device]:
            place, draw = _next_place(place, spacings[device], cv, draw, device, seed)
            count += 1
        sites[device] = count


@nb.njit(parallel=True, cache=True)
def _place_sites(places: np.ndarray, first: np.ndarray, spacings: np.ndarray, cv: float, seed: int) -> None:
    for device in nb.prange(spacings.shape[0]):
        place, draw = 0.0, 0
        for index in range(first[device], first[device + 1]):
            places[index] = np.float32(place)
            place, draw = _next_place(place, spacings[device], cv, draw, device, seed)
        places[first[device + 1] - 1] = np.float32(1.0)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _draw_barriers(barrier_k, first, gain, mean_k, weibull, log_sd, seed) -> None:
    for device in nb.prange(gain.shape[0]):
        weibull_mean = math.gamma(1.0 + 1.0 / weibull) if weibull > 0.0 else 1.0
        for index in range(first[device], first[device + 1]):
            share, draw = 1.0, index - first[device]
            if weibull > 0.0:
                u, _ = uniform_pair(draw, device, 0, _BARRIER_PURPOSE, seed)
                share = (-math.log(u)) ** (1.0 / weibull) / weibull_mean
            elif log_sd > 0.0:
                z, _ = normal_pair(draw, device, 0, _BARRIER_PURPOSE, seed)
                share = math.exp(log_sd * z - 0.5 * log_sd**2)
            barrier_k[index] = mean_k * gain[device] * max(share, _SHALLOWEST)
