"""The B2901A and B2902A twins: what goes out, what is read, what is refused."""

import math
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig

ALL_OFF = 2 + 16 + (2 + 16 << 6)


class Talk:
    """A bus to the meter of a bench whose first device is reached unless a test opens the path."""

    def __init__(self, model: str, interlock: str = "closed") -> None:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 100
        tables["wiring"]["devices"] = [10, 20]
        meter = {"model": model, "address": "GPIB0::1::INSTR", "serial": "MY0001", "interlock": interlock}
        tables["instrument"] = [meter]
        self.bench = SimulatedBench(BenchConfig.model_validate(tables))
        self.bench.wiring.close([(1, 2, 1)])
        self.conductance_s = self.bench.sample.conductance_s(10)
        (self.instrument,) = self.bench.instruments.values()

    def write(self, *messages: str) -> None:
        for message in messages:
            self.instrument.receive(message.encode(), has_end=True)

    def ask_raw(self, message: str) -> bytes:
        self.write(message)
        chunk = self.instrument.send(1 << 24, has_end=True)
        assert chunk is not None, f"no reply to {message!r}: {self.errors()}"
        return chunk.data

    def ask(self, message: str) -> str:
        return self.ask_raw(message).decode().removesuffix("\n")

    def numbers(self, message: str) -> list[float]:
        return [float(field) for field in self.ask(message).split(",")]

    def errors(self) -> list[int]:
        codes: list[int] = []
        while (code := int(self.ask("SYST:ERR?").split(",")[0])) != 0:
            codes.append(code)
        return codes

    @property
    def now_s(self) -> float:
        return self.bench.sample.clock.now_s


@pytest.fixture
def smu() -> Talk:
    return Talk("keysight-b2902a")


@pytest.fixture
def ready(smu: Talk) -> Talk:
    """A meter with 0.1 V on the device, wide enough a compliance, slow enough to be quiet."""
    smu.write("SENS:CURR:PROT 1E-3;:SENS:CURR:NPLC 1;:VOLT 0.1;:OUTP ON")
    assert smu.errors() == []
    return smu


# ---- identity, errors, defaults


@pytest.mark.parametrize(("model", "name"), [("keysight-b2901a", "B2901A"), ("keysight-b2902a", "B2902A")])
def test_identity(model: str, name: str):
    assert Talk(model).ask("*IDN?;*OPT?") == f"Keysight Technologies,{name},MY0001,3.4.2011.5100;0"


def test_errors_are_signed_and_come_one_by_one_or_all_at_once(smu: Talk):
    assert smu.ask("SYST:ERR?") == '+0,"No error"'
    smu.write("VOLT 300", "NONSENSE", "VOLT")
    assert smu.ask("SYST:ERR:COUN?") == "3"
    assert smu.ask("SYST:ERR:CODE?") == "-222"
    assert [text[:4] for text in smu.ask("SYST:ERR:ALL?").split('",')] == ["-113", "-109"]
    assert smu.ask("SYST:ERR:CODE:ALL?") == "+0"
    assert smu.ask("SYST:ERR:ALL?") == '+0,"No error"'


DEFAULTS = {
    "SOUR:FUNC:MODE?": "VOLT", "FUNC:SHAP?": "DC", "VOLT?": 0.0, "VOLT:TRIG?": 0.0, "VOLT:MODE?": "FIX",
    "VOLT:RANG:AUTO?": "1", "CURR?": 0.0, "SENS:CURR:PROT?": 1e-4, "SENS:VOLT:PROT?": 2.0, "SENS:CURR:RANG:AUTO?": "1",
    "SENS:CURR:NPLC?": 0.1, "SENS:CURR:APER?": 2e-3, "SENS:REM?": "0", "SENS:FUNC?": '"VOLT","CURR","RES"',
    "OUTP?": "0", "OUTP:OFF:MODE?": "NORM", "OUTP:ON:AUTO?": "1", "OUTP:OFF:AUTO?": "0", "OUTP:PROT?": "0",
    "OUTP:LOW?": "GRO", "PULS:WIDT?": 50e-6, "PULS:DEL?": 0.0, "LIST:VOLT?": "+0.000000E+00", "TRIG:ACQ:COUN?": "1",
    "TRIG:TRAN:SOUR?": "AINT", "TRIG:ACQ:TIM?": 2e-5, "ARM:ACQ:COUN?": "1", "FORM?": "ASC", "FORM:BORD?": "NORM",
    "FORM:ELEM:SENS?": "VOLT,CURR,RES,TIME,STAT,SOUR", "TRAC:POIN?": "100000", "TRAC:FEED:CONT?": "NEV",
}  # fmt: skip

CHANGES = (
    "FUNC:MODE CURR;:FUNC:SHAP PULS;:VOLT:MODE LIST;:VOLT:RANG 20;:SENS:CURR:PROT 1E-2;:SENS:VOLT:PROT 1;:CURR 1E-3;"
    ":SENS:CURR:RANG 1E-3;:SENS:CURR:NPLC 1;:SENS:REM ON;:SENS:FUNC:OFF \"RES\";:OUTP:LOW FLO;:OUTP ON;"
    ":OUTP:OFF:MODE HIZ;:OUTP:ON:AUTO OFF;:OUTP:OFF:AUTO ON;:PULS:WIDT 1E-3;:PULS:DEL 1E-3;:LIST:VOLT 1,2;"
    ":TRIG:COUN 7;:TRIG:SOUR BUS;:TRIG:TIM 1;:ARM:COUN 3;:FORM REAL,64;:FORM:BORD SWAP;:FORM:ELEM:SENS CURR;"
    ":TRAC:POIN 10;:TRAC:FEED:CONT NEXT;:VOLT:TRIG 0.5;:SYST:LFR 60"
)  # fmt: skip


@pytest.mark.parametrize("reset", ["*RST", "SYST:PRES"])
def test_a_reset_restores_every_default_but_not_the_mains(smu: Talk, reset: str):
    smu.write(CHANGES)
    assert smu.errors() == []
    changed = [query for query, default in DEFAULTS.items() if not _shows(smu.ask(query), default)]
    assert len(changed) >= 28
    smu.write(reset)
    assert [
        query for query, default in DEFAULTS.items() if not _shows(smu.ask(query), default) and "APER" not in query
    ] == []
    assert smu.ask("SYST:LFR?") == "60"
    assert float(smu.ask("SENS:CURR:APER?")) == pytest.approx(0.1 / 60)


def _shows(reply: str, wanted: str | float) -> bool:
    return reply == wanted if isinstance(wanted, str) else float(reply) == wanted


def test_long_and_short_forms_and_optional_words(smu: Talk):
    smu.write(":SOURce1:VOLTage:LEVel:IMMediate:AMPLitude 100 MV")
    assert smu.ask("VOLT?") == smu.ask(":sour:volt?") == smu.ask(":SOUR1:VOLT:LEV?") == "1.000000000E-01"
    assert smu.ask("VOLT? MAX") == "2.100000000E+02"
    assert smu.errors() == []


# ---- source and meter


def test_ohms_law_on_the_first_channel(ready: Talk):
    voltage, current, resistance, time_s, status, source = ready.numbers("MEAS? (@1)")
    assert voltage == pytest.approx(0.1, rel=1e-4)
    assert current == pytest.approx(0.1 * ready.conductance_s, rel=1e-3)
    assert resistance == pytest.approx(voltage / current, rel=1e-5)
    assert (status, source) == (0, 0.1)
    assert time_s >= 0
    assert ready.numbers("MEAS:CURR? (@1)")[0] == pytest.approx(current, rel=1e-3)
    assert ready.numbers("MEAS:RES?")[0] == pytest.approx(resistance, rel=1e-3)


def test_a_current_source(ready: Talk):
    ready.write("FUNC:MODE CURR;:CURR 2E-5;:SENS:VOLT:PROT 1")
    voltage, current, _, _, status, source = ready.numbers("MEAS?")
    assert voltage == pytest.approx(2e-5 / ready.conductance_s, rel=1e-3)
    assert (current, status, source) == (pytest.approx(2e-5, rel=1e-3), 1, 2e-5)
    ready.write("SENS:VOLT:PROT 5E-2")
    assert ready.numbers("MEAS:VOLT?")[0] == pytest.approx(0.05, rel=1e-3)
    assert ready.ask("SENS:VOLT:PROT:TRIP?;:SENS:CURR:PROT:TRIP?") == "1;0"
    assert int(ready.numbers("FETC:STAT?")[0]) & 6


def test_compliance_holds_the_current_and_says_so(ready: Talk):
    assert ready.ask("SENS:CURR:PROT:TRIP?") == "0"
    ready.write("SENS:CURR:PROT 1E-6")
    voltage, current, _, _, status, _ = ready.numbers("MEAS?")
    assert current == pytest.approx(1e-6, rel=1e-3)
    assert voltage == pytest.approx(1e-6 / ready.conductance_s, rel=1e-2)
    assert int(status) & 6
    assert ready.ask("SENS:CURR:PROT:TRIP?") == "1"
    ready.write("OUTP OFF")
    assert ready.ask("SENS:CURR:PROT:TRIP?") == "0"


def test_the_protection_switches_a_held_output_off(ready: Talk):
    ready.write("OUTP:PROT ON")
    assert ready.ask("OUTP?") == "1"
    ready.write("SENS:CURR:PROT 1E-6")
    assert ready.ask("OUTP?") == "0"
    ready.write("OUTP ON")
    assert ready.ask("OUTP?") == "0"


def test_the_protection_opens_the_output_within_a_sweep(ready: Talk):
    ready.write("OUTP:PROT ON;:SENS:CURR:PROT 5E-5;:VOLT:MODE LIST;:LIST:VOLT 0.1,0.3,0.1;:TRIG:COUN 3;:INIT")
    currents = ready.numbers("FETC:ARR:CURR?")
    assert currents[:2] == pytest.approx([0.1 * ready.conductance_s, 5e-5], rel=1e-2)
    assert abs(currents[2]) < 1e-8
    assert ready.ask("OUTP?") == "0"


@pytest.mark.parametrize("spoil", ["OUTP OFF", "open path"])
def test_without_a_load_or_an_output_only_noise_is_read(ready: Talk, spoil: str):
    if spoil == "OUTP OFF":
        ready.write(spoil)
    else:
        ready.bench.wiring.open([(1, 2, 1)])
    current = ready.numbers("MEAS:CURR?")[0]
    assert 0 < abs(current) < 1e-10


def test_the_second_channel_is_an_open_circuit_of_its_own(ready: Talk):
    ready.write("SOUR2:VOLT 0.2;:SENS2:CURR:PROT 1E-3;:OUTP2 ON")
    assert ready.ask("OUTP?;:OUTP2?;:VOLT?;:SOUR2:VOLT?") == "1;1;1.000000000E-01;2.000000000E-01"
    ready.write("FORM:ELEM:SENS CURR,SOUR")
    first, source, second, source2 = ready.numbers("MEAS? (@1,2)")
    assert first == pytest.approx(0.1 * ready.conductance_s, rel=1e-3)
    assert abs(second) < 1e-9
    assert (source, source2) == (0.1, 0.2)


def test_a_one_channel_model_has_no_second_channel():
    smu = Talk("keysight-b2901a")
    smu.write("SOUR2:VOLT 1", "OUTP2 ON", "INIT (@2)", "MEAS? (@1,2)")
    assert smu.errors() == [-114, -114, -222, -222]
    assert smu.ask("OUTP?") == "0"


@pytest.mark.parametrize(
    ("text", "code"), [("(@3)", -171), ("(@)", -171), ("1", -104), ("(1)", -104), ("(@1,1)", -171)]
)
def test_what_is_no_channel_list(smu: Talk, text: str, code: int):
    smu.write(f"INIT {text}")
    assert smu.errors() == [code]


@pytest.mark.parametrize("text", ["(@1:2)", "(@2,1)", "(@2:1)", "(@ 1 , 2)"])
def test_channel_lists_answer_in_rising_order(ready: Talk, text: str):
    ready.write("FORM:ELEM:SENS SOUR")
    assert ready.numbers(f"MEAS? {text}") == [0.1, 0.0]


# ---- limits


@pytest.mark.parametrize("setup", ["VOLT 6.1;:SENS:CURR:PROT {}", "SENS:CURR:PROT {};:VOLT 6.1"])
def test_more_volts_allow_fewer_amperes_in_either_order(smu: Talk, setup: str):
    smu.write(setup.format(1.515))
    assert smu.errors() == []
    smu.write("*RST", setup.format(1.6))
    assert smu.errors() == [-221]
    assert float(smu.ask("VOLT?")) * float(smu.ask("SENS:CURR:PROT?")) < 6.1 * 1.515


@pytest.mark.parametrize(("volts", "amperes", "is_allowed"), [
    (6, 3.03, True), (21, 1.515, True), (21.5, 0.105, True), (210, 0.105, True), (21.5, 0.11, False), (6, 3.1, False),
])  # fmt: skip
def test_the_envelope_of_direct_current(smu: Talk, volts: float, amperes: float, is_allowed: bool):
    smu.write(f"SENS:CURR:PROT {amperes};:VOLT {volts}")
    assert (smu.errors() == []) is is_allowed


def test_pulses_may_carry_more(smu: Talk):
    smu.write("FUNC:SHAP PULS;:SENS:CURR:PROT 10", "FUNC:SHAP DC")
    assert smu.errors() == [-221]
    assert smu.ask("FUNC:SHAP?") == "PULS"


@pytest.mark.parametrize(
    "refused", ["VOLT 43", "VOLT -43", "LIST:VOLT 1,43", "VOLT:STOP 43;:VOLT:MODE SWE;:VOLT:POIN 3;:TRIG:COUN 3;:INIT"]
)
def test_an_open_interlock_forbids_high_voltage(refused: str):
    smu = Talk("keysight-b2902a", interlock="open")
    assert smu.ask("SYST:INT:TRIP?") == "1"
    smu.write("VOLT 42", refused)
    assert smu.errors() == [201]
    assert float(smu.ask("VOLT?")) == 42
    assert int(smu.ask("STAT:QUES:COND?")) & 1024
    closed = Talk("keysight-b2902a")
    closed.write(refused)
    assert closed.errors() == []
    assert closed.ask("SYST:INT:TRIP?") == "0"


def test_an_open_interlock_forbids_a_high_compliance_of_a_current_source():
    smu = Talk("keysight-b2902a", interlock="open")
    smu.write("FUNC:MODE CURR;:SENS:VOLT:PROT 43")
    assert smu.errors() == [201]


@pytest.mark.parametrize("refused", [
    "VOLT 211", "VOLT -211", "SENS:CURR:PROT 11", "SENS:CURR:PROT 0", "PULS:WIDT 49E-6", "TRIG:ALL:COUN 0",
    "TRIG:ALL:COUN 100001", "TRIG:ALL:TIM 1E-5", "SENS:CURR:NPLC 0", "SENS:CURR:APER 3",
])  # fmt: skip
def test_values_out_of_range_change_nothing(smu: Talk, refused: str):
    smu.write("VOLT 1", refused)
    assert smu.errors() == [-222]
    assert float(smu.ask("VOLT?")) == 1
    assert float(smu.ask("SENS:CURR:PROT?")) == 1e-4


def test_a_level_must_fit_a_fixed_range(smu: Talk):
    smu.write("VOLT:RANG 2", "VOLT 2.2")
    assert smu.errors() == [-222]
    smu.write("VOLT 2", "VOLT:RANG 0.2")
    assert smu.errors() == [-221]
    smu.write("VOLT:MODE LIST;:LIST:VOLT 3;:INIT")
    assert smu.errors() == [-221]
    assert smu.ask("VOLT:RANG?;RANG:AUTO?") == "2.000000000E+00;0"
    smu.write("VOLT:RANG:AUTO ON;:VOLT 2.2")
    assert smu.ask("VOLT:RANG?") == "2.000000000E+01"


def test_levels_and_pulses_have_a_resolution(smu: Talk):
    smu.write("VOLT 0.1234567;:PULS:WIDT 50.4E-6")
    assert float(smu.ask("VOLT?")) == 0.123457
    assert float(smu.ask("PULS:WIDT?")) == 50e-6


def test_a_fixed_measuring_range_overflows(ready: Talk):
    ready.write("SENS:CURR:RANG 1E-6")
    assert ready.ask("MEAS:CURR?") == "+9.900000E+37"
    assert int(ready.numbers("FETC:STAT?")[0]) & 8192
    assert int(ready.ask("STAT:MEAS:COND?")) & 4


def test_noise_falls_with_the_aperture_and_costs_time(ready: Talk):
    def run(nplc: float) -> tuple[float, float]:
        began_s = ready.now_s
        ready.write(f"SENS:CURR:NPLC {nplc};:TRIG:ACQ:COUN 400;:INIT:ACQ")
        return float(np.std(ready.numbers("FETC:ARR:CURR?"))), ready.now_s - began_s

    (noise, took_s), (quieter, longer_s) = run(0.1), run(10)
    assert noise / quieter == pytest.approx(10, rel=0.25)  # each deviation is good to 3.5 %
    assert took_s == pytest.approx(400 * (2e-3 + 20e-6))
    assert longer_s == pytest.approx(400 * (0.2 + 20e-6))


# ---- lists, sweeps, triggers


def test_a_list_by_the_timer(ready: Talk):
    ready.write("VOLT:MODE LIST;:LIST:VOLT 0.1,0.2;:LIST:VOLT:APP -0.1;:TRIG:ALL:SOUR TIM;TIM 0.05;COUN 3")
    assert ready.ask("LIST:VOLT:POIN?;:LIST:VOLT?") == "3;+1.000000E-01,+2.000000E-01,-1.000000E-01"
    began_s = ready.now_s
    ready.write("INIT (@1)")
    assert ready.now_s - began_s == pytest.approx(0.15)
    assert ready.numbers("FETC:ARR:SOUR?") == [0.1, 0.2, -0.1]
    assert ready.numbers("FETC:ARR:CURR?") == pytest.approx(
        [v * ready.conductance_s for v in (0.1, 0.2, -0.1)], rel=1e-3
    )
    assert np.diff(ready.numbers("FETC:ARR:TIME?")) == pytest.approx([0.05, 0.05])
    assert ready.numbers("FETC:SOUR?") == [-0.1]
    assert float(ready.ask("VOLT?")) == 0.1
    assert ready.errors() == []


def test_a_list_goes_round_when_the_trigger_counts_further(ready: Talk):
    ready.write("VOLT:MODE LIST;:LIST:VOLT 0.1,0.2;:TRIG:COUN 5;:INIT;:FORM:ELEM:SENS SOUR")
    assert ready.numbers("FETC:ARR?") == [0.1, 0.2, 0.1, 0.2, 0.1]


@pytest.mark.parametrize(("setup", "levels"), [
    ("VOLT:STAR 0;STOP 0.4;POIN 3", [0, 0.2, 0.4]),
    ("VOLT:STAR 0;STOP 0.4;STEP 0.2", [0, 0.2, 0.4]),
    ("VOLT:STAR 0;STOP 0.4;POIN 3;:SWE:DIR DOWN", [0.4, 0.2, 0]),
    ("VOLT:STAR 0;STOP 0.4;POIN 3;:SWE:STA DOUB", [0, 0.2, 0.4, 0.4, 0.2, 0]),
    ("VOLT:STAR 0.01;STOP 1;POIN 3;:SWE:SPAC LOG", [0.01, 0.1, 1]),
])  # fmt: skip
def test_sweeps(ready: Talk, setup: str, levels: list[float]):
    ready.write(f"{setup};:VOLT:MODE SWE;:TRIG:COUN {len(levels)};:INIT")
    assert ready.numbers("FETC:ARR:SOUR?") == pytest.approx(levels)


def test_a_logarithmic_sweep_through_zero_is_refused(ready: Talk):
    ready.write("VOLT:STAR -1;STOP 1;POIN 3;MODE SWE;:SWE:SPAC LOG;:INIT")
    assert ready.errors() == [-221]


def test_a_triggered_level_holds_for_the_trigger(ready: Talk):
    ready.write("VOLT:TRIG 0.2;:TRIG:COUN 2;:INIT")
    assert ready.numbers("FETC:ARR:SOUR?") == [0.2, 0.2]
    assert float(ready.ask("VOLT?")) == 0.1
    ready.write("FUNC:TRIG:CONT ON;:INIT")
    assert float(ready.ask("VOLT?")) == 0.2


def test_initiating_the_meter_alone_leaves_the_source_where_it_is(ready: Talk):
    ready.write("VOLT:MODE LIST;:LIST:VOLT 0.3,0.4;:TRIG:COUN 2;:INIT:ACQ (@1)")
    assert ready.numbers("FETC:ARR:SOUR?") == [0.1, 0.1]


def test_a_list_has_at_most_2500_levels(smu: Talk):
    smu.write("LIST:VOLT " + ",".join(["0.1"] * 2501))
    assert smu.errors() == [-223]
    smu.write("LIST:VOLT " + ",".join(["0.1"] * 2500), "LIST:VOLT:APP 1")
    assert smu.errors() == [-223]
    assert smu.ask("LIST:VOLT:POIN?") == "2500"


def test_both_layers_count_and_a_hundred_thousand_readings_are_kept(ready: Talk):
    ready.write("ARM:COUN 3;:TRIG:COUN 4;:INIT")
    assert len(ready.numbers("FETC:ARR:CURR?")) == 12
    ready.write("ARM:COUN 1000;:TRIG:COUN 1000", "INIT")
    assert ready.errors() == [-221]


def test_settings_of_both_actions_cannot_be_asked_for(smu: Talk):
    smu.write("TRIG:ALL:COUN 5")
    assert smu.ask("TRIG:ACQ:COUN?;:TRIG:TRAN:COUN?") == "5;5"
    smu.write("TRIG:ALL:COUN?")
    assert smu.errors() == [-113]


def test_each_bus_trigger_starts_a_step(ready: Talk):
    ready.write("TRIG:SOUR BUS;:TRIG:COUN 2;:INIT")
    assert ready.ask("FETC:ARR:CURR?") == "+9.910000E+37"
    assert int(ready.ask("STAT:OPER:COND?")) & (2 + 16) == 0
    assert ready.ask("IDLE?") == "0"
    ready.write("*TRG")
    assert len(ready.numbers("FETC:ARR:CURR?")) == 1
    ready.write("*TRG")
    assert len(ready.numbers("FETC:ARR:CURR?")) == 2
    assert int(ready.ask("STAT:OPER:COND?")) == ALL_OFF
    ready.write("*TRG")
    assert ready.errors() == [-211]


def test_a_bus_trigger_of_the_arm_layer_starts_all_steps_of_the_trigger_layer(ready: Talk):
    ready.write("ARM:SOUR BUS;:ARM:COUN 2;:TRIG:COUN 3;:INIT")
    ready.instrument.trigger()
    assert len(ready.numbers("FETC:ARR:CURR?")) == 3
    ready.instrument.trigger()
    assert len(ready.numbers("FETC:ARR:CURR?")) == 6


def test_what_waits_can_be_forced_or_aborted(ready: Talk):
    ready.write("TRIG:SOUR EXT1;:TRIG:COUN 2;:INIT", "*TRG")
    assert ready.errors() == [-211]
    ready.write("TRIG (@1)")
    assert len(ready.numbers("FETC:ARR:CURR?")) == 1
    ready.write("INIT", "MEAS?")
    assert ready.errors() == [-213, -213]
    ready.write("ABOR:ALL (@1)")
    assert ready.ask("IDLE?") == "1"
    assert len(ready.numbers("MEAS:CURR?")) == 1


def test_a_spot_measurement_replaces_the_trigger_settings(ready: Talk):
    ready.write("TRIG:COUN 5")
    ready.ask("MEAS?")
    assert ready.ask("TRIG:ACQ:COUN?") == "1"


def test_initiating_switches_the_output_on_unless_told_otherwise(smu: Talk):
    smu.write("OUTP:ON:AUTO OFF;:INIT")
    assert smu.ask("OUTP?") == "0"
    smu.write("OUTP:ON:AUTO ON;:OUTP:OFF:AUTO OFF;:INIT")
    assert smu.ask("OUTP?") == "1"
    smu.write("OUTP:OFF:AUTO ON;:INIT")
    assert smu.ask("OUTP?") == "0"


def test_pulses_must_fit_their_period(ready: Talk):
    ready.write("FUNC:SHAP PULS;:PULS:WIDT 1E-3;:PULS:DEL 1E-3;:TRIG:SOUR TIM;TIM 1.9E-3;COUN 2", "INIT")
    assert ready.errors() == [-221]
    ready.write("TRIG:TIM 2E-2;:VOLT:TRIG 0.2;:INIT")
    assert ready.errors() == []
    assert ready.numbers("FETC:ARR:CURR?") == pytest.approx([0.2 * ready.conductance_s] * 2, rel=1e-3)


def test_a_timer_faster_than_the_meter_loses_triggers(ready: Talk):
    ready.write("TRIG:SOUR TIM;TIM 1E-3;COUN 5;:INIT")
    assert int(ready.ask("STAT:QUES:COND?")) & 4096
    ready.write("TRIG:TIM 0.1;:INIT")
    assert ready.ask("STAT:QUES:COND?") == "0"


# ---- formats and buffers


@pytest.mark.parametrize(
    ("form", "order", "kind"),
    [("64", "NORM", ">f8"), ("64", "SWAP", "<f8"), ("32", "NORM", ">f4"), ("32", "SWAP", "<f4")],
)
def test_binary_readings_are_definite_blocks(ready: Talk, form: str, order: str, kind: str):
    ready.write(f"FORM REAL,{form};:FORM:BORD {order};:FORM:ELEM:SENS SOUR,CURR;:TRIG:COUN 3;:INIT")
    assert ready.ask("FORM?") == f"REAL,{form}"
    reply = ready.ask_raw("FETC:ARR? (@1)")
    size = 6 * int(form) // 8
    assert reply[:4] == b"#2%d" % size
    assert reply[-1:] == b"\n"
    values = np.frombuffer(reply[4:-1], kind).reshape(3, 2)
    assert values[:, 0] == pytest.approx(0.1 * ready.conductance_s, rel=1e-3)
    assert values[:, 1] == pytest.approx(0.1)


def test_no_data_is_not_a_number(smu: Talk):
    assert smu.ask("FETC:ARR:CURR?") == "+9.910000E+37"
    smu.write("FORM REAL,64")
    assert math.isnan(np.frombuffer(smu.ask_raw("FETC:CURR?")[3:-1], ">f8")[0])


def test_a_function_that_is_off_gives_no_data(ready: Talk):
    ready.write('SENS:FUNC:OFF:ALL;:SENS:FUNC "CURR"')
    assert ready.ask("SENS:FUNC?;:SENS:FUNC:COUN?") == '"CURR";1'
    assert ready.ask("MEAS:VOLT?") == "+9.910000E+37"
    assert abs(ready.numbers("FETC:CURR?")[0]) < 1e-3
    ready.write('SENS:FUNC "VOLT","RES"')
    assert ready.ask("SENS:FUNC?") == '"VOLT","CURR","RES"'


def test_channels_of_different_lengths_stand_side_by_side(ready: Talk):
    ready.write("SENS2:CURR:PROT 1E-3;:SOUR2:VOLT 0.2;:FORM:ELEM:SENS SOUR;:TRIG:COUN 3;:TRIG2:COUN 2;:INIT (@1,2)")
    assert ready.ask("FETC:ARR? (@1,2)").split(",") == [
        "+1.000000E-01", "+2.000000E-01", "+1.000000E-01", "+2.000000E-01", "+1.000000E-01", "+9.910000E+37",
    ]  # fmt: skip


def test_sense_data_can_be_read_in_parts(ready: Talk):
    ready.write("VOLT:MODE LIST;:LIST:VOLT 0.1,0.2,0.3,0.4;:TRIG:COUN 4;:INIT;:FORM:ELEM:SENS SOUR")
    assert ready.numbers("SENS:DATA? 1,2") == [0.2, 0.3]
    assert ready.numbers("SENS:DATA:LAT?") == [0.4]
    ready.write("SENS:DATA:CLE")
    assert ready.ask("SENS:DATA?") == "+9.910000E+37"


def test_the_trace_buffer_outlives_an_initiate(ready: Talk):
    ready.write("TRAC:POIN 3;:TRAC:FEED SENS;:TRAC:FEED:CONT NEXT;:FORM:ELEM:SENS SOUR;:TRIG:COUN 2", "INIT")
    assert ready.ask("TRAC:POIN:ACT?;:TRAC:FREE?;:TRAC:FEED:CONT?") == "2;1,3;NEXT"
    assert int(ready.ask("STAT:MEAS:COND?")) & (8 + 16) == 8
    ready.write("TRAC:POIN 5")
    assert ready.errors() == [-221]
    ready.write("VOLT 0.4", "INIT")
    assert ready.numbers("TRAC:DATA?") == [0.1, 0.1, 0.4]
    assert ready.ask("TRAC:FEED:CONT?") == "NEV"
    assert int(ready.ask("STAT:MEAS:COND?")) & (8 + 16) == 8 + 16
    assert ready.numbers("TRAC:STAT:DATA?") == pytest.approx([0.2])
    ready.write("TRAC:STAT:FORM MAX")
    assert ready.numbers("TRAC:STAT:DATA?") == [0.4]
    assert ready.numbers("TRAC:DATA? 2") == [0.4]
    ready.write("TRAC:CLE")
    assert ready.ask("TRAC:DATA?") == "+9.910000E+37"


def test_trace_times_count_from_the_first_or_from_the_one_before(ready: Talk):
    ready.write("TRAC:FEED:CONT NEXT;:FORM:ELEM:SENS TIME;:TRIG:SOUR TIM;TIM 0.1;COUN 3;:INIT")
    assert ready.numbers("TRAC:DATA?") == pytest.approx([0, 0.1, 0.2])
    ready.write("TRAC:TST:FORM DELT")
    assert ready.numbers("TRAC:DATA?") == pytest.approx([0, 0.1, 0.1])


# ---- system


def test_an_enabled_register_shows_in_the_status_byte(smu: Talk):
    smu.write("STAT:OPER:ENAB 2;:STAT:OPER:PTR 0;NTR 2")
    smu.ask("STAT:OPER?")
    assert int(smu.ask("*STB?")) & 128 == 0
    smu.write("TRIG:SOUR BUS;:INIT")
    assert int(smu.ask("*STB?")) & 128
    smu.write("*CLS")
    assert int(smu.ask("*STB?")) & 128 == 0
    smu.write("STAT:PRES")
    assert smu.ask("STAT:OPER:ENAB?") == "0"


def test_locks_beep_display_and_line_frequency(smu: Talk):
    assert smu.ask("SYST:LOCK:REQ?") == "1"
    smu.write("SYST:LOCK:REL", "SYST:BEEP 440,0.1;:SYST:BEEP:STAT OFF;:DISP:ENAB OFF", "OUTP:HCAP ON;FILT OFF")
    assert smu.ask("SYST:BEEP:STAT?;:DISP:ENAB?;:OUTP:HCAP?;FILT?") == "0;0;1;0"
    smu.write("SYST:LFR 55")
    assert smu.errors() == [-224]


def test_the_low_terminal_is_not_switched_with_the_output_on(ready: Talk):
    ready.write("OUTP:LOW FLO")
    assert ready.errors() == [211]
    ready.write("OUTP OFF;:OUTP:LOW FLO")
    assert ready.ask("OUTP:LOW?") == "FLO"


def test_only_the_first_channel_makes_relays_switch_hot(smu: Talk):
    smu.write("OUTP2 ON")
    smu.bench.wiring.open([(1, 2, 1)])
    assert smu.bench.wiring.hot_switches == []
    smu.write("OUTP ON")
    smu.bench.wiring.close([(1, 2, 1)])
    (event,) = smu.bench.wiring.hot_switches
    assert event.live == ("keysight-b2902a MY0001",)
    smu.write("*RST")
    smu.bench.wiring.open([(1, 2, 1)])
    assert len(smu.bench.wiring.hot_switches) == 1
