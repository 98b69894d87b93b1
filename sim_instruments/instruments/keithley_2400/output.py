"""Output of the Keithley 2400: its switch and its terminals."""

from typing import final

from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Choice
from sim_instruments.scpi_setting import setting, show_bool
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
        """Switch the output; raise the error of an output that the enable line blocks."""
        if is_on and self._state.general.obeys_enable and not self._terminals.interlock_closed:
            raise ScpiError(802, text="OUTPUT blocked by output enable")
        self._state.change(output=is_on)
        self._terminals.set_live(is_on)

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the output and of the terminals."""
        return (
            *setting(":OUTPut#[:STATe]", Boolean(), lambda: show_bool(self._state.general.output), self.switch),
            *self._state.plain(":OUTPut#:SMODe", Choice(("HIMPedance", "NORMal", "ZERO", "GUARd")), "off_state"),
            *self._state.switch(":OUTPut#:ENABle[:STATe]", "obeys_enable"),
            Command(":OUTPut#:ENABle:TRIPped?", lambda: show_bool(self._terminals.interlock_closed)),
            *setting(
                ":ROUTe:TERMinals",
                Choice(("FRONt", "REAR")),
                lambda: "FRON" if self._state.general.front else "REAR",
                self._set_terminals,
            ),
        )

    def _set_terminals(self, name: str) -> None:
        if (name == "FRON") != self._state.general.front:
            self.switch(False)
            self._state.change(front=name == "FRON")
