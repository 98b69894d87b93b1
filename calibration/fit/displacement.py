"""Mean, variance and spread of the displacement by one pulse, from a staircase.

The model: pulses of width w move the wall of device i by independent steps of mean m_i and variance v_i, both
proportional to w; every reading adds white noise of variance r. Then n steps of p pulses, read before the first and
after each, have increments of mean p m_i, and

    E[sample variance of the increments] = p v_i + 2 r (n + 1) / n

because neighbouring increments share a reading: a moving average, not independent noise. Leaving r out or taking 2 r
is biased. Each width gives each device its own m_i and v_i at the reference width; the widths are averaged with weights
that all devices share, and devices are the sample that intervals are taken over. The law "proportional to the width"
and the evenness along the staircase are tested on the same numbers.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import Estimate
from calibration.fit import interval, law
from calibration.fit.excursion import Excursions, find_excursions
from calibration.protocols import DIRECTIONS
from calibration.record import StaircaseRecord
from drivers.errors import DeviceFault
from drivers.protocols import Polarity


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DirectionFit:
    """One pulse of the reference width, in one direction."""

    mean: Estimate
    """Mean displacement, population mean over devices, track."""
    variance: Estimate
    """Variance of the displacement at one device, population mean over devices, track squared."""
    fano: Estimate
    """Variance over mean: the Fano length, track."""
    dtod: Estimate
    """Device-to-device standard deviation of the mean displacement over its population mean."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DisplacementFit:
    """What a staircase says about a population of devices."""

    push: DirectionFit
    """Pulses forward."""
    pull: DirectionFit
    """Pulses backward; displacements are magnitudes."""
    read_noise: Estimate
    """Standard deviation of one reading, rounding to codes included, track."""
    conductance_low_s: Estimate
    """Conductance at the low end stop, population mean, siemens."""
    conductance_high_s: Estimate
    """Conductance at the high end stop, population mean, siemens."""
    proportionality_p: float | None
    """P-value of "mean and variance are proportional to the width"; None with one width or too few devices."""
    evenness_p: float | None
    """P-value of "steps are as long in the first half of a run as in the second"; None with too few devices."""
    devices: int
    """Devices fitted."""
    dropped_devices: int
    """Devices left out."""
    dropped_runs: int
    """Runs left out because the wall came near an end stop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PerWidth:
    """What each width alone says about each device at the reference width; arrays of shape (W, D)."""

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    error: NDArray[np.float64]
    """Variance of `mean` within the device."""
    weight_variance: NDArray[np.float64]
    """Rough variance of `variance`, for weights only, shape (W,)."""


def fit_displacement(record: StaircaseRecord) -> DisplacementFit:
    """Fit a staircase.

    Raises:
        DeviceFault: too few devices can be used, or the mean displacement is not above zero.
    """
    excursions = find_excursions(record)
    scale = record.width_s / record.origin.reference_width_s
    widths = {way: _per_width(excursions, index, scale) for index, way in enumerate(DIRECTIONS)}
    halves = [law.equal_means(_halves(excursions, index)) for index in range(len(DIRECTIONS))]
    proportional = [law.equal_means(values) for one in widths.values() for values in (one.mean, one.variance)]
    return DisplacementFit(
        push=_combine(widths[Polarity.PUSH], Polarity.PUSH),
        pull=_combine(widths[Polarity.PULL], Polarity.PULL),
        read_noise=interval.root_mean_square(excursions.noise, "track"),
        conductance_low_s=interval.mean(excursions.low_s, "S", systematic=excursions.rounding_s[0]),
        conductance_high_s=interval.mean(excursions.high_s, "S", systematic=excursions.rounding_s[1]),
        proportionality_p=law.combined(proportional),
        evenness_p=law.combined(halves),
        devices=len(excursions.noise),
        dropped_devices=excursions.dropped_devices,
        dropped_runs=excursions.dropped_runs,
    )


def _per_width(excursions: Excursions, direction: int, scale: NDArray[np.float64]) -> _PerWidth:
    advance, usable = excursions.advance[:, :, direction], excursions.usable[:, :, direction]
    steps = advance.shape[2]
    runs = usable.sum(axis=1)
    # In units of pulses of the reference width: what one step, and what all usable steps, amount to.
    step = excursions.pulses[:, direction] * scale[:, None]
    total = step * steps * runs
    mean = np.where(usable, advance.sum(axis=2), 0.0).sum(axis=1) / total
    squares = np.where(usable, advance.var(axis=2, ddof=1), 0.0).sum(axis=1) / runs
    shared_readings = 2 * excursions.noise * (steps + 1) / steps
    variance = (squares - shared_readings) / step
    return _PerWidth(
        mean=mean,
        variance=variance,
        error=(variance * total + 2 * excursions.noise * runs) / total**2,
        weight_variance=(2 * (squares / step) ** 2 / (runs * (steps - 1))).mean(axis=1),
    )


def _combine(widths: _PerWidth, polarity: Polarity) -> DirectionFit:
    weights = _weights(widths.error.mean(axis=1))
    mean = weights @ widths.mean
    if not mean.mean() > 0:
        raise DeviceFault(
            f"{polarity} pulses do not move the walls their own way on average; check polarity, wiring and amplitude_v"
        )
    variance = _weights(widths.weight_variance) @ widths.variance
    return DirectionFit(
        mean=interval.mean(mean, "track"),
        variance=interval.mean(variance, "track^2"),
        fano=interval.ratio(variance, mean, "track"),
        dtod=interval.relative_spread(mean, weights**2 @ widths.error),
    )


def _weights(variances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return weights, the same for all devices, so that the average is unbiased and nearly as precise as can be."""
    tiny = np.finfo(np.float64).tiny
    precision = 1 / np.maximum(variances, tiny)
    return precision / precision.sum()


def _halves(excursions: Excursions, direction: int) -> NDArray[np.float64]:
    """Return the way made in either half of the runs, as a share of the average way, shape (2, D)."""
    usable = excursions.usable[:, :, direction, None]
    way = np.where(usable, excursions.advance[:, :, direction], 0.0).sum(axis=1)
    share = way / way.sum(axis=1).mean(axis=-1)[:, None, None]
    half = way.shape[1] // 2
    return np.stack([share[:, :half].sum(axis=(0, 1)), share[:, -half:].sum(axis=(0, 1))])
