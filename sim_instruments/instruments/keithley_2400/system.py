"""What of the Keithley 2400 is neither source nor meter: memories, errors, line, time and the front panel."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from sim_instruments.instrument import plain_error_reply
from sim_instruments.instruments.keithley_2400.settings import DURATION, MEMORY, PITCH
from sim_instruments.instruments.keithley_2400.state import State
from sim_instruments.scpi_message import Raw
from sim_instruments.scpi_parameter import Boolean, Integer
from sim_instruments.scpi_setting import setting, show_bool
from sim_instruments.scpi_text import Text
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_terminals import Terminals
from sim_instruments.status import Status


@final
class System:
    """The SYSTem and DISPlay subsystems.

    Args:
        state: the settings.
        terminals: tells the time.
        reset: does what *RST does.
    """

    def __init__(self, state: State, terminals: Terminals, reset: Callable[[], None]) -> None:
        self._state = state
        self._terminals = terminals
        self._reset = reset
        self._texts = {1: "", 2: ""}

    def commands(self, status: Status) -> tuple[Command, ...]:
        """Return the commands of both subsystems, *OPT?, *SAV and *RCL."""
        return (
            Command("*OPT?", lambda: "0"),
            Command("*SAV", self._state.save, (MEMORY,)),
            Command("*RCL", self._recall, (MEMORY,)),
            Command(":SYSTem:PRESet", self._reset),
            Command(":SYSTem:ERRor:CODE[:NEXT]?", lambda: str(status.next_error().code)),
            Command(":SYSTem:ERRor:ALL?", lambda: _take_errors(status)),
            Command(":SYSTem:CLEar", status.clear_errors),
            *self._state.switch(":SYSTem:RSENse", "remote"),
            *setting(
                ":SYSTem:AZERo[:STATe]",
                _SwitchOrOnce(),
                lambda: show_bool(self._state.general.auto_zero),
                self._set_zero,
            ),
            Command(":SYSTem:AZERo:CACHing:REFResh", lambda: None),
            *setting(
                ":SYSTem:LFRequency",
                Integer(low=50, high=60),
                lambda: f"{self._state.general.line_hz:.0f}",
                lambda v: self._state.change(line_hz=50.0 if v < 55 else 60.0, chooses_line=False),
            ),
            *self._state.switch(":SYSTem:LFRequency:AUTO", "chooses_line"),
            Command(":SYSTem:TIME?", lambda: f"{self._terminals.now_s - self._state.started_s:.3f}"),
            Command(":SYSTem:TIME:RESet", self._reset_time),
            Command(":SYSTem:BEEPer[:IMMediate]", lambda *_: None, (PITCH, DURATION)),
            *self._state.switch(":SYSTem:BEEPer:STATe", "beeps"),
            Command(":SYSTem:KEY", lambda _: None, (Integer(low=1, high=32),)),
            Command(":SYSTem:LOCal", lambda: None),
            Command(":SYSTem:REMote", lambda: None),
            Command(":SYSTem:RWLock", lambda _=True: None, (Boolean(),), 1),
            *self._state.switch(":DISPlay:ENABle", "shows"),
            *self._state.plain(":DISPlay:DIGits", Integer(low=4, high=7), "digits"),
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

    def _set_zero(self, state: bool | None) -> None:
        if state is not None:
            self._state.change(auto_zero=state)

    def _reset_time(self) -> None:
        self._state.started_s = self._terminals.now_s

    def _recall(self, place: int) -> None:
        """Restore what *SAV kept, or the defaults; the output goes off."""
        self._reset()
        self._state.recall(place)


def _take_errors(status: Status) -> str:
    found = [plain_error_reply(status.next_error())]
    while status.error_count:
        found.append(plain_error_reply(status.next_error()))
    return ",".join(found)


@final
@dataclass(frozen=True, slots=True)
class _SwitchOrOnce:
    """ON, OFF or ONCE, which is None."""

    def parse(self, raw: Raw) -> bool | None:
        return None if isinstance(raw, str) and raw.upper() == "ONCE" else Boolean().parse(raw)
