"""Twin of the Keithley 2450 source-measure unit in its SCPI command set.

Its front terminals are on the wiring's measure row. It sources volts or amperes and reads either of them, or their
ratio, of the devices reached; the limit of the other quantity holds the output where it must. Each reading has noise of
`NOISE_OF_RANGE` of its range at one power-line cycle, less for longer integration. With no path, or with the output
off, only the noise is read. Reading disturbs no wall: the read path does not carry the write current.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final, Literal, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instrument import Traits
from sim_instruments.instruments.keithley_2450.settings import (
    COUNT,
    DELAY,
    DURATION,
    EVENT,
    INTERLOCK_V,
    LIGHT,
    LIST_LENGTH,
    LIST_MESSAGE,
    MOST_SWEPT,
    NPLC,
    OFF_STATE,
    OHM_RANGES,
    PITCH,
    POINTS,
    PROGRAM,
    PROTECTION,
    RANGE_KIND,
    RANGES,
    SCREEN,
    SENSE_FUNCTIONS,
    SENSED,
    SOURCE_FUNCTIONS,
    SWEPT_DELAY,
    UNIT_CODES,
    USERS,
    GeneralSettings,
    Program,
    SenseSettings,
    SourceFunction,
    SourceSettings,
    default_senses,
    default_sources,
)
from sim_instruments.instruments.keithley_2450.traces import (
    ASKED,
    BUFFER,
    FRONT,
    KEPT,
    SOURCE_FOUR_WIRE,
    SOURCE_LIMITED,
    SOURCE_ON,
    SOURCE_READ_BACK,
    Traces,
)
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer
from sim_instruments.scpi_setting import real_setting, setting, show_bool, show_real, switch_setting
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_text import Text
from sim_instruments.scpi_tree import Command, Reply
from sim_instruments.smu_output import LINE_FREQUENCY_HZ, OVER_RANGE, OVERFLOW, Meter, range_for
from sim_instruments.smu_terminals import Stage, Terminals
from sim_instruments.status import Status

MODEL: Final = "keithley-2450"

NOISE_OF_RANGE: Final = 1e-6
"""Noise of one reading at one power-line cycle, rms, as a fraction of the measuring range."""
_OPER_SUMMARY, _QUES_SUMMARY = 128, 8
_STARTED, _ENDED = 2731, 2732  # events of the trigger model


@final
class Keithley2450:
    """The 2450's commands and what they do at its terminals."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._terminals = Terminals(place, MODEL)
        self._traces = Traces(self._measure)
        self._operation = RegisterSet()
        self._questionable = RegisterSet()
        self._maps: dict[tuple[str, int], tuple[int, int]] = {}
        self._texts = ["", ""]
        self._general = GeneralSettings()
        self._source = default_sources()
        self._sense = default_senses()
        self._program: Program | None = None

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(
            identity=f"KEITHLEY INSTRUMENTS,MODEL 2450,{self._serial},1.7.12b",
            error_queue_depth=100,
            error_reply=self._error_reply,
            summary_bits=self._summary_bits,
        )

    def commands(self, status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        status.also_clear(self._operation.clear)
        status.also_clear(self._questionable.clear)
        return (
            *(command for function in SOURCE_FUNCTIONS for command in self._source_commands(function)),
            *(command for key in SENSE_FUNCTIONS for command in self._sense_commands(key)),
            *self._general_commands(),
            *self._reading_commands(),
            *self._traces.commands(),
            *self._trigger_commands(),
            *self._status_commands(),
            *self._system_commands(status),
        )

    def reset(self) -> None:
        """Output off and every setting to its default."""
        self._general = GeneralSettings()
        self._source = default_sources()
        self._sense = default_senses()
        self._program = None
        self._traces.reset()
        self._terminals.set_live(False)

    def trigger(self) -> None:
        """Refuse: no trigger model waits for the bus."""
        raise ScpiError(-211, "no trigger model waits for it")

    # ---- settings

    def _source_commands(self, function: SourceFunction) -> tuple[Command, ...]:
        key, at = function.key, f":SOURce#:{function.header}"
        limit = f"{at}:{function.limit_header}"
        values = (function.level,) * LIST_MESSAGE

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._change_source(key, **{name: value})

        def now() -> SourceSettings:
            return self._source[key]

        return (
            *real_setting(
                f"{at}[:LEVel][:IMMediate][:AMPLitude]",
                function.level,
                lambda: now().level,
                lambda v: self._set_level(key, v),
            ),
            *real_setting(f"{at}:RANGe", function.span, lambda: now().span, lambda v: self._set_span(key, v)),
            *switch_setting(f"{at}:RANGe:AUTO", lambda: now().chooses_span, lambda v: self._set_auto(key, v)),
            *real_setting(f"{limit}[:LEVel]", function.limit, lambda: now().limit, change("limit")),
            Command(f"{limit}[:LEVel]:TRIPped?", lambda: show_bool(self._is_limited(key))),
            *real_setting(f"{at}:DELay", DELAY, lambda: now().delay_s, lambda v: self._set_delay(key, v)),
            *switch_setting(f"{at}:DELay:AUTO", lambda: now().chooses_delay, change("chooses_delay")),
            *(command for n in USERS for command in self._user_delay(f"{at}:DELay:USER{n}", self._source, key, n)),
            *switch_setting(f"{at}:READ:BACK", lambda: now().reads_back, change("reads_back")),
            *switch_setting(f"{at}:HIGH:CAPacitance", lambda: now().high_capacitance, change("high_capacitance")),
            *setting(f"{at}:PROTection[:LEVel]", PROTECTION, lambda: now().protection, change("protection")),
            Command(f"{at}:PROTection[:LEVel]:TRIPped?", lambda: show_bool(self._is_protecting(key))),
            *setting(f":OUTPut#:{function.header}:SMODe", OFF_STATE, lambda: now().off_state, change("off_state")),
            Command(
                f":SOURce#:LIST:{function.header}",
                lambda *levels: self._change_source(key, values=levels),
                values,
                optional=LIST_MESSAGE - 1,
            ),
            Command(f":SOURce#:LIST:{function.header}?", lambda: ",".join(map(show_real, self._listed(key)))),
            Command(
                f":SOURce#:LIST:{function.header}:APPend",
                lambda *levels: self._append(key, levels),
                values,
                optional=LIST_MESSAGE - 1,
            ),
            Command(f":SOURce#:LIST:{function.header}:POINts?", lambda: str(len(now().values))),
            *self._sweep_commands(function),
        )

    def _sweep_commands(self, function: SourceFunction) -> tuple[Command, ...]:
        key, at = function.key, f":SOURce#:SWEep:{function.header}"
        passes = Integer(low=1, high=1_000_000)
        ends = (SWEPT_DELAY, passes, RANGE_KIND, Boolean(), Boolean(), BUFFER)
        return (
            Command(
                f"{at}:LINear",
                lambda start, stop, points, *rest: self._plan(key, np.linspace(start, stop, points), *rest),
                (function.level, function.level, POINTS, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LINear:STEP",
                lambda start, stop, step, *rest: self._plan(key, _stepped(start, stop, step), *rest),
                (function.level, function.level, function.level, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LOG",
                lambda start, stop, points, *rest: self._plan(key, _spaced(start, stop, points), *rest),
                (function.level, function.level, POINTS, *ends),
                optional=len(ends),
            ),
            Command(
                f"{at}:LIST",
                lambda first, delay_s=-1.0, count=1, stops=True, buffer="defbuffer1": self._plan(
                    key, np.array(self._listed(key)[first - 1 :]), delay_s, count, "AUTO", stops, False, buffer
                ),
                (Integer(low=1, high=LIST_LENGTH), SWEPT_DELAY, passes, Boolean(), BUFFER),
                optional=4,
            ),
        )

    def _sense_commands(self, key: str) -> tuple[Command, ...]:
        header, span = SENSE_FUNCTIONS[key]
        at = f"[:SENSe#]:{header}"

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._change_sense(key, **{name: value})

        def now() -> SenseSettings:
            return self._sense[key]

        return (
            *real_setting(f"{at}:RANGe[:UPPer]", span, lambda: now().span, lambda v: self._set_sense_span(key, v)),
            *switch_setting(f"{at}:RANGe:AUTO", lambda: now().chooses_span, change("chooses_span")),
            *real_setting(f"{at}:NPLCycles", NPLC, lambda: now().nplc, change("nplc")),
            *switch_setting(f"{at}:RSENse", lambda: now().four_wire, change("four_wire")),
            *switch_setting(f"{at}:AZERo[:STATe]", lambda: now().auto_zero, change("auto_zero")),
            *switch_setting(f"{at}:AVERage[:STATe]", lambda: now().averages, change("averages")),
            *setting(
                f"{at}:AVERage:COUNt",
                Integer(low=1, high=100),
                lambda: str(now().average_count),
                change("average_count"),
            ),
            *setting(
                f"{at}:AVERage:TCONtrol",
                Choice(("REPeat", "MOVing")),
                lambda: now().average_kind,
                change("average_kind"),
            ),
            *switch_setting(f"{at}:OCOMpensated", lambda: now().offset_compensated, change("offset_compensated")),
            *setting(f"{at}:UNIT", Choice(("AMP", "VOLT", "OHM", "WATT")), lambda: now().unit, change("unit")),
            *(command for n in USERS for command in self._user_delay(f"{at}:DELay:USER{n}", self._sense, key, n)),
        )

    def _user_delay(self, pattern: str, group: dict[str, Any], key: str, number: int) -> tuple[Command, ...]:
        # Which dictionary, not which object: *RST puts new ones in their place.
        is_source = group is self._source

        def all_s() -> tuple[float, ...]:
            return self._source[key].users_s if is_source else self._sense[key].users_s

        def change(delay_s: float) -> None:
            users_s = (*all_s()[: number - 1], delay_s, *all_s()[number:])
            (self._change_source if is_source else self._change_sense)(key, users_s=users_s)

        return real_setting(pattern, DELAY, lambda: all_s()[number - 1], change)

    def _general_commands(self) -> tuple[Command, ...]:
        return (
            *setting(
                ":SOURce#:FUNCtion[:MODE]",
                Choice(("VOLTage", "CURRent")),
                lambda: self._general.source,
                self._set_source,
            ),
            *setting("[:SENSe#]:FUNCtion[:ON]", SENSED, self._sensed, self._set_sense),
            *setting(
                "[:SENSe#]:COUNt", COUNT, lambda: str(self._general.count), lambda v: self._change_general(count=v)
            ),
            Command("[:SENSe#]:AZERo:ONCE", lambda: None),
            *switch_setting(":OUTPut#[:STATe]", lambda: self._general.output, self._set_output),
            Command(":OUTPut#:INTerlock:TRIPped?", lambda: show_bool(self._terminals.interlock_closed)),
            *setting(
                ":ROUTe:TERMinals",
                Choice(("FRONt", "REAR")),
                lambda: self._general.terminals,
                self._set_terminals,
            ),
        )

    def _reading_commands(self) -> tuple[Command, ...]:
        def taken(key: str | None) -> Callable[..., Reply]:
            return lambda buffer="defbuffer1", *asked: self._read(key, buffer, asked)

        return (
            Command(":READ?", taken(None), ASKED, optional=len(ASKED)),
            Command(":MEASure?", taken(None), ASKED, optional=len(ASKED)),
            *(
                Command(f":MEASure:{header}?", taken(key), ASKED, optional=len(ASKED))
                for key, (header, _) in SENSE_FUNCTIONS.items()
            ),
        )

    def _trigger_commands(self) -> tuple[Command, ...]:
        count = Integer(low=1, high=MOST_SWEPT)
        return (
            Command(":INITiate[:IMMediate]", self._initiate),
            Command(":ABORt", lambda: None),
            Command(":TRIGger:STATe?", lambda: "IDLE;IDLE;0" if self._program else "EMPTY;EMPTY;0"),
            Command(":TRIGger:LOAD", self._load, (PROGRAM, count, DELAY, BUFFER), optional=3),
        )

    def _status_commands(self) -> tuple[Command, ...]:
        found: list[Command] = []
        for name, registers in (("OPERation", self._operation), ("QUEStionable", self._questionable)):
            # The 2450 has no transition filters: which events set and clear a bit is mapped instead.
            found += [c for c in registers.commands(f":STATus:{name}") if "TRansition" not in c.pattern]
            found += [
                Command(
                    f":STATus:{name}:MAP",
                    lambda bit, rise, fall=0, name=name: self._maps.update({(name, bit): (rise, fall)}),
                    (Integer(low=0, high=14), EVENT, EVENT),
                    optional=1,
                ),
                Command(
                    f":STATus:{name}:MAP?",
                    lambda bit, name=name: "{},{}".format(*self._maps.get((name, bit), (0, 0))),
                    (Integer(low=0, high=14),),
                ),
            ]
        return (*found, Command(":STATus:PRESet", self._preset_status), Command(":STATus:CLEar", self._clear_status))

    def _system_commands(self, status: Status) -> tuple[Command, ...]:
        severity = Choice(("ALL", "ERRor", "WARNing", "INFormation"))
        return (
            *setting(
                "*LANG", Choice(("SCPI", "TSP", "SCPI2400")), lambda: "SCPI", lambda _: None
            ),  # from the next power-on
            Command("SYSTem:CLEar", status.clear_errors),
            Command("SYSTem:ERRor:CODE[:NEXT]?", lambda: str(status.next_error().code)),
            Command("SYSTem:EVENtlog:NEXT?", lambda _=None: self._error_reply(status.next_error()), (severity,), 1),
            Command("SYSTem:EVENtlog:COUNt?", lambda _=None: str(status.error_count), (severity,), 1),
            Command("SYSTem:LFRequency?", lambda: f"{LINE_FREQUENCY_HZ:.0f}"),
            Command("SYSTem:BEEPer[:IMMediate]", lambda *_: None, (PITCH, DURATION)),
            Command("SYSTem:ACCess?", lambda: "FULL"),
            Command("SYSTem:LOCal", lambda: None),
            Command("SYSTem:REMote", lambda: None),
            Command("SYSTem:RWLock", lambda: None),
            *setting("DISPlay:SCReen", SCREEN, lambda: "HOME", lambda _: None),
            *setting("DISPlay:LIGHt:STATe", LIGHT, lambda: "ON100", lambda _: None),
            Command("DISPlay:CLEar", lambda: self._texts.__setitem__(slice(None), ["", ""])),
            *(
                Command(f"DISPlay:USER{line}:TEXT[:DATA]", lambda text, n=line: self._write(n, text), (Text(),))
                for line in (1, 2)
            ),
        )

    def _change_source(self, key: str, **changes: Any) -> None:
        self._source[key] = replace(self._source[key], **changes)

    def _change_sense(self, key: str, **changes: Any) -> None:
        self._sense[key] = replace(self._sense[key], **changes)

    def _change_general(self, **changes: Any) -> None:
        self._general = replace(self._general, **changes)

    def _set_level(self, key: str, level: float) -> None:
        now = self._source[key]
        if self._general.output and key == "VOLT":
            self._check_interlock(level)
        if now.chooses_span:
            self._change_source(key, level=level, span=range_for(level, RANGES[key]))
            return
        if abs(level) > now.span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} does not fit the range of {now.span:g}")
        self._change_source(key, level=level)

    def _set_span(self, key: str, largest: float) -> None:
        chosen, level = range_for(largest, RANGES[key]), self._source[key].level
        if abs(level) > chosen * OVER_RANGE:
            raise ScpiError(-221, f"the level, {level:g}, does not fit the range of {chosen:g}")
        self._change_source(key, span=chosen, chooses_span=False)

    def _set_auto(self, key: str, is_on: bool) -> None:
        now = self._source[key]
        span = range_for(now.level, RANGES[key]) if is_on else now.span
        self._change_source(key, chooses_span=is_on, span=span)

    def _set_delay(self, key: str, delay_s: float) -> None:
        self._change_source(key, delay_s=delay_s, chooses_delay=False)

    def _set_sense_span(self, key: str, largest: float) -> None:
        self._change_sense(key, span=range_for(largest, RANGES[key]), chooses_span=False)

    def _set_source(self, key: str) -> None:
        if key != self._general.source:
            self._set_output(False)
            self._change_general(source=key)

    def _sensed(self) -> str:
        return {"CURR": '"CURR:DC"', "VOLT": '"VOLT:DC"', "RES": '"RES"'}[self._general.sense]

    def _set_sense(self, name: str) -> None:
        self._change_general(sense=name.removesuffix(":DC"))

    def _set_terminals(self, terminals: str) -> None:
        if terminals != self._general.terminals:
            self._set_output(False)
            self._change_general(terminals=terminals)

    def _set_output(self, is_on: bool) -> None:
        if is_on and self._general.source == "VOLT":
            self._check_interlock(self._source["VOLT"].level)
        self._change_general(output=is_on)
        self._terminals.set_live(is_on)

    def _check_interlock(self, level_v: float) -> None:
        if not self._terminals.interlock_closed and abs(level_v) > INTERLOCK_V:
            raise ScpiError(-221, f"the interlock is open: {level_v:g} V is above {INTERLOCK_V:g} V")

    def _append(self, key: str, levels: tuple[float, ...]) -> None:
        values = (*self._source[key].values, *levels)
        if len(values) > LIST_LENGTH:
            raise ScpiError(-223, f"a list holds {LIST_LENGTH} values")
        self._change_source(key, values=values)

    def _listed(self, key: str) -> tuple[float, ...]:
        values = self._source[key].values
        if not values:
            raise ScpiError(-230, "there is no list")
        return values

    def _write(self, line: int, text: str) -> None:
        self._texts[line - 1] = text

    # ---- measuring

    def _stage(self, *, is_on: bool, delay_s: float) -> Stage:
        general, source, sense = self._general, self._source[self._general.source], self._sense[self._general.sense]
        limit = source.limit
        if general.source == "CURR":
            limit = min(limit, self._most_v())
        return Stage(
            function=general.source,
            limit=limit,
            is_on=is_on,
            is_wired=general.terminals == "FRON",
            voltage=self._meter("VOLT", sense.nplc),
            current=self._meter("CURR", sense.nplc),
            top_ohm=(OHM_RANGES[-1] if sense.chooses_span else sense.span) * OVER_RANGE,
            seconds_each=delay_s + sense.nplc / LINE_FREQUENCY_HZ * (sense.average_count if sense.averages else 1),
        )

    def _meter(self, key: Literal["VOLT", "CURR"], nplc: float) -> Meter:
        if key == self._general.source:
            span = None if self._source[key].chooses_span else self._source[key].span
        else:
            # Only the function that is measured is held on its range.
            is_held = key == self._general.sense and not self._sense[key].chooses_span
            span = self._sense[key].span if is_held else None
        return Meter(ranges=RANGES[key], span=span, nplc=nplc, noise_of_range=NOISE_OF_RANGE)

    def _most_v(self) -> float:
        """Return the voltage that the overvoltage protection and an open interlock leave to the output."""
        chosen = self._source[self._general.source].protection.removeprefix("PROT")
        protection_v = math.inf if chosen == "NONE" else float(chosen)
        return protection_v if self._terminals.interlock_closed else min(protection_v, INTERLOCK_V)

    def _is_protecting(self, key: str) -> bool:
        source = self._source[key]
        wanted_v = source.level if key == "VOLT" else source.limit
        return key == self._general.source and self._general.output and abs(wanted_v) > self._most_v()

    def _is_limited(self, key: str) -> bool:
        general = self._general
        if key != general.source or not general.output:
            return False
        return self._terminals.is_limited(self._stage(is_on=True, delay_s=0.0), self._source[key].level)

    def _take(self, stage: Stage, levels: NDArray[np.float64]) -> NDArray[np.void]:
        """Measure at these levels and return what a buffer keeps of it."""
        general, source = self._general, self._source[self._general.source]
        if general.source == "VOLT":
            levels = np.clip(levels, -self._most_v(), self._most_v())
        taken = self._terminals.measure(stage, levels)
        names = {"VOLT": "voltage_v", "CURR": "current_a", "RES": "resistance_ohm"}
        kept = np.zeros(len(taken), KEPT)
        kept["reading"] = taken[names[general.sense]]
        kept["source"] = taken[names[general.source]] if source.reads_back and stage.is_on else taken["source"]
        kept["time_s"] = taken["time_s"]
        kept["status"] = FRONT if general.terminals == "FRON" else 0
        always = (SOURCE_ON if stage.is_on else 0) | (SOURCE_READ_BACK if source.reads_back else 0)
        four_wire = SOURCE_FOUR_WIRE if self._sense[general.sense].four_wire else 0
        kept["source_status"] = np.where(taken["is_limited"], SOURCE_LIMITED, 0) | always | four_wire
        kept["unit"], kept["source_unit"] = UNIT_CODES[general.sense], UNIT_CODES[general.source]
        self._follow_range(kept)
        return kept

    def _follow_range(self, kept: NDArray[np.void]) -> None:
        key = self._general.sense
        value = float(kept["reading"][-1])
        if self._sense[key].chooses_span and abs(value) < OVERFLOW:
            self._change_sense(key, span=range_for(value, RANGES[key]))

    def _measure(self, buffer: str) -> None:
        """Take `SENSe:COUNt` readings at the present level."""
        found = self._traces.buffer(buffer)
        level = self._source[self._general.source].level
        stage = self._stage(is_on=self._general.output, delay_s=0.0)
        found.add(self._take(stage, np.full(self._general.count, level)))

    def _read(self, key: str | None, buffer: str, asked: Sequence[str]) -> Reply:
        if key is not None:
            self._change_general(sense=key)
        self._measure(buffer)
        return self._traces.last(buffer, asked)

    # ---- trigger model

    def _plan(
        self,
        key: str,
        levels: NDArray[np.float64],
        delay_s: float = -1.0,
        passes: int = 1,
        _span: str = "AUTO",
        stops_at_limit: bool = True,
        is_dual: bool = False,
        buffer: str = "defbuffer1",
    ) -> None:
        self._traces.buffer(buffer)
        swept = np.concatenate((levels, levels[::-1])) if is_dual else levels
        if not 1 <= len(swept) * passes <= MOST_SWEPT:
            raise ScpiError(-223, f"a sweep has 1 to {MOST_SWEPT} points")
        if key != self._general.source:
            raise ScpiError(-221, "the sweep is of another source function")
        self._program = Program(
            levels=swept,
            count=passes,
            delay_s=max(delay_s, 0.0),
            stops_at_limit=stops_at_limit,
            buffer=buffer,
        )

    def _load(self, name: str, count: int = 1, delay_s: float = 0.0, buffer: str = "defbuffer1") -> None:
        self._traces.buffer(buffer)
        loop = Program(levels=None, count=count, delay_s=delay_s, stops_at_limit=False, buffer=buffer)
        self._program = loop if name == "SL" else None

    def _initiate(self) -> None:
        program = self._program
        if program is None:
            raise ScpiError(-200, "there is no trigger model: load one or set up a sweep")
        found = self._traces.buffer(program.buffer)
        if program.levels is None:
            level = self._source[self._general.source].level
            levels, is_on = np.full(program.count, level), self._general.output
        else:
            levels, is_on = np.tile(program.levels, program.count), True
            if self._general.source == "VOLT":
                self._check_interlock(float(np.max(np.abs(levels))))
        self._post(_STARTED)
        found.clear()
        taken = self._take(self._stage(is_on=is_on, delay_s=program.delay_s), levels)
        if program.stops_at_limit and (limited := np.flatnonzero(taken["source_status"] & SOURCE_LIMITED)).size:
            taken = taken[: limited[0] + 1]
        found.add(taken)
        if program.levels is not None:
            self._set_output(False)
        self._post(_ENDED)

    # ---- status

    def _post(self, event: int) -> None:
        """Set and clear the status bits that an event is mapped to."""
        for (name, bit), (rise, fall) in self._maps.items():
            registers = self._operation if name == "OPERation" else self._questionable
            if rise == event:
                registers.set_condition(registers.condition | 1 << bit)
            if fall == event:
                registers.set_condition(registers.condition & ~(1 << bit))

    def _summary_bits(self) -> int:
        operation = _OPER_SUMMARY if self._operation.has_summary else 0
        return operation | (_QUES_SUMMARY if self._questionable.has_summary else 0)

    def _preset_status(self) -> None:
        self._operation.preset()
        self._questionable.preset()
        self._maps.clear()

    def _clear_status(self) -> None:
        self._operation.clear()
        self._questionable.clear()

    def _error_reply(self, error: ScpiError) -> str:
        if error.code == 0:
            return '0,"No error;0;0 0"'
        text = error.text.replace('"', "'")
        return f'{error.code},"{text};1;{self._terminals.now_s:.3f}"'


def _stepped(start: float, stop: float, step: float) -> NDArray[np.float64]:
    if step == 0 or not 0 <= (stop - start) / step < MOST_SWEPT:
        raise ScpiError(-222, "the steps do not lead from start to stop")
    return start + step * np.arange(int((stop - start) / step + 1e-9) + 1, dtype=np.float64)


def _spaced(start: float, stop: float, points: int) -> NDArray[np.float64]:
    if start * stop <= 0:
        raise ScpiError(-222, "a logarithmic sweep does not pass zero")
    return np.array(np.geomspace(start, stop, points), dtype=np.float64)
