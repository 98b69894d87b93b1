"""The 7001 on the wire."""

import pytest

from drivers.errors import IdentityError, InstrumentError, LimitError, LinkDesync, SafeStateError
from drivers.instrument import OutputState, Session
from drivers.protocols import Crosspoint, Switch
from drivers.switches.keithley_7001 import KIND, KIND_7002, MODEL_7002, SAFE, SLOT_7002, Keithley7001, parse_channels

IDENTITY = "KEITHLEY INSTRUMENTS INC.,MODEL 7001,0700001,B01  /A02"
POINT = Crosspoint(slot=1, row=2, column=10)


def open_switch(wire, closed="(@)"):
    box = wire.add("GPIB0::7::INSTR", {"*IDN?": IDENTITY, ":ROUT:CLOS:STAT?": closed})
    return Keithley7001(Session("switch", wire.link("GPIB0::7::INSTR"), kind=KIND, safe=SAFE)), box


def test_opening_moves_no_relay(wire):
    switch, box = open_switch(wire)
    assert box.messages == ["*IDN?"]
    assert switch.session.output is OutputState.NONE
    assert isinstance(switch, Switch)


def test_closing_crosspoints_is_read_back(wire):
    switch, box = open_switch(wire, "(@1!1!1,1!2!10)")
    switch.close_crosspoints([Crosspoint(slot=1, row=1, column=1), POINT])
    assert box.messages[1:] == [":ROUT:CLOS (@1!1!1,1!2!10)", "SYST:ERR?", ":ROUT:CLOS:STAT?"]


def test_a_relay_that_does_not_close_is_reported(wire):
    switch, _ = open_switch(wire, "(@1!1!1)")
    with pytest.raises(InstrumentError, match=r"did not close .*1!2!10"):
        switch.close_crosspoints([POINT])


def test_a_welded_relay_is_reported(wire):
    switch, box = open_switch(wire, "(@1!2!10)")
    with pytest.raises(InstrumentError, match="welded"):
        switch.open_all()
    with pytest.raises(SafeStateError):
        switch.make_safe()
    assert box.messages[-2:] == [":ROUT:OPEN ALL", ":ROUT:CLOS:STAT?"]


def test_garbage_does_not_count_as_open(wire):
    switch, _ = open_switch(wire, "0")
    with pytest.raises(SafeStateError):
        switch.make_safe()


@pytest.mark.parametrize("point", [(0, 1, 1), (3, 1, 1), (1, 5, 1), (1, 1, 11), (1, 0, 1)])
def test_crosspoints_that_do_not_exist_send_nothing(wire, point):
    switch, box = open_switch(wire)
    with pytest.raises(LimitError):
        switch.close_crosspoints([POINT, Crosspoint(slot=point[0], row=point[1], column=point[2])])
    assert box.messages == ["*IDN?"]


def test_channel_lists():
    assert parse_channels("(@)") == frozenset()
    assert parse_channels("(@1!2!10, 1!1!3)") == {POINT, Crosspoint(slot=1, row=1, column=3)}


def test_a_run_of_channels_along_a_row():
    run = [Crosspoint(slot=1, row=1, column=column) for column in (1, 2, 3)]
    assert parse_channels("(@1!1!1:1!1!3,1!2!10)") == {*run, POINT}


@pytest.mark.parametrize(
    "text",
    ["", "(@1!2)", "(@1!1!1", "1!1!1", "(@a)", "(@1!1!3:1!1!1)", "(@1!1!1:1!2!3)", "(@1!1!1:1!1!2:1!1!3)", "(@1!1!1:)",
     "(@:1!1!1)", "(@1!1!0:1!1!99999999)"],
)  # fmt: skip
def test_what_is_no_channel_list(text):
    with pytest.raises(LinkDesync):
        parse_channels(text)


def test_the_7002_has_its_own_slots(wire):
    far = Crosspoint(slot=10, row=4, column=10)
    box = wire.add(replies={"*IDN?": IDENTITY.replace("7001", "7002"), ":ROUT:CLOS:STAT?": "(@10!4!10)"})
    session = Session("switch", wire.link(), kind=KIND_7002, safe=SAFE)
    switch = MODEL_7002.prepare(None, "bench.toml")(session)  # type: ignore[arg-type]
    assert isinstance(switch, Switch)
    switch.close_crosspoints([far])
    assert ":ROUT:CLOS (@10!4!10)" in box.messages
    assert isinstance(switch, Keithley7001)
    assert switch.limits[0] is SLOT_7002
    with pytest.raises(LimitError):
        switch.close_crosspoints([Crosspoint(slot=11, row=1, column=1)])


def test_a_7001_is_no_7002(wire):
    wire.add(replies={"*IDN?": IDENTITY})
    with pytest.raises(IdentityError, match="7001"):
        Session("switch", wire.link(), kind=KIND_7002, safe=SAFE)


def test_the_self_test_tells_which_cards_there_are(wire):
    switch, box = open_switch(wire)
    box.replies |= {"*TST?": "0", ":ROUT:CONF:SLOT1:CTYP?": "C7012", ":ROUT:CONF:SLOT2:CTYP?": "NONE"}
    assert switch.self_test() == "passed, slot 1: C7012"
    box.replies["*TST?"] = "1"
    with pytest.raises(InstrumentError, match="self test"):
        switch.self_test()
