"""An instrument as the interfaces of a server share it."""

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import RLock

from sim_instruments.bus import BusDevice
from sim_instruments.scpi_error import ScpiError


@dataclass(frozen=True, slots=True)
class Port:
    """One instrument and the turn that its whole bench takes: one message is executed at a time."""

    device: BusDevice
    """The instrument."""
    turn: RLock  # type: ignore[valid-type]
    """Held while anything on the bench happens."""
    _clients: Counter[str] = field(default_factory=Counter, init=False, compare=False)

    @contextmanager
    def client(self, interface: str) -> Iterator[None]:
        """Count a client of an interface while it is there; the instrument is told when the last one is gone."""
        with self.turn:
            self._clients[interface] += 1
        try:
            yield
        finally:
            with self.turn:
                self._clients[interface] -= 1
                if not self._clients[interface]:
                    del self._clients[interface]
                    self.device.disconnect(interface)

    def exchange(self, message: bytes | bytearray, *, has_end: bool, interface: str) -> bytes:
        """Execute one whole message and return the reply to it, empty if there is none; may move walls.

        Args:
            message: the message, which may not change afterwards.
            has_end: whether the interface has END marks.
            interface: who speaks, for `SYSTem:LOCK`.
        """
        pieces: list[bytes] = []
        with self.turn:
            self.device.receive(message, has_end=has_end, interface=interface)
            # Without END: an instrument that has nothing to say was not asked to talk.
            while (chunk := self.device.send(sys.maxsize, has_end=False)) is not None:
                pieces.append(chunk.data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def clear(self) -> None:
        """Send a device clear."""
        with self.turn:
            self.device.clear()

    def trigger(self) -> None:
        """Send a bus trigger; may move walls."""
        with self.turn:
            self.device.trigger()

    def poll(self) -> int:
        """Return the status byte as a serial poll does."""
        with self.turn:
            return self.device.poll()

    def report(self, error: ScpiError) -> None:
        """Queue an error that the interface found."""
        with self.turn:
            self.device.report(error)
