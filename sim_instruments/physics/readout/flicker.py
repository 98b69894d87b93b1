"""1/f noise of a device: relative fluctuations of its conductance with S(f) = (alpha_H / A) / f.

alpha_H is Hooge's parameter as used for tunnel junctions, an area; A is the junction's. The spectrum is made as nature
may make it: of many independent relaxations (Ornstein-Uhlenbeck processes) whose times are spread evenly over the
logarithm. Two a decade leave a ripple of 2 / cosh(pi^2 / (ln 10 / 2)), below 0.1 %. Below 1 / (2 pi slowest_s) the
spectrum levels off, so that the variance is finite; within a factor of 100 of that corner it is still up to 1 % low.

A process that relaxes can be carried over any time exactly, together with its mean over a window, which is what a
reading sees: readings may come whenever they like, and need no history of what was between them.

Source of the update: D. T. Gillespie, Phys. Rev. E 54, 2084 (1996). Of the number of processes: S. Kogan, "Electronic
noise and fluctuations in solids", CUP 1996, chapter 8 (after J. Bernamont, 1937).
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.quantity import Positive

_FASTEST_S: Final = 1e-8
_PER_DECADE: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Flicker:
    """The 1/f noise of the devices of one sample."""

    hooge_um2: Positive
    """alpha_H, um^2; 1e-11 to 1e-8 is the range of tunnel junctions."""
    area_um2: Positive
    """A of the junction, um^2."""
    slowest_s: Positive = 1e5
    """Longest relaxation, seconds: about the length of a session, over which a device's conductance drifts."""

    def __post_init__(self) -> None:
        """Refuse a spectrum without a decade."""
        if self.slowest_s < 10 * _FASTEST_S:
            raise ValueError(f"slowest_s must be at least {10 * _FASTEST_S:g}")

    @property
    def level(self) -> float:
        """Return alpha_H / A: S(f) times f."""
        return self.hooge_um2 / self.area_um2

    def relaxation_times_s(self) -> NDArray[np.float64]:
        """Return the times of the processes, in the middle of even steps of the logarithm."""
        decades = math.log10(self.slowest_s / _FASTEST_S)
        count = math.ceil(_PER_DECADE * decades)
        return _FASTEST_S * 10 ** (decades * (np.arange(count) + 0.5) / count)

    def process_variance(self) -> float:
        """Return the variance of each process."""
        return self.level * math.log(self.slowest_s / _FASTEST_S) / len(self.relaxation_times_s())

    def spectrum_hz(self, frequency_hz: ArrayLike) -> NDArray[np.float64]:
        """Return the one-sided spectral density of the relative fluctuations, 1/Hz: the sum of the relaxations'."""
        times = self.relaxation_times_s()
        omega_tau = 2 * math.pi * np.asarray(frequency_hz, np.float64)[..., np.newaxis] * times
        return self.process_variance() * (4 * times / (1 + omega_tau**2)).sum(axis=-1)

    def variance_of_reading(self, window_s: float) -> float:
        """Return the variance of one reading that averages over a window, about the mean of all time.

        It is (alpha_H / A) [ln(slowest_s / window_s) + 3/2 - 0.5772] for windows far below `slowest_s`: the integral of
        S(f) from about one over the session to about one over the reading.
        """
        return self.process_variance() * float(mean_variance(window_s / self.relaxation_times_s()).sum())


def mean_variance(windows: ArrayLike) -> NDArray[np.float64]:
    """Return the variance of the mean over a window of a relaxation of variance 1: 2 (u - 1 + e^-u) / u^2.

    Args:
        windows: u, lengths of the windows in relaxation times.
    """
    u = np.asarray(windows, np.float64)
    large = np.maximum(u, 1e-3)
    return np.where(u < 1e-3, 1 - u / 3 + u**2 / 12, 2 * (large + np.expm1(-large)) / large**2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """What a window does to relaxations of variance 1, given where they are at its start.

    The end is `decay * start + end * z` and the mean over the window `kept * start + along * z + apart * z'`, with two
    independent normal numbers.
    """

    decay: NDArray[np.float64]
    end: NDArray[np.float64]
    kept: NDArray[np.float64]
    along: NDArray[np.float64]
    apart: NDArray[np.float64]


def carried(windows: ArrayLike) -> Carried:
    """Return what windows do.

    Args:
        windows: u, their lengths in relaxation times, above 0.
    """
    u = np.asarray(windows, np.float64)
    lost, variance = -np.expm1(-u), -np.expm1(-2 * u)
    along = lost**2 / (u * np.sqrt(variance))
    # For small u a difference of nearly equal numbers: there the first terms of its series stand in.
    apart = np.where(u < 3e-3, u / 6 * (1 - u**2 / 10), (2 * (u - lost) - lost**2) / u**2 - along**2)
    return Carried(decay=1 - lost, end=np.sqrt(variance), kept=lost / u, along=along, apart=np.sqrt(apart))


@final
class FlickerNoise:
    """The relative fluctuation of each of some devices, carried through time.

    Args:
        law: the noise.
        count: devices.
        noise: source of random numbers.
    """

    def __init__(self, law: Flicker, count: int, noise: np.random.Generator) -> None:
        self._noise = noise
        self._times_s = law.relaxation_times_s()
        self._deviation = math.sqrt(law.process_variance())
        # In equilibrium from the start, in units of its deviation; shape (devices, processes).
        self._state = noise.standard_normal((count, len(self._times_s)))
        # Readings come in series: what their windows do is computed once for all of them.
        self._window_s, self._window = 0.0, carried(np.ones(1))

    def read(self, gap_s: float, window_s: float) -> NDArray[np.float64]:
        """Let a gap pass, then return the mean fluctuation over the window that follows, shape (devices,)."""
        if gap_s > 0:
            u = gap_s / self._times_s
            fresh = self._noise.standard_normal(self._state.shape)
            self._state = self._state * np.exp(-u) + np.sqrt(-np.expm1(-2 * u)) * fresh
        if window_s != self._window_s:
            self._window_s, self._window = window_s, carried(window_s / self._times_s)
        window = self._window
        z = self._noise.standard_normal((2, *self._state.shape))
        mean = window.kept * self._state + window.along * z[0] + window.apart * z[1]
        self._state = window.decay * self._state + window.end * z[0]
        return self._deviation * mean.sum(axis=1)
