"""Thermal and shot noise: one-sided spectral densities and what a reading keeps of them.

A tunnel junction has one white noise, S_I = 2 e I coth(e V / 2 k T). It is thermal noise, 4 k T I / V, at small
voltages and shot noise, 2 e I, at large ones, so neither is added to it. A channel is an ordinary resistor:
S_V = 4 k T R.

A reading that averages over t passes the band df = 1 / (2 t).
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.constants import BOLTZMANN_J_K, ELEMENTARY_CHARGE_C
from sim_instruments.physics.readout.junction import JunctionPoint

_SMALL = 1e-3


def bandwidth_hz(reading_s: float) -> float:
    """Return the noise bandwidth of a reading that averages over so long."""
    return 1 / (2 * reading_s)


def thermal_voltage_noise_v2_hz(resistance_ohm: float, temperature_k: float) -> float:
    """Return S_V = 4 k T R of a resistor."""
    return 4 * BOLTZMANN_J_K * temperature_k * resistance_ohm


def junction_current_noise_a2_hz(
    conductance_s: ArrayLike, voltage_v: ArrayLike, temperature_k: float
) -> NDArray[np.float64]:
    """Return S_I = 2 e I coth(e V / 2 k T) of a tunnel junction.

    Args:
        conductance_s: I / V, which says at V = 0 what I alone cannot.
        voltage_v: across the junction.
        temperature_k: of the junction.
    """
    x = ELEMENTARY_CHARGE_C * np.abs(np.asarray(voltage_v, np.float64)) / (2 * BOLTZMANN_J_K * temperature_k)
    x_coth_x = np.where(x < _SMALL, 1 + x**2 / 3, x / np.tanh(np.maximum(x, _SMALL)))
    return 4 * BOLTZMANN_J_K * temperature_k * np.asarray(conductance_s, np.float64) * x_coth_x


def terminal_current_noise_a2_hz(
    point: JunctionPoint, series_resistance_ohm: float, temperature_k: float
) -> NDArray[np.float64]:
    """Return S_I at terminals held at a voltage: junction and channel noise, each through the other's resistance."""
    junction = junction_current_noise_a2_hz(point.junction_conductance_s, point.junction_voltage_v, temperature_k)
    channel = thermal_voltage_noise_v2_hz(series_resistance_ohm, temperature_k) * point.junction_slope_s**2
    return (junction + channel) / (1 + series_resistance_ohm * point.junction_slope_s) ** 2
