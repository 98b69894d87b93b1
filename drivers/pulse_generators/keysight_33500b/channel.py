"""What a channel of a 33500B or 33600A is told, and what it must answer when it is read back."""

from dataclasses import dataclass
from typing import final

from drivers import scpi
from drivers.instrument import Output, SafeState, Setting
from drivers.protocols import Polarity, Pulse
from drivers.pulse_generators.bounds import PulseBounds
from drivers.pulse_generators.keysight_33500b.family import Family, amplitude_limit
from drivers.pulse_generators.keysight_33500b.program import Program
from drivers.pulse_generators.shape import levels_v

PERIOD_PER_WIDTH = 10
"""A tenth of the time under current: the track cools between pulses."""

_LEVEL_TOLERANCE_V = 2e-3
_TIME_TOLERANCE = 1e-2


def output(channel: int) -> Output:
    """Return the commands of a channel's output."""
    return Output(on=f"OUTP{channel} ON", off=f"OUTP{channel} OFF", query=f"OUTP{channel}?")


def safe_state(channel: int) -> SafeState:
    """Return how a channel is made safe."""
    commands = output(channel)
    return SafeState(command=commands.off, query=commands.query, confirms="0".__eq__)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """The commands of one channel."""

    number: int
    """Which one: 1 or 2."""
    family: Family
    """What the instrument can send."""
    bounds: PulseBounds
    """What may be sent; the upper end of the amplitudes is also set as the limit in the box."""

    def block_header(self, header: str) -> str:
        """Return the whole header of a block of a program."""
        return f"SOUR{self.number}:{header}"

    def shape(self, pulse: Pulse) -> tuple[str, ...]:
        """Return the commands for a pulse, in an order in which no step conflicts with settings that someone left."""
        source, number = f"SOUR{self.number}", scpi.format_number
        return (
            f"TRIG{self.number}:SOUR BUS",
            f"{source}:VOLT:LIM:STAT OFF",
            f"OUTP{self.number}:LOAD {number(self.bounds.load_ohm)}",
            # Shortest edges and width before the period, and both before the pulse: at all times, it must hold them.
            f"{source}:FUNC:PULS:HOLD WIDT",
            f"{source}:FUNC:PULS:TRAN:BOTH {number(self.family.edge_s)}",
            f"{source}:FUNC:PULS:WIDT {number(self.family.width.low)}",
            f"{source}:FUNC:PULS:PER {number(self.period_s(pulse))}",
            f"{source}:FUNC PULS",
            f"{source}:FUNC:PULS:WIDT {number(pulse.width_s)}",
            f"OUTP{self.number}:POL {'NORM' if pulse.polarity is Polarity.PUSH else 'INV'}",
            *self._levels(*levels_v(pulse)),
            *self._bursts(is_on=True),
            *self._box_limits(),
        )

    def period_s(self, pulse: Pulse) -> float:
        """Return the time from one pulse of a burst to the next."""
        return max(PERIOD_PER_WIDTH * pulse.width_s, self.family.period.low)

    def pulse_settings(self, pulse: Pulse, count: int) -> tuple[Setting, ...]:
        """Return what must be read back while a burst is set up."""
        source = f"SOUR{self.number}"
        return (
            *self._level_settings(*levels_v(pulse)),
            Setting(query=f"{source}:FUNC:PULS:WIDT?", value=pulse.width_s, relative=_TIME_TOLERANCE),
            Setting(query=f"{source}:BURS:NCYC?", value=count, relative=0),
            Setting(query=f"{source}:BURS:STAT?", value=1),
        )

    def loading(self) -> tuple[str, ...]:
        """Return the commands before the blocks."""
        return (
            f"TRIG{self.number}:SOUR BUS",
            f"SOUR{self.number}:BURS:STAT ON",
            f"SOUR{self.number}:DATA:VOL:CLE",
            "FORM:BORD NORM",
        )

    def playing(self, program: Program, amplitude_v: float) -> tuple[str, ...]:
        """Return the commands after the blocks."""
        source, number = f"SOUR{self.number}", scpi.format_number
        return (
            f"{source}:VOLT:LIM:STAT OFF",
            f"OUTP{self.number}:LOAD {number(self.bounds.load_ohm)}",
            f"OUTP{self.number}:POL NORM",
            f"{source}:FUNC:ARB {scpi.format_string(program.name)}",
            f"{source}:FUNC ARB",
            f"{source}:FUNC:ARB:ADV SRAT",
            # No interpolation between samples: a pulse has steep edges and no overshoot of a filter.
            f"{source}:FUNC:ARB:FILT OFF",
            f"{source}:FUNC:ARB:SRAT {number(program.rate)}",
            *self._levels(-amplitude_v, amplitude_v),
            *self._bursts(is_on=not program.is_sequence),
            *self._box_limits(),
        )

    def program_settings(self, program: Program, amplitude_v: float) -> tuple[Setting, ...]:
        """Return what must be read back while a train is loaded."""
        source = f"SOUR{self.number}"
        return (
            *self._level_settings(-amplitude_v, amplitude_v),
            Setting(query=f"{source}:FUNC:ARB:SRAT?", value=program.rate, relative=_TIME_TOLERANCE),
            Setting(query=f"{source}:BURS:NCYC?", value=1, relative=0),
            Setting(query=f"{source}:BURS:STAT?", value=not program.is_sequence),
            *(
                Setting(query=f"{source}:DATA:ATTR:POIN? {scpi.format_string(name)}", value=length, relative=0)
                for name, length in program.points
            ),
        )

    def words(self, shape: str) -> dict[str, str]:
        """Return what must be read back as words: the trigger source and the shape."""
        return {f"TRIG{self.number}:SOUR?": "BUS", f"SOUR{self.number}:FUNC?": shape}

    def _levels(self, low_v: float, high_v: float) -> tuple[str, ...]:
        source, number = f"SOUR{self.number}", scpi.format_number
        return (
            # Smallest swing about the new middle, then out to the levels: HIGH stays above LOW and inside the window.
            f"{source}:VOLT {number(amplitude_limit(self.family, self.bounds.load_ohm).low)}",
            f"{source}:VOLT:OFFS {number((low_v + high_v) / 2)}",
            f"{source}:VOLT:HIGH {number(high_v)}",
            f"{source}:VOLT:LOW {number(low_v)}",
        )

    def _bursts(self, *, is_on: bool) -> tuple[str, ...]:
        source = f"SOUR{self.number}"
        return (
            f"{source}:BURS:MODE TRIG",
            f"{source}:BURS:PHAS 0",
            f"{source}:BURS:NCYC 1",
            f"{source}:BURS:STAT {scpi.format_boolean(is_on)}",
            f"TRIG{self.number}:DEL 0",
        )

    def _box_limits(self) -> tuple[str, ...]:
        limit, number = f"SOUR{self.number}:VOLT:LIM", scpi.format_number
        return (
            f"{limit}:HIGH {number(self.bounds.amplitude.high)}",
            f"{limit}:LOW {number(-self.bounds.amplitude.high)}",
            f"{limit}:STAT ON",
        )

    def _level_settings(self, low_v: float, high_v: float) -> tuple[Setting, ...]:
        source, largest_v = f"SOUR{self.number}", self.bounds.amplitude.high
        return (
            Setting(query=f"{source}:VOLT:HIGH?", value=high_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LOW?", value=low_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LIM:STAT?", value=1),
            Setting(query=f"{source}:VOLT:LIM:HIGH?", value=largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LIM:LOW?", value=-largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
        )
