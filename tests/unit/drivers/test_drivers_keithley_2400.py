"""The 2400 on the wire."""

import math

import numpy as np
import pytest

from drivers.errors import InstrumentError, LimitError, LinkDesync, LinkError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.protocols import Quality, Reading, SourceMeter
from drivers.smus.keithley_2400 import COMPLIANCE, KIND, SAFE, VOLTAGE, Keithley2400

SETUP = [
    ":OUTP OFF",
    ":OUTP?",
    ":ABOR",
    ":SOUR:CLE:AUTO OFF",
    ":SOUR:FUNC VOLT",
    ":SOUR:VOLT:MODE FIX",
    ":SOUR:VOLT:RANG:AUTO ON",
    ":SOUR:SWE:RANG BEST",
    ":SOUR:SWE:CAB NEV",
    ":SENS:FUNC:OFF:ALL",
    ':SENS:FUNC "CURR"',
    ":SENS:CURR:RANG:AUTO ON",
    ":SENS:CURR:NPLC 1",
    ":ARM:SOUR IMM",
    ":ARM:COUN 1",
    ":TRIG:SOUR IMM",
    ":TRIG:COUN 1",
    ":TRAC:FEED:CONT NEV",
    ":FORM:DATA ASC",
    ":FORM:BORD SWAP",
    ":FORM:ELEM VOLT,CURR,STAT",
    ":OUTP:SMOD HIMP",
    "SYST:ERR?",
]
LEVEL = [":SENS:CURR:PROT 0.0001", ":SOUR:VOLT 0.1", "SYST:ERR?", ":SENS:CURR:PROT?", ":SOUR:VOLT?"]
GOOD, LIMITED, RANGE_LIMITED = 20484, 20492, 86020
REPLIES = {
    "*IDN?": "KEITHLEY INSTRUMENTS INC.,MODEL 2400,1234567,C34 Sep 21 2016 15:30:00/A02  /V/J",
    ":OUTP?": "0",
    ":SOUR:VOLT?": "+1.000000E-01",
    ":SENS:CURR:PROT?": "+1.000000E-04",
    ":READ?": f"+1.000000E-01,+3.000001E-05,+{GOOD:.6E}",
}


def open_meter(wire, **replies):
    box = wire.add(replies=REPLIES | replies)
    session = Session("smu", wire.link(), kind=KIND, safe=SAFE)
    voltage = VOLTAGE.narrowed(-0.2, 0.2, "the bench")
    return Keithley2400(session, voltage=voltage, compliance=COMPLIANCE.narrowed(1e-9, 1e-3, "the bench")), box


def measuring(wire, **replies):
    meter, box = open_meter(wire, **replies)
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.replies[":OUTP?"] = "1"
    meter.output_on()
    box.messages.clear()
    return meter, box


def test_opening_reads_and_touches_nothing(wire):
    meter, box = open_meter(wire)
    assert box.messages == ["*IDN?", ":OUTP?"]
    assert isinstance(meter, SourceMeter)


def test_setting_a_level_for_the_first_time_and_again(wire):
    meter, box = open_meter(wire)
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == [*SETUP, *LEVEL]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == LEVEL


@pytest.mark.parametrize(("level_v", "compliance_a"), [(0.3, 1e-4), (float("nan"), 1e-4), (0.1, 2e-3), (0.1, 0.0)])
def test_values_outside_the_limits_send_nothing(wire, level_v, compliance_a):
    meter, box = open_meter(wire)
    box.messages.clear()
    with pytest.raises(LimitError):
        meter.source_voltage(level_v, compliance_a=compliance_a)
    assert box.messages == []


@pytest.mark.parametrize("query", [":SOUR:VOLT?", ":SENS:CURR:PROT?"])
def test_a_setting_that_did_not_take_is_refused(wire, query):
    meter, _ = open_meter(wire, **{query: "+2.000000E-01"})
    with pytest.raises(InstrumentError, match=r"0.2"):
        meter.source_voltage(0.1, compliance_a=1e-4)


def test_measuring(wire):
    meter, box = measuring(wire)
    assert meter.measure() == Reading(voltage_v=0.1, current_a=3.000001e-5, quality=Quality.GOOD)
    assert box.messages == [":READ?"]


@pytest.mark.parametrize("status", [LIMITED, RANGE_LIMITED])
def test_a_reading_in_compliance_says_so(wire, status):
    meter, _ = measuring(wire, **{":READ?": f"+1.0E-01,+1.0E-04,+{status:.6E}"})
    assert meter.measure().quality is Quality.LIMITED


@pytest.mark.parametrize("number", ["+9.900000E+37", "-9.900000E+37", "+9.910000E+37"])
def test_an_overflow_is_no_reading(wire, number):
    meter, _ = measuring(wire, **{":READ?": f"+1.0E-01,{number},+{GOOD:.6E}"})
    reading = meter.measure()
    assert reading.quality is Quality.INVALID
    assert math.isnan(reading.current_a)


@pytest.mark.parametrize("reply", ["+1.0E-01,nan,+2.0E+04", "+1.0E-01,+3.0E-05"])
def test_words_are_no_reading(wire, reply):
    meter, _ = measuring(wire, **{":READ?": reply})
    with pytest.raises(LinkDesync):
        meter.measure()


def test_a_reset_between_two_readings_is_noticed(wire):
    meter, _ = measuring(wire, **{":READ?": f"+0.0E+00,+0.0E+00,+{GOOD:.6E}"})
    with pytest.raises(SettingsChanged, match="set it up again"):
        meter.measure()
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure()


def test_no_measurement_with_the_output_off(wire):
    meter, box = open_meter(wire)
    for measure in (meter.measure, lambda: meter.measure_many(2)):
        with pytest.raises(InstrumentError, match="switch it on"):
            measure()
    with pytest.raises(InstrumentError, match="source_voltage first"):
        meter.output_on()
    assert not {":READ?", ":INIT", ":OUTP ON"} & set(box.messages)


# The second is made of line feeds only: the block must be read by its size.
CURRENTS = (3e-5, float(np.frombuffer(b"\n" * 4, "<f4")[0]), 9.9e37)


def buffered(levels, currents=CURRENTS, states=(GOOD, GOOD, GOOD)):
    table = np.column_stack((levels, currents, states)).astype("<f4")
    return {
        "*OPC?": "1",
        ":TRAC:POIN:ACT?": str(len(levels)),
        ":TRAC:DATA?": b"#0" + table.tobytes() + b"\n",
        ":SOUR:LIST:VOLT:POIN?": str(len(levels)),
    }


TAKE = [
    ":TRIG:COUN 3;:TRAC:CLE;:TRAC:POIN 3;:TRAC:FEED SENS;:TRAC:FEED:CONT NEXT",
    ":INIT",
    "*OPC?",
    ":TRAC:POIN:ACT?",
    ":FORM:DATA SRE",
    ":TRAC:DATA?",
    ":FORM:DATA ASC;:TRIG:COUN 1",
    "SYST:ERR?",
]


def test_many_readings_come_from_the_buffer_in_one_block(wire):
    meter, box = measuring(wire, **buffered([0.1] * 3, states=(GOOD, LIMITED, GOOD)))
    readings = meter.measure_many(3)
    np.testing.assert_array_equal(readings.voltage_v, np.float32([0.1] * 3).astype(np.float64))
    np.testing.assert_allclose(readings.current_a, [*CURRENTS[:2], math.nan], rtol=1e-7)
    np.testing.assert_array_equal(readings.limited, [False, True, False])
    assert box.messages == TAKE


def test_a_buffer_that_is_short_of_readings_is_refused(wire):
    meter, _ = measuring(wire, **buffered([0.1] * 3) | {":TRAC:POIN:ACT?": "2"})
    with pytest.raises(InstrumentError, match="has 2 readings where 3"):
        meter.measure_many(3)


def test_no_readings_cannot_be_asked_for(wire):
    meter, _ = measuring(wire)
    with pytest.raises(LimitError):
        meter.measure_many(0)


def test_a_sweep_runs_in_the_list_and_sets_up_anew_afterwards(wire):
    levels = np.array([0.1, -0.1, 0.2])
    meter, box = open_meter(wire, **buffered(levels))
    meter.source_voltage(0.1, compliance_a=1e-4)
    box.messages.clear()
    box.replies[":OUTP?"] = ["1", "0"]
    readings = meter.sweep(levels, compliance_a=1e-4)
    np.testing.assert_allclose(readings.voltage_v, levels, rtol=1e-7)
    assert box.messages == [
        *LEVEL,
        ":SOUR:LIST:VOLT 0.1,-0.1,0.2",
        ":SOUR:VOLT:MODE LIST",
        "SYST:ERR?",
        ":SOUR:LIST:VOLT:POIN?",
        ":OUTP ON",
        ":OUTP?",
        *TAKE,
        ":OUTP OFF",
        ":OUTP?",
    ]
    with pytest.raises(InstrumentError, match="source_voltage first"):
        meter.output_on()
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == [*SETUP, *LEVEL]


@pytest.mark.parametrize(
    "fault",
    [
        {":TRAC:POIN:ACT?": "2"},
        {":SOUR:LIST:VOLT:POIN?": "2"},
        {"*OPC?": None},
        {":TRAC:DATA?": b"#0\x00\x00\n"},
    ],
    ids=["short", "list", "silence", "cut"],
)
def test_the_output_goes_off_whatever_happens_in_a_sweep(wire, fault):
    meter, box = open_meter(wire, **buffered([0.1, -0.1, 0.2]) | fault)

    def switch(text):
        if text in (":OUTP ON", ":OUTP OFF"):
            box.replies[":OUTP?"] = "1" if text == ":OUTP ON" else "0"

    box.on_write = switch
    with pytest.raises(Exception, match=r".") as caught:
        meter.sweep(np.array([0.1, -0.1, 0.2]), compliance_a=1e-4)
    assert isinstance(caught.value, InstrumentError | LinkError)
    offs = [index for index, text in enumerate(box.messages) if text == ":OUTP OFF"]
    assert not {":INIT", ":OUTP ON"} & set(box.messages[offs[-1] :])
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


def test_high_voltage_allows_little_current(wire):
    box = wire.add(replies=REPLIES)
    meter = Keithley2400(Session("smu", wire.link(), kind=KIND, safe=SAFE), voltage=VOLTAGE, compliance=COMPLIANCE)
    with pytest.raises(LimitError, match="above 21 V"):
        meter.source_voltage(22.0, compliance_a=0.2)
    assert box.messages == ["*IDN?", ":OUTP?"]


def test_the_limits_and_the_self_test(wire):
    meter, _ = open_meter(wire, **{"*TST?": "0"})
    assert [limit.high for limit in meter.limits] == [0.2, 1e-3]
    assert meter.self_test() == "passed"
