"""The output stage of a source-measure unit on a resistive load: what it puts out, what it reads, what limits it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim_instruments.place import Place

LINE_FREQUENCY_HZ = 50.0
"""Mains frequency: one power-line cycle is 20 ms."""

OVER_RANGE = 1.05
"""A range measures up to so much of its name."""

OVERFLOW = 9.9e37
"""What an instrument answers in the place of a reading beyond the range."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatingPoint:
    """Where the output settles."""

    voltage_v: float
    current_a: float
    is_limited: bool
    """Whether the compliance holds it."""


def measured_conductance_s(place: Place) -> float:
    """Return the conductance between the terminals, siemens: that of every device the measure row reaches."""
    return math.fsum(place.sample.conductance_s(device) for device in place.wiring.measured_devices())


def operating_point(
    function: Literal["VOLT", "CURR"], level: float, limit: float, conductance_s: float
) -> OperatingPoint:
    """Return where a source with a compliance settles on a conductance.

    Args:
        function: what is sourced: volts, limited in amperes, or amperes, limited in volts.
        level: the level, signed.
        limit: the compliance, a magnitude.
        conductance_s: the load; 0 is an open circuit.
    """
    if function == "VOLT":
        wanted_a = level * conductance_s
        if abs(wanted_a) <= limit:
            return OperatingPoint(voltage_v=level, current_a=wanted_a, is_limited=False)
        current_a = math.copysign(limit, wanted_a)
        return OperatingPoint(voltage_v=current_a / conductance_s, current_a=current_a, is_limited=True)
    if abs(level) <= limit * conductance_s:
        voltage_v = level / conductance_s if level else 0.0
        return OperatingPoint(voltage_v=voltage_v, current_a=level, is_limited=False)
    voltage_v = math.copysign(limit, level)
    return OperatingPoint(voltage_v=voltage_v, current_a=voltage_v * conductance_s, is_limited=True)


def noisy(
    value: float, count: int, *, span: float, nplc: float, noise_of_range: float, noise: np.random.Generator
) -> NDArray[np.float64]:
    """Return `count` readings of a value on a range: white noise falls as the root of the integration time.

    Args:
        value: what is measured.
        count: readings.
        span: the measuring range.
        nplc: integration time in power-line cycles.
        noise_of_range: rms noise at one power-line cycle, as a share of the range.
        noise: the instrument's noise source.
    """
    readings = value + noise_of_range * span / math.sqrt(nplc) * noise.standard_normal(count)
    return np.where(np.abs(readings) > span * OVER_RANGE, np.copysign(OVERFLOW, readings), readings)


def range_for(value: float, ranges: tuple[float, ...]) -> float:
    """Return the smallest of these ranges, given in rising order, that holds a value; the largest if none does."""
    return next((span for span in ranges if abs(value) <= span * OVER_RANGE), ranges[-1])
