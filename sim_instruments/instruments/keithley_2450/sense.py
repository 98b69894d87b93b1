"""Meter settings of the Keithley 2450: what is measured, on which range and for how long."""

from collections.abc import Callable
from typing import Any, final

from sim_instruments.instruments.keithley_2450.delays import user_delays
from sim_instruments.instruments.keithley_2450.settings import (
    COUNT,
    NPLC,
    RANGES,
    SENSE_FUNCTIONS,
    SENSED,
    SenseSettings,
)
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.scpi_parameter import Choice, Integer
from sim_instruments.scpi_setting import real_setting, setting, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import range_for


@final
class Sense:
    """The SENSe subsystem.

    Args:
        state: the settings.
    """

    def __init__(self, state: State) -> None:
        self._state = state

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the SENSe subsystem."""
        return (
            *(command for key in SENSE_FUNCTIONS for command in self._function_commands(key)),
            *setting("[:SENSe#]:FUNCtion[:ON]", SENSED, self._sensed, self._set_sense),
            *setting(
                "[:SENSe#]:COUNt",
                COUNT,
                lambda: str(self._state.general.count),
                lambda v: self._state.change_general(count=v),
            ),
            Command("[:SENSe#]:AZERo:ONCE", lambda: None),
        )

    def _function_commands(self, key: str) -> tuple[Command, ...]:
        header, span = SENSE_FUNCTIONS[key]
        at = f"[:SENSe#]:{header}"

        def change(name: str) -> Callable[[Any], None]:
            return lambda value: self._state.change_sense(key, **{name: value})

        def now() -> SenseSettings:
            return self._state.sense[key]

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
            *user_delays(at, lambda: now().users_s, change("users_s")),
        )

    def _set_sense_span(self, key: str, largest: float) -> None:
        self._state.change_sense(key, span=range_for(largest, RANGES[key]), chooses_span=False)

    def _sensed(self) -> str:
        return {"CURR": '"CURR:DC"', "VOLT": '"VOLT:DC"', "RES": '"RES"'}[self._state.general.sense]

    def _set_sense(self, name: str) -> None:
        self._state.change_general(sense=name.removesuffix(":DC"))
