"""Power spectral density of a reading: white noise, 1/f noise, and a telegraph signal if there is one.

    S(f) = white + flicker / (f / 1 Hz)^gamma + plateau / [1 + (f / corner)^2]

Fitted to the periodogram of the whole series, whose ordinates are independent and exponentially distributed about S
(P. Whittle). Three forms are fitted and the simplest that is good enough is kept. What the sampling folds down from
above half the rate is part of `white`. A series shows a gamma of 2 at most: beyond, its ends do not meet, and the step
between them is what the periodogram shows.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from calibration.estimate import Estimate
from calibration.fit import likelihood
from calibration.fit.choice import Choice, Criterion, choose
from drivers.errors import DeviceFault

_FEWEST = 128
_FORMS = {"white": 1, "flicker": 3, "flicker and telegraph": 5}


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseSpectrum:
    """The spectrum of a series, one-sided, with 95 % profile intervals; `u` is the unit of the series."""

    white: Estimate
    """White noise, u^2/Hz."""
    flicker: Estimate | None
    """1/f noise at 1 Hz, u^2/Hz; None if there is none."""
    gamma: Estimate | None
    """How steeply it falls."""
    plateau: Estimate | None
    """Telegraph noise well below its corner, u^2/Hz; None if there is none."""
    corner_hz: Estimate | None
    """Corner of the telegraph noise: 1 / tau_up + 1 / tau_down, over 2 pi."""
    choice: Choice
    """Which of the forms "white", "flicker" and "flicker and telegraph" describes the series."""
    frequency_hz: NDArray[np.float64]
    """Frequencies of the averaged spectrum, for a figure."""
    density: NDArray[np.float64]
    """Welch's averaged spectrum, u^2/Hz."""

    def model(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fitted spectrum, u^2/Hz, above 0 Hz."""
        parts = (self.white, self.flicker, self.gamma, self.plateau, self.corner_hz)
        values = [one.value for one in parts if one is not None]
        return _spectrum(np.array(values), frequency_hz)


def fit_noise_spectrum(
    series: NDArray[np.float64], rate_hz: float, unit: str, criterion: Criterion = Criterion.BIC
) -> NoiseSpectrum:
    """Fit the spectrum of evenly spaced readings.

    Args:
        series: readings, shape (N,).
        rate_hz: readings per second.
        unit: unit of the readings.
        criterion: how the form is chosen.

    Raises:
        DeviceFault: fewer than 128 readings, readings that are all equal, or parameters that the series does not bound.
    """
    if len(series) < _FEWEST:
        raise DeviceFault(f"{len(series)} readings do not show a spectrum; take at least {_FEWEST}")
    frequency, power = signal.periodogram(series, rate_hz, detrend="constant")
    # The mean is taken out, and the highest frequency of an even number of readings has another law.
    inside = slice(1, -1 if len(series) % 2 == 0 else None)
    frequency, power = frequency[inside], power[inside]
    if not power.max() > 0:
        raise DeviceFault("all readings are equal: the noise lies below the resolution; take a finer range")
    tops = {"white": _maximise(frequency, power, [_start_white(power)])}
    tops["flicker"] = _maximise(frequency, power, _start_flicker(frequency, power))
    tops["flicker and telegraph"] = _maximise(frequency, power, _start_telegraph(tops["flicker"], frequency, power))
    choice = choose({form: (top.value, _FORMS[form]) for form, top in tops.items()}, len(power), criterion)
    names = ("white", "flicker", "gamma", "plateau", "corner_hz")
    square = f"{unit}^2/Hz"
    units = (square, square, "1", square, "Hz")
    count = _FORMS[choice.best]
    found = [likelihood.positive(tops[choice.best], index, units[index], names[index]) for index in range(count)]
    flicker, gamma, plateau, corner = found[1:] + [None] * (len(names) - count)
    shown, density = signal.welch(series, rate_hz, nperseg=min(len(series), max(256, len(series) // 16)))
    return NoiseSpectrum(
        white=found[0],
        flicker=flicker,
        gamma=gamma,
        plateau=plateau,
        corner_hz=corner,
        choice=choice,
        frequency_hz=shown[1:].copy(),
        density=density[1:].copy(),
    )


def _spectrum(values: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum for one, three or five parameters."""
    total = np.full(len(frequency), values[0])
    if len(values) > 1:
        total += values[1] * frequency ** -values[2]
    if len(values) > 3:
        total += values[3] / (1 + (frequency / values[4]) ** 2)
    return total


def _maximise(
    frequency: NDArray[np.float64], power: NDArray[np.float64], starts: list[list[float]]
) -> likelihood.Maximum:
    def log_likelihood(at: NDArray[np.float64]) -> float:
        if len(at) > 2 and at[2] > np.log(3.0):
            return -np.inf
        density = _spectrum(np.exp(at), frequency)
        return -float((np.log(density) + power / density).sum())

    start = max((np.log(one) for one in starts), key=log_likelihood)
    return likelihood.maximise(log_likelihood, start, np.full(len(start), 0.2))


def _start_white(power: NDArray[np.float64]) -> list[float]:
    return [float(power.mean())]


def _start_flicker(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> list[list[float]]:
    """Return starts whose flicker makes up the power of the lowest frequencies."""
    white = float(power[len(power) // 2 :].mean())
    few = max(4, len(power) // 200)
    low, at = float(power[:few].mean()), float(np.exp(np.log(frequency[:few]).mean()))
    rest = max(low - white, 0.05 * white)
    return [[white * share, rest * at**gamma, gamma] for gamma in (0.6, 1.0, 1.5) for share in (0.5, 1.0)]


def _start_telegraph(
    top: likelihood.Maximum, frequency: NDArray[np.float64], power: NDArray[np.float64]
) -> list[list[float]]:
    """Return starts that add a telegraph signal of any corner to the best spectrum without one."""
    values = np.exp(top.at)
    corners = np.geomspace(3 * frequency[0], frequency[-1] / 2, 12)
    below = [float(power[frequency <= max(corner, frequency[3])].mean()) for corner in corners]
    return [
        [float(values[0]) * white, float(values[1]) * flicker, float(values[2]), share * plateau, float(corner)]
        for corner, plateau in zip(corners, below, strict=True)
        for share in (0.1, 0.4, 0.8)
        for flicker in (0.1, 0.5, 1.0)
        for white in (0.5, 1.0)
    ]
