"""Raw sockets: whose reply goes where, and clients that behave badly."""

import socket

import pytest

from sim_instruments import scpi_stream


def reader(connection: socket.socket):
    return connection.makefile("rb")


@pytest.fixture
def array(serve, bench, connect):
    server = serve(bench.instruments)
    return lambda: connect(server.addresses[3].socket)


def ask(connection: socket.socket, question: bytes) -> bytes:
    connection.sendall(question)
    with reader(connection) as lines:
        return lines.readline()


def read_on(connection: socket.socket) -> None:
    while connection.recv(1 << 20):
        pass


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def test_replies_go_to_the_client_that_asked_even_with_half_messages_between(array):
    first, second = array(), array()
    first.sendall(b"*ES")
    assert ask(second, b"*IDN?\n").startswith(b"domainwall-hil")
    second.sendall(b"ARR:SI")
    assert ask(first, b"E 7;*ESE?\n") == b"7\n"
    assert ask(second, b"ZE?\n") == b"3000\n"


def test_every_query_of_one_packet_is_answered_in_order(array):
    client = array()
    client.sendall(b"*ESE 3\n*ESE?\nARR:SIZE?\n*ESE 4\n*ESE?\nSYST:ERR?\n")
    with reader(client) as lines:
        assert [lines.readline() for _ in range(4)] == [b"3\n", b"3000\n", b"4\n", b'0,"No error"\n']


def test_a_block_may_hold_anything_and_come_in_any_pieces(array, bench):
    client = array()
    counts = bytes(range(256)) * 4
    message = b"PATT:PUSH 0,#41024" + counts + b";:PATT:TAG 9;:OUTP ON;:INIT\n"
    for start in range(0, len(message), 100):
        client.sendall(message[start : start + 100])
    assert ask(client, b"PATT:DEL?\n") == b"9,%d,0\n" % sum(counts)
    assert bench.sample.ledger.push_pulses == sum(counts)


def test_a_client_that_does_not_read_is_dropped_and_the_others_are_served(serve, bench, connect):
    server = serve(bench.instruments, send_timeout_s=0.3)
    address = server.addresses[3].socket
    lazy, other = connect(address), connect(address)
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    lazy.sendall(b"READ:COND? 0,3000\n" * 3000)
    assert ask(other, b"*IDN?\n").startswith(b"domainwall-hil")
    while server.connection_count == 2:
        assert ask(other, b"ARR:SIZE?\n") == b"3000\n"
    with pytest.raises(ConnectionResetError):
        read_on(lazy)
    assert ask(other, b"*IDN?\n").startswith(b"domainwall-hil")


def test_input_without_newline_is_bounded(array, monkeypatch):
    monkeypatch.setattr(scpi_stream, "LONGEST_LINE", 100_000)
    endless, other = array(), array()
    with pytest.raises(OSError, match=r"reset|Broken pipe"):
        endless.sendall(b"A" * 100_000_000)
    assert ask(other, b"SYST:ERR?\n").startswith(b"-363")
    assert ask(other, b"*IDN?\n").startswith(b"domainwall-hil")


def test_an_announced_block_beyond_all_bounds_ends_the_connection(array):
    liar, other = array(), array()
    liar.sendall(b"PATT:PUSH 0,#9999999999\n")
    assert is_closed(liar)
    assert ask(other, b"SYST:ERR?\n").startswith(b"-363")


def test_connections_are_counted_and_freed(serve, spy, connect):
    server = serve({"TCPIP0::spy::INSTR": spy}, max_connections=2)
    address = server.addresses[0].socket
    first, second = connect(address), connect(address)
    assert ask(first, b"a?\n") + ask(second, b"b?\n") == b"a?\nb?\n"
    assert is_closed(connect(address))
    first.close()
    answer = b""
    while not answer:
        try:
            answer = ask(connect(address), b"c?\n")
        except OSError:
            continue  # the server has not seen yet that the first has gone
    assert answer == b"c?\n"


def test_small_replies_are_not_held_back(serve, spy, connect):
    server = serve({"TCPIP0::spy::INSTR": spy})
    assert ask(connect(server.addresses[0].socket), b"a?\n") == b"a?\n"
    (connection,) = server._acceptor._connections
    assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_trouble_in_a_twin_ends_one_connection(serve, spy, connect, caplog):
    server = serve({"TCPIP0::spy::INSTR": spy})
    first, second = (connect(server.addresses[0].socket) for _ in range(2))
    first.sendall(b"trouble\n")
    assert is_closed(first)
    assert "ZeroDivisionError" in caplog.text
    assert ask(second, b"a?\n") == b"a?\n"


def test_the_instrument_hears_when_the_last_client_of_an_address_has_gone(serve, spy, connect):
    server = serve({"GPIB0::1::INSTR": spy})
    clients = [connect(server.addresses[0].socket) for _ in range(2)]
    for client in clients:
        assert ask(client, b"*IDN?\n") == b"*IDN?\n"
    clients[0].close()
    while server.connection_count == 2:
        assert ask(clients[1], b"*IDN?\n") == b"*IDN?\n"
    assert spy.done == []
    clients[1].close()
    server.close()
    assert spy.done == ["LAN127.0.0.1 left"]
