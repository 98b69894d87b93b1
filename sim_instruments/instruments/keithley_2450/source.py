"""Source of the Keithley 2450: levels, ranges, limits, delays and lists."""

from collections.abc import Callable
from typing import Any, final

from sim_instruments.instruments.keithley_2450.delays import user_delays
from sim_instruments.instruments.keithley_2450.output import Output
from sim_instruments.instruments.keithley_2450.settings import (
    DELAY,
    LIST_LENGTH,
    LIST_MESSAGE,
    OFF_STATE,
    PROTECTION,
    RANGES,
    SOURCE_FUNCTIONS,
    SourceFunction,
    SourceSettings,
)
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice
from sim_instruments.scpi_setting import real_setting, setting, show_bool, show_real, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, range_for


@final
class Source:
    """The SOURce subsystem, sweeps excepted.

    Args:
        state: the settings.
        output: what is switched off with the source function.
        is_limited: whether the limit of a source function holds the output.
    """

    def __init__(self, state: State, output: Output, is_limited: Callable[[str], bool]) -> None:
        self._state = state
        self._output = output
        self._is_limited = is_limited

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the SOURce subsystem."""
        return (
            *(command for function in SOURCE_FUNCTIONS for command in self._function_commands(function)),
            *setting(
                ":SOURce#:FUNCtion[:MODE]",
                Choice(("VOLTage", "CURRent")),
                lambda: self._state.general.source,
                self._set_source,
            ),
        )

    def _function_commands(self, function: SourceFunction) -> tuple[Command, ...]:
        key, at = function.key, f":SOURce#:{function.header}"
        limit = f"{at}:{function.limit_header}"
        values = (function.level,) * LIST_MESSAGE

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._state.change_source(key, **{name: value})

        def now() -> SourceSettings:
            return self._state.source[key]

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
            *user_delays(at, lambda: now().users_s, change("users_s")),
            *switch_setting(f"{at}:READ:BACK", lambda: now().reads_back, change("reads_back")),
            *switch_setting(f"{at}:HIGH:CAPacitance", lambda: now().high_capacitance, change("high_capacitance")),
            *setting(f"{at}:PROTection[:LEVel]", PROTECTION, lambda: now().protection, change("protection")),
            Command(f"{at}:PROTection[:LEVel]:TRIPped?", lambda: show_bool(self._output.is_protecting(key))),
            *setting(f":OUTPut#:{function.header}:SMODe", OFF_STATE, lambda: now().off_state, change("off_state")),
            Command(
                f":SOURce#:LIST:{function.header}",
                lambda *levels: self._state.change_source(key, values=levels),
                values,
                optional=LIST_MESSAGE - 1,
            ),
            Command(f":SOURce#:LIST:{function.header}?", lambda: ",".join(map(show_real, self._state.listed(key)))),
            Command(
                f":SOURce#:LIST:{function.header}:APPend",
                lambda *levels: self._append(key, levels),
                values,
                optional=LIST_MESSAGE - 1,
            ),
            Command(f":SOURce#:LIST:{function.header}:POINts?", lambda: str(len(now().values))),
        )

    def _set_level(self, key: str, level: float) -> None:
        now = self._state.source[key]
        if self._state.general.output and key == "VOLT":
            self._output.check_interlock(level)
        if now.chooses_span:
            self._state.change_source(key, level=level, span=range_for(level, RANGES[key]))
            return
        if abs(level) > now.span * OVER_RANGE:
            raise ScpiError(-222, f"{level:g} does not fit the range of {now.span:g}")
        self._state.change_source(key, level=level)

    def _set_span(self, key: str, largest: float) -> None:
        chosen, level = range_for(largest, RANGES[key]), self._state.source[key].level
        if abs(level) > chosen * OVER_RANGE:
            raise ScpiError(-221, f"the level, {level:g}, does not fit the range of {chosen:g}")
        self._state.change_source(key, span=chosen, chooses_span=False)

    def _set_auto(self, key: str, is_on: bool) -> None:
        now = self._state.source[key]
        span = range_for(now.level, RANGES[key]) if is_on else now.span
        self._state.change_source(key, chooses_span=is_on, span=span)

    def _set_delay(self, key: str, delay_s: float) -> None:
        self._state.change_source(key, delay_s=delay_s, chooses_delay=False)

    def _set_source(self, key: str) -> None:
        if key != self._state.general.source:
            self._output.switch(False)
            self._state.change_general(source=key)

    def _append(self, key: str, levels: tuple[float, ...]) -> None:
        values = (*self._state.source[key].values, *levels)
        if len(values) > LIST_LENGTH:
            raise ScpiError(-223, f"a list holds {LIST_LENGTH} values")
        self._state.change_source(key, values=values)
