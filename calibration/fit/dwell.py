"""Dwell times, some of them cut off: laws by maximum likelihood, survival curves, comparison of devices.

A wall that has not switched when the time is up tells that its dwell time is longer. Leaving such shots out is not a
small thing: with a time-out at 1.5 means it makes the mean 43 % too short.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.estimate import Estimate
from calibration.fit import dwell_law, likelihood
from calibration.fit.choice import Choice, Criterion, choose
from calibration.fit.dwell_law import PARAMETERS, DwellLaw
from drivers.errors import DeviceFault

_FEWEST_EVENTS = 5


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DwellTimes:
    """Measured dwell times."""

    time_s: NDArray[np.float64]
    """Time until the wall switched or was no longer watched, seconds, above zero, shape (M,)."""
    switched: NDArray[np.bool_]
    """Whether it switched, shape (M,)."""

    def __post_init__(self) -> None:
        if self.time_s.shape != self.switched.shape:
            raise ValueError("time_s and switched must have one entry for each shot")
        if self.time_s.size and not self.time_s.min() > 0:
            raise ValueError("time_s must be above zero; give the resolution of the clock for a shorter time")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class DwellFit:
    """One law fitted, with 95 % intervals."""

    law: DwellLaw
    """The law."""
    parameters: dict[str, Estimate]
    """By the names of `dwell_law.PARAMETERS`; exact interval for the exponential law, profile intervals for others."""
    mean_s: float
    """Mean dwell time by the law, seconds, including what was never seen."""
    log_likelihood: float
    """Largest log-likelihood."""
    events: int
    """Shots that switched."""
    censored: int
    """Shots that did not."""

    @property
    def values(self) -> NDArray[np.float64]:
        """Return the most likely parameters, in the order of `dwell_law.PARAMETERS`."""
        return np.array([estimate.value for estimate in self.parameters.values()])


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Survival:
    """Kaplan and Meier's survival curve: a step down at each time."""

    time_s: NDArray[np.float64]
    """Times at which walls switched, seconds, ascending."""
    survival: NDArray[np.float64]
    """Share of walls that have not switched after each."""
    low: NDArray[np.float64]
    """Lower end of the 95 % interval, point by point (Greenwood's variance on the scale of ln(-ln S))."""
    high: NDArray[np.float64]
    """Upper end."""


def choose_dwell_law(
    times: DwellTimes, laws: Sequence[DwellLaw] = tuple(DwellLaw), criterion: Criterion = Criterion.AIC
) -> Choice:
    """Choose among laws, without intervals of their parameters.

    Raises:
        DeviceFault: fewer than 5 walls switched.
    """
    scores = {str(law): (_maximise(times, law).value, len(PARAMETERS[law])) for law in laws}
    return choose(scores, int(times.switched.sum()), criterion)


def fit_dwell(times: DwellTimes, law: DwellLaw) -> DwellFit:
    """Fit one law.

    Raises:
        DeviceFault: fewer than 5 walls switched (none at all for the exponential law), or the data do not bound a
            parameter, for example the second path of walls that have only one.
    """
    if law is DwellLaw.EXPONENTIAL:
        parameters = {"scale_s": exponential(times)}
        top_value = _log_likelihood(times, law, np.array([parameters["scale_s"].value]))
    else:
        top = _maximise(times, law)
        unit = {name: "s" if name.endswith("_s") else "1" for name in PARAMETERS[law]}
        parameters = {
            name: likelihood.positive(top, index, unit[name], f"{name} of the {law} law")
            for index, name in enumerate(PARAMETERS[law])
        }
        top_value = top.value
    values = np.array([estimate.value for estimate in parameters.values()])
    events = int(times.switched.sum())
    return DwellFit(
        law=law,
        parameters=parameters,
        mean_s=dwell_law.mean(law, values),
        log_likelihood=top_value,
        events=events,
        censored=len(times.time_s) - events,
    )


def exponential(times: DwellTimes) -> Estimate:
    """Return the mean of exponential dwell times: all time watched over the number of switches.

    The interval is exact when every wall switched: twice the time over the mean is chi-square with twice the switches
    as degrees of freedom. With a time-out the lower end takes two more, as for a Poisson count, and covers no less.

    Raises:
        DeviceFault: no wall switched.
    """
    events, total = int(times.switched.sum()), float(times.time_s.sum())
    more = 0 if times.switched.all() else 2
    low = 2 * total / float(stats.chi2.ppf(0.975, 2 * events + more))
    if events == 0:
        once = 2 * total / float(stats.chi2.ppf(0.95, 2))
        raise DeviceFault(f"no wall switched: the mean dwell time is above {once:.3g} s (95 %); watch longer")
    return Estimate(value=total / events, low=low, high=2 * total / float(stats.chi2.ppf(0.025, 2 * events)), unit="s")


def survival(times: DwellTimes) -> Survival:
    """Return the survival curve, whatever the law.

    Raises:
        DeviceFault: no wall switched.
    """
    from statsmodels.duration.survfunc import SurvfuncRight

    if not times.switched.any():
        raise DeviceFault("no wall switched: there is no survival curve; watch longer")
    curve = SurvfuncRight(times.time_s, times.switched.astype(np.int64))
    share, error = np.asarray(curve.surv_prob, np.float64), np.asarray(curve.surv_prob_se, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        wide = np.exp(stats.norm.ppf(0.975) * error / (share * np.log(share)))
        low, high = share ** (1 / wide), share**wide
    # When the last wall has switched Greenwood's variance is lost; what is known is that the curve does not rise.
    low, high = np.where(share > 0, low, 0.0), np.where(share > 0, high, np.append(1.0, high[:-1]))
    return Survival(time_s=np.asarray(curve.surv_times, np.float64), survival=share, low=low, high=high)


def log_rank(times: DwellTimes, device: NDArray[np.integer]) -> float:
    """Return the p-value of "all devices have the same dwell times" (log-rank test).

    Args:
        times: dwell times of all devices together.
        device: the device of each, shape (M,).

    Raises:
        ValueError: only one device.
    """
    from statsmodels.duration.survfunc import survdiff

    if len(np.unique(device)) < 2:
        raise ValueError("device must name at least two devices")
    return float(survdiff(times.time_s, times.switched.astype(np.int64), device)[1])


def _log_likelihood(times: DwellTimes, law: DwellLaw, values: NDArray[np.float64]) -> float:
    seen = dwell_law.log_density(law, times.time_s[times.switched], values).sum()
    cut_off = dwell_law.log_survival(law, times.time_s[~times.switched], values).sum()
    return float(seen + cut_off)


def _maximise(times: DwellTimes, law: DwellLaw) -> likelihood.Maximum:
    events = int(times.switched.sum())
    if events < _FEWEST_EVENTS:
        raise DeviceFault(
            f"{events} walls switched; {_FEWEST_EVENTS} are needed for the {law} law: watch more or longer"
        )
    scale = float(times.time_s.sum()) / events
    error = 1 / np.sqrt(events)
    if law is DwellLaw.EXPONENTIAL:
        starts, errors = [[scale]], [error]
    elif law is DwellLaw.TWO_PATHS:
        starts = [
            [scale / low, low * high, odds] for low in (1.5, 5.0) for high in (2.0, 8.0) for odds in (0.3, 1.0, 3.0)
        ]
        errors = [3 * error, 3 * error, 5 * error]
    else:
        starts, errors = [[scale, shape] for shape in (0.5, 1.0, 2.0)], [error, error]

    def log_likelihood(at: NDArray[np.float64]) -> float:
        if law is DwellLaw.TWO_PATHS and at[1] < 0:
            # The paths would change names: only one of two equal tops is looked for.
            return -np.inf
        return _log_likelihood(times, law, np.exp(at))

    start = max((np.log(one) for one in starts), key=log_likelihood)
    return likelihood.maximise(log_likelihood, start, np.array(errors))
