"""Read-out of an array: wall positions to codes of an analogue-to-digital converter, a kernel for tens of millions.

Conduction in parallel through the two domains makes the conductance linear in the wall's position x:
G = G_low + (G_high - G_low) x. Walls of some width, a bias and a channel bend that line. A reading adds white noise and
is rounded to a 16-bit code; beyond the converter's range it is its first or last code.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words
from sim_instruments.physics.readout.wall_profile import smooth

_READ_PURPOSE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutParameters:
    """How positions become codes where the conductance is linear and the noise the same everywhere."""

    conductance_low_s: float
    """Conductance with the wall at position 0, siemens."""
    conductance_high_s: float
    """Conductance with the wall at position 1, siemens."""
    conductance_noise_s: float
    """Standard deviation of one reading, siemens."""
    code_offset_s: float
    """Conductance at code 0, siemens."""
    code_lsb_s: float
    """Conductance of one code, siemens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvedLaw:
    """How positions become codes otherwise; `array_law` makes it.

    Series are Chebyshev's in 2 p - 1, p being the share of the device in the high state; at least two coefficients.
    """

    code: NDArray[np.float32]
    """Of the mean of the codes."""
    variance: NDArray[np.float32]
    """Of their variance, before rounding."""
    wall_width_share: np.float32
    """Delta over the length of the track."""


def read_range(
    position: NDArray[np.float32],
    first: int,
    codes: NDArray[np.uint16],
    law: ReadoutParameters | CurvedLaw,
    event: int,
    seed: int,
) -> None:
    """Read as many devices as `codes` holds from `first` on, and overwrite it with one code each."""
    if isinstance(law, CurvedLaw):
        _read_range_curved(position, first, codes, law.code, law.variance, law.wall_width_share, event, seed)
    else:
        _read_range(position, first, codes, *_in_codes(law), event, seed)


def read_selected(
    position: NDArray[np.float32],
    devices: NDArray[np.uint32],
    law: ReadoutParameters | CurvedLaw,
    event: int,
    seed: int,
) -> NDArray[np.uint16]:
    """Read these devices; one code each, uint16."""
    codes = np.empty(len(devices), np.uint16)
    if isinstance(law, CurvedLaw):
        _read_selected_curved(position, devices, codes, law.code, law.variance, law.wall_width_share, event, seed)
    else:
        _read_selected(position, devices, codes, *_in_codes(law), event, seed)
    return codes


def _in_codes(law: ReadoutParameters) -> tuple[np.float32, np.float32, np.float32]:
    return (
        np.float32((law.conductance_low_s - law.code_offset_s) / law.code_lsb_s),
        np.float32((law.conductance_high_s - law.conductance_low_s) / law.code_lsb_s),
        np.float32(law.conductance_noise_s / law.code_lsb_s),
    )


@nb.njit(inline="always", cache=True)
def _code(x, z, offset, scale, noise):
    value = offset + scale * x + noise * z + np.float32(0.5)
    return np.uint16(np.int32(min(np.float32(65535.0), max(np.float32(0.0), value))))


@nb.njit(parallel=True, cache=True)
def _read_range(position, first, codes, offset, scale, noise, event, seed):
    count = codes.shape[0]
    first_block = first // BLOCK
    for index in nb.prange((first + count + BLOCK - 1) // BLOCK - first_block):
        block = first_block + index
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, block, event, _READ_PURPOSE, seed)
        fill_normals(normals, words)
        low = max(first, block * BLOCK)
        high = min(first + count, (block + 1) * BLOCK)
        z = normals.ravel()[low - block * BLOCK : high - block * BLOCK]
        x, out = position[low:high], codes[low - first : high - first]
        for i in range(high - low):
            out[i] = _code(x[i], z[i], offset, scale, noise)


@nb.njit(parallel=True, cache=True)
def _read_selected(position, devices, codes, offset, scale, noise, event, seed):
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, device // BLOCK, event, _READ_PURPOSE, seed)
        fill_normals(normals, words)
        codes[index] = _code(position[device], normals.ravel()[device % BLOCK], offset, scale, noise)


@nb.njit(cache=True)
def _sum_series(values, argument, series, last, older):
    """Write the sum of a Chebyshev series at each argument (Clenshaw), a coefficient at a time for all of them."""
    count = argument.shape[0]
    for i in range(count):
        last[i] = series[-1]
        older[i] = np.float32(0.0)
    for k in range(series.shape[0] - 2, 0, -1):
        coefficient = series[k]
        for i in range(count):
            older[i] = coefficient + np.float32(2.0) * argument[i] * last[i] - older[i]
        last, older = older, last
    for i in range(count):
        values[i] = series[0] + argument[i] * last[i] - older[i]


@nb.njit(cache=True)
def _read_curved(out, x, z, code, variance, wall_width_share, scratch):
    """Overwrite `out` with the codes of at most a block; the scratch is float32, shape (5, at least as many)."""
    count = x.shape[0]
    argument, mean, square = scratch[0, :count], scratch[1, :count], scratch[2, :count]
    smooth(argument, x, wall_width_share)
    for i in range(count):
        argument[i] = np.float32(2.0) * argument[i] - np.float32(1.0)
    _sum_series(mean, argument, code, scratch[3], scratch[4])
    _sum_series(square, argument, variance, scratch[3], scratch[4])
    for i in range(count):
        deviation = np.sqrt(max(np.float32(0.0), square[i]))
        out[i] = _code(np.float32(0.0), z[i], mean[i], np.float32(0.0), deviation)


@nb.njit(parallel=True, cache=True)
def _read_range_curved(position, first, codes, code, variance, wall_width_share, event, seed):
    count = codes.shape[0]
    first_block = first // BLOCK
    for index in nb.prange((first + count + BLOCK - 1) // BLOCK - first_block):
        block = first_block + index
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        scratch = np.empty((5, BLOCK), np.float32)
        fill_words(words, block, event, _READ_PURPOSE, seed)
        fill_normals(normals, words)
        low = max(first, block * BLOCK)
        high = min(first + count, (block + 1) * BLOCK)
        z = normals.ravel()[low - block * BLOCK : high - block * BLOCK]
        out = codes[low - first : high - first]
        _read_curved(out, position[low:high], z, code, variance, wall_width_share, scratch)


@nb.njit(parallel=True, cache=True)
def _read_selected_curved(position, devices, codes, code, variance, wall_width_share, event, seed):
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        scratch = np.empty((5, 1), np.float32)
        fill_words(words, device // BLOCK, event, _READ_PURPOSE, seed)
        fill_normals(normals, words)
        z = normals.ravel()[device % BLOCK : device % BLOCK + 1]
        out, x = codes[index : index + 1], position[device : device + 1]
        _read_curved(out, x, z, code, variance, wall_width_share, scratch)
