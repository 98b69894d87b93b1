"""HiSLIP byte by byte, as IVI-6.1 has it and as a hostile client might."""

import socket
import struct
import threading
from collections.abc import Callable
from typing import Any

import pytest

from sim_instruments.server import hislip_session

HEADER = struct.Struct(">2sBBIQ")
INITIALIZE, INITIALIZE_RESPONSE, FATAL, ERROR, LOCK, LOCK_RESPONSE, DATA, DATA_END = range(8)
CLEAR_COMPLETE, CLEAR_ACKNOWLEDGE, REMOTE, REMOTE_RESPONSE, TRIGGER, INTERRUPTED, ASYNC_INTERRUPTED = range(8, 15)
SIZE, SIZE_RESPONSE, ASYNC_INITIALIZE, ASYNC_INITIALIZE_RESPONSE, ASYNC_CLEAR = range(15, 20)
STATUS, STATUS_RESPONSE, ASYNC_CLEAR_ACKNOWLEDGE, LOCK_INFO, LOCK_INFO_RESPONSE = range(21, 26)
MAV = 16


class Channel:
    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection

    def send(self, kind: int, control: int = 0, parameter: int = 0, payload: bytes = b"") -> None:
        self.connection.sendall(HEADER.pack(b"HS", kind, control, parameter, len(payload)) + payload)

    def receive(self) -> tuple[int, int, int, bytes]:
        prologue, kind, control, parameter, length = HEADER.unpack(self._exactly(HEADER.size))
        assert prologue == b"HS"
        return kind, control, parameter, self._exactly(length)

    def ask(self, *message: Any) -> tuple[int, int, int, bytes]:
        self.send(*message)
        return self.receive()

    def is_silent(self) -> bool:
        self.connection.settimeout(0.1)
        try:
            self.connection.recv(1)
        except TimeoutError:
            return True
        finally:
            self.connection.settimeout(5)
        return False

    def is_closed(self) -> bool:
        try:
            return self.connection.recv(1) == b""
        except ConnectionResetError:
            return True

    def _exactly(self, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = self.connection.recv(count - len(data))
            assert piece, "the server closed the connection"
            data += piece
        return bytes(data)


class Client:
    """Both channels, and message ids as IVI-6.1 counts them."""

    def __init__(self, connect: Callable[[], socket.socket], sub_address: bytes = b"hislip0") -> None:
        self.sync = Channel(connect())
        kind, control, parameter, _ = self.sync.ask(INITIALIZE, 0, 0x0100 << 16 | 0x5858, sub_address)
        assert (kind, control, parameter >> 16) == (INITIALIZE_RESPONSE, 0, 0x0100)
        self.session = parameter & 0xFFFF
        self.channel = Channel(connect())
        assert self.channel.ask(ASYNC_INITIALIZE, 0, self.session)[:2] == (ASYNC_INITIALIZE_RESPONSE, 0)
        self.message_id = 0xFFFFFF00

    def write(self, payload: bytes, *, delivered: bool = True, kind: int = DATA_END) -> int:
        sent = self.message_id
        self.sync.send(kind, int(delivered), sent, payload)
        self.message_id = (sent + 2) & 0xFFFFFFFF
        return sent

    def query(self, payload: bytes, **how: Any) -> bytes:
        sent = self.write(payload, **how)
        kind, _, parameter, reply = self.sync.receive()
        assert (kind, parameter) == (DATA_END, sent)
        return reply

    def lock(self, key: bytes = b"", timeout_ms: int = 0) -> int:
        kind, control, _, _ = self.channel.ask(LOCK, 1, timeout_ms, key)
        assert kind == LOCK_RESPONSE
        return control

    def release(self) -> int:
        return self.channel.ask(LOCK, 0, self.message_id)[1]

    def close(self) -> None:
        self.sync.connection.close()
        self.channel.connection.close()


@pytest.fixture
def make(serve: Any, spy: Any, connect: Any) -> Callable[..., Client]:
    server = serve({"TCPIP0::spy::INSTR": spy, "TCPIP0::other::INSTR": type(spy)()})
    return lambda **how: Client(lambda: connect(server.addresses[0].hislip), **how)


@pytest.fixture
def client(make: Any) -> Client:
    return make()


@pytest.fixture
def raw(serve: Any, spy: Any, connect: Any) -> Callable[[], Channel]:
    server = serve({"TCPIP0::spy::INSTR": spy}, patience_s=0.2)
    return lambda: Channel(connect(server.addresses[0].hislip))


@pytest.fixture
def real(serve: Any, bench: Any, connect: Any) -> Client:
    """The array controller of a bench."""
    server = serve(bench.instruments)
    return Client(lambda: connect(server.addresses[3].hislip), b"HiSLIP3")


def test_each_sub_address_is_an_instrument(make, spy):
    assert make(sub_address=b"hislip0").query(b"a?") == b"a?"
    assert make(sub_address=b"").query(b"b?") == b"b?"
    assert make(sub_address=b"hislip1").query(b"c?") == b"c?"
    assert spy.heard == [b"a?", b"b?"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 1),
        (HEADER.pack(b"HS", INITIALIZE, 0, 0, 1 << 63), 1),
        (HEADER.pack(b"HS", INITIALIZE, 0, 0, 257), 1),
        (HEADER.pack(b"HS", INITIALIZE, 0, 0, 7) + b"hislip9", 3),
        (HEADER.pack(b"HS", INITIALIZE, 0, 0, 4) + b"\xff\x00\n\x1b", 3),
        (HEADER.pack(b"HS", DATA_END, 0, 0, 0), 3),
        (HEADER.pack(b"HS", 77, 0, 0, 0), 3),
        (HEADER.pack(b"HS", ASYNC_INITIALIZE, 0, 4711, 0), 3),
        (HEADER.pack(b"HS", ASYNC_INITIALIZE, 0, 0, 8) + bytes(8), 1),
        (b"", 3),
        (b"HS\x00", 3),
        (HEADER.pack(b"HS", INITIALIZE, 0, 0, 7) + b"hisl", 3),
    ],
)
def test_a_false_start_is_a_fatal_error_and_the_end(raw, spy, message, code):
    channel = raw()
    channel.connection.sendall(message)
    assert channel.receive()[:2] == (FATAL, code)
    assert channel.is_closed()
    assert spy.heard == []


def test_data_without_the_asynchronous_channel_is_fatal(raw, spy):
    channel = raw()
    channel.ask(INITIALIZE, 0, 0x01000000, b"hislip0")
    assert channel.ask(DATA_END, 0, 0, b"a?")[:2] == (FATAL, 2)
    assert channel.is_closed()
    assert spy.heard == []


def test_a_client_without_its_second_channel_is_dropped(raw):
    channel = raw()
    channel.ask(INITIALIZE, 0, 0x01000000, b"hislip0")
    assert channel.receive()[:2] == (FATAL, 3)
    assert channel.is_closed()


def test_a_second_initialization_is_fatal(client, make):
    assert client.sync.ask(INITIALIZE, 0, 0x01000000, b"hislip0")[:2] == (FATAL, 3)
    other = make()
    assert other.channel.ask(ASYNC_INITIALIZE, 0, other.session)[:2] == (FATAL, 3)
    assert other.sync.is_closed()


def test_a_stranger_cannot_take_a_session_over(client, connect, serve, spy):
    server = serve({"TCPIP0::spy::INSTR": spy})
    owner = Client(lambda: connect(server.addresses[0].hislip))
    thief = Channel(connect(server.addresses[0].hislip))
    assert thief.ask(ASYNC_INITIALIZE, 0, owner.session)[:2] == (FATAL, 3)
    assert owner.query(b"still?") == b"still?"


@pytest.mark.parametrize("header", [b"HX" + bytes(14), HEADER.pack(b"HS", DATA_END, 0, 0, 1 << 62)])
@pytest.mark.parametrize("name", ["sync", "channel"])
def test_a_broken_header_ends_the_session(client, spy, header, name):
    channel = getattr(client, name)
    channel.connection.sendall(header)
    assert channel.receive()[:2] == (FATAL, 1)
    assert client.sync.is_closed()
    assert client.channel.is_closed()
    assert spy.heard == []


def test_a_message_that_is_not_known_is_an_error_and_no_more(client):
    for channel in (client.sync, client.channel):
        assert channel.ask(26, 0, 0, b"payload")[:2] == (ERROR, 1)
        assert channel.ask(200, 0, 0, b"payload")[:2] == (ERROR, 3)
    assert client.channel.ask(REMOTE, 6)[0] == REMOTE_RESPONSE
    assert client.channel.ask(REMOTE, 7)[:2] == (ERROR, 2)
    assert client.channel.ask(LOCK, 2)[:2] == (ERROR, 2)
    assert client.query(b"a?") == b"a?"


def test_a_payload_above_the_agreed_size_is_refused_with_its_message(client, spy):
    size = hislip_session.LARGEST_PAYLOAD
    client.write(b"start", kind=DATA)
    client.write(bytes(size + 1), kind=DATA)
    assert client.sync.receive()[:2] == (ERROR, 4)
    client.write(b"rest of it?")
    client.write(bytes(size + 1))
    assert client.sync.receive()[:2] == (ERROR, 4)
    assert client.query(b"a?") == b"a?"
    assert spy.heard == [b"a?"]


def test_a_message_without_end_is_bounded(client, spy, monkeypatch):
    monkeypatch.setattr(hislip_session, "LONGEST_MESSAGE", 10_000)
    for _ in range(5):
        client.write(bytes(3000), kind=DATA)
    client.write(b"end?")
    assert client.query(b"a?") == b"a?"
    assert spy.heard == [b"a?"]
    assert "-363" in spy.done


def test_a_message_in_parts_is_executed_once_and_answered_under_its_last_id(client, spy):
    client.write(b"one ", kind=DATA)
    client.write(b"", kind=DATA)
    assert client.query(b"two?") == b"one two?"
    assert spy.heard == [b"one two?"]


def test_replies_keep_to_the_size_that_the_client_takes(client):
    kind, _, _, payload = client.channel.ask(SIZE, 0, 0, struct.pack(">Q", 16 + 100))
    assert (kind, payload) == (SIZE_RESPONSE, struct.pack(">Q", hislip_session.LARGEST_PAYLOAD))
    sent = client.write(b"?" * 250)
    parts = [client.sync.receive() for _ in range(3)]
    assert [(kind, len(payload)) for kind, _, _, payload in parts] == [(DATA, 100), (DATA, 100), (DATA_END, 50)]
    assert {parameter for _, _, parameter, _ in parts} == {sent}


@pytest.mark.parametrize("payload", [b"", bytes(7)])
def test_a_size_that_is_none_is_fatal(client, payload):
    assert client.channel.ask(SIZE, 0, 0, payload)[:2] == (FATAL, 1)


def test_a_tiny_size_does_not_stop_replies(client):
    client.channel.ask(SIZE, 0, 0, struct.pack(">Q", 0))
    client.write(b"?" * 100)
    assert [client.sync.receive()[0] for _ in range(2)] == [DATA, DATA_END]


def test_triggers_arrive_in_order(client, spy):
    client.sync.send(TRIGGER, 1, client.message_id)
    assert client.query(b"a?") == b"a?"
    assert spy.done == ["trigger"]


def test_device_clear_in_the_middle_of_a_message_forgets_it(client, spy):
    client.write(b"half a mess", kind=DATA)
    assert client.channel.ask(ASYNC_CLEAR)[:2] == (ASYNC_CLEAR_ACKNOWLEDGE, 0)
    client.write(b"age?")
    client.sync.send(TRIGGER, 1, client.message_id)
    assert client.sync.ask(CLEAR_COMPLETE)[:2] == (CLEAR_ACKNOWLEDGE, 0)
    assert client.query(b"a?") == b"a?"
    assert spy.heard == [b"a?"]
    assert spy.done == ["clear"]


def test_device_clear_stops_a_reply_that_is_not_read(real):
    real.channel.ask(SIZE, 0, 0, struct.pack(">Q", 1016))
    for _ in range(2000):
        real.write(b"READ:COND? 0,3000\n")
    # Far more than the buffers between hold: the server is waiting for this client to read.
    assert real.channel.ask(ASYNC_CLEAR)[0] == ASYNC_CLEAR_ACKNOWLEDGE
    real.sync.send(CLEAR_COMPLETE)
    while (message := real.sync.receive())[0] != CLEAR_ACKNOWLEDGE:
        assert message[0] in (DATA, DATA_END)
    assert real.query(b"*IDN?\n").startswith(b"domainwall-hil,DWA-1")


def test_device_clear_stops_a_long_reply_between_two_of_its_messages(client):
    size = hislip_session.LARGEST_PAYLOAD
    for _ in range(29):
        client.write(b"?" * size, kind=DATA)
    client.write(b"?" * size)
    received = len(client.sync.receive()[3])
    client.channel.ask(ASYNC_CLEAR)
    client.sync.send(CLEAR_COMPLETE)
    while (message := client.sync.receive())[0] != CLEAR_ACKNOWLEDGE:
        received += len(message[3])
    assert received < 30 * size
    assert client.query(b"a?") == b"a?"


def test_a_new_message_interrupts_a_reply_that_was_not_read(real):
    real.write(b"*IDN?\n")
    assert real.sync.receive()[0] == DATA_END
    sent = real.write(b"*ESE 1\n", delivered=False)
    assert real.sync.receive()[:3] == (INTERRUPTED, 0, sent)
    assert real.channel.receive()[:3] == (ASYNC_INTERRUPTED, 0, sent)
    assert real.query(b"SYST:ERR?\n").startswith(b"-410")
    assert real.query(b"SYST:ERR?\n").startswith(b"0,")


def test_message_available_lasts_until_the_client_says_it_has_read(real):
    assert real.channel.ask(STATUS)[1] & MAV == 0
    real.write(b"*IDN?\n")
    real.sync.receive()
    assert real.channel.ask(STATUS, 0)[:2] == (STATUS_RESPONSE, MAV)
    assert real.channel.ask(STATUS, 1)[1] & MAV == 0
    # The status query said that the reply was read, so the next message interrupts nothing.
    assert real.query(b"SYST:ERR?\n", delivered=False).startswith(b"0,")


def test_one_exclusive_lock_at_a_time(make):
    first, second = make(), make()
    assert first.lock() == 1
    assert first.lock() == 3
    assert second.lock() == 0
    assert second.lock(b"key") == 0
    assert second.release() == 3
    assert second.channel.ask(LOCK_INFO)[1:3] == (1, 1)
    assert first.release() == 1
    assert first.release() == 3
    assert second.lock() == 1
    assert make(sub_address=b"hislip1").lock() == 1


def test_a_shared_lock_is_shared_by_those_who_know_the_key(make):
    first, second, third = make(), make(), make()
    assert first.lock(b"key") == 1
    assert second.lock(b"key") == 1
    assert second.lock(b"key") == 3
    assert third.lock(b"other") == 0
    assert third.lock() == 0
    assert third.channel.ask(LOCK_INFO)[1:3] == (0, 2)
    assert first.lock() == 1
    assert third.channel.ask(LOCK_INFO)[1:3] == (1, 2)
    assert first.release() == 1
    assert first.release() == 2
    assert second.release() == 2
    assert third.lock(b"other") == 1


def test_a_message_waits_while_somebody_else_has_the_lock(make, spy):
    first, second = make(), make()
    assert first.lock() == 1
    second.write(b"second?")
    assert second.sync.is_silent()
    assert first.query(b"first?") == b"first?"
    assert spy.heard == [b"first?"]
    assert first.release() == 1
    assert second.sync.receive()[3] == b"second?"


def test_a_device_clear_takes_back_a_message_that_waits_for_a_lock(make, spy):
    first, second = make(), make()
    assert first.lock() == 1
    second.write(b"second?")
    second.channel.ask(ASYNC_CLEAR)
    assert second.sync.ask(CLEAR_COMPLETE)[0] == CLEAR_ACKNOWLEDGE
    assert first.release() == 1
    assert second.query(b"later?") == b"later?"
    assert spy.heard == [b"later?"]


def test_a_lock_is_released_when_its_client_goes(make):
    first, second = make(), make()
    assert first.lock() == 1
    assert first.lock(b"key") == 1
    second.channel.send(LOCK, 1, 5000)
    first.close()
    assert second.channel.receive()[1] == 1


def test_a_lock_is_waited_for_and_granted_when_it_is_free(make):
    first, second = make(), make()
    assert first.lock() == 1
    second.channel.send(LOCK, 1, 5000)
    assert second.channel.is_silent()
    first.release()
    assert second.channel.receive()[:2] == (LOCK_RESPONSE, 1)


def test_a_waiting_client_that_goes_gives_up_at_once(serve, spy, connect):
    server = serve({"TCPIP0::spy::INSTR": spy})
    first, second, third = (Client(lambda: connect(server.addresses[0].hislip)) for _ in range(3))
    assert first.lock() == 1
    second.channel.send(LOCK, 1, 600_000)
    second.close()
    while server.connection_count > 4:
        assert third.lock(timeout_ms=10) == 0
    first.release()
    assert third.lock(timeout_ms=5000) == 1


def test_a_lock_string_is_bounded(client):
    assert client.channel.ask(LOCK, 1, 0, b"k" * 256)[:2] == (LOCK_RESPONSE, 1)
    assert client.channel.ask(LOCK, 1, 0, b"k" * 257)[:2] == (FATAL, 1)


def test_too_many_clients_are_told(serve, spy, connect):
    server = serve({"TCPIP0::spy::INSTR": spy}, max_connections=2)
    client = Client(lambda: connect(server.addresses[0].hislip))
    third = Channel(connect(server.addresses[0].hislip))
    assert third.receive()[:2] == (FATAL, 4)
    assert third.is_closed()
    assert client.query(b"a?") == b"a?"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_trouble_in_one_twin_ends_one_session(make):
    first, second = make(), make()
    first.write(b"trouble")
    assert first.sync.is_closed()
    assert first.channel.is_closed()
    assert second.query(b"a?") == b"a?"


def test_sessions_end_with_their_clients(serve, spy, connect):
    server = serve({"TCPIP0::spy::INSTR": spy})
    clients = [Client(lambda: connect(server.addresses[0].hislip)) for _ in range(5)]
    assert server.connection_count == 10
    for client in clients:
        client.sync.connection.close()
        assert client.channel.is_closed()
    server.close()
    assert server.connection_count == 0
    assert not [thread for thread in threading.enumerate() if thread.name == "client"]


def test_the_instrument_hears_when_the_last_client_of_an_address_has_gone(serve: Any, spy: Any, connect: Any):
    server = serve({"TCPIP0::spy::INSTR": spy})
    clients = [Client(lambda: connect(server.addresses[0].hislip)) for _ in range(2)]
    for client in clients:
        assert client.query(b"a?") == b"a?"
    clients[0].close()
    while server.connection_count > 2:
        assert clients[1].query(b"b?") == b"b?"
    assert spy.done == []
    clients[1].close()
    server.close()
    assert spy.done == ["LAN127.0.0.1 left"]
