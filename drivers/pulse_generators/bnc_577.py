"""Berkeley Nucleonics 577 pulse generator on a serial line, as a source of finite bursts.

Its pulses are positive. A push comes from the output named `channel`. A pull needs a second output, `pull_channel`,
that leads to the device through an inverting transformer or amplifier: inverted polarity is no way, because that
output would stand at its amplitude between pulses. Without a `pull_channel`, pulls and trains with pulls raise
`LimitError`.

The system timer is in burst mode with its trigger enabled before it is switched on, so that `*TRG` alone fires. The
generator has no list: a train is played as bursts, one for each run of equal pulses; order and counts are kept, the
period is the train's, and pauses are left out.

Every command is answered by `ok`, or by `?` and a number: 1 no colon or asterisk, 2 no keyword, 3 no such keyword,
4 parameter missing, 5 parameter invalid, 6 query only, 7 no query, 8 not in this state, 9 out of bounds. There is no
error queue, no event register and no `*OPC?`; a burst is waited out by its length. A power cycle shows by settings
that are no longer those that were made, and only by them.

Amplitudes are those across the device. The generator knows of no load: its amplitude is the open-circuit voltage,
divided by its 50 ohm and the write path. The answers are in the manual (page 24), commands and ranges in other
people's drivers; the 50 ohm of the output and that the amplitude is an open-circuit voltage are from memory: measure
the pulse across a resistor of the write path's value before devices hang on the output.
"""

from collections.abc import Callable, Sequence
from typing import Final, final

from drivers import scpi
from drivers.dialect import Dialect
from drivers.entries import PulseSourceEntry
from drivers.errors import ConfigError, InstrumentError, LimitError
from drivers.instrument import Kind, Output, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Cost, Identity, Polarity, Pulse, PulseTrain
from drivers.pulse_generators.bounds import PulseBounds, bounds_of
from drivers.pulse_generators.firing import fire_once
from drivers.pulse_generators.runs import runs

DIALECT = Dialect(
    terminator="\r\n",
    acknowledgement="ok",
    error_query=None,
    event_query=None,
    joint=None,
    echo=None,
    baud=115_200,
)
KIND = Kind(manufacturer=r"BNC|Berkeley Nucleonics.*", model=r"577.*")
OUTPUT = Output(on=":PULSE0:STATE ON", off=":PULSE0:STATE OFF", query=":PULSE0:STATE?")
SAFE = SafeState(command=OUTPUT.off, query=OUTPUT.query, confirms="0".__eq__)

WIDTH = Limit(quantity="pulse width", low=10e-9, high=999.0, unit="s", origin="the 577 manual")
PERIOD = Limit(quantity="pulse period", low=100e-9, high=5000.0, unit="s", origin="the 577 manual")
COUNT = Limit(quantity="burst length", low=1, high=9_999_999, unit="", origin="the 577 manual")

PERIOD_PER_WIDTH = 10
"""A tenth of the time under current: the track cools between pulses."""

_SOURCE_OHM = 50.0
_SMALLEST_V, _LARGEST_V = 2.0, 20.0
_AMPLITUDE_STEP_V = 0.01
_TIME_STEP_S = 1e-9
_WORDS: Final = {":PULSE0:MODE?": "BURS", ":PULSE0:TRIG:MODE?": "TRIG"}


def amplitude_limit(load_ohm: float) -> Limit:
    """Return the amplitudes that the generator can put across a load."""
    origin = f"the 577 manual: {_SMALLEST_V} to {_LARGEST_V} V open circuit, here {load_ohm:g} ohm"
    share = _share(load_ohm)
    return Limit(quantity="pulse amplitude", low=_SMALLEST_V * share, high=_LARGEST_V * share, unit="V", origin=origin)


def _share(load_ohm: float) -> float:
    """Return the part of the open-circuit voltage that a load sees."""
    return load_ohm / (load_ohm + _SOURCE_OHM)


@final
class Bnc577:
    """A pulse source.

    Args:
        session: the identified instrument.
        bounds: what may be sent.
        channel: output that pushes.
        pull_channel: output that pulls, through an inverter; None if there is none.
    """

    def __init__(self, session: Session, *, bounds: PulseBounds, channel: int, pull_channel: int | None) -> None:
        self.session = session
        self._bounds = bounds
        self._channels = {Polarity.PUSH: channel, Polarity.PULL: pull_channel}
        self._armed: Pulse | None = None
        self._armed_period_s = 0.0
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
        """Set the pulse shape and switch the system on, armed for a trigger. Fires nothing."""
        self._bounds.check_pulse(pulse)
        self._arm(pulse, max(PERIOD_PER_WIDTH * pulse.width_s, PERIOD.low))

    def fire(self, count: int) -> None:
        """Fire `count` pulses of the armed shape, once, and wait for the end. Moves the wall."""
        pulse = self._armed
        if pulse is None or self._armed_generation != self.session.link.generation:
            raise InstrumentError(f"{self.name} is not armed: arm it with a pulse first")
        count = self._bounds.check_burst(pulse, count)
        # Armed again only when all went well: after a doubt, nothing is fired twice.
        self._armed = None
        self.session.command(f":PULSE0:BCO {count}")
        self.session.remember((*self._settings(pulse, self._armed_period_s, count), _IS_ON))
        fire_once(
            self.session,
            "*TRG",
            words=self._words(pulse),
            duration_s=count * self._armed_period_s,
            end_query=None,
        )
        self._armed = pulse

    def cost(self, train: PulseTrain) -> Cost:
        """Return what `play` would take. Sends nothing."""
        self._check_train(train)
        messages, duration_s = 0, 0.0
        for pulse, count in runs(train):
            settings, words = self._settings(pulse, train.period_s, 1), self._words(pulse)
            # Off and read back, the shape, its read-back, on and read back; burst length, two verifications, trigger.
            messages += 2 + len(self._shape(pulse, train.period_s)) + len(settings) + 2
            messages += 1 + 2 * (len(settings) + 1 + len(words)) + 1
            duration_s += count * train.period_s
        return Cost(messages=messages, bytes_out=0, duration_s=duration_s)

    def play(self, train: PulseTrain) -> None:
        """Fire a train, a burst for each run of equal pulses, and wait for the end. Moves the wall."""
        self._check_train(train)
        for pulse, count in runs(train):
            self._arm(pulse, train.period_s)
            self.fire(count)
        self._armed = None

    def output_off(self) -> None:
        """Switch the system off: no output pulses."""
        self.make_safe()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return self._bounds.limits

    def self_test(self) -> str:
        """Say that there is no self test; sends nothing."""
        return "the 577 has no self test"

    def check_errors(self) -> None:
        """Do nothing: a refused command has raised `InstrumentError` when it was sent."""
        self.session.check_errors()

    def make_safe(self) -> None:
        """Switch the system off: write first, then read back. Raise `SafeStateError` if that cannot be confirmed."""
        self._armed = None
        self.session.make_safe()

    def close(self) -> None:
        """Close the link. Does not touch the output; closing twice is allowed."""
        self.session.close()

    def _arm(self, pulse: Pulse, period_s: float) -> None:
        commands = self._shape(pulse, period_s)
        settings = self._settings(pulse, period_s, 1)
        self.output_off()
        self._send(commands)
        self.session.confirm(settings)
        self.session.output_on(OUTPUT)
        self.session.remember((*settings, _IS_ON))
        self._armed, self._armed_period_s = pulse, period_s
        self._armed_generation = self.session.link.generation

    def _send(self, commands: Sequence[str]) -> None:
        for command in commands:
            self.session.command(command)

    def _check_train(self, train: PulseTrain) -> None:
        self._bounds.check_train(train)
        for pulse, _ in runs(train):
            self._channel(pulse)

    def _channel(self, pulse: Pulse) -> int:
        """Return the output that a pulse comes from."""
        channel = self._channels[pulse.polarity]
        if channel is None:
            raise LimitError(
                f"{self.name} sends positive pulses only: for pulls, lead a second output to the device through an "
                "inverter and name it pull_channel in the bench file"
            )
        return channel

    def _shape(self, pulse: Pulse, period_s: float) -> tuple[str, ...]:
        number, channel = scpi.format_number, self._channel(pulse)
        others = [other for other in self._channels.values() if other not in (None, channel)]
        output = f":PULSE{channel}"
        return (
            ":PULSE0:TRIG:MODE TRIG",
            ":PULSE0:MODE BURS",
            ":PULSE0:BCO 1",
            f":PULSE0:PER {number(period_s)}",
            *(f":PULSE{other}:STATE OFF" for other in others),
            f"{output}:SYNC T0",
            f"{output}:POL NORM",
            f"{output}:CMOD NORM",
            f"{output}:WCO 0",
            f"{output}:CGAT DIS",
            f"{output}:DEL 0",
            f"{output}:WIDT {number(pulse.width_s)}",
            f"{output}:OUTP:MODE ADJ",
            f"{output}:OUTP:AMPL {number(self._open_circuit_v(pulse))}",
            f"{output}:STATE ON",
        )

    def _settings(self, pulse: Pulse, period_s: float, count: int) -> tuple[Setting, ...]:
        channel = self._channel(pulse)
        others = [other for other in self._channels.values() if other not in (None, channel)]
        output = f":PULSE{channel}"
        return (
            Setting(query=":PULSE0:BCO?", value=count, relative=0),
            Setting(query=":PULSE0:PER?", value=period_s, absolute=_TIME_STEP_S),
            *(Setting(query=f":PULSE{other}:STATE?", value=0) for other in others),
            Setting(query=f"{output}:DEL?", value=0, absolute=_TIME_STEP_S),
            Setting(query=f"{output}:WIDT?", value=pulse.width_s, absolute=_TIME_STEP_S),
            Setting(
                query=f"{output}:OUTP:AMPL?",
                value=self._open_circuit_v(pulse),
                relative=0,
                absolute=_AMPLITUDE_STEP_V,
            ),
            Setting(query=f"{output}:WCO?", value=0),
            Setting(query=f"{output}:STATE?", value=1),
        )

    def _words(self, pulse: Pulse) -> dict[str, str]:
        output = f":PULSE{self._channel(pulse)}"
        return {**_WORDS, f"{output}:POL?": "NORM", f"{output}:CMOD?": "NORM", f"{output}:OUTP:MODE?": "ADJ"}

    def _open_circuit_v(self, pulse: Pulse) -> float:
        # Without the last digits of the division, which could lie beyond the range.
        return round(pulse.amplitude_v / _share(self._bounds.load_ohm), 6)


_IS_ON: Final = Setting(query=OUTPUT.query, value=1)


def _prepare(entry: PulseSourceEntry, place: str) -> Callable[[Session], Bnc577]:
    if entry.pull_channel == entry.channel:
        raise ConfigError(f"{place}: pull_channel must be another output than channel, with an inverter behind it")
    bounds = bounds_of(entry, place, amplitude=amplitude_limit(entry.load_ohm), width=WIDTH, count=COUNT, period=PERIOD)
    return lambda session: Bnc577(session, bounds=bounds, channel=entry.channel, pull_channel=entry.pull_channel)


MODEL = Model(
    key="bnc-577",
    title="Berkeley Nucleonics 577 pulse generator",
    entry=PulseSourceEntry,
    kind=KIND,
    dialect=DIALECT,
    safe=lambda _: SAFE,
    prepare=_prepare,
)
