"""The 707B on the wire."""

from typing import Any

import pytest

from drivers.errors import InstrumentError, LimitError, LinkDesync, SafeStateError
from drivers.instrument import OutputState, Session
from drivers.protocols import Crosspoint, Switch
from drivers.switches.keithley_707b import KIND, SAFE, Keithley707B, format_channels, parse_channels
from drivers.tsp import TSP

IDENTITY = "Keithley Instruments Inc., Model 707B, 1234567, 01.41a"
NO_ERROR = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"
ERRORS = "print(errorqueue.next())"
CLOSED = 'print(channel.getclose("allslots"))'
OPEN = 'channel.open("allslots")'
RULE = ["channel.connectrule = 1", "print(channel.connectrule)"]
POINT = Crosspoint(slot=1, row=2, column=10)


def open_switch(wire, closed="nil", **replies: Any) -> tuple[Keithley707B, Any]:
    box = wire.add(
        replies={
            "*IDN?": IDENTITY,
            ERRORS: NO_ERROR,
            CLOSED: closed,
            "print(channel.connectrule)": "1.00000e+00",
            **replies,
        }
    )
    return Keithley707B(Session("switch", wire.link(dialect=TSP), kind=KIND, safe=SAFE)), box


def test_opening_moves_no_relay(wire):
    switch, box = open_switch(wire)
    assert box.messages == ["*IDN?"]
    assert switch.session.output is OutputState.NONE
    assert isinstance(switch, Switch)


def test_closing_crosspoints_breaks_before_it_makes_and_is_read_back(wire):
    switch, box = open_switch(wire, "1A01;1B10")
    points = [Crosspoint(slot=1, row=1, column=1), POINT]
    box.messages.clear()
    switch.close_crosspoints(points)
    close = ['channel.close("1A01,1B10")', ERRORS, CLOSED]
    assert box.messages == [*RULE, *close]
    box.messages.clear()
    switch.close_crosspoints(points)
    assert box.messages == close
    switch.session.link.distrust()
    switch.session.link.resynchronise()
    box.messages.clear()
    switch.close_crosspoints(points)
    assert box.messages == [*RULE, *close]
    box.messages.clear()
    switch.close_crosspoints([])
    assert box.messages == []


def test_a_rule_that_was_not_taken_closes_nothing(wire):
    switch, box = open_switch(wire, **{"print(channel.connectrule)": "2.00000e+00"})
    with pytest.raises(InstrumentError):
        switch.close_crosspoints([POINT])
    assert not [message for message in box.messages if "close(" in message]


def test_a_relay_that_does_not_close_is_reported(wire):
    switch, _ = open_switch(wire, "1A01")
    with pytest.raises(InstrumentError, match="did not close 1B10"):
        switch.close_crosspoints([POINT])


def test_opening_all_is_read_back(wire):
    switch, box = open_switch(wire)
    box.messages.clear()
    switch.open_all()
    assert box.messages == [OPEN, ERRORS, CLOSED]
    box.messages.clear()
    switch.make_safe()
    assert box.messages == [OPEN, CLOSED]


def test_a_welded_relay_is_reported(wire):
    switch, _ = open_switch(wire, "1B10")
    with pytest.raises(InstrumentError, match="welded"):
        switch.open_all()
    with pytest.raises(SafeStateError):
        switch.make_safe()


def test_garbage_does_not_count_as_open(wire):
    switch, _ = open_switch(wire, "0.00000e+00")
    with pytest.raises(SafeStateError):
        switch.make_safe()


@pytest.mark.parametrize("point", [(0, 1, 1), (7, 1, 1), (1, 9, 1), (1, 1, 13), (1, 0, 1), (1, 1, 0)])
def test_crosspoints_that_do_not_exist_send_nothing(wire, point):
    switch, box = open_switch(wire)
    with pytest.raises(LimitError):
        switch.close_crosspoints([POINT, Crosspoint(slot=point[0], row=point[1], column=point[2])])
    assert box.messages == ["*IDN?"]


def test_channel_lists():
    assert parse_channels("nil") == frozenset()
    assert parse_channels("1B10;2H03") == {POINT, Crosspoint(slot=2, row=8, column=3)}
    assert format_channels([POINT, Crosspoint(slot=2, row=8, column=3)]) == "1B10,2H03"


@pytest.mark.parametrize("text", ["", "1A1", "1I01", "7A01", "1A01,1A02", "1A01; 1A02", "1A01;", "NIL"])
def test_what_is_no_channel_list(text):
    with pytest.raises(LinkDesync):
        parse_channels(text)
