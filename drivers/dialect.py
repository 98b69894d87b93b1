"""What differs between instruments on the wire before any command of the model itself: line ends, errors, echoes."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from drivers import scpi


@dataclass(frozen=True, slots=True, kw_only=True)
class Echo:
    """A register without effect of its own that can be written and read back: it proves who answers whom."""

    write: str
    """Command that takes the value in the place of `{}`."""
    query: str
    """Query that answers the value."""
    values: range
    """Values that it takes."""
    parse: Callable[[str], int] = scpi.parse_integer
    """Reads the answer."""


EVENT_ENABLE = Echo(write="*ESE {}", query="*ESE?", values=range(256))
"""The register that IEEE 488.2 gives every instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How an instrument is spoken to."""

    terminator: str = "\n"
    """Ends every message, both ways."""
    acknowledgement: str | None = None
    """The line that answers every accepted command; None where commands are not answered."""
    refusal: str = r"\?[0-9]{1,2}"
    """Where commands are answered: a regular expression for the line that refuses one, command or question."""
    error_query: str | None = "SYST:ERR?"
    """Takes the oldest entry out of the error queue; None for an instrument that has none."""
    parse_error: Callable[[str], scpi.ErrorEntry] = scpi.parse_error
    """Reads the answer to it."""
    event_query: str | None = "*ESR?"
    """Takes the event register, whose bit 7 tells of a power cycle; None for an instrument that has none."""
    joint: str | None = ";:"
    """Joins queries into one message, whose answers are then joined by `;`; None where each needs its own."""
    echo: Echo | None = EVENT_ENABLE
    """Proves after a reconnection that replies belong to their questions; None for an instrument without one."""
    baud: int = 9600
    """Symbols per second on a serial line."""

    def is_refusal(self, reply: str) -> bool:
        """Return whether an instrument that answers commands refused this one."""
        return self.acknowledgement is not None and re.fullmatch(self.refusal, reply) is not None


SCPI = Dialect()
"""IEEE 488.2 and SCPI-99, to the letter."""
