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

from collections.abc import Callable, Sequence
from typing import final

from drivers.dialect import SCPI
from drivers.entries import PulseSourceEntry
from drivers.errors import ConfigError, InstrumentError
from drivers.instrument import Session
from drivers.interface_lock import SYSTEM_LOCK
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Cost, Identity, Pulse, PulseTrain
from drivers.pulse_generators.bounds import PulseBounds, bounds_of
from drivers.pulse_generators.firing import fire_once, is_on, switch_on
from drivers.pulse_generators.keysight_33500b.channel import Channel, output, safe_state
from drivers.pulse_generators.keysight_33500b.family import (
    COUNT,
    FAMILY_33500B,
    FAMILY_33600A,
    LOAD,
    Family,
    amplitude_limit,
)
from drivers.pulse_generators.keysight_33500b.program import largest_v, program_of
from drivers.pulse_generators.runs import runs

_MAKE_SAFE = 2  # messages: write, read back
_SWITCH_ON = 5  # errors after setting, output on, read back, errors, event register
_VERIFY = 3  # numbers in one message, two words in messages of their own
_FIRE = 2 * _VERIFY + 3  # trigger, wait for the end, errors


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
        self._channel = Channel(number=channel, family=family, bounds=bounds)
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
        self._send(self._channel.shape(pulse))
        switch_on(self.session, self._output, self._channel.pulse_settings(pulse, 1), "setting the pulse")
        self._armed, self._armed_generation = pulse, self.session.link.generation

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        pulse = self._armed
        if pulse is None or self._armed_generation != self.session.link.generation:
            raise InstrumentError(f"{self.name} is not armed: arm it with a pulse first")
        count = self._bounds.check_burst(pulse, count)
        # Armed again only when all went well: after a doubt, nothing is fired twice.
        self._armed = None
        self.session.command(f"SOUR{self._channel.number}:BURS:NCYC {count}")
        self.session.check_errors("setting the burst length")
        self.session.remember((*self._channel.pulse_settings(pulse, count), is_on(self._output)))
        fire_once(
            self.session, "*TRG", words=self._channel.words("PULS"), duration_s=count * self._channel.period_s(pulse)
        )
        self._armed = pulse

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing."""
        program = program_of(train, self._bounds.check_train(train), self._family)
        if program is not None:
            amplitude_v = largest_v(train)
            before, after = self._channel.loading(), self._channel.playing(program, amplitude_v)
            settings = self._channel.program_settings(program, amplitude_v)
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
            shape, settings = self._channel.shape(pulse), self._channel.pulse_settings(pulse, 1)
            messages += _MAKE_SAFE + len(shape) + len(settings) + _SWITCH_ON
            messages += 3 + _FIRE  # burst length, errors, event register
            duration_s += count * self._channel.period_s(pulse)
        return Cost(messages=messages, bytes_out=0, duration_s=duration_s)

    def play(self, train: PulseTrain) -> None:
        """Load a train as a waveform or a sequence, fire it once and wait for the end. Moves the wall.

        A train that is neither, as the module says, is fired as a burst for each run of equal pulses.
        """
        program = program_of(train, self._bounds.check_train(train), self._family)
        if program is None:
            for pulse, count in runs(train):
                self.arm(pulse)
                self.fire(count)
            self._armed = None
            return
        amplitude_v = largest_v(train)
        self.output_off()
        self._send(self._channel.loading())
        for header, array in program.blocks:
            self.session.link.write_block(self._channel.block_header(header), array)
        self._send(self._channel.playing(program, amplitude_v))
        switch_on(self.session, self._output, self._channel.program_settings(program, amplitude_v), "loading the train")
        fire_once(
            self.session,
            "*TRG",
            words=self._channel.words("ARB"),
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

    def _send(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.session.command(command)


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
        lock=SYSTEM_LOCK,
    )


MODEL_33500B = _model(FAMILY_33500B)
MODEL_33600A = _model(FAMILY_33600A)
