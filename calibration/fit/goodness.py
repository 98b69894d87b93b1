"""Does a fitted law describe the data? Tests that return a p-value, small when it does not.

Parameters that were fitted to the same data pull the law towards them, so that the tabulated laws of Kolmogorov and
Smirnov's or Anderson and Darling's statistic would accept too much: the statistic is compared with that of simulated
data sets, to each of which the law is fitted anew (parametric bootstrap).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

_FEWEST_EXPECTED = 5.0


class Correction(StrEnum):
    """How p-values of many devices are made comparable with one level."""

    HOLM = "holm"
    """No wrong alarm among all devices, with the confidence asked for."""
    BENJAMINI_HOCHBERG = "fdr_bh"
    """At most the level's share of wrong alarms among the alarms."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Goodness:
    """One test of one fit."""

    statistic: float
    """Its statistic."""
    p_value: float
    """Share of data sets that would fit worse if the law were right."""


def kolmogorov_smirnov(uniform: NDArray[np.float64]) -> float:
    """Return the largest distance of probabilities by the law, shape (M,), from a uniform law."""
    ordered, count = np.sort(uniform), len(uniform)
    # scipy.stats.kstest also works out a p-value, which costs ten times as much and would be the wrong one.
    return float(max((np.arange(1, count + 1) / count - ordered).max(), (ordered - np.arange(count) / count).max()))


def anderson_darling(uniform: NDArray[np.float64]) -> float:
    """Return Anderson and Darling's distance of probabilities by the law, shape (M,), from a uniform law.

    It weighs the tails more than Kolmogorov and Smirnov's.
    """
    # A value far out in a tail counts as one in 1e12, not as infinitely far.
    ordered = np.clip(np.sort(uniform), 1e-12, 1 - 1e-12)
    count = len(ordered)
    weight = 2 * np.arange(1, count + 1) - 1
    return -count - float((weight * (np.log(ordered) + np.log1p(-ordered[::-1]))).sum()) / count


def parametric_bootstrap(
    observed: float, again: Callable[[np.random.Generator], float], *, seed: int, replicates: int = 200
) -> Goodness:
    """Compare a statistic with that of simulated data sets.

    Args:
        observed: the statistic of the data.
        again: simulates a data set from the fitted law, **fits the law to it** and returns the statistic.
        seed: decides the simulated data.
        replicates: how many.
    """
    generators = np.random.default_rng(seed).spawn(replicates)
    beyond = sum(again(generator) >= observed for generator in generators)
    return Goodness(statistic=observed, p_value=(1 + beyond) / (1 + replicates))


def chi_square(observed: NDArray[np.integer], expected: NDArray[np.float64], *, fitted: int = 0) -> Goodness:
    """Compare counts in neighbouring classes with what a law expects, classes pooled until each expects 5.

    Args:
        observed: counts, shape (K,).
        expected: expected counts with the same sum, shape (K,).
        fitted: parameters that were fitted to these counts. Fitted to the unpooled values instead, the test accepts a
            little less than it says.

    Raises:
        ValueError: too few classes are left.
    """
    pooled = _pool(observed, expected)
    freedom = pooled.shape[1] - 1 - fitted
    if freedom < 1:
        raise ValueError(f"{pooled.shape[1]} classes that expect 5 are too few for {fitted} fitted parameters")
    result = stats.chisquare(pooled[0], pooled[1], ddof=fitted)
    return Goodness(statistic=float(result.statistic), p_value=float(result.pvalue))


def deviance(value: float, freedom: int) -> Goodness:
    """Return the p-value of a deviance by its chi-square law, which needs points with 5 events of either kind."""
    return Goodness(statistic=value, p_value=float(stats.chi2.sf(value, freedom)))


def lag_one(series: NDArray[np.float64], *, shared: float = 0.0) -> Goodness:
    """Test whether neighbours in a series depend on one another beyond what they share.

    Steps of a staircase share a reading: with read noise r^2 and variance v of the step that alone correlates
    neighbours by -r^2 / (v + 2 r^2), which is `shared`. More than that is memory of the wall, such as return-point
    memory, or a drift. The statistic is the correlation less `shared` in standard errors (Bartlett), all series
    together.

    Args:
        series: one series or several of the same length N, shape (..., N).
        shared: correlation of neighbours if the wall has no memory.
    """
    rows = np.atleast_2d(series).reshape(-1, np.shape(series)[-1])
    centred = rows - rows.mean(axis=1, keepdims=True)
    count = rows.shape[1]
    found = (centred[:, 1:] * centred[:, :-1]).sum(axis=1) / (centred**2).sum(axis=1)
    # Taking out the mean makes neighbours look opposed; first order in one over the length, for a moving average.
    expected = shared - (1 + 4 * shared - 2 * shared**2 - 4 * shared**3) / count
    variance = (1 - 3 * shared**2 + 4 * shared**4) * (count - 2) ** 2 / (count**2 * (count - 1))
    statistic = float((found.mean() - expected) / np.sqrt(variance / len(rows)))
    return Goodness(statistic=statistic, p_value=2 * float(stats.norm.sf(abs(statistic))))


def corrected(p_values: NDArray[np.float64], correction: Correction = Correction.HOLM) -> NDArray[np.float64]:
    """Return p-values that can each be compared with one level, although there are many."""
    from statsmodels.stats.multitest import multipletests

    return np.asarray(multipletests(p_values, method=str(correction))[1], np.float64)


def _pool(observed: NDArray[np.integer], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return observed and expected counts of classes joined from the left, shape (2, K); the last takes the rest."""
    columns: list[list[float]] = []
    open_class = [0.0, 0.0]
    for seen, foreseen in zip(observed.tolist(), expected.tolist(), strict=True):
        open_class = [open_class[0] + seen, open_class[1] + foreseen]
        if open_class[1] >= _FEWEST_EXPECTED:
            columns.append(open_class)
            open_class = [0.0, 0.0]
    if columns:
        columns[-1] = [columns[-1][0] + open_class[0], columns[-1][1] + open_class[1]]
    return np.array(columns).reshape(-1, 2).T
