"""Keysight 33500B and 33600A waveform generators as sources of finite bursts and of pulse trains, one channel.

A pulse rests at 0 V. Push: LOW = 0, HIGH = amplitude, normal polarity. Pull: LOW = -amplitude, HIGH = 0, inverted
polarity, because the instrument rests at LOW in normal polarity and at HIGH in inverted. Burst mode is on and the
trigger source is the bus before the output is, so nothing leaves it but what `fire` and `play` ask for. `*TRG` also
triggers the other channel, if somebody armed that for the bus.

A train with a period of a whole number of widths, at least two, is played from the waveform memory, push and pull at
their own amplitudes: as one arbitrary waveform of a sample for each width where that fits into a million points, else
as a sequence of three waveforms of one period, push, pull and rest, with a step for each run of equal symbols, where
512 steps are enough. Any other train is played as bursts, one for each run of equal pulses: order and counts are kept,
and the times between pulses are then those of `fire`, pauses left out.

Amplitudes are those across the device: the instrument rescales its levels by the load that it is told of.

Ranges of width and sample rate are in the makers' data sheets as other drivers quote them. From memory, to be seen on
an oscilloscope before devices hang on the output: the shortest width and edge of the 33600A, the most cycles of a
burst, the most steps of a sequence, and that a waveform in a burst rests at its first point.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import PulseSourceEntry
from drivers.errors import ConfigError, InstrumentError
from drivers.instrument import Kind, Output, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Cost, Identity, Polarity, Pulse, PulseTrain
from drivers.pulse_generators.bounds import PulseBounds, bounds_of
from drivers.pulse_generators.firing import fire_once
from drivers.pulse_generators.runs import runs

LONGEST_WAVEFORM: Final = 1_000_000
"""Points of the waveform memory without options."""

LONGEST_SEQUENCE: Final = 512
"""Steps of a sequence."""

MOST_REPEATS: Final = 1_000_000
"""Repetitions of one step."""

PERIOD_PER_WIDTH = 10
"""A tenth of the time under current: the track cools between pulses."""

_FULL_SCALE = 32_767
_WHOLE = 1e-6  # how far from a whole number of widths a period may be
_SOURCE_OHM = 50.0
_SMALLEST_V, _LARGEST_V = 0.01, 5.0
_LEVEL_TOLERANCE_V = 2e-3
_TIME_TOLERANCE = 1e-2
_NAMES: Final = {1: "PUSH", 0: "REST", -1: "PULL"}
_TRAIN = "TRAIN"

_MAKE_SAFE = 2  # messages: write, read back
_SWITCH_ON = 5  # errors after setting, output on, read back, errors, event register
_VERIFY = 3  # numbers in one message, two words in messages of their own
_FIRE = 2 * _VERIFY + 3  # trigger, wait for the end, errors


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What differs between the families."""

    key: str
    """Name in bench files."""
    title: str
    """Maker and models in words."""
    kind: Kind
    """Which identities will do."""
    width: Limit
    """Pulse widths."""
    period: Limit
    """Pulse periods."""
    edge_s: float
    """Transition time of both edges, seconds: the fastest."""
    highest_rate: float
    """Samples per second of an arbitrary waveform."""
    fewest_points: int
    """Points of the shortest waveform."""

    @property
    def origin(self) -> str:
        """Return where the limits come from."""
        return self.width.origin


def _family(
    key: str, names: str, model: str, *, width_s: float, period_s: float, edge_s: float, rate: float, points: int
) -> Family:
    origin = f"the {names} data sheet"
    return Family(
        key=key,
        title=f"Keysight {names} waveform generator",
        kind=Kind(manufacturer=r"(Agilent|Keysight) Technologies", model=model),
        width=Limit(quantity="pulse width", low=width_s, high=1e5, unit="s", origin=origin),
        period=Limit(quantity="pulse period", low=period_s, high=1e6, unit="s", origin=origin),
        edge_s=edge_s,
        highest_rate=rate,
        fewest_points=points,
    )


FAMILY_33500B: Final = _family(
    "keysight-33500b",
    "33500B",
    r"335(0[9]|1[0129]|2[0-2])B",
    width_s=16e-9,
    period_s=33e-9,
    edge_s=8.4e-9,
    rate=250e6,
    points=8,
)
FAMILY_33600A: Final = _family(
    "keysight-33600a", "33600A", r"336[12][12]A", width_s=5e-9, period_s=10e-9, edge_s=2.9e-9, rate=660e6, points=32
)

COUNT = Limit(quantity="burst length", low=1, high=100_000_000, unit="", origin="the 33500B and 33600A manual")
LOAD = Limit(quantity="load", low=1.0, high=1e4, unit="ohm", origin="the 33500B and 33600A manual")


def output(channel: int) -> Output:
    """Return the commands of a channel's output."""
    return Output(on=f"OUTP{channel} ON", off=f"OUTP{channel} OFF", query=f"OUTP{channel}?")


def safe_state(channel: int) -> SafeState:
    """Return how a channel is made safe."""
    commands = output(channel)
    return SafeState(command=commands.off, query=commands.query, confirms="0".__eq__)


def amplitude_limit(family: Family, load_ohm: float) -> Limit:
    """Return the amplitudes that a generator can put across a load."""
    gain = 2 * load_ohm / (load_ohm + _SOURCE_OHM)
    origin = f"{family.origin}: {_SMALLEST_V} to {_LARGEST_V} V into 50 ohm, here {load_ohm:g} ohm"
    return Limit(quantity="pulse amplitude", low=_SMALLEST_V * gain, high=_LARGEST_V * gain, unit="V", origin=origin)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A train as the generator's memory holds it."""

    blocks: tuple[tuple[str, NDArray[np.generic]], ...]
    """Commands that end with a block, and the blocks, in order."""
    name: str
    """What to select."""
    rate: float
    """Samples per second."""
    points: tuple[tuple[str, int], ...]
    """Waveforms and their lengths, to be read back."""
    is_sequence: bool
    """Whether it is a sequence of waveforms."""
    duration_s: float
    """Time of the whole train, seconds."""


@final
class Keysight33500B:
    """A pulse source.

    Args:
        session: the identified instrument.
        family: which family it is of.
        bounds: what may be sent; the upper end of the amplitudes is also set as the limit in the box.
        channel: which channel leads to the devices.
    """

    def __init__(self, session: Session, *, family: Family, bounds: PulseBounds, channel: int) -> None:
        self.session = session
        self._family = family
        self._bounds = bounds
        LOAD.check(bounds.load_ohm)
        self._smallest_v = amplitude_limit(family, bounds.load_ohm).low
        self._channel = channel
        self._output = output(channel)
        self._armed: Pulse | None = None
        self._armed_generation = -1
        session.read_output(self._output)

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
        self._send(self._shape(pulse))
        self._switch_on(self._settings(pulse, 1), "setting the pulse")
        self._armed, self._armed_generation = pulse, self.session.link.generation

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        pulse = self._armed
        if pulse is None or self._armed_generation != self.session.link.generation:
            raise InstrumentError(f"{self.name} is not armed: arm it with a pulse first")
        count = self._bounds.check_burst(pulse, count)
        # Armed again only when all went well: after a doubt, nothing is fired twice.
        self._armed = None
        self.session.command(f"SOUR{self._channel}:BURS:NCYC {count}")
        self.session.check_errors("setting the burst length")
        self.session.remember((*self._settings(pulse, count), self._is_on))
        fire_once(self.session, "*TRG", words=self._words("PULS"), duration_s=count * self._period_s(pulse))
        self._armed = pulse

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing."""
        program = self._program(train, self._bounds.check_train(train))
        if program is not None:
            amplitude_v = _largest_v(train)
            before, after = self._loading(), self._playing(program, amplitude_v)
            settings = self._program_settings(program, amplitude_v)
            messages = _MAKE_SAFE + len(before) + len(program.blocks) + len(after) + len(settings) + _SWITCH_ON
            # The end of a sequence is not asked for.
            messages += _FIRE - program.is_sequence
            return Cost(
                messages=messages,
                bytes_out=max(array.nbytes for _, array in program.blocks),
                duration_s=program.duration_s,
            )
        messages, duration_s = 0, 0.0
        for pulse, count in runs(train):
            messages += _MAKE_SAFE + len(self._shape(pulse)) + len(self._settings(pulse, 1)) + _SWITCH_ON
            messages += 3 + _FIRE  # burst length, errors, event register
            duration_s += count * self._period_s(pulse)
        return Cost(messages=messages, bytes_out=0, duration_s=duration_s)

    def play(self, train: PulseTrain) -> None:
        """Load a train as a waveform or a sequence, fire it once and wait for the end. Moves the wall.

        A train that is neither, as the module says, is fired as a burst for each run of equal pulses.
        """
        program = self._program(train, self._bounds.check_train(train))
        if program is None:
            for pulse, count in runs(train):
                self.arm(pulse)
                self.fire(count)
            self._armed = None
            return
        amplitude_v = _largest_v(train)
        self.output_off()
        self._send(self._loading())
        for prefix, array in program.blocks:
            self.session.link.write_block(prefix, array)
        self._send(self._playing(program, amplitude_v))
        self._switch_on(self._program_settings(program, amplitude_v), "loading the train")
        fire_once(
            self.session,
            "*TRG",
            words=self._words("ARB"),
            duration_s=program.duration_s,
            # A sequence that waits for its next trigger is not known to hold up *OPC?.
            end_query=None if program.is_sequence else "*OPC?",
        )

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

    @property
    def _is_on(self) -> Setting:
        return Setting(query=self._output.query, value=1)

    def _words(self, shape: str) -> dict[str, str]:
        return {f"TRIG{self._channel}:SOUR?": "BUS", f"SOUR{self._channel}:FUNC?": shape}

    def _send(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.session.command(command)

    def _switch_on(self, settings: Sequence[Setting], doing: str) -> None:
        """See that settings took, switch the output on and take note of it all."""
        self.session.check_errors(doing)
        self.session.confirm(settings)
        self.session.output_on(self._output)
        self.session.check_errors("switching the output on")
        self.session.remember((*settings, self._is_on))

    def _period_s(self, pulse: Pulse) -> float:
        return max(PERIOD_PER_WIDTH * pulse.width_s, self._family.period.low)

    def _shape(self, pulse: Pulse) -> tuple[str, ...]:
        """Return the commands for a pulse, in an order in which no step conflicts with settings that someone left."""
        source, number = f"SOUR{self._channel}", scpi.format_number
        return (
            f"TRIG{self._channel}:SOUR BUS",
            f"{source}:VOLT:LIM:STAT OFF",
            f"OUTP{self._channel}:LOAD {number(self._bounds.load_ohm)}",
            # Shortest edges and width before the period, and both before the pulse: at all times, it must hold them.
            f"{source}:FUNC:PULS:HOLD WIDT",
            f"{source}:FUNC:PULS:TRAN:BOTH {number(self._family.edge_s)}",
            f"{source}:FUNC:PULS:WIDT {number(self._family.width.low)}",
            f"{source}:FUNC:PULS:PER {number(self._period_s(pulse))}",
            f"{source}:FUNC PULS",
            f"{source}:FUNC:PULS:WIDT {number(pulse.width_s)}",
            f"OUTP{self._channel}:POL {'NORM' if pulse.polarity is Polarity.PUSH else 'INV'}",
            *self._levels(*_levels(pulse)),
            *self._bursts(is_on=True),
            *self._box_limits(),
        )

    def _levels(self, low_v: float, high_v: float) -> tuple[str, ...]:
        source, number = f"SOUR{self._channel}", scpi.format_number
        return (
            # Smallest swing about the new middle, then out to the levels: HIGH stays above LOW and inside the window.
            f"{source}:VOLT {number(self._smallest_v)}",
            f"{source}:VOLT:OFFS {number((low_v + high_v) / 2)}",
            f"{source}:VOLT:HIGH {number(high_v)}",
            f"{source}:VOLT:LOW {number(low_v)}",
        )

    def _bursts(self, *, is_on: bool) -> tuple[str, ...]:
        source = f"SOUR{self._channel}"
        return (
            f"{source}:BURS:MODE TRIG",
            f"{source}:BURS:PHAS 0",
            f"{source}:BURS:NCYC 1",
            f"{source}:BURS:STAT {scpi.format_boolean(is_on)}",
            f"TRIG{self._channel}:DEL 0",
        )

    def _box_limits(self) -> tuple[str, ...]:
        limit, number = f"SOUR{self._channel}:VOLT:LIM", scpi.format_number
        return (
            f"{limit}:HIGH {number(self._bounds.amplitude.high)}",
            f"{limit}:LOW {number(-self._bounds.amplitude.high)}",
            f"{limit}:STAT ON",
        )

    def _level_settings(self, low_v: float, high_v: float) -> tuple[Setting, ...]:
        source, largest_v = f"SOUR{self._channel}", self._bounds.amplitude.high
        return (
            Setting(query=f"{source}:VOLT:HIGH?", value=high_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LOW?", value=low_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LIM:STAT?", value=1),
            Setting(query=f"{source}:VOLT:LIM:HIGH?", value=largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
            Setting(query=f"{source}:VOLT:LIM:LOW?", value=-largest_v, relative=0, absolute=_LEVEL_TOLERANCE_V),
        )

    def _settings(self, pulse: Pulse, count: int) -> tuple[Setting, ...]:
        source = f"SOUR{self._channel}"
        return (
            *self._level_settings(*_levels(pulse)),
            Setting(query=f"{source}:FUNC:PULS:WIDT?", value=pulse.width_s, relative=_TIME_TOLERANCE),
            Setting(query=f"{source}:BURS:NCYC?", value=count, relative=0),
            Setting(query=f"{source}:BURS:STAT?", value=1),
        )

    def _program(self, train: PulseTrain, symbols: NDArray[np.int8]) -> Program | None:
        """Return the train as a waveform or a sequence, or None if it is neither."""
        widths = train.period_s / train.width_s
        whole = round(widths)
        if whole < 2 or abs(widths - whole) > _WHOLE * whole:
            return None
        full_v = _largest_v(train)
        push = round(_FULL_SCALE * train.push_amplitude_v / full_v) if (symbols > 0).any() else 0
        pull = round(_FULL_SCALE * train.pull_amplitude_v / full_v) if (symbols < 0).any() else 0
        return self._waveform(train, symbols, whole, push, pull) or self._sequence(train, symbols, whole, push, pull)

    def _waveform(
        self, train: PulseTrain, symbols: NDArray[np.int8], whole: int, push: int, pull: int
    ) -> Program | None:
        rate = 1 / train.width_s
        # The output rests at the first sample, so the train begins with one at 0 V.
        length = max(1 + len(symbols) * whole, self._family.fewest_points)
        if length > LONGEST_WAVEFORM:
            return None
        samples = np.zeros(length, np.dtype(">i2"))
        heads = samples[1 : 1 + len(symbols) * whole : whole]
        heads[symbols > 0] = push
        heads[symbols < 0] = -pull
        return Program(
            blocks=((self._load(_TRAIN), samples),),
            name=_TRAIN,
            rate=rate,
            points=((_TRAIN, length),),
            is_sequence=False,
            duration_s=length / rate,
        )

    def _sequence(
        self, train: PulseTrain, symbols: NDArray[np.int8], whole: int, push: int, pull: int
    ) -> Program | None:
        # So many samples to a width that one period is long enough for a waveform.
        fineness = math.ceil(self._family.fewest_points / whole)
        rate = fineness / train.width_s
        if rate > self._family.highest_rate or whole * fineness * len(_NAMES) > LONGEST_WAVEFORM:
            return None
        starts = np.flatnonzero(np.diff(symbols, prepend=2))
        lengths = np.diff(np.append(starts, len(symbols)))
        # Two more steps: rest before and after.
        if int((-(-lengths // MOST_REPEATS)).sum()) + 2 > LONGEST_SEQUENCE:
            return None
        steps = [
            (_NAMES[int(symbols[start])], min(MOST_REPEATS, int(length) - done))
            for start, length in zip(starts, lengths, strict=True)
            for done in range(0, int(length), MOST_REPEATS)
        ]
        blocks: list[tuple[str, NDArray[np.generic]]] = []
        for name, code in ((_NAMES[1], push), (_NAMES[-1], -pull), (_NAMES[0], 0)):
            samples = np.zeros(whole * fineness, np.dtype(">i2"))
            samples[:fineness] = code
            blocks.append((self._load(name), samples))
        text = ",".join(
            (
                f'"{_TRAIN}","{_NAMES[0]}",0,repeatTilTrig,maintain,4',
                *(f'"{name}",{count},repeat,maintain,4' for name, count in steps),
                # Then the sequence starts over, and waits for a trigger again.
                f'"{_NAMES[0]}",1,once,maintain,4',
            )
        )
        blocks.append((f"SOUR{self._channel}:DATA:SEQ ", np.frombuffer(text.encode("ascii"), np.uint8)))
        return Program(
            blocks=tuple(blocks),
            name=_TRAIN,
            rate=rate,
            points=tuple((name, whole * fineness) for name in _NAMES.values()),
            is_sequence=True,
            duration_s=(len(symbols) + 1) * train.period_s,
        )

    def _load(self, name: str) -> str:
        return f"SOUR{self._channel}:DATA:ARB:DAC {name},"

    def _loading(self) -> tuple[str, ...]:
        """Return the commands before the blocks."""
        return (
            f"TRIG{self._channel}:SOUR BUS",
            f"SOUR{self._channel}:BURS:STAT ON",
            f"SOUR{self._channel}:DATA:VOL:CLE",
            "FORM:BORD NORM",
        )

    def _playing(self, program: Program, amplitude_v: float) -> tuple[str, ...]:
        """Return the commands after the blocks."""
        source, number = f"SOUR{self._channel}", scpi.format_number
        return (
            f"{source}:VOLT:LIM:STAT OFF",
            f"OUTP{self._channel}:LOAD {number(self._bounds.load_ohm)}",
            f"OUTP{self._channel}:POL NORM",
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

    def _program_settings(self, program: Program, amplitude_v: float) -> tuple[Setting, ...]:
        source = f"SOUR{self._channel}"
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


def _levels(pulse: Pulse) -> tuple[float, float]:
    return (0.0, pulse.amplitude_v) if pulse.polarity is Polarity.PUSH else (-pulse.amplitude_v, 0.0)


def _largest_v(train: PulseTrain) -> float:
    """Return the largest amplitude that occurs."""
    symbols = np.asarray(train.symbols)
    return max(
        train.push_amplitude_v if (symbols > 0).any() else 0.0,
        train.pull_amplitude_v if (symbols < 0).any() else 0.0,
    )


def _model(family: Family) -> Model[PulseSourceEntry]:
    def prepare(entry: PulseSourceEntry, place: str) -> Callable[[Session], Keysight33500B]:
        if entry.channel > 2 or entry.pull_channel is not None:
            raise ConfigError(f"{place}: there are channels 1 and 2, and each has both polarities")
        bounds = bounds_of(
            entry,
            place,
            amplitude=amplitude_limit(family, entry.load_ohm),
            width=family.width,
            count=COUNT,
            period=family.period,
        )
        return lambda session: Keysight33500B(session, family=family, bounds=bounds, channel=entry.channel)

    return Model(
        key=family.key,
        title=family.title,
        entry=PulseSourceEntry,
        kind=family.kind,
        dialect=SCPI,
        safe=lambda entry: safe_state(entry.channel),
        prepare=prepare,
    )


MODEL_33500B = _model(FAMILY_33500B)
MODEL_33600A = _model(FAMILY_33600A)
