"""Return-point memory: the part of a wall's irregular motion that a way back undoes.

Every device has a drive coordinate s, the sum of the mean steps of all its pulses, pulls negative, and a frozen path
B(s) of its own, a Brownian path with a variance of the frozen Fano length per unit of s. Pulses that take the drive
coordinate from s to t move the wall by B(t) - B(s) besides their mean and their fresh noise. So over ways longer than
the memory length

    a staircase of N pulses           variance N v
    a push and a pull of equal mean   variance 2 rho v
    K + D pulses one way, D the other variance K v + 2 D rho v

exactly, in one event or in many, and a wall that is driven back is where it was up to fresh noise. A wall that is put
elsewhere takes its path with it.

The path depends on the drive and not on where the fresh noise took the wall. If it did depend on that, the noise itself
would run over the path and add its roughness to every doublet, and the memory would fade as the noise adds up: closer
to sites that are fixed in the track, but no ratio rho would hold for one doublet and for a hundred. Return-point memory
is a function of the drive.

The path is Lévy's construction: straight lines between independent values at the ends of cells as long as the track,
then midpoints, down to the memory length, below which it stays straight. Each coefficient is a hash of (seed, device,
level, index), the sum of the hash's four bytes, which has a mean of 0, a variance of 1 and nearly a normal
distribution. Nothing is stored but s, 4 bytes a device. At an end stop s stops with the mean way.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.compact.kernel import gain, own
from sim_instruments.physics.philox import BLOCK

_f4 = np.float32
_u4 = np.uint32
_i4 = np.int32

_STRIDE = _u4(0x9E3779B1)
_LEVEL = _i4(1 << 24)
_FIRST_MIX = _u4(0x85EBCA6B)
_SECOND_MIX = _u4(0xC2B2AE35)
_BYTE = _u4(255)
_BYTES_MEAN = _f4(510.0)
_BYTES_UNIT = _f4(1 / math.sqrt((256**2 - 1) / 3))
"""Four bytes have a mean of 510 and a variance of 4 (256^2 - 1) / 12."""


def depth_of(memory_length: float) -> int:
    """Return how often cells as long as the track are halved until they are no longer than the memory length.

    Args:
        memory_length: fraction of the track.
    """
    return max(0, math.ceil(-math.log2(memory_length) - 1e-9))


@nb.njit(inline="always", cache=True)
def _mixed(word):
    """Return a hash of a word: the finaliser of MurmurHash3 (A. Appleby, public domain)."""
    word = _u4(word ^ (word >> _u4(16)))
    word = _u4(word * _FIRST_MIX)
    word = _u4(word ^ (word >> _u4(13)))
    word = _u4(word * _SECOND_MIX)
    return _u4(word ^ (word >> _u4(16)))


@nb.njit(inline="always", cache=True)
def _coefficient(key, stride, place):
    word = _mixed(_u4(key + _u4(_u4(place) * stride)))
    first, second = word & _BYTE, (word >> _u4(8)) & _BYTE
    third, fourth = (word >> _u4(16)) & _BYTE, word >> _u4(24)
    return (_f4(_i4(first + second + third + fourth)) - _BYTES_MEAN) * _BYTES_UNIT


@nb.njit(error_model="numpy", cache=True)
def _path(way, start, stop, first, seed, depth):
    """Write B(stop) - B(start) for walls next to one another, for a variance of 1 per length of the track.

    Args:
        way: float32, shape (n,), overwritten.
        start: float32, shape (n,), drive coordinates; overwritten as scratch.
        stop: float32, shape (n,), less than 1 from `start`; overwritten as scratch.
        first: first device.
        seed: 64 bits.
        depth: number of halvings.
    """
    count = way.shape[0]
    keys, strides = np.empty(count, np.uint32), np.empty(count, np.uint32)
    k0, k1 = _u4(seed & 0xFFFFFFFF), _u4((seed >> 32) & 0xFFFFFFFF)
    base = _u4(first)
    for i in range(count):
        key = _mixed(_u4(_u4(base + _u4(i)) * _STRIDE) ^ k0)
        key = _mixed(key ^ k1)
        keys[i] = key
        strides[i] = _mixed(_u4(key + _STRIDE)) | _u4(1)
    for i in range(count):
        # Where in its cells a device starts is random, or all would start at a joint.
        phase = _f4(_i4(strides[i] >> _u4(8))) * _f4(2.0**-24)
        start[i] += phase
        stop[i] += phase
        c0, c1 = np.floor(start[i]), np.floor(stop[i])
        z0, z1 = _coefficient(keys[i], strides[i], _i4(c0)), _coefficient(keys[i], strides[i], _i4(c1))
        between = z0 if c1 > c0 else _f4(0.0)
        between = -z1 if c1 < c0 else between
        way[i] = (stop[i] - c1) * z1 - (start[i] - c0) * z0 + between
    cells, height = _f4(1.0), _f4(0.5)
    for level in range(1, depth + 1):
        offset = _i4(level) * _LEVEL
        for i in range(count):
            u0, u1 = start[i] * cells, stop[i] * cells
            c0, c1 = np.floor(u0), np.floor(u1)
            z0 = _coefficient(keys[i], strides[i], _i4(c0) + offset)
            z1 = _coefficient(keys[i], strides[i], _i4(c1) + offset)
            t0 = _f4(1.0) - abs(_f4(2.0) * (u0 - c0) - _f4(1.0))
            t1 = _f4(1.0) - abs(_f4(2.0) * (u1 - c1) - _f4(1.0))
            way[i] += height * (t1 * z1 - t0 * z0)
        cells = cells * _f4(2.0)
        height = height * _f4(math.sqrt(0.5))


@nb.njit(error_model="numpy", cache=True)
def _drive(x, s, n, k, a, b, c, first, seed, steps, spreads, gains, frozen_fano, depth):
    """Move walls next to one another along their paths; the arrays have one length, at most a block's."""
    count = x.shape[0]
    start, stop = np.empty(count, np.float32), np.empty(count, np.float32)
    way, roughness = np.empty(count, np.float32), np.empty(count, np.float32)
    for i in range(count):
        own_push, own_pull, own_fano = own(a[i], b[i], c[i], spreads)
        forward, backward = _f4(n[i]) * steps[0] * own_push, _f4(k[i]) * steps[1] * own_pull
        mean = forward * gain(x[i], gains[0], gains[1], _f4(1.0)) - backward * gain(x[i], gains[2], gains[3], _f4(-1.0))
        middle = min(_f4(1.0), max(_f4(0.0), x[i] + _f4(0.5) * mean))
        mean = forward * gain(middle, gains[0], gains[1], _f4(1.0)) - backward * gain(
            middle, gains[2], gains[3], _f4(-1.0)
        )
        start[i] = s[i]
        stop[i] = s[i] + (min(_f4(1.0), max(_f4(0.0), x[i] + mean)) - x[i])
        s[i] = stop[i]
        roughness[i] = np.sqrt(frozen_fano * own_fano)
    _path(way, start, stop, first, seed, depth)
    for i in range(count):
        x[i] = min(_f4(1.0), max(_f4(0.0), x[i] + roughness[i] * way[i]))


@nb.njit(parallel=True, error_model="numpy", cache=True)
def drive_range(position, pinning, spread, first, push, pull, steps, spreads, gains, frozen_fano, depth, seed):
    """Move a range of walls along their frozen paths, and their drive coordinates with them.

    Args:
        position: float32, shape (devices,); overwritten.
        pinning: float32, shape (devices,): drive coordinates; overwritten.
        spread: int8, shape (3, devices).
        first: first device.
        push: uint8, shape (n,).
        pull: uint8, shape (n,).
        steps: mean of a push and of a pull, then what is not used here, fractions of the track, float32.
        spreads: standard deviations of the rows of `spread`, float32.
        gains: slope and curvature of the push gain, of the pull gain, float32.
        frozen_fano: variance of the path per length, fraction of the track, float32.
        depth: `depth_of` the memory length.
        seed: 64 bits.
    """
    count = push.shape[0]
    first_block = first // BLOCK
    blocks = (first + count - 1) // BLOCK - first_block + 1 if count > 0 else 0
    for index in nb.prange(blocks):
        low = max(first, (first_block + index) * BLOCK)
        high = min(first + count, (first_block + index + 1) * BLOCK)
        n, k = push[low - first : high - first], pull[low - first : high - first]
        a, b, c = spread[0, low:high], spread[1, low:high], spread[2, low:high]
        x, s = position[low:high], pinning[low:high]
        _drive(x, s, n, k, a, b, c, low, seed, steps, spreads, gains, frozen_fano, depth)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def drive_selected(position, pinning, spread, devices, push, pull, steps, spreads, gains, frozen_fano, depth, seed):
    """Move walls one by one: `push` and `pull`, int64, belong to `devices`, uint32; the rest as above."""
    for index in nb.prange(devices.shape[0]):
        i = int(devices[index])
        n, k = push[index : index + 1], pull[index : index + 1]
        a, b, c = spread[0, i : i + 1], spread[1, i : i + 1], spread[2, i : i + 1]
        x, s = position[i : i + 1], pinning[i : i + 1]
        _drive(x, s, n, k, a, b, c, i, seed, steps, spreads, gains, frozen_fano, depth)
