"""Which step law describes single steps best: Akaike's criterion among the five of the compact model.

Every law is taken with the mean and the Fano length that were found, so the laws differ in shape alone. Steps are
counted in bins one Fano length wide about whole multiples of it (several where steps are long): hops on a lattice fall
into the middle of a bin each, and jitter inside a site, forward or back, moves none out of its bin. A device's own
velocity is integrated over its normal distribution. The spread of the Fano length is not: devices whose hops differ in
length look like one whose hops vary, so a compound law whose hops vary less than that is called Poisson.

Laws closer than 2 in the criterion cannot be told apart, by the usual rule.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

from sim_instruments.physics.compact.parameters import StepLaw

_WIDEST = 64
"""Bins at most, about."""
_SIMPLEST_FIRST: tuple[StepLaw, ...] = ("gaussian", "poisson", "gamma", "inverse-gaussian", "compound-poisson")
_ALIKE = 2.0
_MANY_HOPS = 500
"""Beyond so many in a step, their sum is a gamma number that has been shifted, with the same three moments."""
_BLUR = 2.0
"""Largest variation of hops that a spread of Fano lengths explains, over that spread."""

Distribution = Callable[[NDArray[np.floating], NDArray[np.floating]], NDArray[np.floating]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Single steps of one polarity and what was found about them."""

    steps: NDArray[np.float64]
    """Shape (devices, pulses)."""
    mean: float
    fano: float
    velocity_dtod: float
    """Relative standard deviation of the devices' means."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawChoice:
    """The laws compared."""

    law: StepLaw
    """The best, or the simplest of those that cannot be told from it."""
    hop_cv: float
    """Of the compound Poisson law, the most likely."""
    criterion: dict[str, float]
    """Akaike's, for each law, less the smallest."""
    indistinguishable: tuple[StepLaw, ...]
    """Laws within 2 of the best, it included."""


def choose_law(polarities: tuple[Steps, ...], fano_dtod: float) -> LawChoice:
    """Compare the five laws on the steps of all polarities together.

    Args:
        polarities: single pushes, single pulls.
        fano_dtod: relative standard deviation of the devices' Fano lengths.
    """
    binned = [_Binned(steps) for steps in polarities]
    likelihood = {
        law: sum(one.log_likelihood(cdf) for one in binned)
        for law, cdf in (
            ("gaussian", _gaussian),
            ("gamma", _gamma),
            ("inverse-gaussian", _inverse_gaussian),
            ("poisson", _poisson),
        )
    }
    best: Any = optimize.minimize_scalar(
        lambda log_cv: -sum(one.log_likelihood(_compound(math.exp(log_cv))) for one in binned),
        bounds=(math.log(0.03), math.log(5.0)), method="bounded", options={"xatol": 1e-3},
    )  # fmt: skip
    likelihood["compound-poisson"] = -float(best.fun)
    # Mean and Fano length of each polarity are common to all laws; the compound law has one parameter more.
    criterion = {law: -2 * value + 2 * (law == "compound-poisson") for law, value in likelihood.items()}
    hop_cv = math.exp(float(best.x))
    if hop_cv < _BLUR * fano_dtod and criterion["compound-poisson"] == min(criterion.values()):
        criterion["poisson"] = min(criterion["poisson"], criterion["compound-poisson"])
    least = min(criterion.values())
    alike: tuple[StepLaw, ...] = tuple(one for one in _SIMPLEST_FIRST if criterion[one] - least < _ALIKE)
    return LawChoice(
        law=alike[0],
        hop_cv=hop_cv,
        criterion={law: criterion[law] - least for law in _SIMPLEST_FIRST},
        indistinguishable=alike,
    )


class _Binned:
    """Counts per device and bin; the unit of length is the Fano length."""

    def __init__(self, steps: Steps) -> None:
        x = steps.steps / steps.fano
        mean = steps.mean / steps.fano
        deviation = math.sqrt(mean + (steps.velocity_dtod * mean) ** 2)
        self._mean = mean
        # An odd number of Fano lengths per bin keeps hops away from the edges.
        width = 2 * int((2 * 8 * deviation / _WIDEST) / 2) + 1
        first = max(0, int((mean - 8 * deviation) / width)) * width
        last = max(first + width, int(mean + 16 * deviation + 16))
        self._edges = np.arange(first, last + width, width) + 0.5 * width
        places = np.digitize(x, self._edges)
        devices, bins = len(x), len(self._edges) + 1
        flat = places + bins * np.arange(devices)[:, None]
        self._counts = np.bincount(flat.ravel(), minlength=devices * bins).reshape(devices, bins).astype(np.float64)
        # A device's steps say its velocity to within this; nodes must lie closer.
        known = 1 / math.sqrt(mean * x.shape[1])
        nodes = 1 + 2 * min(200, math.ceil(4 * steps.velocity_dtod / min(0.5 * known, max(steps.velocity_dtod, 1e-9))))
        z = np.linspace(-4, 4, nodes) if steps.velocity_dtod > 0 else np.zeros(1)
        self._gain = np.maximum(0.01, 1 + steps.velocity_dtod * z)
        self._log_weight = -0.5 * z**2 - special.logsumexp(-0.5 * z**2)

    def log_likelihood(self, cdf: Distribution) -> float:
        """Return the log-likelihood of all counts under a law."""
        below = cdf(self._edges[None, :], (self._mean * self._gain)[:, None])
        inside = np.diff(below, axis=1, prepend=0.0, append=1.0)
        log_inside = np.log(np.maximum(inside, 1e-300))
        of_devices: Any = special.logsumexp(self._counts @ log_inside.T + self._log_weight, axis=1)
        return float(of_devices.sum())


def _gaussian(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
    return special.ndtr((x - mean) / np.sqrt(mean))


def _gamma(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
    return special.gammainc(mean, np.maximum(x, 0.0))


def _inverse_gaussian(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
    # mean m and shape m^2: the variance is m, in Fano lengths.
    return stats.invgauss.cdf(np.maximum(x, 0.0), 1 / mean, scale=mean**2)


def _poisson(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.where(x < 0, 0.0, special.pdtr(np.floor(np.maximum(x, 0.0)), mean))


def _compound(hop_cv: float) -> Distribution:
    """Return the distribution of Poisson many gamma hops; x and the mean are one row and one column."""
    hop = 1 / (1 + hop_cv**2)

    def cdf(x: NDArray[np.floating], mean: NDArray[np.floating]) -> NDArray[np.floating]:
        rate = mean / hop
        most = float(rate.max())
        if most > _MANY_HOPS:
            return _shifted_gamma(x, mean, (1 + 2 * hop_cv**2) * hop / np.sqrt(mean))
        hops = np.arange(1, int(most + 9 * math.sqrt(most) + 12))
        of_hops = special.gammainc(hops[:, None] / hop_cv**2, np.maximum(x, 0.0) / (hop * hop_cv**2))
        number = np.exp(hops * np.log(rate) - rate - special.gammaln(hops + 1))
        return np.exp(-rate) + number @ of_hops

    return cdf


def _shifted_gamma(
    x: NDArray[np.floating], mean: NDArray[np.floating], skewness: NDArray[np.floating]
) -> NDArray[np.floating]:
    shape = 4 / skewness**2
    scale = np.sqrt(mean / shape)
    return special.gammainc(shape, np.maximum(0.0, (x - mean) / scale + shape))
