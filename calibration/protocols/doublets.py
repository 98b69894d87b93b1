"""Alternating doublets: a push, a pull, over and over, at several places of the track.

A pair that pulls back more or less than it pushed shows as a drift; steps that undo one another (return-point memory)
show as a variance of pairs below that of two independent steps.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import Action, Bring, Bringing, Fire, check_places, check_pulses, find_ends
from calibration.protocols.routes import BOTH, Route
from drivers.protocols import Polarity


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Doublets:
    """Trains of pairs. A cycle is one train, brought to its place first; places follow one another in random order."""

    kind: ClassVar[str] = "doublets"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    amplitude_v: float = 1.5
    """Magnitude of all pulses, volts."""
    width_s: float = 1e-6
    """Their width, seconds."""
    pulses: int = 1
    """Pulses of one half of a pair."""
    pairs: int = 50
    """Pairs of one train."""
    places: tuple[float, ...] = (0.3, 0.5, 0.7)
    """Where trains begin, fractions of the track."""
    trains: int = 2
    """Trains at each place."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought to a place."""

    def __post_init__(self) -> None:
        counts = {"pulses": self.pulses, "pairs": self.pairs, "trains": self.trains}
        check_pulses(self.kind, amplitudes_v=(self.amplitude_v,), widths_s=(self.width_s,), counts=counts)
        check_places(self.kind, self.places)

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order."""
        yield from find_ends(self.bringing)
        order = [place for _ in range(self.trains) for place in generator.permutation(np.array(self.places)).tolist()]
        for cycle, place in enumerate(order):
            yield Bring(place=place, how=self.bringing, cycle=cycle)
            for _ in range(self.pairs):
                for polarity in (Polarity.PUSH, Polarity.PULL):
                    yield Fire(
                        polarity=polarity,
                        amplitude_v=self.amplitude_v,
                        width_s=self.width_s,
                        pulses=self.pulses,
                        cycle=cycle,
                    )
