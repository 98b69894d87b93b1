"""The terminals of a source-measure unit on the bench's measure row: levels in, readings out, virtual time gone by."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.readout.contacts import Windows
from sim_instruments.place import Place
from sim_instruments.smu_output import (
    LINE_FREQUENCY_HZ,
    READING,
    Meter,
    OperatingPoint,
    Readings,
    SourceFunction,
    measured,
    ohms,
)
from sim_instruments.smu_probe import NOWHERE, Probe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the output stage and the meters are set to."""

    function: SourceFunction
    """What is sourced."""
    limit: float
    """Compliance of the other quantity, a magnitude."""
    is_on: bool
    """Whether the output is on: off, the meters read noise."""
    is_wired: bool = True
    """Whether the terminals chosen are those that lead to the bench."""
    voltage: Meter
    """The voltmeter."""
    current: Meter
    """The ammeter."""
    top_ohm: float
    """Largest resistance that is no overflow."""
    seconds_each: float
    """Time of one reading, source delay included."""


@final
class Terminals:
    """What one instrument is plugged into."""

    def __init__(self, place: Place, model: str) -> None:
        self._place = place
        self._name = f"{model} {place.serial}"
        self._noise = place.sample.noise_source(place.serial)
        self._probe = Probe(place)

    @property
    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        return self._place.sample.clock.now_s

    @property
    def interlock_closed(self) -> bool:
        """Return whether the bench's safety interlock is closed."""
        return self._place.interlock_closed

    def set_live(self, is_live: bool) -> None:
        """Say whether the output is on, so that relays know what they switch."""
        self._place.wiring.set_live(self._name, is_live)

    def is_limited(self, stage: Stage, level: float) -> bool:
        """Return whether the compliance would hold the output at a level."""
        return self._reached(stage).settle_one(stage.function, level, stage.limit).is_limited if stage.is_on else False

    def measure(self, stage: Stage, levels: NDArray[np.float64]) -> Readings:
        """Source each level and measure at it. Moves walls only if the sample's readings do."""
        readings = np.zeros(len(levels), READING)
        if stage.is_on:
            windows = self._windows(stage, len(levels))
            settled = self._reached(stage).settle(stage.function, levels, stage.limit, windows)
            voltage_v, current_a, readings["is_limited"] = settled
        else:
            voltage_v = current_a = np.zeros(len(levels))
        readings["source"] = levels
        readings["voltage_v"] = measured(voltage_v, stage.voltage, self._noise)
        readings["current_a"] = measured(current_a, stage.current, self._noise)
        readings["resistance_ohm"] = ohms(readings["voltage_v"], readings["current_a"], stage.top_ohm)
        readings["time_s"] = self.now_s + stage.seconds_each * np.arange(1, len(levels) + 1)
        self.wait(stage.seconds_each * len(levels))
        return readings

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._place.sample.clock.advance(seconds)

    def settled(self, stage: Stage, level: float) -> OperatingPoint:
        """Return where the output is during the next reading. Draws the devices' noise; no time passes."""
        if not stage.is_on:
            return OperatingPoint(voltage_v=0.0, current_a=0.0, is_limited=False)
        return self._reached(stage).settle_one(stage.function, level, stage.limit, self._windows(stage, 1))

    def _reached(self, stage: Stage) -> Probe:
        return self._probe if stage.is_wired else NOWHERE

    def _windows(self, stage: Stage, count: int) -> Windows:
        # A reading ends when its time is over, and integrates until then.
        window_s = min(stage.current.nplc / LINE_FREQUENCY_HZ, stage.seconds_each)
        start_s = self.now_s + stage.seconds_each - window_s
        return Windows(start_s=start_s, period_s=stage.seconds_each, window_s=window_s, count=count)
