"""Counter-based random words for stochastic rounding: Philox4x32-10, keyed by (seed, purpose, step, device).

Written apart from the simulator's, which shares no code with the toolkit. Source: Salmon et al., SC'11.
"""

import numba as nb
import numpy as np

BLOCK = 1024
"""Devices per block, and the row length to which layers are aligned in the array."""

LANE = BLOCK // 4

_MULTIPLIERS = (np.uint64(0xD2511F53), np.uint64(0xCD9E8D57))
_WEYL = (np.uint32(0x9E3779B9), np.uint32(0xBB67AE85))


@nb.njit(inline="always", cache=True)
def philox4x32(a: np.uint32, b: np.uint32, c: np.uint32, d: np.uint32, k: np.uint32, m: np.uint32):
    """Return the four words that encrypt the counter (a, b, c, d) under the key (k, m) in ten rounds."""
    for _ in range(10):
        left = _MULTIPLIERS[0] * np.uint64(a)
        right = _MULTIPLIERS[1] * np.uint64(c)
        a = np.uint32(right >> np.uint64(32)) ^ b ^ k
        b = np.uint32(right & np.uint64(0xFFFFFFFF))
        c = np.uint32(left >> np.uint64(32)) ^ d ^ m
        d = np.uint32(left & np.uint64(0xFFFFFFFF))
        k = np.uint32(k + _WEYL[0])
        m = np.uint32(m + _WEYL[1])
    return a, b, c, d


@nb.njit(cache=True)
def fill_uniforms(uniforms: np.ndarray, row: int, step: int, purpose: int, seed: int) -> None:
    """Fill one row of 1024 devices with numbers in [0, 1), multiples of 2^-24.

    Args:
        uniforms: float32, shape (4, 256), overwritten.
        row: number of the row.
        step: number of the step.
        purpose: separates the streams of one step.
        seed: 64 bits.
    """
    key_low, key_high = np.uint32(seed & 0xFFFFFFFF), np.uint32((seed >> 32) & 0xFFFFFFFF)
    step_low, step_high = np.uint32(step & 0xFFFFFFFF), np.uint32((step >> 32) & 0xFFFFFFFF)
    start = np.uint32(row * LANE)
    unit = np.float32(2.0**-24)
    for i in range(LANE):
        words = philox4x32(np.uint32(start + np.uint32(i)), step_low, step_high, np.uint32(purpose), key_low, key_high)
        uniforms[0, i] = np.float32(np.int32(words[0] >> np.uint32(8))) * unit
        uniforms[1, i] = np.float32(np.int32(words[1] >> np.uint32(8))) * unit
        uniforms[2, i] = np.float32(np.int32(words[2] >> np.uint32(8))) * unit
        uniforms[3, i] = np.float32(np.int32(words[3] >> np.uint32(8))) * unit
