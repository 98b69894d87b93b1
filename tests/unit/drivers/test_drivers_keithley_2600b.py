"""The 2600B family on the wire."""

import math
from typing import Any

import numpy as np
import pytest

from drivers.entries import SourceMeterEntry
from drivers.errors import (
    ConfigError,
    IdentityError,
    InstrumentError,
    LimitError,
    LinkDesync,
    SafeStateError,
    SettingsChanged,
)
from drivers.instrument import OutputState, Session
from drivers.protocols import Quality, Reading, SourceMeter
from drivers.smus.keithley_2600b import LONGEST_LIST, LONGEST_SWEEP, MODELS, kind, safe_state
from drivers.tsp import TSP, parse_boolean, parse_error, parse_fields

IDENTITY = "Keithley Instruments Inc., Model 2602B, 4001234, 3.3.5"
NO_ERROR = "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"
ERRORS = "print(errorqueue.next())"
OUTPUT = "print(smub.source.output)"
LIMIT, LEVEL = "print(smub.source.limiti)", "print(smub.source.levelv)"
MEASURE = "print(smub.measure.i(), smub.source.compliance, smub.source.output, smub.source.levelv, smub.source.limiti)"
TAKEN = "print(smub.nvbuffer1.n, smub.source.output, smub.source.levelv, smub.source.limiti)"
SETUP = [
    "smub.source.func = smub.OUTPUT_DCVOLTS",
    "smub.source.autorangev = smub.AUTORANGE_ON",
    "smub.measure.autorangei = smub.AUTORANGE_ON",
    "smub.measure.count = 1",
    "smub.source.offmode = smub.OUTPUT_HIGH_Z",
    "format.asciiprecision = 10",
    ERRORS,
]
OFF = ["smub.source.output = 0", OUTPUT]
CLEAR = "smub.nvbuffer1.clear(); smub.nvbuffer1.appendmode = 1; smub.nvbuffer1.collectsourcevalues = 1"


def fetch(count: int) -> str:
    return (
        "format.data = format.REAL64; format.byteorder = format.LITTLEENDIAN; "
        f"printbuffer(1, {count}, smub.nvbuffer1.readings, smub.nvbuffer1.sourcevalues, smub.nvbuffer1.statuses); "
        "format.data = format.ASCII"
    )


def rows(*values: tuple[float, float, float]) -> bytes:
    return b"#0" + np.array(values, "<f8").tobytes() + b"\n"


def open_meter(wire, model: Any = "keithley-2602b", channel: Any = 2, **replies: Any) -> tuple[Any, Any]:
    state = {"output": 0}
    box = wire.add(
        replies={
            "*IDN?": IDENTITY,
            ERRORS: NO_ERROR,
            OUTPUT: lambda _: f"{state['output']:.5e}",
            LIMIT: "1.00000e-04",
            LEVEL: "1.00000e-01",
            MEASURE: "3.000001000e-05\tfalse\t1.00000e+00\t1.00000e-01\t1.00000e-04",
        }
        | replies
    )

    def note(text: str) -> None:
        if text.startswith("smub.source.output = "):
            state["output"] = int(text[-1])

    box.on_write = note
    entry = SourceMeterEntry.model_validate(
        {
            "name": "smu",
            "model": model,
            "address": "x",
            "channel": channel,
            "limits": {"voltage_v": (-0.2, 0.2), "compliance_a": (1e-8, 1e-3)},
        }
    )
    (found,) = (candidate for candidate in MODELS if candidate.key == model)
    session = Session("smu", wire.link(dialect=TSP), kind=found.kind, safe=found.safe(entry))
    return found.prepare(entry, "smu limits")(session), box


def test_opening_reads_and_touches_nothing(wire):
    meter, box = open_meter(wire)
    assert box.messages == ["*IDN?", OUTPUT]
    assert meter.session.output is OutputState.OFF
    assert isinstance(meter, SourceMeter)


def test_setting_a_level_for_the_first_time_and_again(wire):
    meter, box = open_meter(wire)
    level = ["smub.source.limiti = 0.0001", "smub.source.levelv = 0.1", ERRORS, LIMIT, LEVEL]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == [*OFF, *SETUP, *level]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == level


@pytest.mark.parametrize(("query", "answer"), [(LIMIT, "1.00000e+00"), (LEVEL, "2.00000e-01")])
def test_a_setting_that_was_not_taken_is_found_out(wire, query, answer):
    meter, _ = open_meter(wire, **{query: answer})
    with pytest.raises(InstrumentError, match=r"where 0\.(1|0001) was set"):
        meter.source_voltage(0.1, compliance_a=1e-4)


def test_values_outside_the_limits_send_nothing(wire):
    meter, box = open_meter(wire)
    box.messages.clear()
    for ask in (
        lambda: meter.source_voltage(0.3, compliance_a=1e-4),
        lambda: meter.source_voltage(0.1, compliance_a=1e-2),
        lambda: meter.source_voltage(math.nan, compliance_a=1e-4),
        lambda: meter.sweep(np.array([0.1, 0.3]), compliance_a=1e-4),
        lambda: meter.sweep(np.array([0.1]), compliance_a=1e-9),
        lambda: meter.sweep(np.array([]), compliance_a=1e-4),
        lambda: meter.sweep(np.zeros(LONGEST_SWEEP + 1), compliance_a=1e-4),
        lambda: meter.measure_many(0),
    ):
        with pytest.raises(LimitError):
            ask()
    assert box.messages == []


def switched_on(wire, **replies: Any) -> tuple[Any, Any]:
    meter, box = open_meter(wire, **replies)
    meter.source_voltage(0.1, compliance_a=1e-4)
    meter.output_on()
    box.messages.clear()
    return meter, box


def test_output_needs_a_level_and_is_read_back(wire):
    meter, box = open_meter(wire)
    with pytest.raises(InstrumentError, match="no level"):
        meter.output_on()
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.messages.clear()
    meter.output_on()
    assert box.messages == ["smub.source.output = 1", OUTPUT]
    box.messages.clear()
    meter.output_off()
    assert box.messages == OFF


def test_an_output_that_stays_off_is_reported(wire):
    meter, box = open_meter(wire)
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.replies[OUTPUT] = "0.00000e+00"
    box.replies[ERRORS] = ["8.02000e+02\tOUTPUT blocked by interlock\t2.00000e+01\t1.00000e+00", NO_ERROR]
    with pytest.raises(InstrumentError, match=r"did not switch its output on.*blocked by interlock"):
        meter.output_on()


@pytest.mark.parametrize("answer", ["1.00000e+00", "nil", "off"])
def test_an_output_that_does_not_go_off_is_the_worst_there_is(wire, answer):
    meter, box = switched_on(wire)
    box.replies[OUTPUT] = answer
    with pytest.raises(SafeStateError):
        meter.make_safe()


@pytest.mark.parametrize(
    ("answer", "reading"),
    [
        ("3.0e-05\tfalse", Reading(voltage_v=0.1, current_a=3e-5, quality=Quality.GOOD)),
        ("1.0e-04\ttrue", Reading(voltage_v=0.1, current_a=1e-4, quality=Quality.LIMITED)),
    ],
)
def test_a_reading_is_one_message(wire, answer, reading):
    meter, box = switched_on(wire, **{MEASURE: f"{answer}\t1.0e+00\t1.0e-01\t1.0e-04"})
    assert meter.measure() == reading
    assert box.messages == [MEASURE]


def test_an_overflow_is_no_reading(wire):
    meter, _ = switched_on(wire, **{MEASURE: "9.91e+37\tfalse\t1\t0.1\t1e-4"})
    reading = meter.measure()
    assert math.isnan(reading.current_a)
    assert reading.quality is Quality.INVALID


def test_measuring_needs_the_output(wire):
    meter, box = open_meter(wire)
    box.messages.clear()
    for measure in (meter.measure, lambda: meter.measure_many(3)):
        with pytest.raises(InstrumentError, match="switch it on first"):
            measure()
    assert box.messages == []


@pytest.mark.parametrize("source", ["0\t0.1\t1e-4", "1\t0\t1e-4", "1\t0.1\t1e-1"])
def test_a_source_that_others_changed_gives_no_reading(wire, source):
    meter, box = switched_on(wire, **{MEASURE: f"3e-5\tfalse\t{source}", TAKEN: f"2\t{source}"})
    for measure in (meter.measure, lambda: meter.measure_many(2)):
        meter.session.output = OutputState.ON
        with pytest.raises(SettingsChanged):
            measure()
    assert fetch(2) not in box.messages


@pytest.mark.parametrize("answer", ["3e-5", "3e-5\tfalse\t1\t0.1", "x\tfalse\t1\t0.1\t1e-4", "3e-5\tno\t1\t0.1\t1e-4"])
def test_garbage_is_no_reading(wire, answer):
    meter, _ = switched_on(wire, **{MEASURE: answer})
    with pytest.raises(LinkDesync):
        meter.measure()


def test_many_readings_stay_in_the_buffer_and_come_as_one_block(wire):
    block = rows((3e-5, 0.1, 0), (1e-4, 0.1, 0x4C), (9.91e37, 0.1, 0))
    meter, box = switched_on(wire, **{TAKEN: "3\t1\t0.1\t1e-4", fetch(3): block})
    readings = meter.measure_many(3)
    assert box.messages == [
        CLEAR,
        "smub.measure.count = 3; smub.measure.i(smub.nvbuffer1); smub.measure.count = 1",
        TAKEN,
        fetch(3),
        ERRORS,
    ]
    np.testing.assert_array_equal(readings.current_a, [3e-5, 1e-4, math.nan])
    assert readings.voltage_v.tolist() == [0.1] * 3
    assert readings.limited.tolist() == [False, True, False]
    assert readings.good.tolist() == [True, False, False]


def test_missing_readings_are_reported(wire):
    meter, _ = switched_on(wire, **{TAKEN: "2\t1\t0.1\t1e-4"})
    with pytest.raises(InstrumentError, match="took 2 of 3"):
        meter.measure_many(3)


def test_a_block_of_another_length_is_refused(wire):
    meter, _ = switched_on(wire, **{TAKEN: "2\t1\t0.1\t1e-4", fetch(2): rows((1, 1, 0))})
    with pytest.raises((LinkDesync, InstrumentError)):
        meter.measure_many(2)


def sweep_replies(levels: list[float], block: bytes) -> dict[str, Any]:
    return {
        LEVEL: "0.00000e+00",
        TAKEN: f"{len(levels)}\t1\t0\t1e-4",
        fetch(len(levels)): block,
    }


def test_a_sweep_runs_in_the_trigger_model(wire):
    levels = [0.1, -0.2, 0.05]
    block = rows((3e-5, 0.1, 0), (1e-4, -0.2, 0x40), (1.5e-5, 0.05, 0))
    meter, box = open_meter(wire, **sweep_replies(levels, block))
    box.messages.clear()
    readings = meter.sweep(np.array(levels), compliance_a=1e-4)
    assert box.messages == [
        *OFF,
        *SETUP,
        "smub.source.limiti = 0.0001",
        "smub.source.levelv = 0.0",
        ERRORS,
        LIMIT,
        LEVEL,
        "smub.source.rangev = 0.2",
        CLEAR,
        "smub.trigger.measure.i(smub.nvbuffer1)",
        "smub.trigger.measure.action = smub.ENABLE",
        "smub.trigger.source.action = smub.ENABLE",
        "smub.trigger.endpulse.action = smub.SOURCE_HOLD",
        "smub.trigger.endsweep.action = smub.SOURCE_IDLE",
        "smub.trigger.arm.count = 1",
        "smub.trigger.source.listv({0.1,-0.2,0.05})",
        "smub.trigger.count = 3",
        ERRORS,
        "smub.source.output = 1",
        OUTPUT,
        "smub.trigger.initiate(); waitcomplete()",
        TAKEN,
        *OFF,
        ERRORS,
        fetch(3),
        *OFF,
        *SETUP,
    ]
    assert readings.voltage_v.tolist() == levels
    assert readings.limited.tolist() == [False, True, False]


def test_a_long_sweep_goes_in_pieces(wire):
    levels = np.linspace(0, 0.2, LONGEST_LIST + 5)
    block = b"#0" + np.stack([levels, levels, 0 * levels], axis=1).astype("<f8").tobytes() + b"\n"
    replies = sweep_replies(levels.tolist(), block)
    replies[TAKEN] = [f"{LONGEST_LIST}\t1\t0\t1e-4", f"{LONGEST_LIST + 5}\t1\t0\t1e-4"]
    meter, box = open_meter(wire, **replies)
    readings = meter.sweep(levels, compliance_a=1e-4)
    np.testing.assert_array_equal(readings.current_a, levels)
    lists = [message for message in box.messages if ".listv(" in message]
    assert [message.count(",") + 1 for message in lists] == [LONGEST_LIST, 5]
    assert box.messages.count("smub.source.output = 1") == 1


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ({TAKEN: "1\t1\t0\t1e-4"}, InstrumentError),
        ({TAKEN: "2\t0\t0\t1e-4"}, SettingsChanged),
        ({TAKEN: "2\t1\t0\t1"}, SettingsChanged),
        ({fetch(2): rows((3e-5, 0.1, 0), (3e-5, 0.1, 0))}, InstrumentError),
    ],
)
def test_a_sweep_that_went_wrong_ends_with_the_output_off_and_is_set_up_anew(wire, reply, error):
    block = rows((3e-5, 0.1, 0), (6e-5, 0.2, 0))
    meter, box = open_meter(wire, **(sweep_replies([0.1, 0.2], block) | reply))
    with pytest.raises(error):
        meter.sweep(np.array([0.1, 0.2]), compliance_a=1e-4)
    assert meter.session.output is OutputState.OFF
    assert OUTPUT in box.messages[box.messages.index("smub.trigger.initiate(); waitcomplete()") :]


def test_a_list_that_was_refused_is_never_swept(wire):
    meter, box = open_meter(wire, **sweep_replies([0.1], rows((3e-5, 0.1, 0))))
    meter.source_voltage(0.0, compliance_a=1e-4)
    refused = "-2.22000e+02\tParameter data out of range\t2.00000e+01\t1.00000e+00"
    box.replies[ERRORS] = [NO_ERROR, NO_ERROR, refused, NO_ERROR]
    with pytest.raises(InstrumentError, match="-222"):
        meter.sweep(np.array([0.1]), compliance_a=1e-4)
    assert "smub.source.output = 1" not in box.messages
    assert "smub.trigger.initiate(); waitcomplete()" not in box.messages


def test_a_single_channel_model_has_no_second_channel(wire):
    with pytest.raises(ConfigError, match="one channel, not channel 2"):
        open_meter(wire, model="keithley-2601b", **{"*IDN?": IDENTITY.replace("2602B", "2601B")})


@pytest.mark.parametrize(
    ("model", "top_v", "top_a", "least_a"),
    [
        ("2601B", 40, 3, 1e-8),
        ("2602B", 40, 3, 1e-8),
        ("2611B", 200, 1.5, 1e-8),
        ("2612B", 200, 1.5, 1e-8),
        ("2635B", 200, 1.5, 1e-10),
        ("2636B", 200, 1.5, 1e-10),
    ],
)
def test_limits_are_those_of_the_model(wire, model, top_v, top_a, least_a):
    wire.add(replies={"*IDN?": IDENTITY.replace("2602B", model), "print(smua.source.output)": "0.00000e+00"})
    entry = SourceMeterEntry.model_validate({"name": "smu", "model": f"keithley-{model.lower()}", "address": "x"})
    (found,) = (candidate for candidate in MODELS if candidate.key == entry.model)
    meter = found.prepare(entry, "x")(Session("smu", wire.link(dialect=TSP), kind=found.kind, safe=found.safe(entry)))
    assert [(limit.low, limit.high) for limit in meter.limits] == [(-top_v, top_v), (least_a, top_a)]


def test_another_model_is_refused(wire):
    wire.add(replies={"*IDN?": IDENTITY.replace("2602B", "2612B")})
    with pytest.raises(IdentityError):
        Session("smu", wire.link(dialect=TSP), kind=kind("2602B"), safe=safe_state(1))


def test_errors_of_the_dialect():
    entry = parse_error("-2.85000e+02\tTSP Syntax error at line 1: x\t2.00000e+01\t1.00000e+00")
    assert (entry.code, entry.text) == (-285, "TSP Syntax error at line 1: x")
    assert parse_error(NO_ERROR).code == 0
    for garbage in ("", "0", "0,No error", "x\ty\t0\t1", "1.5\tx\t0\t1", "0\tx\t0"):
        with pytest.raises(LinkDesync):
            parse_error(garbage)
    assert parse_fields("a\tb", 2) == ["a", "b"]
    assert (parse_boolean("true"), parse_boolean("false")) == (True, False)
    for garbage in ("1", "True", ""):
        with pytest.raises(LinkDesync):
            parse_boolean(garbage)
