"""Compiled loops for step laws other than the Gaussian.

The pushes and the pulls of an event are independent sums, each one draw of the law. A wall within reach of an end is
walked pulse by pulse instead, pushes and pulls interleaved evenly, and stopped at the ends after each: exact. Reach is
the drift on the way, one step, six standard deviations and 36 Fano lengths: sums of these laws exceed their mean by
more than sqrt(2 s variance) + 2 s Fano lengths with a probability below exp(-s) (Bernstein's inequality; of these laws
the inverse Gaussian has the longest tail), so of the walls that take the single draw fewer than 2 in 1e8 (s = 18)
would have met the end.

Where the mean step depends on the position, the single draw takes it at the middle of the way, in parts that are short
against the track. Lengths are fractions of the track, in double precision until the wall has arrived.
"""

import math

import numba as nb

from sim_instruments.physics.compact.laws import sum_of_steps
from sim_instruments.physics.philox import BLOCK
from sim_instruments.physics.pulse_order import is_push_next

_PULSE_PURPOSE = 2

_UNIT = 1 / 32
_DEVIATIONS = 6.0
_TAIL_FANO_LENGTHS = 36.0
_PART = 1 / 32
"""Longest way taken with one mean step where the mean step depends on the position."""


@nb.njit(inline="always", cache=True)
def _gain(x, slope, curvature, direction):
    """Return the local mean step over that in the middle of the track."""
    e = direction * (2.0 * x - 1.0)
    return 1.0 + e * (slope + curvature * e)


@nb.njit(cache=True)
def _walked(x, push, pull, means, fanos, gains, law, hop_cv, device, event, seed):
    """Take one pulse after another, stopping at the ends after each."""
    draw, pushed, pulled = 0, 0, 0
    while pushed + pulled < push + pull:
        if is_push_next(pushed, pulled, push, pull):
            pushed += 1
            mean = means[0] * _gain(x, gains[0], gains[1], 1.0)
            step, draw = sum_of_steps(law, mean, fanos[0], hop_cv, draw, device, event, _PULSE_PURPOSE, seed)
            x = min(1.0, x + step)
        else:
            pulled += 1
            mean = means[1] * _gain(x, gains[2], gains[3], -1.0)
            step, draw = sum_of_steps(law, mean, fanos[1], hop_cv, draw, device, event, _PULSE_PURPOSE, seed)
            x = max(0.0, x - step)
    return x


@nb.njit(cache=True)
def _drawn(x, push, pull, means, fanos, gains, law, hop_cv, device, event, seed):
    """Take all pushes and all pulls at once; in parts where the mean step depends on the position."""
    depends = gains[0] != 0.0 or gains[1] != 0.0 or gains[2] != 0.0 or gains[3] != 0.0
    parts = 1
    if depends:
        parts = 1 + int(max(push * means[0], pull * means[1]) / _PART)
    draw = 0
    for part in range(parts):
        n = (part + 1) * push // parts - part * push // parts
        k = (part + 1) * pull // parts - part * pull // parts
        forward = n * means[0]
        backward = k * means[1]
        if depends:
            half = 0.5 * (forward * _gain(x, gains[0], gains[1], 1.0) - backward * _gain(x, gains[2], gains[3], -1.0))
            middle = min(1.0, max(0.0, x + half))
            forward *= _gain(middle, gains[0], gains[1], 1.0)
            backward *= _gain(middle, gains[2], gains[3], -1.0)
        pushed, draw = sum_of_steps(law, forward, fanos[0], hop_cv, draw, device, event, _PULSE_PURPOSE, seed)
        pulled, draw = sum_of_steps(law, backward, fanos[1], hop_cv, draw, device, event, _PULSE_PURPOSE, seed)
        x += pushed - pulled
    return min(1.0, max(0.0, x))


@nb.njit(cache=True)
def _is_within_reach(x, push, pull, means, fanos, gains):
    """Tell whether a wall may meet an end of the track on its way."""
    vary = abs(gains[0]) + abs(gains[1]), abs(gains[2]) + abs(gains[3])
    forward, backward = push * means[0], pull * means[1]
    most_forward, most_backward = forward * (1.0 + vary[0]), backward * (1.0 + vary[1])
    up = max(0.0, most_forward - backward * max(0.0, 1.0 - vary[1]))
    down = max(0.0, most_backward - forward * max(0.0, 1.0 - vary[0]))
    noise = (
        _DEVIATIONS * math.sqrt(most_forward * fanos[0] + most_backward * fanos[1])
        + _TAIL_FANO_LENGTHS * max(fanos[0], fanos[1])
        + max(means[0] * (1.0 + vary[0]), means[1] * (1.0 + vary[1]))
    )
    return x + up + noise > 1.0 or x - down - noise < 0.0


@nb.njit(cache=True)
def _moved(x, push, pull, velocity, asymmetry, fano, steps, spreads, gains, law, hop_cv, device, event, seed):
    gain = 1.0 + spreads[0] * (velocity * _UNIT)
    means = (steps[0] * gain, steps[1] * gain * (1.0 + spreads[1] * (asymmetry * _UNIT)))
    noise = 1.0 + spreads[2] * (fano * _UNIT)
    fanos = (steps[2] * noise, steps[3] * noise)
    if _is_within_reach(x, push, pull, means, fanos, gains):
        return _walked(x, push, pull, means, fanos, gains, law, hop_cv, device, event, seed)
    return _drawn(x, push, pull, means, fanos, gains, law, hop_cv, device, event, seed)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_range_by_law(
    position, spread, first, push, pull, steps, spreads, gains, law, hop_cv, widths, event, seed, totals, busy
):
    """Move a range of walls; count pulses and time block by block.

    Args:
        position: float32, shape (devices,), fraction of the track; overwritten.
        spread: int8, shape (3, devices): velocity, asymmetry and Fano length in units of 1/32 standard deviation.
        first: first device.
        push: uint8, shape (n,).
        pull: uint8, shape (n,).
        steps: mean push and pull, push and pull Fano length, fractions of the track.
        spreads: standard deviations of the three rows of `spread`.
        gains: slope and curvature of the push gain, of the pull gain.
        law: one of the numbers in `laws.CODES`, not the Gaussian's.
        hop_cv: of a hop's length, for the compound law.
        widths: of a push and a pull, s.
        event: keys the random draw.
        seed: 64 bits.
        totals: int64, shape (blocks, 2), overwritten: pushes and pulls per block.
        busy: float64, shape (blocks,), overwritten: longest pulse time of a device, s.
    """
    count = push.shape[0]
    for index in nb.prange(totals.shape[0]):
        block = first // BLOCK + index
        low = max(first, block * BLOCK)
        high = min(first + count, (block + 1) * BLOCK)
        pushes, pulls, longest = 0, 0, 0.0
        for device in range(low, high):
            n, k = int(push[device - first]), int(pull[device - first])
            if n + k == 0:
                continue
            a, b, c = spread[0, device], spread[1, device], spread[2, device]
            position[device] = _moved(
                position[device], n, k, a, b, c, steps, spreads, gains, law, hop_cv, device, event, seed
            )
            pushes += n
            pulls += k
            longest = max(longest, n * widths[0] + k * widths[1])
        totals[index, 0], totals[index, 1], busy[index] = pushes, pulls, longest


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_selected_by_law(position, spread, devices, push, pull, steps, spreads, gains, law, hop_cv, event, seed):
    """Move walls one by one: `push` and `pull`, int64, belong to `devices`, uint32; the rest as above."""
    for index in nb.prange(devices.shape[0]):
        device, n, k = int(devices[index]), int(push[index]), int(pull[index])
        a, b, c = spread[0, device], spread[1, device], spread[2, device]
        position[device] = _moved(
            position[device], n, k, a, b, c, steps, spreads, gains, law, hop_cv, device, event, seed
        )
