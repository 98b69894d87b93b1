"""The splitter takes what can be read in one way and refuses the rest."""

import pytest

from drivers.errors import LimitError
from drivers.guard.message import Expression, Quoted, Unit, lines, printable
from drivers.guard.number import number, switch, word


def units(data: bytes) -> list[tuple[str, tuple]]:
    return [(unit.header, unit.parameters) for message in lines(data) for unit in message]


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"*IDN?\n", [("*IDN?", ())]),
        (b"*rst;:stat:pres;:*CLS;", [("*RST", ()), (":STAT:PRES", ()), ("*CLS", ())]),
        (b":VOLT1 5 V ; OFFS 1\r\n", [(":VOLT1", ("5 V",)), ("OFFS", ("1",))]),
        (b":DISP:TEXT 'a;b\"c'", [(":DISP:TEXT", (Quoted('a;b"c'),))]),
        (b':X "a""b",2', [(":X", (Quoted('a"b'), "2"))]),
        (b":ROUT:CLOS (@1!1!1,1!2!1)", [(":ROUT:CLOS", (Expression("@1!1!1,1!2!1"),))]),
        (b":X #HFF,1", [(":X", ("#HFF", "1"))]),
        (b"A 1\nB 2\n", [("A", ("1",)), ("B", ("2",))]),
        (b"", []),
    ],
)
def test_messages_are_split(data, found):
    assert units(data) == found


def test_a_block_is_taken_by_its_length_and_not_looked_into():
    (header, (first, block)), (after, _) = units(b"PATT:PUSH 0,#15;\n:\"';X 1\n")
    assert (header, first, bytes(block), after) == ("PATT:PUSH", "0", b";\n:\"'", "X")


@pytest.mark.parametrize(
    "data",
    [
        b":VOLT1=5",
        b"VOLT1,5",
        b":VOLT1 5,,6",
        b":VOLT1 'a",
        b":VOLT1 (a",
        b":VOLT1 5 'x' 6",
        b":X #15abc",
        b":X #0abc\n",
        b":X #9",
        b":X #A5",
        b":VOLT1 \x005",
        b":VOLT1 5\x1b",
        b"\xff",
        b"::VOLT 5",
        b":VOLT: 5",
        b"5",
        b":VOLT1 5\xb5V",
        b"*RST5 #",
        b":X #2+5abcde",
    ],
)
def test_what_cannot_be_read_is_refused(data):
    with pytest.raises(LimitError):
        lines(data)


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("5", "V", 5.0),
        ("5 V", "V", 5.0),
        ("500mV", "V", 0.5),
        ("100 NS", "s", 1e-7),
        ("1.E-9", "s", 1e-9),
        ("2MOHM", "ohm", 2e6),
        ("3mA", "A", 3e-3),
        (".5", "", 0.5),
    ],
)
def test_numbers_have_their_units(text, unit, value):
    assert number(text, unit, "it") == pytest.approx(value)


@pytest.mark.parametrize(
    "text", ["MAX", "MIN", "DEF", "5 A", "1e999", "NAN", "0x5", "5 5", "#H5", "1_0", "", "5e", "INF", "--5", "5 MAV"]
)
def test_what_is_no_plain_number_is_refused(text):
    with pytest.raises(LimitError, match="it"):
        number(text, "V", "it")


def test_words_and_switches():
    assert word("pulse", ("PULSe",), "it") == word("PULS", ("PULSe",), "it") == "PULS"
    assert (switch("ON", "it"), switch("0", "it")) == (True, False)
    for wrong in ("PULSES", "2", "TRUE"):
        with pytest.raises(LimitError):
            word(wrong, ("PULSe",), "it")
        with pytest.raises(LimitError):
            switch(wrong, "it")


def test_control_characters_are_shown_as_text():
    assert printable(b"\x1b[2J\x07\xff") == r"\x1b[2J\x07\xff"
    assert printable(b"x" * 500).endswith("... (500 bytes)")


def test_a_unit_knows_a_question():
    assert Unit("*IDN?", ()).is_query
    assert not Unit("*RST", ()).is_query
