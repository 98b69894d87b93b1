"""The faulty wire does what its faults say, so that the other tests test something."""

import contextlib
import re
import socket

import pytest
from proxy import Fault, Kind, Proxy, garbled, message_length


def ask(proxy: Proxy, *messages: bytes, timeout_s: float = 0.2) -> bytes:
    with socket.create_connection(("127.0.0.1", proxy.port), timeout_s) as client:
        received = b""
        try:
            for message in messages:
                client.sendall(message)
                received += client.recv(1000)
            while chunk := client.recv(1000):
                received += chunk
        except TimeoutError:
            pass
        except ConnectionError:
            received += b"!"
        else:
            received += b"."
        return received


def echo(message: bytes) -> bytes | None:
    return message if b"?" in message else None


@pytest.mark.parametrize(
    ("line", "received"),
    [
        ("late@0:0.05#0", rb"a\?\nb\?\n"),
        ("hold@0:0#0", rb""),
        ("swallow@0:0#0", rb""),
        ("reset@1:1#0", rb"a\?\nb?!"),
        ("reset@0:-1#0", rb"!"),
        ("close@1:2#0", rb"a\?\nb\?\."),
        ("close-before-write@1:0#0", rb"a\?\n[.!]"),
        ("slicer@0:1#0", rb"a\?\nb\?\n"),
        ("truncate@0:1#0", rb"a\nb\?\n"),
        ("duplicate@0:0#0", rb"a\?\na\?\nb\?\n"),
        ("drip@0:0.01#0", rb"a\?\nb\?\n"),
    ],
)
def test_each_fault_does_what_it_says(line, received):
    with Proxy(echo, [Fault.parse(line)]) as proxy:
        got = ask(proxy, b"a?\n", b"b?\n")
    assert re.fullmatch(received, got), got


def test_a_reply_out_of_order_and_a_reply_on_the_next_connection():
    with Proxy(echo, [Fault(kind=Kind.REORDER, at=0), Fault(kind=Kind.STALE, at=2)]) as proxy:
        with socket.create_connection(("127.0.0.1", proxy.port), 0.2) as client:
            client.sendall(b"a?\nb?\nc?\nd?\n")
            received = b""
            while len(received) < 9:
                received += client.recv(100)
        assert received == b"b?\na?\nd?\n"
        with socket.create_connection(("127.0.0.1", proxy.port), 1) as client:
            assert client.recv(100) == b"c?\n"


@pytest.mark.parametrize(
    ("line", "reached"), [("swallow@0:0#0", 1), ("reset@0:-1#0", 0), ("reset@0:0#0", 1), ("hold@0:0#0", 2)]
)
def test_what_a_fault_keeps_from_the_instrument(line, reached):
    heard: list[bytes] = []

    def hear(message: bytes) -> bytes | None:
        heard.append(message)
        return echo(message)

    with Proxy(hear, [Fault.parse(line)]) as proxy, socket.create_connection(("127.0.0.1", proxy.port), 1) as client:
        client.sendall(b"a?\nb?\n")
        with contextlib.suppress(ConnectionError):
            client.recv(10)
    assert len(heard) == reached


def test_a_fault_reads_back_from_the_line_it_prints():
    for kind in Kind:
        fault = Fault(kind=kind, at=17, amount=0.25, seed=3)
        assert Fault.parse(str(fault)) == fault
    with pytest.raises(ValueError, match="no fault"):
        Fault.parse("late at 17")


@pytest.mark.parametrize(
    ("data", "length"),
    [
        (b"", 0),
        (b"A", 0),
        (b"A\nB\n", 2),
        (b"P #13\n\n\n\nB\n", 9),
        (b"P #13\n\n\n", 0),
        (b"P #3", 0),
        (b"P #2a5\nB\n", 7),
        (b"P 0,#11x;#12\ny\n", 15),
    ],
)
def test_messages_end_at_the_line_feed_that_is_not_inside_a_block(data, length):
    assert message_length(data) == length


def test_a_seed_garbles_the_same_bits():
    assert garbled(b"1.5E-4\n", 2, 7) == garbled(b"1.5E-4\n", 2, 7) != b"1.5E-4\n"
