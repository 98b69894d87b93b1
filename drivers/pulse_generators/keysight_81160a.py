"""Keysight 81160A pulse generator, channel 1, as a source of finite bursts.

A pulse rests at 0 V. Push: LOW = 0, HIGH = amplitude, normal polarity. Pull: LOW = -amplitude, HIGH = 0, inverted
polarity, because the instrument rests at LOW in normal polarity and at HIGH in inverted. The trigger source is manual
throughout, so nothing leaves the output but what `fire` asks for.

Amplitudes are those across the device: the instrument rescales its levels by the load that it is told of.
"""

import operator
from collections.abc import Callable
from typing import final

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import PulseSourceEntry
from drivers.errors import InstrumentError
from drivers.instrument import Kind, Output, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.link import TIMEOUT_S
from drivers.model import Model, narrowed
from drivers.protocols import Cost, Identity, Polarity, Pulse, PulseTrain
from drivers.pulse_generators.runs import run_cost, runs

KIND = Kind(manufacturer=r"(Agilent|Keysight) Technologies", model="81160A")
OUTPUT = Output(on=":OUTP1 ON", off=":OUTP1 OFF", query=":OUTP1?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

WIDTH = Limit(quantity="pulse width", low=1.5e-9, high=1e5, unit="s", origin="the 81160A manual")
LOAD = Limit(quantity="load", low=0.3, high=1e6, unit="ohm", origin="the 81160A manual")
COUNT = Limit(quantity="burst length", low=1, high=2_147_483_647, unit="", origin="the 81160A manual")

EDGE_S = 1e-9
"""Transition time of both edges, seconds: the fastest."""

PERIOD_PER_WIDTH = 10
"""A tenth of the time under current: the track cools between pulses."""

_SOURCE_OHM = 50.0
_SMALLEST_V, _LARGEST_V = 0.05, 5.0
_LEVEL_TOLERANCE_V = 2e-3
_WIDTH_TOLERANCE = 1e-2


def amplitude_limit(load_ohm: float) -> Limit:
    """Return the amplitudes that the generator can put across a load."""
    gain = 2 * load_ohm / (load_ohm + _SOURCE_OHM)
    origin = f"the 81160A manual: {_SMALLEST_V} to {_LARGEST_V} V into 50 ohm, here {load_ohm:g} ohm"
    return Limit(quantity="pulse amplitude", low=_SMALLEST_V * gain, high=_LARGEST_V * gain, unit="V", origin=origin)


@final
class Keysight81160A:
    """A pulse source.

    Args:
        session: the identified instrument.
        amplitude: amplitudes allowed; its upper end is also set as the limit in the box.
        width: widths allowed.
        load_ohm: resistance of the write path, which sets the level at the device.
    """

    def __init__(self, session: Session, *, amplitude: Limit, width: Limit, load_ohm: float) -> None:
        self.session = session
        self._amplitude = amplitude
        self._width = width
        self._load_ohm = LOAD.check(load_ohm)
        self._smallest_v = amplitude_limit(load_ohm).low
        self._armed: Pulse | None = None
        self._armed_generation = -1
        session.read_output(OUTPUT)

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    def arm(self, pulse: Pulse) -> None:
        """Set the pulse shape and switch the output on. Fires nothing."""
        self._amplitude.check(pulse.amplitude_v)
        self._width.check(pulse.width_s)
        self.output_off()
        for command in self._shape(pulse):
            self.session.command(command)
        self.session.check_errors("setting the pulse")
        self.session.confirm(self._settings(pulse))
        self.session.output_on(OUTPUT)
        self.session.check_errors("switching the output on")
        self._armed, self._armed_generation = pulse, self.session.link.generation

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        count = operator.index(count)
        COUNT.check(count)
        pulse = self._armed
        if pulse is None or self._armed_generation != self.session.link.generation:
            raise InstrumentError(f"{self.name} is not armed: arm it with a pulse first")
        # A burst has two cycles at least; without burst mode a trigger gives one.
        for command in (":BURS1:STAT OFF",) if count == 1 else (f":BURS1:NCYC {count}", ":BURS1:STAT ON"):
            self.session.command(command)
        self.session.check_errors("setting the burst length")
        self.session.command("*TRG")
        self.session.ask("*OPC?", scpi.parse_boolean, timeout_s=TIMEOUT_S + count * _period_s(pulse))
        self.session.check_errors("firing")

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing."""
        return run_cost(train, messages_per_run=40)

    def play(self, train: PulseTrain) -> None:
        """Fire a train once, each run of equal pulses as a burst, and wait for the end. Moves the wall."""
        for pulse, count in runs(train):
            self.arm(pulse)
            self.fire(count)

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return (self._amplitude, self._width, COUNT)

    def self_test(self) -> str:
        """Run the self test and return what it said; raise `InstrumentError` if it failed. Switches nothing on."""
        return self.session.self_test()

    def check_errors(self) -> None:
        """Read the error queue until it is empty; raise `InstrumentError` with every entry if it was not."""
        self.session.check_errors()

    def make_safe(self) -> None:
        """Switch the output off: write first, then read back. Raise `SafeStateError` if that cannot be confirmed."""
        self._armed = None
        self.session.make_safe()

    def close(self) -> None:
        """Close the link. Does not touch the output; closing twice is allowed."""
        self.session.close()

    def _shape(self, pulse: Pulse) -> tuple[str, ...]:
        """Return the commands for a pulse, in an order in which no step conflicts with settings that someone left."""
        low_v, high_v = _levels(pulse)
        number = scpi.format_number
        return (
            ":ARM:SOUR1 MAN",
            ":VOLT1:LIM:STAT OFF",
            f":OUTP1:LOAD {number(self._load_ohm)}",
            ":FUNC1 PULS",
            f":OUTP1:POL {'NORM' if pulse.polarity is Polarity.PUSH else 'INV'}",
            # Smallest swing about the new middle, then out to the levels: HIGH stays above LOW and inside the window.
            f":VOLT1 {number(self._smallest_v)}",
            f":VOLT1:OFFS {number((low_v + high_v) / 2)}",
            f":VOLT1:HIGH {number(high_v)}",
            f":VOLT1:LOW {number(low_v)}",
            # Shortest edges and width first: the period must at all times hold the width and the edges.
            f":FUNC1:PULS:TRAN {number(EDGE_S)}",
            f":PULS:WIDT1 {number(WIDTH.low)}",
            f":PULS:PER1 {number(_period_s(pulse))}",
            f":PULS:WIDT1 {number(pulse.width_s)}",
            ":BURS1:STAT OFF",
            f":VOLT1:LIM:HIGH {number(self._amplitude.high)}",
            f":VOLT1:LIM:LOW {number(-self._amplitude.high)}",
            ":VOLT1:LIM:STAT ON",
        )

    def _settings(self, pulse: Pulse) -> tuple[Setting, ...]:
        low_v, high_v = _levels(pulse)
        return (
            Setting(query=":VOLT1:HIGH?", value=high_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=":VOLT1:LOW?", value=low_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=":PULS:WIDT1?", value=pulse.width_s, relative=_WIDTH_TOLERANCE),
            Setting(query=":VOLT1:LIM:STAT?", value=1),
        )


def _levels(pulse: Pulse) -> tuple[float, float]:
    return (0.0, pulse.amplitude_v) if pulse.polarity is Polarity.PUSH else (-pulse.amplitude_v, 0.0)


def _period_s(pulse: Pulse) -> float:
    return PERIOD_PER_WIDTH * pulse.width_s


def _prepare(entry: PulseSourceEntry, place: str) -> Callable[[Session], Keysight81160A]:
    amplitude = narrowed(amplitude_limit(entry.load_ohm), entry.limits.amplitude_v, place)
    width = narrowed(WIDTH, entry.limits.width_s, place)
    return lambda session: Keysight81160A(session, amplitude=amplitude, width=width, load_ohm=entry.load_ohm)


MODEL = Model(
    key="keysight-81160a",
    title="Keysight 81160A pulse generator",
    entry=PulseSourceEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=_prepare,
)
