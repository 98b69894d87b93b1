"""Meter settings of the Keithley 2400: what is measured, on which range, within which compliance."""

from collections.abc import Callable, Sequence
from typing import final

from sim_instruments.instruments.keithley_2400.number import number_setting
from sim_instruments.instruments.keithley_2400.settings import (
    FUNCTIONS,
    NPLC,
    OTHER,
    PROTECTION,
    RANGES,
    SENSE_HEADERS,
    SMALLEST_SHARE,
    SPAN,
    FunctionSettings,
)
from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice, Integer
from sim_instruments.scpi_setting import setting, show_bool
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import OVER_RANGE, range_for


@final
class Sense:
    """The SENSe subsystem.

    Args:
        state: the settings.
        is_limited: whether the compliance in a quantity holds the output.
    """

    def __init__(self, state: State, is_limited: Callable[[str], bool]) -> None:
        self._state = state
        self._is_limited = is_limited

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the SENSe subsystem."""
        return (
            *(command for key in SENSE_HEADERS for command in self._function_commands(key)),
            *self._general_commands(),
        )

    def listed(self) -> str:
        """Return what is measured as queries answer it."""
        return _listed(self._state.general.senses)

    def _function_commands(self, key: str) -> tuple[Command, ...]:
        at = f"[:SENSe#]:{SENSE_HEADERS[key]}"

        def now() -> FunctionSettings:
            return self._state.function[key]

        found = [
            *number_setting(
                f"{at}:RANGe[:UPPer]",
                SPAN[key],
                lambda: now().sense_span * OVER_RANGE,
                lambda v: self._set_sense_span(key, v),
            ),
            *setting(
                f"{at}:RANGe:AUTO",
                Boolean(),
                lambda: show_bool(now().chooses_sense_span),
                lambda v: self._state.change_function(key, chooses_sense_span=v),
            ),
            *number_setting(
                f"{at}:NPLCycles", NPLC, lambda: self._state.general.nplc, lambda v: self._state.change(nplc=v)
            ),
        ]
        if key != "RES":
            found += [
                *number_setting(
                    f"{at}:PROTection[:LEVel]",
                    PROTECTION[key],
                    lambda: now().protection,
                    lambda v: self._set_protection(key, v),
                ),
                Command(f"{at}:PROTection:TRIPped?", lambda: show_bool(self._is_limited(key))),
            ]
        return tuple(found)

    def _general_commands(self) -> tuple[Command, ...]:
        return (
            Command("[:SENSe#]:FUNCtion[:ON]", self._add_senses, (FUNCTIONS,) * 3, optional=2),
            Command("[:SENSe#]:FUNCtion[:ON]?", self.listed),
            Command("[:SENSe#]:FUNCtion[:ON]:COUNt?", lambda: str(len(self._state.general.senses))),
            Command("[:SENSe#]:FUNCtion[:ON]:ALL", lambda: self._state.change(senses=("VOLT", "CURR", "RES"))),
            Command("[:SENSe#]:FUNCtion:OFF", self._drop_senses, (FUNCTIONS,) * 3, optional=2),
            Command("[:SENSe#]:FUNCtion:OFF?", lambda: _listed(self._unsensed())),
            Command("[:SENSe#]:FUNCtion:OFF:COUNt?", lambda: str(len(self._unsensed()))),
            Command("[:SENSe#]:FUNCtion:OFF:ALL", lambda: self._state.change(senses=())),
            Command(
                "[:SENSe#]:FUNCtion:STATe?",
                lambda key: show_bool(_key(key) in self._state.general.senses),
                (FUNCTIONS,),
            ),
            *setting(
                "[:SENSe#]:FUNCtion:CONCurrent",
                Boolean(),
                lambda: show_bool(self._state.general.is_concurrent),
                self._set_concurrent,
            ),
            *setting(
                "[:SENSe#]:RESistance:MODE",
                Choice(("MANual", "AUTO")),
                lambda: "AUTO" if self._state.general.chooses_ohms else "MAN",
                lambda v: self._state.change(chooses_ohms=v == "AUTO"),
            ),
            *self._state.switch("[:SENSe#]:RESistance:OCOMpensated", "offset_compensated"),
            *self._state.switch("[:SENSe#]:AVERage[:STATe]", "averages"),
            *self._state.plain("[:SENSe#]:AVERage:COUNt", Integer(low=1, high=100), "average_count"),
            *self._state.plain("[:SENSe#]:AVERage:TCONtrol", Choice(("REPeat", "MOVing")), "average_kind"),
        )

    def _set_sense_span(self, key: str, largest: float) -> None:
        chosen, now = range_for(largest, RANGES[key]), self._state.function[key]
        if key == OTHER[self._state.general.source] and chosen > range_for(now.protection, RANGES[key]):
            raise ScpiError(824, text="Cannot exceed compliance range")
        self._state.change_function(key, sense_span=chosen, chooses_sense_span=False)

    def _set_protection(self, key: str, protection: float) -> None:
        now, magnitude = self._state.function[key], abs(protection)
        if magnitude < SMALLEST_SHARE * (RANGES[key][0] if now.chooses_sense_span else now.sense_span):
            raise ScpiError(822, text="Too small for sense range")
        self._state.check_power(OTHER[key], self._state.function[OTHER[key]].level, magnitude)
        self._state.change_function(key, protection=magnitude)

    def _unsensed(self) -> tuple[str, ...]:
        return tuple(key for key in ("VOLT", "CURR", "RES") if key not in self._state.general.senses)

    def _add_senses(self, *names: str) -> None:
        asked = [_key(name) for name in names]
        kept = self._state.general.senses if self._state.general.is_concurrent else ()
        if not self._state.general.is_concurrent and len(asked) > 1:
            raise ScpiError(-221, "one function at a time while they are not concurrent")
        self._state.change(senses=tuple(key for key in ("VOLT", "CURR", "RES") if key in (*kept, *asked)))

    def _drop_senses(self, *names: str) -> None:
        gone = [_key(name) for name in names]
        self._state.change(senses=tuple(key for key in self._state.general.senses if key not in gone))

    def _set_concurrent(self, is_on: bool) -> None:
        self._state.change(
            is_concurrent=is_on, senses=self._state.general.senses if is_on else self._state.general.senses[:1]
        )


def _key(name: str) -> str:
    return name.removesuffix(":DC")


def _listed(keys: Sequence[str]) -> str:
    return ",".join(f'"{key}"' if key == "RES" else f'"{key}:DC"' for key in keys)
