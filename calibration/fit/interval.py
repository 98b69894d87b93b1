"""Confidence intervals, 95 %, for what a sample of devices says about all of them.

Devices are the independent units: whatever happens within one device (pulses, noise, widths) shows in the scatter
between devices, so that an interval over devices covers it without a model of it.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.estimate import Estimate

_TAIL = 0.025


def mean(values: NDArray[np.float64], unit: str, *, systematic: float = 0.0) -> Estimate:
    """Return the population mean with Student's interval.

    Args:
        values: one per device.
        unit: their unit.
        systematic: largest error that all devices share, added to both sides.
    """
    half = stats.t.ppf(1 - _TAIL, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values)) + systematic
    value = float(values.mean())
    return Estimate(value=value, low=value - float(half), high=value + float(half), unit=unit)


def ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64], unit: str) -> Estimate:
    """Return the ratio of two population means, measured on the same devices (linearised)."""
    value = numerator.mean() / denominator.mean()
    spread = mean((numerator - value * denominator) / denominator.mean(), unit)
    return Estimate(
        value=float(value),
        low=float(value + spread.low - spread.value),
        high=float(value + spread.high - spread.value),
        unit=unit,
    )


def root_mean_square(squares: NDArray[np.float64], unit: str) -> Estimate:
    """Return the root of the population mean of unbiased estimates of squares."""
    square = mean(squares, unit)
    value, low, high = (float(np.sqrt(max(0.0, number))) for number in (square.value, square.low, square.high))
    return Estimate(value=value, low=low, high=high, unit=unit)


def relative_spread(values: NDArray[np.float64], within: NDArray[np.float64]) -> Estimate:
    """Return the standard deviation between devices over the mean, the variance within devices taken out.

    Random effects: the scatter of the estimates has variance `between + within`. Its chi-square interval and the
    interval of `within` are combined for the difference, then with that of the mean for the ratio, by the method of
    variance-estimate recovery (Zou and Donner, Statistics in Medicine 27 (2008) 1693). Tails heavier than a normal
    law's widen the interval.

    Args:
        values: one estimate per device.
        within: unbiased estimates of the variance of each of `values`.
    """
    centre, inner = mean(values, "1"), mean(within, "1")
    scatter = values.var(ddof=1)
    freedom = _variance_freedom(values)
    scatter_low = freedom * scatter / stats.chi2.ppf(1 - _TAIL, freedom)
    scatter_high = freedom * scatter / stats.chi2.ppf(_TAIL, freedom)
    between = scatter - inner.value
    low = between - np.hypot(scatter - scatter_low, inner.high - inner.value)
    high = between + np.hypot(scatter_high - scatter, inner.value - inner.low)
    value, low, high = (float(np.sqrt(max(0.0, number))) for number in (between, low, high))
    return over_mean(value, low, high, centre)


def over_mean(value: float, low: float, high: float, centre: Estimate) -> Estimate:
    """Divide a spread with its interval by a mean with its own."""
    relative = (centre.high - centre.value) / centre.value
    if value > 0:
        below = value * (1 - min(1.0, float(np.hypot(1 - low / value, relative))))
        above = value * (1 + float(np.hypot(high / value - 1, relative)))
    else:
        below, above = 0.0, high * (1 + relative)
    return Estimate(value=value / centre.value, low=below / centre.value, high=above / centre.value, unit="1")


def _variance_freedom(values: NDArray[np.float64]) -> float:
    """Return the degrees of freedom that a chi-square law needs to match the variance's own uncertainty."""
    count = len(values)
    excess = max(0.0, float(stats.kurtosis(values, bias=False))) if count > 3 and values.std() > 0 else 0.0
    return 2 / (2 / (count - 1) + excess / count)
