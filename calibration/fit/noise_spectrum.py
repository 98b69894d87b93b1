"""Power spectral density of a reading: white noise, 1/f noise, and a telegraph signal if there is one.

    S(f) = white + flicker / (f / 1 Hz)^gamma + plateau / [1 + (f / corner)^2]

Fitted to the periodogram of the whole series, whose ordinates are independent and exponentially distributed about S
(P. Whittle). Forms with and without either are fitted and the simplest that is good enough is kept. The intervals take
the form chosen for the true one: 1/f noise too weak to be kept is counted to what was kept. What the sampling folds
down from above half the rate is part of `white`. A series shows a gamma of 2 at most: beyond, its ends do not meet, and
the step between them is what the periodogram shows.
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
_STEEPEST = 3.0
_PARTS = ("white", "flicker", "gamma", "plateau", "corner_hz")
_FORMS = {
    "white": _PARTS[:1],
    "flicker": _PARTS[:3],
    "telegraph": (*_PARTS[:1], *_PARTS[3:]),
    "flicker and telegraph": _PARTS,
}


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
    """Which of the forms "white", "flicker", "telegraph" and "flicker and telegraph" describes the series."""
    frequency_hz: NDArray[np.float64]
    """Frequencies of the averaged spectrum, for a figure."""
    density: NDArray[np.float64]
    """Welch's averaged spectrum, u^2/Hz."""

    def model(self, frequency_hz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the fitted spectrum, u^2/Hz, above 0 Hz."""
        parts = (self.white, self.flicker, self.gamma, self.plateau, self.corner_hz)
        values = [one.value for one in parts if one is not None]
        return _spectrum(self.choice.best, np.array(values), frequency_hz)


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
    tops = {form: _maximise(form, frequency, power, _starts(form, frequency, power)) for form in _FORMS}
    scores = {form: (top.value, len(_FORMS[form])) for form, top in tops.items()}
    choice = choose(scores, len(power), criterion)
    square = f"{unit}^2/Hz"
    units = dict(zip(_PARTS, (square, square, "1", square, "Hz"), strict=True))
    found = {
        part: likelihood.positive(tops[choice.best], index, units[part], part)
        for index, part in enumerate(_FORMS[choice.best])
    }
    shown, density = signal.welch(series, rate_hz, nperseg=min(len(series), max(256, len(series) // 16)))
    return NoiseSpectrum(
        white=found["white"],
        flicker=found.get("flicker"),
        gamma=found.get("gamma"),
        plateau=found.get("plateau"),
        corner_hz=found.get("corner_hz"),
        choice=choice,
        frequency_hz=shown[1:].copy(),
        density=density[1:].copy(),
    )


def _spectrum(form: str, values: NDArray[np.float64], frequency: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the spectrum of a form."""
    total = np.full(len(frequency), values[0])
    if "flicker" in form:
        total += values[1] * frequency ** -values[2]
    if "telegraph" in form:
        total += values[-2] / (1 + (frequency / values[-1]) ** 2)
    return total


def _maximise(
    form: str, frequency: NDArray[np.float64], power: NDArray[np.float64], starts: list[list[float]]
) -> likelihood.Maximum:
    def log_likelihood(at: NDArray[np.float64]) -> float:
        if "flicker" in form and at[2] > np.log(_STEEPEST):
            return -np.inf
        density = _spectrum(form, np.exp(at), frequency)
        return -float((np.log(density) + power / density).sum())

    start = max((np.log(one) for one in starts), key=log_likelihood)
    return likelihood.maximise(log_likelihood, start, np.full(len(start), 0.2))


def _starts(form: str, frequency: NDArray[np.float64], power: NDArray[np.float64]) -> list[list[float]]:
    """Return starts: flicker makes up the power of the lowest frequencies, a telegraph signal that below its corner."""
    if form == "white":
        return [[float(power.mean())]]
    white = float(power[len(power) // 2 :].mean())
    few = max(4, len(power) // 200)
    low, at = float(power[:few].mean()), float(np.exp(np.log(frequency[:few]).mean()))
    rest = max(low - white, 0.05 * white)
    flickers = [[rest * at**gamma, gamma] for gamma in (0.6, 1.0, 1.5)]
    corners = np.geomspace(3 * frequency[0], frequency[-1] / 2, 12).tolist()
    telegraphs = [
        [share * float(power[frequency <= corner].mean()), corner] for corner in corners for share in (0.1, 0.4, 0.8)
    ]
    if form == "flicker":
        return [[white * part, *flicker] for part in (0.5, 1.0) for flicker in flickers]
    if form == "telegraph":
        return [[white * part, *telegraph] for part in (0.5, 1.0) for telegraph in telegraphs]
    return [
        [white * part, share * flicker, gamma, *telegraph]
        for part in (0.5, 1.0)
        for flicker, gamma in flickers
        for share in (0.1, 0.5)
        for telegraph in telegraphs
    ]
