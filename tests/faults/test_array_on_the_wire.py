"""Rows 2, 7 and 25 of the fault table: what the sample saw when the wire, the power or a stranger interfered.

One scenario, an epoch of three patterns, is run once for each message that something can happen at. The ledger of the
sample is the judge, never the program under test.
"""

import numpy as np
import pytest
from proxy import Fault, Kind

from drivers.errors import HilError, InstrumentError, LinkError, SettingsChanged
from drivers.protocols import Polarity, Pulse

PUSH = Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=2e-7)
PULL = Pulse(polarity=Polarity.PULL, amplitude_v=1.6, width_s=3e-7)
DEVICES = 64
COUNTS = np.arange(DEVICES, dtype=np.uint8)
NONE = np.zeros(DEVICES, np.uint8)
SOME = np.array([3, 50, 7], np.uint32)
PATTERNS = 3


def set_up(array) -> None:
    array.set_pulses(PUSH, PULL)
    array.output_on()


def fire(array, tag: int) -> None:
    if tag == 2:
        array.program_selected(SOME, COUNTS[:3] + 1, NONE[:3], tag=tag)
    else:
        array.program(0, COUNTS, NONE, tag=tag)


def scenario(array) -> None:
    set_up(array)
    for tag in range(1, PATTERNS + 1):
        fire(array, tag)
        array.read_codes(0, DEVICES)


def numbers(wire, controller, open_array) -> tuple[list[bytes], list[int]]:
    """Return the messages of an undisturbed scenario, and the numbers of those that fire."""
    proxy = wire(controller)
    scenario(open_array(proxy))
    assert [controller.delivered(tag) for tag in (1, 2, 3)] == [1, 1, 1]
    return proxy.messages, [number for number, message in enumerate(proxy.messages) if message == b"INIT\n"]


UNDISTURBED = 48
"""Messages of the undisturbed scenario, its opening included."""

FIRES = (22, 34, 43)
"""Those that fire."""

SET_UP = range(5, 17)
"""Those that set pulses and output."""


def test_the_scenario_is_as_long_as_the_other_tests_assume(wire, controller, open_array):
    messages, fires = numbers(wire, controller, open_array)
    assert (len(messages), tuple(fires)) == (UNDISTURBED, FIRES)
    assert messages[SET_UP.start].startswith(b"PULS:PUSH:AMPL ")
    assert messages[SET_UP.stop - 1] == b"OUTP?\n"


def assert_only_right_pulses(controller) -> None:
    for entry in controller.entries:
        assert (entry.push_amplitude_v, entry.pull_amplitude_v) == pytest.approx((1.5, 1.6), rel=1e-6)
        assert (entry.push_width_s, entry.pull_width_s) == pytest.approx((2e-7, 3e-7), rel=1e-6)


FAULTS = [
    ("hold", 0),
    ("late", 0.3),
    ("swallow", 0),
    ("reset", -1),
    ("reset", 0),
    ("close", 1),
    ("close-before-write", 0),
    ("garble", 3),
    ("truncate", 1),
    ("duplicate", 0),
    ("stale", 0),
]


@pytest.mark.parametrize(("kind", "amount"), FAULTS, ids=lambda value: str(value))
@pytest.mark.parametrize("after", range(4), ids=["INIT", "OPC", "DEL", "ERR"])
@pytest.mark.parametrize("tag", [1, 2])
def test_row_2_a_pattern_whose_fate_is_unknown_is_fired_once_or_not_at_all(
    wire, controller, open_array, kind, amount, after, tag
):
    fault = Fault(kind=Kind(kind), at=FIRES[tag - 1] + after, amount=amount, seed=tag)
    proxy = wire(controller, fault)
    array = open_array(proxy)
    set_up(array)
    believed = set()
    for step in range(1, tag + 1):
        try:
            fire(array, step)
            array.read_codes(0, DEVICES)
            believed.add(step)
        except (LinkError, InstrumentError):
            break
    # As the supervisor of a run does: make safe, ask what was fired last, set up, go on with the next tag.
    array.make_safe()
    if array.session.link.state.value != "SYNCED":
        array.session.link.resynchronise()
    last = array.last_tag()
    assert last in (tag - 1, tag)
    assert controller.delivered(tag) == (1 if last == tag else 0), str(fault)
    set_up(array)
    fire(array, tag + 1) if tag + 1 != 2 else array.program(0, COUNTS, NONE, tag=2)
    assert all(controller.delivered(step) == 1 for step in believed | {tag + 1}), str(fault)
    assert all(controller.delivered(step) <= 1 for step in range(1, tag + 2)), str(fault)
    assert proxy.messages.count(b"INIT\n") <= tag + 1
    assert_only_right_pulses(controller)


def test_a_pattern_is_refused_by_the_controller_too_if_its_tag_was_fired(wire, controller, open_array):
    array = open_array(wire(controller))
    set_up(array)
    fire(array, 1)
    with pytest.raises(InstrumentError):
        fire(array, 1)
    assert controller.delivered(1) == 1


@pytest.mark.parametrize("how", ["*RST", "power"])
@pytest.mark.parametrize("at", range(UNDISTURBED))
def test_row_7_a_reset_between_any_two_messages_is_noticed_before_the_next_fire(wire, controller, open_array, how, at):
    def before(number: int) -> None:
        if number == at:
            controller.power_cycle() if how == "power" else controller(b"*RST\n")

    proxy = wire(controller, before=before)
    failure = None
    try:
        scenario(open_array(proxy))
    except HilError as error:
        failure = error
    assert_only_right_pulses(controller)
    delivered = [controller.delivered(tag) for tag in range(1, PATTERNS + 1)]
    fired_before = sum(fire < at for fire in FIRES)
    assert delivered[:fired_before] == [1] * fired_before
    if SET_UP.stop <= at <= FIRES[-1]:
        assert failure is not None
        assert delivered[fired_before:] == [0] * (PATTERNS - fired_before)
    if failure is None:
        assert delivered == [1, 1, 1]


STRANGERS = [b"PULS:PUSH:AMPL 4\n", b"PULS:PULL:WIDT 5E-6\n", b"OUTP OFF\n"]


@pytest.mark.parametrize("message", STRANGERS, ids=["amplitude", "width", "output"])
@pytest.mark.parametrize("at", [number for number in range(SET_UP.stop, UNDISTURBED) if number not in FIRES])
def test_row_25_what_a_stranger_changes_is_noticed_before_the_next_fire(wire, controller, open_array, message, at):
    """The one gap, between the look and the fire itself, is the width of a message: no driver can close it."""
    proxy = wire(controller, before=lambda number: controller(message) if number == at else None)
    array = open_array(proxy)
    failure = None
    try:
        scenario(array)
    except SettingsChanged as error:
        failure = error
    assert_only_right_pulses(controller)
    fired_before = sum(fire < at for fire in FIRES)
    assert [controller.delivered(tag) for tag in (1, 2, 3)] == [1] * fired_before + [0] * (3 - fired_before)
    assert (failure is not None) == (at < FIRES[-1])
    if failure is not None:
        set_up(array)
        array.program(0, COUNTS, NONE, tag=array.last_tag() + 1)
        assert_only_right_pulses(controller)


def test_row_25_a_selection_of_a_stranger_is_noticed_before_the_next_fire(wire, controller, open_array):
    array = open_array(wire(controller))
    set_up(array)
    fire(array, 2)
    controller(b"ARR:SEL #18" + np.array([1, 2], "<u4").tobytes() + b"\n")
    with pytest.raises(InstrumentError):
        array.program_selected(SOME, COUNTS[:3] + 1, NONE[:3], tag=3)
    assert controller.delivered(3) == 0


def test_the_look_before_the_fire_costs_one_exchange(wire, controller, open_array):
    array = open_array(wire(controller))
    set_up(array)
    before = array.session.link.exchanges
    fire(array, 1)
    fire_1 = array.session.link.exchanges - before
    fire(array, 3)
    # Tag, push, pull, look, INIT, *OPC?, delivered, errors; the first pattern also clears what may have been left.
    assert (fire_1, array.session.link.exchanges - before - fire_1) == (9, 8)
