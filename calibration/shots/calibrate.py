"""From shots, imported or our own, to the device parameters that training uses."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.parameters import DeviceParameters
from calibration.shots.columns import Description, Ends, Wanted
from calibration.shots.table import import_table
from drivers.errors import ConfigError, DeviceFault, HilError, LimitError

if TYPE_CHECKING:
    from calibration.fit.single_shots import PositionShots, SingleShotsFit

_FEWEST_DEVICES = 3
_FEWEST_RESTS = 10
_SIGMAS = 6.0
_USUAL_WIDTH_S = 1e-6
_NAMED = 5
"""How many devices a message names."""

Numbers = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Devices:
    """The devices of an experiment; arrays of shape (D,)."""

    names: list[str]
    low_s: Numbers
    high_s: Numbers
    noise_s2: Numbers
    """Variance of one reading, siemens squared."""

    @property
    def span_s(self) -> Numbers:
        return self.high_s - self.low_s

    @property
    def moved(self) -> NDArray[np.bool_]:
        """Return whose readings cover a range as usual, not a fraction of it."""
        return self.span_s > 0.2 * np.median(self.span_s)

    @property
    def noise(self) -> Numbers:
        """Return the variance of one reading, track squared."""
        return self.noise_s2 / np.where(self.moved, self.span_s, np.nan) ** 2


def calibrate_table(path: Path, description: Description) -> DeviceParameters:
    """Fit a laboratory's own table. Moves nothing.

    Args:
        path: the table, CSV or Parquet: one row for each shot.
        description: which column is what, and what no column says.

    Raises:
        ConfigError: the table cannot be read, or something is missing in it or does not fit.
        DeviceFault: devices do not behave as domain-wall devices should.
        LimitError: parameters are wanted at an amplitude or a width that was not measured.
    """
    wanted = description.fit
    experiment = import_table(
        path,
        description.columns,
        style=description.csv,
        bench=wanted.bench,
        measured=wanted.measured,
        route=wanted.route,
        resolution_s=wanted.resolution_s,
    )
    try:
        parameters = fit_shots(experiment, ends=description.ends, wanted=wanted)
    except HilError as error:
        raise type(error)(f"{path}: {error}") from error
    return parameters.model_copy(
        update={"raw_file": path.name, "raw_sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
    )


def fit_shots(experiment: Experiment, *, ends: Ends | None = None, wanted: Wanted | None = None) -> DeviceParameters:
    """Fit the pulses of one amplitude in an experiment, whatever their order, widths and numbers. Moves nothing.

    Args:
        experiment: the shots; those without pulses tell the read noise.
        ends: conductances at the end stops; None takes the lowest and the highest readings of each device.
        wanted: what the parameters are to be about.

    Raises:
        ConfigError: something is missing in the shots.
        DeviceFault: devices do not behave as domain-wall devices should.
        LimitError: parameters are wanted at an amplitude or a width that was not measured.
    """
    from calibration.fit import interval
    from calibration.shots import digest

    wanted = wanted or Wanted()
    shots = experiment.shots[np.argsort(experiment.shots["device"], kind="stable")]
    amplitude_v, fitted = _amplitude(shots, wanted)
    _check_design(shots[fitted], amplitude_v)
    _check_readings(shots[fitted])
    device = np.unique(shots["device"], return_inverse=True)[1].astype(np.intp)
    devices, notes = _devices(experiment, shots, device, ends, wanted)
    positions = _positions(shots, device, devices, fitted, experiment.origin.resolution_s)
    _check_direction(positions)
    fit, reference_width_s = _fit(positions, wanted)
    kept = fit.kept_devices
    low_s, high_s = (
        interval.mean(values[kept], "S", systematic=experiment.origin.resolution_s / 2)
        if ends is None
        else Estimate(value=given, low=given, high=given, unit="S")
        for values, given in ((devices.low_s, ends.low_s if ends else 0), (devices.high_s, ends.high_s if ends else 0))
    )
    return DeviceParameters(
        created=experiment.origin.started,
        bench=experiment.origin.bench,
        library=experiment.origin.library,
        route=experiment.origin.route,
        method="imported",
        amplitude_v=amplitude_v,
        reference_width_s=reference_width_s,
        width_range_s=(float(fit.width_s[0]), float(fit.width_s[-1])),
        mu_push=fit.push.mean,
        mu_pull=fit.pull.mean,
        variance_push=fit.push.variance,
        variance_pull=fit.pull.variance,
        fano_push=fit.push.fano,
        fano_pull=fit.pull.fano,
        dtod_push=fit.push.dtod,
        dtod_pull=fit.pull.dtod,
        read_noise=interval.root_mean_square(devices.noise[kept], "track"),
        conductance_low_s=low_s,
        conductance_high_s=high_s,
        proportionality_p=fit.proportionality_p,
        evenness_p=fit.evenness_p,
        devices=int(kept.sum()),
        dropped_devices=int((~kept).sum()),
        dropped_runs=int(fitted.sum() - fit.kept_shots.sum()),
        cycles=fit.runs,
        pulses=int(positions.pulses[fit.kept_shots].sum()),
        instruments=experiment.origin.instruments,
        raw_file=None,
        raw_sha256=digest.sha256(experiment),
        notes=(*notes, *_left_out(positions, devices, fit)),
    )


def _amplitude(shots: NDArray[np.void], wanted: Wanted) -> tuple[float, NDArray[np.bool_]]:
    """Return the amplitude to fit and which shots have it."""
    pulsed = (shots["polarity"] != 0) & (shots["pulses"] > 0)
    if not pulsed.any():
        raise ConfigError("no row has pulses; check the column that columns.pulses names")
    # Written with few digits or many, an amplitude is one.
    rounded = np.array([float(f"{value:.6g}") for value in np.unique(shots["amplitude_v"][pulsed])])
    amplitudes = np.unique(rounded)
    known = ", ".join(f"{value:g}" for value in amplitudes)
    amplitude_v = wanted.amplitude_v
    if amplitude_v is None:
        if len(amplitudes) > 1:
            raise ConfigError(
                f"pulses of several amplitudes, {known} V, and parameters hold for one; choose it with amplitude_v "
                "under [fit]"
            )
        amplitude_v = float(amplitudes[0])
    fitted = pulsed & np.isclose(shots["amplitude_v"], amplitude_v, rtol=2e-6, atol=0)
    if not fitted.any():
        raise LimitError(f"no pulses of amplitude_v = {amplitude_v:g} V were measured, only of {known} V; choose one")
    return amplitude_v, fitted


def _check_design(fitted: NDArray[np.void], amplitude_v: float) -> None:
    """Refuse shots that cannot tell what is asked, whatever was read."""
    for polarity, word in ((1, "pushes"), (-1, "pulls")):
        if not np.any(fitted["polarity"] == polarity):
            raise ConfigError(
                f"no {word} of {amplitude_v:g} V; add shots in both directions, of one amplitude, or check the sign of "
                "the amplitude or columns.polarity"
            )
    devices = len(np.unique(fitted["device"]))
    if devices < _FEWEST_DEVICES:
        raise ConfigError(f"{devices} devices do not show a spread; add shots of at least {_FEWEST_DEVICES}")
    widths = np.unique(fitted["width_s"])
    if len(widths) < 2:
        raise ConfigError(
            f"all {len(fitted)} shots have one width, {widths[0]:g} s: how a displacement grows with it is not known, "
            "and training chooses widths; add shots of another width, as far apart as it is to choose from"
        )


def _check_readings(fitted: NDArray[np.void]) -> None:
    """Refuse readings before and after that cannot be of one unit."""
    both = fitted[np.isfinite(fitted["before_s"]) & np.isfinite(fitted["after_s"])]
    if len(both) == 0:
        raise ConfigError("no shot was read both before and after; check the cells of columns.before and columns.after")
    ratio = float(np.median(both["after_s"]) / np.median(both["before_s"]))
    if not 0.1 < ratio < 10:
        raise ConfigError(
            f"readings after the pulses are {ratio:.3g} times those before; check the units of columns.before and "
            "columns.after"
        )


def _devices(
    experiment: Experiment, shots: NDArray[np.void], device: NDArray[np.intp], ends: Ends | None, wanted: Wanted
) -> tuple[_Devices, list[str]]:
    """Return ends and noise of each device, and what is to be noted about them."""
    names = experiment.origin.settings.get("device_names") or []
    numbers = np.unique(shots["device"])
    noise_s2, noise_note = _noise(shots, device, wanted, experiment.origin.resolution_s)
    low_s, high_s, ends_note = _ends(shots, device, ends, noise_s2, experiment.origin.resolution_s)
    found = _Devices(
        names=[str(names[number]) if names else str(number) for number in numbers.tolist()],
        low_s=low_s,
        high_s=high_s,
        noise_s2=noise_s2,
    )
    return found, [*noise_note, *ends_note]


def _noise(
    shots: NDArray[np.void], device: NDArray[np.intp], wanted: Wanted, resolution_s: float
) -> tuple[Numbers, list[str]]:
    """Return the variance of one reading of each device, siemens squared."""
    count = int(device[-1]) + 1
    if wanted.read_noise_s is not None:
        return np.full(count, wanted.read_noise_s**2), ["read noise as given, not measured"]
    rest = (shots["pulses"] == 0) & np.isfinite(shots["before_s"]) & np.isfinite(shots["after_s"])
    if rest.sum() < _FEWEST_RESTS:
        raise ConfigError(
            f"the read noise is not known: {int(rest.sum())} rows are readings without pulses; give read_noise_s under "
            f"[fit], or at least {_FEWEST_RESTS} rows of 0 pulses, read twice, before and after"
        )
    square = (shots["after_s"] - shots["before_s"])[rest] ** 2 / 2
    if not square.any() and resolution_s == 0:
        raise ConfigError(
            f"all {int(rest.sum())} readings without pulses repeat exactly; give resolution_s or read_noise_s under "
            "[fit], and check that columns.before and columns.after are two columns"
        )
    # Noise below a code does not show at rest, where readings repeat exactly; readings of a moving wall scatter still.
    if square.mean() <= resolution_s**2 / 12:
        return np.full(count, resolution_s**2 / 12), ["read noise below the resolution: that of rounding is taken"]
    rests = np.bincount(device[rest], minlength=count)
    mean = np.bincount(device[rest], square, count) / np.maximum(rests, 1)
    notes = [f"read noise of {int((rests == 0).sum())} devices from the others"] if (rests == 0).any() else []
    return np.where(rests > 0, mean, square.mean()), notes


def _ends(
    shots: NDArray[np.void], device: NDArray[np.intp], ends: Ends | None, noise_s2: Numbers, resolution_s: float
) -> tuple[Numbers, Numbers, list[str]]:
    """Return the conductances at the end stops of each device, siemens."""
    count = len(noise_s2)
    if ends is not None:
        return np.full(count, ends.low_s), np.full(count, ends.high_s), ["conductances at the end stops as given"]
    again = np.isin(shots["before_s"], shots["after_s"])
    readings = np.concatenate([shots["after_s"], np.where(again, np.nan, shots["before_s"])])
    who = np.concatenate([device, device])
    known = np.isfinite(readings)
    readings, who = readings[known], who[known]
    # Noise makes the outermost reading too far out: all that may be readings of the same place are averaged.
    reach = _SIGMAS * np.sqrt(noise_s2.mean()) + resolution_s
    found, times = [], []
    for extreme, sign in ((np.minimum, 1.0), (np.maximum, -1.0)):
        outermost = np.full(count, sign * np.inf)
        extreme.at(outermost, who, readings)
        near = sign * (readings - outermost[who]) <= reach
        times.append(np.bincount(who[near], minlength=count))
        found.append(np.bincount(who[near], readings[near], count) / np.maximum(times[-1], 1))
    note = "conductances at the end stops from the lowest and highest readings of each device"
    if min(float(np.median(one)) for one in times) < 2:
        note += (
            "; most walls were read there only once: if they did not reach the ends, displacements are too large, "
            "give low_s and high_s under [ends]"
        )
    return found[0], found[1], [note]


def _positions(
    shots: NDArray[np.void],
    device: NDArray[np.intp],
    devices: _Devices,
    fitted: NDArray[np.bool_],
    resolution_s: float,
) -> "PositionShots":
    from calibration.fit.single_shots import PositionShots

    low_s, span_s = devices.low_s[device], np.where(devices.moved, devices.span_s, np.nan)[device]
    before, after = ((shots[name] - low_s) / span_s for name in ("before_s", "after_s"))
    readings = np.concatenate([before, after])
    beyond = np.isfinite(readings) & (np.abs(readings - 0.5) > 0.6)
    if beyond.mean() > 0.01:
        worst = np.concatenate([shots["before_s"], shots["after_s"]])[beyond][0]
        raise ConfigError(
            f"{beyond.mean():.0%} of the readings lie far outside the end stops, {worst:.4g} S for example; check the "
            "units of columns.before and columns.after, and low_s and high_s under [ends]"
        )
    return PositionShots(
        device=device,
        direction=np.where(shots["polarity"] < 0, 1, 0).astype(np.intp),
        pulses=np.where(fitted, shots["pulses"], 0).astype(np.int64),
        width_s=np.where(fitted, shots["width_s"], shots["width_s"][fitted][0]),
        before=before,
        after=after,
        shared=_shared(shots, device, devices, resolution_s),
        noise=devices.noise,
    )


def _shared(
    shots: NDArray[np.void], device: NDArray[np.intp], devices: _Devices, resolution_s: float
) -> NDArray[np.bool_]:
    """Return whose reading before is the reading after of the row above.

    Codes may be equal by chance, too. So all is taken for read twice unless nearly all readings that agree within the
    noise agree exactly.
    """
    distance = np.full(len(shots), np.nan)
    distance[1:] = np.where(device[1:] == device[:-1], shots["before_s"][1:] - shots["after_s"][:-1], np.nan)
    reach = _SIGMAS * np.sqrt(2 * devices.noise_s2.mean()) + resolution_s
    near = int((np.abs(distance) <= reach).sum())
    same = distance == 0
    return same if near and same.sum() > 0.9 * near else np.zeros(len(shots), np.bool_)


def _check_direction(positions: "PositionShots") -> None:
    middle = (positions.pulses > 0) & (np.abs(positions.before - 0.5) < 0.3) & np.isfinite(positions.way)
    ways = [positions.way[middle & (positions.direction == direction)] for direction in (0, 1)]
    if all(len(way) and np.median(way) < 0 for way in ways):
        raise ConfigError(
            'pushes lower the conductance and pulls raise it; set push = "negative" under [columns], or exchange '
            "push and pull of columns.polarity"
        )


def _fit(positions: "PositionShots", wanted: Wanted) -> "tuple[SingleShotsFit, float]":
    """Return the fit and the width it is quoted at."""
    from calibration.fit.single_shots import fit_single_shots

    fitted_s = positions.width_s[positions.pulses > 0]
    usual_s = _USUAL_WIDTH_S if fitted_s.min() <= _USUAL_WIDTH_S <= fitted_s.max() else float(fitted_s.max())
    reference_width_s = wanted.reference_width_s or usual_s
    fit = fit_single_shots(positions, reference_width_s=reference_width_s, margin=wanted.margin)
    shortest, longest = float(fit.width_s[0]), float(fit.width_s[-1])
    if not shortest <= reference_width_s <= longest:
        if wanted.reference_width_s is not None:
            raise LimitError(
                f"reference_width_s = {reference_width_s:g} s lies outside the widths measured, {shortest:g} to "
                f"{longest:g} s; nothing is known there, choose it between them"
            )
        reference_width_s = longest
        fit = fit_single_shots(positions, reference_width_s=reference_width_s, margin=wanted.margin)
    for direction, word in ((fit.push, "pushes"), (fit.pull, "pulls")):
        if not direction.variance.value > 0:
            raise DeviceFault(
                f"displacements by {word} scatter no more than the read noise alone; check read_noise_s under [fit], "
                "or add shots of more pulses"
            )
    return fit, reference_width_s


def _left_out(positions: "PositionShots", devices: _Devices, fit: "SingleShotsFit") -> list[str]:
    """Return why devices were left out, one line each reason."""
    fired = positions.pulses > 0
    reasons: dict[str, list[str]] = {}
    for index in np.flatnonzero(~fit.kept_devices):
        mine = fired & (positions.device == index)
        if not devices.moved[index]:
            reason = "hardly any range of conductance"
        elif not np.any(positions.direction[mine] == 0):
            reason = "no pushes"
        elif not np.any(positions.direction[mine] == 1):
            reason = "no pulls"
        else:
            reason = "too few shots clear of the end stops"
        reasons.setdefault(reason, []).append(devices.names[index])
    notes = [f"left out, {reason}: {_listed(names)}" for reason, names in reasons.items()]
    unused = np.setdiff1d(positions.width_s[fired], fit.width_s)
    if len(unused):
        notes.append(
            "left out, too few shots clear of the end stops in both directions: widths of "
            + _listed(f"{value:g} s" for value in unused)
        )
    return notes


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    return ", ".join(every[:_NAMED]) + (f" and {len(every) - _NAMED} more" if len(every) > _NAMED else "")
