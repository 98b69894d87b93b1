"""Compiled loops of the compact model with the Gaussian law.

Every block of 1024 devices goes through simple loops, which become vector instructions: random words, normal numbers,
where each wall would be without ends. The few that may have met an end on their way are gathered and treated in a
second set of loops (`end_stops`). What does not fit a single draw at all, because one event takes the wall a long way,
goes in parts, one wall after another.

Lengths are fractions of the track in single precision.
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.compact.end_stops import stopped
from sim_instruments.physics.normal import fill_normals
from sim_instruments.physics.philox import BLOCK, fill_words, philox4x32
from sim_instruments.physics.pulse_order import is_push_next
from sim_instruments.physics.stream import normal_pair, uniform_pair

_SPREAD_PURPOSE = 1
_PULSE_PURPOSE = 2
_END_PURPOSE = 40

_f4 = np.float32
_u4 = np.uint32

_UNIT = _f4(1 / 32)
_UNLIKELY = _f4(8.0)
"""An end at distances x and y from start and stop is met with probability exp(-2 x y / variance): below 1e-7."""
_REACH = _f4(10.0)
_LONG = _f4(0.7)
"""Way and ten standard deviations of one draw, at most: it meets one end, not both."""
_FEW = 8
"""Pulses that are walked one by one within reach of an end."""

_GROUP = 8
"""Blocks whose walls near the ends are gathered together."""
_CHUNK = 64
_VECTORS = 32
"""Walls near the ends come in multiples of this, which is some vectors of the widest machines."""
_RESOLUTION = 2.0**21

_FAR = np.uint8(0)
_NEAR = np.uint8(1)
_PARTS = np.uint8(2)


@nb.njit(parallel=True, cache=True)
def draw_spread(spread: np.ndarray, seed: int) -> None:
    """Draw what makes devices differ: int8, shape (3, count), overwritten, in units of 1/32 standard deviation."""
    count = spread.shape[1]
    for block in nb.prange((count + BLOCK - 1) // BLOCK):
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        for kind in range(3):
            fill_words(words, block, kind, _SPREAD_PURPOSE, seed)
            fill_normals(normals, words)
            z = normals.ravel()
            for i in range(min(BLOCK, count - block * BLOCK)):
                spread[kind, block * BLOCK + i] = np.int8(min(127.0, max(-127.0, np.rint(z[i] * _f4(32.0)))))


@nb.njit(inline="always", cache=True)
def gain(x, slope, curvature, direction):
    """Return the local mean step over that in the middle of the track; direction is 1 for pushes, -1 for pulls."""
    e = direction * (_f4(2.0) * x - _f4(1.0))
    return _f4(1.0) + e * (slope + curvature * e)


@nb.njit(inline="always", cache=True)
def own(velocity, asymmetry, fano, spreads):
    """Return a device's factors of the push step, the pull step and the Fano length."""
    faster = _f4(1.0) + spreads[0] * (_f4(velocity) * _UNIT)
    return (
        faster,
        faster * (_f4(1.0) + spreads[1] * (_f4(asymmetry) * _UNIT)),
        _f4(1.0) + spreads[2] * (_f4(fano) * _UNIT),
    )


@nb.njit(inline="always", cache=True)
def _pace(x, forward, backward, gains):
    """Return the mean way of an event whose pulses all find the wall at x; beyond the ends, as at the ends."""
    x = min(_f4(1.0), max(_f4(0.0), x))
    return forward * gain(x, gains[0], gains[1], _f4(1.0)) - backward * gain(x, gains[2], gains[3], _f4(-1.0))


@nb.njit(inline="always", cache=True)
def _free(x, z, push, pull, own_push, own_pull, own_fano, steps, gains, depends):
    """Return where a wall is without ends, the mean and the variance of its way, and the local gains."""
    forward = _f4(push) * steps[0] * own_push
    backward = _f4(pull) * steps[1] * own_pull
    push_gain, pull_gain = _f4(1.0), _f4(1.0)
    if depends:
        # Kutta's third-order rule for the mean way. The noise is that of the middle, and half of it shifts the way.
        at_start = _pace(x, forward, backward, gains)
        middle = x + _f4(0.5) * at_start
        at_middle = _pace(middle, forward, backward, gains)
        at_end = _pace(x - at_start + _f4(2.0) * at_middle, forward, backward, gains)
        middle = min(_f4(1.0), max(_f4(0.0), middle))
        push_gain = gain(middle, gains[0], gains[1], _f4(1.0))
        pull_gain = gain(middle, gains[2], gains[3], _f4(-1.0))
        variance = (forward * push_gain * steps[2] + backward * pull_gain * steps[3]) * own_fano
        noise = np.sqrt(variance) * z
        aside = _pace(middle + _f4(0.5) * noise, forward, backward, gains) - at_middle
        drift = (at_start + _f4(4.0) * at_middle + at_end) * _f4(1 / 6) + aside
    else:
        variance = (forward * steps[2] + backward * steps[3]) * own_fano
        noise = np.sqrt(variance) * z
        drift = forward - backward
    return x + drift + noise, drift, variance, push_gain, pull_gain


@nb.njit(inline="always", cache=True)
def _where(x, y, drift, variance, pulses, edge):
    """Tell whether a wall may have met an end: `edge` is how much nearer the ends its sawtooth brings it."""
    is_low = x + y < _f4(1.0)
    start, stop = (x, y) if is_low else (_f4(1.0) - x, _f4(1.0) - y)
    start, stop = start - edge, stop - edge
    is_near = (start * stop < _UNLIKELY * variance) | (start < _f4(0.0))
    is_long = abs(drift) + _REACH * np.sqrt(variance) + edge > _LONG
    found = _NEAR if is_near else _FAR
    found = _PARTS if is_long else found
    return found if pulses != 0 else _FAR


@nb.njit(cache=True)
def _walked(x, push, pull, draw, device, event, seed, own_push, own_pull, own_fano, steps, gains):
    """Take one pulse after another, stopping at the ends after each; return the place and the next unused draw."""
    pushed, pulled = 0, 0
    spare, has_spare = 0.0, False
    while pushed + pulled < push + pull:
        if has_spare:
            z, has_spare = spare, False
        else:
            z, spare = normal_pair(draw, device, event, _PULSE_PURPOSE, seed)
            draw, has_spare = draw + 1, True
        if is_push_next(pushed, pulled, push, pull):
            pushed += 1
            mean = steps[0] * own_push * gain(x, gains[0], gains[1], _f4(1.0))
            x = x + mean + math.sqrt(mean * steps[2] * own_fano) * z
        else:
            pulled += 1
            mean = steps[1] * own_pull * gain(x, gains[2], gains[3], _f4(-1.0))
            x = x - mean + math.sqrt(mean * steps[3] * own_fano) * z
        x = _f4(min(1.0, max(0.0, x)))
    return x, draw


@nb.njit(cache=True)
def _walked_to(x, y, pushes, pulls, push_step, pull_step, push_noise, pull_noise, noises, device, event, seed):
    """Take a few pulses one after another, of which it is known that without ends they lead from x to y.

    The steps' noises are drawn and then shifted, each by its share of the variance, so that their sum is the known one:
    their exact law under that condition. `noises` is scratch, float64.
    """
    total, variance = 0.0, pushes * push_noise + pulls * pull_noise
    pushed, pulled, spare = 0, 0, 0.0
    for i in range(pushes + pulls):
        if i % 2 == 0:
            z, spare = normal_pair(i // 2, device, event, _END_PURPOSE, seed)
        else:
            z = spare
        if is_push_next(pushed, pulled, pushes, pulls):
            pushed += 1
            noises[i] = math.sqrt(push_noise) * z
        else:
            pulled += 1
            noises[i] = math.sqrt(pull_noise) * z
        total += noises[i]
    per_variance = (y - x - pushes * push_step + pulls * pull_step - total) / variance if variance > 0.0 else 0.0
    pushed, pulled, place = 0, 0, np.float64(x)
    for i in range(pushes + pulls):
        if is_push_next(pushed, pulled, pushes, pulls):
            pushed += 1
            place += push_step + noises[i] + push_noise * per_variance
        else:
            pulled += 1
            place -= pull_step - noises[i] - pull_noise * per_variance
        place = min(1.0, max(0.0, place))
    return _f4(place)


@nb.njit(cache=True)
def _in_parts(x, push, pull, device, event, seed, own_push, own_pull, own_fano, steps, gains, teeth):
    """Take an event in parts short enough for a single draw each, or pulse by pulse."""
    forward, backward = push * steps[0] * own_push, pull * steps[1] * own_pull
    variance = (forward * steps[2] + backward * steps[3]) * own_fano
    parts = int(min(1e6, 1.0 + 4.0 * (forward + backward) + 600.0 * variance))
    draw = 0
    if parts * 4 >= push + pull:
        x, draw = _walked(x, push, pull, draw, device, event, seed, own_push, own_pull, own_fano, steps, gains)
        return x
    for part in range(parts):
        n = (part + 1) * push // parts - part * push // parts
        k = (part + 1) * pull // parts - part * pull // parts
        z, g = normal_pair(draw, device, event, _PULSE_PURPOSE, seed)
        u, _ = uniform_pair(draw + 1, device, event, _PULSE_PURPOSE, seed)
        draw += 2
        y, drift, variance, push_gain, pull_gain = _free(
            x, _f4(z), n, k, own_push, own_pull, own_fano, steps, gains, True
        )
        a, b = steps[0] * own_push * push_gain, steps[1] * own_pull * pull_gain
        y = stopped(
            x, y, drift, max(variance, _f4(1e-30)), _f4(n), _f4(k), a, b, a * steps[2] * own_fano,
            b * steps[3] * own_fano, teeth, _f4(g), _f4(-2.0 * math.log(u)),
        )  # fmt: skip
        x = min(_f4(1.0), max(_f4(0.0), y))
    return x


@nb.njit(cache=True)
def _words_of(words, devices, event, seed):
    """Fill random words, uint32, shape (4, n), for these devices, uint32, shape (n,)."""
    k0, k1 = _u4(seed & 0xFFFFFFFF), _u4((seed >> 32) & 0xFFFFFFFF)
    c1, c2 = _u4(event & 0xFFFFFFFF), _u4((event >> 32) & 0xFFFFFFFF)
    for i in range(devices.shape[0]):
        w0, w1, w2, w3 = philox4x32(devices[i], c1, c2, _u4(_END_PURPOSE), k0, k1)
        words[0, i] = w0
        words[1, i] = w1
        words[2, i] = w2
        words[3, i] = w3


@nb.njit(cache=True)
def _listed(places, found):
    """Write which walls are near; return how many. `found` is read eight at a time."""
    eights = found.view(np.uint64)
    count = 0
    for eight in range(eights.shape[0]):
        if eights[eight] != 0:
            for i in range(8 * eight, 8 * eight + 8):
                places[count] = i
                count += 1 if found[i] == _NEAR else 0
    return count


@nb.njit(error_model="numpy", cache=True)
def _stop_near(found, first, x, y, n, k, a, b, c, event, seed, steps, spreads, gains, depends, teeth):
    """Replace in `y`, of walls that may have met an end, where they would be by where they are."""
    places = np.empty(found.shape[0] + _VECTORS, np.uint32)
    near = _listed(places, found)
    # Filled up to whole vectors, as the rest of a loop costs as much as the loop.
    count = (near + _VECTORS - 1) // _VECTORS * _VECTORS
    for j in range(near, count):
        places[j] = places[0]
    words = np.empty((5, count), np.uint32)
    devices = words[4]
    for j in range(count):
        devices[j] = _u4(first) + places[j]
    _words_of(words, devices, event, seed)
    numbers = np.empty((14, count), np.float32)
    fill_normals(numbers, words)
    g, e, e1, stop = numbers[0], numbers[2], numbers[3], numbers[1]
    x_, y_, n_, k_ = numbers[4], numbers[5], numbers[6], numbers[7]
    a_, b_, c_ = numbers[8], numbers[9], numbers[10]
    for j in range(count):
        i = places[j]
        x_[j], y_[j], n_[j], k_[j] = x[i], y[i], n[i], k[i]
        a_[j], b_[j], c_[j] = a[i], b[i], c[i]
    drift, variance, fano = numbers[11], numbers[12], numbers[13]
    push_step, pull_step = a_, b_
    for j in range(count):
        own_push, own_pull, own_fano = own(a_[j], b_[j], c_[j], spreads)
        _, drift[j], variance[j], push_gain, pull_gain = _free(
            x_[j], _f4(0.0), n_[j], k_[j], own_push, own_pull, own_fano, steps, gains, depends
        )
        push_step[j], pull_step[j], fano[j] = steps[0] * own_push * push_gain, steps[1] * own_pull * pull_gain, own_fano
        e[j] = e[j] * e[j] + e1[j] * e1[j]
    for j in range(count):
        stop[j] = stopped(
            x_[j], y_[j], drift[j], max(variance[j], _f4(1e-30)), n_[j], k_[j], push_step[j], pull_step[j],
            push_step[j] * steps[2] * fano[j], pull_step[j] * steps[3] * fano[j], teeth, g[j], e[j],
        )  # fmt: skip
    noises = np.empty(_FEW)
    for j in range(near):
        pushes, pulls = int(n_[j]), int(k_[j])
        if pushes + pulls <= _FEW:
            y[places[j]] = _walked_to(
                x_[j], y_[j], pushes, pulls, push_step[j], pull_step[j], push_step[j] * steps[2] * fano[j],
                pull_step[j] * steps[3] * fano[j], noises, devices[j], event, seed,
            )  # fmt: skip
        else:
            y[places[j]] = stop[j]


@nb.njit(error_model="numpy", cache=True)
def _move_freely(y, found, x, z, n, k, a, b, c, steps, spreads, gains, depends, edge):
    """Write where walls would be without ends, and which have to be looked at again; arrays of one length."""
    if depends:
        for i in range(x.shape[0]):
            own_push, own_pull, own_fano = own(a[i], b[i], c[i], spreads)
            y[i], drift, variance, _, _ = _free(
                x[i], z[i], n[i], k[i], own_push, own_pull, own_fano, steps, gains, True
            )
            found[i] = _where(x[i], y[i], drift, variance, n[i] | k[i], edge)
    else:
        for i in range(x.shape[0]):
            own_push, own_pull, own_fano = own(a[i], b[i], c[i], spreads)
            y[i], drift, variance, _, _ = _free(
                x[i], z[i], n[i], k[i], own_push, own_pull, own_fano, steps, gains, False
            )
            found[i] = _where(x[i], y[i], drift, variance, n[i] | k[i], edge)


@nb.njit(error_model="numpy", cache=True)
def _stop(y, found, x, n, k, a, b, c, first, event, seed, steps, spreads, gains, depends, teeth):
    """Write into `x` where walls are, from where they would be without ends; `found` may be longer, filled with FAR."""
    count = x.shape[0]
    most = _FAR
    for i in range(count):
        most = max(most, found[i])
    if most != _FAR:
        _stop_near(found, first, x, y, n, k, a, b, c, event, seed, steps, spreads, gains, depends, teeth)
    if most == _PARTS:
        for i in range(count):
            if found[i] == _PARTS:
                own_push, own_pull, own_fano = own(a[i], b[i], c[i], spreads)
                y[i] = _in_parts(
                    x[i], int(n[i]), int(k[i]), first + i, event, seed, own_push, own_pull, own_fano, steps, gains,
                    teeth,
                )  # fmt: skip
    for i in range(count):
        x[i] = min(_f4(1.0), max(_f4(0.0), y[i]))


@nb.njit(error_model="numpy", cache=True)
def _counted(push, pull, widths):
    """Return pushes, pulls, and the longest pulse time of a device."""
    count = push.shape[0]
    pushes, pulls = _u4(0), _u4(0)
    for i in range(count):
        pushes += _u4(push[i])
        pulls += _u4(pull[i])
    # Whole numbers become vector instructions: they say in which part the longest is (to 1/4000 of a pulse), and there
    # it is taken exactly.
    widest = max(widths[0], widths[1])
    scale = _RESOLUTION / widest if widest > 0.0 else 0.0
    w0, w1 = np.int32(np.rint(widths[0] * scale)), np.int32(np.rint(widths[1] * scale))
    highest, best = np.int32(-1), 0
    for chunk in range((count + _CHUNK - 1) // _CHUNK):
        low, high = chunk * _CHUNK, min((chunk + 1) * _CHUNK, count)
        top = _top(push[low:high], pull[low:high], w0, w1)
        if top > highest:
            highest, best = top, chunk
    longest = 0.0
    for i in range(best * _CHUNK, min((best + 1) * _CHUNK, count)):
        longest = max(longest, push[i] * widths[0] + pull[i] * widths[1])
    return pushes, pulls, longest


@nb.njit(error_model="numpy", cache=True)
def _top(push, pull, push_width, pull_width):
    top = np.int32(0)
    for i in range(push.shape[0]):
        top = max(top, np.int32(push[i]) * push_width + np.int32(pull[i]) * pull_width)
    return top


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_range(position, spread, first, push, pull, law, widths, event, seed, totals, busy):
    """Move a range of walls; count pulses and time block by block.

    Args:
        position: float32, shape (devices,); overwritten.
        spread: int8, shape (3, devices).
        first: first device.
        push: uint8, shape (n,).
        pull: uint8, shape (n,).
        law: steps, spreads, gains, whether there are gains, `weight_of_teeth`, edge of the track.
        widths: of a push and a pull, s.
        event: keys the random draw.
        seed: 64 bits.
        totals: int64, shape (blocks, 2), overwritten: pushes and pulls per block.
        busy: float64, shape (blocks,), overwritten: longest pulse time of a device, s.
    """
    steps, spreads, gains, depends, teeth, edge = law
    count = push.shape[0]
    first_block = first // BLOCK
    blocks = totals.shape[0]
    for group in nb.prange((blocks + _GROUP - 1) // _GROUP):
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        y = np.empty(_GROUP * BLOCK, np.float32)
        found = np.zeros(_GROUP * BLOCK, np.uint8)
        start = max(first, (first_block + group * _GROUP) * BLOCK)
        for index in range(group * _GROUP, min((group + 1) * _GROUP, blocks)):
            block = first_block + index
            fill_words(words, block, event, _PULSE_PURPOSE, seed)
            fill_normals(normals, words)
            low = max(first, block * BLOCK)
            high = min(first + count, (block + 1) * BLOCK)
            # Slices of equal length, indexed from 0: the form the compiler turns into vector instructions.
            z = normals.ravel()[low - block * BLOCK : high - block * BLOCK]
            n, k = push[low - first : high - first], pull[low - first : high - first]
            a, b, c = spread[0, low:high], spread[1, low:high], spread[2, low:high]
            _move_freely(
                y[low - start : high - start], found[low - start : high - start], position[low:high], z, n, k, a, b, c,
                steps, spreads, gains, depends, edge,
            )  # fmt: skip
            totals[index, 0], totals[index, 1], busy[index] = _counted(n, k, widths)
        stop = min(first + count, (first_block + (group + 1) * _GROUP) * BLOCK)
        n, k = push[start - first : stop - first], pull[start - first : stop - first]
        a, b, c = spread[0, start:stop], spread[1, start:stop], spread[2, start:stop]
        x = position[start:stop]
        _stop(y, found, x, n, k, a, b, c, start, event, seed, steps, spreads, gains, depends, teeth)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def move_selected(position, spread, devices, push, pull, law, event, seed):
    """Move walls one by one: `push` and `pull`, int64, belong to `devices`, uint32; the rest as in `move_range`."""
    steps, spreads, gains, depends, teeth, edge = law
    for index in nb.prange(devices.shape[0]):
        device = int(devices[index])
        words = np.empty((4, BLOCK // 4), np.uint32)
        normals = np.empty((4, BLOCK // 4), np.float32)
        fill_words(words, device // BLOCK, event, _PULSE_PURPOSE, seed)
        fill_normals(normals, words)
        z = normals.ravel()[device % BLOCK : device % BLOCK + 1]
        x, n, k = position[device : device + 1], push[index : index + 1], pull[index : index + 1]
        a, b, c = spread[0, device : device + 1], spread[1, device : device + 1], spread[2, device : device + 1]
        y, found = np.empty(1, np.float32), np.zeros(8, np.uint8)
        _move_freely(y, found[:1], x, z, n, k, a, b, c, steps, spreads, gains, depends, edge)
        _stop(y, found, x, n, k, a, b, c, device, event, seed, steps, spreads, gains, depends, teeth)
