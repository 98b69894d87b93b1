"""Retention: read, wait, read, at log-spaced times. All devices wait together, on either route."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import (
    Action,
    Bring,
    Bringing,
    Phase,
    Read,
    Wait,
    check_places,
    check_rules,
    find_ends,
)
from calibration.protocols.routes import BOTH, Route


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """Readings at log-spaced times after walls were brought to a place. A cycle is one stay at one place.

    Times count from the readings that are taken at once after bringing, the first of each cycle.
    """

    kind: ClassVar[str] = "retention"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = True

    first_s: float = 1.0
    """First time, seconds."""
    last_s: float = 1000.0
    """Last time, seconds."""
    points: int = 7
    """Times from the first to the last."""
    readings: int = 8
    """Readings at each time."""
    places: tuple[float, ...] = (0.5,)
    """Where walls wait, fractions of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        check_places(self.kind, self.places)
        check_rules(
            self.kind,
            (0 < self.first_s < self.last_s, "first_s must be above zero and below last_s"),
            (self.points >= 2, f"points = {self.points}: at least 2"),
            (self.readings >= 1, f"readings = {self.readings}: at least 1"),
        )

    @property
    def times_s(self) -> tuple[float, ...]:
        """Return the times of the readings, seconds."""
        return tuple(np.geomspace(self.first_s, self.last_s, self.points).tolist())

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        yield from find_ends(self.bringing)
        for cycle, place in enumerate(self.places):
            yield Bring(place=place, how=self.bringing, cycle=cycle)
            yield Read(times=self.readings, cycle=cycle, phase=Phase.MEASUREMENT)
            passed_s = 0.0
            for time_s in self.times_s:
                yield Wait(seconds=time_s - passed_s)
                yield Read(times=self.readings, cycle=cycle, phase=Phase.MEASUREMENT)
                passed_s = time_s
