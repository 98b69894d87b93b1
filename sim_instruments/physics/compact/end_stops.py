"""Where a wall is after many pulses within reach of an end of the track, without following each.

After every pulse a wall stops at the end. For one end at distance 0 this is Lindley's recursion, and the wall ends at
y - min(0, M), where y is where it would be without the end and M the lowest point on the way there: so it takes the
joint law of y and M. Of a Brownian motion from p to y with variance v, M given y is exactly

    (p + y - sqrt((p - y)^2 - 2 v ln U)) / 2        (reflection principle, U uniform)

Pulses are not Brownian motion: the way is seen at their ends only, and pushes and pulls make it a sawtooth.

* Seen at steps of standard deviation s, the lowest point lies 0.5826 s higher (Broadie, Glasserman and Kou,
  Mathematical Finance 7, 325 (1997); the number is -zeta(1/2) / sqrt(2 pi)). Where the mean step is not
  small against s it lies higher still, by 0.08 r + 0.0215 r^2 times s for a mean of r s: fitted to the mean distance of
  a wall that is pressed on an end, which is known (Spitzer's formula).
* Where a step's mean is not small against its noise, only the lower teeth count: the steps are whole teeth. Where it is
  small every pulse counts. Between the two a weight is used that was fitted to walks pulse by pulse.
* The first tooth, or the last where that is the one cut short, is drawn on its own from its exact law given y.
* With K more pulses of one polarity than of the other the mean way between the teeth is a stair of K steps; a straight
  line through it replaces the stair.

Far from the ends everything is exact; near an end a single push and pull are, the rest is approximate. Against walks
pulse by pulse (up to 100 pushes and 100 pulls in many mixtures, steps of mean m and standard deviation s), means are
off by less than 0.1 m where s is below 1.6 m, and by less than 0.15 (m + s) up to s = 4 m; standard deviations by less
than 5 per cent and 0.05 s. The largest errors belong to counts that are far from equal. A push and a pull whose means
differ by a factor of 2 or more may be off by half the smaller one where the greater presses the wall on an end.
"""

import math

import numba as nb
import numpy as np

_SEEN_AT_STEPS = np.float32(0.5826)
_STEEPER = np.float32(0.08)
_STEEPEST = np.float32(0.0215)
_FITTED = 2.4
_LONG_RUNS = np.float32(3.5)
_CUT_OFF = np.float32(6.0)

_f4 = np.float32


def weight_of_teeth(push_step: float, pull_step: float, push_variance: float, pull_variance: float) -> float:
    """Return how much only whole teeth count: 1 for steps without noise, 0 for noise without a mean.

    Args:
        push_step: mean of one push.
        pull_step: mean of one pull, a magnitude.
        push_variance: of one push.
        pull_variance: of one pull.
    """
    both = push_variance + pull_variance
    if both == 0.0:
        return 1.0
    height = (push_step * pull_variance + pull_step * push_variance) / both
    return 1.0 - math.exp(-_FITTED * height / math.sqrt(both / 2))


@nb.njit(inline="always", cache=True)
def stopped(x, y, drift, variance, pushes, pulls, push_step, pull_step, push_noise, pull_noise, teeth, g, e):
    """Return where a wall is that one end stops, from where it would be without.

    Args:
        x: position before.
        y: position afterwards without ends.
        drift: mean of y - x.
        variance: of y - x.
        pushes: their number, at least 1 pulse in all.
        pulls: their number.
        push_step: mean of one push.
        pull_step: mean of one pull, a magnitude.
        push_noise: variance of one push.
        pull_noise: variance of one pull.
        teeth: `weight_of_teeth`.
        g: a standard normal number.
        e: -2 ln U, U uniform.
    """
    # Distances from the end in question; pulses lead away from it (a) or towards it (b).
    is_low = x + y < _f4(1.0)
    start, stop = (x, y) if is_low else (_f4(1.0) - x, _f4(1.0) - y)
    deviation = (y - x - drift) if is_low else (x - y + drift)
    a, b = (push_step, pull_step) if is_low else (pull_step, push_step)
    va, vb = (push_noise, pull_noise) if is_low else (pull_noise, push_noise)
    na, nb_ = (pushes, pulls) if is_low else (pulls, pushes)
    away = na >= nb_
    fewer, more = min(na, nb_), max(na, nb_)
    total, net = fewer + more, more - fewer
    runs = more / max(fewer, _f4(1.0))
    ceiling, floor = np.ceil(runs), np.floor(runs)

    share = _LONG_RUNS * fewer / total
    w = teeth * min(_f4(1.0), share * share)
    is_cut_off = (not is_low) & (not away) & (total >= _CUT_OFF * fewer)
    w = _f4(0.0) if is_cut_off else w
    is_stair = (net > _f4(0.0)) & (net < fewer)
    stair = (
        _f4(0.5) * (_f4(1.0) - _f4(1.0) / max(net, _f4(1.0))) * (_f4(1.0) - net / max(fewer, _f4(1.0)))
        if is_stair
        else _f4(0.0)
    )

    # The first tooth that is not whole: its mean and variance from the start, or from the stop.
    has_first = (fewer > _f4(0.0)) & away
    has_last = (fewer > _f4(0.0)) & (not is_low) & (not away) & (not is_cut_off)
    # All of it without branches, for vector instructions. Low end: a pull ends a tooth. High end: a push does.
    cut = ceiling - _f4(1.0)
    first_low, first_high = a - b, (-b if away else a - cut * b)
    noise_low, noise_high = va + vb, (vb if away else cut * vb + va)
    left_low, left_high = cut * va, (floor * va if away else vb)
    start_away, start_towards = (
        (-stair * a if is_low else (ceiling - runs - stair) * a),
        ((stair - ceiling + runs) * b if is_low else (stair - _f4(1.0)) * b),
    )
    stop_away, stop_towards = ((stair - cut) * a if is_low else (stair - floor) * a), -stair * b
    first = first_low if is_low else first_high
    first_noise = noise_low if is_low else noise_high
    left = w * (left_low if is_low else left_high)
    from_start = w * (start_away if away else start_towards)
    from_stop = w * (stop_away if away else stop_towards)
    is_plain = not (has_first | has_last)
    from_start, from_stop = (_f4(0.0), _f4(0.0)) if fewer == _f4(0.0) else (from_start, from_stop)
    part = first_noise / variance
    noise = part * deviation + np.sqrt(max(_f4(0.0), first_noise * (_f4(1.0) - part))) * g
    tooth = start + first + noise if has_first else stop - first - noise
    rest = variance if is_plain else max(_f4(0.0), variance - first_noise - left)

    low = min(start, stop)
    low = low if is_plain else min(low, tooth)
    teeth_left = max(_f4(1.0), fewer if is_plain else fewer - _f4(1.0))
    step = np.sqrt(variance / total)
    # A few teeth among many pulses the other way each hide two of them.
    step = step * (_f4(1.0) + _f4(2.0) * fewer / total) if is_cut_off else step
    steepness = abs(drift) / np.sqrt(variance * total)
    seen = _SEEN_AT_STEPS + steepness * (_STEEPER + _STEEPEST * steepness)
    shift = seen * (step * (_f4(1.0) - w) + w * np.sqrt(rest / teeth_left))
    p = (tooth if has_first else start) + from_start
    q = (tooth if has_last else stop) + from_stop
    lowest = _f4(0.5) * (p + q - np.sqrt((p - q) * (p - q) + rest * e)) + shift
    low = min(low, lowest) if rest > _f4(0.0) else low
    distance = stop - min(_f4(0.0), low)
    return distance if is_low else _f4(1.0) - distance
