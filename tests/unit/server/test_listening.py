"""Who may connect: this computer, unless somebody says otherwise in words."""

import socket

import pytest

from sim_instruments.server.listening import LOOPBACK, BindError, hosts_to_bind, listen


def test_loopback_is_the_default():
    assert hosts_to_bind(None, is_open_known=False) == LOOPBACK == ("127.0.0.1", "::1")


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "192.0.2.7", "fe80::1", "2001:db8::1", "::ffff:7f00:1"])  # noqa: S104
def test_an_open_address_needs_words(address):
    with pytest.raises(BindError, match="--i-know-this-is-open"):
        hosts_to_bind(address, is_open_known=False)
    assert hosts_to_bind(address, is_open_known=True) == (address,)


@pytest.mark.parametrize("address", ["localhost", "", "127.0.0.1:80", "bench.example"])
def test_names_are_not_addresses(address):
    with pytest.raises(BindError, match="not a numeric address"):
        hosts_to_bind(address, is_open_known=True)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.0.0.9", "::1"])
def test_loopback_needs_no_words(address):
    assert hosts_to_bind(address, is_open_known=False) == (address,)


def test_both_families_share_a_port():
    sockets = listen(LOOPBACK, 0)
    try:
        assert len({listener.getsockname()[1] for listener in sockets}) == 1
        assert {listener.getsockname()[0] for listener in sockets} <= set(LOOPBACK)
    finally:
        for listener in sockets:
            listener.close()


def test_a_port_in_use_is_named():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BindError, match=f"port {port} .*in use"):
            listen(LOOPBACK, port)


def test_an_address_of_another_computer_is_refused_in_words():
    with pytest.raises(BindError, match=r"192\.0\.2\.1.*assign"):
        listen(("192.0.2.1",), 18080)
