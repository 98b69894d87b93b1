"""Discovery does not wait long for what is not there."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from pyvisa.constants import VI_TMO_IMMEDIATE

from drivers import discover
from drivers.config import load_bench
from drivers.discovery import TIMEOUT_S
from drivers.errors import LinkError
from drivers.link import Link
from drivers.visa_library import VisaLibrary


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A TCP port that neither takes a connection nor refuses it, as an instrument that is switched off does."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        yield port


@pytest.mark.parametrize("address", ["TCPIP0::127.0.0.1::{}::SOCKET", "TCPIP0::127.0.0.1,{}::inst0::INSTR"])
def test_a_link_gives_up_opening_when_it_was_told_to(silent_port: int, address: str):
    began_s = time.monotonic()
    with pytest.raises(LinkError):
        Link(VisaLibrary.open("@py"), address.format(silent_port), open_timeout_s=0.2)
    assert 0.1 < time.monotonic() - began_s < 1.0


def test_a_dead_address_costs_a_second(silent_port: int, tmp_path: Any, monkeypatch: pytest.MonkeyPatch):
    # What the library finds by itself, over the network, is another matter.
    monkeypatch.setattr(VisaLibrary, "resources", lambda _: ())
    address = f"TCPIP0::127.0.0.1::{silent_port}::SOCKET"
    bench = tmp_path / "bench.toml"
    bench.write_text(
        f'[bench]\nname = "lab"\nlibrary = "@py"\n'
        f'[[instrument]]\nname = "array"\nmodel = "dwa-1"\naddress = "{address}"\n'
    )
    config = load_bench(bench)
    began_s = time.monotonic()
    (found,) = discover("@py", bench=config)
    assert time.monotonic() - began_s < 2 * TIMEOUT_S
    assert found.identity is None
    assert found.problem


def test_interfaces_are_never_asked_and_serial_ports_when_told_only(monkeypatch: pytest.MonkeyPatch):
    there = ("ASRL/dev/ttyS0::INSTR", "GPIB0::INTFC", "PRLGX-ASRL::/dev/ttyS0::INTFC")
    asked: list[str] = []
    monkeypatch.setattr(VisaLibrary, "resources", lambda _: there)
    monkeypatch.setattr(VisaLibrary, "connect", lambda _self, address, _timeout_s: asked.append(address) or 1 / 0)
    assert discover("@py") == ()
    assert asked == []
    (found,) = discover("@py", serial_ports=True)
    assert found.resource == there[0]
    assert set(asked) == {there[0]}


def test_opening_and_answering_share_one_second(wire: Any, monkeypatch: pytest.MonkeyPatch):
    box = wire.add()
    allowed_ms: list[int] = []
    open_one: Callable[..., Any] = wire.visa.open

    def slow_open(session: Any, name: str, mode: Any, open_timeout: int = VI_TMO_IMMEDIATE) -> Any:
        allowed_ms.append(open_timeout)
        now_s[0] += 0.7
        return open_one(session, name, mode, open_timeout)

    now_s = [100.0]
    monkeypatch.setattr("drivers.deadline.SystemClock.monotonic_s", lambda _: now_s[0])
    monkeypatch.setattr(wire.visa, "open", slow_open)
    (found,) = discover(wire.specification)
    assert found.is_reachable
    assert allowed_ms == [1000]
    assert max(box.timeouts_ms) <= 310
