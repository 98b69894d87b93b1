"""Row 24 of the fault table: two programs on one instrument. The second is refused before it sends a byte."""

import os
import signal
import subprocess
import sys
import time

import pytest

from drivers.arrays import dwa
from drivers.errors import InstrumentBusy, LinkLost
from drivers.instrument import Session
from drivers.link import Link
from drivers.lock import InstrumentLock
from drivers.visa_library import VisaLibrary

HOLDER = """
import sys
from drivers.link import Link
from drivers.visa_library import VisaLibrary
link = Link(VisaLibrary.open("@py"), sys.argv[1])
print(link.identify(), flush=True)
sys.stdin.read()
"""

LOCKER = """
import sys
from drivers.lock import InstrumentLock
lock = InstrumentLock.take(sys.argv[1], "the box")
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def hold():
    """Start another program that holds an instrument, and wait until it does."""
    running: list[subprocess.Popen[str]] = []

    def hold(code: str, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        running.append(process)
        assert process.stdout is not None
        assert process.stdout.readline()
        return process

    yield hold
    for process in running:
        process.kill()
        process.communicate()


def test_a_second_program_is_refused_by_whatever_name_it_calls_the_instrument(library, wire, controller, hold):
    proxy = wire(controller)
    other = hold(HOLDER, proxy.address)
    connections, messages = proxy.connections, len(proxy.messages)
    for address in (
        proxy.address,
        f"TCPIP::localhost::{proxy.port}::SOCKET",
        f"TCPIP0::LOCALHOST::{proxy.port}::socket",
        f"TCPIP3::127.0.0.2::{proxy.port}::SOCKET",
        f"TCPIP0::[::1]::{proxy.port}::SOCKET",
    ):
        with pytest.raises(InstrumentBusy, match=f"process {other.pid} .*one program at a time"):
            Link(library, address)
    assert (proxy.connections, len(proxy.messages)) == (connections, messages)
    assert messages == 1


def test_the_instrument_is_free_at_once_when_its_holder_dies(library, wire, controller, hold):
    proxy = wire(controller)
    other = hold(HOLDER, proxy.address)
    other.send_signal(signal.SIGKILL)
    began_s = time.monotonic()
    while True:
        try:
            link = Link(library, proxy.address)
            break
        except InstrumentBusy:
            assert time.monotonic() - began_s < 5
    assert time.monotonic() - began_s < 0.1
    assert link.identify()
    link.close()


def test_an_instrument_with_two_addresses_has_one_program(library, wire, controller, hold):
    first, second = wire(controller), wire(controller)
    session = Session("array", Link(library, first.address), kind=dwa.KIND, safe=dwa.SAFE)
    link = Link(library, second.address)
    with pytest.raises(InstrumentBusy, match=f"process {os.getpid()}"):
        Session("array", link, kind=dwa.KIND, safe=dwa.SAFE)
    link.close()
    session.close()
    again = Session("array", Link(library, second.address), kind=dwa.KIND, safe=dwa.SAFE)
    again.close()


def test_a_closed_link_and_a_failed_one_leave_the_instrument_free(library, wire, controller):
    proxy = wire(controller)
    for _ in range(2):
        Link(library, proxy.address).close()
    proxy.__exit__()
    for _ in range(2):
        with pytest.raises(LinkLost):
            Link(library, proxy.address)


def test_a_reconnection_keeps_the_lock(library, wire, controller):
    proxy = wire(controller)
    link = Link(library, proxy.address)
    link.distrust()
    link.resynchronise()
    with pytest.raises(InstrumentBusy):
        Link(library, proxy.address)
    link.close()


def test_simulated_instruments_belong_to_their_process(small_bench, tmp_path):
    library = VisaLibrary.open(f"{small_bench.file.parent / 'sim.toml'}@domainwall")
    assert library.is_private
    links = [Link(library, "TCPIP0::array.bench::inst0::INSTR") for _ in range(2)]
    assert not (tmp_path / "locks").exists()
    for link in links:
        link.close()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_a_lock_goes_with_its_process(hold, how):
    other = hold(LOCKER, "box")
    with pytest.raises(InstrumentBusy, match=str(other.pid)):
        InstrumentLock.take("box", "the box")
    other.send_signal(how)
    other.wait()
    InstrumentLock.take("box", "the box").release()
