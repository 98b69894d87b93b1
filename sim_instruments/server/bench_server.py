"""A whole bench behind real interfaces."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from threading import RLock
from types import TracebackType
from typing import Any, Final, Self, final

from sim_instruments.bus import BusDevice
from sim_instruments.server.hislip import HislipServer
from sim_instruments.server.listening import LOOPBACK, Acceptor, Service, listen
from sim_instruments.server.port import Port
from sim_instruments.server.pseudo_terminal import PseudoTerminal
from sim_instruments.server.raw_socket import serve_socket

SOCKET_PORT: Final = 5025
"""Port of the first instrument's socket: the one that instruments use for raw SCPI."""

HISLIP_PORT: Final = 4880
"""Port that is registered for HiSLIP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listening:
    """Where a server listens."""

    hosts: tuple[str, ...] = LOOPBACK
    """Addresses of this computer."""
    port_base: int = SOCKET_PORT
    """Port of the first instrument's socket, the next ones follow; 0 takes any free ports."""
    hislip_port: int = HISLIP_PORT
    """Port for HiSLIP; 0 takes any free port."""
    max_connections: int = 64
    """Connections at a time, of all clients together; a HiSLIP client has two."""
    send_timeout_s: float = 10.0
    """A client that takes nothing of its reply for so long is dropped."""
    patience_s: float = 10.0
    """A HiSLIP client that does not introduce itself within so long is dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """VISA resource names under which one instrument is reached."""

    bench_address: str
    """Its address in the bench file."""
    socket: str
    """Raw TCP socket."""
    hislip: str
    """HiSLIP."""
    serial: str | None
    """Pseudo-terminal, for an instrument on a serial line."""

    def as_table(self) -> dict[str, Any]:
        """Return the names by interface."""
        return asdict(self)


@final
class BenchServer:
    """Serves instruments from `start` to `close`; a context manager does both.

    Args:
        instruments: instruments by their bench addresses.
        listening: where to listen.

    Raises:
        BindError: if a port is taken.
    """

    def __init__(self, instruments: Mapping[str, BusDevice], listening: Listening | None = None) -> None:
        self._listening = listening or Listening()
        self.turn = RLock()
        """Held while anything on the bench happens."""
        self._acceptor = Acceptor(
            max_connections=self._listening.max_connections, send_timeout_s=self._listening.send_timeout_s
        )
        self._serial: dict[str, PseudoTerminal] = {}
        try:
            self.addresses = self._open(instruments)
        except BaseException:
            self.close()
            raise

    def start(self) -> None:
        """Serve, in threads of its own."""
        for line in self._serial.values():
            line.start()
        self._acceptor.start()

    def close(self) -> None:
        """End every connection."""
        self._acceptor.close()
        for line in self._serial.values():
            line.close()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def connection_count(self) -> int:
        """Return the number of open connections."""
        return self._acceptor.connection_count

    def _open(self, instruments: Mapping[str, BusDevice]) -> tuple[Addresses, ...]:
        ports = {f"hislip{index}": Port(device, self.turn) for index, device in enumerate(instruments.values())}
        hislip = HislipServer(ports, patience_s=self._listening.patience_s)
        hislip_port = self._listen(
            self._listening.hislip_port, Service(name="HiSLIP", serve=hislip.serve, refuse=hislip.refuse)
        )
        return tuple(
            self._open_one(index, address, port, hislip_port)
            for index, (address, port) in enumerate(zip(instruments, ports.values(), strict=True))
        )

    def _open_one(self, index: int, address: str, port: Port, hislip_port: int) -> Addresses:
        base = self._listening.port_base
        service = Service(name=address, serve=lambda connection: serve_socket(connection, port), refuse=lambda _: None)
        number = self._listen(base + index if base else 0, service)
        if address.upper().startswith("ASRL"):
            timeout_s = self._listening.send_timeout_s
            self._serial[address] = PseudoTerminal(port, address, send_timeout_s=timeout_s)
        host = self._listening.hosts[0]
        host = f"[{host}]" if ":" in host else host
        return Addresses(
            bench_address=address,
            socket=f"TCPIP0::{host}::{number}::SOCKET",
            hislip=f"TCPIP0::{host}::hislip{index},{hislip_port}::INSTR",
            serial=f"ASRL{self._serial[address].path}::INSTR" if address in self._serial else None,
        )

    def _listen(self, port: int, service: Service) -> int:
        sockets = listen(self._listening.hosts, port)
        self._acceptor.add(sockets, service)
        return sockets[0].getsockname()[1]
