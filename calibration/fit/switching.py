"""Switching probability against current and pulse width: barrier, critical current and attempt time.

The wall leaves its site over a barrier that the current lowers,

    P = 1 - exp{-(t / tau_0) exp[-Delta (1 - I / I_c0)^b]},        so that        ln(-ln(1 - P)) = ln t - ln tau_0 - ...

For b = 1 this is a binomial regression with complementary log-log link, linear in I, with offset ln t. Its intercept
-ln tau_0 - Delta and its slope Delta / I_c0 are all that data can tell, **over however many decades of t**: the width
only ever enters as t / tau_0, and a change of tau_0 is undone by one of Delta and I_c0. So with b = 1 the attempt time
must be given. A barrier that is curved in the current (b = 1.5 or 2) gives three numbers, but the curvature shows only
if the current is varied widely, hence the width over at least three decades.

Real walls vary more than binomially from run to run: `overdispersion` tests it, and `Scatter` widens the intervals.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from calibration.estimate import Estimate
from calibration.fit import likelihood
from calibration.fit.barrier import Barrier, SwitchingCounts
from calibration.fit.likelihood import Maximum
from drivers.errors import DeviceFault

_DECADES = 3.0
_ATTEMPTS_S = 10.0 ** np.arange(-13.0, -5.0, 0.5)


class Scatter(StrEnum):
    """How counts scatter about the probability."""

    BINOMIAL = "binomial"
    """Shots are independent."""
    QUASI = "quasi"
    """The binomial variance times a factor, from Pearson's chi-square, never below one."""
    BETA_BINOMIAL = "beta-binomial"
    """Each point has a probability of its own, beta-distributed about the law's."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SwitchingFit:
    """Barrier and critical current, with 95 % profile intervals."""

    delta: Estimate
    """Barrier without current over kT."""
    critical_current: Estimate
    """Current at which the barrier vanishes."""
    attempt_s: Estimate
    """Attempt time, seconds; its interval has no width where it was given."""
    barrier: Barrier
    """What was given."""
    at: NDArray[np.float64]
    """The fitted parameters: ln delta, ln critical current and, if fitted, ln attempt time."""
    covariance: NDArray[np.float64]
    """Their covariance."""
    scatter: Scatter
    """What the intervals assume."""
    dispersion: float
    """Variance of the counts over the binomial one, from Pearson's chi-square; 1 if shots are independent."""
    deviance: float
    """Binomial deviance of the points."""
    freedom: int
    """Points less parameters."""

    def ellipse(self, points: int = 100) -> NDArray[np.float64]:
        """Return delta and critical current on the edge of their joint 95 % region, shape (points, 2).

        An ellipse in the logarithms, where the likelihood is more nearly that of a normal law.
        """
        angle = np.linspace(0.0, 2 * np.pi, points)
        circle = np.stack([np.cos(angle), np.sin(angle)]) * np.sqrt(stats.chi2.ppf(0.95, 2))
        return np.exp(self.at[:2] + (np.linalg.cholesky(self.covariance[:2, :2]) @ circle).T)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Overdispersion:
    """Whether the counts scatter more than binomially."""

    ratio: float
    """Deviance over degrees of freedom."""
    p_value: float
    """Share of simulated binomial data sets, fitted anew, whose deviance is as large."""


def fractions(counts: SwitchingCounts) -> list[Estimate]:
    """Return the switched fraction of each point with its exact (Clopper-Pearson) interval, none and all included."""
    from statsmodels.stats.proportion import proportion_confint

    low, high = np.asarray(proportion_confint(counts.switched, counts.shots, method="beta"), np.float64)
    values = counts.switched / counts.shots
    return [
        Estimate(value=float(value), low=min(float(value), float(a)), high=max(float(value), float(b)), unit="1")
        for value, a, b in zip(values, low, high, strict=True)
    ]


def fit_switching(
    counts: SwitchingCounts,
    *,
    attempt_s: float | None = 1e-9,
    exponent: float = 1.0,
    scatter: Scatter = Scatter.BINOMIAL,
) -> SwitchingFit:
    """Fit S-curves.

    Args:
        counts: points at any currents and widths.
        attempt_s: attempt time, seconds; None fits it, which needs a curved barrier and three decades of widths.
        exponent: how the current lowers the barrier.
        scatter: what the intervals assume of the counts.

    Raises:
        DeviceFault: the points do not determine the parameters; the message says which points would.
        ValueError: an attempt time that no data could determine is asked for.
    """
    _refuse_separation(counts)
    barrier = Barrier(exponent=exponent, attempt_s=attempt_s)
    _refuse_unknowable(counts, barrier)
    top = _maximise(counts, barrier)
    freedom = len(counts.current) - barrier.free
    if freedom < 1:
        raise DeviceFault(
            f"{len(counts.current)} points do not determine {barrier.free} parameters; measure more currents"
        )
    dispersion, telling = _dispersion(counts, barrier.probability(top.at, counts), freedom)
    deviance = _deviance(counts, barrier.probability(top.at, counts))
    if scatter is Scatter.BETA_BINOMIAL:
        top = _maximise_beta(counts, barrier, top, dispersion)
    factor = max(1.0, dispersion) if scatter is Scatter.QUASI else 1.0
    limit = stats.chi2.ppf(0.95, 1) if scatter is Scatter.BINOMIAL else stats.f.ppf(0.95, 1, telling)
    kinds = (("1", "delta"), (counts.unit, "the critical current"), ("s", "the attempt time"))[: barrier.free]
    found = [
        likelihood.positive(top, index, unit, name, drop=factor * float(limit) / 2)
        for index, (unit, name) in enumerate(kinds)
    ]
    if attempt_s is not None:
        found.append(Estimate(value=attempt_s, low=attempt_s, high=attempt_s, unit="s"))
    return SwitchingFit(
        delta=found[0],
        critical_current=found[1],
        attempt_s=found[2],
        barrier=barrier,
        at=top.at[: barrier.free],
        covariance=factor * top.covariance[: barrier.free, : barrier.free],
        scatter=scatter,
        dispersion=dispersion,
        deviance=deviance,
        freedom=freedom,
    )


def overdispersion(counts: SwitchingCounts, fit: SwitchingFit, *, seed: int, replicates: int = 200) -> Overdispersion:
    """Test whether counts scatter more than binomially, by a parametric bootstrap of the deviance.

    Its chi-square law is not relied upon: it fails where points have few switched or few unswitched shots.

    Args:
        counts: the points.
        fit: what was fitted to them.
        seed: decides the simulated data.
        replicates: how many data sets are simulated and fitted.
    """
    generator = np.random.default_rng(seed)
    probability = fit.barrier.probability(fit.at, counts)
    beyond = 0
    for switched in generator.binomial(counts.shots, probability, (replicates, len(counts.shots))):
        again = replace(counts, switched=switched)
        top = likelihood.maximise(fit.barrier.binomial(again), fit.at, np.sqrt(np.diag(fit.covariance)))
        beyond += _deviance(again, fit.barrier.probability(top.at, again)) >= fit.deviance
    return Overdispersion(ratio=fit.deviance / fit.freedom, p_value=(1 + beyond) / (1 + replicates))


def _refuse_separation(counts: SwitchingCounts) -> None:
    """Raise if a step at one current describes the points perfectly: then the steepest curve is the most likely."""
    unit = counts.unit
    if not counts.switched.any():
        raise DeviceFault(f"no shot switched up to {counts.current.max():g} {unit}; measure larger currents")
    if not counts.stayed.any():
        raise DeviceFault(f"every shot switched down to {counts.current.min():g} {unit}; measure smaller currents")
    first, last = counts.current[counts.switched > 0].min(), counts.current[counts.stayed > 0].max()
    if last <= first:
        below, above = counts.current[counts.current < first], counts.current[counts.current > last]
        low = below.max() if len(below) else last
        where = f"between {low:g} and {above.min():g} {unit}" if len(above) else f"above {low:g} {unit}"
        raise DeviceFault(
            f"all shots switch above and none below {first:g} {unit} (complete separation): the slope has no upper "
            f"bound; measure several currents {where}, or shorter pulses"
        )


def _refuse_unknowable(counts: SwitchingCounts, barrier: Barrier) -> None:
    if barrier.attempt_s is not None:
        return
    if barrier.exponent == 1:
        raise ValueError(
            "attempt_s must be given with exponent 1: only delta + ln(attempt_s) and delta / critical current show"
        )
    decades = np.log10(counts.width_s.max() / counts.width_s.min())
    if decades < _DECADES:
        raise DeviceFault(
            f"widths over {decades:.1f} decades do not tell the attempt time from the barrier; "
            f"measure over {_DECADES:g}, or give attempt_s"
        )


def _maximise(counts: SwitchingCounts, barrier: Barrier) -> Maximum:
    intercept, slope, error = _regression(counts)
    middle = float(np.median(counts.current))
    scale = np.full(2, np.clip(error, 1e-4, 0.1))
    tops = []
    for attempt in _ATTEMPTS_S if barrier.attempt_s is None else [barrier.attempt_s]:
        height = -(intercept + slope * middle + np.log(attempt))
        if height > 0:
            # The barrier with the regression's height and slope in the middle of the currents.
            critical = middle + barrier.exponent * height / slope
            start = np.log([height / (1 - middle / critical) ** barrier.exponent, critical])
            given = replace(barrier, attempt_s=attempt)
            top = likelihood.maximise(given.binomial(counts), start, scale)
            tops.append((top.value, attempt, top))
    if not tops:
        raise DeviceFault("the walls switch without a barrier in the middle of the currents; measure smaller ones")
    _, attempt, top = max(tops, key=lambda one: one[0])
    if barrier.attempt_s is not None:
        return top
    return likelihood.maximise(barrier.binomial(counts), np.append(top.at, np.log(attempt)), np.append(scale, 0.5))


def _regression(counts: SwitchingCounts) -> tuple[float, float, float]:
    """Return intercept and slope of ln(-ln(1 - P)) - ln t in the current, and the slope's relative error."""
    from statsmodels.genmod.families import Binomial, links
    from statsmodels.genmod.generalized_linear_model import GLM

    answer = np.stack([counts.switched, counts.stayed], axis=1)
    size = float(np.abs(counts.current).max())
    columns = np.stack([np.ones(len(counts.current)), counts.current / size], axis=1)
    offset = np.log(counts.width_s)
    # From the line through the fractions, weighted by their information; from its own start the regression may diverge.
    hazard = -np.log1p(-(counts.switched + 0.5) / (counts.shots + 1))
    weight = np.sqrt(counts.shots * hazard**2 / np.expm1(hazard))
    start = np.linalg.lstsq(columns * weight[:, None], (np.log(hazard) - offset) * weight)[0]
    with np.errstate(over="ignore"):
        result = GLM(answer, columns, family=Binomial(link=links.CLogLog()), offset=offset).fit(start_params=start)
    intercept, slope = (float(value) for value in result.params)
    if not slope > 0:
        raise DeviceFault("larger currents do not switch more often; check polarity and the range of currents")
    return intercept, slope / size, float(result.bse[1]) / slope


def _maximise_beta(counts: SwitchingCounts, barrier: Barrier, top: Maximum, dispersion: float) -> Maximum:
    shots = float(counts.shots.mean())
    spread = max(dispersion - 1, 0.05) / max(shots - dispersion, 1.0)
    scale = np.append(np.sqrt(np.diag(top.covariance)), 0.5)
    return likelihood.maximise(barrier.beta_binomial(counts), np.append(top.at, np.log(spread)), scale)


def _dispersion(counts: SwitchingCounts, probability: NDArray[np.float64], freedom: int) -> tuple[float, float]:
    """Return the variance over the binomial one, and the degrees of freedom behind it.

    Points where nearly all or no shots switch add nothing to Pearson's chi-square, but would count as points
    (D. J. Fletcher, Biometrika 99 (2012) 230).
    """
    variance = np.maximum(counts.shots * probability * (1 - probability), 1e-300)
    excess = counts.switched - counts.shots * probability
    share = max(1 + float(((1 - 2 * probability) * excess / variance).mean()), 1 / freedom)
    return float((excess**2 / variance).sum()) / freedom / share, max(1.0, freedom * min(1.0, share))


def _deviance(counts: SwitchingCounts, probability: NDArray[np.float64]) -> float:
    rest = np.maximum(1 - probability, 1e-300)
    switched = special.xlogy(counts.switched, counts.switched / (counts.shots * probability))
    stayed = special.xlogy(counts.stayed, counts.stayed / (counts.shots * rest))
    return 2 * float((switched + stayed).sum())
