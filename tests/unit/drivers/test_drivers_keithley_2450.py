"""The 2450 on the wire."""

import math

import pytest

from drivers.errors import InstrumentError, LimitError, LinkDesync
from drivers.instrument import Session
from drivers.protocols import Quality, Reading, SourceMeter
from drivers.smus.keithley_2450 import COMPLIANCE, KIND, SAFE, VOLTAGE, Keithley2450

REPLIES = {
    "*IDN?": "KEITHLEY INSTRUMENTS,MODEL 2450,04000001,1.7.12b",
    "*LANG?": "SCPI",
    ":OUTP?": "0",
    ":SOUR:VOLT?": "0.1",
    ":SOUR:VOLT:ILIM?": "1.000000E-04",
    ":READ?": "3.000001E-05",
    ":SOUR:VOLT:ILIM:TRIP?": "0",
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
        ":SOUR:FUNC VOLT",
        ':SENS:FUNC "CURR"',
        ":SOUR:VOLT:RANG:AUTO ON",
        ":SENS:CURR:RANG:AUTO ON",
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
    assert meter.measure() == Reading(voltage_v=0.1, current_a=3.000001e-5, quality=Quality.GOOD)
    assert box.messages == [":READ?", ":SOUR:VOLT:ILIM:TRIP?"]


def test_a_reading_in_compliance_says_so(wire):
    meter, _ = measuring(wire, **{":SOUR:VOLT:ILIM:TRIP?": "1"})
    assert meter.measure().quality is Quality.LIMITED


def test_an_overflow_is_no_reading(wire):
    meter, _ = measuring(wire, **{":READ?": "9.9E+37"})
    reading = meter.measure()
    assert reading.quality is Quality.INVALID
    assert math.isnan(reading.current_a)


def test_words_are_no_reading(wire):
    meter, _ = measuring(wire, **{":READ?": "nan"})
    with pytest.raises(LinkDesync):
        meter.measure()


def test_no_measurement_with_the_output_off(wire):
    meter, box = open_meter(wire)
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure()
    with pytest.raises(InstrumentError, match="source_voltage first"):
        meter.output_on()
    assert ":READ?" not in box.messages
    assert ":OUTP ON" not in box.messages
