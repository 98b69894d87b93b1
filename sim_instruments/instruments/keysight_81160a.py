"""Twin of the Keysight 81160A pulse generator, one channel, pulses in triggered bursts.

A trigger with the output on sends a finite burst of pulses through the wiring to every device whose crosspoint on the
pulse row is closed. A pulse goes from its base (LOW, or HIGH with inverted polarity) to the other level; the sign of
that excursion decides push or pull. A base other than zero is not modelled as a drive of its own, and no other
waveform than the pulse is delivered.

Levels are kept as the source's open-circuit voltage: declaring another load changes what the instrument shows, not
what it puts out.

With `:ARM:SOURce IMMediate`, the state after *RST, a real 81160A repeats without end. A wall driven without end has
no defined position, so that mode delivers nothing here, and a trigger in it is -211.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from sim_instruments.instrument import Traits
from sim_instruments.place import Place
from sim_instruments.pulse_path import SOURCE_OHM, deliver_burst
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer, Real
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL: Final = "keysight-81160a"

_EDGE_SHARE = 1.6  # a period must hold the width and so many edges
_WINDOW_V = 10.0  # open circuit: 5 V either way into 50 ohm
_SWINGS_V = (0.1, 10.0)  # open circuit: 50 mV to 5 V into 50 ohm
_SLACK = 1e-9  # what rounding may do to a sum

_LEVEL = Real(unit="V", low=-_WINDOW_V, high=_WINDOW_V, default=0.0)
_SWING = Real(unit="V", low=0.05, high=10.0, default=1.0)
_WIDTH = Real(unit="S", low=1.5e-9, high=1e6, default=100e-9)
_PERIOD = Real(unit="S", low=3.03e-9, high=1e6, default=1e-6)
_EDGE = Real(unit="S", low=1e-9, high=1e3, default=2.5e-9)
_LOAD = Real(unit="OHM", low=0.3, high=1e6, default=SOURCE_OHM, allows_infinity=True)
_COUNT = Integer(low=1, high=2_147_483_647)
_SHAPE = Choice(("SINusoid", "SQUare", "RAMP", "PULSe", "NOISe", "DC", "USER"))
_BURST_MODE = Choice(("TRIGgered",))
_ARM_SOURCE = Choice(("IMMediate", "INTernal2", "EXTernal", "MANual"))
_POLARITY = Choice(("NORMal", "INVerted"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    """Settings as *RST leaves them; voltages are open-circuit."""

    shape: str = "SIN"
    high_v: float = 1.0
    low_v: float = -1.0
    limit_high_v: float = _WINDOW_V
    limit_low_v: float = -_WINDOW_V
    has_limits: bool = False
    width_s: float = 100e-9
    period_s: float = 1e-6
    edge_s: float = 2.5e-9
    load_ohm: float = SOURCE_OHM
    polarity: str = "NORM"
    output: bool = False
    burst: bool = False
    burst_mode: str = "TRIG"
    burst_cycles: int = 1
    trigger_count: int = 1
    arm_source: str = "IMM"

    @property
    def swing_v(self) -> float:
        return self.high_v - self.low_v

    @property
    def excursion_v(self) -> float:
        return self.swing_v if self.polarity == "NORM" else -self.swing_v

    @property
    def share_shown(self) -> float:
        """Part of the open-circuit voltage that a device of the declared load would see."""
        return 1.0 if math.isinf(self.load_ohm) else self.load_ohm / (self.load_ohm + SOURCE_OHM)

    def check(self) -> None:
        """Raise the error of a combination that the instrument refuses."""
        if max(self.high_v, -self.low_v) > _WINDOW_V + _SLACK:
            raise ScpiError(-222, "the levels leave the output window")
        if self.has_limits and (self.high_v > self.limit_high_v + _SLACK or self.low_v < self.limit_low_v - _SLACK):
            raise ScpiError(-222, "the levels leave VOLTage:LIMit")
        if not _SWINGS_V[0] - _SLACK <= self.swing_v <= _SWINGS_V[1] + _SLACK:
            raise ScpiError(-221, "HIGH minus LOW is outside the amplitude range")
        if self.width_s + _EDGE_SHARE * self.edge_s > self.period_s * (1 + _SLACK):
            raise ScpiError(-221, "the period does not hold the width and the edges")


@final
class Keysight81160A:
    """Finite bursts of one pulse shape."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._live_name = f"{MODEL} {place.serial}"
        self._settings = _Settings()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(identity=f"Agilent Technologies,81160A,{self._place.serial},1.0.3.0-2.6", error_queue_depth=20)

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        return (*self._levels(), *self._limits(), *self._timing(), *self._outputs(), *self._triggers())

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self._settings = _Settings()
        self._place.wiring.set_live(self._live_name, False)

    def trigger(self) -> None:
        """Send one burst if the generator is armed for it. Moves the walls it reaches."""
        settings = self._settings
        if settings.arm_source != "MAN":
            raise ScpiError(-211, f"the arm source is {settings.arm_source}, not MAN")
        if not settings.output or settings.shape != "PULS":
            return
        count = settings.burst_cycles if settings.burst else settings.trigger_count
        deliver_burst(
            self._place,
            count,
            open_circuit_v=settings.excursion_v,
            width_s=settings.width_s,
            period_s=settings.period_s,
            source=MODEL,
        )

    def _change(self, **changes: object) -> None:
        """Change settings together, or none of them if the instrument would refuse the result."""
        changed = replace(self._settings, **changes)
        changed.check()
        self._settings = changed

    def _shown(self, open_circuit_v: float) -> float:
        return open_circuit_v * self._settings.share_shown

    def _meant(self, shown_v: float) -> float:
        return shown_v / self._settings.share_shown

    def _set_output(self, is_on: bool) -> None:
        self._change(output=is_on)
        self._place.wiring.set_live(self._live_name, is_on)

    def _set_swing(self, shown_v: float) -> None:
        middle_v, half_v = (self._settings.high_v + self._settings.low_v) / 2, self._meant(shown_v) / 2
        self._change(high_v=middle_v + half_v, low_v=middle_v - half_v)

    def _set_offset(self, shown_v: float) -> None:
        middle_v, half_v = self._meant(shown_v), self._settings.swing_v / 2
        self._change(high_v=middle_v + half_v, low_v=middle_v - half_v)

    def _levels(self) -> tuple[Command, ...]:
        now, level = self._shown, ":VOLTage#[:LEVel][:IMMediate]"
        return (
            *real_setting(f"{level}[:AMPLitude]", _SWING, lambda: now(self._settings.swing_v), self._set_swing),
            *real_setting(
                f"{level}:OFFSet",
                _LEVEL,
                lambda: now((self._settings.high_v + self._settings.low_v) / 2),
                self._set_offset,
            ),
            *real_setting(
                f"{level}:HIGH",
                _LEVEL,
                lambda: now(self._settings.high_v),
                lambda v: self._change(high_v=self._meant(v)),
            ),
            *real_setting(
                f"{level}:LOW", _LEVEL, lambda: now(self._settings.low_v), lambda v: self._change(low_v=self._meant(v))
            ),
        )

    def _limits(self) -> tuple[Command, ...]:
        now, limit = self._shown, ":VOLTage#:LIMit"
        return (
            *real_setting(
                f"{limit}[:HIGH]",
                _LEVEL,
                lambda: now(self._settings.limit_high_v),
                lambda v: self._change(limit_high_v=self._meant(v)),
            ),
            *real_setting(
                f"{limit}:LOW",
                _LEVEL,
                lambda: now(self._settings.limit_low_v),
                lambda v: self._change(limit_low_v=self._meant(v)),
            ),
            *switch_setting(f"{limit}:STATe", lambda: self._settings.has_limits, lambda v: self._change(has_limits=v)),
        )

    def _timing(self) -> tuple[Command, ...]:
        widths = (":PULSe:WIDTh#", ":FUNCtion#:PULSe:WIDTh")
        edges = (":PULSe:TRANsition#[:LEADing]", ":FUNCtion#:PULSe:TRANsition[:LEADing]")
        pairs = (
            setting(":FUNCtion#[:SHAPe]", _SHAPE, lambda: self._settings.shape, lambda v: self._change(shape=v)),
            real_setting(
                ":PULSe:PERiod#", _PERIOD, lambda: self._settings.period_s, lambda v: self._change(period_s=v)
            ),
            *(
                real_setting(name, _WIDTH, lambda: self._settings.width_s, lambda v: self._change(width_s=v))
                for name in widths
            ),
            *(
                real_setting(name, _EDGE, lambda: self._settings.edge_s, lambda v: self._change(edge_s=v))
                for name in edges
            ),
        )
        return tuple(command for pair in pairs for command in pair)

    def _outputs(self) -> tuple[Command, ...]:
        return (
            *switch_setting(":OUTPut#[:STATe]", lambda: self._settings.output, self._set_output),
            *real_setting(":OUTPut#:LOAD", _LOAD, lambda: self._settings.load_ohm, lambda v: self._change(load_ohm=v)),
            *setting(
                ":OUTPut#:POLarity", _POLARITY, lambda: self._settings.polarity, lambda v: self._change(polarity=v)
            ),
        )

    def _triggers(self) -> tuple[Command, ...]:
        return (
            *switch_setting(":BURSt#:STATe", lambda: self._settings.burst, lambda v: self._change(burst=v)),
            *setting(
                ":BURSt#:MODE", _BURST_MODE, lambda: self._settings.burst_mode, lambda v: self._change(burst_mode=v)
            ),
            *setting(
                ":BURSt#:NCYCles",
                _COUNT,
                lambda: str(self._settings.burst_cycles),
                lambda v: self._change(burst_cycles=v),
            ),
            *setting(
                ":TRIGger#:COUNt",
                _COUNT,
                lambda: str(self._settings.trigger_count),
                lambda v: self._change(trigger_count=v),
            ),
            *setting(
                ":ARM:SOURce#", _ARM_SOURCE, lambda: self._settings.arm_source, lambda v: self._change(arm_source=v)
            ),
            Command(":TRIGger#[:IMMediate]", self.trigger),
        )
