"""Random telegraph noise of a device: its conductance jumps between two levels, as when a trap fills or a wall hops.

The dwell times are exponential. With means t_u and t_d the jumps of a relative height d have the Lorentzian spectrum

    S(f) = 4 d^2 / ((t_u + t_d) [(1/t_u + 1/t_d)^2 + (2 pi f)^2])        (S. Machlup, J. Appl. Phys. 25, 341 (1954))
"""

import math
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.quantity import Positive
from sim_instruments.physics.readout.flicker import mean_variance

_MOST_CYCLES: Final = 10_000
"""Cycles in a window that are still drawn one by one; the mean over more is as good as Gaussian."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Telegraph:
    """The telegraph noise of the devices of one sample."""

    step: Positive
    """Height of a jump as a share of the conductance."""
    upper_s: Positive
    """Mean dwell time at the upper level, seconds."""
    lower_s: Positive
    """Mean dwell time at the lower level, seconds."""

    def __post_init__(self) -> None:
        """Refuse jumps that leave no conductance."""
        if self.step >= 1:
            raise ValueError("step must lie below 1: it is a share of the conductance")

    @property
    def upper_share(self) -> float:
        """Return the share of time at the upper level."""
        return self.upper_s / (self.upper_s + self.lower_s)

    @property
    def relaxation_s(self) -> float:
        """Return the correlation time, 1 / (1/t_u + 1/t_d)."""
        return self.upper_s * self.lower_s / (self.upper_s + self.lower_s)

    def spectrum_hz(self, frequency_hz: ArrayLike) -> NDArray[np.float64]:
        """Return the one-sided spectral density of the relative fluctuations, 1/Hz."""
        omega = 2 * math.pi * np.asarray(frequency_hz, np.float64)
        return 4 * self.step**2 / ((self.upper_s + self.lower_s) * (self.relaxation_s**-2 + omega**2))

    def variance_of_reading(self, window_s: float) -> float:
        """Return the variance of one reading that averages over a window, about the mean of all time."""
        variance = self.step**2 * self.upper_share * (1 - self.upper_share)
        return variance * float(mean_variance(window_s / self.relaxation_s))


@final
class TelegraphNoise:
    """The relative fluctuation of one device about its mean, carried through time without approximation."""

    def __init__(self, law: Telegraph, noise: np.random.Generator) -> None:
        self._law = law
        self._noise = noise
        self._is_up = bool(noise.random() < law.upper_share)

    def read(self, gap_s: float, window_s: float) -> float:
        """Let a gap pass, then return the mean fluctuation over the window that follows."""
        if gap_s > 0:
            self._is_up = self._ends_up(gap_s)
        return self._law.step * (self._share_up(window_s) - self._law.upper_share)

    def _ends_up(self, seconds: float) -> bool:
        law = self._law
        chance = law.upper_share + (self._is_up - law.upper_share) * math.exp(-seconds / law.relaxation_s)
        return bool(self._noise.random() < chance)

    def _share_up(self, window_s: float) -> float:
        law = self._law
        cycles = window_s / (law.upper_s + law.lower_s)
        if cycles > _MOST_CYCLES:
            self._is_up = self._ends_up(window_s)
            deviation = math.sqrt(law.variance_of_reading(window_s)) / law.step
            return min(1.0, max(0.0, law.upper_share + deviation * float(self._noise.standard_normal())))
        up_s, passed_s = 0.0, 0.0
        means = (law.upper_s, law.lower_s) if self._is_up else (law.lower_s, law.upper_s)
        while True:
            dwells = self._noise.exponential(means, (int(cycles + 4 * math.sqrt(cycles)) + 2, 2)).ravel()
            ends = passed_s + np.cumsum(dwells)
            # An even number of jumps leaves the level as it was.
            jumps = int(np.searchsorted(ends, window_s))
            dwells[jumps:] = 0.0
            if jumps < len(dwells):
                dwells[jumps] = window_s - (ends[jumps - 1] if jumps else passed_s)
            up_s += float(dwells[0 if self._is_up else 1 :: 2].sum())
            if jumps < len(dwells):
                self._is_up ^= jumps % 2 == 1
                return up_s / window_s
            passed_s = float(ends[-1])
