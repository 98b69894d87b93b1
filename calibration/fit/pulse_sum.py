"""The law of a measured displacement by n pulses: n independent steps and the noise of the readings.

Every law is closed under convolution and is given by the mean mu and the variance v of one step, so that n steps have
mean n mu and variance n v. With the Fano length l = v / mu:

    Gaussian            N(n mu, n v)
    gamma               shape n mu / l, scale l
    inverse Gaussian    mean n mu, shape (n mu)^2 / l
    Poisson hops        Poisson(n mu / l) hops of length l
    compound Poisson    Poisson(n mu / m) hops, gamma-distributed with mean m = l / (1 + c^2) and relative spread c

Gaussian noise of known standard deviation is added. For the Gaussian law that is exact; for the others the
characteristic function of the sum is inverted by a fast Fourier transform on a grid of a quarter of the noise, beyond
whose frequencies nothing is left, and interpolated by a cubic spline. Noise too small to matter is left out of the
gamma and inverse Gaussian laws, whose density is then closed.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, cast, final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import interpolate, special, stats

_FINEST = 1 << 18
"""Largest grid."""
_FAINTEST = 1e-3
"""Noise over the spread of one step below which gamma and inverse Gaussian laws leave it out."""
_ROUNDING = 1e-13


class StepLaw(StrEnum):
    """How the steps by single pulses are distributed."""

    GAUSSIAN = "gaussian"
    """Many small events in one pulse."""
    GAMMA = "gamma"
    """Drift that never goes back."""
    INVERSE_GAUSSIAN = "inverse-gaussian"
    """First passages of drift and diffusion."""
    POISSON_HOPS = "poisson-hops"
    """Hops of one length at random times."""
    COMPOUND_POISSON = "compound-poisson"
    """Hops of gamma-distributed length at random times."""


HOP_LAWS = (StepLaw.POISSON_HOPS, StepLaw.COMPOUND_POISSON)
"""Laws with a share of pulses that do nothing: no density without noise."""


class _Closed(Protocol):
    """A distribution of scipy."""

    def logpdf(self, x: NDArray[np.float64], *args: ArrayLike) -> NDArray[np.float64]: ...

    def cdf(self, x: NDArray[np.float64], *args: ArrayLike) -> NDArray[np.float64]: ...


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The step by one pulse, in any unit of length."""

    law: StepLaw
    """Its law."""
    mean: float
    """Mean, above zero."""
    variance: float
    """Variance, unit of length squared."""
    hop_cv: float = 0.0
    """Standard deviation of a hop over its mean; compound Poisson law only."""

    @property
    def fano(self) -> float:
        """Return variance over mean, unit of length."""
        return self.variance / self.mean


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Shots sorted by the number of their pulses."""

    value: NDArray[np.float64]
    """Displacements, shape (M,)."""
    each: NDArray[np.int64]
    """Pulses of each, shape (M,)."""
    pulses: NDArray[np.int64]
    """The different numbers of pulses, shape (G,)."""
    member: tuple[NDArray[np.intp], ...]
    """Which shots have each number."""
    noise_sd: float
    """Standard deviation of a displacement that the readings cause."""


def group(value: NDArray[np.float64], pulses: NDArray[np.int64], noise_sd: float) -> Groups:
    """Sort shots by the number of pulses, as `log_density` and `cumulative` need them."""
    counts, which = np.unique(pulses, return_inverse=True)
    return Groups(
        value=value,
        each=pulses,
        pulses=counts,
        member=tuple(np.flatnonzero(which == one) for one in range(len(counts))),
        noise_sd=noise_sd,
    )


def log_density(groups: Groups, step: Step) -> NDArray[np.float64]:
    """Return the logarithm of the density at each displacement, shape (M,).

    Raises:
        ValueError: a law of hops without noise, or with noise far smaller than a hop.
    """
    if (closed := _closed(groups, step)) is not None:
        law, arguments = closed
        return law.logpdf(groups.value, *arguments)
    result = np.empty(len(groups.value))
    for member, density in _densities(groups, step):
        # Below this the transform leaves rounding only.
        floor = _ROUNDING * float(density.c[-1].max())
        result[member] = np.log(np.maximum(density(groups.value[member]), floor))
    return result


def cumulative(groups: Groups, step: Step) -> NDArray[np.float64]:
    """Return the probability that a displacement is at most as large as each one given, shape (M,).

    Raises:
        ValueError: as for `log_density`.
    """
    if (closed := _closed(groups, step)) is not None:
        law, arguments = closed
        return law.cdf(groups.value, *arguments)
    result = np.empty(len(groups.value))
    for member, density in _densities(groups, step):
        result[member] = density.antiderivative()(groups.value[member])
    return np.clip(result, 0.0, 1.0)


def draw(pulses: NDArray[np.int64], noise_sd: float, step: Step, generator: np.random.Generator) -> NDArray[np.float64]:
    """Return random displacements by these numbers of pulses, read with noise, same shape."""
    noise = generator.normal(0.0, noise_sd, pulses.shape) if noise_sd > 0 else np.zeros(pulses.shape)
    mean, fano = pulses * step.mean, step.fano
    match step.law:
        case StepLaw.GAUSSIAN:
            return noise + generator.normal(mean, np.sqrt(mean * fano))
        case StepLaw.GAMMA:
            return noise + generator.gamma(mean / fano, fano)
        case StepLaw.INVERSE_GAUSSIAN:
            return noise + generator.wald(mean, mean**2 / fano)
        case StepLaw.POISSON_HOPS:
            return noise + fano * generator.poisson(mean / fano)
        case StepLaw.COMPOUND_POISSON:
            hop = fano / (1 + step.hop_cv**2)
            hops = generator.poisson(mean / hop)
            lengths = generator.gamma(np.maximum(hops, 1) / step.hop_cv**2, hop * step.hop_cv**2)
            return noise + np.where(hops > 0, lengths, 0.0)


def _closed(groups: Groups, step: Step) -> tuple[_Closed, tuple[ArrayLike, ...]] | None:
    """Return the law and its parameters for each shot if its density is closed, or None."""
    mean = groups.each * step.mean
    if step.law is StepLaw.GAUSSIAN:
        return cast(_Closed, stats.norm), (mean, np.sqrt(mean * step.fano + groups.noise_sd**2))
    if step.law in HOP_LAWS or groups.noise_sd > _FAINTEST * np.sqrt(step.variance):
        return None
    if step.law is StepLaw.GAMMA:
        return cast(_Closed, stats.gamma), (mean / step.fano, 0.0, step.fano)
    return cast(_Closed, stats.invgauss), (step.fano / mean, 0.0, mean**2 / step.fano)


def _densities(groups: Groups, step: Step) -> Iterator[tuple[NDArray[np.intp], interpolate.CubicSpline]]:
    """Yield, for each number of pulses, its shots and the density of their displacements."""
    if groups.noise_sd <= 0:
        raise ValueError(f"noise_sd must be above zero for {step.law}: give the noise of the readings")
    spacing, most = groups.noise_sd / 4, float(groups.pulses.max())
    low = min(0.0, float(groups.value.min())) - 10 * groups.noise_sd
    # Tails fall like exp(-x / l) or exp(-x / 2 l) at most.
    reach = most * step.mean + 12 * np.sqrt(most * step.variance) + 50 * step.fano
    high = max(reach, float(groups.value.max())) + 10 * groups.noise_sd
    size = 1 << int((high - low) / spacing).bit_length()
    if size > _FINEST:
        raise ValueError(f"noise_sd {groups.noise_sd:g} is too small beside displacements of up to {high:g}")
    frequency = np.linspace(0.0, np.pi / spacing, size // 2 + 1)
    one = _exponent(step, frequency)
    rest = -((groups.noise_sd * frequency) ** 2) / 2 - 1j * frequency * low
    position = low + spacing * np.arange(size)
    for pulses, member in zip(groups.pulses, groups.member, strict=True):
        density = np.fft.irfft(np.conj(np.exp(pulses * one + rest)), size) / spacing
        yield member, interpolate.CubicSpline(position, density)


def _exponent(step: Step, frequency: NDArray[np.float64]) -> NDArray[np.complex128]:
    """Return the logarithm of the characteristic function of one step; the Gaussian law does not come here."""
    mean, fano = step.mean, step.fano
    turn = np.asarray(1j * frequency, np.complex128)
    if step.law is StepLaw.GAMMA:
        value = -mean / fano * special.log1p(-fano * turn)
    elif step.law is StepLaw.INVERSE_GAUSSIAN:
        value = mean / fano * (1 - np.sqrt(1 - 2 * fano * turn))
    elif step.law is StepLaw.POISSON_HOPS:
        value = mean / fano * np.expm1(fano * turn)
    else:
        square = step.hop_cv**2
        hop = fano / (1 + square)
        value = mean / hop * np.expm1(-special.log1p(-hop * square * turn) / square)
    return np.asarray(value, np.complex128)
