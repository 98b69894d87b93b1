"""Endurance: mean and variance of the step against the pulses that the devices have had."""

import numpy as np

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Numbers, Placed, place
from calibration.analysis.staircase import WAYS
from calibration.analysis.steps import Moments, flights, moments
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import goodness, interval
from drivers.errors import DeviceFault


def analyse(experiment: Experiment) -> Findings:
    """Analyse endurance, each device compared with itself at the first checkpoint.

    Raises:
        DeviceFault: fewer than 2 checkpoints.
    """
    placed = place(experiment)
    pulsed = placed.pulsed()
    cycles = np.unique(pulsed.shots["cycle"])
    if len(cycles) < 2:
        raise DeviceFault("one checkpoint shows no wear; measure at least 2")
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    dose = _dose(placed, cycles)
    means, variances = [], []
    for colour, (sign, name, words) in enumerate(WAYS):
        found = [moments(flights(pulsed.take(pulsed.shots["cycle"] == cycle), sign)) for cycle in cycles]
        _report(notebook, found, dose, name, words)
        unit = placed.unit
        means.append(_series(found, "mean", dose, unit, words, colour))
        variances.append(_series(found, "variance", dose, f"{unit}^2", words, colour))
    for title, series, unit in (
        ("Mean of a step against wear", means, placed.unit),
        ("Variance of a step against wear", variances, f"{placed.unit}^2"),
    ):
        shown = tuple(one for one in series if one is not None)
        if shown:
            notebook.figures.append(
                Figure(
                    title=title,
                    x_label="pulses at a device so far",
                    y_label=f"one pulse / {unit}",
                    series=shown,
                    x_log=bool(dose.min() > 0 and dose.max() > 20 * dose.min()),
                    caption="Population values with 95 % intervals over devices.",
                )
            )
    return notebook.closed(placed.words())


def _dose(placed: Placed, cycles: np.ndarray) -> Numbers:
    """Return the pulses that a device had before the staircase of each checkpoint, mean over devices."""
    shots = placed.shots
    measured = (shots["phase"] == 1) & (shots["pulses"] > 0)
    doses = []
    for cycle in cycles:
        first = shots["step"][measured & (shots["cycle"] == cycle)].min()
        doses.append(float(shots["pulses"][shots["step"] < first].sum()) / len(placed.device))
    return np.array(doses)


def _report(notebook: Notebook, found: list[Moments], dose: Numbers, name: str, words: str) -> None:
    mean = np.array([one.mean for one in found])
    variance = np.array([one.variance for one in found])
    known = np.all(np.isfinite(mean), axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        notebook.column(f"mean step at the end over the first, {words}", "1", mean[-1] / mean[0])
    if known.sum() < 3:
        notebook.wrong.append(f"{words}: fewer than 3 devices have steps at every checkpoint")
        return
    mean, variance = mean[:, known], variance[:, known]
    notebook.number(
        f"mu_{name}_first", f"mean step at the first checkpoint, {words}", interval.mean(mean[0], found[0].unit)
    )
    notebook.number(
        f"mu_{name}_last", f"mean step at the last checkpoint, {words}", interval.mean(mean[-1], found[0].unit)
    )
    if mean[0].mean() > 0:
        change = interval.ratio(mean[-1] - mean[0], mean[0], "1")
        notebook.number(f"mu_{name}_change", f"relative change of the mean step, {words}", change)
    if np.all(np.isfinite(variance)) and variance[0].mean() > 0:
        change = interval.ratio(variance[-1] - variance[0], variance[0], "1")
        notebook.number(f"variance_{name}_change", f"relative change of the variance, {words}", change)
    _per_decade(notebook, mean, dose, name, words)
    from scipy import stats

    p_values = np.array([stats.ttest_rel(later, mean[0]).pvalue for later in mean[1:]])
    corrected = goodness.corrected(p_values[np.isfinite(p_values)])
    notebook.check(
        f"the mean step stays as it was, {words}",
        float(corrected.min()) if len(corrected) else None,
        f"paired t-tests of {len(p_values)} checkpoints, {int(known.sum())} devices, Holm",
        "calibrate again after as many pulses as changed it",
        of_fit=False,
    )


def _per_decade(notebook: Notebook, mean: Numbers, dose: Numbers, name: str, words: str) -> None:
    """Take down the change of the mean step, relative to the first checkpoint, per decade of pulses."""
    later = dose > 0
    if later.sum() < 2 or not mean[0].mean() > 0:
        return
    x = np.log10(dose[later])
    x = x - x.mean()
    if not (x**2).sum() > 0:
        return
    slope = (x @ mean[later]) / (x**2).sum()
    notebook.number(
        f"wear_{name}", f"change of the mean step per decade of pulses, {words}", interval.ratio(slope, mean[0], "1")
    )


def _series(found: list[Moments], field: str, dose: Numbers, unit: str, words: str, colour: int) -> Series | None:
    points: list[tuple[float, Estimate]] = []
    for one, passed in zip(found, dose, strict=True):
        values = getattr(one, field)
        values = values[np.isfinite(values)]
        if len(values) >= 3:
            points.append((float(passed), interval.mean(values, unit)))
    if not points:
        return None
    return Series(
        label=words,
        mark=Mark.POINTS,
        x=np.array([x for x, _ in points]),
        y=np.array([one.value for _, one in points]),
        low=np.array([one.low for _, one in points]),
        high=np.array([one.high for _, one in points]),
        colour=colour,
    )
