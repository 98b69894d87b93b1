"""What of the Keithley 2450 is neither source nor meter: its event log, its language and its screen."""

from typing import final

from sim_instruments.instruments.keithley_2450.settings import DURATION, LIGHT, PITCH, SCREEN
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_text import Text
from sim_instruments.scpi_tree import Command
from sim_instruments.smu_output import LINE_FREQUENCY_HZ
from sim_instruments.smu_terminals import Terminals
from sim_instruments.status import Status


@final
class System:
    """The SYSTem and DISPlay subsystems.

    Args:
        terminals: tells the time.
    """

    def __init__(self, terminals: Terminals) -> None:
        self._terminals = terminals
        self._texts = ["", ""]

    def error_reply(self, error: ScpiError) -> str:
        """Return an entry of the error queue as queries answer it."""
        if error.code == 0:
            return '0,"No error;0;0 0"'
        text = error.text.replace('"', "'")
        return f'{error.code},"{text};1;{self._terminals.now_s:.3f}"'

    def commands(self, status: Status) -> tuple[Command, ...]:
        """Return the commands of both subsystems, and *LANG."""
        severity = Choice(("ALL", "ERRor", "WARNing", "INFormation"))
        return (
            *setting(
                "*LANG", Choice(("SCPI", "TSP", "SCPI2400")), lambda: "SCPI", lambda _: None
            ),  # from the next power-on
            Command("SYSTem:CLEar", status.clear_errors),
            Command("SYSTem:ERRor:CODE[:NEXT]?", lambda: str(status.next_error().code)),
            Command("SYSTem:EVENtlog:NEXT?", lambda _=None: self.error_reply(status.next_error()), (severity,), 1),
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

    def _write(self, line: int, text: str) -> None:
        self._texts[line - 1] = text
