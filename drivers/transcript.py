"""What was last said on a link, for error reports."""

import zlib
from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import final

from drivers import scpi

KEPT = 64
"""Exchanges kept unless told otherwise."""

_SAMPLE_BYTES = 4096


class Direction(StrEnum):
    """Which way a message went."""

    OUT = "out"
    """To the instrument."""
    IN = "in"
    """From the instrument."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One message, as it is shown to a person."""

    direction: Direction
    """Which way it went."""
    resource: str
    """VISA resource name."""
    text: str
    """The message; a block shows as its length and a checksum."""
    duration_s: float
    """Seconds the transfer took."""

    def __str__(self) -> str:
        arrow = "->" if self.direction is Direction.OUT else "<-"
        return f"{arrow} {self.resource} {self.text} ({self.duration_s * 1e3:.3f} ms)"


@final
class Transcript:
    """The newest exchanges of a link, oldest first."""

    def __init__(self, kept: int = KEPT) -> None:
        self._exchanges: deque[Exchange] = deque(maxlen=kept)

    def add(self, direction: Direction, resource: str, text: str, duration_s: float) -> None:
        """Enter one message; the oldest falls out when it is full."""
        self._exchanges.append(Exchange(direction=direction, resource=resource, text=text, duration_s=duration_s))

    @property
    def exchanges(self) -> tuple[Exchange, ...]:
        """Return the exchanges kept, oldest first."""
        return tuple(self._exchanges)


def describe_block(data: memoryview) -> str:
    """Return a block as text: its length, and a checksum of its first 4 KiB.

    The checksum tells blocks apart in a report; over all of a block of megabytes it would cost more than sending it.
    """
    return f"{scpi.block_header(data.nbytes).decode()}<crc32 {zlib.crc32(data[:_SAMPLE_BYTES]):08x}>"
