"""The 2450 on the wire."""

import math

import numpy as np
import pytest

from drivers.errors import InstrumentError, LimitError, LinkDesync, LinkError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.protocols import Quality, Reading, SourceMeter
from drivers.smus.keithley_2450 import COMPLIANCE, KIND, SAFE, VOLTAGE, Keithley2450

READ = ':READ? "defbuffer1",SOUR,READ,SOURSTAT'

REPLIES = {
    "*IDN?": "KEITHLEY INSTRUMENTS,MODEL 2450,04000001,1.7.12b",
    "*LANG?": "SCPI",
    ":OUTP?": "0",
    ":SOUR:VOLT?": "0.1",
    ":SOUR:VOLT:ILIM?": "1.000000E-04",
    READ: "9.999990E-02,3.000001E-05,136",
}


def open_meter(wire, **replies):
    box = wire.add(replies=REPLIES | replies)
    session = Session("smu", wire.link(), kind=KIND, safe=SAFE)
    voltage = VOLTAGE.narrowed(-0.2, 0.2, "the bench")
    return Keithley2450(session, voltage=voltage, compliance=COMPLIANCE.narrowed(1e-9, 1e-3, "the bench")), box


def test_opening_reads_and_touches_nothing(wire):
    meter, box = open_meter(wire)
    assert box.messages == ["*IDN?", "*LANG?", ":OUTP?"]
    assert isinstance(meter, SourceMeter)


def test_another_command_set_is_refused(wire):
    with pytest.raises(InstrumentError, match=r"TSP.*\*LANG SCPI"):
        open_meter(wire, **{"*LANG?": "TSP"})


def test_setting_a_level_for_the_first_time_and_again(wire):
    meter, box = open_meter(wire)
    level = [":SOUR:VOLT:ILIM 0.0001", ":SOUR:VOLT 0.1", "SYST:ERR?", ":SOUR:VOLT:ILIM?", ":SOUR:VOLT?"]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == [
        ":OUTP OFF",
        ":OUTP?",
        ":FORM ASC",
        ":FORM:BORD SWAP",
        ":SOUR:FUNC VOLT",
        ':SENS:FUNC "CURR"',
        ":SOUR:VOLT:RANG:AUTO ON",
        ":SOUR:VOLT:READ:BACK ON",
        ":SENS:CURR:RANG:AUTO ON",
        ":SENS:CURR:NPLC 1",
        ":SENS:COUN 1",
        ":OUTP:VOLT:SMOD HIMP",
        "SYST:ERR?",
        *level,
    ]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == level


@pytest.mark.parametrize(("level_v", "compliance_a"), [(0.3, 1e-4), (float("nan"), 1e-4), (0.1, 2e-3), (0.1, 0.0)])
def test_values_outside_the_limits_send_nothing(wire, level_v, compliance_a):
    meter, box = open_meter(wire)
    box.messages.clear()
    with pytest.raises(LimitError):
        meter.source_voltage(level_v, compliance_a=compliance_a)
    assert box.messages == []


def test_a_level_that_did_not_take_is_refused(wire):
    meter, _ = open_meter(wire, **{":SOUR:VOLT?": "0.2"})
    with pytest.raises(InstrumentError, match=r"0.2"):
        meter.source_voltage(0.1, compliance_a=1e-4)


def measuring(wire, **replies):
    meter, box = open_meter(wire, **replies)
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.replies[":OUTP?"] = "1"
    meter.output_on()
    box.messages.clear()
    return meter, box


def test_measuring(wire):
    meter, box = measuring(wire)
    assert meter.measure() == Reading(voltage_v=0.0999999, current_a=3.000001e-5, quality=Quality.GOOD)
    assert box.messages == [READ]


def test_a_space_after_the_comma_is_no_harm(wire):
    meter, _ = measuring(wire, **{READ: "1.000000E-01, 3.000001E-05, 136"})
    assert meter.measure().quality is Quality.GOOD


def test_a_reading_in_compliance_says_so(wire):
    meter, _ = measuring(wire, **{READ: "3.3E-02,1.000000E-05,168"})
    assert meter.measure() == Reading(voltage_v=0.033, current_a=1e-5, quality=Quality.LIMITED)


@pytest.mark.parametrize("number", ["9.9E+37", "-9.9E37", "9.910000E+37"])
def test_an_overflow_is_no_reading(wire, number):
    meter, _ = measuring(wire, **{READ: f"1.0E-01,{number},136"})
    reading = meter.measure()
    assert reading.quality is Quality.INVALID
    assert math.isnan(reading.current_a)


@pytest.mark.parametrize("reply", ["1.0E-01,nan,136", "1.0E-01,3.0E-05", "1.0E-01,3.0E-05,136,0"])
def test_words_are_no_reading(wire, reply):
    meter, _ = measuring(wire, **{READ: reply})
    with pytest.raises(LinkDesync):
        meter.measure()


@pytest.mark.parametrize("reply", ["1.0E-01,3.0E-05,8", "0.0E+00,0.0E+00,136"], ids=["output off", "another level"])
def test_a_reset_between_two_readings_is_noticed(wire, reply):
    meter, _ = measuring(wire, **{READ: reply})
    with pytest.raises(SettingsChanged, match="set it up again"):
        meter.measure()
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure()


def test_no_measurement_with_the_output_off(wire):
    meter, box = open_meter(wire)
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure()
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure_many(3)
    with pytest.raises(InstrumentError, match="source_voltage first"):
        meter.output_on()
    assert READ not in box.messages
    assert ":OUTP ON" not in box.messages


# The second is made of line feeds only: the block must be read by its size.
CURRENTS = (3e-5, np.frombuffer(b"\n" * 8)[0], 9.9e37)


def buffered(levels, currents=CURRENTS, states="136,136,136"):
    count = len(levels)
    table = np.column_stack((levels, currents)).astype("<f8")
    return {
        "*OPC?": "1",
        ':TRAC:ACT? "defbuffer1"': str(count),
        f':TRAC:DATA? 1,{count},"defbuffer1",SOUR,READ': b"#0" + table.tobytes() + b"\n",
        f':TRAC:DATA? 1,{count},"defbuffer1",SOURSTAT': states,
        ":SOUR:LIST:VOLT:POIN?": str(count),
    }


FETCH = [
    "*OPC?",
    ':TRAC:ACT? "defbuffer1"',
    ":FORM REAL",
    ':TRAC:DATA? 1,3,"defbuffer1",SOUR,READ',
    ":FORM ASC",
    ':TRAC:DATA? 1,3,"defbuffer1",SOURSTAT',
    "SYST:ERR?",
]


def test_many_readings_come_from_the_buffer_in_one_block(wire):
    meter, box = measuring(wire, **buffered([0.1, 0.1, 0.05], states="136,136,168"))
    readings = meter.measure_many(3)
    np.testing.assert_array_equal(readings.voltage_v, [0.1, 0.1, 0.05])
    np.testing.assert_array_equal(readings.current_a, [*CURRENTS[:2], math.nan])
    np.testing.assert_array_equal(readings.limited, [False, False, True])
    start = [":SENS:COUN 3", ':TRAC:CLE "defbuffer1"', ':TRAC:TRIG "defbuffer1"']
    assert box.messages == [*start, *FETCH, ":SENS:COUN 1"]


def test_more_readings_than_a_batch_come_in_batches(wire):
    meter, box = measuring(wire, **{':TRAC:ACT? "defbuffer1"': ["2500", "1"], "*OPC?": "1"})
    for count in (2500, 1):
        replies = buffered([0.1] * count, [1e-5] * count, ",".join(["136"] * count))
        box.replies |= {text: reply for text, reply in replies.items() if "DATA" in text}
    assert meter.measure_many(2501).current_a.shape == (2501,)
    assert [text for text in box.messages if text.startswith(":SENS:COUN")] == [
        ":SENS:COUN 2500",
        ":SENS:COUN 1",
        ":SENS:COUN 1",
        ":SENS:COUN 1",
    ]


def test_a_buffer_that_is_short_of_readings_is_refused(wire):
    meter, _ = measuring(wire, **buffered([0.1] * 3) | {':TRAC:ACT? "defbuffer1"': "2"})
    with pytest.raises(InstrumentError, match="has 2 readings where 3"):
        meter.measure_many(3)


@pytest.mark.parametrize("count", [0, -1])
def test_no_readings_cannot_be_asked_for(wire, count):
    meter, _ = measuring(wire)
    with pytest.raises(LimitError):
        meter.measure_many(count)


def test_a_sweep_runs_in_the_list_and_leaves_the_output_off(wire):
    levels = np.array([0.1, -0.1, 0.2])
    meter, box = open_meter(wire, **buffered(levels))
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.messages.clear()
    readings = meter.sweep(levels, compliance_a=1e-4)
    np.testing.assert_array_equal(readings.voltage_v, levels)
    assert box.messages == [
        ":SOUR:VOLT:ILIM 0.0001",
        ":SOUR:VOLT 0.1",
        "SYST:ERR?",
        ":SOUR:VOLT:ILIM?",
        ":SOUR:VOLT?",
        ":SOUR:LIST:VOLT 0.1,-0.1,0.2",
        ':SOUR:SWE:VOLT:LIST 1,-1,1,OFF,"defbuffer1"',
        "SYST:ERR?",
        ":SOUR:LIST:VOLT:POIN?",
        ":INIT",
        *FETCH,
        ":OUTP OFF",
        ":OUTP?",
    ]


def test_a_long_list_goes_out_in_hundreds(wire):
    levels = np.full(201, 0.1)
    meter, box = open_meter(wire, **buffered(levels, levels, ",".join(["136"] * 201)))
    meter.sweep(levels, compliance_a=1e-4)
    lists = [text for text in box.messages if text.startswith(":SOUR:LIST:VOLT") and "?" not in text]
    assert [text.split(" ")[0] for text in lists] == [":SOUR:LIST:VOLT", *[":SOUR:LIST:VOLT:APP"] * 2]
    assert [text.count("0.1") for text in lists] == [100, 100, 1]


@pytest.mark.parametrize(
    "fault",
    [
        {':TRAC:ACT? "defbuffer1"': "2"},
        {":SOUR:LIST:VOLT:POIN?": "2"},
        {"SYST:ERR?": ['0,"No error"', '0,"No error"', '-222,"Data out of range"', '0,"No error"']},
        {':TRAC:DATA? 1,3,"defbuffer1",SOURSTAT': "136,136,8"},
        {"*OPC?": None},
    ],
    ids=["short", "list", "error", "off", "silence"],
)
def test_the_output_goes_off_whatever_happens_in_a_sweep(wire, fault):
    meter, box = open_meter(wire, **buffered([0.1, -0.1, 0.2]) | fault)
    with pytest.raises(Exception, match=r".") as caught:
        meter.sweep(np.array([0.1, -0.1, 0.2]), compliance_a=1e-4)
    assert isinstance(caught.value, InstrumentError | LinkError)
    offs = [index for index, text in enumerate(box.messages) if text == ":OUTP OFF"]
    assert offs
    assert ":INIT" not in box.messages[offs[-1] :]
    assert meter.session.output is OutputState.OFF


@pytest.mark.parametrize(
    "levels", [[0.1, 0.3], [], [0.1] * 2501, [0.1, float("nan")]], ids=["high", "none", "many", "nan"]
)
def test_a_sweep_outside_the_limits_sends_nothing(wire, levels):
    meter, box = open_meter(wire)
    box.messages.clear()
    with pytest.raises(LimitError):
        meter.sweep(np.array(levels), compliance_a=1e-4)
    assert box.messages == []


def open_wide(wire, **replies):
    box = wire.add(replies=REPLIES | replies)
    session = Session("smu", wire.link(), kind=KIND, safe=SAFE)
    return Keithley2450(session, voltage=VOLTAGE, compliance=COMPLIANCE), box


def test_high_voltage_needs_the_interlock_and_little_current(wire):
    meter, box = open_wide(wire, **{":OUTP:INT:TRIP?": "0"})
    assert not meter.interlock_closed()
    with pytest.raises(InstrumentError, match="interlock is open"):
        meter.source_voltage(100.0, compliance_a=1e-3)
    with pytest.raises(LimitError, match="above 21 V"):
        meter.source_voltage(22.0, compliance_a=0.2)
    assert not [text for text in box.messages if text.startswith(":SOUR")]


def test_the_limits_and_the_self_test(wire):
    meter, _ = open_meter(wire, **{"*TST?": "0"})
    assert [limit.high for limit in meter.limits] == [0.2, 1e-3]
    assert meter.self_test() == "passed"
