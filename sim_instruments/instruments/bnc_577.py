"""Twin of the Berkeley Nucleonics 577 pulse generator with eight channels, on a serial line.

The system timer T0 starts the channels. With an internal start, switching the system on fires a single pulse or a
burst of them; with the trigger enabled, it arms and `*TRG` fires. Pulses are positive: on this bench, channel A leads
to the pulse row as it is and pushes, and channel B leads there through an inverting transformer and pulls. The other
channels are open circuits. A pulse of inverted or complemented polarity goes down from a level that stands, and a
base other than zero is not modelled as a drive of its own.

What repeats without end (system mode NORMal, and DCYCle, which comes round again) delivers nothing here, because a
wall driven without end has no defined position; nor does a channel in mode DCYCle. Pulses that do not fit into the
period of T0 are refused when they would be fired.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, final

from sim_instruments.acknowledging_line import AcknowledgingInstrument
from sim_instruments.place import Place
from sim_instruments.pulse_train import Burst, deliver_train
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer, Parameter, Real
from sim_instruments.scpi_setting import show_bool
from sim_instruments.scpi_tree import Command

MODEL: Final = "bnc-577"
CHANNELS: Final = 8
_WIRED: Final = {1: 1.0, 2: -1.0}  # channel and the sign of what it drives: B goes through an inverter
_LETTERS: Final = "ABCDEFGH"
_TTL_V: Final = 4.0

_PERIOD = Real(low=100e-9, high=5000.0, default=1e-3)
_WIDTH = Real(low=10e-9, high=999.99999999975, default=1e-3)
_DELAY = Real(low=-999.99999999975, high=999.99999999975, default=0.0)
_AMPLITUDE = Real(low=2.0, high=20.0, default=4.0)
_LEVEL = Real(low=0.2, high=15.0, default=2.5)
_COUNT = Integer(low=1, high=9_999_999)
_WAIT = Integer(low=0, high=9_999_999)
_MODE = Choice(("NORMal", "SINGle", "BURSt", "DCYCle"))
_TRIGGER_MODE = Choice(("DISabled", "TRIGgered", "DUAL"))
_POLARITY = Choice(("NORMal", "COMPlement", "INVerted"))
_OUTPUT_MODE = Choice(("TTL", "ADJustable"))
_EDGE = Choice(("RISing", "FALLing"))
_GATE = Choice(("DISabled", "LOW", "HIGH"))
_SYNC = Choice(("T0", *(f"CH{letter}" for letter in _LETTERS)))
_BAUD = Choice(("4800", "9600", "19200", "38400", "57600", "115200"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _System:
    """Settings of T0 as *RST leaves them."""

    state: bool = False
    period: float = 1e-3
    mode: str = "NORM"
    burst: int = 10
    on: int = 4
    off: int = 2
    trigger_mode: str = "DIS"
    trigger_level: float = 2.5
    trigger_edge: str = "RIS"
    baud: str = "115200"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Channel:
    """Settings of a channel as *RST leaves them."""

    state: bool = False
    width: float = 1e-3
    delay: float = 0.0
    sync: str = "T0"
    polarity: str = "NORM"
    output_mode: str = "TTL"
    amplitude: float = 4.0
    mode: str = "NORM"
    burst: int = 1
    on: int = 1
    off: int = 1
    wait: int = 0
    multiplexed: int = 0
    gate: str = "DIS"

    def pulses(self, starts: int) -> int:
        """Return how many pulses so many starts of T0 give."""
        left = max(0, starts - self.wait)
        return {"NORM": left, "SING": min(1, left), "BURS": min(self.burst, left)}.get(self.mode, 0)

    @property
    def excursion_v(self) -> float:
        """What a pulse adds to the level it starts from, open circuit."""
        height_v = self.amplitude if self.output_mode == "ADJ" else _TTL_V
        return height_v if self.polarity == "NORM" else -height_v


@final
class Bnc577:
    """The timer and its channels."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._live_name = f"{MODEL} {place.serial}"
        self._stored: dict[int, tuple[_System, dict[int, _Channel]]] = {}
        self._system = _System()
        self._channels = {number: _Channel() for number in range(1, CHANNELS + 1)}

    def commands(self) -> Sequence[Command]:
        """Return every command, common ones too."""
        return (
            Command("*IDN?", lambda: f"BNC,577-8C,{self._place.serial},2.4.1-2.0.11"),
            Command("*RST", self.reset),
            Command("*TRG", self.trigger),
            Command("*SAV", self._save, (Integer(low=1, high=12),)),
            Command("*RCL", self._recall, (Integer(low=0, high=12),)),
            Command("*LBL?", lambda: '"Default"'),
            Command(":SYSTem:VERSion?", lambda: "1999.0"),
            Command(":SYSTem:SERNumber?", lambda: self._place.serial),
            Command(":INSTrument:CATalog?", lambda: ", ".join(("T0", *(f"CH{letter}" for letter in _LETTERS)))),
            Command(
                ":INSTrument:FULL?",
                lambda: ", ".join(("T0, 0", *(f"CH{letter}, {n}" for n, letter in enumerate(_LETTERS, 1)))),
            ),
            *self._pair(":INSTrument:STATe", Boolean(), "state"),
            *self._system_commands(),
            *(command for number in self._channels for command in self._channel_commands(number)),
        )

    def reset(self) -> None:
        """Everything off and every setting to its default; the speed of the line stays."""
        self._system = _System(baud=self._system.baud)
        self._channels = {number: _Channel() for number in self._channels}
        self._note_live()

    def trigger(self) -> None:
        """Fire if armed. Moves the walls that the wired channels reach."""
        if not self._system.state or self._system.trigger_mode == "DIS":
            raise ScpiError(-211, "not armed for a trigger")
        self._start()

    def _start(self) -> None:
        system = self._system
        starts = {"SING": 1, "BURS": system.burst}.get(system.mode, 0)
        active = [
            (channel, _WIRED[number], channel.pulses(starts))
            for number, channel in self._channels.items()
            if number in _WIRED and channel.state and channel.pulses(starts)
        ]
        if any(channel.delay + channel.width > system.period for channel, _, _ in active):
            raise ScpiError(-221, "the period does not hold the pulse")
        # Channels that differ in their counts take turns as long as both have pulses left.
        active.sort(key=lambda entry: entry[0].delay)
        done = 0
        while active:
            count = min(pulses for _, _, pulses in active) - done
            bursts = tuple(
                Burst(
                    count=1,
                    level_v=sign * channel.excursion_v,
                    width_s=channel.width,
                    period_s=system.period / len(active),
                )
                for channel, sign, _ in active
            )
            deliver_train(self._place, bursts, passes=count, source=MODEL)
            done += count
            active = [entry for entry in active if entry[2] > done]

    def _set_system(self, **changes: object) -> None:
        was_on = self._system.state
        before, self._system = self._system, replace(self._system, **changes)
        try:
            if self._system.state and not was_on and self._system.trigger_mode == "DIS":
                self._start()
        except ScpiError:
            self._system = before
            raise
        finally:
            self._note_live()

    def _set_channel(self, number: int, **changes: object) -> None:
        self._channels[number] = replace(self._channels[number], **changes)
        self._note_live()

    def _note_live(self) -> None:
        is_live = self._system.state and any(self._channels[number].state for number in _WIRED)
        self._place.wiring.set_live(self._live_name, is_live)

    def _save(self, slot: int) -> None:
        self._stored[slot] = (replace(self._system, state=False), dict(self._channels))

    def _recall(self, slot: int) -> None:
        if slot == 0:
            self.reset()
            return
        if slot not in self._stored:
            raise ScpiError(-222, f"nothing is stored in {slot}")
        system, channels = self._stored[slot]
        self._system, self._channels = system, dict(channels)
        self._note_live()

    def _system_commands(self) -> tuple[Command, ...]:
        header = ":PULSe0"
        return (
            *self._pair(f"{header}:STATe", Boolean(), "state"),
            *self._pair(f"{header}:PERiod", _PERIOD, "period"),
            *self._pair(f"{header}:MODe", _MODE, "mode"),
            *self._pair(f"{header}:BCOunter", _COUNT, "burst"),
            *self._pair(f"{header}:PCOunter", _COUNT, "on"),
            *self._pair(f"{header}:OCOunter", _COUNT, "off"),
            # The trigger belongs to T0, whichever channel the header implies.
            *(
                command
                for implied in (header, ":PULSe")
                for command in (
                    *self._pair(f"{implied}:TRIGger:MODe", _TRIGGER_MODE, "trigger_mode"),
                    *self._pair(f"{implied}:TRIGger:LEVel", _LEVEL, "trigger_level"),
                    *self._pair(f"{implied}:TRIGger:EDGe", _EDGE, "trigger_edge"),
                )
            ),
            *self._pair(":SYSTem:SERial:BAUD", _BAUD, "baud"),
        )

    def _pair(self, pattern: str, kind: Parameter, name: str) -> tuple[Command, Command]:
        return (
            Command(pattern, lambda value: self._set_system(**{name: value}), (kind,)),
            Command(f"{pattern}?", lambda: _shown(getattr(self._system, name))),
        )

    def _channel_commands(self, number: int) -> tuple[Command, ...]:
        header = f":PULSe{number}"
        kinds: tuple[tuple[str, Parameter, str], ...] = (
            ("STATe", Boolean(), "state"),
            ("WIDTh", _WIDTH, "width"),
            ("DELay", _DELAY, "delay"),
            ("SYNC", _SYNC, "sync"),
            ("POLarity", _POLARITY, "polarity"),
            ("OUTPut:MODe", _OUTPUT_MODE, "output_mode"),
            ("OUTPut:AMPLitude", _AMPLITUDE, "amplitude"),
            ("CMODe", _MODE, "mode"),
            ("BCOunter", _COUNT, "burst"),
            ("PCOunter", _COUNT, "on"),
            ("OCOunter", _COUNT, "off"),
            ("WCOunter", _WAIT, "wait"),
            ("MUX", Integer(low=0, high=255), "multiplexed"),
            ("CGATe", _GATE, "gate"),
        )
        return tuple(
            command
            for keyword, kind, name in kinds
            for command in (
                Command(
                    f"{header}:{keyword}",
                    lambda value, name=name: self._set_channel(number, **{name: value}),
                    (kind,),
                ),
                Command(f"{header}:{keyword}?", lambda name=name: _shown(getattr(self._channels[number], name))),
            )
        )


def _shown(value: float | bool | str) -> str:
    if isinstance(value, bool):
        return show_bool(value)
    return f"{value:.11f}" if isinstance(value, float) else str(value)


def bnc_577(place: Place) -> AcknowledgingInstrument:
    """Build a 577."""
    twin = Bnc577(place)
    return AcknowledgingInstrument(twin.commands(), twin.trigger)
