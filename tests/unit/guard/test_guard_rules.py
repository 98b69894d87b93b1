"""What the judge of each model lets through and what it refuses; each refusal names value, range and origin."""

import math

import numpy as np
import pytest

from drivers.errors import LimitError
from drivers.guard.pulses import burst_limits
from drivers.guard.rules.table import GUARDED
from drivers.limits import Limit
from drivers.models import MODELS

PULSER = (
    ":OUTP1 OFF",
    ":ARM:SOUR1 MAN",
    ":DIG1:PATT:STAT OFF",
    ":OUTP1:LOAD 2000",
    ":FUNC1 PULS",
    ":OUTP1:POL NORM",
    ":VOLT1:HIGH 1.5",
    ":VOLT1:LOW 0",
    ":PULS:WIDT1 1e-7",
    ":BURS1:MODE TRIG",
    ":BURS1:NCYC 10",
    ":BURS1:STAT ON",
    ":TRIG1:COUN 1",
    "SYST:ERR?",
)
ARB = (
    "OUTP1 OFF",
    "TRIG1:SOUR BUS",
    "OUTP1:LOAD 2000",
    "SOUR1:FUNC PULS",
    "OUTP1:POL NORM",
    "SOUR1:VOLT:HIGH 1.5",
    "SOUR1:VOLT:LOW 0",
    "SOUR1:FUNC:PULS:WIDT 1e-7",
    "SOUR1:BURS:MODE TRIG",
    "SOUR1:BURS:NCYC 10",
    "SOUR1:BURS:STAT ON",
    "SYST:ERR?",
)
BNC = (
    ":PULSE0:STATE OFF",
    ":PULSE0:MODE BURS",
    ":PULSE0:TRIG:MODE TRIG",
    ":PULSE0:BCO 5",
    ":PULSE1:WIDT 1e-7",
    ":PULSE1:OUTP:MODE ADJ",
    ":PULSE1:OUTP:AMPL 2.1",
    ":PULSE1:POL NORM",
    ":PULSE1:CMOD NORM",
    ":PULSE1:STATE ON",
    ":PULSE0:STATE ON",
)
METER = {
    "keithley-2450": (":SOUR:FUNC VOLT", ":SOUR:VOLT:ILIM 1e-4", ":SOUR:VOLT 0.1", "SYST:ERR?"),
    "keithley-2400": (":SOUR:FUNC VOLT", ":SENS:CURR:PROT 1e-4", ":SOUR:VOLT 0.1", "SYST:ERR?"),
    "keysight-b2901a": (":SOUR1:FUNC:MODE VOLT", ":SENS1:CURR:PROT 1e-4", ":SOUR1:VOLT 0.1", "SYST:ERR?"),
    "keithley-2602b": (
        "smua.source.func = 1",
        "smua.source.limiti = 1e-4",
        "smua.source.levelv = 0.1",
        "print(errorqueue.count)",
    ),
}
ON = {
    "keithley-2450": "OUTP ON",
    "keithley-2400": ":OUTPUT 1",
    "keysight-b2901a": ":OUTP1 ON",
    "keithley-2602b": "smua.source.output = smua.OUTPUT_ON",
}
OFF = {"keithley-2602b": "smua.source.output = 0", "bnc-577": ":PULSE0:STATE OFF", "dwa-1": "OUTP OFF"}


def counts(side: str, *values: int) -> bytes:
    data = bytes(values)
    return f"PATT:{side} 0,#2{len(data):02d}".encode() + data + b"\n"


def arb(name: str, *codes: int) -> bytes:
    data = np.array(codes, ">i2").tobytes()
    return f"SOUR1:DATA:ARB:DAC {name},#3{len(data):03d}".encode() + data + b"\n"


def pattern(*symbols: int) -> bytes:
    packed = bytes(
        sum(s << shift for s, shift in zip(symbols[i : i + 4], (6, 4, 2, 0), strict=True))
        for i in range(0, len(symbols), 4)
    )
    return f":DIG1:PATT:DATA #2{len(packed):02d}".encode() + packed + b"\n"


def test_every_model_has_rules():
    assert set(MODELS) <= GUARDED


@pytest.mark.parametrize("model", sorted(MODELS))
def test_the_way_to_safety_is_open_in_any_state(model, judge):
    it = judge(model)
    safe = MODELS[model].safe(it.entry).command
    it(safe)
    it(f"{safe}\n")
    it("*IDN?")


@pytest.mark.parametrize(
    "model",
    [
        "keysight-81160a",
        "keysight-33600a",
        "keithley-2450",
        "keithley-2400",
        "keysight-b2901a",
        "dwa-1",
        "bnc-577",
        "keithley-2602b",
    ],
)
@pytest.mark.parametrize(
    "message",
    [
        "*RCL 1",
        "*DDT #0",
        ":VOLT:FOO 1",
        "CURR:LEV:BAR 1",
        "APPL:PULS 1,2,3",
        "MEM:STAT:REC 1",
        "VOLT\x00 1",
        "SYST:PRES",
        ":SOUR:LIST:XYZ 1",
    ],
)
def test_what_is_not_in_the_table_and_looks_like_a_level_is_refused(model, message, judge):
    judge(model).refuses(message)


class Test81160A:
    @pytest.fixture
    def it(self, judge):
        it = judge("keysight-81160a")
        it(*PULSER)
        return it

    def test_a_burst_within_the_limits_passes(self, it):
        it(":OUTP1 ON", "SYST:ERR?", "*TRG", ":TRIG1")
        it.screen.trigger()

    @pytest.mark.parametrize(
        ("message", "match"),
        [
            (
                ":VOLT1:HIGH 2.6",
                r"pulse amplitude 2\.6 V is outside 0\.1 to 2\.5 V, set by lab\.toml: .* limits amplitude_v",
            ),
            (":VOLT1:LOW -2.6", "amplitude"),
            (":VOLT1 5", "amplitude"),
            (":VOLT1:OFFS 3", "amplitude"),
            (":PULS:WIDT1 3 US", "width"),
            (":FUNC1:PULS:WIDT 1", "width"),
            (":VOLT:HIGH MAX", "digits"),
            (":BURS1:NCYC INF", "digits"),
            (":VOLT1:HIGH 1;LOW 1;HIGH 9", "amplitude"),
            (":VOLT1:HIGH 1;:SOURCE:VOLTAGE1:LEVEL:IMMEDIATE:HIGH 9 V", "amplitude"),
            (":PULS:DCYC1 50", "table"),
            (":PULS:HOLD1 DCYC", "WIDTh"),
            (":VOLT2:HIGH 1", "channel 2"),
            (":OUTP2 ON", "channel 2"),
            (":VOLT1:UNIT DBM", "VPP"),
        ],
    )
    def test_settings_beyond_the_limits_are_refused(self, it, message, match):
        it.refuses(message, match)

    @pytest.mark.parametrize(
        ("messages", "match"),
        [
            ((":ARM:SOUR1 IMM",), "manual triggers"),
            ((":ARM:SOUR1 EXT",), "manual triggers"),
            ((":FUNC1 SIN",), "only pulses"),
            ((":FUNC1 DC",), "only pulses"),
            ((":VOLT1:LOW 1",), "rest at"),
            ((":OUTP1:POL INV",), "rest at"),
            ((":BURS1:MODE GAT",), "gated"),
            ((":VOLT1:HIGH 2", ":OUTP1:POL INV", ":VOLT1:LOW -1.5"), "rest at"),
        ],
    )
    def test_nothing_endless_goes_on(self, it, messages, match):
        it(*messages, "SYST:ERR?")
        it.refuses(":OUTP1 ON", match)

    @pytest.mark.parametrize("message", [":ARM:SOUR1 IMM", ":FUNC1 SIN", ":VOLT1:LOW -0.5", ":OUTP1:POL INV"])
    def test_and_nothing_becomes_endless_while_it_is_on(self, it, message):
        it(":OUTP1 ON", "SYST:ERR?")
        it.refuses(message)

    def test_the_energy_of_a_burst_is_bounded(self, it):
        # 170 pulses of 1e-7 s at 1.5 V in 2000 ohm are 1.9e-8 J, 180 are 2.0e-8.
        it(":BURS1:NCYC 170", ":OUTP1 ON", "SYST:ERR?", "*TRG", ":BURS1:NCYC 180", "SYST:ERR?")
        it.refuses(
            "*TRG", r"energy of the burst 2\.025e-08 J is outside 0 to 2e-08 J, set by lab\.toml.*burst_energy_j"
        )
        with pytest.raises(Exception, match="energy"):
            it.screen.trigger()
        it(":BURS1:STAT OFF", "SYST:ERR?", "*TRG", ":TRIG1:COUN 5000", "SYST:ERR?")
        it.refuses(":TRIG1:IMM", "energy")

    def test_a_refused_command_is_not_believed(self, it):
        it(":OUTP1 ON", "SYST:ERR?", ":BURS1:NCYC 1000", "SYST:ERR?")
        it(":BURS1:NCYC 2")
        it("SYST:ERR?", reply=b'-222,"Data out of range"\n')
        it("SYST:ERR?")
        it.refuses("*TRG", "energy")

    def test_clearing_the_errors_confirms_nothing(self, it):
        it(":OUTP1 ON", "SYST:ERR?", ":BURS1:NCYC 1000", "SYST:ERR?", ":BURS1:NCYC 2", "*CLS", "SYST:ERR?")
        it.refuses("*TRG", "energy")

    def test_a_wrong_load_is_counted_in(self, it):
        it(":OUTP1:LOAD 50", "SYST:ERR?")
        # 1.5 V into 50 ohm are 2.9 V at 2000 ohm.
        it.refuses(":VOLT1:HIGH 1.5", "amplitude 2.92")

    def test_what_is_unknown_is_not_fired(self, judge):
        it = judge("keysight-81160a")
        it.refuses("*TRG", "first")
        it.refuses(":OUTP1 ON", "first")
        it(
            *(message for message in PULSER if "COUN" not in message and "NCYC" not in message),
            ":OUTP1 ON",
            "SYST:ERR?",
        )
        it.refuses("*TRG", "NCYC")

    def test_shorter_than_allowed_is_not_fired(self, it):
        it(":PULS:WIDT1 5e-9", ":OUTP1 ON", "SYST:ERR?")
        it.refuses("*TRG", "width 5e-09")

    def test_patterns_are_read(self, it):
        setup = (
            ":VOLT1:LOW -1.5",
            ":PULS:PER1 1e-7",
            ":DIG1:PATT:FORM PACK,8",
            ":DIG1:PATT:NLEV 3",
            ":BURS1:NCYC 8",
            ":DIG1:PATT:STAT ON",
        )
        it(*setup, pattern(1, 2, 0, 2, 2, 2, 2, 2), "SYST:ERR?", ":OUTP1 ON", "SYST:ERR?", "*TRG")
        it(pattern(*[1] * 24), "SYST:ERR?")
        it.refuses("*TRG", "width 2.4e-06")
        it(pattern(1, 2, 0, 2), ":BURS1:NCYC 1000", "SYST:ERR?")
        it.refuses("*TRG", "energy")
        it.refuses(":DIG1:PATT:FORM PACK,1", "PACKed,8")


class Test33600A:
    @pytest.fixture
    def it(self, judge):
        it = judge("keysight-33600a")
        it(*ARB)
        return it

    def test_a_burst_within_the_limits_passes(self, it):
        it("OUTP1 ON", "SYST:ERR?", "*TRG", "TRIG1")
        it.screen.trigger()

    @pytest.mark.parametrize(
        ("message", "match"),
        [
            ("SOUR1:VOLT:HIGH 2.6", "amplitude"),
            ("VOLT 5", "amplitude"),
            ("SOUR1:FUNC:PULS:WIDT 3e-6", "width"),
            ("SOUR2:VOLT 1", "channel 2"),
            ("OUTP2 ON", "limits"),
            ("SOUR1:FUNC:PULS:DCYC 50", "table"),
            ("SOUR1:BURS:NCYC INF", "burst length"),
            ("SOUR1:FUNC:ARB:ADV TRIG", "SRATe"),
            ("SOUR1:FREQ:MODE LIST", "not allowed"),
        ],
    )
    def test_settings_beyond_the_limits_are_refused(self, it, message, match):
        it.refuses(message, match)

    @pytest.mark.parametrize(
        "message",
        [
            "TRIG1:SOUR IMM",
            "TRIG1:SOUR TIM",
            "SOUR1:BURS:STAT OFF",
            "SOUR1:BURS:MODE GAT",
            "SOUR1:FUNC SIN",
            "SOUR1:VOLT:LOW 0.5",
        ],
    )
    def test_nothing_endless_goes_on_or_becomes_so(self, it, message, judge):
        it("OUTP1 ON", "SYST:ERR?")
        it.refuses(message)
        other = judge("keysight-33600a")
        other(*ARB, message, "SYST:ERR?")
        other.refuses("OUTP1 ON")

    def play(self, it, *blocks, name="A", rate="1e7", level="1.5", cycles="1", burst="ON"):
        it(
            "OUTP1 OFF",
            "SOUR1:DATA:VOL:CLE",
            "FORM:BORD NORM",
            *blocks,
            f"SOUR1:FUNC:ARB {name}",
            "SOUR1:FUNC ARB",
            "SOUR1:FUNC:ARB:ADV SRAT",
            f"SOUR1:FUNC:ARB:SRAT {rate}",
            f"SOUR1:VOLT:HIGH {level}",
            f"SOUR1:VOLT:LOW -{level}",
            f"SOUR1:BURS:NCYC {cycles}",
            f"SOUR1:BURS:STAT {burst}",
            "SYST:ERR?",
            "OUTP1 ON",
            "SYST:ERR?",
        )

    def test_waveforms_are_scaled_by_their_levels(self, it):
        self.play(it, arb("A", 0, 32767, 0, -32767, *[0] * 30))
        it("*TRG")
        self.play(it, arb("A", 0, 32767, 0, 1000, *[0] * 30))
        it.refuses("*TRG", "amplitude 0.0457")
        self.play(it, arb("A", 0, *[32767] * 31, 0))
        it.refuses("*TRG", "width 3.1e-06")
        self.play(it, arb("A", 0, 32767, 0, *[32767] * 31, 0))
        it.refuses("*TRG", "width 3.1e-06")
        self.play(it, arb("A", 0, *[32767, 0] * 20), cycles="20")
        it.refuses("*TRG", "energy")

    def test_a_waveform_rests_at_0_and_never_repeats_by_itself(self, it):
        with pytest.raises(Exception, match="first sample"):
            self.play(it, arb("A", 32767, *[0] * 31))
        with pytest.raises(Exception, match="without end"):
            self.play(it, arb("A", 0, 32767, *[0] * 31), burst="OFF")
        with pytest.raises(Exception, match="does not know the waveform B"):
            self.play(it, arb("A", *[0] * 32), name="B")

    @pytest.mark.parametrize("samples", [(0.0, 1.1, 0.0), (0.0, -1.1, 0.0), (0.0, float("nan"), 0.0)])
    def test_samples_above_full_scale_are_refused(self, it, samples):
        data = np.array(samples, ">f4").tobytes()
        it("FORM:BORD NORM")
        it.refuses(f"SOUR1:DATA:ARB A,#2{len(data):02d}".encode() + data, "full scale")

    def sequence(self, *steps: str) -> bytes:
        text = "S," + ",".join(f"{step},maintain,4" for step in steps)
        return f"SOUR1:DATA:SEQ #3{len(text):03d}{text}".encode()

    def test_sequences_are_counted_through(self, it):
        waves = (arb("P", 32767, *[0] * 31), arb("R", *[0] * 32))
        self.play(it, *waves, self.sequence("R,0,repeatTilTrig", "P,100,repeat", "R,1,once"), name="S", burst="OFF")
        it("*TRG")
        self.play(it, *waves, self.sequence("R,0,repeatTilTrig", "P,1000,repeat", "R,1,once"), name="S", burst="OFF")
        it.refuses("*TRG", "energy")
        for wrong in (
            ("P,0,repeatTilTrig",),
            ("P,1,once",),
            ("R,0,repeatTilTrig", "P,0,repeatInf"),
            ("R,0,repeatTilTrig", "Q,1,once"),
        ):
            it.refuses(self.sequence(*wrong))
        it("OUTP1 OFF")
        it.refuses(self.sequence("P,1,once"), "never waits")


class TestDwa:
    @pytest.fixture
    def it(self, judge):
        it = judge("dwa-1")
        it(
            "PULS:PUSH:AMPL 1.5",
            "PULS:PUSH:WIDT 1e-7",
            "PULS:PULL:AMPL 1.5",
            "PULS:PULL:WIDT 1e-7",
            "SYST:ERR?",
            "PATT:CLE",
            "OUTP ON",
        )
        return it

    def test_the_largest_count_of_both_blocks_is_what_counts(self, it):
        it(counts("PUSH", 1, 80, 3), counts("PULL", 90, 0, 0), "PATT:TAG 1", "INIT", "SYST:ERR?")
        it(counts("PUSH", 1, 80, 3), counts("PULL", 99, 0, 0))
        it.refuses("INIT", r"energy of the burst 2\.01")

    def test_selected_patterns_count_too(self, it):
        it(b"PATT:SEL:PUSH #12\x01\xff\n")
        it.refuses("INIT", "energy")

    def test_a_second_block_does_not_hide_the_first(self, it):
        it(counts("PUSH", 255), counts("PUSH", 1))
        it.refuses("INIT", "energy")
        it("PATT:CLE", counts("PUSH", 1), "INIT")

    @pytest.mark.parametrize("message", ["PATT:TAG 3;PATT:CLE", "PATT:TAG 0;:PATT:CLE", "PATT:TAG 0;*RST"])
    def test_what_stands_behind_another_command_may_not_have_been_reached(self, it, message):
        it(counts("PUSH", 255), message, "OUTP ON")
        it.refuses("INIT", "energy")

    def test_the_output_is_off_for_certain_only_where_nothing_stands_before(self, it):
        it(counts("PUSH", 255), "PATT:TAG 0;:OUTP OFF")
        it.refuses("INIT", "energy")
        it("OUTP OFF;:PATT:TAG 0", "INIT")

    @pytest.mark.parametrize(
        "message", ["PULS:PUSH:AMPL 2.6", "PULS:PULL:WIDT 5e-6", "PULS:PULL:AMPL 0.05", "PULS:PUSH:WIDT 1e-9"]
    )
    def test_shapes_beyond_the_limits_are_refused(self, it, message):
        it.refuses(message, "lab.toml")

    def test_what_is_unknown_is_not_fired(self, judge):
        it = judge("dwa-1")
        it(counts("PUSH", 1))
        it.refuses("INIT", "PATTern:CLEar first")
        it("PATT:CLE", counts("PUSH", 1))
        it.refuses("INIT", "push amplitude")
        it("*RST", counts("PUSH", 1), "INIT")


class TestBnc:
    @pytest.fixture
    def it(self, judge):
        it = judge("bnc-577")
        it(*BNC)
        return it

    def test_a_burst_within_the_limits_passes(self, it):
        it("*TRG", ":PULSE0:STATE OFF", ":PULSE2:STATE OFF")

    @pytest.mark.parametrize(
        "message",
        [
            ":PULSE0:MODE NORM",
            ":PULSE0:MODE DCYC",
            ":PULSE1:OUTP:AMPL 5",
            ":PULSE1:WIDT 1",
            ":PULSE1:POL INV",
            ":PULSE1:OUTP:MODE TTL",
            ":PULSE1:CMOD BURS",
            ":PULSE2:STATE ON",
            ":PULSE0:TRIG:MODE DIS",
            ":PULSE1:BCO 5",
            ":PULSE:WIDT 1e-7",
            ":INST:STATE ON",
            ":PULSE0:BCO 0",
            # Not the system, whatever the number is worth: the box knows no such output.
            ":PULSE00:STATE OFF",
            # The box takes one command a line, and answers each line.
            ":PULSE0:BCO 1;:PULSE0:STATE OFF",
            ":PULSE0:BCO 1\n:PULSE0:STATE OFF",
        ],
    )
    def test_what_is_endless_or_beyond_the_limits_is_refused(self, it, message):
        it.refuses(message)

    def test_the_energy_is_bounded_and_only_an_acknowledgement_confirms(self, it):
        it(":PULSE0:BCO 100")
        it.refuses("*TRG", "energy")
        it(":PULSE0:BCO 5", reply=b"?5\r\n")
        it.refuses("*TRG", "energy")
        it(":PULSE0:BCO 5")
        it("*TRG")

    @pytest.mark.parametrize(
        ("lacking", "match"),
        [
            ("PULSE0:MODE", "without end"),
            ("TRIG:MODE", "start by itself"),
            ("POL", "polarity"),
            ("OUTP:MODE", "output mode"),
            ("CMOD", "channel mode"),
            ("WIDT", "width"),
            ("AMPL", "amplitude"),
        ],
    )
    def test_nothing_runs_with_settings_that_somebody_else_may_have_left(self, judge, lacking, match):
        it = judge("bnc-577")
        it(*(message for message in BNC if lacking not in message and message != ":PULSE0:STATE ON"))
        it.refuses(":PULSE0:STATE ON", match)

    def test_a_second_output_counts(self, judge):
        it = judge("bnc-577", pull_channel=2)
        it(*(message for message in BNC if message != ":PULSE0:STATE ON"))
        it.refuses(":PULSE0:STATE ON", "output 2")
        it(":PULSE2:STATE OFF", ":PULSE0:STATE ON", "*TRG")


@pytest.mark.parametrize("model", sorted(METER))
class TestMeters:
    def test_a_source_within_the_limits_goes_on(self, model, judge):
        it = judge(model)
        it(*METER[model], ON[model], OFF.get(model, "OUTP OFF"))

    def test_nothing_goes_on_with_settings_that_nobody_confirmed(self, model, judge):
        it = judge(model)
        it.refuses(ON[model], "first")
        it(*METER[model][:-1])
        it.refuses(ON[model], "first")

    def test_the_reset_compliance_may_be_too_much(self, model, judge):
        narrow = {"voltage_v": [-0.2, 0.2], "compliance_a": [1e-6, 5e-5]}
        it = judge(model, limits=narrow)
        it("*RST")
        it.refuses(ON[model], "compliance current")

    def test_levels_and_compliance_beyond_the_limits_are_refused(self, model, judge):
        it = judge(model)
        tsp = model == "keithley-2602b"
        for name, low, high in (
            ("levelv", 0.2, 0.21),
            ("limiti", 1e-3, 1.1e-3),
            ("leveli", -1e-3, -2e-3),
            ("limitv", 0.2, 1),
        ):
            header = f"smua.source.{name} =" if tsp else HEADERS[model][name]
            it(f"{header} {low}")
            it.refuses(f"{header} {high}", "lab.toml")
            it.refuses(f"{header} MAX")

    def test_an_output_that_may_still_be_on_is_held_to_the_limits(self, model, judge):
        it = judge(model)
        tsp = model == "keithley-2602b"
        off, function = (
            ("smua.source.levelv = 0; smua.source.output = 0", "smua.source.func = 0")
            if tsp
            else (":SOUR:VOLT 0;:OUTP OFF", ":SOUR:FUNC:MODE CURR")
        )
        it(*METER[model], ON[model], off)
        it.refuses(function, "compliance voltage")
        it(OFF.get(model, "OUTP OFF"), function)

    def test_lists_are_looked_into(self, model, judge):
        it = judge(model)
        fine, wrong = (
            ("smua.trigger.source.listv({0.1, 0.2})", "smua.trigger.source.listv({0.1, 0.3})")
            if model == "keithley-2602b"
            else (":SOUR:LIST:VOLT 0.1,0.2", ":SOUR:LIST:VOLT 0.1,0.3")
        )
        it(fine)
        it.refuses(wrong, "0.3 V")


@pytest.mark.parametrize(
    ("model", "settings", "width", "hold", "on"),
    [
        ("keysight-81160a", PULSER, ":PULS:WIDT1 1e-7", ":PULS:HOLD1 WIDT", ":OUTP1 ON"),
        ("keysight-33600a", ARB, "SOUR1:FUNC:PULS:WIDT 1e-7", "SOUR1:FUNC:PULS:HOLD WIDT", "OUTP1 ON"),
    ],
)
@pytest.mark.parametrize("period", [":FREQ 1e5", ":FUNC:PULS:PER 1e-3"])
def test_the_width_may_go_with_the_period_where_somebody_may_hold_the_duty_cycle(
    judge, model, settings, width, hold, on, period
):
    it = judge(model)
    it(*settings, period, "SYST:ERR?")
    it.refuses(on, "pulse width")
    it(width, "SYST:ERR?", on)
    it.refuses(period, "pulse width")
    it(hold, "SYST:ERR?", period, "*TRG")


@pytest.mark.parametrize("model", ["keithley-2400", "keysight-b2901a"])
class TestLists:
    def test_a_list_or_sweep_that_somebody_else_may_have_left_is_not_started(self, judge, model):
        it = judge(model)
        it(*METER[model], ON[model])
        for start in (":INIT", ":READ?"):
            it.refuses(start, "does not know whether a list or a sweep would run")
        it(":SOUR:VOLT:MODE FIX", "SYST:ERR?", ":INIT", ":READ?")
        it(":SOUR:VOLT:MODE LIST")
        it.refuses(":INIT", "does not know the list")
        it(":SOUR:LIST:VOLT 0.1,0.2")
        it.refuses(":INIT", "does not know the list")
        it("SYST:ERR?", ":INIT", ":SOUR:VOLT:MODE SWE", "SYST:ERR?")
        it.refuses(":INIT", "does not know the source voltage")
        it(":SOUR:VOLT:STAR 0", ":SOUR:VOLT:STOP 0.2", "SYST:ERR?", ":INIT")

    def test_after_a_reset_nothing_runs_but_the_level(self, judge, model):
        it = judge(model)
        it("*RST", *METER[model], ON[model], ":INIT")


def test_a_list_that_somebody_else_may_have_left_is_not_started_in_lua(judge):
    it = judge("keithley-2602b")
    it(*METER["keithley-2602b"], ON["keithley-2602b"])
    it.refuses("smua.trigger.initiate()", "does not know whether a list or a sweep would run")
    it("smua.trigger.source.action = smua.ENABLE", "print(errorqueue.count)")
    it.refuses("smua.trigger.initiate()", "does not know the list")
    it("smua.trigger.source.listv({0.1, 0.2})", "print(errorqueue.count)", "smua.trigger.initiate()")
    it("smua.reset()", *METER["keithley-2602b"], ON["keithley-2602b"], "smua.trigger.initiate()")


def test_what_a_2400_never_refuses_keeps_nothing_from_being_reached(judge):
    it = judge("keithley-2400")
    it("status:queue:clear;*RST;:stat:pres;:*CLS;", *METER["keithley-2400"], ":OUTP ON", ":READ?")
    it("FORM:ELEM CURR;*RST", ":OUTP ON")
    it.refuses(":SOUR:FUNC CURR", "compliance voltage")


@pytest.mark.parametrize("lost", [":SYST:ERR?;*OPC?", ":STAT:QUE?", ":STAT:QUE:CLE", "SYST:ERR:CODE?", "*CLS"])
def test_an_error_that_nobody_saw_is_no_confirmation(judge, lost):
    it = judge("keithley-2400")
    it(*METER["keithley-2400"][:-1], lost, "SYST:ERR?")
    it.refuses(":OUTP ON", "first")
    it(*METER["keithley-2400"], ":SYST:ERR:COUN?", ":OUTP ON")


def test_an_error_that_nobody_saw_is_no_confirmation_in_lua(judge):
    it = judge("keithley-2602b")
    it(*METER["keithley-2602b"][:-1], "print(errorqueue.next(), 1)", "print(errorqueue.count)")
    it.refuses("smua.source.output = 1", "first")


@pytest.mark.parametrize("start", [":INIT (@1)", ":INIT:ACQ (@1)", ":MEAS? (@1)", ":READ? (@1)"])
def test_a_b2900_whose_output_a_start_switches_on_is_held_to_the_limits(judge, start):
    it = judge("keysight-b2901a")
    it("*RST", ":SENS1:CURR:PROT 1e-4", "SYST:ERR?", start)
    it.refuses(":SOUR1:FUNC:MODE CURR", "compliance voltage")
    it("OUTP OFF", ":SOUR1:FUNC:MODE CURR")


HEADERS = {
    "keithley-2450": {
        "levelv": ":SOUR:VOLT",
        "limiti": ":SOUR:VOLT:ILIM",
        "leveli": ":SOUR:CURR",
        "limitv": ":SOUR:CURR:VLIM",
    },
    "keithley-2400": {
        "levelv": ":SOUR:VOLT:LEV",
        "limiti": ":SENS:CURR:PROT",
        "leveli": ":SOUR:CURR",
        "limitv": "VOLT:PROT",
    },
    "keysight-b2901a": {
        "levelv": "VOLT",
        "limiti": ":SENS:CURR:PROT",
        "leveli": ":SOUR1:CURR:LEV",
        "limitv": ":SENS1:VOLT:PROT",
    },
}


@pytest.mark.parametrize(
    "message",
    [
        "x = smua",
        "smua.source.levelv = 5",
        "smua.source.levelv = x",
        "smua.source.levelv = 0.1 * 2",
        "for i = 1, 2 do smua.source.levelv = i end",
        "load('x')()",
        "smua['source'].levelv = 1",
        "smua.source.levelv = --0.1\n5",
        "smua.source.levelv = --0.1\nsmua.measure.v()",
        "loadandrunscript\nsmua.source.levelv = 5\nendscript",
        "print((function() end)())",
        "node[2].smua.source.levelv = 0.1",
        "smua.source.levelv, x = 0.1, 5",
        "smua.source.levelv = 0x7",
        "smua.trigger.source.linearv(0, 5, 10)",
        "smub.source.levelv = 5",
        "script.run()",
        "smua.source.levelv = [[5]]",
        "smua.source.output = 'x'",
        "makesetter(smua.source, 'levelv')",
        "print(loadstring('x'))",
        "smua.source.levelv = 0.1 smua.source.levelv = 9",
        "smua.source.levelv = 0.1 -- ok",
        "smua:reset()",
    ],
)
def test_tsp_says_what_a_level_will_be_or_is_not_sent(message, judge):
    judge("keithley-2602b").refuses(message)


@pytest.mark.parametrize(
    "message",
    [
        "print(smua.measure.i())",
        "smua.measure.nplc = 1; smua.measure.i(smua.nvbuffer1)",
        "format.data = format.REAL64 printbuffer(1, 2, smua.nvbuffer1)",
        "*IDN?",
        "display.settext('hi')",
        "smua.nvbuffer1.clear()",
        "waitcomplete()",
    ],
)
def test_tsp_that_touches_no_level_passes(message, judge):
    judge("keithley-2602b")(message)


def test_an_unknown_command_below_a_dangerous_path_is_refused(judge):
    it = judge("keithley-2450")
    it("FOO 1")
    it.refuses(":SOUR:VOLT:RANG 1;FOO 1", "not in the guard's table")


def test_a_burst_without_an_end_is_refused_whatever_its_energy():
    amplitude = Limit(quantity="pulse amplitude", low=0.1, high=2.5, unit="V", origin="a test")
    width = Limit(quantity="pulse width", low=2e-8, high=2e-6, unit="s", origin="a test")
    limits = burst_limits(amplitude, width, energy_j=math.inf, resistance_ohm=2000.0, place="a test")
    limits.check_burst(1e12, 2e-6, 2.5)
    with pytest.raises(LimitError, match="no end"):
        limits.check_burst(math.inf, 2e-8, 0.1)


def test_a_relative_header_that_could_be_read_in_two_ways_is_refused(judge):
    it = judge("keithley-2400")
    it(":SOUR:VOLT:LEV 0.1;RANG 2")
    # The path says SENSe:CURRent:PROTection, the root says CURRent:PROTection: another reading, another place.
    it.refuses(":SENS:VOLT:PROT 0.1;:SENS:VOLT:RANG 1;CURR:PROT 5")


def test_verdicts_on_questions_last_and_those_on_triggers_do_not(judge):
    it = judge("keysight-81160a")
    it(*PULSER, ":OUTP1 ON", "SYST:ERR?", "*TRG", "*TRG")
    assert it.screen.judge(b"*IDN?") is it.screen.judge(b"*IDN?")
    it(":BURS1:NCYC 1000", "SYST:ERR?")
    it.refuses("*TRG", "energy")
