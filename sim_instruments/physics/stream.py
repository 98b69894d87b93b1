"""Random numbers one after another, a stream for every device and event, for loops that need an unforeseen number.

Number `draw` of a stream is a function of (seed, purpose, event, device, draw) alone, as in `philox`. Counters here
carry the purpose in their upper half, so they never meet those of whole blocks.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.philox import philox4x32

_TO_UNIT = 2.0**-52


@nb.njit(inline="always", cache=True)
def uniform_pair(draw: int, device: int, event: int, purpose: int, seed: int) -> tuple[float, float]:
    """Return two uniform numbers above 0 and below 1, with 52 random bits each."""
    w0, w1, w2, w3 = philox4x32(
        np.uint32(device),
        np.uint32(event & 0xFFFFFFFF),
        np.uint32(draw),
        np.uint32((purpose << 16) | ((event >> 32) & 0xFFFF)),
        np.uint32(seed & 0xFFFFFFFF),
        np.uint32((seed >> 32) & 0xFFFFFFFF),
    )
    first = (np.uint64(w0) << np.uint64(20)) ^ (np.uint64(w1) >> np.uint64(12))
    second = (np.uint64(w2) << np.uint64(20)) ^ (np.uint64(w3) >> np.uint64(12))
    return (np.float64(first) + 0.5) * _TO_UNIT, (np.float64(second) + 0.5) * _TO_UNIT


@nb.njit(inline="always", cache=True)
def normal_pair(draw: int, device: int, event: int, purpose: int, seed: int) -> tuple[float, float]:
    """Return two independent standard normal numbers."""
    u, v = uniform_pair(draw, device, event, purpose, seed)
    radius = math.sqrt(-2.0 * math.log(u))
    return radius * math.cos(2.0 * math.pi * v), radius * math.sin(2.0 * math.pi * v)
