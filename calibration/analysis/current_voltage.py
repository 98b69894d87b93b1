"""I-V curves: how the conductance of the junction rises with the voltage that reads it.

A tunnel junction's magnetoresistance falls as TMR_0 / (1 + (V / V_h)^2). A wall at x joins a parallel and an
antiparallel part, whose conductances add, so that

    G(V) = G_inf - D / (1 + (V / W)^2),     G_inf the conductance of the parallel state,  W = V_h sqrt(1 + TMR_0)

whatever x is. With the wall at the low end all is antiparallel, and TMR_0 = D / (G_inf - D); elsewhere that ratio is
the apparent value for this wall, below TMR_0.
"""

import numpy as np
from scipy import optimize, stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import MEASUREMENT, Numbers
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import goodness, interval
from drivers.errors import DeviceFault

_FEWEST_POINTS = 8


def analyse(experiment: Experiment) -> Findings:
    """Analyse I-V sweeps, device by device.

    Raises:
        DeviceFault: no device has readings at 4 voltages.
    """
    shots = experiment.shots
    shots = shots[
        (shots["phase"] == MEASUREMENT) & np.isfinite(shots["after_s"]) & np.isfinite(shots["read_voltage_v"])
    ]
    devices = np.unique(shots["device"])
    notebook = Notebook(kind=experiment.origin.kind, devices=devices)
    rows = np.full((4, len(devices)), np.nan)
    p_even, p_way, p_fit, series = [], [], [], []
    open_ended = 0
    for index, device in enumerate(devices):
        mine = shots[shots["device"] == device]
        voltage, conductance = mine["read_voltage_v"], mine["after_s"]
        if len(np.unique(np.abs(voltage))) < 4 or len(voltage) < _FEWEST_POINTS:
            continue
        fit = _fit(voltage, conductance)
        rows[0, index], rows[1, index] = fit["zero"], fit["bend"]
        if fit["bounded"]:
            rows[2, index], rows[3, index] = fit["tmr"], fit["half_v"]
        else:
            open_ended += 1
        p_fit.append(fit["p"])
        p_even.append(_compare(conductance - fit["curve"](voltage), voltage > 0))
        p_way.append(_compare(conductance - fit["curve"](voltage), mine["cycle"] % 2 == 0))
        if index < 4:
            x = np.linspace(voltage.min(), voltage.max(), 100)
            series.append(
                Series(label=f"device {device}", mark=Mark.POINTS, x=voltage.copy(), y=conductance.copy(), colour=index)
            )
            series.append(Series(label="", mark=Mark.LINE, x=x, y=fit["curve"](x), colour=index))
    if not np.isfinite(rows[0]).any():
        raise DeviceFault("no device has readings at 4 different voltages; sweep more of them")
    names = (
        ("conductance_0", "conductance at 0 V", "S"),
        ("bend", "relative rise of the conductance with the square of the voltage", "1/V^2"),
        ("tmr_0", "apparent TMR at 0 V of the walls as they stand", "1"),
        ("half_v", "voltage of half the TMR", "V"),
    )
    for (name, label, unit), values in zip(names, rows, strict=True):
        notebook.column(label, unit, values)
        notebook.number(name, label, _population(values, unit))
    if open_ended:
        notebook.wrong.append(
            f"{open_ended} of {len(devices)} devices do not show where the rise of the conductance ends: TMR_0 and V_h "
            "cannot be told apart; sweep to larger voltages, if the junction bears them"
        )
    notebook.check(
        "the conductance is even in the voltage",
        _holm(p_even),
        f"t-test of residuals by sign, {len(p_even)} devices, Holm",
        "the junction or the meter has an offset",
    )
    notebook.check(
        "sweeps up and down agree",
        _holm(p_way),
        f"t-test of residuals by direction, {len(p_way)} devices, Holm",
        "the sweep moves the wall, or readings are too fast: sweep to smaller voltages",
    )
    notebook.check(
        "the law of TMR against voltage describes the curves",
        _holm(p_fit),
        f"F-test of repeated readings against the curve, {len(p_fit)} devices, Holm",
        "take the readings themselves, not the law",
    )
    notebook.figures.append(
        Figure(
            title="Conductance against voltage",
            x_label="voltage / V",
            y_label="conductance / S",
            series=tuple(series),
            caption=f"The first {len(series) // 2} devices.",
        )
    )
    current = tuple(
        Series(label=one.label, mark=Mark.POINTS, x=one.x, y=one.x * one.y, colour=one.colour)
        for one in series
        if one.mark is Mark.POINTS
    )
    notebook.figures.append(
        Figure(title="Current against voltage", x_label="voltage / V", y_label="current / A", series=current)
    )
    notebook.notes.append(
        "TMR_0 is that of the device only with the wall at the low end; elsewhere a part of it is parallel already"
    )
    return notebook.closed()


def _fit(voltage: Numbers, conductance: Numbers) -> dict:
    """Fit one device; scaled so that the search sees numbers near 1."""
    scale, top = float(np.abs(conductance).mean()), float(np.abs(voltage).max())
    u, g = (voltage / top) ** 2, conductance / scale

    def curve(at: Numbers, square: Numbers) -> Numbers:
        # Conductance without voltage, rise with its square, and how early the rise levels off.
        return at[0] + at[1] * square / (1 + np.exp(at[2]) * square)

    columns = np.stack([np.ones_like(u), u], axis=1)
    line = np.linalg.lstsq(columns, g)[0]
    found = min(
        (optimize.least_squares(lambda at: curve(at, u) - g, [line[0], line[1], start]) for start in (-3.0, -1.0, 1.0)),
        key=lambda one: one.cost,
    )
    freedom = len(g) - 3
    noise = max(2 * found.cost / freedom, 1e-30)
    covariance = np.linalg.pinv(found.jac.T @ found.jac) * noise
    bend, level = float(found.x[1]), float(np.exp(found.x[2]))
    bounded = bool(bend > 0 and np.sqrt(covariance[2, 2]) < 0.5 and level > 1e-3)
    total = bend / level if bounded else np.nan
    tmr = total / found.x[0]
    wide = top / np.sqrt(level)
    return {
        "zero": float(found.x[0]) * scale,
        "bend": bend / float(found.x[0]) / top**2,
        "tmr": float(tmr),
        "half_v": float(wide / np.sqrt(1 + tmr)) if bounded else np.nan,
        "bounded": bounded,
        "curve": lambda v: scale * curve(found.x, (v / top) ** 2),
        # Over the curve: the noise of a reading grows with what is read.
        "p": _lack_of_fit(voltage, g / curve(found.x, u), np.ones(len(u))),
    }


def _lack_of_fit(voltage: Numbers, conductance: Numbers, fitted: Numbers) -> float | None:
    """Return the p-value of the means of repeated readings lying off the curve further than their scatter allows."""
    points, which, count = np.unique(np.round(voltage, 12), return_inverse=True, return_counts=True)
    mean = np.bincount(which, conductance) / count
    pure = float(((conductance - mean[which]) ** 2).sum())
    pure_freedom, lack_freedom = len(voltage) - len(points), len(points) - 3
    if pure_freedom < 3 or lack_freedom < 1 or pure <= 0:
        return None
    curve = np.bincount(which, fitted) / count
    lack = float((count * (mean - curve) ** 2).sum())
    return float(stats.f.sf((lack / lack_freedom) / (pure / pure_freedom), lack_freedom, pure_freedom))


def _compare(rest: Numbers, side: np.ndarray) -> float | None:
    if side.sum() < 3 or (~side).sum() < 3 or rest.std() <= 0:
        return None
    return float(np.asarray(stats.ttest_ind(rest[side], rest[~side], equal_var=False))[1])


def _holm(values: list[float | None]) -> float | None:
    made = np.array([one for one in values if one is not None and np.isfinite(one)])
    return float(goodness.corrected(made).min()) if len(made) else None


def _population(values: Numbers, unit: str) -> Estimate | None:
    known = values[np.isfinite(values)]
    return interval.mean(known, unit) if len(known) >= 3 else None
