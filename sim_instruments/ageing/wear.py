"""Endurance wear: devices that took many pulses are slower and noisier.

How many pulses a device took is kept in one byte by a counter that counts by chance (Morris): from count c to c + 1 it
takes a geometric number of pulses of mean (9/8)^c, and c stands for 8 ((9/8)^c - 1) pulses. That estimate is unbiased
and has a relative standard deviation of at most 1/4, as if devices differed by so much in what they endure; c = 255
stands for 9e13 pulses, where counting ends. Pulses are added in any portions, with the same law.

Source: R. Morris, "Counting large numbers of events in small registers", Comm. ACM 21, 840 (1978); P. Flajolet,
"Approximate counting: a detailed analysis", BIT 25, 113 (1985).

A worn device makes the share g of the way that the pulses would have made, and gets noise of its own such that the
variance is g times the growth of the Fano length, f, times what it was. For that added noise all devices count as
average ones in the middle of their tracks.
"""

import math
from typing import Any, Final, final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.ageing.hops import stopped
from sim_instruments.ageing.parameters import WearParameters
from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words
from sim_instruments.physics.stream import normal_pair, uniform_pair

_COUNT_PURPOSE = 25
_NOISE_PURPOSE = 26

_BASE: Final = 8.0
_TOP: Final = 255

ESTIMATE: Final = _BASE * np.expm1(np.arange(256) * math.log1p(1 / _BASE))
"""Pulses that each count stands for, shape (256,)."""

_LOG_MISS: Final = np.array([-np.inf, *np.log1p(-np.exp(-np.arange(1, 256) * math.log1p(1 / _BASE)))])
"""Logarithm of the probability that a pulse leaves a count as it is, shape (256,)."""


@final
class Wear:
    """Pulse counters of the devices of one sample, and what they do to displacements.

    Args:
        parameters: how devices wear.
        counts: uint8, shape (devices,), the array of `WEAR_COUNT`.
        seed: of the sample.
    """

    def __init__(self, parameters: WearParameters, counts: NDArray[Any], seed: int) -> None:
        self.counts = counts
        self._seed = seed
        gain = np.array([parameters.velocity_gain(pulses) for pulses in ESTIMATE])
        fano = np.array([parameters.fano_gain(pulses) for pulses in ESTIMATE])
        self._gain = gain.astype(np.float32)
        self._added = np.sqrt(np.maximum(0.0, gain * fano - gain**2)).astype(np.float32)

    def pulses(self, device: int) -> float:
        """Return about how many pulses a device took."""
        return float(ESTIMATE[self.counts[device]])

    def wear_range(
        self,
        position: NDArray[np.float32],
        before: NDArray[np.float32],
        first: int,
        push: NDArray[np.uint8],
        pull: NDArray[np.uint8],
        variances: tuple[float, float],
        event: int,
    ) -> None:
        """Make what pulses did that of worn devices, and count the pulses. Moves the walls.

        Args:
            position: float32, shape (devices,), after pulses that took the devices as fresh.
            before: float32, shape (n,), before them.
            first: device of `before[0]`.
            push: uint8, shape (n,).
            pull: uint8, shape (n,).
            variances: of the displacement of a fresh device by one push and by one pull, track squared.
            event: keys the random numbers.
        """
        tables = self._gain, self._added, _LOG_MISS
        _wear_range(position, before, self.counts, first, push, pull, *variances, *tables, event, self._seed)

    def wear_selected(
        self,
        position: NDArray[np.float32],
        before: NDArray[np.float32],
        devices: NDArray[np.uint32],
        push: NDArray[np.int64],
        pull: NDArray[np.int64],
        variances: tuple[float, float],
        event: int,
    ) -> None:
        """Do what `wear_range` does for these devices; `before[i]` belongs to `devices[i]`."""
        tables = self._gain, self._added, _LOG_MISS
        _wear_selected(position, before, self.counts, devices, push, pull, *variances, *tables, event, self._seed)


@nb.njit(inline="always", cache=True)
def _worn(x, before, count, z, push, pull, push_variance, pull_variance, gain, added):
    fresh = math.sqrt(push * push_variance + pull * pull_variance)
    return np.float32(stopped(before + gain[count] * (x - before) + added[count] * fresh * z))


@nb.njit(inline="always", cache=True)
def _geometric(u, log_miss):
    """Return how many pulses it takes until one counts, u being uniform: the smallest that serve come first."""
    return math.floor(math.log1p(-u) / log_miss) + 1.0


@nb.njit(cache=True)
def _counted(count, pulses, first_wait, log_miss, device, event, seed):
    """Return a counter after so many pulses, the first of which that counts being number `first_wait`."""
    left = float(pulses)
    wait = first_wait
    draw = 1
    while wait <= left and count < _TOP:
        left -= wait
        count += 1
        u, _ = uniform_pair(draw, device, event, _COUNT_PURPOSE, seed)
        wait = _geometric(u, log_miss[count])
        draw += 1
    return count


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _wear_range(
    position, before, counts, first, push, pull, push_variance, pull_variance, gain, added, log_miss, event, seed
):
    count = push.shape[0]
    first_block = first // BLOCK
    for index in nb.prange((first + count + BLOCK - 1) // BLOCK - first_block):
        block = first_block + index
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, block, event, _NOISE_PURPOSE, seed)
        fill_normals(normals, words)
        z = normals.ravel()
        fill_words(words, block, event, _COUNT_PURPOSE, seed)
        chances = words.ravel()
        for device in range(max(first, block * BLOCK), min(first + count, (block + 1) * BLOCK)):
            n, k = float(push[device - first]), float(pull[device - first])
            if n + k == 0.0:
                continue
            c = int(counts[device])
            place = device - block * BLOCK
            if c > 0:
                position[device] = _worn(
                    position[device],
                    before[device - first],
                    c,
                    z[place],
                    n,
                    k,
                    push_variance,
                    pull_variance,
                    gain,
                    added,
                )
            if c == _TOP:
                continue
            # 32 bits, and 52 more behind them: counts that stand for many pulses rise less often than 1 in 2^32.
            u = float(chances[place])
            if u <= (n + k) * -log_miss[c] * 2.0**32 * 1.0001:
                refined, _ = uniform_pair(0, device, event, _COUNT_PURPOSE, seed)
                wait = _geometric((u + refined) * 2.0**-32, log_miss[c])
                if wait <= n + k:
                    counts[device] = np.uint8(_counted(c, n + k, wait, log_miss, device, event, seed))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _wear_selected(
    position, before, counts, devices, push, pull, push_variance, pull_variance, gain, added, log_miss, event, seed
):
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        n, k = float(push[index]), float(pull[index])
        if n + k == 0.0:
            continue
        c = int(counts[device])
        if c > 0:
            z, _ = normal_pair(0, device, event, _NOISE_PURPOSE, seed)
            position[device] = _worn(
                position[device], before[index], c, z, n, k, push_variance, pull_variance, gain, added
            )
        if c < _TOP:
            u, _ = uniform_pair(0, device, event, _COUNT_PURPOSE, seed)
            counts[device] = np.uint8(_counted(c, n + k, _geometric(u, log_miss[c]), log_miss, device, event, seed))
