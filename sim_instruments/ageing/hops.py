"""Hops of walls between pulses, and what becomes of a wall at the end of its track."""

import numba as nb


@nb.njit(inline="always", cache=True)
def folded(x: float) -> float:
    """Return where a free walk to x ends on a track whose ends, 0 and 1, throw walls back: the method of images."""
    x = abs(x) % 2.0
    return 2.0 - x if x > 1.0 else x


@nb.njit(inline="always", cache=True)
def stopped(x: float) -> float:
    """Return where a wall driven to x ends on a track whose ends, 0 and 1, stop it."""
    return min(1.0, max(0.0, x))
