"""Intervals from resampling devices: what differs from device to device and what is noise are then both in them."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

RESAMPLES: Final = 400
_QUANTILE: Final = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number with a 95 % interval."""

    value: float
    low: float
    high: float
    standard_error: float

    @staticmethod
    def normal(value: float, standard_error: float) -> "Estimate":
        """Return the interval of a normally distributed estimate."""
        reach = _QUANTILE * standard_error
        return Estimate(value=value, low=value - reach, high=value + reach, standard_error=standard_error)

    @staticmethod
    def root_of(square: "Estimate") -> "Estimate":
        """Return the square root of an estimate that may be negative by chance; the interval goes along."""
        most = max(0.0, square.value) + square.high - square.value
        low, value, high = (math.sqrt(max(0.0, bound)) for bound in (square.low, square.value, most))
        return Estimate(value=value, low=low, high=high, standard_error=(high - low) / (2 * _QUANTILE))

    def scaled(self, factor: float) -> "Estimate":
        """Return the estimate in another unit."""
        return Estimate(
            value=self.value * factor,
            low=self.low * factor,
            high=self.high * factor,
            standard_error=self.standard_error * factor,
        )


def device_weights(devices: int, seed: int) -> NDArray[np.float64]:
    """Return how much each device counts: first in the sample as it is, then in every bootstrap resample.

    Shape (1 + RESAMPLES, devices); rows sum to 1.
    """
    drawn = np.random.default_rng(seed).multinomial(devices, np.full(devices, 1 / devices), RESAMPLES)
    return np.vstack([np.ones(devices), drawn]) / devices


def estimate(values: NDArray[np.float64]) -> Estimate:
    """Return the first value, of the sample, with the standard deviation of the others, of the resamples."""
    return Estimate.normal(float(values[0]), float(values[1:].std(ddof=1)))
