"""HiSLIP: one port for a whole bench, one sub-address an instrument."""

import contextlib
import logging
import select
import socket
import threading
from collections.abc import Mapping
from typing import Final, final

from sim_instruments.server.hislip_lock import InstrumentLock
from sim_instruments.server.hislip_message import (
    Ended,
    Fatal,
    FatalError,
    Header,
    Kind,
    read_header,
    read_payload,
    send,
)
from sim_instruments.server.hislip_session import Session
from sim_instruments.server.port import Port

_PROTOCOL_VERSION: Final = 0x0100
_VENDOR: Final = int.from_bytes(b"DW", "big")
_LONGEST_SUB_ADDRESS: Final = 256
_HIGHEST_SESSION: Final = 0xFFFF
_FAREWELL_S: Final = 0.2
_FAREWELL_READS: Final = 16
_LOG: Final = logging.getLogger(__name__)


@final
class HislipServer:
    """Sessions by their numbers.

    Args:
        ports: instruments by sub-address.
        patience_s: a client that opens a channel and does not say what for is dropped after so long.
    """

    def __init__(self, ports: Mapping[str, Port], *, patience_s: float = 10.0) -> None:
        self._ports = {name.lower(): (port, InstrumentLock()) for name, port in ports.items()}
        self._patience_s = patience_s
        self._sessions: dict[int, Session] = {}
        self._last = 0
        self._adding = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Serve one channel until its client goes."""
        try:
            header, payload = self._introduction(connection)
            match header.kind:
                case Kind.INITIALIZE:
                    self._serve_sync(connection, header.parameter >> 16, payload)
                case Kind.ASYNC_INITIALIZE:
                    self._serve_async(connection, header.parameter, payload)
                case _:
                    raise FatalError(Fatal.BAD_INITIALIZATION, "a channel starts with Initialize or AsyncInitialize")
        except Ended:
            pass
        except FatalError as error:
            _part(connection, error)

    def refuse(self, connection: socket.socket) -> None:
        """Tell a client that there are too many."""
        send(connection, Kind.FATAL_ERROR, Fatal.TOO_MANY_CLIENTS, payload=b"too many connections")

    def _introduction(self, connection: socket.socket) -> tuple[Header, bytes]:
        """Read the first message, which a client may not take for ever to send."""
        connection.settimeout(self._patience_s)
        try:
            header = read_header(connection)
            payload = read_payload(connection, header, _LONGEST_SUB_ADDRESS)
        except TimeoutError as error:
            raise FatalError(Fatal.BAD_INITIALIZATION, "no introduction came") from error
        connection.settimeout(None)
        return header, payload

    def _serve_sync(self, connection: socket.socket, version: int, payload: bytes) -> None:
        sub_address = payload.decode("ascii", "replace").lower()
        found = self._ports.get(sub_address or "hislip0")
        if found is None:
            raise FatalError(Fatal.BAD_INITIALIZATION, f"no instrument {sub_address[:32]!r} here")
        session = self._add(connection, *found)
        try:
            version = min(version, _PROTOCOL_VERSION)
            send(connection, Kind.INITIALIZE_RESPONSE, parameter=version << 16 | session.number)
            self._await_second_channel(connection, session)
            session.serve_sync()
        except FatalError as error:
            _part(connection, error)
        finally:
            with self._adding:
                del self._sessions[session.number]
            session.end()

    def _serve_async(self, connection: socket.socket, number: int, payload: bytes) -> None:
        if payload:
            raise FatalError(Fatal.BAD_HEADER, "AsyncInitialize has no payload")
        with self._adding:
            session = self._sessions.get(number)
            if session is None:
                raise FatalError(Fatal.BAD_INITIALIZATION, f"no session {number}")
            session.join(connection)
        try:
            send(connection, Kind.ASYNC_INITIALIZE_RESPONSE, parameter=_VENDOR)
            session.serve_async()
        except FatalError as error:
            _part(connection, error)
        finally:
            session.end()

    def _add(self, connection: socket.socket, port: Port, lock: InstrumentLock) -> Session:
        with self._adding:
            # Not at once the number of a session that has just ended: its client may still be about.
            while True:
                self._last = self._last % _HIGHEST_SESSION + 1
                if self._last not in self._sessions:
                    break
            session = Session(self._last, port, lock, connection)
            self._sessions[self._last] = session
            return session

    def _await_second_channel(self, connection: socket.socket, session: Session) -> None:
        """Wait for the first message, though not for ever while the session has one channel only."""
        poll = select.poll()
        poll.register(connection, select.POLLIN)
        if not poll.poll(self._patience_s * 1000) and not session.has_both_channels:
            raise FatalError(Fatal.BAD_INITIALIZATION, "the asynchronous channel did not come")


def _part(connection: socket.socket, error: FatalError) -> None:
    """Tell a client why it is given up."""
    _LOG.info("gave up a client: %s", error.words)
    with contextlib.suppress(OSError):
        send(connection, Kind.FATAL_ERROR, error.code, payload=error.words.encode("ascii", "replace"))
        connection.shutdown(socket.SHUT_WR)
        # What is closed with unread bytes is reset, and the reset overtakes the message: read some of them first.
        connection.settimeout(_FAREWELL_S)
        for _ in range(_FAREWELL_READS):
            if not connection.recv(1 << 16):
                break
