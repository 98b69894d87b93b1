"""Steps of walls, flight by flight: mean and variance of one pulse of each device, the noise of readings taken out.

A flight is a device's shots of one cycle, direction, amplitude and width. Its n increments by p pulses each share the
readings between them, so that

    E[sample variance] = p v + 2 r^2 (n + 1) / n,

with r the standard deviation of a reading; where every shot has its own two readings the factor is 1. A flight whose
wall came to an end stop is left out as a whole: to stop it there would favour short steps.
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
    stop: NDArray[np.int8]
    """+1 where a shot ended at the stop ahead, else 0, shape (S,)."""
    held: NDArray[np.bool_]
    """Shots that began at the stop ahead and say nothing, shape (S,)."""
    noise: Numbers
    """Standard deviation of one reading of each device, shape (D,)."""
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
    flights: int
    """Flights used."""
    dropped: int
    """Flights left out because they came to an end stop."""

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
        stop=(near_after == polarity).astype(np.int8),
        held=near_before == polarity,
        noise=placed.noise,
        unit=placed.unit,
        chained=chained,
    )


def moments(found: Flights) -> Moments:
    """Return mean and variance of one pulse of each device, from its usable flights."""
    devices, count = len(found.noise), len(found.start)
    size = found.size.astype(np.float64)
    advance = np.bincount(found.flight, found.advance, minlength=count).astype(np.float64)
    pulses = np.bincount(found.flight, found.pulses, minlength=count).astype(np.float64)
    centre = advance / np.maximum(size, 1)
    squares = np.bincount(found.flight, (found.advance - centre[found.flight]) ** 2, minlength=count)
    read = 2 * found.noise[found.device] ** 2 * ((size + 1) / size if found.chained else 1.0)
    use = found.usable

    def per_device(values: Numbers) -> Numbers:
        return np.bincount(found.device[use], values[use], minlength=devices).astype(np.float64)

    total = per_device(pulses)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = per_device(advance) / total
        weight = per_device(pulses / size * (size - 1))
        variance = per_device(squares - (size - 1) * read) / weight
        ends = 1.0 if found.chained else size
        error = (variance * total + per_device(2 * found.noise[found.device] ** 2 * ends * np.ones(count))) / total**2
    return Moments(
        mean=np.where(total > 0, mean, np.nan),
        variance=np.where(weight > 0, variance, np.nan),
        error=np.where(total > 0, error, np.nan),
        unit=found.unit,
        flights=int(use.sum()),
        dropped=int((~use).sum()),
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
    noise = float(np.sqrt(2 * np.mean(found.noise**2)))
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
