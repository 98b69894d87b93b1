"""HiSLIP messages on the wire: IVI-6.1, section 2. A header of 16 bytes, then the payload that it announces."""

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

HEADER: Final = struct.Struct(">2sBBIQ")
"""Prologue, message type, control code, message parameter, payload length."""

PROLOGUE: Final = b"HS"

LONGEST_DISCARD: Final = 1 << 30
"""Bytes of the longest payload that is read past; a longer one is no payload but a broken header."""

_SCRATCH: Final = 1 << 16


class Kind(IntEnum):
    """Message types that this server knows."""

    INITIALIZE = 0
    INITIALIZE_RESPONSE = 1
    FATAL_ERROR = 2
    ERROR = 3
    ASYNC_LOCK = 4
    ASYNC_LOCK_RESPONSE = 5
    DATA = 6
    DATA_END = 7
    DEVICE_CLEAR_COMPLETE = 8
    DEVICE_CLEAR_ACKNOWLEDGE = 9
    ASYNC_REMOTE_LOCAL_CONTROL = 10
    ASYNC_REMOTE_LOCAL_RESPONSE = 11
    TRIGGER = 12
    INTERRUPTED = 13
    ASYNC_INTERRUPTED = 14
    ASYNC_MAXIMUM_MESSAGE_SIZE = 15
    ASYNC_MAXIMUM_MESSAGE_SIZE_RESPONSE = 16
    ASYNC_INITIALIZE = 17
    ASYNC_INITIALIZE_RESPONSE = 18
    ASYNC_DEVICE_CLEAR = 19
    ASYNC_STATUS_QUERY = 21
    ASYNC_STATUS_RESPONSE = 22
    ASYNC_DEVICE_CLEAR_ACKNOWLEDGE = 23
    ASYNC_LOCK_INFO = 24
    ASYNC_LOCK_INFO_RESPONSE = 25


class Fatal(IntEnum):
    """Codes of errors that end the connection."""

    UNIDENTIFIED = 0
    BAD_HEADER = 1
    CHANNEL_MISSING = 2
    BAD_INITIALIZATION = 3
    TOO_MANY_CLIENTS = 4


class NonFatal(IntEnum):
    """Codes of errors after which the connection goes on."""

    UNIDENTIFIED = 0
    UNKNOWN_TYPE = 1
    UNKNOWN_CONTROL_CODE = 2
    UNKNOWN_VENDOR_MESSAGE = 3
    TOO_LARGE = 4


class FatalError(Exception):
    """The connection cannot go on: the client is told so and the connection closed."""

    def __init__(self, code: Fatal, words: str) -> None:
        super().__init__(words)
        self.code: Final = code
        self.words: Final = words


class Ended(Exception):  # noqa: N818 - no error: a client may go whenever it likes
    """The other side has closed the connection."""


@dataclass(frozen=True, slots=True)
class Header:
    """The header of a message."""

    kind: int
    """Message type; perhaps one that is not in `Kind`."""
    control: int
    """Control code."""
    parameter: int
    """Message parameter: 32 bits."""
    length: int
    """Bytes of the payload."""


def read_header(connection: socket.socket) -> Header:
    """Wait for the next header.

    Raises:
        Ended: if the client closed the connection.
        FatalError: if what came is no header.
    """
    raw = bytearray(HEADER.size)
    receive_into(connection, memoryview(raw))
    prologue, kind, control, parameter, length = HEADER.unpack(raw)
    if prologue != PROLOGUE:
        raise FatalError(Fatal.BAD_HEADER, "a message starts with HS")
    if length > LONGEST_DISCARD:
        raise FatalError(Fatal.BAD_HEADER, f"a payload of {length} bytes is not believed")
    return Header(kind, control, parameter, length)


def read_payload(connection: socket.socket, header: Header, longest: int) -> bytes:
    """Read a payload of a message that carries little.

    Raises:
        FatalError: if it is longer than such a message may have.
    """
    if header.length > longest:
        raise FatalError(Fatal.BAD_HEADER, f"a payload of {header.length} bytes where {longest} are the most")
    payload = bytearray(header.length)
    receive_into(connection, memoryview(payload))
    return bytes(payload)


def receive_into(connection: socket.socket, space: memoryview) -> None:
    """Fill a buffer from the connection; raise `Ended` if the client goes before."""
    while space:
        count = connection.recv_into(space)
        if not count:
            raise Ended
        space = space[count:]


def discard(connection: socket.socket, length: int) -> None:
    """Read past a payload."""
    scratch = memoryview(bytearray(min(length, _SCRATCH)))
    while length:
        piece = scratch[: min(length, _SCRATCH)]
        receive_into(connection, piece)
        length -= len(piece)


def send(connection: socket.socket, kind: Kind, control: int = 0, parameter: int = 0, payload: bytes = b"") -> None:
    """Send a message with a small payload."""
    connection.sendall(HEADER.pack(PROLOGUE, kind, control, parameter, len(payload)) + payload)
