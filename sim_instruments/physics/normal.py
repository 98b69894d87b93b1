"""Standard normal numbers from random words: Box and Muller, in loops simple enough to become vector instructions.

The radius comes from 31 bits, so no number exceeds 6.6 in magnitude; logarithm, sine and cosine are short series in
single precision whose errors (below 1e-6) are far under the resolution of any test with fewer than 1e11 draws.
"""

import math

import numba as nb
import numpy as np

_RELAXED = {"contract", "nsz", "arcp", "nnan", "ninf"}

_f4 = np.float32
_u4 = np.uint32
_i4 = np.int32


@nb.njit(cache=True)
def fill_normals(normals: np.ndarray, words: np.ndarray) -> None:
    """Turn a block's words into standard normal numbers.

    Args:
        normals: float32, shape (4, n), overwritten.
        words: uint32, shape (4, n), overwritten as scratch.
    """
    for pair in range(2):
        radii = normals[2 * pair]
        _radii(radii, words[2 * pair], normals[2 * pair + 1])
        _turn(radii, normals[2 * pair + 1], words[2 * pair + 1])


@nb.njit(fastmath=_RELAXED, error_model="numpy", cache=True)
def _radii(radii: np.ndarray, words: np.ndarray, scratch: np.ndarray) -> None:
    """Write sqrt(-2 ln u) with u = (floor(word / 2) + 1/2) / 2^31."""
    for i in range(words.shape[0]):
        scratch[i] = _f4(_i4(words[i] >> _u4(1))) + _f4(0.5)
    bits = scratch.view(np.uint32)
    mantissa = words.view(np.float32)
    for i in range(words.shape[0]):
        word = bits[i]
        radii[i] = _f4(_i4(word >> _u4(23)) - _i4(127 + 31))
        words[i] = (word & _u4(0x007FFFFF)) | _u4(0x3F800000)
    for i in range(words.shape[0]):
        # ln m = ln sqrt 2 + 2 artanh s: the series converges fastest about the middle of the binade.
        s = (mantissa[i] - _f4(math.sqrt(2))) / (mantissa[i] + _f4(math.sqrt(2)))
        s2 = s * s
        series = _f4(2.0) + s2 * (_f4(2 / 3) + s2 * (_f4(2 / 5) + s2 * _f4(2 / 7)))
        radii[i] = s * series + _f4(0.5 * math.log(2)) + radii[i] * _f4(math.log(2))
    for i in range(words.shape[0]):
        radii[i] = np.sqrt(_f4(2.0) * abs(radii[i]))


@nb.njit(fastmath=_RELAXED, error_model="numpy", cache=True)
def _turn(radii: np.ndarray, sines: np.ndarray, words: np.ndarray) -> None:
    """Replace radii by r cos(angle) and write r sin(angle); the angle is a word's fraction of a full turn."""
    for i in range(words.shape[0]):
        quarters = _f4(_i4(words[i])) * _f4(2.0**-30)
        nearest = np.floor(quarters + _f4(0.5))
        quadrant = _i4(nearest)
        y = (quarters - nearest) * _f4(math.pi / 2)
        y2 = y * y
        sine = y * (_f4(1.0) + y2 * (_f4(-1 / 6) + y2 * (_f4(1 / 120) + y2 * _f4(-1.984e-4))))
        cosine = _f4(1.0) + y2 * (_f4(-0.5) + y2 * (_f4(1 / 24) + y2 * (_f4(-1.3888e-3) + y2 * _f4(2.44e-5))))
        is_odd = (quadrant & 1) != 0
        vertical = cosine if is_odd else sine
        horizontal = sine if is_odd else cosine
        vertical = -vertical if (quadrant & 2) != 0 else vertical
        horizontal = -horizontal if ((quadrant + 1) & 2) != 0 else horizontal
        sines[i] = radii[i] * vertical
        radii[i] = radii[i] * horizontal
