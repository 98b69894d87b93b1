"""Keysight 81160A pulse generator, one channel, as a source of finite bursts and of pulse trains.

A pulse rests at 0 V. Push: LOW = 0, HIGH = amplitude, normal polarity. Pull: LOW = -amplitude, HIGH = 0, inverted
polarity, because the instrument rests at LOW in normal polarity and at HIGH in inverted. The trigger source is manual
throughout, so nothing leaves the output but what `fire` and `play` ask for.

A train is one pattern of three levels: LOW pulls, HIGH pushes, and electrical idle is their middle, 0 V. A symbol of
the pattern lasts one pulse width, so a train is a pattern where

* the period is a whole number of widths, at least two, and the width at least 3.1 ns,
* push and pull have one amplitude, or only one of them occurs,
* the swing from -amplitude to +amplitude is in the generator's range, which is half its amplitudes,
* the symbols fit into the memory of 2 097 152.

Any other train is played as bursts, one for each run of equal pulses: order and counts are kept, and the times between
pulses are then those of `fire`, pauses left out.

Amplitudes are those across the device: the instrument rescales its levels by the load that it is told of.

The user's guide of the 81150A and 81160A tells the format of the block (page 541), the levels (552, 610) and the memory
(612). It was not at hand for two facts: that code 2 is the idle symbol, and that in pattern mode one cycle of a burst
is one symbol. See both on an oscilloscope, into 50 ohm, before devices hang on the output.
"""

from collections.abc import Callable, Sequence
from typing import Final, final

import numpy as np

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import PulseSourceEntry
from drivers.errors import ConfigError, InstrumentError
from drivers.instrument import Kind, Output, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Cost, Identity, Polarity, Pulse, PulseTrain
from drivers.pulse_generators import shape
from drivers.pulse_generators.bounds import PulseBounds, bounds_of
from drivers.pulse_generators.firing import fire_once, is_on, switch_on
from drivers.pulse_generators.keysight_81160a.pattern import Pattern, pattern_of
from drivers.pulse_generators.runs import runs

KIND = Kind(manufacturer=r"(Agilent|Keysight) Technologies", model="81160A")
OUTPUT = Output(on=":OUTP1 ON", off=":OUTP1 OFF", query=":OUTP1?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

WIDTH = Limit(quantity="pulse width", low=1.5e-9, high=1e5, unit="s", origin="the 81160A manual")
PERIOD = Limit(quantity="pulse period", low=3.03e-9, high=1e6, unit="s", origin="the 81160A manual")
LOAD = Limit(quantity="load", low=0.3, high=1e6, unit="ohm", origin="the 81160A manual")
COUNT = Limit(quantity="burst length", low=1, high=2_147_483_647, unit="", origin="the 81160A manual")

EDGE_S = 1e-9
"""Transition time of both edges, seconds: the fastest."""

PERIOD_PER_WIDTH = 10
"""A tenth of the time under current: the track cools between pulses."""

_SMALLEST_V, _LARGEST_V = 0.05, 5.0
_LEVEL_TOLERANCE_V = 2e-3
_WIDTH_TOLERANCE = 1e-2
_WORDS: Final = {":ARM:SOUR1?": "MAN"}

_MAKE_SAFE = 2  # messages: write, read back
_VERIFY = 2  # numbers in one message, words in another
_FIRE = 2 * _VERIFY + 3  # trigger, wait, errors


def amplitude_limit(load_ohm: float) -> Limit:
    """Return the amplitudes that the generator can put across a load."""
    return shape.amplitude_limit(load_ohm, smallest_v=_SMALLEST_V, largest_v=_LARGEST_V, source="the 81160A manual")


@final
class Keysight81160A:
    """A pulse source.

    Args:
        session: the identified instrument.
        bounds: what may be sent; the upper end of the amplitudes is also set as the limit in the box.
    """

    def __init__(self, session: Session, *, bounds: PulseBounds) -> None:
        self.session = session
        self._bounds = bounds
        LOAD.check(bounds.load_ohm)
        own = amplitude_limit(bounds.load_ohm)
        self._smallest_v, self._largest_swing_v = own.low, own.high
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
        self._bounds.check_pulse(pulse)
        self.output_off()
        low_v, high_v = shape.levels_v(pulse)
        self._send(self._shape(low_v, high_v, pulse.polarity, _period_s(pulse), pulse.width_s))
        switch_on(
            self.session,
            OUTPUT,
            _settings(low_v, high_v, pulse.width_s, self._bounds.amplitude.high),
            "setting the pulse",
        )
        self._armed, self._armed_generation = pulse, self.session.link.generation

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        pulse = self._armed
        if pulse is None or self._armed_generation != self.session.link.generation:
            raise InstrumentError(f"{self.name} is not armed: arm it with a pulse first")
        count = self._bounds.check_burst(pulse, count)
        # Armed again only when all went well: after a doubt, nothing is fired twice.
        self._armed = None
        self._send(_burst(count))
        self.session.check_errors("setting the burst length")
        low_v, high_v = shape.levels_v(pulse)
        self.session.remember(
            (
                *_settings(low_v, high_v, pulse.width_s, self._bounds.amplitude.high),
                *_burst_settings(count),
                is_on(OUTPUT),
            )
        )
        fire_once(self.session, "*TRG", words=_WORDS, duration_s=count * _period_s(pulse))
        self._armed = pulse

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing."""
        symbols = self._bounds.check_train(train)
        pattern = pattern_of(train, symbols, largest_swing_v=self._largest_swing_v)
        if pattern is not None:
            commands = self._pattern_messages(pattern)
            settings = _pattern_settings(pattern, self._bounds.amplitude.high)
            return Cost(
                # The block and its read-back; errors after setting and after switching on, output on and read back.
                messages=_MAKE_SAFE + len(commands) + 2 + len(settings) + 4 + 1 + _FIRE,
                bytes_out=pattern.block.nbytes,
                duration_s=pattern.symbol_count * pattern.symbol_s,
            )
        messages, duration_s = 0, 0.0
        for pulse, count in runs(train):
            low_v, high_v = shape.levels_v(pulse)
            commands = self._shape(low_v, high_v, pulse.polarity, _period_s(pulse), pulse.width_s)
            settings = _settings(low_v, high_v, pulse.width_s, self._bounds.amplitude.high)
            messages += _MAKE_SAFE + len(commands) + len(settings) + 4 + 1 + len(_burst(count)) + 2 + _FIRE
            duration_s += count * _period_s(pulse)
        return Cost(messages=messages, bytes_out=0, duration_s=duration_s)

    def play(self, train: PulseTrain) -> None:
        """Load a train as a pattern, fire it once and wait for the end. Moves the wall.

        A train that is no pattern, as the module says, is fired as a burst for each run of equal pulses.
        """
        symbols = self._bounds.check_train(train)
        pattern = pattern_of(train, symbols, largest_swing_v=self._largest_swing_v)
        if pattern is None:
            for pulse, count in runs(train):
                self.arm(pulse)
                self.fire(count)
            self._armed = None
            return
        self.output_off()
        self._send(self._pattern_messages(pattern))
        self.session.link.write_block(":DIG1:PATT:DATA ", pattern.block)
        settings = _pattern_settings(pattern, self._bounds.amplitude.high)
        loaded = self.session.link.query_block(":DIG1:PATT:DATA?", np.uint8, pattern.block.size)
        if not np.array_equal(loaded, pattern.block):
            raise self.session.refusal("holds another pattern than it was sent", self.session.drain_errors())
        switch_on(self.session, OUTPUT, settings, "loading the pattern")
        duration_s = pattern.symbol_count * pattern.symbol_s
        fire_once(self.session, "*TRG", words=_WORDS, duration_s=duration_s)

    def output_off(self) -> None:
        """Switch the output off."""
        self.make_safe()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return self._bounds.limits

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

    def _send(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.session.command(command)

    def _shape(
        self, low_v: float, high_v: float, polarity: Polarity, period_s: float, width_s: float
    ) -> tuple[str, ...]:
        """Return the commands for a pulse, in an order in which no step conflicts with settings that someone left."""
        number = scpi.format_number
        return (
            ":ARM:SOUR1 MAN",
            ":DIG1:PATT:STAT OFF",
            ":VOLT1:LIM:STAT OFF",
            f":OUTP1:LOAD {number(self._bounds.load_ohm)}",
            ":FUNC1 PULS",
            f":OUTP1:POL {'NORM' if polarity is Polarity.PUSH else 'INV'}",
            # Smallest swing about the new middle, then out to the levels: HIGH stays above LOW and inside the window.
            f":VOLT1 {number(self._smallest_v)}",
            f":VOLT1:OFFS {number((low_v + high_v) / 2)}",
            f":VOLT1:HIGH {number(high_v)}",
            f":VOLT1:LOW {number(low_v)}",
            # Shortest edges and width first: the period must at all times hold the width and the edges.
            f":FUNC1:PULS:TRAN {number(EDGE_S)}",
            f":PULS:WIDT1 {number(WIDTH.low)}",
            f":PULS:PER1 {number(period_s)}",
            f":PULS:WIDT1 {number(width_s)}",
            ":BURS1:MODE TRIG",
            ":BURS1:STAT OFF",
            # Without burst mode, this is what a trigger gives.
            ":TRIG1:COUN 1",
            f":VOLT1:LIM:HIGH {number(self._bounds.amplitude.high)}",
            f":VOLT1:LIM:LOW {number(-self._bounds.amplitude.high)}",
            ":VOLT1:LIM:STAT ON",
        )

    def _pattern_messages(self, pattern: Pattern) -> tuple[str, ...]:
        """Return the commands before the block."""
        amplitude_v = pattern.amplitude_v
        return (
            *self._shape(-amplitude_v, amplitude_v, Polarity.PUSH, pattern.symbol_s, WIDTH.low),
            f":BURS1:NCYC {pattern.symbol_count}",
            ":BURS1:STAT ON",
            ":DIG1:PATT:STAT ON",
            ":DIG1:PATT:FORM PACK,8",
            ":DIG1:PATT:NLEV 3",
        )


def _settings(low_v: float, high_v: float, width_s: float, largest_v: float) -> tuple[Setting, ...]:
    return (
        Setting(query=":VOLT1:HIGH?", value=high_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
        Setting(query=":VOLT1:LOW?", value=low_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
        Setting(query=":PULS:WIDT1?", value=width_s, relative=_WIDTH_TOLERANCE),
        Setting(query=":VOLT1:LIM:STAT?", value=1),
        Setting(query=":VOLT1:LIM:HIGH?", value=largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
        Setting(query=":VOLT1:LIM:LOW?", value=-largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
    )


def _pattern_settings(pattern: Pattern, largest_v: float) -> tuple[Setting, ...]:
    return (
        *_settings(-pattern.amplitude_v, pattern.amplitude_v, WIDTH.low, largest_v),
        Setting(query=":PULS:PER1?", value=pattern.symbol_s, relative=_WIDTH_TOLERANCE),
        Setting(query=":DIG1:PATT:STAT?", value=1),
        Setting(query=":DIG1:PATT:NLEV?", value=3),
        *_burst_settings(pattern.symbol_count),
    )


def _burst(count: int) -> tuple[str, ...]:
    # A burst has two cycles at least; without burst mode a trigger gives one.
    return (":BURS1:STAT OFF",) if count == 1 else (f":BURS1:NCYC {count}", ":BURS1:STAT ON")


def _burst_settings(count: int) -> tuple[Setting, ...]:
    if count == 1:
        return (Setting(query=":BURS1:STAT?", value=0), Setting(query=":TRIG1:COUN?", value=1))
    return (Setting(query=":BURS1:NCYC?", value=count, relative=0), Setting(query=":BURS1:STAT?", value=1))


def _period_s(pulse: Pulse) -> float:
    return PERIOD_PER_WIDTH * pulse.width_s


def _prepare(entry: PulseSourceEntry, place: str) -> Callable[[Session], Keysight81160A]:
    if entry.channel != 1 or entry.pull_channel is not None:
        raise ConfigError(f"{place}: the driver speaks to channel 1 alone, which has both polarities")
    bounds = bounds_of(entry, place, amplitude=amplitude_limit(entry.load_ohm), width=WIDTH, count=COUNT, period=PERIOD)
    return lambda session: Keysight81160A(session, bounds=bounds)


MODEL = Model(
    key="keysight-81160a",
    title="Keysight 81160A pulse generator",
    entry=PulseSourceEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=_prepare,
)
