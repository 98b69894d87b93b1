"""Read disturb: do readings move walls? Many readings at a voltage, all of them kept."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import Action, Bring, Bringing, Phase, Read, check_places, check_rules, find_ends
from calibration.protocols.routes import BOTH, Route


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ReadDisturb:
    """Readings at each of several voltages, after walls were brought to a place anew. A cycle is one such series.

    Before and after each series are readings at the usual voltage (phase `REST`), which all series share.
    """

    kind: ClassVar[str] = "read-disturb"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    readings: int = 1000
    """Readings of one series."""
    voltages_v: tuple[float, ...] = ()
    """Voltages of the series, on the bench route; none is one series at the usual voltage."""
    series: int = 1
    """Series at each voltage."""
    reference_reads: int = 8
    """Readings before and after each series, at the usual voltage."""
    place: float = 0.5
    """Where walls are, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        check_places(self.kind, (self.place,))
        check_rules(
            self.kind,
            (self.readings >= 1, f"readings = {self.readings}: at least 1"),
            (self.series >= 1, f"series = {self.series}: at least 1"),
            (self.reference_reads >= 1, f"reference_reads = {self.reference_reads}: at least 1"),
            (0.0 not in self.voltages_v, "a reading at 0 V tells no conductance"),
        )

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; voltages are shuffled in each round."""
        yield from find_ends(self.bringing)
        voltages: tuple[float | None, ...] = self.voltages_v or (None,)
        order = [voltages[chosen] for _ in range(self.series) for chosen in generator.permutation(len(voltages))]
        for cycle, voltage_v in enumerate(order):
            yield Bring(place=self.place, how=self.bringing, cycle=cycle)
            yield Read(times=self.reference_reads, cycle=cycle)
            yield Read(times=self.readings, voltage_v=voltage_v, cycle=cycle, phase=Phase.MEASUREMENT)
            yield Read(times=self.reference_reads, cycle=cycle)
