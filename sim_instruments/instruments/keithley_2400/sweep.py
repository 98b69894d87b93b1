"""Sweeps and lists of the Keithley 2400: which levels its source steps through."""

from dataclasses import dataclass, replace
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.scpi_error import ScpiError

MOST_POINTS: Final = 2500
"""Points of a sweep, values of a list, readings of a buffer."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Settings of one source function's sweep as *RST leaves them."""

    mode: str = "FIX"
    """FIX, LIST or SWE."""
    start: float = 0.0
    stop: float = 0.0
    step: float = 0.0
    """Distance of the points; ignored while `count` is set."""
    count: int | None = MOST_POINTS
    """Points asked for; None where the step tells them."""
    spacing: str = "LIN"
    direction: str = "UP"
    ranging: str = "BEST"
    aborts: str = "NEV"
    """Whether a reading in compliance ends the sweep."""
    values: tuple[float, ...] = (0.0,)
    """The list."""

    @property
    def centre(self) -> float:
        """Return the middle between start and stop."""
        return (self.start + self.stop) / 2

    @property
    def span(self) -> float:
        """Return the distance from start to stop."""
        return self.stop - self.start

    @property
    def points(self) -> int:
        """Return how many points the sweep has."""
        if self.count is not None:
            return self.count
        steps = abs(self.span / self.step) if self.step else 1
        return int(min(max(steps + 1e-9, 1), MOST_POINTS - 1)) + 1

    @property
    def distance(self) -> float:
        """Return the step from point to point."""
        return self.step if self.count is None else self.span / (self.count - 1)

    def appended(self, values: tuple[float, ...]) -> "Sweep":
        """Return it with values added to the list."""
        longer = (*self.values, *values)
        if len(longer) > MOST_POINTS:
            raise ScpiError(-223, f"a list holds {MOST_POINTS} values")
        return replace(self, values=longer)

    def levels(self, fixed: float, count: int) -> NDArray[np.float64]:
        """Return the levels of `count` readings: the sequence from its start, as often as need be."""
        if self.mode == "FIX":
            return np.full(count, fixed)
        sequence = np.array(self.values) if self.mode == "LIST" else self._sequence()
        return np.resize(sequence, count)

    def _sequence(self) -> NDArray[np.float64]:
        if self.spacing == "LOG":
            if self.start * self.stop <= 0:
                raise ScpiError(-221, "a logarithmic sweep does not pass zero")
            found = np.geomspace(self.start, self.stop, self.points).astype(np.float64)
        elif self.count is None:
            found = self.start + np.copysign(self.step, self.span) * np.arange(self.points)
        else:
            found = np.linspace(self.start, self.stop, self.count)
        return found[::-1] if self.direction == "DOW" else found
