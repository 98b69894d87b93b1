"""The simulator reads program messages as IEEE 488.2 and SCPI-99 write them."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Expression, Quoted, Unit, read_message
from sim_instruments.scpi_parameter import Block, Boolean, ChannelList, Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_tree import Command, CommandTree


def block(data: bytes) -> bytes:
    return b"#%d%d" % (len(str(len(data))), len(data)) + data


def test_a_compound_message_is_cut_at_semicolons_outside_strings_and_expressions():
    message = read_message(b' :volt 1.5 V ; FUNC "a;b,c" , (@1!1!1,1!2!1);*OPC?\r\n')
    assert message.units == (
        Unit(":VOLT", ("1.5 V",)),
        Unit("FUNC", (Quoted("a;b,c"), Expression("@1!1!1,1!2!1"))),
        Unit("*OPC?", ()),
    )
    assert message.is_complete
    assert message.fault is None


@pytest.mark.parametrize("message", [b"A 1,\n", b"A 1, ;B\n"])
def test_a_comma_with_nothing_after_it_is_the_commands_business(message):
    unit = read_message(message).units[0]
    assert unit.parameters == ("1", "")
    kinds = (Boolean(), Boolean())
    with pytest.raises(ScpiError, match="-102"):
        Command("A", lambda *_: None, kinds, optional=1).run(unit.parameters)
    taken: list[bool] = []
    Command("A", lambda *values: taken.extend(values), kinds, optional=1, bears_comma=True).run(unit.parameters)
    assert taken == [True]


def test_a_colon_before_a_common_command_is_borne():
    assert read_message(b":*CLS;:stat:pres\n").units == (Unit("*CLS", ()), Unit(":STAT:PRES", ()))


@given(first=st.binary(max_size=300), second=st.binary(max_size=300))
def test_a_block_may_hold_any_byte(first: bytes, second: bytes):
    text = b"A 1," + block(first) + b";B " + block(second) + b" , 2\nC?\n"
    message = read_message(text)
    assert message.fault is None
    assert [unit.header for unit in message.units] == ["A", "B"]
    assert bytes(message.units[0].parameters[1]) == first  # type: ignore[arg-type]
    assert bytes(message.units[1].parameters[0]) == second  # type: ignore[arg-type]
    assert text[message.stop :] == b"C?\n"


def test_a_block_is_a_view_of_the_message():
    text = b"A " + block(b"x" * 1000) + b"\n"
    (data,) = read_message(text).units[0].parameters
    assert isinstance(data, memoryview)
    assert data.obj is text


@given(st.binary(max_size=200))
def test_no_bytes_make_the_reader_fail_or_stand_still(text: bytes):
    start = 0
    while start < len(text):
        message = read_message(text, start)
        assert message.stop > start
        start = message.stop


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"A #15abc\n", -161),
        (b"A #2x1abc\n", -161),
        (b"A 'abc\n", -151),
        (b"A (@1!1\n", -171),
        (b"A 1,,2\n", -102),
        (b"A 'x' 2\n", -103),
        (b"1A 2\n", -102),
        (b"A? B C:\xff\n;\xff\n", None),
    ],
)
def test_malformed_messages_have_the_standard_error(text: bytes, code: int | None):
    fault = read_message(text).fault
    assert (fault.code if fault else None) == code


def test_a_short_block_waits_for_more_although_it_ends_like_a_message():
    assert not read_message(b"A #15ab\n").is_complete
    assert read_message(b"A #13ab\n\n").is_complete


VOLTS = Real(unit="V", low=-5, high=5, default=1)
SECONDS = Real(unit="S", low=0, high=1e3, default=1e-7)
HERTZ = Real(unit="HZ", low=0, high=1e12, default=1)
LOAD = Real(unit="OHM", low=1, high=1e6, default=50, allows_infinity=True)


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (VOLTS, "1.5", 1.5),
        (VOLTS, ".5 v", 0.5),
        (VOLTS, "-1500MV", -1.5),
        (VOLTS, "MAXimum", 5),
        (VOLTS, "min", -5),
        (VOLTS, "DEF", 1),
        (SECONDS, "100 NS", 100e-9),
        (SECONDS, "1.E+2 us", 1e-4),
        (SECONDS, "20 MS", 0.02),
        (HERTZ, "3 MHZ", 3e6),
        (LOAD, "1 MOHM", 1e6),
        (LOAD, "INF", math.inf),
        (LOAD, "9.9E37", math.inf),
        (Integer(low=0, high=255), "#HfF", 255),
        (Integer(low=0, high=9), "2.6", 3),
        (Integer(low=0, high=2**63), str(2**62 + 1), 2**62 + 1),
        (Boolean(), "on", True),
        (Boolean(), "0", False),
        (Choice(("IMMediate", "MANual")), "immediate", "IMM"),
        (QuotedChoice(("CURRent:DC",)), Quoted("curr:dc"), "CURR:DC"),
    ],
)
def test_parameters_are_typed(kind: Real, text: str, value: object):
    assert kind.parse(text) == pytest.approx(value)


@pytest.mark.parametrize(
    ("kind", "text", "code"),
    [
        (VOLTS, "5.1", -222),
        (VOLTS, "NAN", -104),
        (VOLTS, "1 S", -131),
        (VOLTS, "1.2.3", -121),
        (VOLTS, Quoted("1"), -104),
        (VOLTS, "INF", -104),
        (Integer(low=0, high=255), "256", -222),
        (Integer(low=0, high=255), "1E400", -222),
        (Integer(low=0, high=255), "1 V", -138),
        (Boolean(), "MAYBE", -104),
        (Choice(("IMMediate",)), "IMME", -224),
        (QuotedChoice(("CURRent",)), "CURR", -104),
        (Block(), "12", -161),
    ],
)
def test_wrong_parameters_have_the_standard_error(kind: Real, text: str, code: int):
    with pytest.raises(ScpiError) as caught:
        kind.parse(text)
    assert caught.value.code == code


CHANNELS = ChannelList(slots=(1,), rows=4, columns=10, allows_all=True)


def test_a_channel_list_may_hold_ranges():
    assert CHANNELS.parse(Expression("@1!1!1, 1!2!9:1!2!10")) == ((1, 1, 1), (1, 2, 9), (1, 2, 10))
    assert len(CHANNELS.parse("all")) == 40


@pytest.mark.parametrize(
    ("text", "code"), [("@1!5!1", -222), ("@2!1!1", -222), ("@1!1", -171), ("1!1!1", -104), ("@1!2!3:1!2!1", -171)]
)
def test_a_wrong_channel_list_is_refused(text: str, code: int):
    with pytest.raises(ScpiError) as caught:
        CHANNELS.parse(Expression(text))
    assert caught.value.code == code


def tree_of(*patterns: str) -> CommandTree:
    return CommandTree(Command(pattern, lambda: None) for pattern in patterns)


def test_short_long_optional_and_numbered_forms_lead_to_one_command():
    tree = tree_of(":VOLTage#[:LEVel][:IMMediate]:HIGH", ":VOLTage#:LOW", "SYSTem:ERRor[:NEXT]?")
    for header in (":VOLT:HIGH", "VOLTAGE1:LEV:HIGH", ":volt:immediate:high".upper(), ":VOLT:LEV:IMM:HIGH"):
        assert tree.find((), header).command.pattern == ":VOLTage#[:LEVel][:IMMediate]:HIGH"
    assert tree.find((), "SYST:ERR?").command is tree.find((), "SYSTEM:ERROR:NEXT?").command


@pytest.mark.parametrize(
    ("header", "code"), [(":VOLTA:LOW", -113), ("VOLT", -113), ("VOLT:LOW?", -113), ("VOLT2:LOW", -114), ("LOW1", -113)]
)
def test_other_spellings_are_undefined(header: str, code: int):
    with pytest.raises(ScpiError) as caught:
        tree_of(":VOLTage#:LOW").find((), header)
    assert caught.value.code == code


def test_the_header_path_carries_over_and_a_colon_or_a_common_command_keeps_to_the_rules():
    tree = tree_of("PULSe:PUSH:AMPLitude", "PULSe:PUSH:WIDTh", "PULSe:PULL:WIDTh", "*OPC")
    path = tree.find((), "PULS:PUSH:AMPL").path
    assert tree.find(path, "WIDT").command.pattern == "PULSe:PUSH:WIDTh"
    assert tree.find(tree.find(path, "*OPC").path, "WIDT").command.pattern == "PULSe:PUSH:WIDTh"
    assert tree.find(path, ":PULS:PULL:WIDT").command.pattern == "PULSe:PULL:WIDTh"
    with pytest.raises(ScpiError):
        tree.find(path, "PULS:PULL:WIDT")


def test_a_table_with_the_same_command_twice_is_a_mistake():
    with pytest.raises(ValueError, match="twice"):
        tree_of("OUTPut[:STATe]", "OUTPut")


HOSTILE = st.one_of(
    st.text(st.characters(max_codepoint=255, exclude_characters=";,\n\"'()"), max_size=12),
    st.from_regex(r"[+-]?\d{1,5000}(E[+-]?\d{1,5000})?", fullmatch=True),
    st.from_regex(r"#[HQB][0-9A-F]{1,500}", fullmatch=True),
)


@pytest.mark.parametrize(
    "kind", [VOLTS, LOAD, Integer(low=0, high=9), Boolean(), Choice(("ON",)), QuotedChoice(("ON",)), CHANNELS, Block()]
)
@given(text=HOSTILE)
def test_no_text_makes_a_parameter_fail_in_any_other_way(kind: Real, text: str):
    for raw in (text, Quoted(text), Expression("@" + text)):
        with suppress(ScpiError):
            kind.parse(raw)
