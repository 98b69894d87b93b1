"""Read-out of an array: wall position to conductance to codes of an analogue-to-digital converter.

Conduction in parallel through the two domains makes the conductance linear in the wall's position x:
G = G_low + (G_high - G_low) x. A reading adds white noise and is rounded to a 16-bit code.
"""

from dataclasses import dataclass

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words

_READ_PURPOSE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadoutParameters:
    """How positions become codes."""

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


def read_range(
    position: NDArray[np.float32], first: int, codes: NDArray[np.uint16], law: ReadoutParameters, event: int, seed: int
) -> None:
    """Read as many devices as `codes` holds from `first` on, and overwrite it with one code each."""
    _read_range(position, first, codes, *_in_codes(law), event, seed)


def read_selected(
    position: NDArray[np.float32], devices: NDArray[np.uint32], law: ReadoutParameters, event: int, seed: int
) -> NDArray[np.uint16]:
    """Read these devices; one code each, uint16."""
    codes = np.empty(len(devices), np.uint16)
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
