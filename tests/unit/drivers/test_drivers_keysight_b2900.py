"""The B2901A and B2902A on the wire."""

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
    LinkTimeout,
    SafeStateError,
    SettingsChanged,
)
from drivers.instrument import OutputState, Session
from drivers.protocols import Quality, Reading, SourceMeter
from drivers.smus.keysight_b2900 import B2901A, COMPLIANCE, VOLTAGE, KeysightB2900, kind, safe_state

IDENTITY = "Keysight Technologies,B2902A,MY51140001,3.4.2011.5100"
SETUP = [
    ":OUTP2:ON:AUTO OFF",
    ":OUTP2:OFF:AUTO OFF",
    ":OUTP2:OFF:MODE HIZ",
    ":SOUR2:FUNC:MODE VOLT",
    ":SOUR2:FUNC:SHAP DC",
    ":SOUR2:VOLT:MODE FIX",
    ":SOUR2:VOLT:RANG:AUTO ON",
    ":SENS2:FUNC:OFF:ALL",
    ':SENS2:FUNC "CURR"',
    ":SENS2:CURR:RANG:AUTO ON",
    ":FORM REAL,64",
    ":FORM:BORD SWAP",
    ":FORM:ELEM:SENS CURR,STAT,SOUR",
]
TIMER = [
    ":ARM2:{0}:SOUR AINT",
    ":ARM2:{0}:COUN 1",
    ":TRIG2:{0}:SOUR TIM",
    ":TRIG2:{0}:TIM {1}",
    ":TRIG2:{0}:COUN {2}",
    "SYST:ERR?",
    ":TRIG2:ACQ:COUN?",
]
VERIFIED = "*ESR?;:OUTP2?;:SENS2:CURR:PROT?;:SOUR2:VOLT?"


def timer(action: str, period: str, count: int) -> list[str]:
    return [line.format(action, period, count) for line in TIMER]


def rows(*values: tuple[float, float, float]) -> bytes:
    data = np.array(values, "<f8").tobytes()
    return b"#%d%d%b\n" % (len(str(len(data))), len(data), data)


def open_meter(wire, model: Any = "B2902A", channel: Any = 2, **replies):
    replies = {
        "*IDN?": IDENTITY,
        "SYST:ERR?": '+0,"No error"',
        "*OPC?": "1",
        f":OUTP{channel}?": "0",
        f":SOUR{channel}:VOLT?": "+1.000000E-01",
        f":SENS{channel}:CURR:PROT?": "+1.000000E-04",
        f":SENS{channel}:CURR:APER?": "+2.000000E-03",
        ":MEAS? (@2)": rows((3e-5, 0, 0.1)),
    } | replies
    # The fake instrument looks the later queries of a message up without their colon.
    box = wire.add(replies={key.removeprefix(":"): reply for key, reply in replies.items()} | replies)

    def switch(text):
        if text.startswith(f":OUTP{channel} "):
            for query in (f":OUTP{channel}?", f"OUTP{channel}?"):
                box.replies[query] = str(int(text.endswith("ON")))

    box.on_write = switch
    session = Session("smu", wire.link(), kind=kind(model), safe=safe_state(channel))
    voltage, compliance = VOLTAGE.narrowed(-30, 30, "the bench"), COMPLIANCE.narrowed(1e-9, 2.0, "the bench")
    return KeysightB2900(session, channel=channel, voltage=voltage, compliance=compliance), box


def measuring(wire, **replies):
    meter, box = open_meter(wire, **replies)
    meter.source_voltage(0.1, compliance_a=1e-4)
    meter.output_on()
    box.messages.clear()
    return meter, box


def test_opening_reads_and_touches_nothing(wire):
    meter, box = open_meter(wire)
    assert box.messages == ["*IDN?", ":OUTP2?"]
    assert isinstance(meter, SourceMeter)
    assert meter.session.output is OutputState.OFF


def test_another_model_of_the_family_is_refused(wire):
    with pytest.raises(IdentityError, match="B2902A"):
        open_meter(wire, model="B2901A")


def test_the_first_level_prepares_the_channel_and_the_next_does_not(wire):
    meter, box = open_meter(wire)
    level = [":SENS2:CURR:PROT 0.0001", ":SOUR2:VOLT 0.1", "SYST:ERR?", ":SENS2:CURR:PROT?", ":SOUR2:VOLT?"]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == [":OUTP2 OFF", ":OUTP2?", *SETUP, "SYST:ERR?", *level]
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert box.messages == level


@pytest.mark.parametrize(
    ("level_v", "compliance_a"),
    [(31.0, 1e-4), (math.nan, 1e-4), (0.1, 2.1), (0.1, 0.0), (6.5, 1.6), (-22.0, 0.11)],
)
def test_values_outside_the_limits_send_nothing(wire, level_v, compliance_a):
    meter, box = open_meter(wire)
    box.messages.clear()
    with pytest.raises(LimitError):
        meter.source_voltage(level_v, compliance_a=compliance_a)
    with pytest.raises(LimitError):
        meter.sweep(np.array([0.0, level_v]), compliance_a=compliance_a)
    assert box.messages == []


def test_the_current_allowed_depends_on_the_voltage(wire):
    meter, _ = open_meter(wire, **{":SOUR2:VOLT?": "6.0", ":SENS2:CURR:PROT?": "2.0"})
    meter.source_voltage(6.0, compliance_a=2.0)


@pytest.mark.parametrize("reply", [{":SOUR2:VOLT?": "0.2"}, {":SENS2:CURR:PROT?": "1"}])
def test_a_value_that_did_not_take_is_refused(wire, reply):
    meter, _ = open_meter(wire, **reply)
    with pytest.raises(InstrumentError, match="was set"):
        meter.source_voltage(0.1, compliance_a=1e-4)


def test_the_instruments_refusal_is_reported_with_its_words(wire):
    meter, _ = open_meter(wire, **{"SYST:ERR?": ['+0,"No error"', '+201,"interlock"', '+0,"No error"']})
    with pytest.raises(InstrumentError, match="interlock"):
        meter.source_voltage(0.1, compliance_a=1e-4)


def test_nothing_is_switched_on_or_measured_without_a_level(wire):
    meter, box = open_meter(wire)
    with pytest.raises(InstrumentError, match="source_voltage first"):
        meter.output_on()
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure()
    with pytest.raises(InstrumentError, match="switch it on"):
        meter.measure_many(3)
    assert box.messages == ["*IDN?", ":OUTP2?"]


def test_measuring_once(wire):
    meter, box = measuring(wire)
    assert meter.measure() == Reading(voltage_v=0.1, current_a=3e-5, quality=Quality.GOOD)
    assert box.messages == [VERIFIED, ":MEAS? (@2)"]


@pytest.mark.parametrize(
    ("row", "quality"),
    [
        ((1e-4, 2, 0.1), Quality.LIMITED),
        ((1e-4, 4, 0.1), Quality.LIMITED),
        ((math.inf, 0, 0.1), Quality.INVALID),
        ((math.nan, 0, 0.1), Quality.INVALID),
        ((9.91e37, 0, 0.1), Quality.INVALID),
        ((3e-5, 8192, 0.1), Quality.INVALID),
    ],
)
def test_what_a_reading_is_worth(wire, row, quality):
    meter, _ = measuring(wire, **{":MEAS? (@2)": rows(row)})
    reading = meter.measure()
    assert reading.quality is quality
    assert math.isnan(reading.current_a) == (quality is Quality.INVALID)


@pytest.mark.parametrize(
    "changed", [{"*ESR?": "128"}, {"OUTP2?": "0"}, {"SENS2:CURR:PROT?": "1.0E-2"}, {"SOUR2:VOLT?": "0.0"}]
)
def test_settings_that_somebody_changed_stop_a_measurement(wire, changed):
    meter, box = measuring(wire)
    box.replies |= changed
    for measure in (meter.measure, lambda: meter.measure_many(5)):
        with pytest.raises(SettingsChanged):
            measure()
    assert box.messages == [VERIFIED, VERIFIED]


def test_many_readings_are_a_few_messages(wire):
    meter, box = measuring(
        wire,
        **{":TRIG2:ACQ:COUN?": "1000", ":FETC:ARR? (@2)": rows(*[(1e-6 * k, 2 * (k == 7), 0.1) for k in range(1000)])},
    )
    readings = meter.measure_many(1000)
    assert box.messages == [
        VERIFIED,
        ":SENS2:CURR:APER?",
        *timer("ACQ", "0.003", 1000),
        ":INIT:ACQ (@2)",
        "*OPC?",
        ":FETC:ARR? (@2)",
        "SYST:ERR?",
    ]
    assert np.array_equal(readings.current_a, 1e-6 * np.arange(1000))
    assert np.flatnonzero(readings.limited).tolist() == [7]


def test_more_readings_than_a_run_takes_are_several_runs(wire):
    fetched = [rows(*[(1e-6, 0, 0.1)] * 100_000), rows((2e-6, 0, 0.1))]
    meter, box = measuring(wire, **{":TRIG2:ACQ:COUN?": ["100000", "1"]})
    box.replies[":FETC:ARR? (@2)"] = lambda _text: fetched.pop(0)
    readings = meter.measure_many(100_001)
    assert readings.current_a.size == 100_001
    assert readings.current_a[-1] == 2e-6
    assert box.messages.count(":INIT:ACQ (@2)") == 2


@pytest.mark.parametrize("count", [0, -1])
def test_no_readings_are_refused(wire, count):
    meter, box = measuring(wire)
    with pytest.raises(LimitError):
        meter.measure_many(count)
    assert box.messages == []


def test_a_trigger_count_that_did_not_take_is_refused(wire):
    meter, box = measuring(wire, **{":TRIG2:ACQ:COUN?": "1"})
    with pytest.raises(InstrumentError, match="COUN"):
        meter.measure_many(5)
    assert ":INIT:ACQ (@2)" not in box.messages


def sweeping(wire, levels, **replies):
    replies = {
        ":SOUR2:VOLT?": str(levels[0]),
        ":SOUR2:LIST:VOLT:POIN?": str(len(levels)),
        ":TRIG2:ACQ:COUN?": str(len(levels)),
        ":FETC:ARR? (@2)": rows(*[(level / 2e3, 2 * (abs(level) > 0.15), level) for level in levels]),
    } | replies
    return open_meter(wire, **replies)


def test_a_sweep_on_the_wire(wire):
    meter, box = sweeping(wire, [0.1, 0.2, -0.1])
    readings = meter.sweep(np.array([0.1, 0.2, -0.1]), compliance_a=1e-4)
    assert box.messages[2:] == [
        ":OUTP2 OFF",
        ":OUTP2?",
        *SETUP,
        "SYST:ERR?",
        ":SENS2:CURR:PROT 0.0001",
        ":SOUR2:VOLT 0.1",
        "SYST:ERR?",
        ":SENS2:CURR:PROT?",
        ":SOUR2:VOLT?",
        ":SOUR2:LIST:VOLT 0.1,0.2,-0.1",
        ":SOUR2:VOLT:MODE LIST",
        "SYST:ERR?",
        ":SOUR2:LIST:VOLT:POIN?",
        ":SENS2:CURR:APER?",
        *timer("ALL", "0.007", 3),
        ":OUTP2 ON",
        ":OUTP2?",
        "*ESR?",
        ":INIT (@2)",
        "*OPC?",
        ":FETC:ARR? (@2)",
        "SYST:ERR?",
        ":OUTP2 OFF",
        ":OUTP2?",
    ]
    assert readings.voltage_v.tolist() == [0.1, 0.2, -0.1]
    assert readings.current_a.tolist() == [5e-5, 1e-4, -5e-5]
    assert readings.limited.tolist() == [False, True, False]
    assert readings.good.tolist() == [True, False, True]


def test_a_long_list_goes_out_in_pieces_that_add_up(wire):
    levels = [round(k * 1e-4, 4) for k in range(2500)]
    meter, box = sweeping(wire, levels)
    meter.sweep(np.array(levels), compliance_a=1e-4)
    loads = [text for text in box.messages if ":LIST:VOLT" in text and not text.endswith("?")]
    assert [text.split()[0] for text in loads] == [":SOUR2:LIST:VOLT", *[":SOUR2:LIST:VOLT:APP"] * 4]
    assert [float(value) for text in loads for value in text.split()[1].split(",")] == levels
    assert max(map(len, loads)) < 10_000


@pytest.mark.parametrize("levels", [[], [0.0] * 2501])
def test_a_list_that_does_not_fit_sends_nothing(wire, levels):
    meter, box = open_meter(wire)
    with pytest.raises(LimitError):
        meter.sweep(np.array(levels), compliance_a=1e-4)
    assert box.messages == ["*IDN?", ":OUTP2?"]


@pytest.mark.parametrize(
    "spoiled",
    [
        {":SOUR2:LIST:VOLT:POIN?": "2"},
        {":TRIG2:ACQ:COUN?": "2"},
        {":FETC:ARR? (@2)": rows((1e-5, 0, 0.1), (1e-5, 0, 0.2), (1e-5, 0, 0.3))},
        {":FETC:ARR? (@2)": rows((1e-5, 0, 0.1))},
        {":FETC:ARR? (@2)": b"1.0,2.0\n"},
        {"*OPC?": None},
    ],
)
def test_the_output_goes_off_whatever_goes_wrong_in_a_sweep(wire, spoiled):
    meter, box = sweeping(wire, [0.1, 0.2, -0.1], **spoiled)
    with pytest.raises((InstrumentError, LinkDesync, LinkTimeout)):
        meter.sweep(np.array([0.1, 0.2, -0.1]), compliance_a=1e-4)
    assert box.replies[":OUTP2?"] == "0"
    assert meter.session.output is OutputState.OFF


def test_a_sweep_with_another_level_in_it_is_refused(wire):
    fetched = rows((1e-5, 0, 0.1), (1e-5, 0, 0.201), (1e-5, 0, -0.1))
    meter, _ = sweeping(wire, [0.1, 0.2, -0.1], **{":FETC:ARR? (@2)": fetched})
    with pytest.raises(InstrumentError, match=r"0\.201 V in step 1"):
        meter.sweep(np.array([0.1, 0.2, -0.1]), compliance_a=1e-4)


def test_a_level_after_a_sweep_leaves_the_list_mode(wire):
    meter, box = sweeping(wire, [0.1])
    meter.sweep(np.array([0.1]), compliance_a=1e-4)
    box.messages.clear()
    meter.source_voltage(0.1, compliance_a=1e-4)
    assert ":SOUR2:VOLT:MODE FIX" in box.messages


def test_an_output_that_stays_on_is_the_worst_event(wire):
    meter, box = measuring(wire)
    box.on_write = lambda _text: None
    with pytest.raises(SafeStateError):
        meter.output_off()


def test_a_one_channel_model_has_no_second_channel():
    entry = SourceMeterEntry(name="smu", model="keysight-b2901a", address="USB0::1::2::3::INSTR", channel=2)
    with pytest.raises(ConfigError, match=r"bench\.toml: instrument 'smu': .*one channel"):
        B2901A.prepare(entry, "bench.toml: instrument 'smu' limits")


def test_the_limits_tell_their_origins(wire):
    meter, _ = open_meter(wire)
    found = {limit.quantity: limit for limit in meter.limits}
    assert found["source voltage"].origin == "the bench"
    assert found["pulse width"].low == 50e-6
    assert found["readings of one trigger run"].high == 100_000
