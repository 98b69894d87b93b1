"""Status registers of the Keithley 2450, and the events that are mapped to their bits."""

from typing import Final, final

from sim_instruments.instruments.keithley_2450.settings import EVENT
from sim_instruments.scpi_parameter import Integer
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

STARTED: Final = 2731
"""Event: a trigger model was started."""
ENDED: Final = 2732
"""Event: a trigger model came to its end."""

_OPER_SUMMARY, _QUES_SUMMARY = 128, 8


@final
class Registers:
    """The register sets below the status byte."""

    def __init__(self) -> None:
        self._operation = RegisterSet()
        self._questionable = RegisterSet()
        self._maps: dict[tuple[str, int], tuple[int, int]] = {}

    def post(self, event: int) -> None:
        """Set and clear the status bits that an event is mapped to."""
        for (name, bit), (rise, fall) in self._maps.items():
            registers = self._operation if name == "OPERation" else self._questionable
            if rise == event:
                registers.set_condition(registers.condition | 1 << bit)
            if fall == event:
                registers.set_condition(registers.condition & ~(1 << bit))

    def summary_bits(self) -> int:
        """Return the bits of the status byte that sum the registers up."""
        operation = _OPER_SUMMARY if self._operation.has_summary else 0
        return operation | (_QUES_SUMMARY if self._questionable.has_summary else 0)

    def commands(self, status: Status) -> tuple[Command, ...]:
        """Return the commands of the STATus subsystem; *CLS clears the registers from now on."""
        status.also_clear(self._operation.clear)
        status.also_clear(self._questionable.clear)
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
        return (*found, Command(":STATus:PRESet", self._preset), Command(":STATus:CLEar", self._clear))

    def _preset(self) -> None:
        self._operation.preset()
        self._questionable.preset()
        self._maps.clear()

    def _clear(self) -> None:
        self._operation.clear()
        self._questionable.clear()
