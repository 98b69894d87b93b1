"""What is known of devices while an experiment goes on: readings, end stops, how far a pulse goes, who is out."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

QUIET: Final = 6.0
"""Two readings further apart than this many standard deviations mean that the wall moved."""
LOW_SHARE: Final = 0.5
"""A device that reads less than this part of its lower end stop is given up."""
HIGH_SHARE: Final = 1.5
"""A device that reads more than this multiple of its upper end stop is given up."""
_SPREAD: Final = 4.0
"""A wall whose steps differ from the usual by more than this factor is taken not to be known well enough."""

Siemens = NDArray[np.float64]


@dataclass(slots=True, kw_only=True, eq=False)
class Walls:
    """The devices of one group. All arrays have one element a device."""

    devices: NDArray[np.uint32]
    """Device numbers."""
    resolution_s: float
    """Smallest difference of two readings, siemens."""
    report: Callable[[int, str], None]
    """Told of each device that is given up, and why."""
    alive: NDArray[np.bool_] = field(init=False)
    """Which devices still take part."""
    last_s: Siemens = field(init=False)
    """Last reading since the last pulses, siemens; nan if there is none."""
    low_s: Siemens = field(init=False)
    """Reading at the low end stop, siemens; nan while it is not known."""
    high_s: Siemens = field(init=False)
    """Reading at the high end stop, siemens; nan while it is not known."""
    noise_s: Siemens = field(init=False)
    """Standard deviation of one reading, siemens; nan while it is not known."""
    stride: dict[int, Siemens] = field(init=False)
    """How far one pulse of bringing takes the wall, fraction of the track, by its sign; nan while it is not known."""

    def __post_init__(self) -> None:
        count = len(self.devices)
        self.alive = np.ones(count, np.bool_)
        self.last_s, self.low_s, self.high_s, self.noise_s = (np.full(count, np.nan) for _ in range(4))
        self.stride = {sign: np.full(count, np.nan) for sign in (1, -1)}

    @property
    def where(self) -> NDArray[np.intp]:
        """Return the places of the devices that take part."""
        return np.flatnonzero(self.alive)

    @property
    def tolerance_s(self) -> Siemens:
        """Return the difference of two readings that noise does not make, siemens."""
        noise_s = np.where(np.isfinite(self.noise_s), self.noise_s, 0.0)
        usual_s = float(np.median(noise_s[self.alive])) if self.alive.any() else 0.0
        return QUIET * np.maximum(np.maximum(noise_s, usual_s), self.resolution_s)

    @property
    def span_s(self) -> Siemens:
        """Return the distance of the end stops, siemens; nan if there is none to speak of."""
        span = self.high_s - self.low_s
        return np.where(span > self.tolerance_s, span, np.nan)

    def position(self) -> NDArray[np.float64]:
        """Return where walls were read last, fraction of the track."""
        return (self.last_s - self.low_s) / self.span_s

    def take(self, reading_s: Siemens) -> None:
        """Take note of a reading and give up the devices whose reading cannot be that of a wall in its track."""
        self.last_s = reading_s.copy()
        is_off = np.isnan(reading_s) | (reading_s < QUIET * self.noise_s)
        is_off |= (reading_s < LOW_SHARE * self.low_s) | (reading_s > HIGH_SHARE * self.high_s)
        for place in np.flatnonzero(is_off & self.alive).tolist():
            self.give_up(place, self._objection(place))

    def give_up(self, place: int, reason: str) -> None:
        """Leave a device out from now on."""
        self.alive[place] = False
        self.report(int(self.devices[place]), reason)

    def note_rest(self, readings_s: Siemens) -> None:
        """Take the noise from readings without pulses, shape (times, devices)."""
        if len(readings_s) >= 4:
            self.noise_s = readings_s.std(axis=0, ddof=1)

    def note_end(self, *, high: bool, readings_s: Siemens) -> None:
        """Take an end stop from readings there, shape (times, devices); give up devices whose ends are the same."""
        mean_s = readings_s.mean(axis=0)
        if high:
            self.high_s = mean_s
        else:
            self.low_s = mean_s
        if np.isfinite(self.low_s[self.alive]).all() and np.isfinite(self.high_s[self.alive]).all():
            for place in self.where[np.isnan(self.span_s[self.where])]:
                low_s, high_s = self.low_s[place], self.high_s[place]
                self.give_up(
                    int(place), f"its wall does not move: {low_s:.4g} S at one end, {high_s:.4g} S at the other"
                )

    def give_up_strangers(self) -> None:
        """Leave out the devices without an end stop that others have: an earlier run has left them out."""
        for end_s in (self.high_s, self.low_s):
            if np.isfinite(end_s).any():
                for place in np.flatnonzero(self.alive & np.isnan(end_s)).tolist():
                    self.give_up(place, "it was given up before the experiment was continued")

    def learn(self, fired: NDArray[np.int64], before: NDArray[np.float64], after: NDArray[np.float64]) -> None:
        """Learn from a round of bringing how far a pulse goes.

        Args:
            fired: pulses, negative for pulls.
            before: positions before them.
            after: positions after them.
        """
        noticeable = self.tolerance_s / self.span_s
        for sign, stride in self.stride.items():
            moved = sign * (after - before)
            told = (fired * sign > 0) & (moved > noticeable) & (after > 0.02) & (after < 0.98)
            if not told.any():
                continue
            seen = moved[told] / np.abs(fired[told])
            old = stride[told]
            stride[told] = np.where(np.isnan(old), seen, 0.5 * (old + seen))
            usual = float(np.nanmedian(stride))
            # Who told nothing yet is taken to be like the others.
            stride[np.isnan(stride)] = usual
            np.clip(stride, usual / _SPREAD, usual * _SPREAD, out=stride)

    def _objection(self, place: int) -> str:
        reading_s, low_s, high_s = self.last_s[place], self.low_s[place], self.high_s[place]
        if math.isnan(reading_s):
            return "no reading to trust: compliance, an open contact, or a code at the end of its range"
        if reading_s < QUIET * self.noise_s[place]:
            return f"{reading_s:.2g} S is nothing but noise: an open contact"
        if reading_s < LOW_SHARE * low_s:
            return f"{reading_s:.4g} S is less than {LOW_SHARE:g} of its low end stop, {low_s:.4g} S"
        return f"{reading_s:.4g} S is more than {HIGH_SHARE:g} times its high end stop, {high_s:.4g} S"
