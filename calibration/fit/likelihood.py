"""The largest likelihood and the intervals around it, for any log-likelihood of a few unbounded parameters.

Positive parameters are handed over as their logarithms. Two kinds of 95 % interval: from the observed information
(Fisher), quick and symmetric on the scale of the fit; and from the profile likelihood, which needs no symmetry: all
values whose best log-likelihood, the other parameters free, lies less than half the chi-square quantile below the top.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from calibration.estimate import Estimate
from drivers.errors import DeviceFault

LogLikelihood = Callable[[NDArray[np.float64]], float]

_DROP = float(stats.chi2.ppf(0.95, 1)) / 2
"""How far below the top a 95 % profile interval reaches."""
_NORMAL = float(stats.norm.ppf(0.975))
_WORST = -1e100
"""What a parameter outside the law's domain counts."""
_SLOPE_STEP = 3e-3
"""Step of the differences that slopes come from, in standard errors."""
_FARTHEST = 60.0
"""How many standard errors a profile is followed before it counts as having no end."""
_NEVER = 25.0
"""How far a logarithm may fall before its parameter counts as zero."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Maximum:
    """The top of a log-likelihood."""

    log_likelihood: LogLikelihood
    """The function, so that intervals can be taken."""
    at: NDArray[np.float64]
    """Where it is largest, shape (P,)."""
    value: float
    """How large it is there."""
    covariance: NDArray[np.float64]
    """Inverse of the observed information, shape (P, P). Directions without information have a large variance."""
    beside: tuple["Maximum", ...] = ()
    """Other tops nearly as high, which a profile must not overlook."""


def maximise(log_likelihood: LogLikelihood, start: NDArray[np.float64], scale: NDArray[np.float64]) -> Maximum:
    """Find the top near a start.

    A simplex search, which needs no slopes and survives kinks, then quasi-Newton steps in coordinates in which the top
    is round, so that strongly correlated parameters do no harm.

    Args:
        log_likelihood: of an array of P unbounded parameters; may return nan or minus infinity.
        start: where to begin, shape (P,).
        scale: rough standard errors, shape (P,).
    """
    guarded = _guarded(log_likelihood)
    simplex = np.vstack([start, start + np.diag(scale)])
    rough = optimize.minimize(
        lambda at: -guarded(at),
        start,
        method="Nelder-Mead",
        options={"initial_simplex": simplex, "xatol": np.inf, "fatol": 1e-3, "maxiter": 400 * len(start)},
    ).x
    covariance = _covariance(guarded, rough, scale)
    at = _climb(guarded, rough, _root(covariance))
    covariance = _covariance(guarded, at, np.sqrt(np.diag(covariance)))
    return Maximum(log_likelihood=guarded, at=at, value=guarded(at), covariance=covariance)


def highest(tops: Sequence[Maximum]) -> Maximum:
    """Return the highest of several tops, those that a profile interval could reach beside it."""
    best = max(tops, key=lambda top: top.value)
    near = (top for top in tops if top is not best and best.value - top.value < 2 * _DROP)
    return replace(best, beside=tuple(near))


def turned(maximum: Maximum, turn: NDArray[np.float64]) -> Maximum:
    """Return the same tops in other parameters.

    Args:
        maximum: the tops.
        turn: the matrix that takes the parameters to the others, shape (P, P).
    """
    back = np.linalg.inv(turn)

    def log_likelihood(at: NDArray[np.float64]) -> float:
        return maximum.log_likelihood(back @ at)

    return Maximum(
        log_likelihood=log_likelihood,
        at=turn @ maximum.at,
        value=maximum.value,
        covariance=turn @ maximum.covariance @ turn.T,
        beside=tuple(turned(top, turn) for top in maximum.beside),
    )


def fisher(maximum: Maximum, index: int, unit: str, *, sign: float = 1.0) -> Estimate:
    """Return a positive parameter, kept as its logarithm, with the interval of the observed information.

    Args:
        maximum: the top.
        index: which parameter.
        unit: its unit.
        sign: multiplies value and interval; -1 for a negative parameter kept as the logarithm of its size.
    """
    centre, half = maximum.at[index], _NORMAL * np.sqrt(maximum.covariance[index, index])
    ends = sorted(sign * float(np.exp(end)) for end in (centre - half, centre + half))
    return Estimate(value=sign * float(np.exp(centre)), low=ends[0], high=ends[1], unit=unit)


def positive(maximum: Maximum, index: int, unit: str, name: str, *, drop: float = _DROP) -> Estimate:
    """Return a positive parameter, kept as its logarithm, with its profile interval.

    Args:
        maximum: the top.
        index: which parameter.
        unit: its unit.
        name: what to call it in an error.
        drop: how far below the top the interval reaches; by default 95 % by chi-square.

    Raises:
        DeviceFault: the data set no upper bound.
    """
    low, high = profile(maximum, index, drop=drop)
    if not np.isfinite(high):
        raise DeviceFault(f"the data set no upper bound to {name}; measure more, or over a wider range")
    value = float(np.exp(maximum.at[index]))
    return Estimate(value=value, low=min(value, float(np.exp(low))), high=max(value, float(np.exp(high))), unit=unit)


def profile(maximum: Maximum, index: int, *, drop: float = _DROP) -> tuple[float, float]:
    """Return both ends of a profile interval, on the scale of the fit; infinite where the data set no bound."""
    return _end(maximum, index, -1, drop), _end(maximum, index, +1, drop)


def _end(maximum: Maximum, index: int, way: int, drop: float) -> float:
    """Follow the profile one way, in growing steps, and solve for the end once it is passed."""
    error = float(np.sqrt(maximum.covariance[index, index]))
    ridges = [_Ridge(top, index) for top in (maximum, *maximum.beside)]

    def above(distance: float) -> float:
        return max(ridge.height(maximum.at[index] + way * distance) for ridge in ridges) - (maximum.value - drop)

    near, far = 0.0, min(error * np.sqrt(2 * drop), _NEVER / 4)
    while above(far) > 0:
        if far > max(_FARTHEST * error, _NEVER) or far > 4 * _NEVER:
            return way * np.inf
        near, far = far, 1.5 * far
    distance = optimize.root_scalar(above, bracket=(near, far), method="brentq", xtol=1e-3 * far, rtol=1e-3).root
    return float(maximum.at[index]) + way * float(distance)


class _Ridge:
    """The largest log-likelihood at a given value of one parameter, each search begun from the nearest one's end."""

    def __init__(self, maximum: Maximum, index: int) -> None:
        self._maximum, self._index = maximum, index
        self._others = np.delete(np.arange(len(maximum.at)), index)
        covariance = maximum.covariance
        self._slope = covariance[self._others, index] / covariance[index, index]
        inner = covariance[np.ix_(self._others, self._others)]
        self._root = _root(inner - np.outer(self._slope, self._slope) * covariance[index, index])
        self._known = {float(maximum.at[index]): (maximum.value, maximum.at[self._others])}

    def height(self, value: float) -> float:
        """Return it with the parameter at this value."""
        if value not in self._known:
            nearest = min(self._known, key=lambda known: abs(known - value))
            guess = self._known[nearest][1] + self._slope * (value - nearest)

            def log_likelihood(others: NDArray[np.float64]) -> float:
                return self._maximum.log_likelihood(np.insert(others, self._index, value))

            best = _climb(log_likelihood, guess, self._root) if len(guess) else guess
            self._known[value] = (log_likelihood(best), best)
        return self._known[value][0]


def _climb(log_likelihood: LogLikelihood, start: NDArray[np.float64], root: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the top near a start, in coordinates of which one unit is about one standard error."""

    def depth(steps: NDArray[np.float64]) -> float:
        return -log_likelihood(start + root @ steps)

    offsets = _SLOPE_STEP * np.eye(len(start))

    def slope(steps: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.array([depth(steps + one) - depth(steps - one) for one in offsets]) / (2 * _SLOPE_STEP)

    found = optimize.minimize(
        depth, np.zeros(len(start)), method="BFGS", jac=slope, options={"gtol": 3e-3, "maxiter": 60}
    )
    return start + root @ found.x


def _guarded(log_likelihood: LogLikelihood) -> LogLikelihood:
    def guarded(at: NDArray[np.float64]) -> float:
        with np.errstate(all="ignore"):
            value = log_likelihood(at)
        return float(value) if np.isfinite(value) else _WORST

    return guarded


def _covariance(
    log_likelihood: LogLikelihood, at: NDArray[np.float64], scale: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the inverse of the observed information from differences over steps that cost about a unit of it."""
    steps = _steps(log_likelihood, at, scale)
    count = len(at)
    offsets = np.diag(steps)
    centre = log_likelihood(at)
    curvature = np.empty((count, count))
    for i in range(count):
        for j in range(i + 1):
            if i == j:
                second = log_likelihood(at + offsets[i]) - 2 * centre + log_likelihood(at - offsets[i])
            else:
                plus, minus = offsets[i] + offsets[j], offsets[i] - offsets[j]
                second = log_likelihood(at + plus) + log_likelihood(at - plus)
                second = (second - log_likelihood(at + minus) - log_likelihood(at - minus)) / 4
            curvature[i, j] = curvature[j, i] = -second
    # In units of the steps all entries are of order one, so that one floor serves every parameter.
    values, vectors = np.linalg.eigh(curvature)
    inverse = (vectors / np.maximum(values, 1e-6)) @ vectors.T
    return inverse * np.outer(steps, steps)


def _steps(log_likelihood: LogLikelihood, at: NDArray[np.float64], scale: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return for each parameter the step that lowers the log-likelihood by about 0.05."""
    steps = scale.astype(np.float64)
    centre = log_likelihood(at)
    for i in range(len(at)):
        for _ in range(4):
            offset = np.zeros(len(at))
            offset[i] = steps[i]
            fall = centre - (log_likelihood(at + offset) + log_likelihood(at - offset)) / 2
            steps[i] = min(steps[i] * np.clip(np.sqrt(0.05 / max(fall, 1e-12)), 0.01, 100.0), 1.0)
            if 0.02 < fall < 0.12:
                break
    return steps


def _root(covariance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a matrix whose square is the covariance, rounding below zero taken out."""
    values, vectors = np.linalg.eigh(covariance) if covariance.size else (np.zeros(0), np.zeros((0, 0)))
    return vectors * np.sqrt(np.maximum(values, 1e-12 * max(1e-300, values.max(initial=0.0))))
