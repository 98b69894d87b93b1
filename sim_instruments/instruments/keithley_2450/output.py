"""Output of the Keithley 2450: its switch, its terminals, and how many volts protection and interlock leave it."""

import math
from typing import final

from sim_instruments.instruments.keithley_2450.settings import INTERLOCK_V
from sim_instruments.instruments.keithley_2450.state import State
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice
from sim_instruments.scpi_setting import setting, show_bool, switch_setting
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_terminals import Terminals


@final
class Output:
    """The OUTPut subsystem.

    Args:
        state: the settings.
        terminals: what the output leads to.
    """

    def __init__(self, state: State, terminals: Terminals) -> None:
        self._state = state
        self._terminals = terminals

    def switch(self, is_on: bool) -> None:
        """Switch the output; raise the error of a level that the open interlock does not allow."""
        if is_on and self._state.general.source == "VOLT":
            self.check_interlock(self._state.source["VOLT"].level)
        self._state.change_general(output=is_on)
        self._terminals.set_live(is_on)

    def check_interlock(self, level_v: float) -> None:
        """Raise the error of a voltage that the open interlock does not allow."""
        if not self._terminals.interlock_closed and abs(level_v) > INTERLOCK_V:
            raise ScpiError(-221, f"the interlock is open: {level_v:g} V is above {INTERLOCK_V:g} V")

    def most_v(self) -> float:
        """Return the voltage that the overvoltage protection and an open interlock leave to the output."""
        chosen = self._state.source[self._state.general.source].protection.removeprefix("PROT")
        protection_v = math.inf if chosen == "NONE" else float(chosen)
        return protection_v if self._terminals.interlock_closed else min(protection_v, INTERLOCK_V)

    def is_protecting(self, key: str) -> bool:
        """Return whether the overvoltage protection or the interlock holds this source function."""
        source = self._state.source[key]
        wanted_v = source.level if key == "VOLT" else source.limit
        return key == self._state.general.source and self._state.general.output and abs(wanted_v) > self.most_v()

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the output and of the terminals."""
        return (
            *switch_setting(":OUTPut#[:STATe]", lambda: self._state.general.output, self.switch),
            Command(":OUTPut#:INTerlock:TRIPped?", lambda: show_bool(self._terminals.interlock_closed)),
            *setting(
                ":ROUTe:TERMinals",
                Choice(("FRONt", "REAR")),
                lambda: self._state.general.terminals,
                self._set_terminals,
            ),
        )

    def _set_terminals(self, terminals: str) -> None:
        if terminals != self._state.general.terminals:
            self.switch(False)
            self._state.change_general(terminals=terminals)
