"""One pulse as the wall in a wide track feels it: fields, temperatures, and what they move on average."""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.creep.kernel import Track, moments
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.pulse_shape import segments

_INCREMENTS = {"gaussian": 0, "gamma": 1, "compound-poisson": 2}


class Felt(NamedTuple):
    """A pulse in pieces; a named tuple, because compiled code takes it as it is."""

    duration_s: NDArray[np.float64]
    field_a_m: NDArray[np.float64]
    """Of the current, without the stray field."""
    temperature_k: NDArray[np.float64]
    nucleation: float
    """Probability that the pulse nucleates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Displacement:
    """What one pulse does to a wall far from the ends."""

    mean_m: float
    """With its sign: positive for a push."""
    variance_m2: float


def felt(parameters: CreepParameters, amplitude_v: float, width_s: float) -> Felt:
    """Return a pulse of this signed amplitude in pieces."""
    line = parameters.write_line
    period_s = parameters.pulse_period_s
    if period_s is not None:
        period_s = max(period_s, width_s + min(width_s, parameters.pulse_line.rise_time_s))
    pulse = segments(
        amplitude_v,
        width_s,
        parameters.pulse_line,
        line.resistance_ohm,
        parts=parameters.pulse_parts,
        period_s=period_s,
    )
    limit = parameters.nucleation_current_density_a_m2
    hot_s = 0.0
    if limit is not None:
        currents = np.abs([line.heavy_metal_current_density_a_m2(float(voltage)) for voltage in pulse.voltage_v])
        hot_s = float(pulse.duration_s[currents > limit].sum())
    return Felt(
        duration_s=pulse.duration_s,
        field_a_m=np.array([parameters.torque_field_a_m(float(voltage)) for voltage in pulse.voltage_v], np.float64),
        temperature_k=pulse.temperature_k,
        nucleation=-math.expm1(-parameters.nucleation_rate_hz * hot_s),
    )


def resting(parameters: CreepParameters, duration_s: float) -> Felt:
    """Return a time without current."""
    return Felt(
        duration_s=np.array([duration_s], np.float64),
        field_a_m=np.zeros(1),
        temperature_k=np.array([parameters.pulse_line.temperature_k], np.float64),
        nucleation=0.0,
    )


def track(parameters: CreepParameters) -> Track:
    """Return what compiled code has to know of the sample."""
    p = parameters
    return Track(
        length_m=float(p.track_length_m),
        avalanche_m=float(p.avalanche_length_m),
        avalanche_cv=float(p.avalanche_cv),
        increments=_INCREMENTS[p.increments],
        force_per_field_n_m_a=p.force_per_field_n_m_a,
        stray_a_m=float(p.stray_field_a_m),
        threshold_a_m=float(p.threshold_field_a_m),
        depinning_field_dtod=float(p.depinning_field_dtod),
        depinning_temperature_dtod=float(p.depinning_temperature_dtod),
        stray_dtod_a_m=float(p.stray_field_dtod_a_m),
    )


def displacement(parameters: CreepParameters, amplitude_v: float, width_s: float) -> Displacement:
    """Return mean and variance of the displacement of a device without spread by one pulse far from the ends.

    Args:
        parameters: the sample.
        amplitude_v: signed, positive for a push.
        width_s: full width at half maximum.
    """
    a_track = track(parameters)
    mean_m, variance_m2 = moments(felt(parameters, amplitude_v, width_s), a_track.stray_a_m, parameters.law, a_track)
    return Displacement(mean_m=mean_m, variance_m2=variance_m2)
