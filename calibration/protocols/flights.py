"""The staircase as raw shots: so many pushes, each read, then as many pulls, at one amplitude and one width."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import Action, Bring, Bringing, Fire, check_places, check_pulses, find_ends
from calibration.protocols.routes import BOTH, Route
from drivers.protocols import Polarity


def flight(*, amplitude_v: float, width_s: float, pulses: int, steps: int, cycle: int) -> Iterator[Action]:
    """Yield one flight of stairs up and one down."""
    for polarity in (Polarity.PUSH, Polarity.PULL):
        for _ in range(steps):
            yield Fire(polarity=polarity, amplitude_v=amplitude_v, width_s=width_s, pulses=pulses, cycle=cycle)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Staircase:
    """Stairs up and down. A cycle is one of each, begun where walls are brought to."""

    kind: ClassVar[str] = "staircase"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    amplitude_v: float = 1.5
    """Magnitude of all pulses, volts."""
    width_s: float = 1e-6
    """Their width, seconds."""
    pulses: int = 4
    """Pulses of one step."""
    steps: int = 30
    """Steps in each direction."""
    cycles: int = 3
    """How often up and down."""
    start: float = 0.25
    """Where each cycle begins, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        counts = {"pulses": self.pulses, "steps": self.steps, "cycles": self.cycles}
        check_pulses(self.kind, amplitudes_v=(self.amplitude_v,), widths_s=(self.width_s,), counts=counts)
        check_places(self.kind, (self.start,))

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        yield from find_ends(self.bringing)
        for cycle in range(self.cycles):
            yield Bring(place=self.start, how=self.bringing, cycle=cycle)
            yield from flight(
                amplitude_v=self.amplitude_v, width_s=self.width_s, pulses=self.pulses, steps=self.steps, cycle=cycle
            )
