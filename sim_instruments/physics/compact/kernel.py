"""Compiled loops of the compact model."""

import numba as nb
import numpy as np

from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words

_SPREAD_PURPOSE = 1
_PULSE_PURPOSE = 2

_UNIT = np.float32(1 / 32)


@nb.njit(parallel=True, cache=True)
def draw_spread(spread: np.ndarray, seed: int) -> None:
    """Draw what makes devices differ: int8, shape (3, count), overwritten, in units of 1/32 standard deviation."""
    count = spread.shape[1]
    for block in nb.prange((count + BLOCK - 1) // BLOCK):
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        for kind in range(3):
            fill_words(words, block, kind, _SPREAD_PURPOSE, seed)
            fill_normals(normals, words)
            z = normals.ravel()
            for i in range(min(BLOCK, count - block * BLOCK)):
                spread[kind, block * BLOCK + i] = np.int8(min(127.0, max(-127.0, np.rint(z[i] * np.float32(32.0)))))


@nb.njit(inline="always", cache=True)
def _moved(x, z, push, pull, velocity, asymmetry, fano, steps, spreads):
    gain = np.float32(1.0) + spreads[0] * (np.float32(velocity) * _UNIT)
    forward = np.float32(push) * steps[0] * gain
    backward = np.float32(pull) * steps[1] * gain * (np.float32(1.0) + spreads[1] * (np.float32(asymmetry) * _UNIT))
    variance = (forward * steps[2] + backward * steps[3]) * (np.float32(1.0) + spreads[2] * (np.float32(fano) * _UNIT))
    x = x + (forward - backward) + np.sqrt(variance) * z
    return min(np.float32(1.0), max(np.float32(0.0), x))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_range(position, spread, first, push, pull, steps, spreads, widths, event, seed, totals, busy):
    """Move a range of walls; count pulses and time block by block."""
    count = push.shape[0]
    first_block = first // BLOCK
    for index in nb.prange(totals.shape[0]):
        block = first_block + index
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, block, event, _PULSE_PURPOSE, seed)
        fill_normals(normals, words)
        low = max(first, block * BLOCK)
        high = min(first + count, (block + 1) * BLOCK)
        # Slices of equal length, indexed from 0: the form the compiler turns into vector instructions.
        z = normals.ravel()[low - block * BLOCK : high - block * BLOCK]
        x, n, k = position[low:high], push[low - first : high - first], pull[low - first : high - first]
        a, b, c = spread[0, low:high], spread[1, low:high], spread[2, low:high]
        for i in range(high - low):
            x[i] = _moved(x[i], z[i], n[i], k[i], a[i], b[i], c[i], steps, spreads)
        pushes, pulls, longest = 0, 0, 0.0
        for i in range(high - low):
            pushes += np.int64(n[i])
            pulls += np.int64(k[i])
            longest = max(longest, n[i] * widths[0] + k[i] * widths[1])
        totals[index, 0], totals[index, 1], busy[index] = pushes, pulls, longest


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_selected(position, spread, devices, push, pull, steps, spreads, widths, event, seed):
    """Move walls one by one."""
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, device // BLOCK, event, _PULSE_PURPOSE, seed)
        fill_normals(normals, words)
        a, b, c = spread[0, device], spread[1, device], spread[2, device]
        z = normals.ravel()[device % BLOCK]
        position[device] = _moved(position[device], z, push[index], pull[index], a, b, c, steps, spreads)
