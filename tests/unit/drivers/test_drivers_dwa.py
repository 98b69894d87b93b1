"""The DWA array controller on the wire."""

import numpy as np
import pytest

from drivers.arrays.dwa import AMPLITUDE, KIND, SAFE, WIDTH, Dwa
from drivers.errors import InstrumentError, LimitError, LinkDesync, LinkTimeout, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.protocols import ArrayProgrammer, ConductanceScale, Delivery, Polarity, Pulse

PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=1e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=2e-7)
COUNTS = np.array([3, 0, 255], np.uint8)
NONE = np.zeros(3, np.uint8)
OPENING = ["*IDN?", "ARR:SIZE?", "READ:COND:SCAL?", "OUTP?", "*ESR?"]
FIRED = ["INIT", "*OPC?", "PATT:DEL?", "SYST:ERR?"]
PULSES = ["PULS:PUSH:AMPL", "PULS:PUSH:WIDT", "PULS:PULL:AMPL", "PULS:PULL:WIDT"]


class Controller:
    """Enough of a controller to answer read-backs."""

    def __init__(self, wire):
        self.settings: dict[str, str] = {"OUTP": "0"}
        self.box = wire.add(
            replies={
                "*IDN?": "Lab,DWA-1,7,1.0",
                "ARR:SIZE?": "1000",
                "READ:COND:SCAL?": "1.5E-4,4.5E-9",
                "ARR:SEL:COUN?": "3",
                "PATT:DEL?": "5,258,0",
                "*OPC?": "1",
                **{f"{header}?": self.answer for header in ("OUTP", *PULSES)},
            }
        )
        self.box.on_write = self.obey

    def obey(self, text: str) -> None:
        header, _, value = text.partition(" ")
        self.settings[header] = {"ON": "1", "OFF": "0"}.get(value, value)

    def answer(self, text: str) -> str:
        return self.settings[text.removesuffix("?")]


@pytest.fixture
def controller(wire):
    return Controller(wire)


@pytest.fixture
def box(controller):
    return controller.box


@pytest.fixture
def array(wire, controller):
    session = Session("array", wire.link(), kind=KIND, safe=SAFE)
    return Dwa(session, amplitude=AMPLITUDE.narrowed(0.1, 2.5, "the bench"), width=WIDTH)


def test_opening_reads_and_touches_nothing(array, box):
    assert box.messages == OPENING
    assert array.device_count == 1000
    assert array.conductance_scale == ConductanceScale(offset_s=1.5e-4, lsb_s=4.5e-9)
    assert array.session.output is OutputState.OFF
    assert isinstance(array, ArrayProgrammer)


def test_a_range_is_programmed_in_one_pattern(array, box):
    box.messages.clear()
    box.raw.clear()
    delivery = array.program(10, COUNTS, NONE, tag=5)
    assert delivery == Delivery(tag=5, push_pulses=258, pull_pulses=0)
    assert box.messages == ["PATT:CLE", "PATT:TAG 5", "PATT:PUSH 10,", "PATT:PULL 10,", "*ESR?", *FIRED]
    assert box.raw[2:4] == [b"PATT:PUSH 10,#13\x03\x00\xff\n", b"PATT:PULL 10,#13\x00\x00\x00\n"]


def test_the_pattern_is_cleared_only_when_one_may_be_left(array, box):
    array.program(0, COUNTS, NONE, tag=5)
    box.messages.clear()
    array.program(0, COUNTS, NONE, tag=5)
    assert box.messages[0] == "PATT:TAG 5"
    box.replies["PATT:DEL?"] = "5,258,1"
    with pytest.raises(InstrumentError):
        array.program(0, COUNTS, NONE, tag=5)
    box.messages.clear()
    with pytest.raises(InstrumentError):
        array.program(0, COUNTS, NONE, tag=5)
    assert box.messages[0] == "PATT:CLE"


@pytest.mark.parametrize("reply", ["4,258,0", "5,257,0", "5,258,1"])
def test_a_delivery_that_differs_is_refused(array, box, reply):
    box.replies["PATT:DEL?"] = reply
    box.replies["SYST:ERR?"] = ['-221,"Settings conflict"', '0,"No error"']
    with pytest.raises(InstrumentError, match=r"not 258 push and 0 pull pulses under tag 5.*Settings conflict"):
        array.program(0, COUNTS, NONE, tag=5)
    assert box.messages.count("INIT") == 1


def test_the_largest_counts_do_not_overflow_their_sum(array, box):
    full = np.full(1000, 255, np.uint8)
    box.replies["PATT:DEL?"] = "5,255000,255000"
    assert array.program(0, full, full, tag=5).push_pulses == 255_000


@pytest.mark.parametrize(
    ("first", "push", "pull", "tag"),
    [
        (0, COUNTS, NONE[:2], 5),
        (0, COUNTS.astype(np.int64), NONE, 5),
        (0, COUNTS, NONE.astype(np.float32), 5),
        (0, COUNTS.reshape(1, 3), NONE.reshape(1, 3), 5),
        (0, COUNTS[:0], NONE[:0], 5),
        (-1, COUNTS, NONE, 5),
        (998, COUNTS, NONE, 5),
        (0, COUNTS, NONE, 0),
    ],
)
def test_a_pattern_that_does_not_fit_sends_nothing(array, box, first, push, pull, tag):
    with pytest.raises(LimitError):
        array.program(first, push, pull, tag=tag)
    assert box.messages == OPENING


def test_a_selection_is_sent_once(array, box):
    devices = np.array([7, 900, 3], np.uint32)
    box.messages.clear()
    box.raw.clear()
    array.program_selected(devices, COUNTS, NONE, tag=5)
    assert box.messages == [
        "PATT:CLE",
        "PATT:TAG 5",
        "ARR:SEL ",
        "ARR:SEL:COUN?",
        "SYST:ERR?",
        "PATT:SEL:PUSH ",
        "PATT:SEL:PULL ",
        "*ESR?;:ARR:SEL:COUN?",
        *FIRED,
    ]
    assert box.raw[2] == b"ARR:SEL #212" + devices.tobytes() + b"\n"
    box.messages.clear()
    box.replies["READ:COND:SEL?"] = b"#16\x01\x00\x02\x00\x03\x01\n"
    assert array.read_selected(devices).tolist() == [1, 2, 259]
    assert box.messages == ["READ:COND:SEL?"]


def test_the_caller_may_change_its_selection_in_place(array, box):
    devices = np.array([7, 900, 3], np.uint32)
    box.replies["READ:COND:SEL?"] = b"#16\x01\x00\x02\x00\x03\x01\n"
    array.read_selected(devices)
    devices[0] = 8
    box.messages.clear()
    array.read_selected(devices)
    assert box.messages[0] == "ARR:SEL "


def test_a_refused_selection_is_reported(array, box):
    box.replies["ARR:SEL:COUN?"] = "0"
    box.replies["SYST:ERR?"] = ['-222,"Data out of range"', '0,"No error"']
    with pytest.raises(InstrumentError, match=r"selected 0 devices, not 3.*out of range"):
        array.read_selected(np.array([7, 900, 3], np.uint32))
    assert "READ:COND:SEL?" not in box.messages


@pytest.mark.parametrize(
    "devices",
    [
        np.array([1, 2, 1000], np.uint32),
        np.array([1, 2, 2], np.uint32),
        np.array([1, 2, 3], np.int64),
        np.array([1, 2], np.uint32),
        np.zeros(0, np.uint32),
    ],
)
def test_a_selection_that_does_not_fit_sends_nothing(array, box, devices):
    with pytest.raises(LimitError):
        array.program_selected(devices, COUNTS, NONE, tag=5)
    assert box.messages == OPENING


def test_reading_codes(array, box):
    box.replies["READ:COND? 10,3"] = b"#16\x01\x00\x02\x00\x03\x01\n"
    codes = array.read_codes(10, 3)
    assert codes.dtype == np.uint16
    assert codes.tolist() == [1, 2, 259]
    for first, count in ((-1, 3), (999, 2), (0, 0)):
        with pytest.raises(LimitError):
            array.read_codes(first, count)


def test_too_few_codes_desync(array, box):
    box.replies["READ:COND? 0,3"] = b"#14\x01\x00\x02\x00\n"
    with pytest.raises(LinkDesync):
        array.read_codes(0, 3)


def test_only_changed_pulse_settings_are_sent(array, box):
    box.messages.clear()
    array.set_pulses(PUSH, PULL)
    assert box.messages == [
        "PULS:PUSH:AMPL 1.5",
        "PULS:PUSH:WIDT 1E-07",
        "PULS:PULL:AMPL 1.5",
        "PULS:PULL:WIDT 2E-07",
        "SYST:ERR?",
        "PULS:PUSH:AMPL?",
        "PULS:PUSH:WIDT?",
        "PULS:PULL:AMPL?",
        "PULS:PULL:WIDT?",
        "*ESR?",
    ]
    box.messages.clear()
    array.set_pulses(PUSH, PULL)
    assert box.messages == []
    array.set_pulses(PUSH, Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=1e-6))
    assert box.messages == ["PULS:PULL:WIDT 1E-06", "SYST:ERR?", "PULS:PULL:WIDT?", "*ESR?"]


def test_a_pulse_setting_that_did_not_take_is_sent_again(array, box):
    answer = box.replies["PULS:PUSH:WIDT?"]
    box.replies["PULS:PUSH:WIDT?"] = "9E-7"
    with pytest.raises(InstrumentError, match="9e-07"):
        array.set_pulses(PUSH, PULL)
    box.replies["PULS:PUSH:WIDT?"] = answer
    box.messages.clear()
    array.set_pulses(PUSH, PULL)
    assert "PULS:PUSH:WIDT 1E-07" in box.messages


def test_after_a_reconnection_nothing_is_taken_for_granted(array, box):
    array.set_pulses(PUSH, PULL)
    array.program_selected(np.array([7, 900, 3], np.uint32), COUNTS, NONE, tag=5)
    array.session.link.distrust()
    array.make_safe()
    box.messages.clear()
    array.set_pulses(PUSH, PULL)
    assert "PULS:PUSH:AMPL 1.5" in box.messages
    box.messages.clear()
    array.program_selected(np.array([7, 900, 3], np.uint32), COUNTS, NONE, tag=5)
    assert box.messages[0] == "PATT:CLE"
    assert "ARR:SEL " in box.messages


@pytest.mark.parametrize(
    ("push", "pull"),
    [
        (PULL, PUSH),
        (PUSH, PUSH),
        (Pulse(polarity=Polarity.PUSH, amplitude_v=3.0, width_s=1e-7), PULL),
        (PUSH, Pulse(polarity=Polarity.PULL, amplitude_v=1.0, width_s=2e-5)),
        (PUSH, Pulse(polarity=Polarity.PULL, amplitude_v=float("nan"), width_s=1e-7)),
    ],
)
def test_pulses_outside_the_limits_send_nothing(array, box, push, pull):
    with pytest.raises(LimitError):
        array.set_pulses(push, pull)
    assert box.messages == OPENING


def test_switching_the_output(array, box):
    box.messages.clear()
    array.output_on()
    array.output_off()
    assert box.messages == ["OUTP ON", "OUTP?", "OUTP OFF", "OUTP?"]
    assert array.session.output is OutputState.OFF


def test_the_settings_are_looked_at_in_one_message_right_before_the_fire(array, box):
    array.set_pulses(PUSH, PULL)
    array.output_on()
    box.messages.clear()
    array.program(0, COUNTS, NONE, tag=5)
    look = ";:".join(("*ESR?", *(f"{header}?" for header in PULSES), "OUTP?"))
    assert box.messages[box.messages.index("INIT") - 1] == look
    assert len(box.messages) == 9


@pytest.mark.parametrize("header", PULSES)
def test_a_pulse_changed_by_another_client_is_noticed_before_the_fire(array, controller, box, header):
    array.set_pulses(PUSH, PULL)
    array.output_on()
    controller.settings[header] = "2.5" if "AMPL" in header else "3E-7"
    with pytest.raises(SettingsChanged, match=header):
        array.program(0, COUNTS, NONE, tag=5)
    assert "INIT" not in box.messages
    with pytest.raises(SettingsChanged):
        array.program(0, COUNTS, NONE, tag=5)
    array.set_pulses(PUSH, PULL)
    array.output_on()
    array.program(0, COUNTS, NONE, tag=5)
    assert box.messages.count("INIT") == 1


def test_an_output_that_went_off_is_noticed_before_the_fire(array, controller, box):
    array.set_pulses(PUSH, PULL)
    array.output_on()
    controller.settings["OUTP"] = "0"
    with pytest.raises(SettingsChanged, match="OUTP"):
        array.program(0, COUNTS, NONE, tag=5)
    assert "INIT" not in box.messages
    assert array.session.output is OutputState.UNKNOWN


def test_a_power_cycle_is_noticed_before_the_fire(array, box):
    array.set_pulses(PUSH, PULL)
    array.output_on()
    box.replies["*ESR?"] = ["128", "0"]
    with pytest.raises(SettingsChanged, match="switched off and on"):
        array.program(0, COUNTS, NONE, tag=5)
    assert "INIT" not in box.messages


def test_a_power_cycle_before_the_program_started_is_no_news(wire, controller):
    controller.box.replies["*ESR?"] = ["128", "0"]
    session = Session("array", wire.link(), kind=KIND, safe=SAFE)
    array = Dwa(session, amplitude=AMPLITUDE, width=WIDTH)
    assert array.program(0, COUNTS, NONE, tag=5).push_pulses == 258


def test_a_selection_changed_by_another_client_is_noticed_before_the_fire(array, box):
    devices = np.array([7, 900, 3], np.uint32)
    array.program_selected(devices, COUNTS, NONE, tag=5)
    box.replies["ARR:SEL:COUN?"] = "2"
    with pytest.raises(SettingsChanged, match="SEL:COUN"):
        array.program_selected(devices, COUNTS, NONE, tag=5)
    assert box.messages.count("INIT") == 1
    box.replies["ARR:SEL:COUN?"] = "3"
    box.messages.clear()
    array.program_selected(devices, COUNTS, NONE, tag=5)
    assert "ARR:SEL " in box.messages


def test_a_fire_of_unknown_outcome_is_not_repeated(array, box):
    box.replies["*OPC?"] = None
    with pytest.raises(LinkTimeout):
        array.program(0, COUNTS, NONE, tag=5)
    with pytest.raises(LinkDesync, match="resynchronise"):
        array.program(0, COUNTS, NONE, tag=6)
    assert box.messages.count("INIT") == 1
