"""Dwell times: pulse time until a wall leaves its place, those that did not leave cut off at the time-out.

Times are multiples of one round of pulses. For one barrier that is exact: a wall leaves in a round with probability
1 - exp(-w / tau), so that tau follows from leavings over rounds. For the other laws a wall that left in a round counts
as if it had left in the middle of it, which is good as long as dwell times are several rounds.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import MEASUREMENT, Numbers, Placed, place
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import dwell_law, goodness
from calibration.fit.dwell import DwellFit, DwellTimes, choose_dwell_law, fit_dwell, survival
from calibration.fit.dwell_law import PARAMETERS, DwellLaw
from drivers.errors import DeviceFault

_LEAST_MOVE = 6.0
_CLASSES = 12
_PERMUTATIONS = 999


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stays:
    """One dwell time each, shape (M,)."""

    rounds: NDArray[np.int64]
    """Rounds until the wall left or was given up."""
    left: NDArray[np.bool_]
    """Whether it left."""
    round_s: Numbers
    """Pulse time of one round, seconds."""
    amplitude_v: Numbers
    """Magnitude of the pulses, volts."""
    device: NDArray[np.intp]
    """Device, an index."""

    def at(self, amplitude_v: float) -> "Stays":
        """Return those at one amplitude."""
        mine = self.amplitude_v == amplitude_v
        return Stays(
            rounds=self.rounds[mine],
            left=self.left[mine],
            round_s=self.round_s[mine],
            amplitude_v=self.amplitude_v[mine],
            device=self.device[mine],
        )

    @property
    def times(self) -> DwellTimes:
        """Return dwell times on a continuous scale."""
        return DwellTimes(time_s=(self.rounds - 0.5 * self.left) * self.round_s, switched=self.left)


def analyse(experiment: Experiment) -> Findings:
    """Analyse dwell times, amplitude by amplitude.

    Raises:
        DeviceFault: there are no shots.
    """
    placed = place(experiment)
    stays = gather(placed, experiment)
    if not len(stays.rounds):
        raise DeviceFault("no shot of the measurement has pulses and a reading: there are no dwell times")
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    for colour, amplitude in enumerate(np.unique(stays.amplitude_v)):
        _one_amplitude(notebook, stays.at(float(amplitude)), float(amplitude), colour, experiment.origin.seed)
    own_time = np.bincount(stays.device, stays.rounds * stays.round_s, minlength=len(placed.device))
    own_left = np.bincount(stays.device, stays.left, minlength=len(placed.device))
    with np.errstate(divide="ignore", invalid="ignore"):
        notebook.column("pulse time over leavings", "s", np.where(own_left > 0, own_time / own_left, np.nan))
    notebook.notes.append("walls that never left are cut off at the time-out, not left out and not taken to have left")
    return notebook.closed(placed.words())


def gather(placed: Placed, experiment: Experiment) -> Stays:
    """Return the dwell times: the rounds of one device in one step are one."""
    shots = placed.shots
    chosen = placed.take((shots["phase"] == MEASUREMENT) & (shots["pulses"] > 0) & np.isfinite(placed.after))
    shots = chosen.shots
    order = np.lexsort((np.arange(len(shots)), shots["step"], chosen.which))
    key = np.stack([chosen.which[order], shots["step"][order]])
    begins = np.ones(len(order), np.bool_)
    begins[1:] = np.any(np.diff(key, axis=1) != 0, axis=0)
    start = np.flatnonzero(begins)
    end = np.append(start[1:], len(order)) - 1
    first, last = order[start], order[end]
    threshold = float(experiment.origin.settings.get("moved", 0.0)) if placed.has_ends else 0.0
    if not threshold > 0:
        threshold = _LEAST_MOVE * np.sqrt(2) * placed.pooled_noise
    # As when the walls were watched: away from where they stood before the first round.
    distance = np.abs(chosen.after[last] - chosen.before[first])
    known = np.isfinite(distance)
    return Stays(
        rounds=(end - start + 1)[known].astype(np.int64),
        left=(distance > threshold)[known],
        round_s=(shots["pulses"] * shots["width_s"])[first][known],
        amplitude_v=shots["amplitude_v"][first][known],
        device=chosen.which[first][known],
    )


def _one_amplitude(notebook: Notebook, stays: Stays, amplitude: float, colour: int, seed: int) -> None:
    at, where = f"_at_{amplitude:g}_V", f"at {amplitude:g} V"
    left, total = int(stays.left.sum()), len(stays.left)
    rounds = int(stays.rounds.sum())
    notebook.notes.append(f"{where}: {left} of {total} walls left, {total - left} were cut off")
    mean = one_barrier(stays)
    if mean is None:
        round_s = float(stays.round_s.mean())
        longest = rounds * round_s / -np.log(0.05)
        if left == 0:
            notebook.wrong.append(
                f"{where}: no wall left; the mean dwell time is above {longest:.3g} s (95 %): watch longer, or "
                "raise the amplitude"
            )
        else:
            notebook.wrong.append(f"{where}: every wall left in the first round; take shorter or smaller pulses")
        return
    notebook.number(f"mean_dwell{at}", f"mean dwell time {where}, one barrier", mean)
    if left > 0.5 * rounds:
        notebook.wrong.append(f"{where}: walls leave within a round or two; take shorter pulses to see the law")
    try:
        choice = choose_dwell_law(stays.times, _laws(stays))
        fit = fit_dwell(stays.times, DwellLaw(choice.best))
    except DeviceFault as fault:
        notebook.wrong.append(f"{where}: no law of dwell times: {fault}")
        return
    if fit.law is not DwellLaw.EXPONENTIAL and np.mean(stays.rounds[stays.left] == 1) > 0.1:
        notebook.wrong.append(f"{where}: many walls leave in the first round, whose inside is not seen: shorter rounds")
    rivals = f"; {', '.join(choice.rivals)} describe them as well" if choice.rivals else ""
    notebook.notes.append(f"{where}: law of dwell times {fit.law} (AIC){rivals}")
    if fit.law is not DwellLaw.EXPONENTIAL:
        for name, estimate in fit.parameters.items():
            label = f"{name.removesuffix('_s').replace('_', ' ')} of the {fit.law} law {where}"
            notebook.number(f"{name}{at}", label, estimate)
    notebook.check(
        f"one barrier, the same for all, describes dwell times {where}",
        None if DwellLaw.EXPONENTIAL not in choice.excess else _one_barrier_p(stays, mean),
        f"chi-square over rounds, {total} dwell times",
        f"the mean dwell time assumes it; see the {fit.law} law and the devices one by one",
    )
    _test(notebook, stays, fit, where, seed)
    _draw(notebook, stays, fit, mean, where, colour)


def one_barrier(stays: Stays) -> Estimate | None:
    """Return the mean dwell time if every wall has the same single barrier; None if all or no round had a leaving."""
    left, rounds = int(stays.left.sum()), int(stays.rounds.sum())
    if left == 0 or left == rounds:
        return None
    low = float(stats.beta.ppf(0.025, left, rounds - left + 1))
    high = float(stats.beta.ppf(0.975, left + 1, rounds - left))
    round_s = float(np.mean(stays.round_s))

    def dwell(share: float) -> float:
        return round_s / -float(np.log1p(-share))

    return Estimate(value=dwell(left / rounds), low=dwell(high), high=dwell(low), unit="s")


def equal_devices(stays: Stays, seed: int) -> float:
    """Return the p-value of "all devices have the same dwell times".

    Leavings of each device against those expected at the common hazard, as in the log-rank test, whose chi-square law
    finds differences three times too often among many devices of a few dwell times each. Which dwell time is whose is
    therefore drawn anew instead.

    Args:
        stays: dwell times of several devices.
        seed: decides the draws.
    """
    rounds = np.arange(int(stays.rounds.max()) + 1)
    left = np.bincount(stays.rounds[stays.left], minlength=len(rounds))
    at_risk = len(stays.rounds) - np.searchsorted(np.sort(stays.rounds), rounds)
    hazard = np.cumsum(left / np.maximum(at_risk, 1))[stays.rounds]
    names, device = np.unique(stays.device, return_inverse=True)

    def distance(owner: NDArray[np.intp]) -> float:
        expected = np.bincount(owner, hazard, minlength=len(names))
        seen = np.bincount(owner, stays.left, minlength=len(names))
        return float(((seen - expected) ** 2 / expected).sum())

    observed, generator = distance(device), np.random.default_rng(seed)
    beyond = sum(distance(generator.permutation(device)) >= observed for _ in range(_PERMUTATIONS))
    return (1 + beyond) / (1 + _PERMUTATIONS)


def _laws(stays: Stays) -> tuple[DwellLaw, ...]:
    # Two paths take five parameters' worth of data to tell from a Weibull law.
    few = stays.left.sum() < 50
    return tuple(law for law in DwellLaw if not (few and law is DwellLaw.TWO_PATHS))


def _classes(stays: Stays) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]] | None:
    """Return upper ends of classes in rounds, walls that left in each, and walls at risk at the start of each."""
    last = int(stays.rounds.max())
    ends = np.unique(np.quantile(stays.rounds[stays.left], np.linspace(0, 1, _CLASSES + 1)[1:]).astype(np.int64))
    ends = np.unique(np.append(ends[ends < last], last))
    if len(ends) < 3:
        return None
    starts = np.append(0, ends[:-1])
    left = np.array(
        [
            np.count_nonzero(stays.left & (stays.rounds > a) & (stays.rounds <= b))
            for a, b in zip(starts, ends, strict=True)
        ]
    )
    risk = np.array([np.count_nonzero(stays.rounds > a) for a in starts])
    return ends, left, risk


def _law_p(
    stays: Stays, log_survival: NDArray[np.float64], parts: tuple[NDArray[np.int64], ...], fitted: int
) -> float | None:
    """Return the p-value of leavings class by class, given who was at risk, against a survival function."""
    _, left, risk = parts
    leaving = -np.expm1(np.diff(log_survival))
    expected = risk * leaving
    spread = expected * (1 - leaving)
    good = (expected >= 5) & (risk - expected >= 1)
    if good.sum() - fitted < 1:
        return None
    square = float((((left - expected) ** 2) / np.maximum(spread, 1e-300))[good].sum())
    return goodness.deviance(square, int(good.sum()) - fitted).p_value


def _one_barrier_p(stays: Stays, mean: Estimate) -> float | None:
    parts = _classes(stays)
    if parts is None or np.any(_cut_early(stays)):
        return None
    time = np.append(0, parts[0]) * float(stays.round_s.mean())
    return _law_p(stays, -time / mean.value, parts, 1)


def _cut_early(stays: Stays) -> NDArray[np.bool_]:
    """Return the walls that were given up before the time-out of the others: classes do not know them."""
    return ~stays.left & (stays.rounds < stays.rounds.max())


def _test(notebook: Notebook, stays: Stays, fit: DwellFit, where: str, seed: int) -> None:
    claim = f"the {fit.law} law describes dwell times {where}"
    parts = _classes(stays)
    if fit.law is not DwellLaw.EXPONENTIAL:
        p_value = None
        if parts is not None and not np.any(_cut_early(stays)):
            time = np.append(0, parts[0]) * float(stays.round_s.mean())
            with np.errstate(divide="ignore", invalid="ignore"):
                below = dwell_law.log_survival(fit.law, np.maximum(time, 1e-300), fit.values)
            below[0] = 0.0
            p_value = _law_p(stays, below, parts, len(PARAMETERS[fit.law]))
        notebook.check(
            claim, p_value, f"chi-square over rounds, {len(stays.left)} dwell times", "see the survival curve"
        )
    own = np.bincount(stays.device[stays.left])
    if (own >= 1).sum() >= 2:
        notebook.check(
            f"all devices have the same dwell times {where}",
            equal_devices(stays, seed),
            f"log-rank by permutation, {len(np.unique(stays.device))} devices",
            "a law of all devices together mixes them",
        )


def _draw(notebook: Notebook, stays: Stays, fit: DwellFit, mean: Estimate, where: str, colour: int) -> None:
    rounds_time = DwellTimes(time_s=stays.rounds * stays.round_s, switched=stays.left)
    curve = survival(rounds_time)
    x = np.geomspace(float(stays.round_s.min()) / 2, float(rounds_time.time_s.max()), 150)
    series = [
        Series(
            label="Kaplan and Meier, 95 %",
            mark=Mark.STEPS,
            x=np.append(0.0, curve.time_s),
            y=np.append(1.0, curve.survival),
            low=np.append(1.0, curve.low),
            high=np.append(1.0, curve.high),
            colour=colour,
        ),
        Series(label="one barrier", mark=Mark.LINE, x=x, y=np.exp(-x / mean.value), colour=2),
    ]
    if fit.law is not DwellLaw.EXPONENTIAL:
        y = np.exp(dwell_law.log_survival(fit.law, x, fit.values))
        series.append(Series(label=f"{fit.law} law", mark=Mark.LINE, x=x, y=y, colour=3))
    notebook.figures.append(
        Figure(
            title=f"Walls still in place, {where}",
            x_label="pulse time / s",
            y_label="share",
            series=tuple(series),
            caption="A straight line on this scale is one barrier.",
            y_log=bool(curve.survival[curve.survival > 0].min(initial=1.0) < 0.3),
        )
    )
