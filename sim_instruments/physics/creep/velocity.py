"""Velocities and Fano lengths by the law of creep, depinning and flow, for arrays and for compiled code."""

import math
from collections.abc import Callable

import numba as nb
import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.creep.law import VelocityLaw

_BOLTZMANN_J_K = float(BOLTZMANN_J_K)


def velocity(drive: ArrayLike, temperature_k: ArrayLike, law: VelocityLaw) -> NDArray[np.float64]:
    """Return the velocity, m/s, with the sign of the drive.

    Args:
        drive: field or current density, any shape.
        temperature_k: any shape that goes with it.
        law: its numbers.
    """
    return _evaluate(_fill, drive, temperature_k, law)


def pinned_velocity(drive: ArrayLike, temperature_k: ArrayLike, law: VelocityLaw) -> NDArray[np.float64]:
    """Return the velocity by creep and depinning alone, the published functions without flow, m/s."""
    return _evaluate(_fill_pinned, drive, temperature_k, law)


def _evaluate(
    fill: Callable[..., None], drive: ArrayLike, temperature_k: ArrayLike, law: VelocityLaw
) -> NDArray[np.float64]:
    drives, temperatures = np.broadcast_arrays(np.asarray(drive, float), np.asarray(temperature_k, float))
    velocities = np.empty(drives.shape)
    fill(velocities.ravel(), drives.ravel(), temperatures.ravel(), law)
    return velocities


def thermal_fano_length_m(drive_a_m: float, temperature_k: float, force_per_field_n_m_a: float) -> float:
    """Return 2 kT / F, below which no variance over mean of a driven displacement can fall (uncertainty relation).

    Source: A. C. Barato and U. Seifert, PRL 114, 158101 (2015): var / mean >= 2 kT / F for a displacement that a force
    F drives, whatever lies in the way; a wall that drifts and diffuses freely meets it.
    """
    return 2 * _BOLTZMANN_J_K * temperature_k / (force_per_field_n_m_a * abs(drive_a_m))


@nb.njit(error_model="numpy", cache=True)
def pinned_speed_m_s(drive: float, temperature_k: float, law: VelocityLaw) -> float:
    """Return the velocity by creep and depinning alone at a drive that is not negative; for compiled code."""
    ratio = drive / law.depinning_drive
    heat = temperature_k / law.depinning_temperature_k
    rounded = law.rounding_factor * law.depinning_velocity_m_s * heat**law.rounding_exponent
    if ratio < 1.0:
        return rounded * math.exp((1.0 - ratio**-law.creep_exponent) / heat)
    above = law.depinning_velocity_m_s * (ratio - 1.0) ** law.depinning_exponent
    return (rounded**law.join_power + above**law.join_power) ** (1.0 / law.join_power)


@nb.njit(error_model="numpy", cache=True)
def speed_m_s(drive: float, temperature_k: float, law: VelocityLaw) -> float:
    """Return the velocity at a drive that is not negative; for compiled code."""
    if drive <= 0.0:
        return 0.0
    pinning = max(1.0, drive / law.depinning_drive) ** -law.washout_power / pinned_speed_m_s(drive, temperature_k, law)
    linear, saturated = 1.0 / (law.mobility * drive), 1.0 / law.saturation_velocity_m_s
    return 1.0 / (pinning + math.sqrt(linear * linear + saturated * saturated))


@nb.njit(error_model="numpy", cache=True)
def fano_length_m(drive_a_m: float, temperature_k: float, avalanche_m: float, force_per_field_n_m_a: float) -> float:
    """Return variance over mean of the displacement by avalanches that go both ways, for compiled code.

    Avalanches of mean size a whose rates forward and backward are in detailed balance, ratio exp(F a / kT), give
    a coth(F a / 2 kT): the avalanche itself at a strong drive, 2 kT / F at a weak one, and never less than that.
    """
    half = 0.5 * force_per_field_n_m_a * abs(drive_a_m) * avalanche_m / (_BOLTZMANN_J_K * temperature_k)
    return avalanche_m / math.tanh(half)


@nb.njit(error_model="numpy", cache=True)
def _fill(velocities: np.ndarray, drives: np.ndarray, temperatures: np.ndarray, law: VelocityLaw) -> None:
    for i in range(velocities.shape[0]):
        velocities[i] = math.copysign(speed_m_s(abs(drives[i]), temperatures[i], law), drives[i])


@nb.njit(error_model="numpy", cache=True)
def _fill_pinned(velocities: np.ndarray, drives: np.ndarray, temperatures: np.ndarray, law: VelocityLaw) -> None:
    for i in range(velocities.shape[0]):
        velocities[i] = math.copysign(pinned_speed_m_s(abs(drives[i]), temperatures[i], law), drives[i])
