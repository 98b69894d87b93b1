"""Whole messages out of a byte stream without END marks: sockets and serial lines.

A message ends at a newline, but not at one inside a block. The bytes of a message are looked at again only when a
newline or the announced end of a block has arrived, so a message that trickles in costs no more than one that comes at
once.
"""

from collections.abc import Iterator
from typing import Final, final

from sim_instruments.scpi_message import read_message

LONGEST_MESSAGE: Final = 128 * 1024 * 1024
"""Bytes of the longest message that is waited for: a command with a block for each device of a large array."""

LONGEST_LINE: Final = 4 * 1024 * 1024
"""Bytes of the longest message without a block."""


class OverrunError(Exception):
    """A message is longer than an instrument would bear: what has come of it is dropped, and the rest as it comes."""


@final
class MessageStream:
    """The receiving end of one stream."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._wanted = 0
        self._unwanted = 0
        self._line_start = 0  # what comes after the last block of a message is a line again
        self._is_dropping = False

    def feed(self, data: bytes | bytearray) -> Iterator[bytes | bytearray]:
        """Take bytes and return the messages that they complete, newline included. The bytes may not change afterwards.

        Raises:
            OverrunError: if a message has become too long.
        """
        if self._is_dropping:
            data = self._drop(data)
        buffer: bytes | bytearray = data
        if self._held:
            self._held += data
            buffer = self._held
        if len(buffer) < self._wanted or (not self._wanted and b"\n" not in data):
            self._keep(buffer, 0, self._wanted)
            return
        self._held = bytearray()
        self._wanted = 0
        start = 0
        while start < len(buffer):
            stop, wanted = _end_of_message(buffer, start)
            if not stop:
                self._keep(buffer, start, wanted)
                return
            message = buffer if (start, stop) == (0, len(buffer)) else buffer[start:stop]
            start = stop
            self._line_start = 0
            yield message

    @property
    def holds_something(self) -> bool:
        """Whether something has come of the next message, or the rest of one that was too long is to be dropped."""
        return bool(self._held) or self._is_dropping

    def take_rest(self) -> bytearray:
        """Return what has come of the next message and forget it."""
        rest = self._held
        if rest or self._is_dropping:
            self.clear()
        return rest

    def clear(self) -> None:
        """Forget half a message, and that one was too long."""
        self._held = bytearray()
        self._wanted = 0
        self._unwanted = 0
        self._line_start = 0
        self._is_dropping = False

    def _keep(self, buffer: bytes | bytearray, start: int, wanted: int) -> None:
        length = len(buffer) - start
        if start:
            self._line_start = 0
        if not wanted and length - self._line_start > LONGEST_LINE:
            # No newline and no announced end yet, but a block may hold no newline at all: zeros, for example.
            announced = read_message(buffer, start).wanted
            wanted = announced if announced > len(buffer) else 0
        if wanted - start > LONGEST_MESSAGE or (not wanted and length - self._line_start > LONGEST_LINE):
            self.clear()
            self._is_dropping = True
            self._unwanted = max(0, wanted - len(buffer))
            raise OverrunError(f"a message may have {LONGEST_MESSAGE if wanted else LONGEST_LINE} bytes")
        self._held = buffer if isinstance(buffer, bytearray) and not start else bytearray(memoryview(buffer)[start:])
        self._wanted = wanted - start if wanted else 0
        self._line_start = self._wanted or self._line_start

    def _drop(self, data: bytes | bytearray) -> bytes | bytearray:
        """Return what follows the message that was too long: its block first, which may hold newlines, then its end."""
        inside = min(self._unwanted, len(data))
        self._unwanted -= inside
        newline = data.find(b"\n", inside)
        if self._unwanted or newline < 0:
            return b""
        self._is_dropping = False
        return data[newline + 1 :]


def _end_of_message(buffer: bytes | bytearray, start: int) -> tuple[int, int]:
    """Return where a message stops, or 0 and the length that the buffer must reach (0: a newline must come)."""
    newline = buffer.find(b"\n", start)
    if newline < 0:
        return 0, 0
    if buffer.find(b"#", start, newline) < 0:
        return newline + 1, 0
    message = read_message(buffer, start)
    return (message.stop, 0) if message.is_complete else (0, message.wanted)
