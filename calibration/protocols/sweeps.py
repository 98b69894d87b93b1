"""Sweeps of the amplitude at one width, and of the width at one amplitude: how far a pulse goes.

The slope of the displacement against the width is a velocity free of what the edges and the wall's inertia add to each
pulse. Settings follow one another in an order shuffled anew in each cycle, so that a drift of the device does not look
like a law of the amplitude or of the width.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import Action, Bring, Bringing, check_places, check_pulses, check_rules, find_ends
from calibration.protocols.flights import flight
from calibration.protocols.routes import BOTH, Route


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class AmplitudeSweep:
    """Stairs up and down at each of several amplitudes."""

    kind: ClassVar[str] = "amplitude-sweep"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    amplitudes_v: tuple[float, ...] = (0.75, 1.0, 1.25, 1.5, 1.75, 2.0)
    """Magnitudes, volts."""
    width_s: float = 1e-6
    """Width of all pulses, seconds."""
    pulses: int = 4
    """Pulses of one step."""
    steps: int = 10
    """Steps in each direction."""
    cycles: int = 3
    """Stairs at each amplitude."""
    start: float = 0.35
    """Where stairs begin, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        counts = {"pulses": self.pulses, "steps": self.steps, "cycles": self.cycles}
        check_pulses(self.kind, amplitudes_v=self.amplitudes_v, widths_s=(self.width_s,), counts=counts)
        check_places(self.kind, (self.start,))

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; amplitudes are shuffled in each cycle."""
        yield from find_ends(self.bringing)
        for cycle in range(self.cycles):
            for amplitude_v in generator.permutation(np.array(self.amplitudes_v)).tolist():
                yield Bring(place=self.start, how=self.bringing, cycle=cycle)
                yield from flight(
                    amplitude_v=amplitude_v, width_s=self.width_s, pulses=self.pulses, steps=self.steps, cycle=cycle
                )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WidthSweep:
    """Stairs up and down at each of several widths; short pulses are given in larger numbers."""

    kind: ClassVar[str] = "width-sweep"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    widths_s: tuple[float, ...] = (50e-9, 100e-9, 200e-9, 500e-9, 1e-6, 2e-6)
    """Widths, seconds."""
    amplitude_v: float = 1.5
    """Magnitude of all pulses, volts."""
    step_time_s: float = 4e-6
    """Time under pulses in one step, seconds: as many pulses as come nearest to it, at least one."""
    most_pulses: int = 255
    """Pulses of one step, at most."""
    steps: int = 10
    """Steps in each direction."""
    cycles: int = 3
    """Stairs at each width."""
    start: float = 0.35
    """Where stairs begin, fraction of the track."""
    bringing: Bringing = field(default_factory=Bringing)
    """How walls are brought there."""

    def __post_init__(self) -> None:
        counts = {"most_pulses": self.most_pulses, "steps": self.steps, "cycles": self.cycles}
        check_pulses(self.kind, amplitudes_v=(self.amplitude_v,), widths_s=self.widths_s, counts=counts)
        check_places(self.kind, (self.start,))
        check_rules(self.kind, (self.step_time_s > 0, f"step_time_s = {self.step_time_s:g}: above zero"))

    def pulses(self, width_s: float) -> int:
        """Return the pulses of one step at a width."""
        return min(self.most_pulses, max(1, round(self.step_time_s / width_s)))

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; widths are shuffled in each cycle."""
        yield from find_ends(self.bringing)
        for cycle in range(self.cycles):
            for width_s in generator.permutation(np.array(self.widths_s)).tolist():
                yield Bring(place=self.start, how=self.bringing, cycle=cycle)
                yield from flight(
                    amplitude_v=self.amplitude_v,
                    width_s=width_s,
                    pulses=self.pulses(width_s),
                    steps=self.steps,
                    cycle=cycle,
                )
