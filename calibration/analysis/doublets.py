"""Alternating doublets: drift per pair, and how much of a push's irregularity the pull after it undoes (rho)."""

import numpy as np
from scipy import stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import Numbers, Placed, place
from calibration.analysis.staircase import WAYS, staircase_figures
from calibration.analysis.steps import flights, moments, report_moments
from calibration.experiment import Experiment
from calibration.fit import interval
from drivers.errors import DeviceFault

_FEWEST_PAIRS = 3


def analyse(experiment: Experiment) -> Findings:
    """Analyse trains of doublets.

    rho is the variance of a pair's net displacement over the sum of the variances of its halves: 1 if steps are
    independent, below 1 if a way back undoes part of the way out.

    Raises:
        DeviceFault: there are no pairs of a push and a pull.
    """
    placed = place(experiment)
    notebook = Notebook(kind=experiment.origin.kind, devices=placed.device)
    trains, devices, dropped = _trains(placed)
    if not trains:
        raise DeviceFault("no train of at least 3 pairs of a push and a pull stayed clear of the end stops")
    notebook.figures += staircase_figures(placed)
    for sign, name, words in WAYS:
        # The other direction lies between two shots of one: they share no reading.
        found = flights(placed, sign, chained=False)
        report_moments(notebook, found, moments(found), name, words)
    pulses = float(np.mean(placed.pulsed().shots["pulses"]))
    pair, halves, drift = (np.zeros(len(placed.device)) for _ in range(3))
    weight = np.zeros(len(placed.device))
    for train, device in zip(trains, devices, strict=True):
        noise = float(placed.noise_variance[device])
        net = train[:, 1] + train[:, 0]
        count = len(net)
        freedom = count - 1
        # Pairs follow one another without a gap: neighbours share a reading, as the steps of a staircase do.
        pair[device] += freedom * (net.var(ddof=1) - 2 * noise * (count + 1) / count)
        halves[device] += freedom * (train.var(axis=0, ddof=1).sum() - 4 * noise)
        drift[device] += freedom * net.mean()
        weight[device] += freedom
    known = weight > 0
    pair, halves, drift = (np.where(known, one, np.nan) / np.where(known, weight, 1) for one in (pair, halves, drift))
    notebook.column("drift per pair", placed.unit, drift)
    with np.errstate(divide="ignore", invalid="ignore"):
        notebook.column("rho", "1", np.where(halves > 0, pair / halves, np.nan))
    if known.sum() >= 3:
        notebook.number("drift_per_pair", "drift per pair", interval.mean(drift[known], placed.unit))
        if halves[known].mean() > 0:
            notebook.number(
                "rho",
                "rho: variance of a pair over that of its halves",
                interval.ratio(pair[known], halves[known], "1"),
            )
        else:
            notebook.wrong.append(
                "rho: the steps vary less than the readings; take more pulses a half, or more readings"
            )
        unit = f"{placed.unit}^2"
        notebook.number("pair_variance", "variance of a pair", interval.mean(pair[known], unit))
    else:
        notebook.wrong.append("fewer than 3 devices: no intervals for drift and rho")
    rho = notebook.estimates.get("rho")
    if rho is not None and rho.low > 1:
        notebook.wrong.append("rho lies above 1: a pull adds to what the push before it did; look for a drift")
    _test(notebook, trains, devices, placed, pair)
    _draw(notebook, trains, placed)
    if dropped:
        notebook.notes.append(f"{dropped} trains came to an end stop and were left out")
    notebook.notes.append(f"pushes and pulls of {pulses:g} pulses each; mean and variance are of one pulse")
    return notebook.closed(placed.words())


def _trains(placed: Placed) -> tuple[list[Numbers], list[int], int]:
    """Return displacements, up positive, of the pairs of each train, shape (pairs, 2), and the device of each train."""
    pulsed = placed.pulsed()
    order = np.lexsort((pulsed.shots["step"], pulsed.shots["cycle"], pulsed.which))
    near = ((pulsed.at_end(pulsed.before) != 0) | (pulsed.at_end(pulsed.after) != 0))[order]
    cycle, which = pulsed.shots["cycle"][order], pulsed.which[order]
    polarity = pulsed.shots["polarity"][order]
    move = (pulsed.after - pulsed.before)[order]
    cuts = np.flatnonzero((np.diff(cycle) != 0) | (np.diff(which) != 0)) + 1
    trains, devices, dropped = [], [], 0
    for part in np.split(np.arange(len(order)), cuts):
        part = part[1:] if len(part) and polarity[part[0]] < 0 else part
        part = part[: len(part) // 2 * 2]
        pairs = part.reshape(-1, 2)
        alternates = len(pairs) and np.all(polarity[pairs] == np.array([1, -1]))
        if len(pairs) < _FEWEST_PAIRS or not alternates:
            continue
        if near[part].any():
            dropped += 1
            continue
        trains.append(move[pairs])
        devices.append(int(which[part[0]]))
    return trains, devices, dropped


def _test(notebook: Notebook, trains: list[Numbers], devices: list[int], placed: Placed, pair: Numbers) -> None:
    """Test whether neighbouring pairs go together, each device by itself, so that errors of its noise count."""
    claim = "pairs do not depend on the pair before"
    product, weight = np.zeros(len(placed.device)), np.zeros(len(placed.device))
    for train, device in zip(trains, devices, strict=True):
        net = train.sum(axis=1)
        count, noise = len(net), float(placed.noise_variance[device])
        rest = net - net.mean()
        # Neighbours share a reading, and the mean that was taken out is their own.
        own = pair[device] / count + 2 * noise / count**2
        product[device] += (rest[1:] * rest[:-1]).sum() + (count - 1) * (noise + own)
        weight[device] += count - 1
    memory = (product[weight > 0] / weight[weight > 0]).astype(np.float64)
    if len(memory) < 5 or not memory.std() > 0:
        notebook.check(claim, None, "fewer than 5 devices")
        return
    notebook.check(
        claim,
        float(np.asarray(stats.ttest_1samp(memory, 0.0))[1]),
        f"covariance of neighbours, t-test of {len(memory)} devices",
        "the memory reaches over more than one pair, or the wall drifts: rho of many pairs is another",
    )


def _draw(notebook: Notebook, trains: list[Numbers], placed: Placed) -> None:
    net = np.concatenate([train.sum(axis=1) for train in trains])
    edges = np.histogram_bin_edges(net, int(np.clip(np.sqrt(len(net)), 8, 40)))
    notebook.figures.append(
        Figure(
            title="Net displacement of a pair",
            x_label=f"displacement / {placed.unit}",
            y_label="pairs",
            series=(
                Series(
                    label="measured", mark=Mark.BARS, x=edges, y=np.histogram(net, edges)[0].astype(float), colour=0
                ),
            ),
            caption="Centred on zero if pushes and pulls are equal.",
        )
    )
    up = np.concatenate([train[:, 0] - train[:, 0].mean() for train in trains])
    down = np.concatenate([train[:, 1] - train[:, 1].mean() for train in trains])
    shown = np.linspace(0, len(up) - 1, min(len(up), 1500)).astype(np.intp)
    notebook.figures.append(
        Figure(
            title="Does a pull undo the push before it?",
            x_label=f"push less its mean / {placed.unit}",
            y_label=f"pull less its mean / {placed.unit}",
            series=(Series(label="", mark=Mark.POINTS, x=up[shown], y=down[shown], colour=0),),
            caption="A cloud that falls to the right: steps undo one another, or the reading between them is noisy.",
        )
    )
