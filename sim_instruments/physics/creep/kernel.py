"""Compiled loops of the creep model: every wall takes its pulses one after another.

Random numbers come from the device's own streams, so a device moves by the same numbers whichever call it is in.
"""

import math
from typing import NamedTuple

import numba as nb

from sim_instruments.physics.creep.law import VelocityLaw
from sim_instruments.physics.creep.velocity import fano_length_m, speed_m_s
from sim_instruments.physics.philox import BLOCK
from sim_instruments.physics.pulse_order import is_push_next
from sim_instruments.physics.stream import normal_pair, uniform_pair
from sim_instruments.physics.variates import gamma, poisson

_SPREAD_PURPOSE = 1
_STEP_PURPOSE = 2
_NUCLEATION_PURPOSE = 3

_GAMMA = 1
_COMPOUND_POISSON = 2

_MOST_DEVIATIONS = 4.0


class Track(NamedTuple):
    """What all devices have in common."""

    length_m: float
    avalanche_m: float
    avalanche_cv: float
    increments: int
    """0 Gaussian, 1 gamma, 2 compound Poisson."""
    force_per_field_n_m_a: float
    stray_a_m: float
    threshold_a_m: float
    depinning_field_dtod: float
    depinning_temperature_dtod: float
    stray_dtod_a_m: float


@nb.njit(error_model="numpy", cache=True)
def moments(pulse, stray_a_m, law, track):
    """Return mean, m, and variance, m^2, of the displacement by a pulse (`pulse.Felt`) of a wall with this law."""
    mean, variance = 0.0, 0.0
    for i in range(pulse.duration_s.shape[0]):
        field = pulse.field_a_m[i] + stray_a_m
        if field == 0.0 or abs(field) < track.threshold_a_m:
            continue
        temperature = pulse.temperature_k[i]
        way = speed_m_s(abs(field), temperature, law) * pulse.duration_s[i]
        mean += math.copysign(way, field)
        variance += way * fano_length_m(field, temperature, track.avalanche_m, track.force_per_field_n_m_a)
    return mean, variance


@nb.njit(cache=True)
def _character(law, track, device, seed):
    """Return one device's stray field and law."""
    first, second = normal_pair(0, device, 0, _SPREAD_PURPOSE, seed)
    third, _ = normal_pair(1, device, 0, _SPREAD_PURPOSE, seed)
    field = 1.0 + track.depinning_field_dtod * min(_MOST_DEVIATIONS, max(-_MOST_DEVIATIONS, first))
    barrier = 1.0 + track.depinning_temperature_dtod * min(_MOST_DEVIATIONS, max(-_MOST_DEVIATIONS, second))
    own = VelocityLaw(
        law.depinning_drive * field,
        law.depinning_temperature_k * barrier,
        law.depinning_velocity_m_s,
        law.mobility,
        law.saturation_velocity_m_s,
        law.creep_exponent,
        law.depinning_exponent,
        law.rounding_exponent,
        law.rounding_factor,
        law.join_power,
        law.washout_power,
    )
    return track.stray_a_m + track.stray_dtod_a_m * third, own


@nb.njit(error_model="numpy", cache=True)
def _increment(mean, variance, track, draw, device, event, seed):
    """Return one displacement, in the unit of the mean, and the next unused draw."""
    if variance == 0.0:
        return 0.0, draw
    if track.increments == _GAMMA and mean != 0.0:
        value, draw = gamma(mean * mean / variance, draw, device, event, _STEP_PURPOSE, seed)
        return value * variance / mean, draw
    if track.increments == _COMPOUND_POISSON and mean != 0.0:
        square_cv = track.avalanche_cv * track.avalanche_cv
        expected = mean * mean * (1.0 + square_cv) / variance
        number, draw = poisson(expected, draw, device, event, _STEP_PURPOSE, seed)
        if number == 0.0 or square_cv == 0.0:
            return number * mean / expected, draw
        value, draw = gamma(number / square_cv, draw, device, event, _STEP_PURPOSE, seed)
        return value * square_cv * mean / expected, draw
    z, _ = normal_pair(draw, device, event, _STEP_PURPOSE, seed)
    return mean + math.sqrt(variance) * z, draw + 1


@nb.njit(cache=True)
def _swept(before, step):
    """Return how far drive of one polarity has come, in tracks: what opposes it begins anew."""
    return before + step if before * step >= 0.0 else step


@nb.njit(error_model="numpy", cache=True)
def _pulsed(state, device, push, pull, push_pulse, pull_pulse, shared_law, track, event, seed):
    """Apply pulses to one device. Moves the wall."""
    position, nucleated, swept = state
    stray, law = _character(shared_law, track, device, seed)
    push_mean, push_variance = moments(push_pulse, stray, law, track)
    pull_mean, pull_variance = moments(pull_pulse, stray, law, track)
    length = track.length_m
    x = float(position[device])
    draw, pushed, pulled = 0, 0, 0
    while pushed + pulled < push + pull:
        index = pushed + pulled
        if is_push_next(pushed, pulled, push, pull):
            pushed += 1
            mean, variance, nucleation = push_mean / length, push_variance / length**2, push_pulse.nucleation
        else:
            pulled += 1
            mean, variance, nucleation = pull_mean / length, pull_variance / length**2, pull_pulse.nucleation
        if nucleation > 0.0:
            chance, place = uniform_pair(index, device, event, _NUCLEATION_PURPOSE, seed)
            if chance < nucleation:
                nucleated[device], swept[device], x = 1, 0.0, place
                continue
        if nucleated[device]:
            way = _swept(swept[device], mean)
            swept[device] = way
            if abs(way) >= 1.0:
                nucleated[device], swept[device], x = 0, 0.0, 1.0 if way > 0.0 else 0.0
            continue
        step, draw = _increment(mean, variance, track, draw, device, event, seed)
        x = min(1.0, max(0.0, x + step))
    position[device] = x


@nb.njit(parallel=True, cache=True)
def pulse_range(state, first, push, pull, push_pulse, pull_pulse, law, track, widths, event, seed, totals, busy):
    """Pulse a range of devices; count pulses and time block by block. Moves the walls.

    Args:
        state: position float32, nucleated uint8 and swept float32, each of shape (devices,); overwritten.
        first: first device.
        push: uint8, shape (n,).
        pull: uint8, shape (n,).
        push_pulse: `pulse.Felt`.
        pull_pulse: `pulse.Felt`.
        law: velocity over field and temperature.
        track: what the devices have in common.
        widths: time that a push and a pull take, s.
        event: keys the random numbers.
        seed: 64 bits.
        totals: int64, shape (blocks, 2), overwritten: pushes and pulls per block.
        busy: float64, shape (blocks,), overwritten: longest pulse time of a device, s.
    """
    for index in nb.prange(totals.shape[0]):
        block = first // BLOCK + index
        pushes, pulls, longest = 0, 0, 0.0
        for device in range(max(first, block * BLOCK), min(first + push.shape[0], (block + 1) * BLOCK)):
            n, k = int(push[device - first]), int(pull[device - first])
            if n + k == 0:
                continue
            _pulsed(state, device, n, k, push_pulse, pull_pulse, law, track, event, seed)
            pushes += n
            pulls += k
            longest = max(longest, n * widths[0] + k * widths[1])
        totals[index, 0], totals[index, 1], busy[index] = pushes, pulls, longest


@nb.njit(parallel=True, cache=True)
def pulse_selected(state, devices, push, pull, push_pulse, pull_pulse, law, track, event, seed):
    """Pulse `devices`, uint32, none named twice; `push` and `pull`, int64, go with them. Moves the walls."""
    for index in nb.prange(devices.shape[0]):
        device, n, k = int(devices[index]), int(push[index]), int(pull[index])
        _pulsed(state, device, n, k, push_pulse, pull_pulse, law, track, event, seed)


@nb.njit(parallel=True, error_model="numpy", cache=True)
def rest(position, nucleated, time, law, track, event, seed):
    """Let every wall creep in its stray field for a while, `pulse.Felt` without current. Moves the walls."""
    for device in nb.prange(position.shape[0]):
        if nucleated[device]:
            continue
        stray, own = _character(law, track, device, seed)
        mean, variance = moments(time, stray, own, track)
        if variance == 0.0:
            continue
        step, _ = _increment(mean / track.length_m, variance / track.length_m**2, track, 0, device, event, seed)
        position[device] = min(1.0, max(0.0, position[device] + step))
