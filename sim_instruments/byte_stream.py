"""A stream without END marks to an instrument of the same process: what a socket or a serial line does.

The instrument sends each reply as soon as it has it. So replies wait on the way, in order, and a new question does not
interrupt them; and each client has a stream of its own.
"""

import sys
from typing import Final, final

from sim_instruments.bus import BusDevice, Chunk
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_stream import MessageStream, OverrunError

MOST_WAITING: Final = 64 * 1024 * 1024
"""Bytes of replies that wait to be read, after which the older ones are lost."""


@final
class ByteStream:
    """One client's stream: half a message on the way there, replies on the way back."""

    def __init__(self) -> None:
        self._there = MessageStream()
        self._back = b""
        self._read = 0

    def write(self, instrument: BusDevice, data: bytes | bytearray) -> None:
        """Send bytes and execute the messages they complete; may move walls."""
        try:
            for message in self._there.feed(data):
                instrument.receive(message, has_end=False)
                while (chunk := instrument.send(sys.maxsize, has_end=False)) is not None:
                    self._add(instrument, chunk.data)
        except OverrunError as error:
            instrument.report(ScpiError(-363, str(error)))

    def read(self, count: int, termination: bytes = b"") -> Chunk | None:
        """Take up to `count` bytes of what came back, not beyond the byte `termination`; None if nothing did."""
        if self._read == len(self._back):
            return None
        stop = min(self._read + count, len(self._back))
        if termination:
            found = self._back.find(termination, self._read, stop)
            stop = stop if found < 0 else found + 1
        data = self._back[self._read : stop]
        self._read = stop
        return Chunk(data, stop == len(self._back))

    def discard_replies(self) -> None:
        """Forget what came back."""
        self._back = b""
        self._read = 0

    def clear(self) -> None:
        """Forget what is on the way in either direction."""
        self._there.clear()
        self.discard_replies()

    def _add(self, instrument: BusDevice, reply: bytes) -> None:
        waiting = len(self._back) - self._read
        if waiting and waiting + len(reply) > MOST_WAITING:
            instrument.report(ScpiError(-410))
            waiting = 0
        # A reply that waits alone is not copied: it may be a block for a large array.
        self._back = self._back[self._read :] + reply if waiting else reply
        self._read = 0
