"""Endurance: a short staircase after log-spaced numbers of pulses, to see what the pulses have worn."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import (
    Action,
    Bring,
    Bringing,
    Fire,
    Phase,
    check_places,
    check_pulses,
    check_rules,
    find_ends,
)
from calibration.protocols.flights import flight
from calibration.protocols.routes import BOTH, Route
from drivers.protocols import Polarity


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """Stress by bursts of pushes and of pulls, and a staircase at each checkpoint.

    A cycle is a checkpoint with the stress before it; cycle 0 has none. Bursts of the stress are shots of the phase
    `PREPARATION`, read like all others: a device's pulses so far are the sum of its shots.
    """

    kind: ClassVar[str] = "endurance"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    first: int = 100
    """Pulses in each direction at the first checkpoint after the start."""
    last: int = 10_000
    """Pulses in each direction at the last checkpoint."""
    checkpoints: int = 5
    """Checkpoints from the first to the last, log-spaced."""
    burst: int = 50
    """Pulses of one direction before the other: walls stay near the middle."""
    amplitude_v: float = 1.5
    """Magnitude of all pulses, volts."""
    width_s: float = 1e-6
    """Their width, seconds."""
    pulses: int = 4
    """Pulses of one step of a staircase."""
    steps: int = 12
    """Steps of a staircase in each direction."""
    start: float = 0.4
    """Where stress and staircases begin, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        counts = {"first": self.first, "burst": self.burst, "pulses": self.pulses, "steps": self.steps}
        check_pulses(self.kind, amplitudes_v=(self.amplitude_v,), widths_s=(self.width_s,), counts=counts)
        check_places(self.kind, (self.start,))
        check_rules(
            self.kind,
            (self.first < self.last, "first must lie below last"),
            (self.checkpoints >= 2, f"checkpoints = {self.checkpoints}: at least 2"),
        )

    @property
    def bursts(self) -> tuple[int, ...]:
        """Return the bursts of each direction that lie before each checkpoint, together."""
        pulses = np.geomspace(self.first, self.last, self.checkpoints)
        return tuple(np.unique(np.maximum(1, np.rint(pulses / self.burst))).astype(int).tolist())

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        yield from find_ends(self.bringing)
        yield from self._checkpoint(0)
        done = 0
        for cycle, bursts in enumerate(self.bursts, start=1):
            yield Bring(place=self.start, how=self.bringing, cycle=cycle)
            for _ in range(bursts - done):
                for polarity in (Polarity.PUSH, Polarity.PULL):
                    yield Fire(
                        polarity=polarity,
                        amplitude_v=self.amplitude_v,
                        width_s=self.width_s,
                        pulses=self.burst,
                        cycle=cycle,
                        phase=Phase.PREPARATION,
                    )
            done = bursts
            yield from self._checkpoint(cycle)

    def _checkpoint(self, cycle: int) -> Iterator[Action]:
        yield Bring(place=self.start, how=self.bringing, cycle=cycle)
        yield from flight(
            amplitude_v=self.amplitude_v, width_s=self.width_s, pulses=self.pulses, steps=self.steps, cycle=cycle
        )
