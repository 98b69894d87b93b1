"""Walls that nobody means to move: retention over time, and disturbance by readings, as rates with exact bounds."""

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import MEASUREMENT, REST, Numbers, Placed, place
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import interval
from drivers.errors import DeviceFault

_FALSE = 1e-3
"""Wrong moves expected in a whole experiment: the bound rises with the number of looks."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Look:
    """Means of the readings of one device in one step."""

    device: np.ndarray
    cycle: np.ndarray
    step: np.ndarray
    phase: np.ndarray
    voltage_v: Numbers
    time_s: Numbers
    position: Numbers
    readings: np.ndarray


def analyse_retention(experiment: Experiment) -> Findings:
    """Analyse retention: how often walls leave their place, and how they creep on average.

    Raises:
        DeviceFault: no device was read twice.
    """
    placed = place(experiment)
    looks = _looks(placed, (MEASUREMENT,))
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    stays = _by_stay(looks)
    if not stays:
        raise DeviceFault("no device was read at two times: there is no retention to tell")
    bound = _bound(placed, looks, sum(len(stay) for stay in stays))
    events, watched_s, passed, shift, owner = 0, 0.0, [], [], []
    moved = np.zeros(len(placed.device))
    slopes = np.full((2, len(placed.device)), np.nan)
    for stay in stays:
        device = int(looks.device[stay[0]])
        time = looks.time_s[stay] - looks.time_s[stay[0]]
        away = looks.position[stay] - looks.position[stay[0]]
        gone = np.flatnonzero(np.abs(away) > bound[device] * _root(looks, stay))
        last = int(gone[0]) if len(gone) else len(stay) - 1
        events += len(gone) > 0
        moved[device] += len(gone) > 0
        watched_s += float(time[last])
        passed.append(time[1:])
        shift.append(away[1:])
        owner.append(device)
        if len(stay) >= 3:
            slopes[0, device] = np.polyfit(np.log10(np.maximum(time[1:], 1e-12)), away[1:], 1)[0]
            slopes[1, device] = away[-1]
    _report_rate(notebook, events, watched_s, "rate", "rate at which walls leave their place", "1/s")
    notebook.column("stays that ended", "1", moved)
    notebook.column("shift at the end", placed.unit, slopes[1])
    for name, label, values in (
        ("drift_per_decade", "mean shift per decade of time", slopes[0]),
        ("shift", "mean shift at the last time", slopes[1]),
    ):
        known = values[np.isfinite(values)]
        if len(known) >= 3:
            notebook.number(name, label, interval.mean(known, placed.unit))
    _test_shift(notebook, slopes[1], "walls do not drift on average")
    _draw_retention(notebook, placed, passed, shift, owner)
    notebook.notes.append(
        f"{events} of {len(stays)} stays ended, {watched_s:.3g} s watched in all; rates assume that walls leave at any "
        "time alike"
    )
    return notebook.closed(placed.words())


def analyse_read_disturb(experiment: Experiment) -> Findings:
    """Analyse read disturb: walls that stand elsewhere after a series of readings, per reading, at each voltage.

    Raises:
        DeviceFault: no series has readings before and after it.
    """
    placed = place(experiment)
    looks = _looks(placed, (MEASUREMENT, REST))
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    rows = _series(looks)
    if not rows:
        raise DeviceFault("no series of readings has reference readings before and after it")
    bound = _bound(placed, looks, len(rows))
    device = np.array([row[0] for row in rows])
    voltage = np.array([row[1] for row in rows])
    readings = np.array([row[2] for row in rows])
    shift = np.array([row[3] for row in rows])
    error = np.sqrt([1 / row[4] + 1 / row[5] for row in rows])
    moved = np.abs(shift) > bound[device] * error
    moves = np.zeros(len(placed.device))
    np.add.at(moves, device, moved.astype(np.float64))
    notebook.column("series that moved the wall", "1", moves)
    points = []
    for value in np.unique(np.round(voltage, 9)):
        mine = np.isclose(voltage, value) | (np.isnan(voltage) & np.isnan(value))
        words = "at the usual voltage" if np.isnan(value) else f"at {value:g} V"
        name = "rate" if np.isnan(value) else f"rate_at_{value:g}_V"
        total = float(readings[mine].sum())
        events = int(moved[mine].sum())
        one = _report_rate(notebook, events, total, name, f"moves per reading {words}", "1")
        points.append((float(value), one))
        notebook.notes.append(f"{words}: {events} of {int(mine.sum())} series moved the wall, {total:.6g} readings")
    by_device = np.bincount(device, shift, minlength=len(placed.device))
    count = np.bincount(device, minlength=len(placed.device))
    with np.errstate(invalid="ignore"):
        mean = np.where(count > 0, by_device / count, np.nan)
    if np.isfinite(mean).sum() >= 3:
        notebook.number("shift", "mean shift in a series", interval.mean(mean[np.isfinite(mean)], placed.unit))
    _test_shift(notebook, mean, "readings do not push walls on average")
    shown = [(x, one) for x, one in points if np.isfinite(x)]
    if shown:
        notebook.figures.append(
            Figure(
                title="Moves per reading",
                x_label="read voltage / V",
                y_label="moves per reading",
                series=(
                    Series(
                        label="exact 95 % bounds",
                        mark=Mark.POINTS,
                        x=np.array([x for x, _ in shown]),
                        y=np.array([one.value for _, one in shown]),
                        low=np.array([one.low for _, one in shown]),
                        high=np.array([one.high for _, one in shown]),
                    ),
                ),
                caption="A point at zero with an upper end: no move was seen.",
            )
        )
    edges = np.histogram_bin_edges(shift, int(np.clip(np.sqrt(len(shift)) * 2, 8, 40)))
    notebook.figures.append(
        Figure(
            title="Shift in a series of readings",
            x_label=f"shift / {placed.unit}",
            y_label="series",
            series=(
                Series(label="", mark=Mark.BARS, x=edges, y=np.histogram(shift, edges)[0].astype(float), colour=0),
            ),
        )
    )
    return notebook.closed(placed.words())


def poisson_rate(events: int, exposure: float, unit: str) -> Estimate:
    """Return events over exposure with the exact 95 % interval of a Poisson count; one-sided without events.

    Args:
        events: events counted.
        exposure: time watched, or number of trials.
        unit: unit of the rate.
    """
    if events == 0:
        return Estimate(value=0.0, low=0.0, high=-float(np.log(0.05)) / exposure, unit=unit)
    low = float(stats.chi2.ppf(0.025, 2 * events)) / 2 / exposure
    high = float(stats.chi2.ppf(0.975, 2 * events + 2)) / 2 / exposure
    return Estimate(value=events / exposure, low=low, high=high, unit=unit)


def _report_rate(notebook: Notebook, events: int, exposure: float, name: str, label: str, unit: str) -> Estimate:
    rate = poisson_rate(events, exposure, unit)
    notebook.number(name, label, rate)
    if events == 0:
        notebook.notes.append(
            f"{label}: none seen; below {rate.high:.3g} {'' if unit == '1' else unit} (95 %)".rstrip()
        )
    return rate


def _looks(placed: Placed, phases: tuple[int, ...]) -> _Look:
    shots = placed.shots
    chosen = placed.take(np.isin(shots["phase"], phases) & (shots["polarity"] == 0) & np.isfinite(placed.after))
    shots = chosen.shots
    span = int(shots["step"].max(initial=0)) + 1
    keys, which, count = np.unique(
        chosen.which.astype(np.int64) * span + shots["step"], return_inverse=True, return_counts=True
    )
    first = np.zeros(len(keys), np.intp)
    first[which[::-1]] = np.arange(len(which))[::-1]
    return _Look(
        device=keys // span,
        cycle=shots["cycle"][first],
        step=shots["step"][first],
        phase=shots["phase"][first],
        voltage_v=shots["read_voltage_v"][first].copy(),
        time_s=np.bincount(which, shots["time_s"]) / count if len(count) else np.zeros(0),
        position=np.bincount(which, chosen.after) / count if len(count) else np.zeros(0),
        readings=count,
    )


def _by_stay(looks: _Look) -> list[np.ndarray]:
    """Return the looks of each device in each cycle in the order of time, at least two."""
    order = np.lexsort((looks.step, looks.cycle, looks.device))
    cuts = np.flatnonzero((np.diff(looks.cycle[order]) != 0) | (np.diff(looks.device[order]) != 0)) + 1
    return [part for part in np.split(order, cuts) if len(part) >= 2]


def _series(looks: _Look) -> list[tuple[int, float, int, float, int, int]]:
    """Return device, voltage, readings, shift, and readings before and after, of each series."""
    rows = []
    for stay in _by_stay(looks):
        series = [one for one in stay if looks.phase[one] == MEASUREMENT]
        for middle in series:
            before = [one for one in stay if looks.phase[one] == REST and looks.step[one] < looks.step[middle]]
            after = [one for one in stay if looks.phase[one] == REST and looks.step[one] > looks.step[middle]]
            if before and after:
                a, b = before[-1], after[0]
                shift = float(looks.position[b] - looks.position[a])
                count = int(looks.readings[middle])
                rows.append(
                    (
                        int(looks.device[middle]),
                        float(looks.voltage_v[middle]),
                        count,
                        shift,
                        int(looks.readings[a]),
                        int(looks.readings[b]),
                    )
                )
    return rows


def _bound(placed: Placed, looks: _Look, comparisons: int) -> Numbers:
    """Return how far means must differ to show a move, times the root of the readings in them, shape (D,)."""
    return placed.noise * float(stats.norm.isf(_FALSE / 2 / max(1, comparisons)))


def _root(looks: _Look, stay: np.ndarray) -> Numbers:
    return np.sqrt(1 / looks.readings[stay] + 1 / looks.readings[stay[0]])


def _test_shift(notebook: Notebook, values: Numbers, claim: str) -> None:
    known = values[np.isfinite(values)]
    if len(known) < 3 or not known.std() > 0:
        notebook.check(claim, None, "fewer than 3 devices")
        return
    p_value = float(np.asarray(stats.ttest_1samp(known, 0.0))[1])
    notebook.check(
        claim, p_value, f"t-test, {len(known)} devices", "weights change by themselves: refresh them", of_fit=False
    )


def _draw_retention(
    notebook: Notebook, placed: Placed, passed: list[Numbers], shift: list[Numbers], owner: list[int]
) -> None:
    series = [
        Series(
            label=f"device {placed.device[owner[one]]}",
            mark=Mark.LINE,
            x=passed[one],
            y=shift[one],
            colour=one,
        )
        for one in range(min(6, len(passed)))
    ]
    notebook.figures.append(
        Figure(
            title="Walls left alone",
            x_label="time / s",
            y_label=f"shift since the first reading / {placed.unit}",
            series=tuple(series),
            x_log=True,
            caption=f"The first {len(series)} stays.",
        )
    )
