"""The lock in the instrument: taken at opening and again on a new connection, given up at closing, never in the way."""

from typing import Any

import pytest
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError

from drivers.errors import InstrumentBusy, LinkDesync, LinkTimeout, SafeStateError
from drivers.instrument import Kind, SafeState, Session
from drivers.interface_lock import RELEASE_TIMEOUT_S, SYSTEM_LOCK
from drivers.link_state import LinkState
from drivers.models import MODELS

SAFE = SafeState(command="OUTP OFF", query="OUTP?", confirms="0".__eq__)
KIND = Kind(manufacturer="Acme", model="Box")
REQUEST, RELEASE, OWNER, NAME = "SYST:LOCK:REQ?", "SYST:LOCK:REL", "SYST:LOCK:OWN?", "SYST:LOCK:NAME?"


class LockedBox:
    """Answers as the manuals say; `count` is the instrument's count of requests."""

    def __init__(self, wire: Any) -> None:
        self.wire = wire
        self.count = 0
        self.owner = "NONE"
        self.name = '"LAN10.0.0.1"'
        replies = {REQUEST: self.request, OWNER: lambda _: self.owner, NAME: lambda _: self.name, "OUTP?": "0"}
        self.box = wire.add(replies=replies)
        self.box.on_write = self.hear

    def request(self, _text: str) -> str:
        if self.owner not in ("NONE", self.name):
            return "+0"
        self.owner, self.count = self.name, self.count + 1
        return "+1"

    def hear(self, text: str) -> None:
        if text == RELEASE:
            self.count -= 1
            self.owner = self.owner if self.count else "NONE"

    def open(self) -> Session:
        return Session("box", self.wire.link(), kind=KIND, safe=SAFE, lock=SYSTEM_LOCK)


@pytest.fixture
def locked(wire: Any) -> LockedBox:
    return LockedBox(wire)


def test_it_is_taken_after_the_identity_and_once(locked: LockedBox):
    session = locked.open()
    session.command("A")
    session.ask("OUTP?", str)
    assert locked.box.messages == ["*IDN?", REQUEST, "A", "OUTP?"]


def test_it_is_given_up_before_the_link_closes(locked: LockedBox):
    session = locked.open()
    session.close()
    assert (locked.count, locked.owner) == (0, "NONE")
    heard = len(locked.box.messages)
    session.close()
    assert len(locked.box.messages) == heard
    assert session.link.state is LinkState.CLOSED


def test_an_instrument_that_another_interface_holds_is_refused_by_its_name(locked: LockedBox):
    locked.owner, locked.count = '"USB"', 1
    with pytest.raises(InstrumentBusy, match=r"box .*interface USB.*SYST:LOCK:REL"):
        locked.open()
    assert locked.box.messages == ["*IDN?", REQUEST, OWNER]
    assert locked.owner == '"USB"'


def test_it_is_taken_again_on_a_new_connection(locked: LockedBox):
    session = locked.open()
    # A LAN client that goes takes its lock with it.
    locked.owner, locked.count = "NONE", 0
    session.link.resynchronise()
    session.command("A")
    assert locked.box.messages[-2:] == [REQUEST, "A"]
    session.close()
    assert locked.count == 0


def test_requests_that_add_up_are_all_taken_back(locked: LockedBox):
    session = locked.open()
    session.link.resynchronise()
    session.check_errors()
    assert locked.count == 2
    session.close()
    assert (locked.count, locked.owner) == (0, "NONE")


def test_nothing_is_taken_from_whoever_came_between(locked: LockedBox):
    session = locked.open()
    locked.owner, locked.count = '"GPIB"', 1
    session.link.resynchronise()
    with pytest.raises(InstrumentBusy, match="GPIB"):
        session.command("A")
    assert "A" not in locked.box.messages
    session.close()
    assert (locked.owner, locked.count) == ('"GPIB"', 1)
    assert RELEASE not in locked.box.messages


@pytest.mark.parametrize("lost", ["reply", "connection", "lock"])
def test_making_safe_does_not_wait_for_it(locked: LockedBox, lost: str):
    session = locked.open()
    locked.owner, locked.count = '"GPIB"', 1
    if lost == "reply":
        session.link.distrust()
    elif lost == "connection":
        locked.box.pending.append(VisaIOError(StatusCode.error_connection_lost))
    else:
        session.link.resynchronise()
    locked.box.messages.clear()
    session.make_safe()
    assert locked.box.messages[0] == SAFE.command
    assert not {REQUEST, OWNER, NAME} & set(locked.box.messages)


def test_an_output_that_somebody_else_keeps_on_is_not_called_safe(locked: LockedBox):
    session = locked.open()
    locked.owner, locked.count = '"GPIB"', 1
    locked.box.replies["OUTP?"] = "1"
    with pytest.raises(SafeStateError, match="cut its power"):
        session.make_safe()


def test_closing_over_a_doubtful_link_says_nothing(locked: LockedBox):
    session = locked.open()
    session.link.distrust()
    heard = len(locked.box.messages)
    session.close()
    assert len(locked.box.messages) == heard
    assert session.link.state is LinkState.CLOSED


@pytest.mark.parametrize("unanswered", [NAME, OWNER])
def test_an_instrument_that_falls_silent_does_not_keep_its_link_open(locked: LockedBox, unanswered: str):
    session = locked.open()
    del locked.box.replies[unanswered]
    locked.box.timeouts_ms.clear()
    session.close()
    assert session.link.state is LinkState.CLOSED
    assert locked.box.messages[-1] == unanswered
    assert locked.box.timeouts_ms == [RELEASE_TIMEOUT_S * 1000]


def test_ctrl_c_while_it_is_given_up_closes_the_link_too(locked: LockedBox):
    session = locked.open()
    locked.box.pending.append(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        session.close()
    assert session.link.state is LinkState.CLOSED


def test_a_request_whose_answer_was_lost_is_taken_back(locked: LockedBox):
    session = locked.open()
    session.link.resynchronise()
    granted = locked.box.replies[REQUEST]

    def lost(text: str) -> None:
        granted(text)

    locked.box.replies[REQUEST] = lost
    with pytest.raises(LinkTimeout):
        session.command("A")
    locked.box.replies[REQUEST] = granted
    session.link.resynchronise()
    session.command("A")
    assert locked.count == 3
    session.close()
    assert locked.count == 0


@pytest.mark.parametrize("reply", ["2", "-1", "YES", ""])
def test_an_answer_of_another_form_is_not_a_grant(locked: LockedBox, reply: str):
    locked.box.replies[REQUEST] = reply
    with pytest.raises(LinkDesync):
        locked.open()


def test_a_session_without_one_asks_for_none(wire: Any):
    box = wire.add()
    session = Session("box", wire.link(), kind=KIND, safe=SAFE)
    session.close()
    assert box.messages == ["*IDN?"]


def test_the_models_that_have_one():
    assert {key for key, model in MODELS.items() if model.lock is not None} == {
        "keysight-33500b",
        "keysight-33600a",
        "keysight-b2901a",
        "keysight-b2902a",
    }
