"""Steps of walls, flight by flight: mean and variance of one pulse of each device, the noise of readings taken out.

A flight is a device's shots of one cycle, direction, amplitude and width. Neighbouring shots of a flight share a
reading. With P pulses in N shots of G flights, p pulses each, and r^2 the variance of a reading,

    mean      sum of displacements / P,                                           of variance  (P v + 2 r^2 G) / P^2
    variance  E[sum of squares about the mean] = (N - 1) p v + 2 r^2 (N - G / N)

and G is N where every shot has two readings of its own. A flight counts up to the first shot that begins so near the
stop ahead that it might reach it. To leave out what did reach it would favour short steps; where a shot begins does not
depend on how it ends.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.analysis.findings import Notebook
from calibration.analysis.placed import Numbers, Placed
from calibration.estimate import Estimate
from calibration.fit import interval
from calibration.fit.step_law import Shots, StepLaw, fit_step_law
from drivers.errors import DeviceFault

_FEWEST_DEVICES = 3
_REACH = 6.0
"""Standard deviations beyond the mean displacement that a shot may go."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Flights:
    """Shots of one direction, sorted by flight. F flights, S shots."""

    advance: Numbers
    """Displacement of each shot along the direction of its pulses, shape (S,)."""
    pulses: NDArray[np.int64]
    """Pulses of each shot, shape (S,)."""
    place: Numbers
    """Where each shot took place: the middle of the positions before and after, shape (S,)."""
    flight: NDArray[np.intp]
    """Flight of each shot, shape (S,)."""
    number: NDArray[np.intp]
    """Number of each shot in its flight, from 0, shape (S,)."""
    start: NDArray[np.intp]
    """First shot of each flight, shape (F,)."""
    size: NDArray[np.intp]
    """Shots of each flight, shape (F,)."""
    device: NDArray[np.intp]
    """Device of each flight, an index, shape (F,)."""
    usable: NDArray[np.bool_]
    """Flights whose wall stayed clear of the end stops, shape (F,)."""
    counted: NDArray[np.bool_]
    """Shots that begin, as all before them in their flight, too far from the stop ahead to reach it, shape (S,)."""
    stop: NDArray[np.int8]
    """+1 where a shot ended at the stop ahead, else 0, shape (S,)."""
    held: NDArray[np.bool_]
    """Shots that began at the stop ahead and say nothing, shape (S,)."""
    noise_variance: Numbers
    """Variance of one reading of each device, shape (D,)."""
    unit: str
    """Unit of displacements."""
    chained: bool
    """Whether neighbouring shots of a flight share a reading."""

    def series(self, length: int) -> Numbers:
        """Return the advances of the usable flights that have this many shots, shape (flights, length)."""
        chosen = np.flatnonzero(self.usable & (self.size == length))
        return self.advance[self.start[chosen][:, None] + np.arange(length)]

    @property
    def usual_size(self) -> int:
        """Return the commonest number of shots of a usable flight; 0 if there is none."""
        sizes = self.size[self.usable]
        return int(np.bincount(sizes).argmax()) if len(sizes) else 0


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """One pulse of each device, shape (D,) each; nan where a device has no usable flight."""

    mean: Numbers
    """Mean displacement."""
    variance: Numbers
    """Variance; unbiased, so that it may come out below zero."""
    error: Numbers
    """Variance of `mean` within the device, unbiased."""
    unit: str
    """Unit of length."""
    memory: Numbers
    """Mean product of neighbouring displacements less their means, the shared reading taken out; unbiased."""
    flights: int
    """Flights used."""
    dropped: int
    """Flights that came to an end stop, and count up to there."""

    @property
    def known(self) -> NDArray[np.bool_]:
        """Return the devices that have numbers."""
        return np.isfinite(self.mean) & np.isfinite(self.variance)


def flights(placed: Placed, polarity: int, *, chained: bool = True) -> Flights:
    """Sort the pulsed shots of one direction by flight.

    Args:
        placed: shots with positions; those without pulses or with one reading are left out.
        polarity: 1 or -1.
        chained: whether neighbouring shots of a flight share a reading.
    """
    chosen = placed.pulsed()
    chosen = chosen.take(chosen.shots["polarity"] == polarity)
    shots = chosen.shots
    keys = (shots["step"], shots["amplitude_v"], shots["width_s"], shots["cycle"], chosen.which)
    order = np.lexsort(keys)
    parts = np.stack([np.asarray(key, np.float64)[order] for key in keys[1:]])
    begins = np.ones(len(order), np.bool_)
    begins[1:] = np.any(np.diff(parts, axis=1) != 0, axis=0)
    start = np.flatnonzero(begins)
    flight = np.cumsum(begins) - 1
    before, after = chosen.before[order], chosen.after[order]
    ordered = chosen.take(np.ones(len(shots), np.bool_))
    near_before, near_after = ordered.at_end(chosen.before)[order], ordered.at_end(chosen.after)[order]
    touches = np.zeros(len(start), np.bool_)
    np.logical_or.at(touches, flight, (near_before != 0) | (near_after != 0))
    return Flights(
        advance=(after - before) * polarity,
        pulses=shots["pulses"][order].astype(np.int64),
        place=(after + before) / 2,
        flight=flight,
        number=np.arange(len(order)) - start[flight] if len(start) else np.zeros(0, np.intp),
        start=start,
        size=np.diff(np.append(start, len(order))),
        device=chosen.which[order][start],
        usable=~touches,
        counted=_counted(placed, polarity, before, (after - before) * polarity, flight, start, near_after == polarity),
        stop=(near_after == polarity).astype(np.int8),
        held=near_before == polarity,
        noise_variance=placed.noise_variance,
        unit=placed.unit,
        chained=chained,
    )


def _counted(
    placed: Placed,
    polarity: int,
    before: Numbers,
    advance: Numbers,
    flight: NDArray[np.intp],
    start: NDArray[np.intp],
    stopped: NDArray[np.bool_],
) -> NDArray[np.bool_]:
    if not placed.has_ends or not len(before):
        return np.ones(len(before), np.bool_)
    free = advance[~stopped] if np.any(~stopped) else advance
    reach = float(free.mean() + _REACH * free.std())
    room = 1 - before if polarity > 0 else before
    near = room < reach
    # From the first such shot on: where a later one begins depends on how the earlier ones ended.
    nearer = np.cumsum(near)
    return nearer - nearer[start][flight] + near[start][flight] == 0


def moments(found: Flights) -> Moments:
    """Return mean and variance of one pulse of each device."""
    devices, flights_of = len(found.noise_variance), found.flight[found.counted]
    advance, pulses = found.advance[found.counted], found.pulses[found.counted].astype(np.float64)
    device = found.device[flights_of] if len(found.start) else np.zeros(0, np.intp)

    def total(values: Numbers, owner: NDArray[np.intp] = device) -> Numbers:
        return np.bincount(owner, values, minlength=devices).astype(np.float64)

    shots, all_pulses, squares = total(np.ones(len(advance))), total(pulses), total(pulses**2)
    heads = np.flatnonzero(np.diff(flights_of, prepend=-1)) if found.chained else np.arange(len(advance))
    groups, group_pulses = total(np.ones(len(heads)), device[heads]), total(pulses[heads], device[heads])
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total(advance) / all_pulses
        rest = advance - mean[device] * pulses
        read = 2 * found.noise_variance
        noise = read * (shots - 2 * group_pulses / all_pulses + groups * squares / all_pulses**2)
        variance = (total(rest**2) - noise) / (all_pulses - squares / all_pulses)
        error = (variance * all_pulses + read * groups) / all_pulses**2
        pairs = np.flatnonzero(np.diff(flights_of) == 0)
        products, neighbours = (
            total(rest[pairs] * rest[pairs + 1], device[pairs]),
            total(np.ones(len(pairs)), device[pairs]),
        )
        shared = found.noise_variance if found.chained else 0.0
        memory = products / neighbours + shared + error * squares / shots
    enough = shots >= 2
    return Moments(
        mean=np.where(shots > 0, mean, np.nan),
        variance=np.where(enough, variance, np.nan),
        error=np.where(enough, error, np.nan),
        memory=np.where(neighbours > 0, memory, np.nan),
        unit=found.unit,
        flights=len(np.unique(flights_of)),
        dropped=int((~found.usable).sum()),
    )


def shots_of(found: Flights, *, alternate: bool = False, most: int | None = None) -> tuple[Shots, NDArray[np.intp]]:
    """Return shots for `step_law`, devices brought to one mean, and the device of each shot.

    A device's displacements are divided by its own mean over that of all: otherwise the spread between devices would
    pass for the law of the step. Shots that began at the stop ahead are left out, and flights that ended at one are
    kept as censored.

    Args:
        found: the shots.
        alternate: only every second shot of a flight, which share no reading and so are independent.
        most: at most this many shots, spread evenly.
    """
    own = moments(found).mean
    typical = float(np.nanmean(own)) if np.isfinite(own).any() else np.nan
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = np.where(np.isfinite(own) & (own * typical > 0), typical / own, np.nan)
    which = found.device[found.flight] if len(found.start) else np.zeros(0, np.intp)
    scaled = found.advance * factor[which]
    keep = np.isfinite(scaled) & ~found.held
    if alternate and found.chained:
        keep &= found.number % 2 == 0
    chosen = np.flatnonzero(keep)
    if most is not None and len(chosen) > most:
        chosen = chosen[np.linspace(0, len(chosen) - 1, most).astype(np.intp)]
    noise = float(np.sqrt(2 * np.mean(found.noise_variance)))
    shots = Shots(
        displacement=scaled[chosen],
        pulses=found.pulses[chosen],
        noise_sd=noise,
        stop=found.stop[chosen] if found.stop[chosen].any() else np.zeros(0, np.int8),
        unit=found.unit,
    )
    return shots, which[chosen]


def report_moments(notebook: Notebook, found: Flights, own: Moments, name: str, words: str) -> None:
    """Take down mean, variance, Fano length and spread of one direction.

    Intervals are over devices; of fewer than three devices over pulses, by the Gaussian law of many small events.
    """
    known = own.known
    notebook.column(f"mean step, {words}", found.unit, own.mean)
    notebook.column(f"variance of a step, {words}", f"{found.unit}^2", own.variance)
    if known.sum() >= _FEWEST_DEVICES:
        mean, variance = own.mean[known], own.variance[known]
        notebook.number(f"mu_{name}", f"mean step, {words}", interval.mean(mean, found.unit))
        notebook.number(f"variance_{name}", f"variance of a step, {words}", interval.mean(variance, f"{found.unit}^2"))
        if mean.mean() > 0:
            notebook.number(f"fano_{name}", f"Fano length, {words}", interval.ratio(variance, mean, found.unit))
            spread = interval.relative_spread(mean, own.error[known])
            notebook.number(f"dtod_{name}", f"device-to-device spread, {words}", spread)
        return
    notebook.notes.append(f"{words}: intervals over pulses, as there are fewer than {_FEWEST_DEVICES} devices")
    try:
        fit = fit_step_law(shots_of(found)[0], StepLaw.GAUSSIAN)
    except DeviceFault as fault:
        notebook.wrong.append(f"{words}: {fault}")
        return
    notebook.number(f"mu_{name}", f"mean step, {words}", fit.mean)
    notebook.number(f"variance_{name}", f"variance of a step, {words}", fit.variance)
    notebook.number(f"fano_{name}", f"Fano length, {words}", fit.fano)


def ratio_of_sums(first: Numbers, second: Numbers) -> Estimate | None:
    """Return (first - second) / (first + second) of the population means, over devices; None with fewer than 3."""
    known = np.isfinite(first) & np.isfinite(second)
    if known.sum() < _FEWEST_DEVICES or not (first + second)[known].mean() > 0:
        return None
    return interval.ratio((first - second)[known], (first + second)[known], "1")
