"""Staircases: mean and variance of the step either way, their law, evenness along the track, asymmetry, spread."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Numbers, Placed, place
from calibration.analysis.steps import Flights, flights, moments, ratio_of_sums, report_moments, shots_of
from calibration.experiment import Experiment
from calibration.fit import goodness, interval, law
from calibration.fit.pulse_sum import HOP_LAWS, Step
from calibration.fit.step_law import Shots, StepLaw, StepLawChoice, choose_step_law, uniforms
from drivers.errors import DeviceFault

WAYS = ((1, "push", "pushes"), (-1, "pull", "pulls"))
"""Sign, name and words of both directions."""

_MOST_FOR_CHOICE, _LEAST_FOR_TEST = 2000, 200
_CLASSES = 20
_FEWEST_FOR_MEMORY = 5
_BINS = 8
_FEWEST_IN_BIN = 20


def analyse(experiment: Experiment) -> Findings:
    """Analyse a staircase.

    Raises:
        DeviceFault: nothing can be placed, or no shot has pulses.
    """
    placed = place(experiment)
    if not len(placed.pulsed().shots):
        raise DeviceFault("no shot of the measurement has pulses and two readings: there are no steps to analyse")
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    notebook.figures += staircase_figures(placed)
    found = {name: flights(placed, sign) for sign, name, _ in WAYS}
    own = {name: moments(one) for name, one in found.items()}
    for sign, name, words in WAYS:
        if len(found[name].advance):
            report_moments(notebook, found[name], own[name], name, words)
            describe(notebook, found[name], sign, words)
    notebook.number(
        "asymmetry",
        "asymmetry: (push - pull) / (push + pull)",
        ratio_of_sums(own["push"].mean, own["pull"].mean),
    )
    _linearity(notebook, placed)
    _along_the_track(notebook, found)
    dropped = sum(one.dropped for one in own.values())
    undisturbed = sum(int(one.usable.sum()) for one in found.values())
    if dropped:
        notebook.notes.append(
            f"{dropped} of {dropped + undisturbed} flights came to an end stop: they count up to there, and in the law "
            "of the step as censored"
        )
    if dropped > undisturbed:
        notebook.wrong.append("most flights came to an end stop; take fewer steps or fewer pulses a step")
    return notebook.closed(placed.words())


def describe(notebook: Notebook, found: Flights, sign: int, words: str) -> None:
    """Choose the law of the step, test it and what it rests on, and draw the histogram and the quantiles."""
    shots, _ = shots_of(found, most=_MOST_FOR_CHOICE)
    if not shots.noise_sd > 0:
        laws: tuple[StepLaw, ...] = tuple(one for one in StepLaw if one not in HOP_LAWS)
    else:
        laws = tuple(StepLaw)
    try:
        chosen = choose_step_law(shots, laws)
    except (DeviceFault, ValueError) as fault:
        notebook.wrong.append(f"{words}: the law of the step was not fitted: {fault}")
        return
    rivals = ", ".join(chosen.choice.rivals)
    notebook.notes.append(
        f"{words}: law of the step {chosen.choice.best} (BIC)"
        + (f"; {rivals} describe the data as well: smaller noise or more shots would tell" if rivals else "")
    )
    independent, which = shots_of(found, alternate=True, most=_most_for_test(found))
    _test_law(notebook, independent, which, chosen, words)
    _test_memory(notebook, found, words)
    _test_evenness(notebook, found, words)
    notebook.figures.append(_histogram(independent, chosen.best.step, words, 0 if sign > 0 else 1))
    notebook.figures.append(_quantiles(independent, chosen.best.step, words, 0 if sign > 0 else 1))


def _most_for_test(found: Flights) -> int:
    """Return how many shots a test may see.

    That each device's own mean was taken out makes the scatter too small by a share of one over its shots, n. Among
    more shots than about n^2 / 6 that would show, and pass for a wrong law.
    """
    own = len(found.advance) / max(1, len(np.unique(found.device)))
    return int(max(_LEAST_FOR_TEST, own**2 / 6))


def _test_law(notebook: Notebook, shots: Shots, which: NDArray[np.intp], chosen: StepLawChoice, words: str) -> None:
    step, claim = chosen.best.step, f"the {chosen.choice.best} law describes the steps, {words}"
    uniform = uniforms(shots, step)
    counts = np.histogram(uniform, _CLASSES, (0.0, 1.0))[0]
    try:
        p_value = goodness.chi_square(
            counts, np.full(_CLASSES, len(uniform) / _CLASSES), fitted=3 if step.law is StepLaw.COMPOUND_POISSON else 2
        ).p_value
    except ValueError:
        p_value = None
    notebook.check(
        claim,
        p_value,
        f"chi-square, {len(uniform)} independent shots",
        "mean and variance hold all the same, numbers that need the whole law do not",
    )
    _test_devices(notebook, shots, which, step, words)


def _test_devices(notebook: Notebook, shots: Shots, which: NDArray[np.intp], step: Step, words: str) -> None:
    """Test each device against the law of all, corrected for their number (Holm)."""
    if shots.stop.size:
        free = np.flatnonzero(shots.stop == 0)
        which = which[free]
    uniform = uniforms(shots, step)
    names = np.unique(which)
    counts = np.bincount(which)
    names = names[counts[names] >= 8]
    if len(names) < 2:
        return
    p_values = np.array([stats.kstest(uniform[which == one], "uniform").pvalue for one in names])
    corrected = goodness.corrected(p_values)
    apart = notebook.devices[names[corrected < 0.01]]
    shown = f" (not devices {', '.join(map(str, apart[:8]))})" if len(apart) else ""
    notebook.check(
        f"one law, scaled by each device's mean, describes every device, {words}{shown}",
        float(corrected.min()),
        f"Kolmogorov-Smirnov of {len(names)} devices, Holm",
        "look at these devices by themselves",
    )


def _test_memory(notebook: Notebook, found: Flights, words: str) -> None:
    """Test whether neighbouring steps go together, each device by itself, so that errors of its noise count."""
    claim = f"steps do not depend on the step before, {words}"
    memory = moments(found).memory
    known = memory[np.isfinite(memory)]
    if len(known) < _FEWEST_FOR_MEMORY or not known.std() > 0:
        notebook.check(claim, None, f"fewer than {_FEWEST_FOR_MEMORY} devices")
        return
    notebook.check(
        claim,
        float(np.asarray(stats.ttest_1samp(known, 0.0))[1]),
        f"covariance of neighbours, t-test of {len(known)} devices",
        "the wall has a memory or drifts: the variance of many pulses is not the sum of theirs",
    )


def _test_evenness(notebook: Notebook, found: Flights, words: str) -> None:
    """Compare the way in the first half of flights with that in the second, device by device."""
    length = found.usual_size
    claim = f"steps are as long early in a flight as late, {words}"
    chosen = np.flatnonzero(found.usable & (found.size == length))
    if length < 2:
        notebook.check(claim, None, "flights are too short")
        return
    series, half = found.series(length), length // 2
    devices = len(found.noise_variance)
    flown = np.bincount(found.device[chosen], minlength=devices)
    ways = np.stack(
        [
            np.bincount(found.device[chosen], series[:, part].sum(axis=1), minlength=devices)[flown > 0]
            / flown[flown > 0]
            for part in (slice(0, half), slice(length - half, length))
        ]
    )
    notebook.check(
        claim,
        law.equal_means(ways),
        f"halves of flights of {int((flown > 0).sum())} devices, Hotelling",
        "the step depends on the position: use the figure of steps along the track",
    )


def _linearity(notebook: Notebook, placed: Placed) -> None:
    """Take down R^2 of the position against the number of pulses, the mean over flights (as in NeuroSim)."""
    for sign, name, words in WAYS:
        found = flights(placed, sign)
        values, devices = [], []
        for start, size, usable, device in zip(found.start, found.size, found.usable, found.device, strict=True):
            if usable and size >= 3:
                way = np.append(0.0, np.cumsum(found.advance[start : start + size]))
                count = np.append(0, np.cumsum(found.pulses[start : start + size]))
                if np.ptp(way) > 0:
                    values.append(float(np.corrcoef(count, way)[0, 1] ** 2))
                    devices.append(device)
        if values:
            flown = np.bincount(devices)
            own = (np.bincount(devices, values) / np.maximum(flown, 1))[flown > 0]
            if len(own) >= 3:
                notebook.number(f"linearity_{name}", f"linearity R^2, {words}", interval.mean(own, "1"))


def _along_the_track(notebook: Notebook, found: dict[str, Flights]) -> None:
    """Draw mean and variance of a step against position."""
    for quantity in ("mean", "variance"):
        series = []
        for colour, (_, name, words) in enumerate(WAYS):
            points = _local(found[name], variance=quantity == "variance")
            if len(points[0]) >= 2:
                x, y, low, high = points
                series.append(Series(label=words, mark=Mark.POINTS, x=x, y=y, low=low, high=high, colour=colour))
        if series:
            unit = found["push"].unit if quantity == "mean" else f"{found['push'].unit}^2"
            notebook.figures.append(
                Figure(
                    title=f"{quantity.capitalize()} of a step along the track",
                    x_label=f"position / {found['push'].unit}",
                    y_label=f"{quantity} of one pulse / {unit}",
                    series=tuple(series),
                    caption="Of all devices together; level if the step does not depend on where the wall is.",
                )
            )


def _local(found: Flights, *, variance: bool) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Return places and the mean or variance of one pulse there with 95 % intervals over shots."""
    usable = found.usable[found.flight] if len(found.start) else np.zeros(0, np.bool_)
    place_of, advance, pulses = found.place[usable], found.advance[usable], found.pulses[usable]
    if len(advance) < 2 * _FEWEST_IN_BIN:
        return np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0)
    own = moments(found).mean
    # Fast devices come further: each is brought to the common mean, or the far end would seem to be fast.
    typical = float(np.nanmean(own))
    own = own[found.device[found.flight][usable]]
    known = own > 0
    place_of, pulses, own = place_of[known], pulses[known], own[known]
    advance = advance[known] * typical / own
    noise = 2 * found.noise_variance[found.device[found.flight][usable][known]]
    edges = np.linspace(place_of.min(), np.nextafter(place_of.max(), np.inf), _BINS + 1)
    rows = []
    for low, high in pairwise(edges.tolist()):
        inside = (place_of >= low) & (place_of < high)
        count = int(inside.sum())
        if count < _FEWEST_IN_BIN:
            continue
        if variance:
            rest = advance[inside] - typical * pulses[inside]
            values = ((rest - rest.mean()) ** 2 * count / (count - 1) - noise[inside]) / pulses[inside].mean()
        else:
            values = advance[inside] / pulses[inside]
        half = 1.96 * values.std(ddof=1) / np.sqrt(count)
        rows.append(((low + high) / 2, values.mean(), values.mean() - half, values.mean() + half))
    x, y, below, above = np.array(rows).reshape(-1, 4).T
    return x, y, below, above


def staircase_figures(placed: Placed, *, most: int = 6) -> list[Figure]:
    """Draw the positions of a few devices after each shot of the measurement."""
    pulsed = placed.pulsed()
    series = []
    for colour, device in enumerate(np.unique(pulsed.which)[:most]):
        mine = np.flatnonzero(pulsed.which == device)[:400]
        label = f"device {placed.device[device]}"
        count, position = np.cumsum(pulsed.shots["pulses"][mine]).astype(np.float64), pulsed.after[mine]
        # Between cycles the wall was brought elsewhere: no line leads there.
        gaps = np.flatnonzero(np.diff(pulsed.shots["cycle"][mine])) + 1
        count, position = np.insert(count, gaps, np.nan), np.insert(position, gaps, np.nan)
        series.append(Series(label=label, mark=Mark.LINE, x=count, y=position, colour=colour))
    if not series:
        return []
    return [
        Figure(
            title="Walls, pulse by pulse",
            x_label="pulses of the measurement so far",
            y_label="position / track" if placed.has_ends else "conductance / S",
            series=tuple(series),
            caption=f"The first {len(series)} devices, at most 400 shots of each.",
        )
    ]


def _histogram(shots: Shots, step: Step, words: str, colour: int) -> Figure:
    """Draw displacements of the commonest number of pulses with what the law expects in each class."""
    pulses = int(np.bincount(shots.pulses).argmax())
    free = shots.stop == 0 if shots.stop.size else np.ones(len(shots.pulses), np.bool_)
    value = shots.displacement[(shots.pulses == pulses) & free]
    edges = np.histogram_bin_edges(value, np.clip(int(np.sqrt(len(value))), 8, 40))
    middle = (edges[:-1] + edges[1:]) / 2
    at_edges = Shots(displacement=edges, pulses=np.full(len(edges), pulses), noise_sd=shots.noise_sd, unit=shots.unit)
    expected = len(value) * np.diff(uniforms(at_edges, step))
    return Figure(
        title=f"Displacements, {words}",
        x_label=f"displacement by {pulses} pulses / {shots.unit}",
        y_label="shots",
        series=(
            Series(
                label="measured",
                mark=Mark.BARS,
                x=edges,
                y=np.histogram(value, edges)[0].astype(float),
                colour=colour,
            ),
            Series(label=f"{step.law} law with read noise", mark=Mark.LINE, x=middle, y=expected, colour=2),
        ),
        caption="Each device brought to the common mean; every second shot, which share no reading.",
    )


def _quantiles(shots: Shots, step: Step, words: str, colour: int) -> Figure:
    """Draw normal scores of the probabilities by the law against those of as many normal values."""
    uniform = np.sort(np.clip(uniforms(shots, step), 1e-9, 1 - 1e-9))
    count = len(uniform)
    shown = np.unique(np.linspace(0, count - 1, min(count, 300)).astype(np.intp))
    rank = np.arange(1, count + 1)
    low, high = stats.beta.ppf([[0.025], [0.975]], rank, count + 1 - rank)
    x = stats.norm.ppf((rank - 0.5) / count)
    return Figure(
        title=f"Residuals, {words}",
        x_label="normal quantile",
        y_label="score by the law",
        series=(
            Series(
                label="if the law is right (95 %)",
                mark=Mark.LINE,
                x=x[shown],
                y=x[shown],
                low=stats.norm.ppf(low)[shown],
                high=stats.norm.ppf(high)[shown],
                colour=-1,
            ),
            Series(label="measured", mark=Mark.POINTS, x=x[shown], y=stats.norm.ppf(uniform)[shown], colour=colour),
        ),
        caption="Points outside the band: the law does not describe these displacements.",
    )
