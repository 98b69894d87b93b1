"""Retention: walls that hop by themselves while nothing drives them.

Hops of one wall are a Poisson process of rate 1/tau, so a rest of any length is drawn at once:

    rarely a hop anywhere     nothing is drawn until one hop in the whole sample is likelier than 1 in 1000; the time
                              is kept account of, not lost
    few hops                  their number in the whole sample is Poisson; each goes to a wall at random, one by one
    some hops per wall        difference of two Poisson numbers for each wall
    many hops per wall        the normal law of the same mean and variance

In a well (see `RetentionParameters`) mean and variance are those of the Ornstein-Uhlenbeck process,

    m = (preferred - x) (1 - exp(-k t)),    s^2 = spread^2 (1 - exp(-2 k t)),    k = hop^2 / (2 tau spread^2)

so a long rest and many short ones agree. The ends throw walls back.

The time that one of n walls has hopped with probability P by is t = tau (-ln(1 - P)) / n, from which the barrier that a
retention time needs: Delta = ln(t / (tau0 (-ln(1 - P) / n))).
"""

import math
from typing import final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.ageing.hops import folded
from sim_instruments.ageing.parameters import RetentionParameters
from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words
from sim_instruments.physics.stream import uniform_pair
from sim_instruments.physics.variates import poisson

_NUMBER_PURPOSE = 22
_WALL_PURPOSE = 23

_VISIBLE_HOPS = 1e-3
_FEW_HOPS = 1 / 32
_MANY_HOPS = 100.0


@final
class Retention:
    """Thermal hops of the walls of one sample.

    Args:
        parameters: barriers and hops.
        track_length_m: length of the tracks.
        count: devices.
        seed: of the sample.
    """

    def __init__(self, parameters: RetentionParameters, track_length_m: float, count: int, seed: int) -> None:
        self._rate_hz = parameters.hop_rate_hz
        self._hop = parameters.hop_length_m / track_length_m
        self._count = count
        self._seed = seed
        self._preferred = 0.0 if parameters.preferred_position is None else parameters.preferred_position
        spread = parameters.preferred_spread
        self._pull_per_hop = 0.0 if spread is None else self._hop**2 / (2 * spread**2)
        """Mean displacement by one hop over the distance from the preferred position."""

    def is_visible(self, duration_s: float) -> bool:
        """Return whether after such a rest a hop anywhere is likelier than 1 in 1000."""
        return self._rate_hz * duration_s * self._count >= _VISIBLE_HOPS

    def rest(self, position: NDArray[np.float32], duration_s: float, event: int) -> None:
        """Let the walls rest. Moves the walls.

        Args:
            position: float32, shape (devices,), changed in place.
            duration_s: how long.
            event: keys the random numbers.
        """
        hops = self._rate_hz * duration_s
        if hops < _FEW_HOPS:
            _hop_one_by_one(
                position, hops * self._count, self._hop, self._preferred, self._pull_per_hop, event, self._seed
            )
            return
        decay = self._pull_per_hop * hops
        drawn_in = -math.expm1(-decay)
        spent = -math.expm1(-2 * decay) / (2 * self._pull_per_hop) if decay > 0 else hops
        if spent < _MANY_HOPS:
            _hop_each(position, spent, drawn_in, self._hop, self._preferred, event, self._seed)
        else:
            _diffuse(position, self._hop * math.sqrt(spent), drawn_in, self._preferred, event, self._seed)


@nb.njit(cache=True)
def _hop_one_by_one(position, mean_hops, hop, preferred, pull_per_hop, event, seed):
    hops, _ = poisson(mean_hops, 0, 0, event, _NUMBER_PURPOSE, seed)
    for index in range(int(hops)):
        u, v = uniform_pair(index, 1, event, _NUMBER_PURPOSE, seed)
        device = int(u * position.shape[0])
        x = float(position[device])
        lean = pull_per_hop * (preferred - x) / hop
        x += hop if v < 0.5 * (1.0 + lean) else -hop
        position[device] = np.float32(folded(x))


@nb.njit(parallel=True, cache=True)
def _hop_each(position, hops, drawn_in, hop, preferred, event, seed):
    for device in nb.prange(position.shape[0]):
        x = float(position[device])
        lean = drawn_in * (preferred - x) / hop
        # Mean and variance of the difference are those of the process; a strong pull leaves hops one way only.
        upward, draw = poisson(max(0.0, lean, 0.5 * (hops + lean)), 0, device, event, _WALL_PURPOSE, seed)
        downward, _ = poisson(max(0.0, -lean, 0.5 * (hops - lean)), draw, device, event, _WALL_PURPOSE, seed)
        if upward != downward:
            position[device] = np.float32(folded(x + hop * (upward - downward)))


@nb.njit(parallel=True, cache=True)
def _diffuse(position, spread, drawn_in, preferred, event, seed):
    count = position.shape[0]
    for block in nb.prange((count + BLOCK - 1) // BLOCK):
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, block, event, _WALL_PURPOSE, seed)
        fill_normals(normals, words)
        z = normals.ravel()
        for i in range(min(BLOCK, count - block * BLOCK)):
            x = float(position[block * BLOCK + i])
            x += drawn_in * (preferred - x) + spread * float(z[i])
            position[block * BLOCK + i] = np.float32(folded(x))
