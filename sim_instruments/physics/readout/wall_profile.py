"""A wall is not sharp: near an end of the track a part of it has left the device.

The wall at q turns the magnetisation along the track as m = tanh((q - s) / Delta) (Delta: width parameter). Conduction
in parallel weighs each slice by its share (1 + m) / 2, so the share of the device that is in the high state is

    p = 1/2 + (Delta / 2 L) [ln cosh(q / Delta) - ln cosh((L - q) / Delta)]

the step of a sharp wall folded with the wall's profile. It is q / L but within about pi Delta of an end; a wall that
stands on an end leaves (Delta / 2 L) ln 2 of the other state in the device.
"""

import math

import numba as nb
import numpy as np
from numpy.typing import NDArray

_REACH = np.float32(9.0)
"""Beyond so many width parameters from an end the correction is below a single-precision rounding of the position."""


def high_share(position: NDArray[np.floating], wall_width_share: float) -> NDArray[np.float64]:
    """Return the share of the device in the high state.

    Args:
        position: fraction of the track, 0 to 1.
        wall_width_share: Delta over the length of the track; 0 is a sharp wall.
    """
    x = np.asarray(position, np.float64)
    if not wall_width_share:
        return x
    # ln cosh a = |a| - ln 2 + ln(1 + exp(-2 |a|)): the first two terms of both ends make up x.
    near = np.log1p(np.exp(-2 * x / wall_width_share))
    far = np.log1p(np.exp(-2 * (1 - x) / wall_width_share))
    return x + wall_width_share / 2 * (near - far)


@nb.njit(cache=True)
def smooth(shares: np.ndarray, position: np.ndarray, wall_width_share: np.float32) -> None:
    """Write `high_share` of each position, in single precision.

    Args:
        shares: float32, shape (n,), overwritten.
        position: float32, shape (n,).
        wall_width_share: Delta over the length of the track; 0 is a sharp wall.
    """
    reach = _REACH * wall_width_share
    half = np.float32(0.5) * wall_width_share
    shares[:] = position
    for i in range(position.shape[0]):
        x = position[i]
        rest = np.float32(1.0) - x
        if min(x, rest) < reach:
            # On a track shorter than 18 widths a wall may be near both ends.
            shares[i] = x + half * np.float32(math.log1p(math.exp(-x / half)) - math.log1p(math.exp(-rest / half)))
