"""Listening sockets, on loopback unless somebody says otherwise in words, and the threads behind them."""

import contextlib
import errno
import ipaddress
import logging
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, final

LOOPBACK: Final = ("127.0.0.1", "::1")
"""Where a server listens by default; the second is left out on a computer without IPv6."""

_TRIES: Final = 50
_LOG: Final = logging.getLogger(__name__)


class BindError(ValueError):
    """An address or port cannot be listened on; the message says why and what to do."""


def hosts_to_bind(bind: str | None, *, is_open_known: bool) -> tuple[str, ...]:
    """Return the addresses to listen on.

    Args:
        bind: a numeric address; None takes loopback.
        is_open_known: whether somebody has acknowledged that anybody who reaches another address may use the bench.

    Raises:
        BindError: if the address is none, or is not loopback and that was not acknowledged.
    """
    if bind is None:
        return LOOPBACK
    try:
        address = ipaddress.ip_address(bind)
    except ValueError as error:
        raise BindError(f"{bind!r} is not a numeric address such as 127.0.0.1 or ::1") from error
    if not is_loopback(bind) and not is_open_known:
        raise BindError(
            f"{bind} is not loopback: everybody who reaches it could drive this bench, there is no password. "
            "Add --i-know-this-is-open if that is meant"
        )
    return (str(address),)


def is_loopback(host: str) -> bool:
    """Return whether only this computer reaches a numeric address."""
    return ipaddress.ip_address(host).is_loopback


def listen(hosts: Sequence[str], port: int) -> tuple[socket.socket, ...]:
    """Listen on the same port of every host; port 0 takes any that is free on all.

    Raises:
        BindError: if the port is taken or the address is not this computer's.
    """
    for _ in range(_TRIES):
        sockets: list[socket.socket] = []
        try:
            wanted = port
            for host in hosts:
                if (listener := _listener(host, wanted, is_optional=len(hosts) > 1 and bool(sockets))) is not None:
                    sockets.append(listener)
                    wanted = listener.getsockname()[1]
            return tuple(sockets)
        except OSError as error:
            for listener in sockets:
                listener.close()
            # A port that was free on the first host may be taken on the second.
            if port != 0:
                raise BindError(f"cannot listen on port {port} of {', '.join(hosts)}: {error.strerror}") from error
    raise BindError(f"found no port that is free on {', '.join(hosts)}")


def _listener(host: str, port: int, *, is_optional: bool) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        if is_optional:
            return None
        raise
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        if is_optional and not _is_taken(error):
            return None
        raise
    return listener


def _is_taken(error: OSError) -> bool:
    return error.errno in (errno.EADDRINUSE, errno.EACCES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is done with a connection."""

    name: str
    """For messages: `keithley-2450 socket`."""
    serve: Callable[[socket.socket], None]
    """Serves one connection until it ends; runs in a thread of its own."""
    refuse: Callable[[socket.socket], None]
    """Says that there are too many, before the connection is closed."""


@final
class Acceptor:
    """One thread that accepts for all listening sockets, and one for each connection.

    Args:
        max_connections: connections at a time, of all clients together.
        send_timeout_s: a client that takes nothing of its reply for so long is dropped.
    """

    def __init__(self, *, max_connections: int, send_timeout_s: float) -> None:
        self._max_connections = max_connections
        self._send_timeout = struct.pack("ll", int(send_timeout_s), int(send_timeout_s % 1 * 1e6))
        self._selector = selectors.DefaultSelector()
        self._listeners: list[socket.socket] = []
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._wake, self._woken = socket.socketpair()
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._accept_all, name="accept", daemon=True)
        self._is_closed = False

    @property
    def connection_count(self) -> int:
        """Return the number of open connections."""
        with self._lock:
            return len(self._connections)

    def add(self, listeners: Sequence[socket.socket], service: Service) -> None:
        """Serve what connects to these sockets, which belong to the acceptor from now on. Call before `start`."""
        for listener in listeners:
            listener.setblocking(False)
            self._listeners.append(listener)
            self._selector.register(listener, selectors.EVENT_READ, service)

    def start(self) -> None:
        """Start accepting."""
        self._thread.start()

    def close(self) -> None:
        """Stop listening, end every connection and wait for its thread."""
        self._is_closed = True
        self._wake.close()
        if self._thread.is_alive():
            self._thread.join()
        for listener in self._listeners:
            listener.close()
        with self._lock:
            threads = list(self._connections.values())
            for connection in self._connections:
                _shut(connection)
        for thread in threads:
            thread.join()
        self._woken.close()
        self._selector.close()

    def _accept_all(self) -> None:
        while not self._is_closed:
            for key, _ in self._selector.select():
                if key.data is None:
                    return
                self._accept(key.fileobj, key.data)  # type: ignore[arg-type]

    def _accept(self, listener: socket.socket, service: Service) -> None:
        try:
            connection, _ = listener.accept()
        except OSError as error:
            # A client that went away at once, or no file descriptors left: the others are still served.
            _LOG.warning("%s: cannot accept: %s", service.name, error)
            return
        connection.setblocking(True)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, self._send_timeout)
        thread = threading.Thread(target=self._serve, args=(connection, service), name="client", daemon=True)
        with self._lock:
            is_full = len(self._connections) >= self._max_connections
            if not is_full:
                self._connections[connection] = thread
        if is_full:
            _LOG.warning("%s: refused a client: %d connections are open", service.name, self._max_connections)
            with contextlib.suppress(OSError):
                service.refuse(connection)
            connection.close()
        else:
            thread.start()

    def _serve(self, connection: socket.socket, service: Service) -> None:
        try:
            service.serve(connection)
        except BlockingIOError:
            _LOG.warning("%s: dropped a client that does not read its replies", service.name)
            # Without this the kernel would go on offering it what is left.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError as error:
            _LOG.info("%s: a connection broke: %s", service.name, error)
        except Exception:  # noqa: BLE001 - one client's trouble is not the others'
            _LOG.exception("%s: a connection was given up", service.name)
        finally:
            with self._lock:
                del self._connections[connection]
            connection.close()


def _shut(connection: socket.socket) -> None:
    """End a connection whose thread may be waiting in it."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
