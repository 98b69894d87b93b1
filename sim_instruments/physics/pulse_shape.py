"""The pulse as a track sees it: edges that take time, and Joule heating that outlasts them.

Voltage: a trapezoid. The generator steps at time 0 and at `width`, and the line follows with a constant slope of one
amplitude per rise time, so the full width at half maximum is `width` and the pulse ends at `width + rise`. A pulse
shorter than its rise time is a triangle that never reaches its amplitude.

Temperature: the track is one thermal mass on one thermal resistance, heated by P = V^2 / R,

    tau dT/dt = R_th P(t) - dT        so under a constant power  dT = R_th P (1 - exp(-t / tau)),

and cools by exp(-t / tau) after the pulse. In a train of pulses it starts from the rise that the train itself keeps up.

Models of walls want rates that stand still for a while: a pulse comes as a few pieces of constant voltage and constant
temperature. Pieces keep the pulse's area, its energy and the mean temperature of each exactly as far as the power of a
piece may be taken as its mean; what is lost inside a piece of an edge falls with the square of their number.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.quantity import NonNegative, Positive

_COOLED = math.log(100.0)
"""The tail of a single pulse is followed for as many thermal times, until a hundredth of the rise is left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseLine:
    """What lies between the generator and the wall, in time and in temperature."""

    rise_time_s: NonNegative = 0.0
    """Of an edge from 0 to 100 %, rising or falling."""
    thermal_resistance_k_w: NonNegative = 0.0
    """Temperature rise of the track over power, R_th; 0: no heating."""
    thermal_time_s: Positive = 1e-8
    """Time constant of heating and cooling, tau."""
    temperature_k: Positive = 300.0
    """Of the track without current."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """A pulse in pieces, in the order of time: float64 arrays of one length."""

    duration_s: NDArray[np.float64]
    voltage_v: NDArray[np.float64]
    """Mean over the piece, with the sign of the amplitude."""
    temperature_k: NDArray[np.float64]
    """Mean over the piece."""


def segments(
    amplitude_v: float,
    width_s: float,
    line: PulseLine,
    resistance_ohm: float,
    *,
    parts: int = 4,
    period_s: float | None = None,
) -> Segments:
    """Return a pulse in pieces. A rectangular pulse without heating is a single one.

    Args:
        amplitude_v: signed.
        width_s: full width at half maximum.
        line: edges and heating.
        resistance_ohm: that turns the voltage into heat.
        parts: pieces of an edge, and with heating also of the top and of the cooling tail.
        period_s: from pulse to pulse of a train that has lasted for many thermal times; the pieces then add up to it,
            and begin as warm as they end. Without it, a single pulse: it begins cold, and with heating ends when a
            hundredth of the rise is left.

    Raises:
        ValueError: the pulse is longer than the period.
    """
    durations, voltages, powers = _pulse(amplitude_v, width_s, line, resistance_ohm, parts)
    base_s = float(durations.sum())
    if period_s is not None and period_s < base_s * (1 - 1e-9):
        raise ValueError(f"a pulse of {base_s:g} s with its edges does not fit into period_s = {period_s:g}")
    if line.thermal_resistance_k_w > 0:
        tail_s = _COOLED * line.thermal_time_s if period_s is None else max(0.0, period_s - base_s)
        tail = _pieces(tail_s, line.thermal_time_s, parts)
    else:
        tail = np.array([] if period_s is None or period_s <= base_s else [period_s - base_s])
    durations = np.concatenate((durations, tail))
    voltages = np.concatenate((voltages, np.zeros(len(tail))))
    powers = np.concatenate((powers, np.zeros(len(tail))))
    return Segments(
        duration_s=durations,
        voltage_v=voltages,
        temperature_k=line.temperature_k + _mean_rises(durations, powers, line, is_train=period_s is not None),
    )


def heated_rise_k(time_s: float, power_w: float, line: PulseLine) -> float:
    """Return dT = R_th P (1 - exp(-t / tau)): the rise after a time at constant power, from cold."""
    return -line.thermal_resistance_k_w * power_w * math.expm1(-time_s / line.thermal_time_s)


def _pulse(
    amplitude_v: float, width_s: float, line: PulseLine, resistance_ohm: float, parts: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return durations, mean voltages and mean powers of the pulse without its tail."""
    edge_s = min(line.rise_time_s, width_s)
    top_v = amplitude_v * (edge_s / line.rise_time_s if line.rise_time_s else 1.0)
    top_s = width_s - edge_s
    steps = np.arange(parts) if edge_s > 0 else np.zeros(0)
    rising_v = top_v * (steps + 0.5) / parts
    # Mean square of a straight line over a piece: that of its middle, and a twelfth of the step squared.
    rising_v2 = rising_v**2 + (top_v / parts) ** 2 / 12
    edge = np.full(len(steps), edge_s / parts)
    if line.thermal_resistance_k_w > 0:
        top = _pieces(top_s, line.thermal_time_s, parts)
    else:
        top = np.array([top_s] if top_s > 0 else [])
    return (
        np.concatenate((edge, top, edge)),
        np.concatenate((rising_v, np.full(len(top), top_v), rising_v[::-1])),
        np.concatenate((rising_v2, np.full(len(top), top_v**2), rising_v2[::-1])) / resistance_ohm,
    )


def _pieces(duration_s: float, thermal_time_s: float, parts: int) -> NDArray[np.float64]:
    """Cut a time of constant power so that the temperature moves equally far in each piece."""
    if duration_s <= 0:
        return np.zeros(0)
    settled = -math.expm1(-duration_s / thermal_time_s)
    edges = -thermal_time_s * np.log1p(-settled * np.arange(parts) / parts)
    return np.diff(edges, append=duration_s)


def _mean_rises(
    durations: NDArray[np.float64], powers: NDArray[np.float64], line: PulseLine, *, is_train: bool
) -> NDArray[np.float64]:
    """Return the mean temperature rise of each piece, K."""
    x = durations / line.thermal_time_s
    approach = -np.expm1(-x)
    targets = line.thermal_resistance_k_w * powers
    start = 0.0
    if is_train:
        # The response is linear: a rise carried over the whole period is what one period from cold leaves, summed up.
        start = _end_rise(0.0, targets, approach) / -math.expm1(-float(x.sum()))
    means = np.empty(len(x))
    for i in range(len(x)):
        means[i] = targets[i] + (start - targets[i]) * (approach[i] / x[i])
        start += (targets[i] - start) * approach[i]
    return means


def _end_rise(start: float, targets: NDArray[np.float64], approach: NDArray[np.float64]) -> float:
    for target, share in zip(targets, approach, strict=True):
        start += (target - start) * share
    return start
