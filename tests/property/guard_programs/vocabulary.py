"""What one model's programs are made of."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random

Values = Sequence[str]
Table = Mapping[str, Values]
"""Headers, each with the parameters that it is tried with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Messages of one model."""

    command: Callable[[Random], str]
    """Draws a single command, without a line feed."""
    ready: Callable[[Random], list[bytes]]
    """Draws settings that are mostly fine, in an order that works, so that programs come as far as an output."""
    foreign: tuple[bytes, ...]
    """What somebody else set before, which the guard has not seen."""
    error_query: bytes
    """How the instrument is asked whether it refused something."""
    block: Callable[[Random], bytes] | None = None
    """Draws a message with a block; None where there is none."""
    end: bytes = b"\n"
    """End of a message."""


def from_table(table: Table) -> Callable[[Random], str]:
    """Return what draws a command of a table."""
    rows = [(header, tuple(values)) for header, values in table.items()]

    def draw(pick: Random) -> str:
        header, values = pick.choice(rows)
        return f"{header} {pick.choice(values)}"

    return draw


def block(header: str, data: bytes) -> bytes:
    """Return a message with a block of definite length; a header that ends in a comma has a parameter before it."""
    length = b"%d" % len(data)
    space = b"" if header.endswith(",") else b" "
    return header.encode() + space + b"#%d" % len(length) + length + data + b"\n"


def texts(*messages: str, end: bytes = b"\n") -> list[bytes]:
    """Return messages as bytes."""
    return [message.encode() + end for message in messages]


VOLTS = (
    *("0", "0.05", "0.1", "0.4", "1.5", "2.4", "2.5", "2.50001", "2.6", "5", "9", "-0.5", "-1.5", "-2.5", "-2.6"),
    *("1500MV", "2_0", "MAX", "MIN", "+.1E1", "1e999", "NAN"),
)
WIDTHS = ("5e-9", "1e-7", "1E-6", "2e-6", "2.1e-6", "1e-3", "4e-9", "100NS", "3US", "MAX", "1.5e-9")
COUNTS = ("1", "2", "3", "10", "50", "1000", "100000000", "INF", "MAX", "0", "-1", "1.5")
SMALL = ("0", "0.1", "-0.2", "0.2", "0.21", "5", "-5", "100MV", "MAX", "DEF", "0.1,0.2", "0.1,5")
CURRENTS = ("1e-6", "1e-3", "1.1e-3", "1", "1MA", "2MA", "-1e-4", "MAX", "1e-9", "0")
ON_OFF = ("ON", "OFF", "1", "0")
LEVELS = ("0.1", "0.5", "1.5", "2.5")
"""Amplitudes within the limits."""
LAWFUL_WIDTHS = ("2e-8", "1e-7", "1e-6", "2e-6")
LAWFUL_COUNTS = ("1", "2", "10", "20", "100")
