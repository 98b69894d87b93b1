"""Dwell times: pulses until a wall leaves its place, with a time-out. Walls that stay to the end are censored."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import (
    Action,
    Bring,
    Bringing,
    FireUntilMoved,
    check_places,
    check_pulses,
    check_rules,
    find_ends,
)
from calibration.protocols.routes import BOTH, Route
from drivers.protocols import Polarity


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Dwell:
    """Rounds of pulses until the wall has moved. A cycle is one dwell time of each device at each amplitude."""

    kind: ClassVar[str] = "dwell"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    polarity: Polarity = Polarity.PUSH
    """Direction."""
    amplitudes_v: tuple[float, ...] = (0.7,)
    """Magnitudes, volts."""
    width_s: float = 1e-7
    """Width of a pulse, seconds."""
    pulses: int = 1
    """Pulses of one round: the resolution of the dwell time, in widths."""
    most_rounds: int = 100
    """Rounds before the time-out."""
    shots: int = 10
    """Dwell times of each device at each amplitude."""
    place: float = 0.5
    """Where the wall waits, fraction of the track."""
    moved: float = 0.005
    """A wall further than this from where it started has left, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought to the place."""

    def __post_init__(self) -> None:
        counts = {"pulses": self.pulses, "most_rounds": self.most_rounds, "shots": self.shots}
        check_pulses(self.kind, amplitudes_v=self.amplitudes_v, widths_s=(self.width_s,), counts=counts)
        check_places(self.kind, (self.place,))
        check_rules(self.kind, (0 < self.moved < 0.5, f"moved = {self.moved:g}: above 0 and below 0.5 of the track"))

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; amplitudes are shuffled in each cycle."""
        yield from find_ends(self.bringing)
        for cycle in range(self.shots):
            for amplitude_v in generator.permutation(np.array(self.amplitudes_v)).tolist():
                yield Bring(place=self.place, how=self.bringing, cycle=cycle)
                yield FireUntilMoved(
                    polarity=self.polarity,
                    amplitude_v=amplitude_v,
                    width_s=self.width_s,
                    pulses=self.pulses,
                    most_rounds=self.most_rounds,
                    moved=self.moved,
                    cycle=cycle,
                )
