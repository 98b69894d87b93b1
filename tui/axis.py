"""Axes: which numbers to write beside a picture, and where a value falls on it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tui.quantity import plain

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One direction of a picture."""

    low: float
    """Value at the start."""
    high: float
    """Value at the end, above `low`."""
    is_log: bool = False
    """True when equal distances are equal ratios."""

    def place(self, values: Floats) -> Floats:
        """Return where values fall: 0 at `low`, 1 at `high`."""
        if self.is_log:
            low, high = math.log10(self.low), math.log10(self.high)
            return (np.log10(np.maximum(values, self.low * 1e-9)) - low) / (high - low)
        return (values - self.low) / (self.high - self.low)

    def ticks(self, at_most: int) -> list[float]:
        """Return round numbers within the axis, about `at_most` of them."""
        if self.is_log:
            return self._log_ticks(at_most)
        step = round_up((self.high - self.low) / max(at_most, 1))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return [round(index * step, 12 - math.floor(math.log10(step))) for index in range(first, last + 1)]

    def _log_ticks(self, at_most: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            ticks = [digit * 10.0**decade for decade in decades for digit in digits]
            inside = [tick for tick in ticks if self.low <= tick <= self.high]
            if len(inside) <= at_most:
                return inside
        return inside[:: math.ceil(len(inside) / max(at_most, 1))]


def axis_around(values: Floats, *, may_be_log: bool = False) -> Axis:
    """Return an axis that holds all the values; logarithmic when allowed and they span more than a factor of 20."""
    low, high = float(values.min()), float(values.max())
    if may_be_log and low > 0 and high / low > 20:
        return Axis(low=low, high=high, is_log=True)
    if high <= low:
        spread = abs(low) * 0.1 or 1.0
        return Axis(low=low - spread, high=high + spread)
    return Axis(low=low, high=high)


def round_up(raw: float, digits: Sequence[float] = (1, 2, 5, 10)) -> float:
    """Return the smallest of `digits` times a power of ten that is at least `raw`, which is above zero."""
    power = 10.0 ** math.floor(math.log10(raw))
    return next((digit * power for digit in digits if digit * power >= raw * (1 - 1e-9)), 10 * power)


def tick_label(value: float) -> str:
    """Return the few characters that stand beside a tick."""
    return plain(value) if abs(value) < 1e3 else f"{plain(value / 1e3)}k" if abs(value) < 1e6 else plain(value)
