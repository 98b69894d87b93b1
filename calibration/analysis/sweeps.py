"""Sweeps of width and amplitude: how far a pulse goes, and the velocity free of what edges and inertia add."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Numbers, Placed, place
from calibration.analysis.staircase import WAYS
from calibration.analysis.steps import Moments, flights, moments
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import interval, law
from calibration.fit.velocity import Velocities, VelocityFit, fit_velocity
from drivers.errors import DeviceFault

_FEWEST_DEVICES = 3
_FEWEST_FOR_SCATTER = 8
_ROOM_K = 300.0


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sweep:
    """Steps at each setting, both arrays of shape (K, D)."""

    setting: Numbers
    """Widths or amplitudes, rising, shape (K,)."""
    mean: Numbers
    """Mean displacement by one pulse."""
    variance: Numbers
    """Its variance."""
    error: Numbers
    """Variance of `mean`."""
    dropped: int
    """Flights that came to an end stop."""
    flights: int
    """Flights used."""


def analyse_widths(experiment: Experiment) -> Findings:
    """Analyse a width sweep: displacement = offset + velocity x width, device by device.

    Raises:
        DeviceFault: fewer than 2 widths, or nothing can be placed.
    """
    placed, notebook = _begin(experiment)
    for sign, name, words in WAYS:
        sweep = _sweep(placed, sign, "width_s")
        if len(sweep.setting) < 2:
            raise DeviceFault(f"{words}: one width gives no slope; measure at least 2 widths")
        _report_widths(notebook, sweep, placed.unit, name, words)
        _warn_of_ends(notebook, sweep, words)
    _draw(notebook, placed, "width_s", "width / s")
    return notebook.closed(placed.words())


def analyse_amplitudes(experiment: Experiment) -> Findings:
    """Analyse an amplitude sweep: velocity against amplitude, by the law of creep and depinning where it is covered.

    Raises:
        DeviceFault: fewer than 2 amplitudes, or nothing can be placed.
    """
    placed, notebook = _begin(experiment)
    widths = np.unique(placed.pulsed().shots["width_s"])
    if len(widths) > 1:
        notebook.wrong.append(f"{len(widths)} widths in one amplitude sweep: velocities are those of the commonest")
    for sign, name, words in WAYS:
        sweep = _sweep(placed, sign, "amplitude_v")
        if len(sweep.setting) < 2:
            raise DeviceFault(f"{words}: one amplitude gives no law; measure at least 2 amplitudes")
        _report_amplitudes(notebook, placed, sweep, float(widths[0]), name, words)
        _warn_of_ends(notebook, sweep, words)
    _draw(notebook, placed, "amplitude_v", "amplitude / V")
    notebook.notes.append(
        "velocities are displacement over width at one width: with edges and inertia; a width sweep takes those out"
    )
    return notebook.closed(placed.words())


def _begin(experiment: Experiment) -> tuple[Placed, Notebook]:
    placed = place(experiment)
    if not len(placed.pulsed().shots):
        raise DeviceFault("no shot of the measurement has pulses and two readings: there are no steps to analyse")
    return placed, Notebook(kind=experiment.origin.kind, devices=placed.device)


def _sweep(placed: Placed, sign: int, field: str) -> _Sweep:
    pulsed = placed.pulsed()
    settings = np.unique(pulsed.shots[field])
    found: list[Moments] = []
    for setting in settings:
        found.append(moments(flights(pulsed.take(pulsed.shots[field] == setting), sign)))
    some = [index for index, one in enumerate(found) if one.flights]
    return _Sweep(
        setting=settings[some],
        mean=np.array([found[index].mean for index in some]).reshape(len(some), -1),
        variance=np.array([found[index].variance for index in some]).reshape(len(some), -1),
        error=np.array([found[index].error for index in some]).reshape(len(some), -1),
        dropped=sum(one.dropped for one in found),
        flights=sum(one.flights for one in found),
    )


def _warn_of_ends(notebook: Notebook, sweep: _Sweep, words: str) -> None:
    if sweep.dropped > sweep.flights / 2:
        notebook.wrong.append(f"{words}: most flights came to an end stop; take fewer steps or fewer pulses a step")


def _population(values: Numbers, error: Numbers, unit: str) -> Estimate | None:
    """Return the mean over devices; of fewer than 3 devices with the error of their own steps; None without any."""
    known = np.isfinite(values)
    if known.sum() >= _FEWEST_DEVICES:
        return interval.mean(values[known], unit)
    if not known.any():
        return None
    value = float(values[known].mean())
    half = 1.96 * float(np.sqrt(np.maximum(error[known], 0).sum())) / int(known.sum())
    return Estimate(value=value, low=value - half, high=value + half, unit=unit)


def _report_widths(notebook: Notebook, sweep: _Sweep, unit: str, name: str, words: str) -> None:
    known = np.all(np.isfinite(sweep.mean), axis=0)
    if not known.any():
        notebook.wrong.append(f"{words}: no device has steps at every width")
        return
    # One set of weights for all devices keeps each device's line unbiased.
    weight = 1 / np.maximum(np.nanmean(sweep.error, axis=1), np.finfo(float).tiny)
    columns = np.stack([np.ones(len(sweep.setting)), sweep.setting / sweep.setting[-1]], axis=1)
    root = np.sqrt(weight / weight.max())
    solve = np.linalg.pinv(columns * root[:, None]) * root
    line = solve @ sweep.mean
    error = (solve**2) @ np.maximum(sweep.error, 0)
    velocity = line[1] / sweep.setting[-1]
    notebook.column(f"velocity, {words}", f"{unit}/s", velocity)
    notebook.number(
        f"velocity_{name}",
        f"velocity, {words}",
        _population(velocity, error[1] / sweep.setting[-1] ** 2, f"{unit}/s"),
    )
    notebook.number(
        f"offset_{name}", f"displacement beyond velocity x width, {words}", _population(line[0], error[0], unit)
    )
    # What is left when a straight line is taken out, in directions that do not depend on the line.
    rest = np.linalg.svd(columns)[0][:, 2:].T @ sweep.mean[:, known]
    straight = law.equal_means(np.vstack([rest, np.zeros((1, rest.shape[1]))])) if len(rest) else None
    devices = int(known.sum())
    notebook.check(
        f"displacement is a straight line in the width, {words}",
        straight,
        f"{len(sweep.setting)} widths, {devices} devices, Hotelling",
        "the velocity changes during a pulse: use widths of the range that counts",
    )
    scaled = (sweep.mean / sweep.setting[:, None])[:, known] * sweep.setting[-1]
    notebook.check(
        f"displacement is proportional to the width, {words}",
        law.equal_means(scaled),
        f"{len(sweep.setting)} widths, {devices} devices, Hotelling",
        "edges and inertia add to each pulse: convert between widths by the line, not in proportion",
        of_fit=False,
    )


def _report_amplitudes(
    notebook: Notebook, placed: Placed, sweep: _Sweep, width_s: float, name: str, words: str
) -> None:
    velocity, error = sweep.mean / width_s, sweep.error / width_s**2
    unit = f"{placed.unit}/s"
    for index, amplitude in enumerate(sweep.setting):
        notebook.number(
            f"velocity_{name}_at_{amplitude:g}_V",
            f"velocity, {words} of {amplitude:g} V",
            _population(velocity[index], error[index], unit),
        )
    log_slopes = _local_exponent(sweep.setting, velocity)
    if log_slopes is not None:
        notebook.number(f"exponent_{name}", f"d ln v / d ln V at the largest amplitudes, {words}", log_slopes)
    fit = _fit_law(notebook, placed, sweep, velocity, error, words)
    if fit is not None:
        notebook.number(f"depinning_{name}", f"depinning amplitude, {words}", _renamed(fit.depinning_density, "V"))
        heat = fit.depinning_temperature
        notebook.number(f"depinning_heat_{name}", f"depinning temperature, {words}", heat)
        notebook.number(
            f"depinning_velocity_{name}", f"velocity at depinning, {words}", _renamed(fit.depinning_velocity, unit)
        )
        notebook.check(
            f"the law of creep and depinning describes the velocities, {words}",
            fit.chi_square_p,
            f"chi-square, {len(sweep.setting)} amplitudes",
            "use the velocities amplitude by amplitude and nothing between them",
        )
        _draw_law(notebook, fit, sweep.setting, velocity, unit, words, 0 if name == "push" else 1)


def _fit_law(
    notebook: Notebook, placed: Placed, sweep: _Sweep, velocity: Numbers, error: Numbers, words: str
) -> VelocityFit | None:
    known = np.all(np.isfinite(velocity), axis=0)
    if not known.any():
        notebook.wrong.append(f"{words}: no device has steps at every amplitude")
        return None
    mean = velocity[:, known].mean(axis=1)
    relative = _relative_error(velocity[:, known], error[:, known])
    moving = (mean > 0) & (relative < 0.3) & (relative > 0)
    measured = placed.shots["temperature_k"]
    temperature = float(np.nanmean(measured)) if np.isfinite(measured).any() else _ROOM_K
    if not np.isfinite(measured).any():
        notebook.notes.append(f"nobody measured the temperature: {_ROOM_K:g} K is taken for the depinning temperature")
    try:
        return fit_velocity(
            Velocities(
                density_a_per_m2=sweep.setting[moving],
                velocity_m_per_s=mean[moving],
                temperature_k=np.full(int(moving.sum()), temperature),
                relative_sd=relative[moving],
            )
        )
    except DeviceFault as fault:
        said = (
            str(fault).replace("current density", "amplitude").replace("A/m^2", "V").replace("currents", "amplitudes")
        )
        notebook.notes.append(f"{words}: no law of creep and depinning: {said}")
        return None


def _relative_error(velocity: Numbers, error: Numbers) -> Numbers:
    """Return the relative standard error of each mean velocity that bends the curve, shape (K,).

    The spread between devices scales all velocities alike and bends nothing: each device is measured against its own
    velocities at the other amplitudes. Of few devices the error within each is taken.
    """
    devices = velocity.shape[1]
    if devices >= _FEWEST_FOR_SCATTER and len(velocity) > 1:
        share = velocity / np.maximum(velocity.sum(axis=0) - velocity, 1e-300)
        return share.std(axis=1, ddof=1) / np.sqrt(devices) / np.maximum(share.mean(axis=1), 1e-300)
    return np.sqrt(np.maximum(error.sum(axis=1), 0)) / devices / np.maximum(velocity.mean(axis=1), 1e-300)


def _local_exponent(amplitude: Numbers, velocity: Numbers) -> Estimate | None:
    """Return the slope of ln v in ln V over the three largest amplitudes, over devices."""
    top = velocity[-3:]
    known = np.all(top > 0, axis=0)
    if known.sum() < _FEWEST_DEVICES or len(top) < 2:
        return None
    x = np.log(amplitude[-3:])
    slopes = ((x - x.mean()) @ np.log(top[:, known])) / ((x - x.mean()) ** 2).sum()
    return interval.mean(slopes, "1")


def _renamed(estimate: Estimate, unit: str) -> Estimate:
    return Estimate(value=estimate.value, low=estimate.low, high=estimate.high, unit=unit)


def _draw(notebook: Notebook, placed: Placed, field: str, x_label: str) -> None:
    for quantity in ("mean", "variance"):
        series = []
        for colour, (sign, _, words) in enumerate(WAYS):
            sweep = _sweep(placed, sign, field)
            values = sweep.mean if quantity == "mean" else sweep.variance
            points = [_population(row, error, "1") for row, error in zip(values, sweep.error, strict=True)]
            kept = [(x, one) for x, one in zip(sweep.setting, points, strict=True) if one is not None]
            if kept:
                series.append(
                    Series(
                        label=words,
                        mark=Mark.POINTS,
                        x=np.array([x for x, _ in kept]),
                        y=np.array([one.value for _, one in kept]),
                        low=np.array([one.low for _, one in kept]),
                        high=np.array([one.high for _, one in kept]),
                        colour=colour,
                    )
                )
                if field == "width_s" and quantity == "mean" and len(kept) >= 2:
                    series.append(_line(notebook, sweep.setting, colour))
        unit = placed.unit if quantity == "mean" else f"{placed.unit}^2"
        notebook.figures.append(
            Figure(
                title=f"{quantity.capitalize()} of a step",
                x_label=x_label,
                y_label=f"{quantity} of one pulse / {unit}",
                series=tuple(series),
                caption="Population means with 95 % intervals over devices.",
            )
        )


def _line(notebook: Notebook, widths: Numbers, colour: int) -> Series:
    name = WAYS[colour][1]
    x = np.array([0.0, widths[-1]])
    slope, offset = (notebook.estimates[f"{part}_{name}"].value for part in ("velocity", "offset"))
    return Series(label="", mark=Mark.LINE, x=x, y=offset + slope * x, colour=colour)


def _draw_law(
    notebook: Notebook, fit: VelocityFit, amplitude: Numbers, velocity: Numbers, unit: str, words: str, colour: int
) -> None:
    x = np.linspace(*fit.density_range_a_per_m2, 100)
    temperature: NDArray[np.float64] = np.full(100, fit.reference_k)
    with np.errstate(invalid="ignore"):
        y = np.nanmean(velocity, axis=1)
    shown = y > 0
    notebook.figures.append(
        Figure(
            title=f"Velocity against amplitude, {words}",
            x_label="amplitude / V",
            y_label=f"velocity / {unit}",
            series=(
                Series(label="measured", mark=Mark.POINTS, x=amplitude[shown], y=y[shown], colour=colour),
                Series(
                    label="creep and depinning",
                    mark=Mark.LINE,
                    x=x,
                    y=fit.velocity_m_per_s(x, temperature),
                    colour=2,
                ),
            ),
            y_log=True,
        )
    )
