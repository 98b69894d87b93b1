"""Noise of readings: spectra of evenly spaced series, white, 1/f and telegraph parts."""

import numpy as np
from scipy import signal, stats

from calibration.analysis.findings import Figure, Findings, Mark, Notebook, Series
from calibration.analysis.placed import MEASUREMENT, Numbers
from calibration.estimate import Estimate
from calibration.experiment import Experiment
from calibration.fit import goodness, interval
from calibration.fit.noise_spectrum import NoiseSpectrum, fit_noise_spectrum
from drivers.errors import DeviceFault

_MOST_DEVICES = 64
_UNEVEN = 0.2
_REPLICATES = 9999
"""So many that one wrong device among `_MOST_DEVICES` can be told after the correction for their number."""


def analyse(experiment: Experiment) -> Findings:
    """Analyse series of readings, device by device; series of one device are averaged.

    Raises:
        DeviceFault: no device has a series that shows a spectrum.
    """
    shots = experiment.shots
    shots = shots[(shots["phase"] == MEASUREMENT) & (shots["pulses"] == 0) & np.isfinite(shots["after_s"])]
    devices = np.unique(shots["device"])
    notebook = Notebook(kind=experiment.origin.kind, devices=devices)
    chosen = (
        devices[np.linspace(0, len(devices) - 1, min(len(devices), _MOST_DEVICES)).astype(int)] if len(devices) else []
    )
    rows = {name: np.full(len(devices), np.nan) for name in ("sd", "white", "flicker", "gamma", "corner", "plateau")}
    faults, forms, p_values, drawn = [], [], [], []
    chances: dict[int, Numbers] = {}
    single: tuple[NoiseSpectrum, float] | None = None
    uneven = 0.0
    for device in chosen:
        index = int(np.searchsorted(devices, device))
        mine = shots[shots["device"] == device]
        first = mine[mine["cycle"] == mine["cycle"].min()]
        rate, jitter = _rate(first["time_s"])
        uneven = max(uneven, jitter)
        rows["sd"][index] = first["after_s"].std(ddof=1) if len(first) > 1 else np.nan
        try:
            fit = fit_noise_spectrum(first["after_s"].copy(), rate, "S")
        except DeviceFault as fault:
            faults.append(str(fault))
            continue
        forms.append(fit.choice.best)
        single = (fit, rate)
        for name, one in (
            ("white", fit.white),
            ("flicker", fit.flicker),
            ("gamma", fit.gamma),
            ("corner", fit.corner_hz),
            ("plateau", fit.plateau),
        ):
            rows[name][index] = np.nan if one is None else one.value
        if len(first) not in chances:
            chances[len(first)] = _by_chance(len(first), experiment.origin.seed)
        p_values.append(_share_beyond(chances[len(first)], _distance(_ratio(first["after_s"], rate, fit))))
        if len(drawn) < 6:
            drawn += _draw(fit, f"device {device}", len(drawn) // 2)
    if single is None:
        raise DeviceFault(faults[0] if faults else "there are no readings of the measurement: there is no spectrum")
    _numbers(notebook, rows, single, len(forms))
    counts = ", ".join(f"{forms.count(form)} {form}" for form in dict.fromkeys(forms))
    notebook.notes.append(f"forms chosen (BIC), devices: {counts}")
    if faults:
        notebook.wrong.append(f"{len(faults)} devices without a fit; the first: {faults[0]}")
    if uneven > _UNEVEN:
        notebook.wrong.append(
            f"readings are not evenly spaced (spacing varies by {uneven:.0%}): frequencies are rough; use the meter's "
            "own buffer, or a longer interval"
        )
    made = np.array(p_values)
    notebook.check(
        "the spectrum describes the readings",
        float(goodness.corrected(made).min()) if len(made) else None,
        f"periodogram over spectrum, Anderson-Darling, {len(made)} devices, Holm",
        "look for lines of the mains or of a switching supply in the figure",
    )
    notebook.figures.append(
        Figure(
            title="Noise spectra",
            x_label="frequency / Hz",
            y_label="density / S^2/Hz",
            series=tuple(drawn),
            x_log=True,
            y_log=True,
            caption="Averaged spectra of the first devices, and the fits.",
        )
    )
    return notebook.closed()


def _rate(time_s: Numbers) -> tuple[float, float]:
    """Return readings per second and the relative scatter of their spacing."""
    spacing = np.diff(time_s)
    if len(spacing) == 0 or not time_s[-1] > time_s[0]:
        raise DeviceFault("readings carry no time, or all the same: there are no frequencies")
    mean = float((time_s[-1] - time_s[0]) / len(spacing))
    return 1 / mean, float(spacing.std() / mean)


def _numbers(notebook: Notebook, rows: dict[str, Numbers], single: tuple[NoiseSpectrum, float], fitted: int) -> None:
    names = {
        "sd": ("standard deviation of readings", "S"),
        "white": ("white noise", "S^2/Hz"),
        "flicker": ("1/f noise at 1 Hz", "S^2/Hz"),
        "gamma": ("exponent of the 1/f noise", "1"),
        "plateau": ("telegraph noise below its corner", "S^2/Hz"),
        "corner": ("corner of the telegraph noise", "Hz"),
    }
    fit = single[0]
    of_one = {
        "white": fit.white,
        "flicker": fit.flicker,
        "gamma": fit.gamma,
        "plateau": fit.plateau,
        "corner": fit.corner_hz,
    }
    for name, (label, unit) in names.items():
        values = rows[name]
        if np.isfinite(values).any():
            notebook.column(label, unit, values)
        if fitted == 1:
            notebook.number(name, label, of_one.get(name))
        else:
            notebook.number(name, f"{label}, geometric mean", _geometric(values, unit))
    if fitted == 2:
        notebook.notes.append("2 devices: no intervals over devices")


def _geometric(values: Numbers, unit: str) -> Estimate | None:
    known = values[np.isfinite(values) & (values > 0)]
    if len(known) < 3:
        return None
    log = interval.mean(np.log(known), "1")
    value, low, high = np.exp([log.value, log.low, log.high]).tolist()
    return Estimate(value=value, low=low, high=high, unit=unit)


def _ratio(series: Numbers, rate: float, fit: NoiseSpectrum) -> Numbers:
    """Return periodogram over spectrum: exponential with mean 1 if the spectrum is right."""
    frequency, power = signal.periodogram(series, rate, detrend="constant")
    inside = _inside(len(series))
    return power[inside] / fit.model(frequency[inside])


def _inside(readings: int) -> slice:
    """Return the frequencies whose power is exponential: not the mean, nor the last one of an even number."""
    return slice(1, -1 if readings % 2 == 0 else None)


def _distance(ratio: Numbers) -> float:
    """Return the Anderson-Darling distance from an exponential law, levelled as the fit levels it."""
    return goodness.anderson_darling(stats.expon.cdf(ratio / ratio.mean()))


def _by_chance(readings: int, seed: int) -> Numbers:
    """Return distances as a right spectrum gives them: the same law for every device with so many readings."""
    generator = np.random.default_rng(seed)
    count = len(np.arange(readings // 2 + 1)[_inside(readings)])
    return np.array([_distance(generator.exponential(size=count)) for _ in range(_REPLICATES)])


def _share_beyond(chance: Numbers, distance: float) -> float:
    return float(1 + np.sum(chance >= distance)) / (1 + len(chance))


def _draw(fit: NoiseSpectrum, label: str, colour: int) -> list[Series]:
    frequency = fit.frequency_hz
    shown = np.unique(np.geomspace(1, len(frequency), min(len(frequency), 200)).astype(int)) - 1
    return [
        Series(label=label, mark=Mark.POINTS, x=frequency[shown], y=fit.density[shown], colour=colour),
        Series(label="", mark=Mark.LINE, x=frequency[shown], y=fit.model(frequency[shown]), colour=colour),
    ]
