"""Source of the Keithley 2400: levels, ranges, delays and sweeps."""

import math
from collections.abc import Callable
from typing import Any, Literal, final

from sim_instruments.instruments.keithley_2400.number import number_setting, shown
from sim_instruments.instruments.keithley_2400.output import Output
from sim_instruments.instruments.keithley_2400.settings import (
    DELAY,
    LEVEL,
    NAMES,
    OTHER,
    RANGES,
    TWICE,
    FunctionSettings,
)
from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.instruments.keithley_2400.sweep import MOST_POINTS, Sweep
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer, Real
from sim_instruments.scpi_setting import setting, show_bool
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, range_for


@final
class Source:
    """The SOURce subsystem.

    Args:
        state: the settings.
        output: what is switched off with the source function.
    """

    def __init__(self, state: State, output: Output) -> None:
        self._state = state
        self._output = output

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the SOURce subsystem."""
        return (
            *(command for key in ("VOLT", "CURR") for command in self._function_commands(key)),
            *self._general_commands(),
            *self._sweep_commands(),
        )

    def _function_commands(self, key: Literal["VOLT", "CURR"]) -> tuple[Command, ...]:
        at, level = f":SOURce#:{NAMES[key]}", LEVEL[key]
        many = (level,) * 100

        def now() -> FunctionSettings:
            return self._state.function[key]

        def sweep() -> Sweep:
            return self._state.sweep[key]

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._state.change_sweep(key, **{name: value})

        return (
            *number_setting(
                f"{at}[:LEVel][:IMMediate][:AMPLitude]", level, lambda: now().level, lambda v: self._set_level(key, v)
            ),
            *number_setting(
                f"{at}[:LEVel]:TRIGgered[:AMPLitude]", level, lambda: now().level, lambda v: self._set_level(key, v)
            ),
            *number_setting(
                f"{at}:RANGe", level, lambda: now().source_span * OVER_RANGE, lambda v: self._set_source_span(key, v)
            ),
            *setting(
                f"{at}:RANGe:AUTO",
                Boolean(),
                lambda: show_bool(now().chooses_source_span),
                lambda v: self._set_source_auto(key, v),
            ),
            *setting(f"{at}:MODE", Choice(("FIXed", "LIST", "SWEep")), lambda: sweep().mode, change("mode")),
            *number_setting(f"{at}:STARt", level, lambda: sweep().start, change("start")),
            *number_setting(f"{at}:STOP", level, lambda: sweep().stop, change("stop")),
            *number_setting(
                f"{at}:STEP",
                level,
                lambda: sweep().distance,
                lambda v: self._state.change_sweep(key, step=v, count=None),
            ),
            *number_setting(f"{at}:CENTer", level, lambda: sweep().centre, lambda v: self._set_span(key, centre=v)),
            *number_setting(f"{at}:SPAN", TWICE[key], lambda: sweep().span, lambda v: self._set_span(key, span=v)),
            Command(
                f":SOURce#:LIST:{NAMES[key]}", lambda *values: change("values")(values), many, optional=len(many) - 1
            ),
            Command(f":SOURce#:LIST:{NAMES[key]}?", lambda: ",".join(map(shown, sweep().values))),
            Command(
                f":SOURce#:LIST:{NAMES[key]}:APPend",
                lambda *values: change("values")(sweep().appended(values).values),
                many,
                optional=len(many) - 1,
            ),
            Command(f":SOURce#:LIST:{NAMES[key]}:POINts?", lambda: str(len(sweep().values))),
        )

    def _general_commands(self) -> tuple[Command, ...]:
        return (
            *setting(
                ":SOURce#:FUNCtion[:MODE]",
                Choice(("VOLTage", "CURRent", "MEMory")),
                lambda: self._state.general.source,
                self._set_source,
            ),
            *setting(
                ":SOURce#:FUNCtion:SHAPe",
                Choice(("DC",)),
                lambda: "DC",
                lambda _: None,
            ),
            *number_setting(
                ":SOURce#:DELay",
                DELAY,
                lambda: self._state.general.delay_s,
                lambda v: self._state.change(delay_s=v, chooses_delay=False),
            ),
            *self._state.switch(":SOURce#:DELay:AUTO", "chooses_delay"),
            Command(":SOURce#:CLEar[:IMMediate]", lambda: self._output.switch(False)),
            *self._state.switch(":SOURce#:CLEar:AUTO", "goes_off"),
            *number_setting(
                ":SOURce#:VOLTage:PROTection[:LEVel]",
                Real(unit="V", low=-210.0, high=210.0, default=210.0),
                lambda: min(self._state.general.protection_v, 210.0),
                lambda v: self._state.change(protection_v=abs(v) if abs(v) < 200 else math.inf),
            ),
            Command(":SOURce#:VOLTage:PROTection:TRIPped?", lambda: show_bool(self._is_protecting())),
        )

    def _sweep_commands(self) -> tuple[Command, ...]:
        sweeps = self._sweep_of_source
        return (
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

    def _set_level(self, key: str, level: float) -> None:
        now = self._state.function[key]
        self._state.check_power(key, level, self._state.function[OTHER[key]].protection)
        if now.chooses_source_span:
            self._state.change_function(key, level=level, source_span=range_for(level, RANGES[key]))
            return
        if abs(level) > now.source_span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} does not fit the range of {now.source_span:g}")
        self._state.change_function(key, level=level)

    def _set_source_span(self, key: str, largest: float) -> None:
        chosen = range_for(largest, RANGES[key])
        # The level follows a smaller range down, as the manual says.
        level = self._state.function[key].level
        kept = math.copysign(min(abs(level), chosen * OVER_RANGE), level)
        self._state.change_function(key, source_span=chosen, chooses_source_span=False, level=kept)

    def _set_source_auto(self, key: str, is_on: bool) -> None:
        now = self._state.function[key]
        span = range_for(now.level, RANGES[key]) if is_on else now.source_span
        self._state.change_function(key, chooses_source_span=is_on, source_span=span)

    def _set_span(self, key: str, *, centre: float | None = None, span: float | None = None) -> None:
        now = self._state.sweep[key]
        middle, width = now.centre if centre is None else centre, now.span if span is None else span
        self._state.change_sweep(key, start=middle - width / 2, stop=middle + width / 2)

    def _sweep_of_source(self) -> Sweep:
        return self._state.sweep[self._state.general.source]

    def _change_sweeps(self, **changes: Any) -> None:
        for key in self._state.sweep:
            self._state.change_sweep(key, **changes)

    def _set_source(self, key: str) -> None:
        if key == "MEM":
            raise ScpiError(-241, "source memory is not simulated")
        if key != self._state.general.source:
            self._output.switch(False)
            self._state.change(source=key)

    def _is_protecting(self) -> bool:
        general = self._state.general
        volts = (
            self._state.function["VOLT"].level if general.source == "VOLT" else self._state.function["VOLT"].protection
        )
        return general.output and abs(volts) > general.protection_v
