"""S-curves: barrier and critical amplitude from how often one pulse moves a wall from where it was brought to."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.analysis.findings import LEVEL, Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Placed, place
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import spread
from calibration.fit.barrier import SwitchingCounts
from calibration.fit.switching import Scatter, SwitchingFit, fit_switching, fractions, overdispersion
from drivers.errors import DeviceFault

ATTEMPT_S = 1e-9
"""Attempt time that barriers are quoted at."""

_LEAST_MOVE = 6.0
"""Standard deviations of a difference of two readings that count as a move where the settings do not say."""
_MOST_BY_DEVICE = 200
_REPLICATES = 199  # fewer than 100 could never show a p-value below `LEVEL`


def analyse(experiment: Experiment) -> Findings:
    """Analyse S-curves.

    All devices together first. If they scatter more than independent shots would, each device gets a fit of its own,
    and the estimates are those of the population, its spread beside them.

    Raises:
        DeviceFault: there are no shots, or they do not determine a curve.
    """
    placed = place(experiment)
    pulsed = placed.pulsed()
    if not len(pulsed.shots):
        raise DeviceFault("no shot of the measurement has pulses and two readings: there is no S-curve")
    if np.any(pulsed.shots["pulses"] != 1):
        raise DeviceFault("shots of an S-curve have one pulse each; analyse these as dwell times")
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    moved = has_moved(pulsed, experiment)
    pooled = _counts(pulsed, moved)
    notebook.column("share of shots that moved", "1", _share(pulsed, moved))
    _draw(notebook, pooled, None)
    try:
        fit = fit_switching(pooled, attempt_s=ATTEMPT_S)
    except DeviceFault as fault:
        return notebook.closed([str(fault), *placed.words()])
    _report(notebook, pulsed, moved, pooled, fit, experiment.origin.seed)
    notebook.notes.append(
        f"quoted at an attempt time of {ATTEMPT_S:g} s: only delta + ln(attempt time) and delta / critical amplitude "
        "show, over however many decades of widths"
    )
    return notebook.closed(placed.words())


def has_moved(pulsed: Placed, experiment: Experiment) -> NDArray[np.bool_]:
    """Return which shots moved their wall along their pulses by what the settings call a move, shape (S,)."""
    threshold = float(experiment.origin.settings.get("moved", 0.0)) if pulsed.has_ends else 0.0
    if not threshold > 0:
        threshold = _LEAST_MOVE * np.sqrt(2) * pulsed.pooled_noise
    return (pulsed.after - pulsed.before) * pulsed.direction > threshold


def _counts(pulsed: Placed, moved: NDArray[np.bool_]) -> SwitchingCounts:
    pairs = np.stack([pulsed.shots["amplitude_v"], pulsed.shots["width_s"]], axis=1)
    points, point = np.unique(pairs, axis=0, return_inverse=True)
    return SwitchingCounts(
        current=points[:, 0],
        width_s=points[:, 1],
        shots=np.bincount(point).astype(np.int64),
        switched=np.bincount(point[moved], minlength=len(points)).astype(np.int64),
        unit="V",
    )


def _share(pulsed: Placed, moved: NDArray[np.bool_]) -> NDArray[np.float64]:
    count = np.bincount(pulsed.which, minlength=len(pulsed.device))
    with np.errstate(invalid="ignore"):
        return np.bincount(pulsed.which, moved, minlength=len(pulsed.device)) / count


def _report(
    notebook: Notebook, pulsed: Placed, moved: NDArray[np.bool_], pooled: SwitchingCounts, fit: SwitchingFit, seed: int
) -> None:
    claim = "one curve describes all points of all devices together"
    tested = overdispersion(pooled, fit, seed=seed, replicates=_REPLICATES)
    method = f"deviance {fit.deviance:.3g} of {fit.freedom} degrees of freedom, bootstrap"
    own = _by_device(notebook, pulsed, moved)
    equal = _equal_devices(pulsed, moved, fit)
    if own is not None and equal is not None and equal < LEVEL:
        notebook.notes.append("devices differ: the estimates are population means of fits device by device")
        delta, critical = own
        notebook.number("delta", "barrier over kT, typical device", _exponential(delta.mean, "1"))
        notebook.number("critical_v", "critical amplitude, typical device", _exponential(critical.mean, "V"))
        notebook.number("delta_spread", "device-to-device spread of ln barrier", delta.between)
        notebook.number("critical_spread", "device-to-device spread of ln critical amplitude", critical.between)
        notebook.check(claim, None, "not asked of devices that differ")
        _draw(notebook, pooled, fit)
        return
    remedy = "intervals are widened by the scatter; take the curve for a rough one"
    notebook.check(claim, tested.p_value, method, remedy)
    if tested.p_value < 0.05:
        fit = fit_switching(pooled, attempt_s=ATTEMPT_S, scatter=Scatter.QUASI)
        notebook.notes.append(f"intervals widened for a scatter of {fit.dispersion:.3g} times the binomial one")
    notebook.number("delta", "barrier over kT", fit.delta)
    notebook.number("critical_v", "critical amplitude", fit.critical_current)
    if own is not None:
        notebook.number("delta_spread", "device-to-device spread of ln barrier", own[0].between)
        notebook.number("critical_spread", "device-to-device spread of ln critical amplitude", own[1].between)
    _draw(notebook, pooled, fit)
    ellipse = fit.ellipse()
    notebook.figures.append(
        Figure(
            title="Barrier and critical amplitude together",
            x_label="critical amplitude / V",
            y_label="barrier / kT",
            series=(
                Series(label="95 % region", mark=Mark.LINE, x=ellipse[:, 1], y=ellipse[:, 0], colour=0),
                Series(
                    label="best",
                    mark=Mark.POINTS,
                    x=np.array([fit.critical_current.value]),
                    y=np.array([fit.delta.value]),
                    colour=0,
                ),
            ),
        )
    )


def _equal_devices(pulsed: Placed, moved: NDArray[np.bool_], fit: SwitchingFit) -> float | None:
    """Return the p-value of "all devices have the same curve"; None with one device.

    The score test of a shift of ln hazard of each device, which needs no fit of any of them: the curvature of the
    likelihood of a few shots of one device says too little for a test.
    """
    shots = len(pulsed.shots)
    each = SwitchingCounts(
        current=pulsed.shots["amplitude_v"].copy(),
        width_s=pulsed.shots["width_s"].copy(),
        shots=np.ones(shots, np.int64),
        switched=moved.astype(np.int64),
        unit="V",
    )
    hazard = np.maximum(fit.barrier.hazard(fit.at, each), 1e-12)
    probability = -np.expm1(-hazard)
    devices = len(pulsed.device)
    score = np.bincount(pulsed.which, (moved - probability) * hazard / probability, minlength=devices)
    variance = np.bincount(pulsed.which, (1 - probability) * hazard**2 / probability, minlength=devices)
    told = variance > 0
    if told.sum() < 2:
        return None
    return float(stats.chi2.sf((score[told] ** 2 / variance[told]).sum(), int(told.sum()) - 1))


def _by_device(
    notebook: Notebook, pulsed: Placed, moved: NDArray[np.bool_]
) -> tuple[spread.Spread, spread.Spread] | None:
    """Fit each device by itself; None unless most devices give a fit."""
    devices = np.unique(pulsed.which)
    tried = devices[np.linspace(0, len(devices) - 1, min(len(devices), _MOST_BY_DEVICE)).astype(np.intp)]
    values = np.full((2, len(pulsed.device)), np.nan)
    variances = np.full((2, len(pulsed.device)), np.nan)
    for one in tried:
        mine = pulsed.which == one
        try:
            fit = fit_switching(_counts(pulsed.take(mine), moved[mine]), attempt_s=ATTEMPT_S)
        except DeviceFault:
            continue
        values[:, one], variances[:, one] = fit.at[:2], np.diag(fit.covariance)[:2]
    known = np.all(np.isfinite(values) & (variances > 0), axis=0)
    notebook.column("barrier over kT", "1", np.exp(values[0]))
    notebook.column("critical amplitude", "V", np.exp(values[1]))
    if known.sum() < max(3, 0.8 * len(tried)):
        notebook.notes.append(
            f"{int(known.sum())} of {len(tried)} devices have shots enough for a fit of their own: "
            "their spread is not told from the scatter of shots; take more shots of each"
        )
        return None
    delta, critical = (spread.device_spread(values[row, known], variances[row, known], "1") for row in range(2))
    return delta, critical


def _exponential(estimate: Estimate, unit: str) -> Estimate:
    value, low, high = np.exp([estimate.value, estimate.low, estimate.high]).tolist()
    return Estimate(value=value, low=low, high=high, unit=unit)


def _draw(notebook: Notebook, counts: SwitchingCounts, fit: SwitchingFit | None) -> None:
    """Draw fractions with exact intervals and, with a fit, curves with bands; takes the place of an earlier one."""
    points = fractions(counts)
    series = []
    for colour, width in enumerate(np.unique(counts.width_s)):
        mine = np.flatnonzero(counts.width_s == width)
        series.append(
            Series(
                label=f"{width:.3g} s",
                mark=Mark.POINTS,
                x=counts.current[mine],
                y=np.array([points[one].value for one in mine]),
                low=np.array([points[one].low for one in mine]),
                high=np.array([points[one].high for one in mine]),
                colour=colour,
            )
        )
        if fit is not None:
            series.append(_curve(counts, fit, float(width), colour))
    figure = Figure(
        title="Switching probability of one pulse",
        x_label="amplitude / V",
        y_label="share of shots that moved the wall",
        series=tuple(series),
        caption="Exact 95 % intervals of all devices together; band: 95 % of the fitted curve." if fit else "",
    )
    notebook.figures = [one for one in notebook.figures if one.title != figure.title] + [figure]


def _curve(counts: SwitchingCounts, fit: SwitchingFit, width_s: float, colour: int) -> Series:
    x = np.linspace(counts.current.min(), counts.current.max(), 120)
    ones = np.ones(len(x), np.int64)
    grid = SwitchingCounts(current=x, width_s=np.full(len(x), width_s), shots=ones, switched=ones, unit=counts.unit)
    centre = np.log(fit.barrier.hazard(fit.at, grid))
    gradient = np.empty((2, len(x)))
    for index in range(2):
        step = np.zeros(len(fit.at))
        step[index] = 1e-5
        gradient[index] = (np.log(fit.barrier.hazard(fit.at + step, grid)) - centre) / 1e-5
    half = 1.96 * np.sqrt(np.einsum("ix,ij,jx->x", gradient, fit.covariance[:2, :2], gradient))
    y, low, high = (-np.expm1(-np.exp(np.clip(centre + shift, -600, 6))) for shift in (0.0, -half, half))
    return Series(label="", mark=Mark.LINE, x=x, y=y, low=low, high=high, colour=colour)
