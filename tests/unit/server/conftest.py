"""A small bench behind a server in this process, and a device that only notes what it is told."""

import socket
import tomllib
from collections.abc import Callable, Iterator
from importlib.resources import files
from typing import Any

import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.bus import BusDevice, Chunk
from sim_instruments.config import BenchConfig
from sim_instruments.scpi_error import ScpiError
from sim_instruments.server.bench_server import BenchServer, Listening

DEVICES = 3000


class Spy:
    """A device that notes what it is told; it answers a message with a question mark with the message."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.done: list[str] = []
        self.replies: list[bytes] = []

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        self.heard.append(bytes(data))
        if b"trouble" in data:
            raise ZeroDivisionError
        if b"?" in data:
            self.replies.append(bytes(data))

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Chunk | None:
        return Chunk(self.replies.pop(0), True) if self.replies else None

    def clear(self) -> None:
        self.done.append("clear")

    def trigger(self) -> None:
        self.done.append("trigger")

    def poll(self) -> int:
        return 0

    def disconnect(self, interface: str) -> None:
        self.done.append(f"{interface} left")

    def report(self, error: ScpiError) -> None:
        self.done.append(str(error.code))


@pytest.fixture
def bench() -> SimulatedBench:
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"]["devices"] = DEVICES
    tables["wiring"]["devices"] = [100, 200, 300]
    return SimulatedBench(BenchConfig.model_validate(tables))


@pytest.fixture
def spy() -> Spy:
    return Spy()


@pytest.fixture
def serve() -> Iterator[Callable[..., BenchServer]]:
    """Serve devices by address on free ports; keywords as for `Listening`."""
    servers = []

    def start(instruments: dict[str, BusDevice], **listening: Any) -> BenchServer:
        server = BenchServer(instruments, Listening(**{"port_base": 0, "hislip_port": 0} | listening))
        server.start()
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def connect() -> Iterator[Callable[[str], socket.socket]]:
    """Connect to the raw socket or the HiSLIP port of a resource name."""
    opened = []

    def to(resource: str) -> socket.socket:
        _, host, *rest = resource.split("::")
        port = rest[0].split(",")[-1]
        connection = socket.create_connection((host, int(port)), timeout=5)
        opened.append(connection)
        return connection

    yield to
    for connection in opened:
        connection.close()
