"""Laws of the time that a wall waits at a site."""

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from scipy import stats


class DwellLaw(StrEnum):
    """How dwell times are distributed."""

    EXPONENTIAL = "exponential"
    """One barrier."""
    WEIBULL = "weibull"
    """A spread of barriers (shape below 1), or a rate that grows (above)."""
    GAMMA = "gamma"
    """Sites in series."""
    LOG_NORMAL = "log-normal"
    """Nucleation with an incubation."""
    TWO_PATHS = "two-paths"
    """Two wall structures, each with a barrier of its own: two exponential laws mixed."""


PARAMETERS = {
    DwellLaw.EXPONENTIAL: ("scale_s",),
    DwellLaw.WEIBULL: ("scale_s", "shape"),
    DwellLaw.GAMMA: ("scale_s", "shape"),
    DwellLaw.LOG_NORMAL: ("scale_s", "shape"),
    DwellLaw.TWO_PATHS: ("fast_s", "slow_over_fast", "odds_of_fast"),
}
"""What is fitted, all above zero. The scale of the log-normal law is its median, its shape the standard deviation of
ln t; times of two paths are means, and the odds are the share of the fast path over that of the slow one."""

_SCIPY = {
    DwellLaw.EXPONENTIAL: stats.expon,
    DwellLaw.WEIBULL: stats.weibull_min,
    DwellLaw.GAMMA: stats.gamma,
    DwellLaw.LOG_NORMAL: stats.lognorm,
}


def log_density(law: DwellLaw, time: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the density at these times.

    Args:
        law: the law.
        time: times, any unit.
        values: parameters as in `PARAMETERS`, times in the same unit.
    """
    if law is DwellLaw.TWO_PATHS:
        share, fast, slow = _two_paths(values)
        return np.logaddexp(np.log(share / fast) - time / fast, np.log((1 - share) / slow) - time / slow)
    return _SCIPY[law].logpdf(time, *values[1:], scale=values[0])


def log_survival(law: DwellLaw, time: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the logarithm of the probability of a longer time; arguments as for `log_density`."""
    if law is DwellLaw.TWO_PATHS:
        share, fast, slow = _two_paths(values)
        return np.logaddexp(np.log(share) - time / fast, np.log1p(-share) - time / slow)
    return _SCIPY[law].logsf(time, *values[1:], scale=values[0])


def draw(law: DwellLaw, count: int, values: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:
    """Return random times; arguments as for `log_density`."""
    if law is DwellLaw.TWO_PATHS:
        share, fast, slow = _two_paths(values)
        return generator.exponential(np.where(generator.random(count) < share, fast, slow))
    return _SCIPY[law].rvs(*values[1:], scale=values[0], size=count, random_state=generator)


def mean(law: DwellLaw, values: NDArray[np.float64]) -> float:
    """Return the mean time; `values` as for `log_density`."""
    if law is DwellLaw.TWO_PATHS:
        share, fast, slow = _two_paths(values)
        return float(share * fast + (1 - share) * slow)
    return float(_SCIPY[law].mean(*values[1:], scale=values[0]))


def _two_paths(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the share of the fast path, its mean time and that of the slow one."""
    return float(values[2] / (1 + values[2])), float(values[0]), float(values[0] * values[1])
