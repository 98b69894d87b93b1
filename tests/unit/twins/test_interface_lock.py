"""`SYSTem:LOCK`: what one interface keeps the others from, and how it ends."""

import pytest

from sim_instruments.bus import BusDevice

LOCKABLE = ["keysight-33500b", "keysight-33600a", "keysight-b2901a", "keysight-b2902a"]


class Say:
    """Sends a message over an interface; returns the reply to a question."""

    def __init__(self, instrument: BusDevice) -> None:
        self.instrument = instrument

    def __call__(self, interface: str, message: str) -> str | None:
        self.instrument.receive(message.encode() + b"\n", has_end=True, interface=interface)
        chunk = self.instrument.send(1 << 10, has_end=False)
        return None if chunk is None else chunk.data.decode().strip()


@pytest.fixture(params=LOCKABLE)
def say(request, make_talk):
    return Say(make_talk(request.param).instrument)


def errors(say, interface: str = "USB") -> list[int]:
    codes = []
    while code := int(str(say(interface, "SYST:ERR?")).split(",")[0]):
        codes.append(code)
    return codes


def test_the_holder_changes_things_and_the_others_only_look(say):
    assert say("LAN10.0.0.1", "SYST:LOCK:OWN?") == "NONE"
    assert say("LAN10.0.0.1", "SYST:LOCK:REQ?") == "1"
    assert say("USB", "SYST:LOCK:REQ?") == "0"
    assert say("USB", "SYST:LOCK:OWN?") == "LAN10.0.0.1"
    assert say("USB", "SYST:LOCK:NAME?") == "USB"
    for _ in range(2):
        assert say("USB", "*ESE?") == "0"
        say("USB", "*ESE 5")
        assert errors(say) == [-203]
    say("LAN10.0.0.1", "*ESE 6")
    assert errors(say) == []
    assert say("USB", "*ESE?") == "6"


@pytest.mark.parametrize("question", ["*TST?", ":MEAS?", "READ?"])
def test_a_question_that_does_something_is_kept_out_too(say, question):
    say("GPIB", question)
    errors(say)
    say("GPIB", "SYST:LOCK:REQ?")
    assert say("USB", question) is None
    assert errors(say)[0] in (-203, -113)


def test_requests_nest_and_are_released_by_their_interface_alone(say):
    assert [say("USB", "SYST:LOCK:REQ?") for _ in range(2)] == ["1", "1"]
    say("GPIB", "SYST:LOCK:REL")
    assert errors(say) == [-203]
    say("USB", "SYST:LOCK:REL")
    assert say("GPIB", "SYST:LOCK:OWN?") == "USB"
    say("USB", "SYST:LOCK:REL")
    assert say("GPIB", "SYST:LOCK:OWN?") == "NONE"
    say("USB", "SYST:LOCK:REL")
    assert say("GPIB", "SYST:LOCK:REQ?") == "1"
    assert errors(say) == []


def test_the_lock_goes_with_its_interface_and_with_no_other(say):
    say("LAN10.0.0.1", "SYST:LOCK:REQ?;REQ?")
    say.instrument.disconnect("LAN10.0.0.2")
    assert say("USB", "SYST:LOCK:OWN?") == "LAN10.0.0.1"
    say.instrument.disconnect("LAN10.0.0.1")
    assert say("USB", "SYST:LOCK:REQ?") == "1"
    say("USB", "SYST:LOCK:REL")
    assert say("USB", "SYST:LOCK:OWN?") == "NONE"


def test_a_reset_and_a_device_clear_leave_it(say):
    say("USB", "SYST:LOCK:REQ?")
    say("USB", "*RST")
    say.instrument.clear()
    assert say("GPIB", "SYST:LOCK:OWN?") == "USB"
