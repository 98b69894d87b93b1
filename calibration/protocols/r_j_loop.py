"""The R-J loop: a reading after pulses of an amplitude that rises, falls, turns its sign, rises and falls again."""

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
class RJLoop:
    """Loops through signed amplitudes. A cycle is one loop: pushes rising and falling, then pulls."""

    kind: ClassVar[str] = "r-j-loop"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    lowest_v: float = 0.1
    """Smallest magnitude, volts: what the generator can make, since no pulse has none."""
    highest_v: float = 2.0
    """Largest magnitude, volts."""
    points: int = 20
    """Magnitudes from the smallest to the largest, evenly spaced."""
    width_s: float = 1e-6
    """Width of all pulses, seconds."""
    pulses: int = 2
    """Pulses at each magnitude."""
    loops: int = 3
    """How often round."""
    start: float = 0.4
    """Where each loop begins, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        check_pulses(
            self.kind,
            amplitudes_v=(self.lowest_v, self.highest_v),
            widths_s=(self.width_s,),
            counts={"pulses": self.pulses, "loops": self.loops},
        )
        check_places(self.kind, (self.start,))
        check_rules(
            self.kind,
            (self.points >= 3, f"points = {self.points}: at least 3"),
            (self.lowest_v < self.highest_v, "lowest_v must lie below highest_v"),
        )

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        yield from find_ends(self.bringing)
        rising = np.linspace(self.lowest_v, self.highest_v, self.points).tolist()
        for cycle in range(self.loops):
            yield Bring(place=self.start, how=self.bringing, cycle=cycle)
            for polarity in (Polarity.PUSH, Polarity.PULL):
                for amplitude_v in (*rising, *rising[-2::-1]):
                    yield Fire(
                        polarity=polarity,
                        amplitude_v=amplitude_v,
                        width_s=self.width_s,
                        pulses=self.pulses,
                        cycle=cycle,
                    )
