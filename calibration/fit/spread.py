"""Spread between devices, the error within each taken out (random effects).

The estimate y_i of device i scatters about the device's true value with variance s_i^2, and the true values about the
population mean with variance tau^2. tau and its interval come from the generalised Q statistic,

    Q(tau^2) = sum (y_i - m)^2 / (s_i^2 + tau^2),        m the mean with the same weights,

which is chi-square with one degree of freedom less than devices at the true tau, whatever the s_i: the estimate makes Q
its mean (Paule and Mandel), the interval holds every tau at which Q is between its quantiles, and is exact for normal
laws (W. Viechtbauer, Statistics in Medicine 26 (2007) 37). statsmodels has the estimate without the interval, and
iterates to an absolute tolerance that takes small units for zero. When every device was measured as often, its own
scatter need not be known: `balanced_spread` uses the analysis of variance.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from calibration.estimate import Estimate
from drivers.errors import DeviceFault

_FEWEST_DEVICES = 3


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A population of devices, with 95 % intervals."""

    mean: Estimate
    """Population mean."""
    between: Estimate
    """Standard deviation of the true values of devices."""
    equal_p: float
    """P-value of "all devices are equal"."""
    devices: int
    """Devices."""


def device_spread(value: NDArray[np.float64], variance: NDArray[np.float64], unit: str) -> Spread:
    """Return mean and spread of devices from one estimate of each.

    Args:
        value: estimates, shape (D,); logarithms, with unit "1", give the spread relative to the mean.
        variance: variance of each estimate's error, above zero, shape (D,).
        unit: unit of the values.

    Raises:
        DeviceFault: fewer than 3 devices.
    """
    devices = _enough(len(value))

    def excess(between: float, aim: float) -> float:
        weight = 1 / (variance + between)
        centre = (weight * value).sum() / weight.sum()
        return float((weight * (value - centre) ** 2).sum()) - aim

    def solve(aim: float) -> float:
        if excess(0.0, aim) <= 0:
            return 0.0
        high = float(np.var(value) + variance.max())
        while excess(high, aim) > 0:
            high *= 4
        # The tolerance is relative: variances in units of the track are far below the default.
        found = optimize.root_scalar(excess, args=(aim,), bracket=(0.0, high), method="brentq", xtol=1e-12 * high)
        return float(found.root)

    quantiles = (stats.chi2.ppf(0.975, devices - 1), devices - 1, stats.chi2.ppf(0.025, devices - 1))
    low, between, high = (float(np.sqrt(solve(float(aim)))) for aim in quantiles)
    weight = 1 / (variance + between**2)
    mean = float((weight * value).sum() / weight.sum())
    # Scaled by the scatter itself, with Student's quantile (Hartung and Knapp): covers well with few devices.
    scatter = float((weight * (value - mean) ** 2).sum() / weight.sum() / (devices - 1))
    half = float(stats.t.ppf(0.975, devices - 1)) * np.sqrt(scatter)
    return Spread(
        mean=Estimate(value=mean, low=mean - half, high=mean + half, unit=unit),
        between=Estimate(value=between, low=low, high=high, unit=unit),
        equal_p=float(stats.chi2.sf(excess(0.0, 0.0), devices - 1)),
        devices=devices,
    )


def balanced_spread(value: NDArray[np.float64], unit: str) -> Spread:
    """Return mean and spread of devices that were measured equally often, with errors of one unknown variance.

    The interval of the mean is exact; that of the spread joins the exact ones of the ratio of the variances and of
    their weighted sum (J. S. Williams, Biometrika 49 (1962) 278), and covers at least as often as it says in practice.

    Args:
        value: measurements, shape (devices, repeats), at least two repeats.
        unit: their unit.

    Raises:
        DeviceFault: fewer than 3 devices.
    """
    devices, repeats = value.shape
    _enough(devices)
    centres = value.mean(axis=1)
    freedom = (devices - 1, devices * (repeats - 1))
    outer = repeats * float(centres.var(ddof=1))
    inner = float(value.var(axis=1, ddof=1).mean())
    low_f, high_f = (float(stats.f.ppf(tail, *freedom)) for tail in (0.025, 0.975))
    low_chi, high_chi = (float(stats.chi2.ppf(tail, freedom[0])) for tail in (0.025, 0.975))
    ends = (outer - inner * high_f) / (repeats * high_chi), (outer - inner * low_f) / (repeats * low_chi)
    low, high = (float(np.sqrt(max(0.0, freedom[0] * end))) for end in ends)
    between = float(np.clip(np.sqrt(max(0.0, outer - inner) / repeats), low, high))
    mean = float(centres.mean())
    half = float(stats.t.ppf(0.975, freedom[0]) * np.sqrt(outer / (devices * repeats)))
    return Spread(
        mean=Estimate(value=mean, low=mean - half, high=mean + half, unit=unit),
        between=Estimate(value=between, low=low, high=high, unit=unit),
        equal_p=float(stats.f.sf(outer / inner, *freedom)),
        devices=devices,
    )


def _enough(devices: int) -> int:
    if devices < _FEWEST_DEVICES:
        raise DeviceFault(f"{devices} devices do not show a spread; measure at least {_FEWEST_DEVICES}")
    return devices
