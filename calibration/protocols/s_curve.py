"""S-curves: how likely one pulse moves a wall away from where it was brought to, against amplitude, at several widths.

Each shot starts from a place that the wall is brought to anew. The points follow one another in random order: a drift
of the device then spreads over all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import (
    Action,
    Bring,
    Bringing,
    Fire,
    check_places,
    check_pulses,
    check_rules,
    find_ends,
)
from calibration.protocols.routes import BOTH, Route
from drivers.protocols import Polarity


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SCurve:
    """Single pulses at every pair of an amplitude and a width. A cycle is one shot at each pair, in random order."""

    kind: ClassVar[str] = "s-curve"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    polarity: Polarity = Polarity.PUSH
    """Direction."""
    amplitudes_v: tuple[float, ...] = (0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2)
    """Magnitudes, volts."""
    widths_s: tuple[float, ...] = (300e-9, 1e-6)
    """Widths, seconds."""
    shots: int = 10
    """Shots of each device at each pair."""
    place: float = 0.5
    """Where each shot starts, fraction of the track."""
    moved: float = 0.001
    """A wall further than this from where it started has moved, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        check_pulses(self.kind, amplitudes_v=self.amplitudes_v, widths_s=self.widths_s, counts={"shots": self.shots})
        check_places(self.kind, (self.place,))
        check_rules(self.kind, (0 < self.moved < 0.5, f"moved = {self.moved:g}: above 0 and below 0.5 of the track"))

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; the pairs are shuffled in each cycle."""
        yield from find_ends(self.bringing)
        pairs = [(amplitude_v, width_s) for amplitude_v in self.amplitudes_v for width_s in self.widths_s]
        for cycle in range(self.shots):
            for chosen in generator.permutation(len(pairs)).tolist():
                amplitude_v, width_s = pairs[chosen]
                yield Bring(place=self.place, how=self.bringing, cycle=cycle)
                yield Fire(polarity=self.polarity, amplitude_v=amplitude_v, width_s=width_s, pulses=1, cycle=cycle)
