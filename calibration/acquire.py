"""Carrying out a staircase at one station: end stops, first look, runs, rest. Moves the walls."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from calibration.protocols import DIRECTIONS, FirstLook, Run, StaircaseConfig, plan_staircase
from calibration.stations import Station
from drivers.errors import DeviceFault
from drivers.protocols import Polarity

Progress = Callable[[int, int, str], None]
"""Called with steps done, steps in all, and what is going on."""


class StepCounter(Protocol):
    """Told what is going on, and how many steps were made since it was told last."""

    def __call__(self, text: str, *, steps: int = 0) -> None:
        """Take note."""
        ...


Conductances = NDArray[np.float64]

_BURST = 255
"""Longest pulses fired between two looks on the way to an end stop."""
_BURSTS = 200
"""Bursts after which a wall that still moves will never arrive."""
_QUIET = 6.0
"""Two readings further apart than this many standard deviations mean that the wall moved."""
_LOOK_SPAN = 0.1
"""Fraction of the track that the first look covers, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Readings at both ends of the track."""

    low_s: Conductances
    """Siemens, shape (R, D)."""
    high_s: Conductances
    """Siemens, shape (R, D)."""

    def position(self, conductance_s: Conductances) -> Conductances:
        """Return where the walls are, fraction of the track. A device whose walls never moved gives no number (NaN)."""
        low, high = self.low_s.mean(axis=0), self.high_s.mean(axis=0)
        span = np.where(high > low, high - low, np.nan)
        return (conductance_s - low) / span


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """What one station measured; the fields are those of `StaircaseRecord`."""

    pulses: NDArray[np.int64]
    """Pulses of one step, shape (W, 2, D)."""
    conductance_s: Conductances
    """Readings of the stairs, siemens, shape (W, C, 2, N + 1, D)."""
    ends: Ends
    """Readings at the end stops."""
    rest_s: Conductances
    """Readings without pulses, siemens, shape (Q, D)."""


def run_staircase(
    station: Station, config: StaircaseConfig, generator: np.random.Generator, progress: StepCounter
) -> Readings:
    """Carry out the whole experiment. Moves the walls and leaves them in the middle; outputs are off whatever happens.

    Args:
        station: the devices.
        config: what to measure.
        generator: decides the order of the runs.
        progress: told what is going on, and of each step.

    Raises:
        DeviceFault: the walls do not move, or never arrive at an end stop.
        LimitError: the pulses are too long for a staircase, or beyond the bench's limits.
    """
    with station:
        progress("finding the end stops")
        ends, look = _find_ends(station, config)
        plan = plan_staircase(config, look, generator)
        middle = np.full(len(station.devices), 0.5)
        _bring_to(station, ends, look, middle)
        progress("reading without pulses")
        rest = _read_repeatedly(station, config.rest_reads)
        shape = (len(config.widths_s), config.cycles, len(DIRECTIONS), config.steps + 1, len(station.devices))
        conductance = np.full(shape, np.nan)
        pulses = np.zeros((shape[0], shape[2], shape[4]), np.int64)
        for run in plan.runs:
            _bring_to(station, ends, look, _start(run, look))
            conductance[run.width_index, run.cycle] = _climb(station, run, progress)
            pulses[run.width_index, :] = np.array([[run.push_pulses], [run.pull_pulses]])
        _bring_to(station, ends, look, middle)
    return Readings(pulses=pulses, conductance_s=conductance, ends=ends, rest_s=rest)


def _climb(station: Station, run: Run, progress: StepCounter) -> Conductances:
    readings = np.empty((len(DIRECTIONS), run.steps + 1, len(station.devices)))
    readings[0, 0] = station.read()
    for step in run:
        station.pulse(step.polarity, step.width_s, np.full(len(station.devices), step.pulses, np.int64))
        readings[DIRECTIONS.index(step.polarity), step.index] = station.read()
        progress(f"pulses of {step.width_s * 1e9:g} ns, cycle {run.cycle + 1}", steps=1)
    readings[1, 0] = readings[0, -1]
    return readings


def _start(run: Run, look: FirstLook) -> Conductances:
    """Return where each wall must start for its excursion to be centred."""
    excursion = run.steps * run.push_pulses * look.push_step * run.width_s / look.width_s
    return 0.5 - 0.5 * np.clip(excursion, 0.0, 0.9)


def _find_ends(station: Station, config: StaircaseConfig) -> tuple[Ends, FirstLook]:
    """Drive all walls to both ends, read there, and see on the way back from each how far a pulse goes."""
    width_s = config.widths_s[-1]
    noise_s = float(np.median(_read_repeatedly(station, config.end_reads).std(axis=0, ddof=1)))
    tolerance_s = _QUIET * max(noise_s, station.resolution_s)
    _drive_to_end(station, Polarity.PUSH, width_s, tolerance_s)
    high_s = _read_repeatedly(station, config.end_reads)
    _drive_to_end(station, Polarity.PULL, width_s, tolerance_s)
    ends = Ends(low_s=_read_repeatedly(station, config.end_reads), high_s=high_s)
    if not np.median(ends.high_s.mean(axis=0) - ends.low_s.mean(axis=0)) > 5 * tolerance_s:
        raise DeviceFault(
            f"{_BURST} pulses of {config.amplitude_v:g} V and {width_s:g} s did not move the walls; "
            "raise amplitude_v, lengthen widths_s or check the wiring"
        )
    push_step = _look(station, ends, Polarity.PUSH, width_s)
    _drive_to_end(station, Polarity.PUSH, width_s, tolerance_s)
    return ends, FirstLook(width_s=width_s, push_step=push_step, pull_step=_look(station, ends, Polarity.PULL, width_s))


def _drive_to_end(station: Station, polarity: Polarity, width_s: float, tolerance_s: float) -> None:
    """Pulse until hardly a wall moves any more."""
    burst = np.full(len(station.devices), _BURST, np.int64)
    before = station.read()
    for _ in range(_BURSTS):
        station.pulse(polarity, width_s, burst)
        after = station.read()
        if np.mean(np.abs(after - before) > tolerance_s) <= 0.01:
            return
        before = after
    raise DeviceFault(
        f"the walls still move after {_BURST * _BURSTS} {polarity} pulses of {width_s:g} s; "
        "lengthen widths_s or raise amplitude_v"
    )


def _look(station: Station, ends: Ends, polarity: Polarity, width_s: float) -> Conductances:
    """Return roughly how far one pulse moves each wall away from its end stop, fraction of the track."""
    end = 0.0 if polarity is Polarity.PUSH else 1.0
    fired, moved = 0, np.zeros(len(station.devices))
    while np.nanmedian(moved) < _LOOK_SPAN:
        count = max(1, fired)
        if fired > _BURST * _BURSTS:
            raise DeviceFault(
                f"the walls stick at an end stop: {fired} {polarity} pulses of {width_s:g} s did not free them; "
                "raise amplitude_v"
            )
        station.pulse(polarity, width_s, np.full(len(moved), count, np.int64))
        fired += count
        moved = np.abs(ends.position(station.read()) - end)
    step = moved / fired
    usual = float(np.nanmedian(step))
    # A device far from the rest is not known well enough to plan with; the fit will find it out.
    return np.where(np.isfinite(step) & (step > usual / 4) & (step < usual * 4), step, usual)


def _bring_to(station: Station, ends: Ends, look: FirstLook, target: Conductances) -> None:
    """Move each wall to about `target`, fraction of the track."""
    # A device whose walls do not move may seem to be anywhere, far off the track too.
    distance = np.clip(np.nan_to_num(target - ends.position(station.read())), -1.0, 1.0)
    for polarity, way in ((Polarity.PUSH, distance), (Polarity.PULL, -distance)):
        counts = np.rint(np.maximum(way, 0.0) / look.steps(polarity)).astype(np.int64)
        if counts.any():
            station.pulse(polarity, look.width_s, counts)


def _read_repeatedly(station: Station, times: int) -> Conductances:
    return np.stack([station.read() for _ in range(times)])
