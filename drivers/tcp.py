"""The TCP connection below PyVISA-py, held to deadlines.

PyVISA-py starts its time-out anew with every byte that comes, waits without end for a peer that does not read, takes
the end of a connection for silence and leaves small messages waiting for Nagle's algorithm. Its sessions keep their
socket in plain sight; a `TcpStream` takes the socket's place and lends it the deadline of the exchange.
"""

import select
import socket
from typing import Any, Self, final

from drivers.deadline import Deadline
from drivers.errors import LinkDesync, LinkLost, LinkTimeout

_PEEKED_BYTES = 64 * 1024


@final
class TcpStream:
    """A connected socket whose every call ends with the deadline of the exchange.

    Args:
        connection: the socket; it is closed by the session that it belongs to.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.deadline: Deadline | None = None
        self._socket = connection
        self._peeked = memoryview(bytearray(_PEEKED_BYTES))

    @classmethod
    def below(cls, session: object) -> Self | None:
        """Take the place of the socket of a PyVISA-py session, raw or HiSLIP; None for any other session.

        Raises:
            LinkLost: if the connection was refused, which PyVISA-py takes for a success.
        """
        interface: Any = getattr(session, "interface", None)
        owner, name = (session, "interface") if isinstance(interface, socket.socket) else (interface, "_sync")
        connection = getattr(owner, name, None)
        if not isinstance(connection, socket.socket):
            return None
        if code := connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise LinkLost(f"no connection (error {code}): check address, port, power and cabling")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if owner is session and hasattr(session, "max_recv_size"):
            session.max_recv_size = _PEEKED_BYTES  # type: ignore[attr-defined]
        stream = cls(connection)
        setattr(owner, name, stream)
        return stream

    def begin(self, deadline: Deadline, *, must_be_silent: bool) -> None:
        """Start an exchange: the line must be open.

        Args:
            deadline: holds until the next exchange.
            must_be_silent: whether something that has come already belongs to no question.

        Raises:
            LinkLost: if the peer has closed the connection: a write would seem to succeed.
            LinkDesync: if something is there that nobody asked for.
        """
        self.deadline = deadline
        self._socket.settimeout(0)
        try:
            waiting = self._peek()
        except BlockingIOError:
            pass
        else:
            if must_be_silent:
                raise LinkDesync(f"{len(waiting)} bytes came that nobody asked for: {bytes(waiting[:60])!r}")
        self._await_room()

    def arrived(self) -> memoryview:
        """Wait until bytes have come and return a look at them, valid until the next call; they stay to be read."""
        self._hurry()
        try:
            return self._peek()
        except TimeoutError as error:
            raise _late() from error

    def fileno(self) -> int:
        """Return the number of the socket, for `select`."""
        return self._socket.fileno()

    def settimeout(self, timeout_s: float | None) -> None:
        """Ignore a time-out: the deadline holds."""

    def recv(self, count: int) -> bytes:
        """Receive up to `count` bytes; at least one."""
        self._hurry()
        try:
            return self._alive(self._socket.recv(count))
        except TimeoutError as error:
            raise _late() from error

    def recv_into(self, buffer: memoryview, count: int) -> int:
        """Receive up to `count` bytes into a buffer; at least one."""
        self._hurry()
        try:
            received = self._socket.recv_into(buffer, count)
        except TimeoutError as error:
            raise _late() from error
        if received == 0:
            raise _closed()
        return received

    def send(self, data: bytes | memoryview) -> int:
        """Send all of a piece, and wait until there is room for the next: whoever asks `select` then waits no more."""
        self.sendall(data)
        self._await_room()
        return len(data)

    def sendall(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of the data."""
        self._hurry()
        try:
            self._socket.sendall(data)
        except TimeoutError as error:
            raise LinkTimeout("the instrument does not take what is sent to it") from error

    def setsockopt(self, level: int, option: int, value: int) -> None:
        """Set a socket option."""
        self._socket.setsockopt(level, option, value)

    def getsockopt(self, level: int, option: int) -> int:
        """Return a socket option."""
        return self._socket.getsockopt(level, option)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def _peek(self) -> memoryview:
        count = self._socket.recv_into(self._peeked, _PEEKED_BYTES, socket.MSG_PEEK)
        if count == 0:
            raise _closed()
        return self._peeked[:count]

    def _alive(self, data: bytes) -> bytes:
        if not data:
            raise _closed()
        return data

    def _hurry(self) -> None:
        """Give the next call what is left of the deadline."""
        if self.deadline is None:
            return
        left_s = self.deadline.left_s()
        if left_s <= 0:
            raise _late()
        self._socket.settimeout(left_s)

    def _await_room(self) -> None:
        left_s = None if self.deadline is None else self.deadline.left_s()
        if not select.select([], [self._socket], [], left_s)[1]:
            raise LinkTimeout("the instrument does not take what is sent to it")


def _closed() -> LinkLost:
    return LinkLost("the instrument has closed the connection: check its power and cabling")


def _late() -> LinkTimeout:
    return LinkTimeout("no complete reply in time: resynchronise the link")
