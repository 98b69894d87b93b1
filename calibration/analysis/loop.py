"""R-J loops: amplitudes at which walls begin to move as they rise, and stop as they fall, either way."""

import numpy as np

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Numbers, Placed, place
from calibration.analysis.staircase import WAYS
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import interval
from drivers.errors import DeviceFault

_MOVE = 5.0
"""Standard deviations of a difference of two readings that count as a move."""


def analyse(experiment: Experiment) -> Findings:
    """Analyse loops. A threshold lies between two amplitudes; half their distance is added to its interval.

    Raises:
        DeviceFault: there are no pulses of at least 3 amplitudes.
    """
    placed = place(experiment)
    pulsed = placed.pulsed()
    amplitudes = np.unique(pulsed.shots["amplitude_v"])
    if len(amplitudes) < 3:
        raise DeviceFault("fewer than 3 amplitudes: there is no loop to see a threshold in")
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    half_step = float(np.diff(amplitudes).max()) / 2
    found: dict[str, Numbers] = {}
    stopped = 0
    for sign, name, words in WAYS:
        rising, falling, at_end = _thresholds(pulsed, sign, amplitudes)
        stopped += at_end
        for branch, values in (("rising", rising), ("falling", falling)):
            label = f"threshold of {words}, amplitude {branch}"
            notebook.column(label, "V", values)
            notebook.number(f"threshold_{name}_{branch}", label, _population(values, half_step))
            found[f"{name}_{branch}"] = values
            none = int(np.count_nonzero(~np.isfinite(values)))
            if none > len(values) / 2:
                notebook.wrong.append(
                    f"{label}: {none} of {len(values)} devices show none; raise the largest amplitude"
                )
        gap = rising - falling
        notebook.number(f"hysteresis_{name}", f"threshold rising less falling, {words}", _population(gap, half_step))
    both = found["push_rising"] - found["pull_rising"]
    notebook.number("threshold_asymmetry", "threshold of pushes less that of pulls", _population(both, half_step))
    if stopped:
        notebook.notes.append(
            f"{stopped} branches came to an end stop: their thresholds are counted up to there and not beyond"
        )
    if np.isfinite(both).sum() >= 3 and np.nanstd(both) > 0:
        from scipy import stats

        paired = both[np.isfinite(both)]
        notebook.check(
            "pushes and pulls have the same threshold",
            float(np.asarray(stats.ttest_1samp(paired, 0.0))[1]),
            f"paired t-test, {len(paired)} devices",
            "choose an amplitude by the larger threshold, and calibrate both directions",
            of_fit=False,
        )
    notebook.notes.append(
        f"a wall moves when two readings differ by more than {_MOVE:g} standard deviations, which depends on the noise "
        "and on the pulses at each amplitude"
    )
    _draw(notebook, placed, amplitudes)
    return notebook.closed(placed.words())


def _population(values: Numbers, half_step: float) -> Estimate | None:
    known = values[np.isfinite(values)]
    if len(known) < 3:
        return None
    return interval.mean(known, "V", systematic=half_step)


def _thresholds(pulsed: Placed, sign: int, amplitudes: Numbers) -> tuple[Numbers, Numbers, int]:
    """Return the threshold of each device on the way up and down, mean over cycles, and branches cut by an end stop."""
    chosen = pulsed.take(pulsed.shots["polarity"] == sign)
    order = np.lexsort((chosen.shots["step"], chosen.shots["cycle"], chosen.which))
    cycle, which = chosen.shots["cycle"][order], chosen.which[order]
    amplitude = chosen.shots["amplitude_v"][order]
    bound = _MOVE * np.sqrt(2) * pulsed.noise[which]
    moves = ((chosen.after - chosen.before)[order] * sign) > bound
    ended = chosen.at_end(chosen.before)[order] == sign
    devices = len(pulsed.device)
    total, count = np.zeros((2, devices)), np.zeros((2, devices))
    cut = 0
    for part in np.split(np.arange(len(order)), np.flatnonzero((np.diff(cycle) != 0) | (np.diff(which) != 0)) + 1):
        if not len(part):
            continue
        top = part[int(np.argmax(amplitude[part]))]
        for branch, way in enumerate((part[part <= top], part[part > top][::-1])):
            if ended[way].any():
                cut += 1
                if branch == 1:
                    continue
                way = way[~ended[way]]
            moving = np.flatnonzero(moves[way])
            if len(moving):
                # Both branches in rising order: the first of two moves in a row, or the last amplitude's.
                first = int(moving[0])
                below = amplitude[way[first - 1]] if first else amplitudes[0]
                total[branch, which[way[0]]] += (amplitude[way[first]] + below) / 2
                count[branch, which[way[0]]] += 1
    with np.errstate(invalid="ignore", divide="ignore"):
        rising, falling = np.where(count > 0, total / count, np.nan)
    return rising, falling, cut


def _draw(notebook: Notebook, placed: Placed, amplitudes: Numbers) -> None:
    pulsed = placed.pulsed()
    order = np.lexsort((pulsed.shots["step"], pulsed.which))
    series = []
    for colour, device in enumerate(np.unique(pulsed.which)[:4]):
        mine = order[pulsed.which[order] == device]
        first = mine[pulsed.shots["cycle"][mine] == pulsed.shots["cycle"][mine].min()]
        signed = pulsed.shots["amplitude_v"][first] * pulsed.direction[first]
        series.append(
            Series(
                label=f"device {placed.device[device]}", mark=Mark.LINE, x=signed, y=pulsed.after[first], colour=colour
            )
        )
    notebook.figures.append(
        Figure(
            title="R-J loop, first round",
            x_label="signed amplitude / V",
            y_label="position / track" if placed.has_ends else "conductance / S",
            series=tuple(series),
        )
    )
    series = []
    for colour, (sign, _, words) in enumerate(WAYS):
        mine = pulsed.shots["polarity"] == sign
        index = np.searchsorted(amplitudes, pulsed.shots["amplitude_v"][mine])
        move = (pulsed.after - pulsed.before)[mine] * sign
        count = np.bincount(index, minlength=len(amplitudes))
        good = count > 0
        mean = np.bincount(index, move, minlength=len(amplitudes))[good] / count[good]
        series.append(Series(label=words, mark=Mark.POINTS, x=amplitudes[good], y=mean, colour=colour))
    bound = _MOVE * np.sqrt(2) * placed.pooled_noise
    guide = np.array([amplitudes[0], amplitudes[-1]])
    series.append(Series(label="what counts as a move", mark=Mark.LINE, x=guide, y=np.full(2, bound), colour=-1))
    notebook.figures.append(
        Figure(
            title="Mean move at each amplitude",
            x_label="amplitude / V",
            y_label=f"displacement / {placed.unit}",
            series=tuple(series),
        )
    )
