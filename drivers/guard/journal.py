"""The newest messages that went past the guard, whoever sent them."""

from collections import deque
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, final

from drivers.guard.message import SHOWN, printable

KEPT: Final = 1000
"""Messages kept unless told otherwise."""

_KEPT_BYTES: Final = SHOWN + 1


class Course(StrEnum):
    """What became of a message."""

    OUT = "->"
    """Sent to the instrument."""
    IN = "<-"
    """Came from the instrument."""
    REFUSED = "-x"
    """Refused by the guard: nothing was sent."""


@dataclass(frozen=True, slots=True)
class Passage:
    """One message, as it is shown to a person."""

    course: Course
    """What became of it."""
    resource: str
    """VISA resource name."""
    text: str
    """Its beginning, control characters escaped."""

    def __str__(self) -> str:
        return f"{self.course} {self.resource} {self.text}"


@final
class Journal:
    """A ring of messages, oldest first. Noting one is cheap: text is made when somebody looks."""

    def __init__(self, kept: int = KEPT) -> None:
        self._ring: deque[tuple[Course, str, bytes, int]] = deque(maxlen=kept)
        self._append = self._ring.append

    def note(self, course: Course, resource: str, data: bytes) -> None:
        """Note one message; the oldest falls out when the ring is full."""
        size = len(data)
        if size > _KEPT_BYTES:
            # The beginning alone: a ring must not keep blocks of megabytes alive.
            data = bytes(data[:_KEPT_BYTES])
        self._append((course, resource, data, size))

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Return the messages kept, oldest first."""
        return tuple(
            Passage(
                course, resource, printable(data) if size <= SHOWN else f"{printable(data[:SHOWN])}... ({size} bytes)"
            )
            for course, resource, data, size in tuple(self._ring)
        )
