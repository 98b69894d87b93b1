"""The output queue of a TSP instrument: every `print` puts a line into it, where it waits until it is read."""

from collections import deque
from typing import Final, final

from sim_instruments.bus import Chunk
from sim_instruments.scpi_error import ScpiError
from sim_instruments.status import Status

MOST_OUTPUT: Final = 8_000_000
"""Bytes that wait to be read at most."""


@final
class OutputQueue:
    """Lines in the order in which they were printed.

    Args:
        status: told whether something waits to be read.
    """

    def __init__(self, status: Status) -> None:
        self._status = status
        self._lines: deque[bytes] = deque()
        self._bytes = 0
        self._sent = 0

    def say(self, line: str) -> None:
        """Add a line of text; raise the error of lines that nobody reads."""
        self.put(line.encode("latin-1", "replace"))

    def put(self, data: bytes) -> None:
        """Add a line of bytes; raise the error of lines that nobody reads."""
        if self._bytes + len(data) > MOST_OUTPUT:
            raise ScpiError(-430, text="Query DEADLOCKED")
        self._lines.append(data + b"\n")
        self._bytes += len(data) + 1
        self._status.has_reply = True

    def drop(self) -> None:
        """Forget what waits to be read."""
        self._lines.clear()
        self._bytes = 0
        self._sent = 0
        self._status.has_reply = False

    def take(self, count: int, termination: bytes) -> Chunk | None:
        """Return the next part of the oldest line, or None if there is none.

        Args:
            count: Bytes wanted at most.
            termination: A byte to stop after; empty to stop nowhere.
        """
        if not self._lines:
            return None
        line = self._lines[0]
        stop = min(self._sent + count, len(line))
        if termination:
            found = line.find(termination, self._sent, stop)
            stop = stop if found < 0 else found + 1
        data = line[self._sent : stop]
        self._sent = stop
        is_last = stop == len(line)
        if is_last:
            self._lines.popleft()
            self._bytes -= len(line)
            self._sent = 0
            self._status.has_reply = bool(self._lines)
        return Chunk(data, is_last)
