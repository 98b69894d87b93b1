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

    A device's number of spacings is the nearest to track length over p, and its spacings are stretched to fill the
    track, so both end stops are sites.
    """
    p = parameters
    gains = np.empty((4, count), np.float32)
    spreads = np.array([p.barrier_dtod, p.spacing_dtod, p.torque_dtod, p.damping_dtod])
    _draw_gains(gains, spreads, seed)
    bonds = np.maximum(2, np.rint(p.track_length_m / (p.site_spacing_m * gains[1]))).astype(np.int64)
    first = np.concatenate(([0], np.cumsum(bonds + 1)))
    place, barrier_k = np.empty(first[-1], np.float32), np.empty(first[-1], np.float32)
    law = weibull_shape(p.barrier_cv) if p.barrier_law == "weibull" and p.barrier_cv else 0.0
    log_sd = math.sqrt(math.log1p(p.barrier_cv**2))
    mean_k = p.barrier_j / BOLTZMANN_J_K
    _draw_sites(place, barrier_k, first, gains[0], mean_k, law, log_sd, p.spacing_cv, seed)
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


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _draw_sites(place, barrier_k, first, barrier_gain, mean_k, weibull, log_sd, spacing_cv, seed) -> None:
    for device in nb.prange(first.shape[0] - 1):
        sites = first[device + 1] - first[device]
        x, barriers = place[first[device] : first[device + 1]], barrier_k[first[device] : first[device + 1]]
        weibull_mean = math.gamma(1.0 + 1.0 / weibull) if weibull > 0.0 else 1.0
        edges = np.empty(sites)
        edges[0] = 0.0
        draw = 0
        for site in range(sites):
            share = 1.0
            if weibull > 0.0:
                u, _ = uniform_pair(site, device, 0, _BARRIER_PURPOSE, seed)
                share = (-math.log(u)) ** (1.0 / weibull) / weibull_mean
            elif log_sd > 0.0:
                z, _ = normal_pair(site, device, 0, _BARRIER_PURPOSE, seed)
                share = math.exp(log_sd * z - 0.5 * log_sd**2)
            barriers[site] = mean_k * barrier_gain[device] * max(share, _SHALLOWEST)
            if site > 0:
                spacing = 1.0
                if spacing_cv > 0.0:
                    shape = 1.0 / spacing_cv**2
                    spacing, draw = gamma(shape, draw, device, 0, _SPACING_PURPOSE, seed)
                    spacing = max(spacing / shape, _CLOSEST)
                edges[site] = edges[site - 1] + spacing
        for site in range(sites):
            x[site] = np.float32(edges[site] / edges[sites - 1])
