"""Where a wall is after more hops than anybody wants to follow.

A wall on low barriers may hop 1e15 times before it crosses a high one. After a limit of hops under a constant drive its
place at the end is drawn in one go, from the exact distribution exp(G t) of the chain over its sites, where G holds the
hop rates. The limit is about what a wall takes to find its way over the whole track, and a wall that moves on hardly
ever reaches it. Both ways are exact for waiting times that forget, and so is the change from one to the other.

Summing up takes some milliseconds a wall for 80 sites and grows with their cube: a track of many hundred sites is
better not left on low barriers for long.
"""

import math

import numba as nb
import numpy as np

_TERMS = 12


@nb.njit(inline="always")
def followed_hops(sites: int) -> int:
    """Return how many hops under one constant drive are followed one by one, for a track of so many sites."""
    return max(1000, sites * sites)


@nb.njit(error_model="numpy", cache=True)
def propagator(up: np.ndarray, down: np.ndarray, duration: float) -> np.ndarray:
    """Return exp(G t) of a chain of hops to neighbours: row i is the distribution after t from site i.

    A short time by uniformisation (Jensen's series of the powers of a stochastic matrix), then doubled. All terms are
    positive, so a hop of probability 1e-30 a step is as accurate as any; probabilities to stay are what is left to 1.

    Args:
        up: rates to the next site, 1/s; the last is 0.
        down: rates to the site before; the first is 0.
        duration: t, s.
    """
    n = up.shape[0]
    fastest = 0.0
    for i in range(n):
        fastest = max(fastest, up[i] + down[i])
    doublings = max(0, math.ceil(math.log2(fastest * duration)) + 2)
    q = fastest * duration / 2.0**doublings
    once = np.zeros((n, n))
    for i in range(n):
        if i + 1 < n:
            once[i, i + 1] = up[i] / fastest
        if i > 0:
            once[i, i - 1] = down[i] / fastest
        once[i, i] = 1.0 - (up[i] + down[i]) / fastest
    weight = math.exp(-q)
    power = np.eye(n)
    result = weight * power
    for k in range(1, _TERMS):
        power = power @ once
        weight *= q / k
        result += weight * power
    _close(result)
    for _ in range(doublings):
        result = result @ result
        _close(result)
    return result


@nb.njit(cache=True)
def _close(matrix: np.ndarray) -> None:
    """Make rows add up to 1 by their diagonal."""
    for i in range(matrix.shape[0]):
        others = 0.0
        for j in range(matrix.shape[0]):
            if j != i:
                others += matrix[i, j]
        matrix[i, i] = max(0.0, 1.0 - others)


@nb.njit(cache=True)
def picked(shares: np.ndarray, u: float) -> int:
    """Return an index drawn with these shares by a uniform number."""
    mark = u * shares.sum()
    for i in range(shares.shape[0] - 1):
        mark -= shares[i]
        if mark < 0.0:
            return i
    return shares.shape[0] - 1
