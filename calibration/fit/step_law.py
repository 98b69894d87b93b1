"""The law of the step by one pulse, from displacements by any numbers of pulses, by maximum likelihood.

Each shot has its own number of pulses and the noise of its readings. A wall that hit an end stop tells only that it
would have gone at least as far: it counts with the probability of that, not as a measured displacement.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.estimate import Estimate
from calibration.fit import likelihood
from calibration.fit.choice import Choice, Criterion, choose
from calibration.fit.likelihood import Maximum
from calibration.fit.pulse_sum import HOP_LAWS, Groups, Step, StepLaw, cumulative, draw, group, log_density
from drivers.errors import DeviceFault

_FEWEST_SHOTS = 10
_ALMOST_NEVER = 1e-300
_FARTHEST = 8.0
"""How many times the mean and variance by moments a law may have."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shots:
    """Measured displacements, all in one unit of length and counted along the direction of the pulses."""

    displacement: NDArray[np.float64]
    """Measured displacements, shape (M,)."""
    pulses: NDArray[np.int64]
    """Pulses of each, at least one, shape (M,)."""
    noise_sd: float
    """Standard deviation of a displacement that the readings alone cause; with two readings, root 2 of one's."""
    stop: NDArray[np.int8] = field(default_factory=lambda: np.zeros(0, np.int8))
    """+1 where the wall hit the stop ahead and would have gone at least this far, -1 at most; shape (M,) or empty."""
    unit: str = "track"
    """Unit of length."""

    def __post_init__(self) -> None:
        if self.pulses.shape != self.displacement.shape or self.stop.shape not in ((0,), self.displacement.shape):
            raise ValueError("displacement, pulses and stop must have one entry for each shot")
        if self.pulses.size and self.pulses.min() < 1:
            raise ValueError("pulses must be at least 1; leave out shots without pulses")
        if not self.noise_sd >= 0:
            raise ValueError(f"noise_sd {self.noise_sd:g} must not be negative")

    def take(self, index: NDArray[np.intp]) -> "Shots":
        """Return these shots, in this order, with repetitions."""
        stop = self.stop[index] if self.stop.size else self.stop
        return replace(self, displacement=self.displacement[index], pulses=self.pulses[index], stop=stop)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepLawFit:
    """One law fitted, with 95 % intervals.

    They come from the observed information; for laws of hops, whose likelihood has several tops, from the profile.
    """

    mean: Estimate
    """Mean of one step."""
    variance: Estimate
    """Variance of one step."""
    fano: Estimate
    """Variance over mean, a length."""
    hop_cv: Estimate | None
    """Relative spread of the hops: compound Poisson law only, and None also without an upper bound."""
    step: Step
    """The law at its most likely parameters."""
    log_likelihood: float
    """Largest log-likelihood."""
    shots: int
    """Shots fitted."""
    stopped: int
    """Shots among them that hit an end stop."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepLawChoice:
    """A law chosen among several."""

    best: StepLawFit
    """The law chosen, fitted."""
    choice: Choice
    """How it compares with the others."""


def choose_step_law(
    shots: Shots, laws: Sequence[StepLaw] = tuple(StepLaw), criterion: Criterion = Criterion.BIC
) -> StepLawChoice:
    """Fit several laws and choose among them.

    Raises:
        DeviceFault: as for `fit_step_law`.
        ValueError: a law of hops without noise.
    """
    tops = {law: _maximise(shots, law) for law in laws}
    scores = {str(law): (top.value, len(top.at)) for law, top in tops.items()}
    choice = choose(scores, len(shots.displacement), criterion)
    best = StepLaw(choice.best)
    return StepLawChoice(best=_fit(shots, best, tops[best]), choice=choice)


def fit_step_law(shots: Shots, law: StepLaw) -> StepLawFit:
    """Fit one law.

    Raises:
        DeviceFault: fewer than 10 shots, or the pulses do not move the wall their own way on average.
        ValueError: a law of hops without noise.
    """
    return _fit(shots, law, _maximise(shots, law))


def uniforms(shots: Shots, step: Step) -> NDArray[np.float64]:
    """Return the probability of less than each displacement that was measured in full: uniform if the law is right."""
    free = shots.take(np.flatnonzero(shots.stop == 0)) if shots.stop.size else shots
    return cumulative(group(free.displacement, free.pulses, free.noise_sd), step)


def simulate(shots: Shots, step: Step, generator: np.random.Generator) -> Shots:
    """Return shots with the same numbers of pulses, noise and stops, drawn from a law.

    A shot that hit a stop has its stop where it was and hits it again if it gets there; the others have no stop.
    """
    value = draw(shots.pulses, shots.noise_sd, step, generator)
    if not shots.stop.size:
        return replace(shots, displacement=value)
    beyond = shots.stop * (value - shots.displacement) > 0
    stop = np.where(beyond, shots.stop, np.int8(0))
    return replace(shots, displacement=np.where(beyond, shots.displacement, value), stop=stop)


def bootstrap_by_device(
    shots: Shots, device: NDArray[np.integer], law: StepLaw, *, seed: int, resamples: int = 400
) -> dict[str, Estimate]:
    """Return mean, variance and Fano length of one step with intervals from devices drawn anew (BCa).

    Devices, not shots, are the independent units: what they share from shot to shot widens these intervals, whereas
    the observed information knows nothing of it.

    Args:
        shots: displacements of all devices together.
        device: the device of each shot, shape (M,).
        law: the law to fit.
        seed: decides which devices are drawn.
        resamples: how often.

    Raises:
        DeviceFault: fewer than 5 devices, or as for `fit_step_law`.
    """
    names, which = np.unique(device, return_inverse=True)
    if len(names) < 5:
        raise DeviceFault(f"a bootstrap over {len(names)} devices says nothing; measure at least 5")
    members = [np.flatnonzero(which == one) for one in range(len(names))]

    def statistic(drawn: NDArray[np.intp]) -> NDArray[np.float64]:
        at = _maximise(shots.take(np.concatenate([members[one] for one in drawn])), law).at
        return np.array([at[0], at[1], at[1] - at[0]])

    centre = statistic(np.arange(len(names)))
    found = stats.bootstrap(
        (np.arange(len(names)),),
        statistic,
        n_resamples=resamples,
        vectorized=False,
        method="BCa",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    keys = {"mean": shots.unit, "variance": f"{shots.unit}^2", "fano": shots.unit}
    ends = (np.exp(end).tolist() for end in (np.minimum(found.low, centre), centre, np.maximum(found.high, centre)))
    return {
        key: Estimate(value=value, low=low, high=high, unit=unit)
        for (key, unit), low, value, high in zip(keys.items(), *ends, strict=True)
    }


def _fit(shots: Shots, law: StepLaw, top: Maximum) -> StepLawFit:
    turn = np.eye(len(top.at))
    turn[1, 0] = -1.0
    area = f"{shots.unit}^2"
    hop_cv = None
    if law in HOP_LAWS:
        mean = likelihood.positive(top, 0, shots.unit, "the mean")
        variance = likelihood.positive(top, 1, area, "the variance")
        fano = likelihood.positive(likelihood.turned(top, turn), 1, shots.unit, "the Fano length")
        if law is StepLaw.COMPOUND_POISSON and np.isfinite(likelihood.profile(top, 2)[1]):
            hop_cv = likelihood.positive(top, 2, "1", "the relative spread of the hops")
    else:
        mean, variance = likelihood.fisher(top, 0, shots.unit), likelihood.fisher(top, 1, area)
        fano = likelihood.fisher(likelihood.turned(top, turn), 1, shots.unit)
    return StepLawFit(
        mean=mean,
        variance=variance,
        fano=fano,
        hop_cv=hop_cv,
        step=_step(law, top.at),
        log_likelihood=top.value,
        shots=len(shots.displacement),
        stopped=int(np.count_nonzero(shots.stop)),
    )


def _maximise(shots: Shots, law: StepLaw) -> Maximum:
    """Find the top in the logarithms of mean, variance and, where the law has it, the relative spread of hops."""
    starts, scale = _starts(shots, law)
    free = shots.take(np.flatnonzero(shots.stop == 0)) if shots.stop.size else shots
    measured = group(free.displacement, free.pulses, free.noise_sd)
    hits = [(side, _stopped(shots, side)) for side in (1, -1) if np.any(shots.stop == side)]

    # The search stays where the grid is known to be fine enough; this raises if it is not.
    farthest = starts[0][0][:2] + np.log(_FARTHEST)
    log_density(measured, _step(law, np.append(farthest, starts[0][0][2:])))

    def log_likelihood(at: NDArray[np.float64]) -> float:
        if np.any(at[:2] > farthest):
            return -np.inf
        step = _step(law, at)
        total = log_density(measured, step).sum()
        for side, at_stop in hits:
            below = cumulative(at_stop, step)
            total += np.log(np.maximum(1 - below if side > 0 else below, _ALMOST_NEVER)).sum()
        return float(total)

    best = [max(among, key=log_likelihood) if len(among) > 1 else among[0] for among in starts]
    return likelihood.highest([likelihood.maximise(log_likelihood, start, scale) for start in best])


def _step(law: StepLaw, at: NDArray[np.float64]) -> Step:
    # Hops of a relative spread beyond e^-7 or e^3 differ from those of one length, or from a gamma law, in no digit.
    mean, variance, *hop_cv = np.exp(np.append(at[:2], np.clip(at[2:], -7.0, 3.0))).tolist()
    return Step(law=law, mean=mean, variance=variance, hop_cv=hop_cv[0] if hop_cv else 0.0)


def _stopped(shots: Shots, side: int) -> Groups:
    hit = shots.take(np.flatnonzero(shots.stop == side))
    return group(hit.displacement, hit.pulses, hit.noise_sd)


def _starts(shots: Shots, law: StepLaw) -> tuple[list[list[NDArray[np.float64]]], NDArray[np.float64]]:
    """Return where to begin and rough standard errors: of each list the best start leads to a top."""
    count = len(shots.displacement)
    if count < _FEWEST_SHOTS:
        raise DeviceFault(f"{count} shots do not make a law; measure at least {_FEWEST_SHOTS}")
    total = float(shots.pulses.sum())
    mean = float(shots.displacement.sum()) / total
    if not mean > 0:
        raise DeviceFault("the pulses do not move the wall their own way on average; check polarity and amplitude")
    squares = float(((shots.displacement - shots.pulses * mean) ** 2).sum())
    scatter = (squares * count / (count - 1) - count * shots.noise_sd**2) / total
    variance = max(scatter, 0.05 * squares / total, 1e-12 * mean**2)
    whole = variance * total + count * shots.noise_sd**2
    errors = [np.sqrt(whole) / (total * mean), np.sqrt(2 / count) * whole / (variance * total)]
    lengths = [variance / mean]
    if law in HOP_LAWS:
        lengths += _combs(shots, variance / mean)
        errors[1] = min(errors[1], 0.3 * shots.noise_sd / float(shots.displacement.max()) + 1e-4)
    moments, *combs = (np.log([mean, mean * length]) for length in lengths)
    if law is StepLaw.POISSON_HOPS:
        return [[moments, *combs]], np.array(errors)
    if law is StepLaw.COMPOUND_POISSON:
        sharp = [np.append(start, np.log(0.1)) for start in (moments, *combs)]
        blurred = [np.append(moments, np.log(spread)) for spread in (0.4, 0.8, 2.0)]
        return [sharp, blurred], np.array([errors[0], max(errors[1], 0.03), 0.3])
    return [[moments]], np.array(errors)


def _combs(shots: Shots, length: float) -> list[float]:
    """Return hop lengths whose multiples the displacements crowd at: the highest peaks of their periodogram.

    The likelihood of a hop length has many tops, one for each way to lay a comb through the displacements.
    """
    farthest = float(shots.displacement.max())
    points = int(np.clip(8 * farthest / length, 50, 4000))
    rate = np.linspace(1 / (1.8 * length), 1.8 / length, points)
    sample = shots.displacement[:: max(1, len(shots.displacement) // 2000)]
    power = np.cos(2 * np.pi * rate[:, None] * sample).sum(axis=1)
    return [1 / float(rate[index]) for index in np.argsort(power)[-6:]]
