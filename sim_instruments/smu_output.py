"""The output stage of a source-measure unit on a load: what it puts out, what it reads, what limits it."""

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.readout.load import Load

SourceFunction = Literal["VOLT", "CURR"]
"""What is sourced: volts, limited in amperes, or amperes, limited in volts."""

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


def operating_point(function: SourceFunction, level: float, limit: float, conductance_s: float) -> OperatingPoint:
    """Return where a source with a compliance settles on a conductance.

    Args:
        function: what is sourced.
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


READING = np.dtype(
    [
        ("source", np.float64),
        ("voltage_v", np.float64),
        ("current_a", np.float64),
        ("resistance_ohm", np.float64),
        ("time_s", np.float64),
        ("is_limited", np.bool_),
    ]
)
"""One reading: what was sourced, what was measured, when, and whether the compliance held the output."""

Readings = NDArray[np.void]
"""Readings in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Meter:
    """One measuring function."""

    ranges: tuple[float, ...]
    """Its ranges in rising order."""
    span: float | None
    """The range it is held on; None chooses the smallest that fits each value."""
    nplc: float
    """Integration time in power-line cycles."""
    noise_of_range: float
    """rms noise at one power-line cycle, as a share of the range."""


def settle(
    function: SourceFunction, levels: NDArray[np.float64], limit: float, load: Load
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.bool_]]:
    """Return voltages, currents and where the compliance holds, for many levels on any load: `operating_point` at once.

    Args:
        function: what is sourced.
        levels: signed, shape (readings,).
        limit: the compliance, a magnitude.
        load: what is between the terminals.
    """
    if function == "VOLT":
        wanted_a = load.current_a(levels)
        is_limited = np.abs(wanted_a) > limit
        current_a = np.where(is_limited, np.copysign(limit, wanted_a), wanted_a)
        held_v = load.voltage_v(np.where(is_limited, current_a, 0.0))
        return np.where(is_limited, held_v, levels), current_a, is_limited
    is_limited = np.abs(levels) > load.current_a(np.full(len(levels), limit))
    free_v = load.voltage_v(np.where(is_limited, 0.0, levels))
    voltage_v = np.where(is_limited, np.copysign(limit, levels), free_v)
    return voltage_v, np.where(is_limited, load.current_a(voltage_v), levels), is_limited


def spans_for(values: NDArray[np.float64], ranges: tuple[float, ...]) -> NDArray[np.float64]:
    """Return for each value the smallest range that holds it; the largest where none does."""
    tops = np.array(ranges) * OVER_RANGE
    return np.array(ranges)[np.minimum(np.searchsorted(tops, np.abs(values)), len(ranges) - 1)]


def measured(values: NDArray[np.float64], meter: Meter, noise: np.random.Generator) -> NDArray[np.float64]:
    """Return what a meter reads of values: `noisy`, each on its own range."""
    spans = spans_for(values, meter.ranges) if meter.span is None else np.full(len(values), meter.span)
    drawn = noise.standard_normal(len(values))
    readings = values + meter.noise_of_range / math.sqrt(meter.nplc) * spans * drawn
    return np.where(np.abs(readings) > spans * OVER_RANGE, np.copysign(OVERFLOW, readings), readings)


def ohms(voltage_v: NDArray[np.float64], current_a: NDArray[np.float64], top_ohm: float) -> NDArray[np.float64]:
    """Return resistances, which are an overflow where they are beyond the range or a part of them was."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found = voltage_v / current_a
    is_lost = ~(np.abs(found) <= top_ohm) | (np.abs(voltage_v) >= OVERFLOW) | (np.abs(current_a) >= OVERFLOW)
    return np.where(is_lost, OVERFLOW, found)
