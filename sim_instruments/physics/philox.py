"""Counter-based random words for blocks of devices: Philox4x32-10.

A random number is a function of (seed, purpose, event, device) alone, so results depend neither on the number of
threads nor on how an array is cut into calls, and a restart needs no generator state.

Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC'11; known answers in the tests are
theirs.
"""

import numba as nb
import numpy as np

BLOCK = 1024
"""Devices per block: their scratch arrays stay in the first-level cache."""

_GROUPS = BLOCK // 4


def block_count(first: int, count: int) -> int:
    """Return how many blocks `count` devices from `first` on lie in."""
    return (first + count - 1) // BLOCK - first // BLOCK + 1 if count else 0


_M0 = np.uint64(0xD2511F53)
_M1 = np.uint64(0xCD9E8D57)
_W0 = np.uint32(0x9E3779B9)
_W1 = np.uint32(0xBB67AE85)
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)


@nb.njit(inline="always", cache=True)
def philox4x32(c0: np.uint32, c1: np.uint32, c2: np.uint32, c3: np.uint32, k0: np.uint32, k1: np.uint32):
    """Encrypt one counter of four words under a key of two; return four words."""
    for _ in range(10):
        p0 = _M0 * np.uint64(c0)
        p1 = _M1 * np.uint64(c2)
        c0, c1, c2, c3 = (
            np.uint32(p1 >> _SHIFT) ^ c1 ^ k0,
            np.uint32(p1 & _LOW),
            np.uint32(p0 >> _SHIFT) ^ c3 ^ k1,
            np.uint32(p0 & _LOW),
        )
        k0 = np.uint32(k0 + _W0)
        k1 = np.uint32(k1 + _W1)
    return c0, c1, c2, c3


@nb.njit(cache=True)
def fill_words(words: np.ndarray, block: int, event: int, purpose: int, seed: int) -> None:
    """Fill one block's words.

    Args:
        words: uint32, shape (4, 256), overwritten: word k of group i.
        block: number of the block of 1024 devices.
        event: number of the event (a pattern fired, a read-out).
        purpose: separates streams of one event.
        seed: 64 bits.
    """
    k0 = np.uint32(seed & 0xFFFFFFFF)
    k1 = np.uint32((seed >> 32) & 0xFFFFFFFF)
    c1 = np.uint32(event & 0xFFFFFFFF)
    c2 = np.uint32((event >> 32) & 0xFFFFFFFF)
    c3 = np.uint32(purpose)
    start = np.uint32(block * _GROUPS)
    for i in range(_GROUPS):
        w0, w1, w2, w3 = philox4x32(np.uint32(start + np.uint32(i)), c1, c2, c3, k0, k1)
        words[0, i] = w0
        words[1, i] = w1
        words[2, i] = w2
        words[3, i] = w3
