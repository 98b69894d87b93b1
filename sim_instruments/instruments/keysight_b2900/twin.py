"""Twins of the Keysight B2901A and B2902A: source-measure units of one and of two channels.

Channel 1 is on the wiring's measure row, channel 2 is an open circuit. Not simulated: resistance ranges, maths, limit
tests, programs, the front panel, external triggers, trigger counts of INFinity, compliances of one sign, emergency
errors. An output that its protection switched off tells so by `:OUTPut?` and by its readings.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from sim_instruments.instrument import Traits, signed_error_reply
from sim_instruments.instruments.keysight_b2900.channel import Channel
from sim_instruments.instruments.keysight_b2900.readings import NO_READINGS, OutputFormat, columns, side_by_side
from sim_instruments.instruments.keysight_b2900.stage import Stage
from sim_instruments.instruments.keysight_b2900.trace import Trace
from sim_instruments.instruments.keysight_b2900.trigger import BOTH, MOST_READINGS
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Expression, Raw
from sim_instruments.scpi_parameter import Integer, Real
from sim_instruments.scpi_setting import setting, show_bool, switch_setting
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_tree import Command, Reply
from sim_instruments.smu_probe import NOWHERE, Probe
from sim_instruments.status import Status

CHANNELS: Final = {"keysight-b2901a": 1, "keysight-b2902a": 2}
"""Models and their channels."""

_FIRMWARE = "3.4.2011.5100"
_LISTS = {"1": (1,), "2": (2,), "1,2": (1, 2), "2,1": (1, 2), "1:2": (1, 2), "2:1": (1, 2)}
_ACTIONS = {"[:ALL]": BOTH, ":ACQuire": frozenset({"ACQ"}), ":TRANsient": frozenset({"TRAN"})}
_QUANTITIES = {
    "VOLTage[:DC]": "VOLT",
    "CURRent[:DC]": "CURR",
    "RESistance": "RES",
    "TIME": "TIME",
    "STATus": "STAT",
    "SOURce": "SOUR",
}
_MEASUREMENT, _QUESTIONABLE, _OPERATION = 1, 8, 128  # their bits in the status byte
_INTERLOCK_OPEN = 1024  # of the questionable register


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelNumbers:
    """A list of channels: `(@1)`, `(@2)`, `(@1,2)`, `(@1:2)`; the readings always come in rising order."""

    count: int
    """Channels of the model."""

    def parse(self, raw: Raw) -> tuple[int, ...]:
        """Return the channels."""
        if not isinstance(raw, Expression) or not raw.text.startswith("@"):
            raise ScpiError(-104, "expected a channel list such as (@1)")
        numbers = _LISTS.get("".join(raw.text[1:].split()))
        if numbers is None:
            raise ScpiError(-171, raw.text)
        if numbers[-1] > self.count:
            raise ScpiError(-222, f"there is no channel {numbers[-1]}")
        return numbers


@final
class KeysightB2900:
    """A mainframe with its channels.

    Args:
        place: what it is plugged into.
        model: one of `CHANNELS`.
    """

    def __init__(self, place: Place, model: str) -> None:
        self._model = model
        self._serial = place.serial
        self._wiring = place.wiring
        self._interlock_closed = place.interlock_closed
        self._line_hz = 50
        self._format = OutputFormat()
        self._channels = tuple(self._channel(number, place) for number in range(1, CHANNELS[model] + 1))
        self._traces = tuple(Trace(self._format) for _ in self._channels)
        self._list = (ChannelNumbers(count=len(self._channels)),)
        self._beeps = True
        self._shows = True
        self._operation, self._questionable, self._measurement = RegisterSet(), RegisterSet(), RegisterSet()
        self._note_state()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        name = self._model.removeprefix("keysight-").upper()
        return Traits(
            identity=f"Keysight Technologies,{name},{self._serial},{_FIRMWARE}",
            error_queue_depth=30,
            error_reply=signed_error_reply,
            summary_bits=self._summary_bits,
            can_be_locked=True,
        )

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        channels = zip(self._channels, self._traces, strict=True)
        for register in (self._operation, self._questionable, self._measurement):
            status.also_clear(register.clear)
        return (
            *(command for channel, trace in channels for command in self._channel_commands(channel, trace)),
            *self._format.commands(),
            *self._trigger_commands(),
            *self._data_commands(),
            *self._system_commands(status),
            *self._status_commands(),
        )

    def reset(self) -> None:
        """Output off and every setting to its default; the line frequency stays."""
        for channel, trace in zip(self._channels, self._traces, strict=True):
            channel.reset()
            trace.reset()
        self._format.reset()
        self._note_state()

    def trigger(self) -> None:
        """Do what a bus trigger does."""
        waiting = [channel for channel in self._channels if channel.waits_for_bus]
        if not waiting:
            raise ScpiError(-211, "no layer waits for the bus")
        for channel in waiting:
            self._proceed(channel)

    def _channel(self, number: int, place: Place) -> Channel:
        is_wired = number == 1

        def set_live(is_live: bool) -> None:
            if is_wired:
                self._wiring.set_live(f"{self._model} {self._serial}", is_live)

        stage = Stage(
            number,
            line_hz=lambda: self._line_hz,
            probe=Probe(place) if is_wired else NOWHERE,
            interlock_closed=place.interlock_closed,
            set_live=set_live,
        )
        noise = place.sample.noise_source(place.serial if is_wired else f"{place.serial} {number}")
        return Channel(number, stage, clock=place.sample.clock, noise=noise)

    def _channel_commands(self, channel: Channel, trace: Trace) -> tuple[Command, ...]:
        sense = f":SENSe{'#' if channel.number == 1 else channel.number}"
        window = (Integer(low=0, high=MOST_READINGS - 1), Integer(low=1, high=MOST_READINGS))

        def data(offset: int = 0, size: int = MOST_READINGS) -> Reply:
            rows = channel.readings[offset : offset + size][:, self._format.chosen]
            return self._format.encode(rows if len(rows) else np.array([[np.nan]]))

        def clear() -> None:
            channel.readings = NO_READINGS

        return (
            *channel.commands(),
            *trace.commands(channel.number),
            Command(f"{sense}:DATA?", data, window, optional=2),
            Command(
                f"{sense}:DATA:LATest?", lambda: self._fetch((channel.number,), self._format.chosen, all_rows=False)
            ),
            Command(f"{sense}:DATA:CLEar", clear),
            Command(f"{sense}:DATA:ACQuire", lambda: self._measure((channel.number,))),
        )

    def _trigger_commands(self) -> list[Command]:
        found: list[Command] = []
        for node, actions in _ACTIONS.items():
            found += [
                Command(f":INITiate[:IMMediate]{node}", self._initiator(actions), self._list, optional=1),
                Command(f":ABORt{node}", self._abort, self._list, optional=1),
                Command(
                    f":IDLE{node}?", lambda numbers=(1,): show_bool(self._are_idle(numbers)), self._list, optional=1
                ),
                Command(f":TRIGger{node}[:IMMediate]", self._force, self._list, optional=1),
                Command(f":ARM{node}[:IMMediate]", self._force, self._list, optional=1),
            ]
        return found

    def _data_commands(self) -> list[Command]:
        """Return FETCh, READ and MEASure: everything there is, or one element of it; the latest, or all."""
        found: list[Command] = []
        starts: dict[str, Callable[[tuple[int, ...]], None]] = {
            "FETCh": lambda _: None,
            "READ": self._initiator(BOTH),
        }
        for word, start in starts.items():
            for node, all_rows in (("[:SCALar]", False), (":ARRay", True)):
                found.append(self._query(f":{word}{node}?", start, None, all_rows))
                for name, element in _QUANTITIES.items():
                    found.append(self._query(f":{word}{node}:{name}?", start, element, all_rows))
        found.append(self._query(":MEASure?", self._measure, None, False))
        for name in ("VOLTage[:DC]", "CURRent[:DC]", "RESistance"):
            found.append(self._query(f":MEASure:{name}?", self._measure, _QUANTITIES[name], False))
        return found

    def _query(
        self, pattern: str, start: Callable[[tuple[int, ...]], None], element: str | None, all_rows: bool
    ) -> Command:
        def answer(numbers: tuple[int, ...] = (1,)) -> Reply:
            start(numbers)
            return self._fetch(numbers, self._format.chosen if element is None else columns(element), all_rows=all_rows)

        return Command(pattern, answer, self._list, optional=1)

    def _system_commands(self, status: Status) -> tuple[Command, ...]:
        def all_errors(show: Callable[[ScpiError], str]) -> str:
            first = status.next_error()
            rest = [status.next_error() for _ in range(status.error_count)]
            return ",".join(map(show, (first, *rest)))

        def code(error: ScpiError) -> str:
            return f"{error.code:+d}"

        pitch, duration = (
            Real(unit="HZ", low=55.0, high=6640.0, default=440.0),
            Real(unit="S", low=0.05, high=12.75, default=0.1),
        )
        return (
            Command("*OPT?", lambda: "0"),
            Command(":SYSTem:ERRor:ALL?", lambda: all_errors(signed_error_reply)),
            Command(":SYSTem:ERRor:CODE[:NEXT]?", lambda: code(status.next_error())),
            Command(":SYSTem:ERRor:CODE:ALL?", lambda: all_errors(code)),
            *setting(":SYSTem:LFRequency", _MAINS, lambda: str(self._line_hz), self._set_line),
            Command(":SYSTem:INTerlock:TRIPped?", lambda: show_bool(not self._interlock_closed)),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda *_: None, (pitch, duration), optional=1),
            *switch_setting(":SYSTem:BEEPer:STATe", lambda: self._beeps, self._set_beeper),
            *switch_setting(":DISPlay:ENABle", lambda: self._shows, self._set_display),
            Command(":SYSTem:PRESet", self.reset),
        )

    def _status_commands(self) -> tuple[Command, ...]:
        return (
            *self._operation.commands(":STATus:OPERation"),
            *self._questionable.commands(":STATus:QUEStionable"),
            *self._measurement.commands(":STATus:MEASurement"),
            Command(":STATus:PRESet", self._preset_registers),
        )

    def _initiator(self, actions: Collection[str]) -> Callable[..., None]:
        def initiate(numbers: tuple[int, ...] = (1,)) -> None:
            for number in numbers:
                channel = self._channels[number - 1]
                channel.initiate(actions)
                if channel.is_idle:
                    self._traces[number - 1].feed(channel.readings)
            self._note_state()

        return initiate

    def _proceed(self, channel: Channel) -> None:
        before = len(channel.readings)
        channel.proceed()
        self._traces[channel.number - 1].feed(channel.readings[before:])
        self._note_state()

    def _force(self, numbers: tuple[int, ...] = (1,)) -> None:
        """Give the signal that the channels wait for, whatever it is."""
        for number in numbers:
            self._proceed(self._channels[number - 1])

    def _abort(self, numbers: tuple[int, ...] = (1,)) -> None:
        for number in numbers:
            self._channels[number - 1].abort()
        self._note_state()

    def _are_idle(self, numbers: tuple[int, ...]) -> bool:
        return all(self._channels[number - 1].is_idle for number in numbers)

    def _measure(self, numbers: tuple[int, ...]) -> None:
        for number in numbers:
            self._channels[number - 1].measure()
        self._note_state()

    def _fetch(self, numbers: tuple[int, ...], chosen: list[int], *, all_rows: bool) -> Reply:
        tables = [self._channels[number - 1].readings[:, chosen] for number in numbers]
        return self._format.encode(side_by_side(tables if all_rows else [table[-1:] for table in tables]))

    def _set_line(self, hertz: int) -> None:
        if hertz not in (50, 60):
            raise ScpiError(-224, f"{hertz} Hz")
        self._line_hz = hertz

    def _set_beeper(self, is_on: bool) -> None:
        self._beeps = is_on

    def _set_display(self, is_on: bool) -> None:
        self._shows = is_on

    def _preset_registers(self) -> None:
        for register in (self._operation, self._questionable, self._measurement):
            register.preset()

    def _summary_bits(self) -> int:
        registers = {
            _MEASUREMENT: self._measurement,
            _QUESTIONABLE: self._questionable,
            _OPERATION: self._operation,
        }
        return sum(bit for bit, register in registers.items() if register.has_summary)

    def _note_state(self) -> None:
        """Bring the condition registers up to date; each channel has its own bits."""
        operation, measurement = 0, 0
        questionable = 0 if self._interlock_closed else _INTERLOCK_OPEN
        for index, (channel, trace) in enumerate(zip(self._channels, self._traces, strict=True)):
            # Bits 1 and 4: source and meter idle. Bits 2 and 5: waiting for a trigger. Channel 2 is 6 bits higher.
            operation |= (2 + 16 if channel.is_idle else 4 + 32) << 6 * index
            measurement |= (8 * (len(trace) > 0) + 16 * trace.is_full) << 6 * index
            readings = channel.readings
            if len(readings):
                measurement |= (4 if np.isinf(readings[:, columns("VOLT", "CURR")]).any() else 2) << 6 * index
            questionable |= (4096 if channel.lost_triggers else 0) << 2 * index
        self._operation.set_condition(operation)
        self._questionable.set_condition(questionable)
        self._measurement.set_condition(measurement)


_MAINS = Integer(low=0, high=1000)
