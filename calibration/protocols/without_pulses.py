"""Experiments that look at walls where they are: I-V curves and the noise of a reading. No wall is moved on purpose."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np

from calibration.protocols.actions import Action, Phase, Read, Sweep, check_rules
from calibration.protocols.routes import BENCH, BOTH, Route


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentVoltage:
    """Sweeps of the read voltage, from the largest of one sign to that of the other: I-V and TMR(V).

    A cycle is one sweep; every second one runs backwards, so that a hysteresis shows.
    """

    kind: ClassVar[str] = "i-v"
    routes: ClassVar[frozenset[Route]] = BENCH
    together: ClassVar[bool] = False

    highest_v: float = 0.2
    """Largest magnitude, volts."""
    points: int = 20
    """Voltages of one sweep: half of them negative, none zero."""
    sweeps: int = 4
    """How often."""

    def __post_init__(self) -> None:
        check_rules(
            self.kind,
            (self.highest_v > 0, f"highest_v is a magnitude above zero, not {self.highest_v:g}"),
            (self.points >= 4 and self.points % 2 == 0, f"points = {self.points}: an even number, at least 4"),
            (self.sweeps >= 1, f"sweeps = {self.sweeps}: at least 1"),
        )

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        positive = np.linspace(0.0, self.highest_v, self.points // 2 + 1)[1:]
        levels = (*(-positive[::-1]).tolist(), *positive.tolist())
        for cycle in range(self.sweeps):
            yield Sweep(voltages_v=levels if cycle % 2 == 0 else levels[::-1], cycle=cycle)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """Series of evenly spaced readings, for a spectrum. A cycle is one series."""

    kind: ClassVar[str] = "noise"
    routes: ClassVar[frozenset[Route]] = BOTH
    together: ClassVar[bool] = False

    readings: int = 1024
    """Readings of one series."""
    interval_s: float = 0.01
    """From one reading to the next, seconds; 0 is as fast as it goes: the meter's own buffer on the bench route."""
    series: int = 1
    """How many series."""
    voltage_v: float | None = None
    """At which voltage, on the bench route; None is that of every reading."""

    def __post_init__(self) -> None:
        check_rules(
            self.kind,
            (self.readings >= 8, f"readings = {self.readings}: at least 8"),
            (self.interval_s >= 0, f"interval_s = {self.interval_s:g}: 0 or more"),
            (self.series >= 1, f"series = {self.series}: at least 1"),
        )

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order; nothing of it is random."""
        for cycle in range(self.series):
            yield Read(
                times=self.readings,
                interval_s=self.interval_s,
                voltage_v=self.voltage_v,
                cycle=cycle,
                phase=Phase.MEASUREMENT,
            )
