"""The link believes a reply only while nothing has gone wrong on it."""

import numpy as np
import pytest
from pyvisa.constants import StatusCode
from pyvisa.errors import InvalidSession, VisaIOError

from drivers.dialect import Dialect
from drivers.errors import ConfigError, InstrumentError, LinkDesync, LinkError, LinkLost, LinkTimeout
from drivers.link_state import LinkState
from drivers.visa_library import VisaLibrary
from drivers.wire import TEXT_CAP_BYTES

SOCKET = "TCPIP0::box::5025::SOCKET"
SERIAL = "ASRL/dev/ttyUSB0::INSTR"
ANSWERING = Dialect(terminator="\r\n", acknowledgement="ok", echo=None, baud=38400)


def test_opening_sends_nothing(wire):
    box = wire.add()
    link = wire.link()
    assert link.state is LinkState.SYNCED
    assert box.raw == []


def test_a_question_and_its_answer(wire):
    box = wire.add(replies={"A?": "1"})
    link = wire.link()
    assert link.query("A?") == "1"
    assert box.raw == [b"A?\n"]
    assert (link.exchanges, link.bytes_out, link.bytes_in) == (1, 3, 2)


def test_the_late_reply_never_answers_the_next_question(wire):
    box = wire.add(replies={"A?": lambda _: box.late.append(b"old\n"), "B?": "new"})
    link = wire.link()
    with pytest.raises(LinkTimeout) as caught:
        link.query("A?")
    assert any("A?" in note and "box" in note for note in caught.value.__notes__)
    assert link.state is LinkState.DESYNCED
    with pytest.raises(LinkDesync, match="resynchronise"):
        link.query("B?")
    assert box.messages == ["A?"]
    link.resynchronise()
    assert link.query("B?") == "new"


@pytest.mark.parametrize(
    "reply",
    [b"1", b"1\n2\n", b"\xff1\n", b"1\x1b[2J\n", b"\n1\n"],
    ids=["no line feed", "two lines", "not ASCII", "escape sequence", "line feed first"],
)
def test_a_malformed_reply_desyncs(wire, reply):
    wire.add(replies={"A?": reply})
    link = wire.link()
    with pytest.raises(LinkDesync):
        link.query("A?")
    assert link.state is LinkState.DESYNCED


def test_an_endless_reply_is_cut_at_the_cap(wire):
    box = wire.add(replies={"A?": b"x" * (4 * TEXT_CAP_BYTES)})
    link = wire.link()
    with pytest.raises(LinkDesync, match="longer than"):
        link.query("A?")
    assert link.bytes_in == TEXT_CAP_BYTES + 1
    assert max(box.reads) == TEXT_CAP_BYTES + 1


def test_a_dripping_reply_meets_the_deadline(wire):
    box = wire.add(replies={"A?": b"123456789\n"})
    box.chunk = 1

    def drip() -> None:
        wire.clock.now_s += 0.4

    box.on_read = drip
    link = wire.link()
    with pytest.raises(LinkTimeout, match="only 3 bytes"):
        link.query("A?", timeout_s=1.0)
    assert box.timeouts_ms == [1000, 600, 200]
    assert link.state is LinkState.DESYNCED


@pytest.mark.parametrize(
    ("failure", "kind", "state"),
    [
        (VisaIOError(StatusCode.error_timeout), LinkTimeout, LinkState.DESYNCED),
        (TimeoutError("slow"), LinkTimeout, LinkState.DESYNCED),
        (VisaIOError(StatusCode.error_io), LinkError, LinkState.DESYNCED),
        (VisaIOError(StatusCode.error_connection_lost), LinkLost, LinkState.DEAD),
        (InvalidSession(), LinkLost, LinkState.DEAD),
        (BrokenPipeError("gone"), LinkLost, LinkState.DEAD),
        (RuntimeError("Connection was dropped by server."), LinkLost, LinkState.DEAD),
        (ValueError("odd"), LinkError, LinkState.DESYNCED),
        (NotImplementedError(), LinkError, LinkState.DESYNCED),
    ],
    ids=lambda value: getattr(value, "__name__", None) or repr(value)[:40],
)
def test_no_foreign_exception_gets_out(wire, failure, kind, state):
    wire.add(replies={"A?": failure})
    link = wire.link()
    with pytest.raises(kind) as caught:
        link.query("A?")
    assert type(caught.value) is kind
    assert caught.value.__cause__ is failure
    assert link.state is state


def test_ctrl_c_between_question_and_answer_desyncs(wire):
    wire.add(replies={"A?": KeyboardInterrupt()})
    link = wire.link()
    with pytest.raises(KeyboardInterrupt):
        link.query("A?")
    assert link.state is LinkState.DESYNCED


def test_a_failed_write_is_not_repeated(wire):
    box = wire.add()

    def broken(_text: str) -> None:
        raise BrokenPipeError

    box.on_write = broken
    link = wire.link()
    with pytest.raises(LinkLost):
        link.write("INIT")
    with pytest.raises(LinkLost):
        link.write("INIT")
    assert box.messages == ["INIT"]


def test_a_short_write_desyncs(wire, monkeypatch):
    wire.add()
    link = wire.link()
    monkeypatch.setattr(type(wire.visa), "write", lambda _self, _session, data: (len(data) - 1, StatusCode.success))
    with pytest.raises(LinkDesync, match="only 4 of 5 bytes"):
        link.write("INIT")
    assert link.state is LinkState.DESYNCED


def test_resynchronising_proves_that_replies_belong_to_questions(wire):
    box = wire.add(replies={"A?": "1"})
    box.ese = 36
    link = wire.link()
    link.identify()
    link.distrust()
    link.resynchronise()
    nonces = [message for message in box.messages if message.startswith("*ESE ")]
    assert len(nonces) == 4
    assert len({*nonces}) == 4
    assert nonces[-1] == "*ESE 36"
    assert box.messages.count("*ESE?") == 5
    assert (box.opens, box.clears, box.ese, link.generation) == (2, 1, 36, 1)
    assert link.state is LinkState.SYNCED


def test_the_first_command_after_reopening_goes_before_any_question(wire):
    box = wire.add()
    link = wire.link()
    link.distrust()
    link.resynchronise(first="OUTP OFF")
    assert box.messages[0] == "OUTP OFF"


def test_an_echo_that_lags_by_one_is_refused(wire):
    registers = [0]

    def lagging(_text: str) -> str:
        registers.append(box.ese)
        return str(registers[-2])

    box = wire.add(replies={"*ESE?": lagging})
    link = wire.link()
    link.distrust()
    with pytest.raises(LinkDesync, match="other questions"):
        link.resynchronise()
    assert link.state is LinkState.DEAD


def test_another_instrument_behind_the_address_is_refused(wire):
    box = wire.add()
    link = wire.link()
    link.identify()
    link.distrust()
    box.replies["*IDN?"] = "Acme,Box,9999,1.0"
    with pytest.raises(LinkDesync, match="9999"):
        link.resynchronise()
    assert link.state is LinkState.DEAD
    box.replies["*IDN?"] = "Acme,Box,1234,1.0"
    link.resynchronise()
    assert link.state is LinkState.SYNCED


def test_a_closed_link_stays_closed(wire):
    wire.add()
    link = wire.link()
    link.close()
    link.close()
    assert link.state is LinkState.CLOSED
    for use in (lambda: link.write("A"), link.resynchronise):
        with pytest.raises(LinkLost, match=r"closed|CLOSED"):
            use()


def test_an_address_that_is_not_there(wire):
    with pytest.raises(LinkLost) as caught:
        wire.link("GPIB0::9::INSTR")
    assert any("GPIB0::9::INSTR" in note for note in caught.value.__notes__)


def test_an_unknown_library_is_a_configuration_error():
    with pytest.raises(ConfigError, match="no_such_backend"):
        VisaLibrary.open("@no_such_backend")


def test_listing_an_empty_library(wire):
    assert wire.library.resources() == ()


@pytest.mark.parametrize("text", ["A\nB", "A\x00", "µ"])
def test_a_message_that_is_not_one_line_of_ascii_is_not_sent(wire, text):
    box = wire.add()
    link = wire.link()
    for send in (link.write, link.query):
        with pytest.raises(ConfigError):
            send(text)
    assert box.raw == []
    assert link.state is LinkState.SYNCED


def test_a_block_goes_out_in_one_piece(wire):
    box = wire.add()
    link = wire.link()
    counts = np.arange(256, dtype=np.uint8)
    link.write_block("PATT:PUSH 7,", counts)
    assert box.raw == [b"PATT:PUSH 7,#3256" + bytes(range(256)) + b"\n"]
    assert link.transcript.exchanges[-1].text.startswith("PATT:PUSH 7,#3256<crc32 ")


@pytest.mark.parametrize("address", ["TCPIP0::box::inst0::INSTR", SOCKET], ids=["framed", "stream"])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 30])
def test_a_block_of_line_feeds_comes_back_whole(wire, address, chunk):
    codes = np.full(20, 0x0A0A, "<u2")
    box = wire.add(address, {"R?": b"#240" + codes.tobytes() + b"\n", "A?": "1"})
    box.chunk = chunk
    link = wire.link(address)
    assert link.query("A?") == "1"
    np.testing.assert_array_equal(link.query_block("R?", "<u2", 20), codes)
    assert link.query("A?") == "1"


def test_line_feeds_in_a_block_do_not_split_the_reads_of_a_stream(wire):
    codes = np.full(1000, 0x0A0A, "<u2")
    box = wire.add(SOCKET, {"R?": b"#42000" + codes.tobytes() + b"\n"})
    np.testing.assert_array_equal(wire.link(SOCKET).query_block("R?", "<u2", 1000), codes)
    assert box.reads == [2, 4, 2001]


def test_a_block_arrives_in_one_read_and_is_not_copied(wire):
    payload = np.arange(1000, dtype="<u2")
    reply = b"#42000" + payload.tobytes() + b"\n"
    box = wire.add(replies={"R?": reply})
    array = wire.link().query_block("R?", "<u2", 1000)
    np.testing.assert_array_equal(array, payload)
    assert len(box.reads) == 1
    assert not array.flags.owndata


@pytest.mark.parametrize(
    "reply",
    [
        b"#14\x01\x02\x03\n",
        b"#14\x01\x02\x03\x04",
        b"#14\x01\x02\x03\x04\n\n",
        b"#14\x01\x02\x03\x04\x05\n",
        b"#15\x01\x02\x03\x04\x05\n",
        b"#2 4\x01\x02\x03\x04\n",
        b"#2+4\x01\x02\x03\x04\n",
        b"#4-100\n",
        b"#9999999999\n",
        b"#0\x01\x02\x03\x04\n",
        b"#A4\x01\x02\x03\x04\n",
        b'-113,"Undefined header #"\n',
        b"\n",
    ],
)
def test_a_block_of_another_form_desyncs(wire, reply):
    wire.add(replies={"R?": reply})
    link = wire.link()
    with pytest.raises(LinkDesync):
        link.query_block("R?", "u1", 4)
    assert link.state is LinkState.DESYNCED


def test_a_stream_refuses_a_block_header_before_its_body(wire):
    box = wire.add(SOCKET, {"R?": b"#15\x01\x02\x03\x04\x05\n"})
    with pytest.raises(LinkDesync, match="expected a block of 4 bytes"):
        wire.link(SOCKET).query_block("R?", "u1", 4)
    assert box.reads == [2, 1]


def test_a_connection_cut_in_mid_block_is_an_error_at_every_offset(wire):
    reply = b"#14\x01\x02\x03\x04\n"
    for cut in range(len(reply)):
        box = wire.add(SOCKET, {"R?": reply[:cut] or None})
        link = wire.link(SOCKET)
        with pytest.raises(LinkError):
            link.query_block("R?", "u1", 4)
        assert link.state is not LinkState.SYNCED
        link.close()
        assert box.messages == ["R?"]


def test_the_transcript_keeps_the_newest_exchanges(wire):
    wire.add(replies={"A?": "1"})
    link = wire.link()
    for _ in range(100):
        link.query("A?")
    exchanges = link.transcript.exchanges
    assert len(exchanges) == 64
    assert [(exchange.direction.value, exchange.text) for exchange in exchanges[-2:]] == [("out", "A?"), ("in", "1")]


@pytest.mark.parametrize("address", ["TCPIP0::box::inst0::INSTR", SOCKET], ids=["framed", "stream"])
@pytest.mark.parametrize("chunk", [1, 3, 1 << 30])
def test_an_indefinite_block_of_line_feeds_is_read_by_count(wire, address, chunk):
    codes = np.full(20, 0x0A0A, "<u2")
    box = wire.add(address, {"R?": b"#0" + codes.tobytes() + b"\n", "A?": "1"})
    box.chunk = chunk
    link = wire.link(address)
    np.testing.assert_array_equal(link.query_block("R?", "<u2", 20, indefinite=True), codes)
    assert link.query("A?") == "1"


@pytest.mark.parametrize("address", ["TCPIP0::box::inst0::INSTR", SOCKET], ids=["framed", "stream"])
@pytest.mark.parametrize(
    "reply", [b"#14\x01\x02\x03\x04\n", b"#0\x01\x02\x03\n", b"#0\x01\x02\x03\x04\x05\n", b"-113\n", b"#0\n", b"\n"]
)
def test_an_indefinite_block_of_another_form_desyncs(wire, address, reply):
    wire.add(address, {"R?": reply})
    link = wire.link(address)
    with pytest.raises((LinkDesync, LinkTimeout)):
        link.query_block("R?", "u1", 4, indefinite=True)
    assert link.state is LinkState.DESYNCED


def answering(wire, replies=None):
    box = wire.add(SERIAL, {"*IDN?": b"Acme,Box,1,1\r\n", "A 1": b"ok\r\n", "A?": b"1\r\n", **(replies or {})})
    return box, wire.link(SERIAL, ANSWERING)


def test_a_serial_instrument_gets_its_line_ends_and_its_rate(wire):
    box, link = answering(wire)
    link.write("A 1")
    assert link.query("A?") == "1"
    assert box.raw == [b"A 1\r\n", b"A?\r\n"]
    assert box.baud == 38400
    assert not box.pending


@pytest.mark.parametrize("send", ["write", "query", "write_block"])
def test_a_refused_message_is_an_error_of_the_instrument_and_not_of_the_link(wire, send):
    _, link = answering(wire, {"B": b"?3\r\n"})
    with pytest.raises(InstrumentError, match=r"\?3") as caught:
        link.write_block("B", np.zeros(2, np.uint8)) if send == "write_block" else getattr(link, send)("B")
    assert caught.value.queue == ("?3",)
    assert link.state is LinkState.SYNCED


@pytest.mark.parametrize("reply", [b"1\r\n", b"ok\n", b"OK\r\n", b"?\r\n", b"\r\n"])
def test_a_command_answered_by_something_else_desyncs(wire, reply):
    _, link = answering(wire, {"A 1": reply})
    with pytest.raises(LinkDesync):
        link.write("A 1")
    assert link.state is LinkState.DESYNCED


def test_a_command_that_is_not_answered_times_out(wire):
    _, link = answering(wire, {"A 1": None})
    with pytest.raises(LinkTimeout):
        link.write("A 1")
    assert link.state is LinkState.DESYNCED


def test_without_an_echo_silence_and_two_identities_prove_the_link(wire):
    box, link = answering(wire, {"OFF": b"ok\r\n"})
    box.forgets_on_close = False
    link.identify()
    link.distrust()
    box.pending.append(b"late\r\n")
    box.messages.clear()
    link.resynchronise(first="OFF")
    # Twice, because half a message may have been left in the instrument and would take the first one with it.
    assert box.messages == ["OFF", "OFF", "*IDN?", "*IDN?"]
    assert link.query("A?") == "1"


def test_without_an_echo_two_identities_that_differ_prove_nothing(wire):
    box, link = answering(wire, {"*IDN?": [b"Acme,Box,1,1\r\n", b"Acme,Box,2,1\r\n", b"Acme,Box,3,1\r\n"]})
    link.distrust()
    with pytest.raises(LinkDesync, match="check the cabling"):
        link.resynchronise()
    assert link.state is LinkState.DEAD
    assert box.messages.count("*IDN?") == 3


def test_a_line_that_does_not_fall_silent_is_not_believed(wire):
    box, link = answering(wire)
    box.forgets_on_close = False
    link.distrust()
    box.on_read = lambda: box.pending.append(b"x" * 1000)
    with pytest.raises(LinkDesync, match="silent"):
        link.resynchronise()
    assert link.bytes_in < 4 * TEXT_CAP_BYTES
