"""What a transport sees of an instrument: bytes in, bytes out, device clear, trigger and serial poll."""

from typing import NamedTuple, Protocol

from sim_instruments.scpi_error import ScpiError


class Chunk(NamedTuple):
    """Part of a reply."""

    data: bytes
    """The bytes."""
    is_last: bool
    """Whether the reply ends with them."""


class BusDevice(Protocol):
    """An instrument on a bus, whatever language it speaks. Not thread-safe: a transport gives it one call at a time."""

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        """Take bytes from the bus and execute the messages they complete; may move walls.

        Args:
            data: The bytes. They may not change afterwards: the device keeps views of them.
            has_end: Whether the bus marks the last byte as the end of a message: GPIB does, a raw socket does not.
            interface: Who speaks, for `SYSTem:LOCK`: a name for the interface that the bytes came through.
        """
        ...

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Chunk | None:
        """Give the next part of the reply.

        Args:
            count: Bytes wanted at most.
            termination: A byte to stop after; empty to stop nowhere.
            has_end: As for `receive`. A bus with END marks tells a mute instrument that it was asked: a query error.

        Returns:
            The part, or None if there is no reply.
        """
        ...

    def clear(self) -> None:
        """Do what a device clear does: forget half a message and the reply; settings and status stay."""
        ...

    def trigger(self) -> None:
        """Take a bus trigger; may move walls."""
        ...

    def poll(self) -> int:
        """Return the status byte as a serial poll does."""
        ...

    def disconnect(self, interface: str) -> None:
        """Take note that nobody is left on an interface that knows of its clients, as a LAN does: its lock is gone."""
        ...

    def report(self, error: ScpiError) -> None:
        """Queue an error that the interface found: an interrupted reply, an overrun."""
        ...
