"""The output stage of a waveform generator: levels, their limits, the declared load and the polarity.

Levels are kept as the source's open-circuit voltage: declaring another load changes what the instrument shows, not
what it puts out.
"""

import math
from dataclasses import dataclass, replace
from typing import final

from sim_instruments.pulse_path import SOURCE_OHM
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command

_SLACK = 1e-9  # what rounding may do to a sum
_POLARITY = Choice(("NORMal", "INVerted"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRatings:
    """What a model's output can do; voltages are open-circuit."""

    window_v: float
    """Highest level of either sign, volts."""
    smallest_swing_v: float
    """Smallest difference of the levels, volts."""
    largest_swing_v: float
    """Largest one, volts."""
    default_swing_v: float
    """The one after *RST, about 0 V."""
    load: Real
    """Loads that may be declared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Present settings; voltages are open-circuit."""

    high_v: float
    low_v: float
    limit_high_v: float
    limit_low_v: float
    has_limits: bool = False
    load_ohm: float = SOURCE_OHM
    polarity: str = "NORM"

    @property
    def swing_v(self) -> float:
        """Difference of the levels, volts."""
        return self.high_v - self.low_v

    @property
    def middle_v(self) -> float:
        """Half way between the levels, volts."""
        return (self.high_v + self.low_v) / 2

    @property
    def excursion_v(self) -> float:
        """What a pulse adds to the level it rests at, volts: LOW in normal polarity, HIGH in inverted."""
        return self.swing_v if self.polarity == "NORM" else -self.swing_v

    def at(self, share: float) -> float:
        """Return the output for a sample between -1 (LOW) and +1 (HIGH); inverted polarity mirrors at the middle."""
        half_v = self.swing_v / 2 if self.polarity == "NORM" else -self.swing_v / 2
        return self.middle_v + share * half_v

    @property
    def share_shown(self) -> float:
        """Part of the open-circuit voltage that a device of the declared load would see."""
        return 1.0 if math.isinf(self.load_ohm) else self.load_ohm / (self.load_ohm + SOURCE_OHM)

    def check(self, ratings: StageRatings) -> None:
        """Raise the error of a combination that the instrument refuses."""
        if max(self.high_v, -self.low_v) > ratings.window_v + _SLACK:
            raise ScpiError(-222, "the levels leave the output window")
        if self.has_limits and (self.high_v > self.limit_high_v + _SLACK or self.low_v < self.limit_low_v - _SLACK):
            raise ScpiError(-222, "the levels leave VOLTage:LIMit")
        if not ratings.smallest_swing_v - _SLACK <= self.swing_v <= ratings.largest_swing_v + _SLACK:
            raise ScpiError(-221, "HIGH minus LOW is outside the amplitude range")


@final
class OutputStage:
    """Levels of one channel and the commands that set them. Moves no walls: a trigger does."""

    def __init__(self, ratings: StageRatings) -> None:
        self._ratings = ratings
        self.levels = self._defaults()

    def reset(self) -> None:
        """Return to the settings after *RST."""
        self.levels = self._defaults()

    def set_amplitude(self, shown_v: float) -> None:
        """Set the difference of the levels, across the declared load; the middle stays."""
        middle_v, half_v = self.levels.middle_v, self._meant(shown_v) / 2
        self._change(high_v=middle_v + half_v, low_v=middle_v - half_v)

    def set_offset(self, shown_v: float) -> None:
        """Set the middle of the levels, across the declared load; their difference stays."""
        middle_v, half_v = self._meant(shown_v), self.levels.swing_v / 2
        self._change(high_v=middle_v + half_v, low_v=middle_v - half_v)

    def commands(self, voltage: str, output: str) -> tuple[Command, ...]:
        """Return the commands.

        Args:
            voltage: header before the levels, such as `[:SOURce#]:VOLTage`.
            output: header before load and polarity, such as `:OUTPut#`.
        """
        window_v = self._ratings.window_v
        level = Real(unit="V", low=-window_v, high=window_v, default=0.0)
        swing = Real(
            unit="V",
            low=self._ratings.smallest_swing_v / 2,
            high=self._ratings.largest_swing_v,
            default=self._ratings.default_swing_v / 2,
        )
        header = f"{voltage}[:LEVel][:IMMediate]"
        shown = self._shown
        return (
            *real_setting(f"{header}[:AMPLitude]", swing, lambda: shown(self.levels.swing_v), self.set_amplitude),
            *real_setting(f"{header}:OFFSet", level, lambda: shown(self.levels.middle_v), self.set_offset),
            *real_setting(
                f"{header}:HIGH",
                level,
                lambda: shown(self.levels.high_v),
                lambda v: self._change(high_v=self._meant(v)),
            ),
            *real_setting(
                f"{header}:LOW", level, lambda: shown(self.levels.low_v), lambda v: self._change(low_v=self._meant(v))
            ),
            # Other units are not modelled.
            *setting(f"{voltage}:UNIT", Choice(("VPP",)), lambda: "VPP", lambda _unit: None),
            *real_setting(
                f"{voltage}:LIMit[:HIGH]",
                level,
                lambda: shown(self.levels.limit_high_v),
                lambda v: self._change(limit_high_v=self._meant(v)),
            ),
            *real_setting(
                f"{voltage}:LIMit:LOW",
                level,
                lambda: shown(self.levels.limit_low_v),
                lambda v: self._change(limit_low_v=self._meant(v)),
            ),
            *switch_setting(
                f"{voltage}:LIMit:STATe", lambda: self.levels.has_limits, lambda v: self._change(has_limits=v)
            ),
            *real_setting(
                f"{output}:LOAD",
                self._ratings.load,
                lambda: self.levels.load_ohm,
                lambda v: self._change(load_ohm=v),
            ),
            *setting(f"{output}:POLarity", _POLARITY, lambda: self.levels.polarity, lambda v: self._change(polarity=v)),
        )

    def _defaults(self) -> Levels:
        half_v, window_v = self._ratings.default_swing_v / 2, self._ratings.window_v
        return Levels(high_v=half_v, low_v=-half_v, limit_high_v=window_v, limit_low_v=-window_v)

    def _change(self, **changes: object) -> None:
        """Change settings together, or none of them if the instrument would refuse the result."""
        changed = replace(self.levels, **changes)
        changed.check(self._ratings)
        self.levels = changed

    def _shown(self, open_circuit_v: float) -> float:
        return open_circuit_v * self.levels.share_shown

    def _meant(self, shown_v: float) -> float:
        return shown_v / self.levels.share_shown
