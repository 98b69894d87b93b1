"""Messages come whole out of a stream, however it is cut, and nothing grows without bound."""

import random

import pytest

from sim_instruments import scpi_stream
from sim_instruments.scpi_stream import MessageStream, OverrunError

BLOCK = b"PATT:PUSH 0,#212" + b"a\nb;#9\n\n12\nx" + b"\n"
MESSAGES = [b"*IDN?\n", b"\n", BLOCK, b'DISP "a#1b"\n', b"OUTP ON;:" + BLOCK, b"#nonsense#3\n", b"VOLT 1\r\n"]


def feed(stream: MessageStream, pieces: list[bytes]) -> list[bytes]:
    return [bytes(message) for piece in pieces for message in stream.feed(piece)]


def test_messages_come_whole_however_the_stream_is_cut():
    text = b"".join(MESSAGES)
    assert feed(MessageStream(), [text]) == MESSAGES
    assert feed(MessageStream(), [text[i : i + 1] for i in range(len(text))]) == MESSAGES
    rng = random.Random(1)
    for _ in range(500):
        cuts = sorted(rng.sample(range(1, len(text)), rng.randrange(1, 9)))
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert feed(MessageStream(), pieces) == MESSAGES


def test_a_cut_header_announces_nothing_too_early():
    stream = MessageStream()
    assert feed(stream, [b"PATT:PUSH 0,#2", b"1", b"2" + b"\n" * 12, b"\n"]) == [b"PATT:PUSH 0,#212" + b"\n" * 13]


def test_a_line_without_end_is_dropped_and_the_next_message_heard(monkeypatch):
    monkeypatch.setattr(scpi_stream, "LONGEST_LINE", 1000)
    stream = MessageStream()
    feed(stream, [b"A" * 1000])
    with pytest.raises(OverrunError):
        feed(stream, [b"A"])
    assert feed(stream, [b"OUTP ON", b"B" * 5000, b"OUTP ON\n*IDN?\n"]) == [b"*IDN?\n"]


def test_a_block_too_long_is_swallowed_to_its_end(monkeypatch):
    monkeypatch.setattr(scpi_stream, "LONGEST_MESSAGE", 1000)
    stream = MessageStream()
    with pytest.raises(OverrunError):
        feed(stream, [b"PATT:PUSH 0,#42000OUTP ON\n"])
    left = 2000 - len(b"OUTP ON\n")
    assert feed(stream, [b"OUTP ON\n" * (left // 8), b"\n" * (left % 8), b" \n*IDN?\n"]) == [b"*IDN?\n"]


def test_an_announced_block_takes_no_memory_before_it_comes():
    stream = MessageStream()
    feed(stream, [b"PATT:PUSH 0,#9130000000\n"])
    assert len(stream._held) < 100


def test_a_trickle_costs_no_more_than_a_gush():
    """One million bytes, one at a time, with no newline: each is looked at once, or this takes hours."""
    stream = MessageStream()
    assert feed(stream, [b"1"] * 1_000_000 + [b"\n"]) == [b"1" * 1_000_000 + b"\n"]


@pytest.mark.parametrize("size", [100, 1000, 5000])
@pytest.mark.parametrize("chunk", [1, 7, 999, 10_000])
def test_a_long_block_without_a_newline_in_it_comes_whole(monkeypatch, size, chunk):
    monkeypatch.setattr(scpi_stream, "LONGEST_LINE", 200)
    message = b"PATT:PUSH 0,#4%04d" % size + bytes(size) + b"\n"
    two = message[:-1] + b";:" + message
    for text in (message, two):
        assert feed(MessageStream(), [text[i : i + chunk] for i in range(0, len(text), chunk)]) == [text]


def test_what_follows_a_long_block_without_end_is_dropped(monkeypatch):
    monkeypatch.setattr(scpi_stream, "LONGEST_LINE", 200)
    block = b"PATT:PUSH 0,#41000" + bytes(1000)
    for rest in (b"A", b" "):
        stream = MessageStream()
        with pytest.raises(OverrunError):
            feed(stream, [block, *(rest for _ in range(500))])
        assert len(stream._held) == 0
