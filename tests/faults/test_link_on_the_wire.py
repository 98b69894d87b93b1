"""Rows 1, 3, 4, 5, 8, 30 and 31 of the fault table: a link over TCP believes nothing that it cannot know.

The instrument of these tests answers `N? <i>` with `<i>`, so that a reply to another question shows.
"""

import contextlib
import re
import select
import socket
import time
import tracemalloc

import numpy as np
import pytest
from proxy import Fault, Kind

from drivers import scpi
from drivers.errors import IdentityError, LinkDesync, LinkError, LinkLost, LinkTimeout, SafeStateError
from drivers.instrument import Kind as InstrumentKind
from drivers.instrument import SafeState, Session
from drivers.link import Link
from drivers.link_state import LinkState
from drivers.wire import TEXT_CAP_BYTES

TIMEOUT_S = 0.04
SLACK_S = 0.05
NEVER_S = 30.0
"""A deadline that a test shall not reach."""

BOX = InstrumentKind(manufacturer="Acme", model="Box")
SAFE = SafeState(command="OUTP OFF", query="OUTP?", confirms="0".__eq__)


class Box:
    """Answers numbers, blocks, and whether its output is on."""

    def __init__(self) -> None:
        self.identity = b"Acme,Box,1,1"
        self.ese = 0
        self.is_on = True
        self.blocks: dict[bytes, bytes] = {}

    def __call__(self, message: bytes) -> bytes | None:
        text = message.strip()
        if text == b"OUTP OFF":
            self.is_on = False
        elif match := re.fullmatch(rb"\*ESE (\d+)", text):
            self.ese = int(match[1])
        elif text == b"*ESE?":
            return b"%d\n" % self.ese
        elif text == b"*IDN?":
            return self.identity + b"\n"
        elif text == b"OUTP?":
            return b"%d\n" % self.is_on
        elif match := re.fullmatch(rb"N\? (\d+)", text):
            return match[1] + b"\n"
        return self.blocks.get(text)


@pytest.fixture
def box():
    return Box()


def number(link: Link, asked: int, timeout_s: float = NEVER_S) -> int:
    return scpi.parse_integer(link.query(f"N? {asked}", timeout_s=timeout_s))


def test_row_1_a_second_line_is_refused_in_the_very_exchange(library, wire, box):
    link = Link(library, wire(box, Fault(kind=Kind.DUPLICATE, at=1)).address, timeout_s=NEVER_S)
    link.identify()
    with pytest.raises(LinkDesync, match="2 bytes came after the end"):
        number(link, 1)
    link.close()


def test_row_1_what_came_between_two_exchanges_is_no_answer(library, wire, box):
    box.blocks[b"NOISE"] = b"17\n"
    link = Link(library, wire(box).address, timeout_s=NEVER_S)
    link.write("NOISE")
    assert link._wire.tcp is not None
    assert select.select([link._wire.tcp], [], [], NEVER_S)[0]
    with pytest.raises(LinkDesync, match="3 bytes came that nobody asked for"):
        number(link, 1)
    link.close()


def resynchronise(link: Link) -> None:
    """Try until it succeeds: what is still under way may spoil a first try, never a value."""
    for _ in range(3):
        try:
            link.resynchronise()
        except LinkError:
            assert link.state is LinkState.DEAD
        else:
            return
    pytest.fail("the link does not come back")


@pytest.mark.parametrize("delay_s", [1.25 * TIMEOUT_S, 2 * TIMEOUT_S, 4 * TIMEOUT_S])
def test_row_1_a_late_reply_is_never_taken_for_another(library, wire, box, assert_bounded, delay_s):
    proxy = wire(box)
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    link.identify()
    overtimes_s = []
    for asked in range(1, 41):
        # Each question is the one whose reply is late, once.
        proxy.inject(Fault(kind=Kind.LATE, at=len(proxy.messages), amount=delay_s))
        began_s = time.monotonic()
        with pytest.raises(LinkTimeout) as caught:
            number(link, asked, TIMEOUT_S)
        overtimes_s.append(time.monotonic() - began_s - TIMEOUT_S)
        assert link.state is LinkState.DESYNCED
        notes = " ".join(caught.value.__notes__)
        assert f"N? {asked}" in notes
        assert proxy.address in notes
        assert f"deadline {TIMEOUT_S:g} s" in notes
        with pytest.raises(LinkDesync):
            number(link, -1)
        link.resynchronise()
        assert number(link, 1000 + asked) == 1000 + asked
    assert_bounded(overtimes_s, SLACK_S)
    link.close()


@pytest.mark.parametrize("at", range(1, 12))
def test_row_1_a_reply_that_survives_the_connection_is_not_believed_either(library, wire, box, at):
    proxy = wire(box, Fault(kind=Kind.STALE, at=at))
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    link.identify()
    got = []
    for asked in range(1, 12):
        try:
            got.append((asked, number(link, asked, TIMEOUT_S if asked == at else NEVER_S)))
        except LinkTimeout:
            link.resynchronise()
    assert len(got) == 10
    assert all(asked == answer for asked, answer in got)
    link.close()


@pytest.mark.parametrize("kind", [Kind.DUPLICATE, Kind.REORDER, Kind.SWALLOW, Kind.HOLD])
def test_row_1_replies_doubled_swapped_or_lost_give_no_wrong_value(library, wire, box, kind):
    for at in range(1, 9):
        proxy = wire(box, Fault(kind=kind, at=at))
        # A reply out of order also spoils the first try to come back, which then takes its whole time.
        link = Link(library, proxy.address, timeout_s=0.3 if kind is Kind.REORDER else NEVER_S)
        link.identify()
        failures = 0
        for asked in range(1, 9):
            is_lost = asked == at and kind is not Kind.DUPLICATE
            try:
                assert number(link, asked, TIMEOUT_S if is_lost else NEVER_S) == asked
            except LinkError:
                failures += 1
                resynchronise(link)
        assert failures == 1 or (kind is Kind.DUPLICATE and at == 8)
        link.close()


def test_row_1_an_instrument_that_answers_one_question_late_does_not_get_back(library, wire, box):
    owed: list[bytes] = []

    def answer(message: bytes) -> bytes | None:
        reply = box(message)
        if reply is None or not owed:
            return reply
        owed.append(reply)
        return owed.pop(0)

    link = Link(library, wire(answer).address, timeout_s=NEVER_S)
    link.identify()
    link.distrust()
    # What is owed first is the right identity, so that only the echo can tell.
    owed.append(box.identity + b"\n")
    with pytest.raises(LinkDesync):
        link.resynchronise()
    assert link.state is LinkState.DEAD
    owed.clear()
    link.resynchronise()
    assert number(link, 1) == 1
    link.close()


@pytest.mark.parametrize("seed", range(60))
def test_row_3_bits_flipped_on_the_way_give_a_number_of_the_grammar_or_an_error(library, wire, box, seed):
    proxy = wire(box, Fault(kind=Kind.GARBLE, at=0, amount=1 + seed % 3, seed=seed))
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    try:
        answer = link.query("N? 17042")
        scpi.parse_integer(answer)
    except LinkError:
        return
    finally:
        link.close()
    # Nobody can see that one digit became another: what was accepted must at least be an integer.
    assert re.fullmatch(r"[+-]?[0-9]+", answer)


@pytest.mark.parametrize("how", [Kind.CLOSE, Kind.RESET])
def test_row_4_a_connection_cut_after_any_byte_of_a_block_is_lost_at_once(library, wire, box, assert_bounded, how):
    data = np.random.default_rng(1).integers(0, 256, 1024, np.uint8)
    reply = box.blocks[b"R?"] = b"#41024" + data.tobytes() + b"\n"
    proxy = wire(box)
    durations_s = []
    for cut in range(len(reply)):
        link = Link(library, proxy.address, timeout_s=NEVER_S)
        proxy.inject(Fault(kind=how, at=len(proxy.messages), amount=cut))
        began_s = time.monotonic()
        with pytest.raises(LinkLost):
            link.query_block("R?", "u1", 1024)
        durations_s.append(time.monotonic() - began_s)
        assert link.state is LinkState.DEAD
        link.close()
    assert_bounded(durations_s, 0.1)
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    np.testing.assert_array_equal(link.query_block("R?", "u1", 1024), data)
    link.close()


@pytest.mark.parametrize("size", [1, 7, 500])
def test_a_block_in_slices_comes_back_whole(library, wire, box, size):
    data = np.full(1500, 10, np.uint8)
    box.blocks[b"R?"] = b"#41500" + data.tobytes() + b"\n"
    proxy = wire(box, Fault(kind=Kind.SLICER, at=0, amount=size))
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    np.testing.assert_array_equal(link.query_block("R?", "u1", 1500), data)
    link.close()


def test_a_large_block_comes_back_whole(library, wire, box):
    data = np.arange(2_000_000, dtype="<u2")
    box.blocks[b"R?"] = b"#74000000" + data.tobytes() + b"\n"
    link = Link(library, wire(box).address, timeout_s=NEVER_S)
    np.testing.assert_array_equal(link.query_block("R?", "<u2", 2_000_000), data)
    link.close()


def test_small_messages_do_not_wait_for_each_other(library, wire, box):
    link = Link(library, wire(box).address, timeout_s=NEVER_S)
    assert link._wire.tcp is not None
    assert link._wire.tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    link.close()


@pytest.mark.parametrize("kind", [Kind.CLOSE_BEFORE_WRITE, Kind.RESET, Kind.SWALLOW])
@pytest.mark.parametrize("at", range(1, 4))
def test_row_5_a_write_to_a_dead_peer_is_found_before_make_safe_reports_success(library, wire, box, kind, at):
    # Message 0 is the identity; 1 is OUTP OFF and 2 the read-back.
    proxy = wire(box, Fault(kind=kind, at=at, amount=-1))
    session = Session("box", Link(library, proxy.address, timeout_s=0.2), kind=BOX, safe=SAFE)
    try:
        session.make_safe()
    except SafeStateError:
        pytest.fail("a fresh connection was there to be had")
    assert not box.is_on
    session.close()


def test_row_5_no_success_is_reported_while_the_instrument_is_unreachable(library, wire, box):
    proxy = wire(box)
    session = Session("box", Link(library, proxy.address, timeout_s=0.2), kind=BOX, safe=SAFE)
    proxy.__exit__()
    began_s = time.monotonic()
    with pytest.raises(SafeStateError, match="cut its power"):
        session.make_safe()
    assert time.monotonic() - began_s < 1.0
    assert box.is_on
    session.close()


def test_a_peer_that_closed_is_found_before_the_write(library, wire, box):
    proxy = wire(box, Fault(kind=Kind.CLOSE, at=0, amount=100))
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    link.identify()
    for thread in proxy._threads[1:]:
        thread.join()
    with pytest.raises(LinkLost, match="closed"):
        link.write("OUTP OFF")
    assert len(proxy.messages) == 1
    link.close()


def test_a_connection_that_is_refused_is_no_success(library):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(LinkLost):
        Link(library, f"TCPIP0::127.0.0.1::{port}::SOCKET")


@pytest.mark.parametrize("identity", [b"Acme,Box,2,1", b"Acme,Box,1,2", b"Acme,Crate,1,1", b"Other,Box,1,1"])
def test_row_8_another_instrument_after_a_reconnection_is_refused(library, wire, box, identity):
    link = Link(library, wire(box).address, timeout_s=NEVER_S)
    link.identify()
    link.distrust()
    box.identity = identity
    with pytest.raises(LinkDesync) as caught:
        link.resynchronise()
    assert "Acme,Box,1,1" in str(caught.value)
    assert identity.decode() in str(caught.value)
    assert link.state is LinkState.DEAD
    link.close()


@pytest.mark.parametrize(
    "identity", [b"Acme,Box,2,1", b"Acme,Crate,1,1", b"Other,Box,1,1", b"Acme,Box", b"\xff,Box,1,1"]
)
def test_row_8_another_instrument_is_refused_when_it_is_opened(library, wire, box, identity):
    box.identity = identity
    link = Link(library, wire(box).address, timeout_s=NEVER_S)
    with pytest.raises((IdentityError, LinkDesync)):
        Session("box", link, kind=BOX, safe=SAFE, expect_serial="1")
    link.close()


@pytest.mark.parametrize(
    "reply",
    [
        b"#9999999999\n",
        b"#0abcd\n",
        b"#Aabcd\n",
        b"#4-100\n",
        b"#2 5abcde\n",
        b"#2 4abcd\n",
        b"#3+04abcd\n",
        b"#31_0abcd\n",
        b"#3004abcde\n",
        b"#3004abc\n",
        b"#F00000000000004abcd\n",
        b"#1\xb2ab\n",
        b"#20" + "٤".encode() + b"abcd\n",
        b'-113,"Undefined header #14"\n',
        b"#15abcde\n",
        b"#13abc\n",
        b"##4abcd\n",
        b"4abcd\n",
        b"\n",
        b"#\n",
        b"#1\n",
        b"#14abcd;1\n",
        b"#14abcdX",
    ],
)
def test_row_30_a_block_of_another_form_is_refused_and_takes_no_memory(library, wire, box, reply):
    box.blocks[b"R?"] = reply
    link = Link(library, wire(box).address, timeout_s=0.2)
    link.identify()
    tracemalloc.start()
    with pytest.raises(LinkDesync if len(reply) > 5 and reply != b"#3004abc\n" else (LinkDesync, LinkTimeout)):
        link.query_block("R?", "u1", 4)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
    assert link.state is LinkState.DESYNCED
    link.close()


def test_row_31_an_endless_reply_ends_at_the_cap(library, wire, box):
    proxy = wire(box, Fault(kind=Kind.FLOOD, at=1))
    link = Link(library, proxy.address, timeout_s=NEVER_S)
    link.identify()
    tracemalloc.start()
    with pytest.raises(LinkDesync, match="longer than"):
        link.query("N? 1")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < TEXT_CAP_BYTES + (1 << 20)
    link.close()


@pytest.mark.parametrize("question", ["line", "block"])
def test_row_31_a_drip_ends_at_the_deadline(library, wire, box, in_time, question):
    box.blocks[b"R?"] = b"#3100" + bytes(100) + b"\n"

    def ask() -> None:
        proxy = wire(box, Fault(kind=Kind.DRIP, at=0, amount=0.2))
        link = Link(library, proxy.address, timeout_s=0.3)
        with pytest.raises(LinkTimeout):
            link.query("N? 123456789") if question == "line" else link.query_block("R?", "u1", 100, timeout_s=0.3)
        assert link.state is LinkState.DESYNCED
        link.close()

    in_time(ask, 0.3 + SLACK_S)


@pytest.mark.parametrize("size", [3 * 1024, 16 * 1024 * 1024])
def test_row_31_a_peer_that_does_not_read_ends_at_the_deadline(library, wire, box, in_time, size):
    counts = np.zeros(size, np.uint8)

    def write_until_nothing_fits() -> None:
        proxy = wire(box, Fault(kind=Kind.STALL, at=0))
        link = Link(library, proxy.address, timeout_s=0.3)
        taken_s = 0.0
        while link.state is LinkState.SYNCED:
            began_s = time.monotonic()
            with contextlib.suppress(LinkTimeout):
                link.write_block("PATT:PUSH 0,", counts, timeout_s=0.3)
            taken_s = time.monotonic() - began_s
        assert link.state is LinkState.DESYNCED
        link.close()
        spent_s.append(taken_s)

    spent_s: list[float] = []
    in_time(write_until_nothing_fits, 0.3 + SLACK_S, spent_s)


@pytest.mark.parametrize("byte", [0xFF, 0x00, 0x1B, 0x80])
def test_row_3_a_byte_that_is_no_text_is_an_error_of_ours(library, wire, box, byte):
    box.blocks[b"R?"] = b"1." + bytes((byte,)) + b"5\n"
    link = Link(library, wire(box).address, timeout_s=0.2)
    with pytest.raises(LinkDesync):
        link.query("R?")
    link.close()
