"""One HiSLIP client: its two channels, in synchronized mode.

Locks, device clear, status and message ids are as in IVI-6.1. Not offered: overlap mode, service requests (the status
byte is there to be polled), encryption and authentication.
"""

import select
import socket
import struct
import threading
from typing import Final, final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_stream import LONGEST_MESSAGE
from sim_instruments.server.hislip_lock import InstrumentLock
from sim_instruments.server.hislip_message import (
    HEADER,
    PROLOGUE,
    Fatal,
    FatalError,
    Header,
    Kind,
    NonFatal,
    discard,
    read_header,
    read_payload,
    receive_into,
    send,
)
from sim_instruments.server.port import Port
from sim_instruments.status import StatusBit

LARGEST_PAYLOAD: Final = 1 << 20
"""Bytes of the largest payload in one message; longer data comes in several."""

_SMALLEST_PAYLOAD: Final = 64
_LONGEST_LOCK_STRING: Final = 256
_RMT_DELIVERED: Final = 1
_REMOTE_LOCAL_CODES: Final = range(7)
_FIRST_VENDOR_TYPE: Final = 128


@final
class Session:
    """A client's session with one instrument.

    Args:
        number: session id.
        port: the instrument.
        lock: the instrument's locks.
        channel: the synchronous channel.
    """

    def __init__(self, number: int, port: Port, lock: InstrumentLock, channel: socket.socket) -> None:
        self.number = number
        self._port = port
        self._lock = lock
        self._sync = channel
        self._async: socket.socket | None = None
        self._async_sending = threading.Lock()
        self._interface = f"LAN{channel.getpeername()[0]}"
        self._is_clearing = threading.Event()
        self._is_over = threading.Event()
        self._largest_reply = LARGEST_PAYLOAD
        self._message = bytearray()
        self._is_too_long = False
        self._is_unread = False
        # One buffer for all payloads of the session: what is received is appended to the message at once.
        self._space = memoryview(bytearray(1 << 16))

    @property
    def has_both_channels(self) -> bool:
        """Return whether the asynchronous channel is there."""
        return self._async is not None

    def join(self, channel: socket.socket) -> None:
        """Take the asynchronous channel."""
        if self._async is not None:
            raise FatalError(Fatal.BAD_INITIALIZATION, "the session has its asynchronous channel already")
        self._async = channel

    def end(self) -> None:
        """Give up locks and channels. May be called twice, from either channel's thread."""
        self._is_over.set()
        self._lock.drop(self.number)
        for channel in (self._sync, self._async):
            if channel is not None:
                try:
                    channel.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # gone already

    def serve_sync(self) -> None:
        """Serve the synchronous channel until the client goes."""
        with self._port.client(self._interface):
            self._serve_sync()

    def _serve_sync(self) -> None:
        while True:
            header = read_header(self._sync)
            if self._async is None:
                raise FatalError(Fatal.CHANNEL_MISSING, "the asynchronous channel is missing")
            match header.kind:
                case Kind.DATA | Kind.DATA_END:
                    self._take_data(header)
                case Kind.TRIGGER:
                    discard(self._sync, header.length)
                    self._begin(header)
                    self._trigger()
                case Kind.DEVICE_CLEAR_COMPLETE:
                    discard(self._sync, header.length)
                    self._complete_clear()
                case Kind.FATAL_ERROR:
                    return
                case Kind.ERROR:
                    discard(self._sync, header.length)
                case Kind.INITIALIZE | Kind.ASYNC_INITIALIZE:
                    raise FatalError(Fatal.BAD_INITIALIZATION, "the session is initialized already")
                case _:
                    discard(self._sync, header.length)
                    send(self._sync, Kind.ERROR, _unknown(header))

    def serve_async(self) -> None:
        """Serve the asynchronous channel until the client goes."""
        channel = self._async
        if channel is None:
            raise FatalError(Fatal.CHANNEL_MISSING, "the asynchronous channel is missing")
        while (header := read_header(channel)).kind != Kind.FATAL_ERROR:
            match header.kind:
                case Kind.ASYNC_MAXIMUM_MESSAGE_SIZE:
                    self._agree_on_size(read_payload(channel, header, 8))
                case Kind.ASYNC_LOCK:
                    self._answer_lock(header, read_payload(channel, header, _LONGEST_LOCK_STRING))
                case Kind.INITIALIZE | Kind.ASYNC_INITIALIZE:
                    raise FatalError(Fatal.BAD_INITIALIZATION, "the session is initialized already")
                case _:
                    discard(channel, header.length)
                    self._answer_plain(header)

    def _answer_plain(self, header: Header) -> None:
        """Answer a message on the asynchronous channel that carries nothing."""
        match header.kind:
            case Kind.ASYNC_STATUS_QUERY:
                self._answer(Kind.ASYNC_STATUS_RESPONSE, self._status(header))
            case Kind.ASYNC_LOCK_INFO:
                is_exclusive, holders = self._lock.holders
                self._answer(Kind.ASYNC_LOCK_INFO_RESPONSE, int(is_exclusive), holders)
            case Kind.ASYNC_REMOTE_LOCAL_CONTROL if header.control in _REMOTE_LOCAL_CODES:
                # There is no front panel to lock: every request is granted.
                self._answer(Kind.ASYNC_REMOTE_LOCAL_RESPONSE)
            case Kind.ASYNC_REMOTE_LOCAL_CONTROL:
                self._answer(Kind.ERROR, NonFatal.UNKNOWN_CONTROL_CODE)
            case Kind.ASYNC_DEVICE_CLEAR:
                self._is_clearing.set()
                self._port.clear()
                self._answer(Kind.ASYNC_DEVICE_CLEAR_ACKNOWLEDGE)
            case Kind.ERROR:
                pass
            case _:
                self._answer(Kind.ERROR, _unknown(header))

    def _take_data(self, header: Header) -> None:
        if header.length > LARGEST_PAYLOAD:
            self._message = bytearray()
            self._is_too_long = header.kind == Kind.DATA
            discard(self._sync, header.length)
            send(self._sync, Kind.ERROR, NonFatal.TOO_LARGE)
            return
        if self._is_clearing.is_set():
            discard(self._sync, header.length)
            return
        self._begin(header)
        self._append_payload(header.length)
        if header.kind == Kind.DATA_END:
            # A new buffer for the next message: twins keep views of this one.
            message, self._message = self._message, bytearray()
            if self._is_too_long:
                self._is_too_long = False
            else:
                self._execute(message, header.parameter)

    def _append_payload(self, length: int) -> None:
        if len(self._message) + length > LONGEST_MESSAGE:
            self._is_too_long = True
            self._message = bytearray()
            self._port.report(ScpiError(-363, f"a message may have {LONGEST_MESSAGE} bytes"))
        while length:
            piece = self._space[: min(length, len(self._space))]
            receive_into(self._sync, piece)
            if not self._is_too_long:
                self._message += piece
            length -= len(piece)

    def _begin(self, header: Header) -> None:
        """Look whether the client has read the last reply: if it has not, the new message interrupts it."""
        if header.control & _RMT_DELIVERED:
            self._is_unread = False
        if self._is_unread:
            self._is_unread = False
            self._port.report(ScpiError(-410))
            send(self._sync, Kind.INTERRUPTED, parameter=header.parameter)
            self._answer(Kind.ASYNC_INTERRUPTED, parameter=header.parameter)

    def _execute(self, message: bytearray, message_id: int) -> None:
        if not self._lock.wait_for_turn(self.number, self._gives_up):
            return
        reply = self._port.exchange(message, has_end=True, interface=self._interface)
        if reply and not self._is_clearing.is_set():
            self._is_unread = True
            self._send_reply(memoryview(reply), message_id)

    def _send_reply(self, left: memoryview, message_id: int) -> None:
        while left and not self._is_clearing.is_set():
            piece, left = left[: self._largest_reply], left[self._largest_reply :]
            kind = Kind.DATA if left else Kind.DATA_END
            header = HEADER.pack(PROLOGUE, kind, 0, message_id, len(piece))
            if len(piece) < 4096:
                self._sync.sendall(header + piece)
            else:
                self._sync.sendall(header)
                self._sync.sendall(piece)

    def _trigger(self) -> None:
        if not self._is_clearing.is_set() and self._lock.wait_for_turn(self.number, self._gives_up):
            self._port.trigger()

    def _complete_clear(self) -> None:
        self._message = bytearray()
        self._is_too_long = False
        self._is_unread = False
        self._is_clearing.clear()
        send(self._sync, Kind.DEVICE_CLEAR_ACKNOWLEDGE)

    def _status(self, header: Header) -> int:
        if header.control & _RMT_DELIVERED:
            self._is_unread = False
        byte = self._port.poll()
        # The reply is on its way to the client, so the instrument does not hold it any more.
        return byte | StatusBit.MESSAGE_AVAILABLE if self._is_unread else byte

    def _agree_on_size(self, payload: bytes) -> None:
        if len(payload) != 8:
            raise FatalError(Fatal.BAD_HEADER, "AsyncMaximumMessageSize carries 8 bytes")
        (largest,) = struct.unpack(">Q", payload)
        self._largest_reply = max(_SMALLEST_PAYLOAD, min(largest - HEADER.size, LARGEST_PAYLOAD))
        self._answer(Kind.ASYNC_MAXIMUM_MESSAGE_SIZE_RESPONSE, payload=struct.pack(">Q", LARGEST_PAYLOAD))

    def _answer_lock(self, header: Header, lock_string: bytes) -> None:
        match header.control:
            case 0:
                reply = self._lock.release(self.number)
            case 1:
                reply = self._lock.request(self.number, lock_string, header.parameter / 1000, self._has_gone)
            case _:
                self._answer(Kind.ERROR, NonFatal.UNKNOWN_CONTROL_CODE)
                return
        self._answer(Kind.ASYNC_LOCK_RESPONSE, reply)

    def _answer(self, kind: Kind, control: int = 0, parameter: int = 0, payload: bytes = b"") -> None:
        """Send on the asynchronous channel, which both threads use."""
        if self._async is not None:
            with self._async_sending:
                send(self._async, kind, control, parameter, payload)

    def _gives_up(self) -> bool:
        """Return whether a message that waits for a lock should be forgotten."""
        return self._is_clearing.is_set() or self._is_over.is_set() or _is_closed(self._sync)

    def _has_gone(self) -> bool:
        return self._is_over.is_set() or (self._async is not None and _is_closed(self._async))


def _unknown(header: Header) -> NonFatal:
    return NonFatal.UNKNOWN_VENDOR_MESSAGE if header.kind >= _FIRST_VENDOR_TYPE else NonFatal.UNKNOWN_TYPE


def _is_closed(channel: socket.socket) -> bool:
    """Return whether the client has closed a channel, without taking anything from it."""
    try:
        poll = select.poll()
        poll.register(channel, select.POLLIN)
        return bool(poll.poll(0)) and channel.recv(1, socket.MSG_PEEK) == b""
    except OSError:
        return True
