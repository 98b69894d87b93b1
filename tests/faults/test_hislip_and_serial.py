"""The same discipline on the other transports: HiSLIP, whose frames break in their own ways, and a serial line, which
stays up while programs come and go.
"""

import contextlib
import os
import select
import socket
import threading
import time
import tty
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from drivers.arrays import dwa
from drivers.dialect import SCPI, Dialect
from drivers.errors import InstrumentError, LinkDesync, LinkError, LinkLost, LinkTimeout
from drivers.instrument import Session
from drivers.link import Link
from drivers.link_state import LinkState
from sim_instruments.server.bench_server import BenchServer, Listening

SLACK_S = 0.05


class Forwarder:
    """Passes bytes between a client and a server, until it is told to hold, to drip or to cut what the server says."""

    def __init__(self, port: int) -> None:
        self._target = port
        self.drip_s = 0.0
        self.is_held = threading.Event()
        self.cut_after: int | None = None
        self._stop = threading.Event()
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        self._stop.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for connection in self._sockets:
            connection.close()

    def cut(self) -> None:
        for connection in self._sockets:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._target))
                for connection in (client, server):
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._sockets += (client, server)
                for work in (self._to_server, self._to_client):
                    thread = threading.Thread(target=work, args=(client, server), daemon=True)
                    self._threads.append(thread)
                    thread.start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_RDWR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := server.recv(65536):
                if self.is_held.is_set():
                    continue
                if self.cut_after is not None:
                    client.sendall(data[: self.cut_after])
                    break
                for start in range(0, len(data), 1 if self.drip_s else len(data)):
                    client.sendall(data[start : start + (1 if self.drip_s else len(data))])
                    self._stop.wait(self.drip_s)
            client.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def hislip(make_device, library) -> Iterator[tuple[Forwarder, Callable[[], dwa.Dwa]]]:
    device = make_device("dwa-1")
    with BenchServer({"array": device._instrument}, Listening(port_base=0, hislip_port=0)) as server:
        name = server.addresses[0].hislip
        forwarder = Forwarder(int(name.split(",")[1].split(":")[0]))
        links: list[Link] = []

        def open_array() -> dwa.Dwa:
            links.append(Link(library, f"TCPIP0::127.0.0.1::hislip0,{forwarder.port}::INSTR", timeout_s=5))
            session = Session("array", links[-1], kind=dwa.KIND, safe=dwa.SAFE)
            return dwa.Dwa(session, amplitude=dwa.AMPLITUDE, width=dwa.WIDTH)

        yield forwarder, open_array
        for link in links:
            link.close()
        forwarder.close()


def test_hislip_works_through_the_forwarder(hislip):
    _, open_array = hislip
    array = open_array()
    assert array.read_codes(0, 64).size == 64
    array.session.link.distrust()
    array.session.link.resynchronise()
    assert array.last_tag() == 0


def test_a_hislip_frame_that_drips_ends_at_the_deadline(hislip, in_time):
    forwarder, open_array = hislip
    array = open_array()

    def ask() -> None:
        forwarder.drip_s = 0.1
        with pytest.raises(LinkTimeout):
            array.session.ask("PATT:TAG?", int, timeout_s=0.3)
        assert array.session.link.state is LinkState.DESYNCED
        spent_s.append(time.monotonic() - began_s[-1])
        forwarder.drip_s = 0
        array.session.link.resynchronise()
        began_s.append(time.monotonic())

    spent_s: list[float] = []
    began_s = [time.monotonic()]
    in_time(ask, 0.3 + SLACK_S, spent_s)


def test_a_hislip_reply_that_is_held_ends_at_the_deadline(hislip):
    forwarder, open_array = hislip
    array = open_array()
    forwarder.is_held.set()
    with pytest.raises(LinkTimeout):
        array.session.ask("PATT:TAG?", int, timeout_s=0.3)
    forwarder.is_held.clear()
    array.session.link.resynchronise()
    assert array.last_tag() == 0


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 100])
def test_a_hislip_connection_cut_in_mid_block_is_lost_at_once(hislip, in_time, cut):
    forwarder, open_array = hislip
    array = open_array()

    def read() -> None:
        forwarder.cut_after = cut
        with pytest.raises(LinkLost):
            array.session.link.query_block("READ:COND? 0,64", "<u2", 64, timeout_s=30)
        assert array.session.link.state is LinkState.DEAD
        spent_s.append(time.monotonic() - began_s[-1])
        forwarder.cut_after = None
        array.session.link.resynchronise()
        began_s.append(time.monotonic())

    spent_s: list[float] = []
    began_s = [time.monotonic()]
    in_time(read, 0.1, spent_s)


def test_a_hislip_peer_that_has_gone_is_found_before_the_write(hislip):
    forwarder, open_array = hislip
    array = open_array()
    forwarder.cut()
    with pytest.raises(LinkLost):
        array.session.command("OUTP OFF")
    array.make_safe()


class SerialInstrument:
    """An instrument on a serial line, of which a test decides when it answers."""

    def __init__(self, end: bytes = b"\n", acknowledgement: bytes = b"") -> None:
        self.master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.address = f"ASRL{os.ttyname(self._slave)}::INSTR"
        self.messages: list[bytes] = []
        self.ese = 0
        self.is_on = True
        self.is_late = False
        self._end = end
        self._acknowledgement = acknowledgement
        self._stopped, self._stop = os.pipe()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def say(self, data: bytes) -> None:
        os.write(self.master, data)

    def close(self) -> None:
        os.close(self._stop)
        self._thread.join()
        for descriptor in (self.master, self._slave, self._stopped):
            with contextlib.suppress(OSError):
                os.close(descriptor)

    def unplug(self) -> None:
        """Take the line away."""
        self.close()

    def _serve(self) -> None:
        received = b""
        while self.master in select.select([self.master, self._stopped], [], [])[0]:
            received += os.read(self.master, 4096)
            while b"\n" in received:
                message, received = received.split(b"\n", 1)
                self.messages.append(message.strip())
                answer = self._answer(message.strip())
                if answer is not None and not self.is_late:
                    self.say(answer + self._end)

    def _answer(self, message: bytes) -> bytes | None:
        if message.startswith(b"*ESE "):
            self.ese = int(message[5:])
        elif message == b"OUTP OFF":
            self.is_on = False
        elif message == b"*IDN?":
            return b"Acme,Box,1,1"
        elif message == b"*ESE?":
            return b"%d" % self.ese
        elif message == b"OUTP?":
            return b"%d" % self.is_on
        elif message != b"OUTP ON":
            return b"?1" if self._acknowledgement else None
        return self._acknowledgement or None


@pytest.fixture
def serial() -> Iterator[Callable[..., SerialInstrument]]:
    with contextlib.ExitStack() as stack:

        def start(**options) -> SerialInstrument:
            instrument = SerialInstrument(**options)
            stack.callback(lambda: instrument._thread.is_alive() and instrument.close())
            return instrument

        yield start


def test_a_reply_that_comes_after_the_port_was_opened_again_is_not_believed(library, serial):
    box = serial()
    link = Link(library, box.address, timeout_s=2)
    link.identify()
    box.is_late = True
    with pytest.raises(LinkTimeout):
        link.query("OUTP?", timeout_s=0.1)
    box.is_late = False
    late = threading.Timer(0.1, lambda: box.say(b"0\n"))
    late.start()
    link.resynchronise()
    late.join()
    assert link.query("OUTP?") == "1"
    link.close()


def test_half_a_message_left_in_the_instrument_does_not_swallow_the_safe_state(library, serial):
    box = serial()
    link = Link(library, box.address, timeout_s=2)
    link.identify()
    os.write(link._wire.resource.visalib.sessions[link._wire.resource.session].interface.fd, b"OUTP:LEV")  # type: ignore[attr-defined]
    link.distrust()
    link.resynchronise(first="OUTP OFF")
    assert box.messages[1] == b"OUTP:LEVOUTP OFF"
    assert not box.is_on
    assert link.query("OUTP?") == "0"
    link.close()


def test_a_serial_reply_that_drips_ends_at_the_deadline(library, serial, in_time):
    box = serial()

    def ask() -> None:
        stop, asked = threading.Event(), threading.Event()
        box._answer = lambda _message: asked.set()  # type: ignore[method-assign]

        def drip() -> None:
            asked.wait()
            while not stop.wait(0.2):
                box.say(b"1")

        thread = threading.Thread(target=drip)
        thread.start()
        link = Link(library, box.address)
        try:
            began_s = time.monotonic()
            with pytest.raises(LinkTimeout):
                link.query("OUTP?", timeout_s=0.3)
            spent_s.append(time.monotonic() - began_s)
        finally:
            asked.set()
            stop.set()
            thread.join()
            link.close()

    spent_s: list[float] = []
    in_time(ask, 0.3 + SLACK_S, spent_s)


def test_a_serial_line_that_is_unplugged_is_lost(library, serial):
    box = serial()
    link = Link(library, box.address, timeout_s=5)
    link.identify()
    box.unplug()
    began_s = time.monotonic()
    with pytest.raises(LinkLost):
        link.query("OUTP?")
    assert time.monotonic() - began_s < 2
    link.close()


@pytest.mark.parametrize("dialect", [SCPI, Dialect(terminator="\r\n", acknowledgement="ok", echo=None)])
def test_both_kinds_of_serial_instrument_come_back(library, serial, dialect):
    is_answering = dialect.acknowledgement is not None
    box = serial(end=dialect.terminator.encode(), acknowledgement=b"ok" if is_answering else b"")
    link = Link(library, box.address, dialect=dialect, timeout_s=2)
    link.identify()
    link.write("OUTP ON")
    if is_answering:
        with pytest.raises(InstrumentError):
            link.write("NONSENSE")
    box.say(b"unasked" + dialect.terminator.encode())
    link.distrust()
    link.resynchronise()
    assert link.query("OUTP?") == "1"
    link.close()


def test_a_block_comes_over_a_serial_line(library, serial):
    box = serial()
    link = Link(library, box.address, timeout_s=2)
    data = np.full(300, 10, np.uint8)
    box._answer = lambda _message: b"#3300" + data.tobytes()  # type: ignore[method-assign]
    np.testing.assert_array_equal(link.query_block("R?", "u1", 300), data)
    box._answer = lambda _message: b"#0" + data.tobytes()  # type: ignore[method-assign]
    np.testing.assert_array_equal(link.query_block("R?", "u1", 300, indefinite=True), data)
    box._answer = lambda _message: b"#3299" + data.tobytes()  # type: ignore[method-assign]
    with pytest.raises(LinkDesync):
        link.query_block("R?", "u1", 300)
    with pytest.raises(LinkError):
        link.query("OUTP?")
    link.close()
