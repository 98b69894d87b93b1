"""What every driver leans on: identity, error queue, and the way to make an instrument safe."""

import pytest

from drivers.dialect import Dialect
from drivers.errors import IdentityError, InstrumentError, LinkDesync, SafeStateError, SettingsChanged
from drivers.instrument import ERROR_QUEUE_CAP, Kind, Output, OutputState, SafeState, Session, Setting
from drivers.link_state import LinkState
from drivers.scpi import parse_integer

OUTPUT = Output(on="OUTP ON", off="OUTP OFF", query="OUTP?")
SAFE = SafeState(command="OUTP OFF", query="OUTP?", confirms="0".__eq__)
KIND = Kind(manufacturer="Acme", model="Box( 2)?")


def open_session(wire, **options):
    return Session("box", wire.link(), kind=KIND, safe=SAFE, **options)


def test_opening_asks_for_the_identity_and_nothing_else(wire):
    box = wire.add()
    session = open_session(wire)
    assert box.messages == ["*IDN?"]
    assert session.identity.serial == "1234"
    assert session.output is OutputState.UNKNOWN


@pytest.mark.parametrize("reply", ["Acme,Boxer,1,1", "Other,Box,1,1", "Acme,Box 23,1,1", "garbage"])
def test_another_instrument_is_refused_by_name(wire, reply):
    wire.add(replies={"*IDN?": reply})
    with pytest.raises(IdentityError) as caught:
        open_session(wire)
    assert reply in str(caught.value)
    assert "box" in str(caught.value)


def test_the_serial_number_is_compared_where_one_is_expected(wire):
    wire.add()
    open_session(wire, expect_serial="1234")
    with pytest.raises(IdentityError, match="77"):
        open_session(wire, expect_serial="77")


def test_all_errors_are_reported(wire):
    wire.add(replies={"SYST:ERR?": ['-113,"Undefined header"', '-222,"Data out of range"', '0,"No error"']})
    with pytest.raises(InstrumentError, match=r"Undefined header.*out of range") as caught:
        open_session(wire).check_errors("testing")
    assert caught.value.queue == ('-113,"Undefined header"', '-222,"Data out of range"')


def test_an_endless_error_queue_ends(wire):
    box = wire.add(replies={"SYST:ERR?": '-350,"Queue overflow"'})
    with pytest.raises(InstrumentError, match="still reports"):
        open_session(wire).check_errors()
    assert box.messages.count("SYST:ERR?") == ERROR_QUEUE_CAP


def test_a_reply_of_another_form_desyncs_the_link(wire):
    wire.add(replies={"A?": "soon"})
    session = open_session(wire)
    with pytest.raises(LinkDesync):
        session.ask("A?", parse_integer)
    assert session.link.state is LinkState.DESYNCED


def test_an_output_is_on_when_the_instrument_says_so(wire):
    box = wire.add(replies={"OUTP?": "1"})
    session = open_session(wire)
    session.output_on(OUTPUT)
    assert session.output is OutputState.ON
    box.replies["OUTP?"] = "0"
    with pytest.raises(InstrumentError, match="did not switch"):
        session.output_on(OUTPUT)
    assert session.output is OutputState.OFF


def test_making_safe_writes_before_it_reads(wire):
    box = wire.add(replies={"OUTP?": "0"})
    session = open_session(wire)
    session.make_safe()
    assert box.messages == ["*IDN?", "OUTP OFF", "OUTP?"]
    assert session.output is OutputState.OFF


def test_making_safe_over_a_doubtful_link_reconnects_and_writes_first(wire):
    box = wire.add(replies={"OUTP?": "0"})
    session = open_session(wire)
    session.link.distrust()
    session.make_safe()
    assert box.opens == 2
    assert box.messages[1] == "OUTP OFF"
    assert box.messages[-1] == "OUTP?"
    assert session.output is OutputState.OFF


def test_a_time_out_while_making_safe_is_tried_on_a_fresh_connection(wire):
    def late(_text: str) -> None:
        box.replies["OUTP?"] = "0"
        box.late.append(b"1\n")

    box = wire.add(replies={"OUTP?": late})
    session = open_session(wire)
    session.make_safe()
    assert box.opens == 2
    assert box.messages.count("OUTP OFF") == 2
    assert session.output is OutputState.OFF


def test_an_output_that_stays_on_is_the_worst_event(wire):
    wire.add(replies={"OUTP?": "1"})
    session = open_session(wire)
    with pytest.raises(SafeStateError, match="cut its power"):
        session.make_safe()
    assert session.output is OutputState.UNKNOWN


def test_a_dead_instrument_is_the_worst_event_too(wire):
    box = wire.add(replies={"OUTP?": "0"})
    session = open_session(wire)
    box.is_deaf = True
    with pytest.raises(SafeStateError, match="cut its power"):
        session.make_safe()
    assert box.messages.count("OUTP OFF") == 2
    assert session.output is OutputState.UNKNOWN


def test_an_error_queue_that_answers_slowly_ends_too(wire):
    def slow(_text: str) -> str:
        wire.clock.now_s += 0.3
        return '-350,"Queue overflow"'

    box = wire.add(replies={"SYST:ERR?": slow})
    with pytest.raises(InstrumentError, match="still reports") as caught:
        open_session(wire).check_errors()
    assert box.messages.count("SYST:ERR?") == 4
    assert len(caught.value.queue) == 4


def test_an_overflow_of_the_error_queue_is_an_error_like_the_others(wire):
    wire.add(replies={"SYST:ERR?": ['-113,"Undefined header"', '-350,"Queue overflow"', '0,"No error"']})
    with pytest.raises(InstrumentError, match=r"while setting up.*Undefined header.*-350") as caught:
        open_session(wire).check_errors("setting up")
    assert len(caught.value.queue) == 2


@pytest.mark.parametrize("entry", ["no error", "0", '0,"No error', "9.91E37"])
def test_an_error_entry_of_another_form_is_not_taken_for_an_empty_queue(wire, entry):
    wire.add(replies={"SYST:ERR?": entry})
    session = open_session(wire)
    with pytest.raises(LinkDesync):
        session.check_errors()
    assert session.link.state is LinkState.DESYNCED


def test_a_setting_that_was_not_taken_is_named(wire):
    wire.add(replies={"A?": "1.5", "B?": "2.5"})
    session = open_session(wire)
    session.confirm([Setting(query="A?", value=1.5)])
    with pytest.raises(InstrumentError, match=r"answers 2\.5 to B\? where 3 was set"):
        session.confirm([Setting(query="A?", value=1.5), Setting(query="B?", value=3.0)])


REMEMBERED = (Setting(query=":A?", value=1.5), Setting(query="B?", value=0.0))


def test_what_was_remembered_is_looked_at_in_one_message(wire):
    box = wire.add(replies={":A?": "1.5001", "B?": "0", "A?": "1.5001", "C?": "2"})
    session = open_session(wire)
    session.remember(REMEMBERED)
    box.messages.clear()
    session.verify()
    session.verify(Setting(query="C?", value=2.0))
    assert box.messages == ["*ESR?;:A?;:B?", "*ESR?;:A?;:B?;:C?"]


def test_a_setting_that_is_no_longer_what_it_was_is_named(wire):
    box = wire.add(replies={"A?": "1.5", "B?": "0", "C?": "3"})
    session = open_session(wire)
    session.remember(REMEMBERED)
    with pytest.raises(SettingsChanged, match=r"answers 3 to C\? where 2 was set"):
        session.verify(Setting(query="C?", value=2.0))
    box.replies["A?"] = "1.6"
    with pytest.raises(SettingsChanged, match=r"answers 1.6 to :A\? where 1.5 was set"):
        session.verify()


def test_a_power_cycle_since_the_settings_were_remembered_is_told_from_one_before(wire):
    box = wire.add(replies={"A?": "1.5", "B?": "0", "*ESR?": ["128", "0", "128", "0"]})
    session = open_session(wire)
    session.remember(REMEMBERED)
    session.verify()
    with pytest.raises(SettingsChanged, match="switched off and on"):
        session.verify()
    assert box.replies["*ESR?"] == ["0"]


def test_an_instrument_without_joint_queries_is_asked_one_by_one(wire):
    box = wire.add(replies={"A?": "1.5", "B?": "0"})
    link = wire.link(dialect=Dialect(joint=None, event_query=None))
    session = Session("box", link, kind=KIND, safe=SAFE)
    session.remember((Setting(query="A?", value=1.5), Setting(query="B?", value=0.0)))
    box.messages.clear()
    session.verify()
    assert box.messages == ["A?", "B?"]


@pytest.mark.parametrize("reply", ["0;1.5", "0;1.5;0;0", "0;1.5;x", "0;1.5;9.9E37", "NAN;1.5;0"])
def test_joint_answers_of_another_form_are_not_taken_for_the_settings(wire, reply):
    box = wire.add()
    session = open_session(wire)
    session.remember(REMEMBERED)
    box.answer = lambda _text: None  # type: ignore[method-assign]
    box.receive = lambda _data: box.pending.append(reply.encode() + b"\n")  # type: ignore[method-assign]
    with pytest.raises((LinkDesync, SettingsChanged)):
        session.verify()


def test_a_lost_command_to_make_safe_is_sent_again(wire):
    box = wire.add(replies={"OUTP?": ["1", "0"]})
    session = open_session(wire)
    session.make_safe()
    assert box.messages == ["*IDN?", "OUTP OFF", "OUTP?", "OUTP OFF", "OUTP?"]
    assert session.output is OutputState.OFF
