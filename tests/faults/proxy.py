"""A faulty wire: a TCP proxy between a driver and an instrument that does one wrong thing at one message.

Messages are numbered from 0 in the order in which the client sends them, over all connections. What goes wrong, and at
which message, is a `Fault`; it prints as one line that `Fault.parse` reads back, so that a failure can be repeated:

    late@17:0.3#0      the reply to message 17 comes 0.3 s late
"""

import contextlib
import random
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Self, final

_FOREVER_S = 60.0
_FLOOD = b"9" * 65536
_BLOCK = re.compile(rb"#([1-9])")


class Kind(StrEnum):
    """What goes wrong."""

    LATE = "late"
    """The reply comes `amount` seconds late."""
    HOLD = "hold"
    """The reply never comes; the connection stays open."""
    SWALLOW = "swallow"
    """The message never reaches the instrument."""
    RESET = "reset"
    """The connection is reset after `amount` bytes of the reply; -1 resets it before the instrument has the message."""
    CLOSE = "close"
    """The connection is closed in good order after `amount` bytes of the reply."""
    CLOSE_BEFORE_WRITE = "close-before-write"
    """The connection is closed before the client sends the message, which then goes nowhere."""
    SLICER = "slicer"
    """The reply comes in pieces of `amount` bytes."""
    GARBLE = "garble"
    """`amount` bits of the reply, its last byte excepted, are flipped: `seed` says which."""
    TRUNCATE = "truncate"
    """The last `amount` bytes of the reply before its terminator are missing."""
    DUPLICATE = "duplicate"
    """The reply comes twice."""
    REORDER = "reorder"
    """The reply comes after the reply to the next question."""
    STALE = "stale"
    """The reply comes on the next connection, before anything else, as on a serial line that stays up."""
    DRIP = "drip"
    """The reply comes in single bytes, one each `amount` seconds."""
    FLOOD = "flood"
    """The reply never ends."""
    STALL = "stall"
    """The proxy reads nothing from this message on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong at one message."""

    kind: Kind
    at: int
    """Number of the message."""
    amount: float = 0
    """How much, in the unit of the kind."""
    seed: int = 0
    """Chooses where chance has a say."""

    def __str__(self) -> str:
        return f"{self.kind}@{self.at}:{self.amount:g}#{self.seed}"

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read a fault as it prints."""
        match = re.fullmatch(r"([a-z-]+)@(\d+):(-?[0-9.e+-]+)#(\d+)", line)
        if not match:
            raise ValueError(f"{line!r} is no fault: write kind@message:amount#seed")
        return cls(kind=Kind(match[1]), at=int(match[2]), amount=float(match[3]), seed=int(match[4]))


@final
class Proxy:
    """Stands between clients and one instrument; a context manager.

    Args:
        answer: what the instrument says to a message; None if it says nothing. Called by one thread at a time.
        faults: what goes wrong.
        before: called with the number of each message before the instrument gets it.
    """

    def __init__(
        self,
        answer: Callable[[bytes], bytes | None],
        faults: Iterable[Fault] = (),
        before: Callable[[int], None] = lambda _number: None,
    ) -> None:
        self.messages: list[bytes] = []
        """What clients sent, by number."""
        self.connections = 0
        self._answer = answer
        self._faults = {fault.at: fault for fault in faults}
        self.before = before
        self._turn = threading.Lock()
        self._stop = threading.Event()
        self._stale = b""
        self._late = b""
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        """The port that it listens on."""

    @property
    def address(self) -> str:
        """Return the VISA resource name."""
        return f"TCPIP0::127.0.0.1::{self.port}::SOCKET"

    def inject(self, *faults: Fault) -> None:
        """Add faults."""
        self._faults.update({fault.at: fault for fault in faults})

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive(), "the proxy hangs"

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stop.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            stale, self._stale = self._stale, b""
            connection.sendall(stale)
            received = b""
            while self._may_read(connection):
                chunk = connection.recv(65536)
                if not chunk:
                    break
                received += chunk
                while length := message_length(received):
                    message, received = received[:length], received[length:]
                    if not self._pass_on(connection, message):
                        return

    def _may_read(self, connection: socket.socket) -> bool:
        fault = self._faults.get(len(self.messages))
        if fault is None or self._stop.is_set():
            return not self._stop.is_set()
        if fault.kind is Kind.STALL:
            self._stop.wait(_FOREVER_S)
            return False
        if fault.kind is Kind.CLOSE_BEFORE_WRITE:
            del self._faults[fault.at]
            return False
        return True

    def _pass_on(self, connection: socket.socket, message: bytes) -> bool:
        """Pass a message on and its reply back; return whether the connection still stands."""
        with self._turn:
            number = len(self.messages)
            self.messages.append(message)
            fault = self._faults.get(number)
            if fault is not None and (fault.kind is Kind.SWALLOW or (fault.kind is Kind.RESET and fault.amount < 0)):
                reply = None
            else:
                self.before(number)
                reply = self._answer(message)
        if fault is None:
            connection.sendall((reply or b"") + self._late)
            self._late = b"" if reply else self._late
            return True
        self._misbehave(connection, fault, reply or b"")
        return fault.kind not in (Kind.RESET, Kind.CLOSE)

    def _misbehave(self, connection: socket.socket, fault: Fault, reply: bytes) -> None:
        count = int(fault.amount)
        match fault.kind:
            case Kind.LATE:
                self._stop.wait(fault.amount)
                connection.sendall(reply)
            case Kind.RESET:
                connection.sendall(reply[: max(count, 0)])
                reset(connection)
            case Kind.CLOSE:
                connection.sendall(reply[:count])
                connection.shutdown(socket.SHUT_RDWR)
            case Kind.SLICER | Kind.DRIP:
                size = count if fault.kind is Kind.SLICER else 1
                for start in range(0, len(reply), size):
                    connection.sendall(reply[start : start + size])
                    self._stop.wait(fault.amount if fault.kind is Kind.DRIP else 0)
            case Kind.REORDER:
                self._late = reply
            case Kind.STALE:
                self._stale = reply
            case Kind.FLOOD:
                while not self._stop.is_set():
                    connection.sendall(_FLOOD)
            case _:
                connection.sendall(altered(fault, reply))


def altered(fault: Fault, reply: bytes) -> bytes:
    """Return the bytes that a fault makes of a reply, where it does nothing but that."""
    match fault.kind:
        case Kind.GARBLE:
            return garbled(reply, int(fault.amount), fault.seed)
        case Kind.TRUNCATE:
            return reply[: -1 - int(fault.amount)] + reply[-1:]
        case Kind.DUPLICATE:
            return reply * 2
        case _:
            return b""


def message_length(data: bytes) -> int:
    """Return how many bytes the first complete message of a stream has; 0 if none is complete."""
    start = 0
    while True:
        end = data.find(b"\n", start)
        block = _BLOCK.search(data, start, end if end >= 0 else len(data))
        if block is None:
            return end + 1
        body = block.end() + int(block[1])
        length = data[block.end() : body]
        if len(length) < int(block[1]) or not length.isdigit():
            return end + 1 if len(length) == int(block[1]) else 0
        start = body + int(length)
        if start > len(data):
            return 0


def garbled(reply: bytes, bits: int, seed: int) -> bytes:
    """Return a reply with some bits flipped, its last byte excepted."""
    chance = random.Random(seed)
    data = bytearray(reply)
    for _ in range(bits if data else 0):
        data[chance.randrange(max(1, len(data) - 1))] ^= 1 << chance.randrange(8)
    return bytes(data)


def reset(connection: socket.socket) -> None:
    """Close a connection the hard way: the peer gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
