"""Twin of the Keithley 2400 SourceMeter.

Its front terminals are on the wiring's measure row. It sources volts or amperes and measures volts, amperes and ohms
at the same time; the compliance holds the output where it must. Each reading has noise of `NOISE_OF_RANGE` of its range
at one power-line cycle, less for longer integration. With no path only the noise is read; with the output off nothing
is. Reading disturbs no wall: the read path does not carry the write current.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instrument import Traits, plain_error_reply
from sim_instruments.instruments.keithley_2400.settings import (
    DELAY,
    DURATION,
    FUNCTIONS,
    HIGH_A,
    LEVEL,
    LOW_V,
    MEMORY,
    NAMES,
    NPLC,
    OHM_RANGES,
    OTHER,
    PITCH,
    PROTECTION,
    RANGES,
    SENSE_HEADERS,
    SMALLEST_SHARE,
    SPAN,
    TWICE,
    FunctionSettings,
    GeneralSettings,
    default_functions,
)
from sim_instruments.instruments.keithley_2400.sweep import MOST_POINTS, Sweep
from sim_instruments.instruments.keithley_2400.traces import COLUMNS, KEPT, NOTHING, Traces, shown
from sim_instruments.instruments.keithley_2400.trigger import Trigger
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Raw
from sim_instruments.scpi_parameter import Boolean, Choice, Integer, Real
from sim_instruments.scpi_setting import Pair, setting, show_bool
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_text import Text
from sim_instruments.scpi_tree import Command, Reply
from sim_instruments.smu_output import OVER_RANGE, OVERFLOW, READING, Meter, range_for
from sim_instruments.smu_terminals import Stage, Terminals
from sim_instruments.status import Status

MODEL: Final = "keithley-2400"

NOISE_OF_RANGE: Final = 5e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""

# Bits of the status word.
_OVERFLOW_BIT, _FILTER_BIT, _FRONT_BIT, _COMPLIANCE_BIT = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MEASURED_BIT = {"VOLT": 1 << 11, "CURR": 1 << 12, "RES": 1 << 13}
_SOURCED_BIT = {"VOLT": 1 << 14, "CURR": 1 << 15}
_RANGE_COMPLIANCE_BIT = 1 << 16  # a fixed range, not the compliance, is what limits
_REMOTE_BIT = 1 << 22

# Bits of the measurement event register.
_READING_AVAILABLE, _READING_OVERFLOW = 1 << 6, 1 << 7
_IN_COMPLIANCE = 1 << 14
# Bits of the operation event register.
_SWEEPING, _WAITS_FOR_TRIGGER, _WAITS_FOR_ARM, _IDLE = 1 << 3, 1 << 5, 1 << 6, 1 << 10
_MEASUREMENT_SUMMARY, _QUESTIONABLE_SUMMARY, _OPERATION_SUMMARY = 1, 8, 128


@final
class Keithley2400:
    """The 2400's commands and what they do at its terminals."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._terminals = Terminals(place, MODEL)
        self._measurement = RegisterSet()
        self._questionable = RegisterSet()
        self._operation = RegisterSet()
        self._general = GeneralSettings()
        self._function = default_functions()
        self._sweep = {key: Sweep() for key in ("VOLT", "CURR")}
        self._trigger = Trigger(self._run, self._show_state, self._terminals)
        self._traces = Traces(self._measurement, lambda: self._trigger.is_idle)
        self._started_s = 0.0
        self._texts = {1: "", 2: ""}
        self._saved: dict[int, tuple[GeneralSettings, dict[str, FunctionSettings], dict[str, Sweep]]] = {}
        self._show_state()

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS INC.,MODEL 2400,{self._serial},C34 Sep 21 2016 15:30:00/A02  /V/J",
            error_queue_depth=10,
            summary_bits=self._summary_bits,
        )

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        for registers in (self._measurement, self._questionable, self._operation):
            status.also_clear(registers.clear)
        return (
            *(command for key in ("VOLT", "CURR") for command in self._source_commands(key)),
            *(command for key in ("VOLT", "CURR", "RES") for command in self._sense_commands(key)),
            *self._common_source_commands(),
            *self._common_sense_commands(),
            *self._output_commands(),
            *self._reading_commands(),
            *self._traces.commands(),
            *self._trigger.commands(),
            *self._status_commands(status),
            *self._system_commands(status),
        )

    def reset(self) -> None:
        """Output off and every setting to its default; the buffer keeps its readings."""
        line_hz = self._general.line_hz
        self._general = GeneralSettings(line_hz=line_hz)
        self._function = default_functions()
        self._sweep = {key: Sweep() for key in ("VOLT", "CURR")}
        self._trigger.reset()
        self._traces.reset()
        self._terminals.set_live(False)

    def trigger(self) -> None:
        """Take a bus trigger: pass the arm layer if it waits for one."""
        self._trigger.take_bus_trigger()
        self._finish()

    # ---- settings

    def _change(self, **changes: Any) -> None:
        self._general = replace(self._general, **changes)

    def _change_function(self, key: str, **changes: Any) -> None:
        self._function[key] = replace(self._function[key], **changes)

    def _real(
        self, pattern: str, kind: Real, read: Callable[[], float], write: Callable[[float], None]
    ) -> tuple[Command, Command]:
        """Return the pair for a number, whose query answers in the instrument's own form."""

        def show(extreme: float | None = None) -> str:
            return shown(min(read() if extreme is None else extreme, OVERFLOW))

        return Command(pattern, write, (kind,)), Command(f"{pattern}?", show, (_Extreme(kind),), optional=1)

    def _plain(self, pattern: str, kind: Any, name: str) -> Pair:
        """Return the pair for a field of the general settings that is kept as it is written."""
        return setting(pattern, kind, lambda: str(getattr(self._general, name)), lambda v: self._change(**{name: v}))

    def _switch(self, pattern: str, name: str) -> Pair:
        return setting(
            pattern, Boolean(), lambda: show_bool(getattr(self._general, name)), lambda v: self._change(**{name: v})
        )

    def _source_commands(self, key: Literal["VOLT", "CURR"]) -> tuple[Command, ...]:
        at, level, now = f":SOURce#:{NAMES[key]}", LEVEL[key], self._reader(key)
        many = (level,) * 100

        def sweep() -> Sweep:
            return self._sweep[key]

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._change_sweep(key, **{name: value})

        return (
            *self._real(
                f"{at}[:LEVel][:IMMediate][:AMPLitude]", level, lambda: now().level, lambda v: self._set_level(key, v)
            ),
            *self._real(
                f"{at}[:LEVel]:TRIGgered[:AMPLitude]", level, lambda: now().level, lambda v: self._set_level(key, v)
            ),
            *self._real(
                f"{at}:RANGe", level, lambda: now().source_span * OVER_RANGE, lambda v: self._set_source_span(key, v)
            ),
            *setting(
                f"{at}:RANGe:AUTO",
                Boolean(),
                lambda: show_bool(now().chooses_source_span),
                lambda v: self._set_source_auto(key, v),
            ),
            *setting(f"{at}:MODE", Choice(("FIXed", "LIST", "SWEep")), lambda: sweep().mode, change("mode")),
            *self._real(f"{at}:STARt", level, lambda: sweep().start, change("start")),
            *self._real(f"{at}:STOP", level, lambda: sweep().stop, change("stop")),
            *self._real(
                f"{at}:STEP", level, lambda: sweep().distance, lambda v: self._change_sweep(key, step=v, count=None)
            ),
            *self._real(f"{at}:CENTer", level, lambda: sweep().centre, lambda v: self._set_span(key, centre=v)),
            *self._real(f"{at}:SPAN", TWICE[key], lambda: sweep().span, lambda v: self._set_span(key, span=v)),
            Command(
                f":SOURce#:LIST:{NAMES[key]}", lambda *values: change("values")(values), many, optional=len(many) - 1
            ),
            Command(f":SOURce#:LIST:{NAMES[key]}?", lambda: ",".join(map(shown, sweep().values))),
            Command(
                f":SOURce#:LIST:{NAMES[key]}:APPend",
                lambda *values: self._sweep.__setitem__(key, sweep().appended(values)),
                many,
                optional=len(many) - 1,
            ),
            Command(f":SOURce#:LIST:{NAMES[key]}:POINts?", lambda: str(len(sweep().values))),
        )

    def _sense_commands(self, key: str) -> tuple[Command, ...]:
        at, now = f"[:SENSe#]:{SENSE_HEADERS[key]}", self._reader(key)
        found = [
            *self._real(
                f"{at}:RANGe[:UPPer]",
                SPAN[key],
                lambda: now().sense_span * OVER_RANGE,
                lambda v: self._set_sense_span(key, v),
            ),
            *setting(
                f"{at}:RANGe:AUTO",
                Boolean(),
                lambda: show_bool(now().chooses_sense_span),
                lambda v: self._change_function(key, chooses_sense_span=v),
            ),
            *self._real(f"{at}:NPLCycles", NPLC, lambda: self._general.nplc, lambda v: self._change(nplc=v)),
        ]
        if key != "RES":
            found += [
                *self._real(
                    f"{at}:PROTection[:LEVel]",
                    PROTECTION[key],
                    lambda: now().protection,
                    lambda v: self._set_protection(key, v),
                ),
                Command(f"{at}:PROTection:TRIPped?", lambda: show_bool(self._is_limited(key))),
            ]
        return tuple(found)

    def _reader(self, key: str) -> Callable[[], FunctionSettings]:
        return lambda: self._function[key]

    def _common_source_commands(self) -> tuple[Command, ...]:
        sweeps = self._sweep_of_source
        return (
            *setting(
                ":SOURce#:FUNCtion[:MODE]",
                Choice(("VOLTage", "CURRent", "MEMory")),
                lambda: self._general.source,
                self._set_source,
            ),
            *setting(
                ":SOURce#:FUNCtion:SHAPe",
                Choice(("DC",)),
                lambda: "DC",
                lambda _: None,
            ),
            *self._real(
                ":SOURce#:DELay",
                DELAY,
                lambda: self._general.delay_s,
                lambda v: self._change(delay_s=v, chooses_delay=False),
            ),
            *self._switch(":SOURce#:DELay:AUTO", "chooses_delay"),
            Command(":SOURce#:CLEar[:IMMediate]", lambda: self._set_output(False)),
            *self._switch(":SOURce#:CLEar:AUTO", "goes_off"),
            *self._real(
                ":SOURce#:VOLTage:PROTection[:LEVel]",
                Real(unit="V", low=-210.0, high=210.0, default=210.0),
                lambda: min(self._general.protection_v, 210.0),
                lambda v: self._change(protection_v=abs(v) if abs(v) < 200 else math.inf),
            ),
            Command(":SOURce#:VOLTage:PROTection:TRIPped?", lambda: show_bool(self._is_protecting())),
            *setting(
                ":SOURce#:SWEep:SPACing",
                Choice(("LINear", "LOGarithmic")),
                lambda: sweeps().spacing,
                lambda v: self._change_sweeps(spacing=v),
            ),
            *setting(
                ":SOURce#:SWEep:POINts",
                Integer(low=2, high=MOST_POINTS),
                lambda: str(sweeps().points),
                lambda v: self._change_sweeps(count=v),
            ),
            *setting(
                ":SOURce#:SWEep:DIRection",
                Choice(("UP", "DOWn")),
                lambda: sweeps().direction,
                lambda v: self._change_sweeps(direction=v),
            ),
            *setting(
                ":SOURce#:SWEep:RANGing",
                Choice(("BEST", "AUTO", "FIXed")),
                lambda: sweeps().ranging,
                lambda v: self._change_sweeps(ranging=v),
            ),
            *setting(
                ":SOURce#:SWEep:CABort[:LEVel]",
                Choice(("NEVer", "EARLy", "LATE")),
                lambda: sweeps().aborts,
                lambda v: self._change_sweeps(aborts=v),
            ),
        )

    def _common_sense_commands(self) -> tuple[Command, ...]:
        return (
            Command("[:SENSe#]:FUNCtion[:ON]", self._add_senses, (FUNCTIONS,) * 3, optional=2),
            Command("[:SENSe#]:FUNCtion[:ON]?", lambda: self._listed(self._general.senses)),
            Command("[:SENSe#]:FUNCtion[:ON]:COUNt?", lambda: str(len(self._general.senses))),
            Command("[:SENSe#]:FUNCtion[:ON]:ALL", lambda: self._change(senses=("VOLT", "CURR", "RES"))),
            Command("[:SENSe#]:FUNCtion:OFF", self._drop_senses, (FUNCTIONS,) * 3, optional=2),
            Command("[:SENSe#]:FUNCtion:OFF?", lambda: self._listed(self._unsensed())),
            Command("[:SENSe#]:FUNCtion:OFF:COUNt?", lambda: str(len(self._unsensed()))),
            Command("[:SENSe#]:FUNCtion:OFF:ALL", lambda: self._change(senses=())),
            Command(
                "[:SENSe#]:FUNCtion:STATe?", lambda key: show_bool(_key(key) in self._general.senses), (FUNCTIONS,)
            ),
            *setting(
                "[:SENSe#]:FUNCtion:CONCurrent",
                Boolean(),
                lambda: show_bool(self._general.is_concurrent),
                self._set_concurrent,
            ),
            *setting(
                "[:SENSe#]:RESistance:MODE",
                Choice(("MANual", "AUTO")),
                lambda: "AUTO" if self._general.chooses_ohms else "MAN",
                lambda v: self._change(chooses_ohms=v == "AUTO"),
            ),
            *self._switch("[:SENSe#]:RESistance:OCOMpensated", "offset_compensated"),
            *self._switch("[:SENSe#]:AVERage[:STATe]", "averages"),
            *self._plain("[:SENSe#]:AVERage:COUNt", Integer(low=1, high=100), "average_count"),
            *self._plain("[:SENSe#]:AVERage:TCONtrol", Choice(("REPeat", "MOVing")), "average_kind"),
        )

    def _output_commands(self) -> tuple[Command, ...]:
        return (
            *setting(":OUTPut#[:STATe]", Boolean(), lambda: show_bool(self._general.output), self._set_output),
            *self._plain(":OUTPut#:SMODe", Choice(("HIMPedance", "NORMal", "ZERO", "GUARd")), "off_state"),
            *self._switch(":OUTPut#:ENABle[:STATe]", "obeys_enable"),
            Command(":OUTPut#:ENABle:TRIPped?", lambda: show_bool(self._terminals.interlock_closed)),
            *setting(
                ":ROUTe:TERMinals",
                Choice(("FRONt", "REAR")),
                lambda: "FRON" if self._general.front else "REAR",
                self._set_terminals,
            ),
        )

    def _reading_commands(self) -> tuple[Command, ...]:
        return (
            Command(":READ?", self._read),
            Command(":INITiate[:IMMediate]", self._initiate),
            Command(":MEASure?", self._read),
            *(
                command
                for key, header in SENSE_HEADERS.items()
                for command in (
                    Command(f":CONFigure:{header}", lambda key=key: self._configure(key)),
                    Command(f":MEASure:{header}?", lambda key=key: self._measure(key)),
                )
            ),
            Command(":CONFigure?", lambda: self._listed(self._general.senses)),
        )

    def _status_commands(self, status: Status) -> tuple[Command, ...]:
        return (
            *self._measurement.commands(":STATus:MEASurement"),
            *self._questionable.commands(":STATus:QUEStionable"),
            *self._operation.commands(":STATus:OPERation"),
            Command(":STATus:PRESet", self._preset_status),
            Command(":STATus:QUEue[:NEXT]?", lambda: plain_error_reply(status.next_error())),
            Command(":STATus:QUEue:CLEar", status.clear_errors),
        )

    def _system_commands(self, status: Status) -> tuple[Command, ...]:
        return (
            Command("*OPT?", lambda: "0"),
            Command("*SAV", self._save, (MEMORY,)),
            Command("*RCL", self._recall, (MEMORY,)),
            Command(":SYSTem:PRESet", self.reset),
            Command(":SYSTem:ERRor:CODE[:NEXT]?", lambda: str(status.next_error().code)),
            Command(":SYSTem:ERRor:ALL?", lambda: self._take_errors(status)),
            Command(":SYSTem:CLEar", status.clear_errors),
            *self._switch(":SYSTem:RSENse", "remote"),
            *setting(
                ":SYSTem:AZERo[:STATe]", _SwitchOrOnce(), lambda: show_bool(self._general.auto_zero), self._set_zero
            ),
            Command(":SYSTem:AZERo:CACHing:REFResh", lambda: None),
            *setting(
                ":SYSTem:LFRequency",
                Integer(low=50, high=60),
                lambda: f"{self._general.line_hz:.0f}",
                lambda v: self._change(line_hz=50.0 if v < 55 else 60.0, chooses_line=False),
            ),
            *self._switch(":SYSTem:LFRequency:AUTO", "chooses_line"),
            Command(":SYSTem:TIME?", lambda: f"{self._terminals.now_s - self._started_s:.3f}"),
            Command(":SYSTem:TIME:RESet", self._reset_time),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda *_: None, (PITCH, DURATION)),
            *self._switch(":SYSTem:BEEPer:STATe", "beeps"),
            Command(":SYSTem:KEY", lambda _: None, (Integer(low=1, high=32),)),
            Command(":SYSTem:LOCal", lambda: None),
            Command(":SYSTem:REMote", lambda: None),
            Command(":SYSTem:RWLock", lambda _=True: None, (Boolean(),), 1),
            *self._switch(":DISPlay:ENABle", "shows"),
            *self._plain(":DISPlay:DIGits", Integer(low=4, high=7), "digits"),
            Command(":DISPlay:CNDisplay", lambda: None),
            *(command for line in (1, 2) for command in self._text_commands(line)),
        )

    def _text_commands(self, line: int) -> tuple[Command, ...]:
        at = ":DISPlay[:WINDow#]:TEXT" if line == 1 else f":DISPlay:WINDow{line}:TEXT"
        return (
            Command(f"{at}:DATA", lambda text: self._texts.__setitem__(line, text), (Text(),)),
            Command(f"{at}:DATA?", lambda: f'"{self._texts[line]}"'),
            Command(f"{at}:STATe", lambda _: None, (Boolean(),)),
        )

    def _set_level(self, key: str, level: float) -> None:
        now = self._function[key]
        self._check_power(key, level, self._function[OTHER[key]].protection)
        if now.chooses_source_span:
            self._change_function(key, level=level, source_span=range_for(level, RANGES[key]))
            return
        if abs(level) > now.source_span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} does not fit the range of {now.source_span:g}")
        self._change_function(key, level=level)

    def _check_power(self, key: str, level: float, protection: float) -> None:
        volts, amperes = (level, protection) if key == "VOLT" else (protection, level)
        if key == self._general.source and abs(volts) > LOW_V and abs(amperes) > HIGH_A:
            raise ScpiError(826, text="Attempt to exceed power limit")

    def _set_source_span(self, key: str, largest: float) -> None:
        chosen = range_for(largest, RANGES[key])
        # The level follows a smaller range down, as the manual says.
        level = self._function[key].level
        kept = math.copysign(min(abs(level), chosen * OVER_RANGE), level)
        self._change_function(key, source_span=chosen, chooses_source_span=False, level=kept)

    def _set_source_auto(self, key: str, is_on: bool) -> None:
        now = self._function[key]
        span = range_for(now.level, RANGES[key]) if is_on else now.source_span
        self._change_function(key, chooses_source_span=is_on, source_span=span)

    def _set_sense_span(self, key: str, largest: float) -> None:
        chosen, now = range_for(largest, RANGES[key]), self._function[key]
        if key == OTHER[self._general.source] and chosen > range_for(now.protection, RANGES[key]):
            raise ScpiError(824, text="Cannot exceed compliance range")
        self._change_function(key, sense_span=chosen, chooses_sense_span=False)

    def _set_protection(self, key: str, protection: float) -> None:
        now, magnitude = self._function[key], abs(protection)
        if magnitude < SMALLEST_SHARE * (RANGES[key][0] if now.chooses_sense_span else now.sense_span):
            raise ScpiError(822, text="Too small for sense range")
        self._check_power(OTHER[key], self._function[OTHER[key]].level, magnitude)
        self._change_function(key, protection=magnitude)

    def _change_sweep(self, key: str, **changes: Any) -> None:
        self._sweep[key] = replace(self._sweep[key], **changes)

    def _set_span(self, key: str, *, centre: float | None = None, span: float | None = None) -> None:
        now = self._sweep[key]
        middle, width = now.centre if centre is None else centre, now.span if span is None else span
        self._sweep[key] = replace(now, start=middle - width / 2, stop=middle + width / 2)

    def _sweep_of_source(self) -> Sweep:
        return self._sweep[self._general.source]

    def _change_sweeps(self, **changes: Any) -> None:
        for key in self._sweep:
            self._change_sweep(key, **changes)

    def _set_source(self, key: str) -> None:
        if key == "MEM":
            raise ScpiError(-241, "source memory is not simulated")
        if key != self._general.source:
            self._set_output(False)
            self._change(source=key)

    def _unsensed(self) -> tuple[str, ...]:
        return tuple(key for key in ("VOLT", "CURR", "RES") if key not in self._general.senses)

    def _listed(self, keys: Sequence[str]) -> str:
        return ",".join(f'"{key}"' if key == "RES" else f'"{key}:DC"' for key in keys)

    def _add_senses(self, *names: str) -> None:
        asked = [_key(name) for name in names]
        kept = self._general.senses if self._general.is_concurrent else ()
        if not self._general.is_concurrent and len(asked) > 1:
            raise ScpiError(-221, "one function at a time while they are not concurrent")
        self._change(senses=tuple(key for key in ("VOLT", "CURR", "RES") if key in (*kept, *asked)))

    def _drop_senses(self, *names: str) -> None:
        gone = [_key(name) for name in names]
        self._change(senses=tuple(key for key in self._general.senses if key not in gone))

    def _set_concurrent(self, is_on: bool) -> None:
        self._change(is_concurrent=is_on, senses=self._general.senses if is_on else self._general.senses[:1])

    def _set_terminals(self, name: str) -> None:
        if (name == "FRON") != self._general.front:
            self._set_output(False)
            self._change(front=name == "FRON")

    def _set_zero(self, state: bool | None) -> None:
        if state is not None:
            self._change(auto_zero=state)

    def _reset_time(self) -> None:
        self._started_s = self._terminals.now_s

    def _set_output(self, is_on: bool) -> None:
        if is_on and self._general.obeys_enable and not self._terminals.interlock_closed:
            raise ScpiError(802, text="OUTPUT blocked by output enable")
        self._change(output=is_on)
        self._terminals.set_live(is_on)

    def _save(self, place: int) -> None:
        self._saved[place] = replace(self._general, output=False), dict(self._function), dict(self._sweep)

    def _recall(self, place: int) -> None:
        """Restore what *SAV kept, or the defaults; the output goes off."""
        self.reset()
        if place in self._saved:
            self._general, function, sweep = self._saved[place]
            self._function, self._sweep = dict(function), dict(sweep)

    # ---- measuring

    def _stage(self, *, span: float | None = None) -> Stage:
        general = self._general
        key = general.source
        limit = self._function[OTHER[key]].protection
        if key == "CURR":
            limit = min(limit, general.protection_v)
        delay_s = 0.0 if general.chooses_delay else general.delay_s
        cycles = general.nplc * max(1, len(general.senses)) * (general.average_count if general.averages else 1)
        return Stage(
            function=key,
            limit=limit,
            is_on=general.output,
            is_wired=general.front,
            voltage=self._meter("VOLT", span),
            current=self._meter("CURR", span),
            top_ohm=self._top_ohm(),
            seconds_each=delay_s + self._trigger.delay_s + cycles / general.line_hz,
        )

    def _top_ohm(self) -> float:
        now = self._function["RES"]
        return (OHM_RANGES[-1] if now.chooses_sense_span else now.sense_span) * OVER_RANGE

    def _meter(self, key: Literal["VOLT", "CURR"], source_span: float | None) -> Meter:
        now, general = self._function[key], self._general
        if key == general.source:
            # What is sourced is measured on the range of the source.
            span = source_span or now.source_span
        else:
            span = now.sense_span if key in general.senses and not now.chooses_sense_span else None
        nplc = general.nplc * (general.average_count if general.averages else 1)
        return Meter(ranges=RANGES[key], span=span, nplc=nplc, noise_of_range=NOISE_OF_RANGE)

    def _is_limited(self, key: str) -> bool:
        """Return whether the compliance in this quantity holds the output."""
        general = self._general
        if key == general.source or not general.output:
            return False
        return self._terminals.is_limited(self._stage(), self._function[general.source].level)

    def _is_protecting(self) -> bool:
        general = self._general
        volts = self._function["VOLT"].level if general.source == "VOLT" else self._function["VOLT"].protection
        return general.output and abs(volts) > general.protection_v

    def _run(self, count: int) -> None:
        """Take the readings of one pass through the trigger layer."""
        general, key = self._general, self._general.source
        sweep, now = self._sweep[key], self._function[key]
        levels = sweep.levels(now.level, count)
        if np.max(np.abs(levels)) > RANGES[key][-1] * OVER_RANGE:
            raise ScpiError(-222, "the sweep leaves the ranges")
        span = None
        if sweep.mode != "FIX" and (sweep.ranging != "FIX" or now.chooses_source_span):
            span = range_for(float(np.max(np.abs(levels))), RANGES[key])
        if key == "VOLT":
            levels = np.clip(levels, -general.protection_v, general.protection_v)
        taken = self._terminals.measure(self._stage(span=span), levels)
        if sweep.aborts != "NEV" and (limited := np.flatnonzero(taken["is_limited"])).size:
            taken = taken[: limited[0] + 1]
        if sweep.mode != "FIX":
            self._change_function(key, level=float(levels[-1]))
            self._operation.note(_SWEEPING)
        self._keep(taken)

    def _keep(self, taken: NDArray[np.void]) -> None:
        kept = np.zeros(len(taken), KEPT)
        for name in READING.names or ():
            kept[name] = taken[name]
        kept["time_s"] -= self._started_s
        general = self._general
        for key in ("VOLT", "CURR", "RES"):
            if key not in general.senses:
                kept[COLUMNS[key]] = kept["source"] if key == general.source else NOTHING
        values = np.stack([np.abs(kept[COLUMNS[key]]) for key in general.senses] or [np.zeros(len(kept))])
        is_over = np.any(values == OVERFLOW, axis=0)
        always = _SOURCED_BIT[general.source] | sum(_MEASURED_BIT[key] for key in general.senses)
        always |= _FRONT_BIT if general.front else 0
        always |= _REMOTE_BIT if general.remote else 0
        always |= _FILTER_BIT if general.averages else 0
        compliance = np.where(kept["is_limited"], _COMPLIANCE_BIT, 0)
        over = _OVERFLOW_BIT
        if not self._function[OTHER[general.source]].chooses_sense_span:
            over |= _RANGE_COMPLIANCE_BIT
        kept["status"] = always | compliance | np.where(is_over, over, 0)
        self._follow_ranges(kept[-1])
        self._traces.add(kept)
        self._note(kept, bool(np.any(is_over)))

    def _follow_ranges(self, last: np.void) -> None:
        for key in ("VOLT", "CURR", "RES"):
            value = abs(float(last[COLUMNS[key]]))
            if self._function[key].chooses_sense_span and value < OVERFLOW and key != self._general.source:
                self._change_function(key, sense_span=range_for(value, RANGES[key]))

    def _note(self, kept: NDArray[np.void], is_over: bool) -> None:
        limited = _IN_COMPLIANCE if np.any(kept["is_limited"]) else 0
        self._measurement.note(_READING_AVAILABLE | (_READING_OVERFLOW if is_over else 0) | limited)

    def _initiate(self) -> None:
        general = self._general
        if not general.output:
            if not general.goes_off:
                raise ScpiError(803, text="Not permitted with OUTPUT off")
            self._set_output(True)
        self._trigger.check_idle()
        self._traces.start()
        self._trigger.initiate()
        self._finish()

    def _finish(self) -> None:
        if self._general.goes_off and self._trigger.is_idle:
            self._set_output(False)

    def _read(self) -> Reply:
        self._trigger.abort()
        if not self._trigger.runs_by_itself:
            raise ScpiError(-214, text="Trigger deadlock")
        self._initiate()
        return self._traces.latest()

    def _configure(self, key: str) -> None:
        """Prepare for one reading of one function; levels and integration time stay."""
        self._trigger.reset()
        self._change(senses=(key,))
        self._change_function(key, chooses_sense_span=True)

    def _measure(self, key: str) -> Reply:
        self._configure(key)
        return self._read()

    # ---- status

    def _show_state(self) -> None:
        state = {"idle": _IDLE, "arm": _WAITS_FOR_ARM, "trigger": _WAITS_FOR_TRIGGER}
        self._operation.set_condition(state[self._trigger.state])

    def _summary_bits(self) -> int:
        measurement = _MEASUREMENT_SUMMARY if self._measurement.has_summary else 0
        questionable = _QUESTIONABLE_SUMMARY if self._questionable.has_summary else 0
        return measurement | questionable | (_OPERATION_SUMMARY if self._operation.has_summary else 0)

    def _preset_status(self) -> None:
        for registers in (self._measurement, self._questionable, self._operation):
            registers.preset()

    def _take_errors(self, status: Status) -> str:
        found = [plain_error_reply(status.next_error())]
        while status.error_count:
            found.append(plain_error_reply(status.next_error()))
        return ",".join(found)


def _key(name: str) -> str:
    return name.removesuffix(":DC")


@final
@dataclass(frozen=True, slots=True)
class _Extreme:
    """MIN, MAX or DEF of a number."""

    kind: Real

    def parse(self, raw: Raw) -> float:
        value = self.kind.keyword(raw)
        if value is None:
            raise ScpiError(-224, str(raw))
        return value


@final
@dataclass(frozen=True, slots=True)
class _SwitchOrOnce:
    """ON, OFF or ONCE, which is None."""

    def parse(self, raw: Raw) -> bool | None:
        return None if isinstance(raw, str) and raw.upper() == "ONCE" else Boolean().parse(raw)
