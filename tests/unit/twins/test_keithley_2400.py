"""The 2400 twin: what goes out, what is read, what is refused."""

import math
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig

OVERFLOW, FRONT, COMPLIANCE = 1, 4, 8
FULL = 512


class Talk:
    """A bus to the meter of a bench whose first device is reached."""

    def __init__(self, interlock: str = "closed") -> None:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 100
        tables["wiring"]["devices"] = [10, 20]
        meter = {"model": "keithley-2400", "address": "GPIB0::24::INSTR", "serial": "12", "interlock": interlock}
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
    return Talk()


@pytest.fixture
def ready(smu: Talk) -> Talk:
    """A meter with 0.1 V on the device and a compliance that is wide enough."""
    smu.write(":SENS:CURR:PROT 1E-3;:SOUR:VOLT 0.1;:OUTP ON")
    return smu


# ---- sources and meters


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (":SOUR:FUNC?", "VOLT"),
        (":SENS:FUNC?", '"CURR:DC"'),
        (":SENS:FUNC:CONC?", "1"),
        (":SOUR:VOLT?", "+0.000000E+00"),
        (":SOUR:VOLT:RANG?", "+2.100000E+01"),
        (":SENS:CURR:PROT?", "+1.050000E-04"),
        (":SENS:VOLT:PROT?", "+2.100000E+01"),
        (":SENS:CURR:RANG?", "+1.050000E-04"),
        (":SENS:CURR:RANG:AUTO?", "1"),
        (":SENS:VOLT:NPLC?", "+1.000000E+00"),
        (":SYST:RSEN?", "0"),
        (":SYST:AZER:STAT?", "1"),
        (":OUTP?", "0"),
        (":OUTP:SMOD?", "NORM"),
        (":SOUR:CLE:AUTO?", "0"),
        (":ROUT:TERM?", "FRON"),
        (":FORM:ELEM?", "VOLT,CURR,RES,TIME,STAT"),
        (":FORM:DATA?", "ASC"),
        (":FORM:BORD?", "NORM"),
        (":TRIG:COUN?", "1"),
        (":ARM:SOUR?", "IMM"),
        (":SOUR:VOLT:MODE?", "FIX"),
    ],
)
def test_reset_restores_the_defaults(smu: Talk, query: str, answer: str):
    smu.write(
        ":SOUR:CLE:AUTO ON;:SYST:RSEN ON;:SYST:AZER OFF;:OUTP:SMOD HIMP;:SENS:FUNC:CONC OFF;:SENS:FUNC 'RES'",
        ":SENS:CURR:PROT 1E-2;:SENS:CURR:RANG 1E-3;:SENS:VOLT:PROT 10;:SENS:CURR:NPLC 5;:SOUR:VOLT:RANG 2",
        ":SOUR:VOLT 1;:SOUR:VOLT:MODE LIST;:ARM:SOUR BUS;:TRIG:COUN 4;:FORM:ELEM CURR;:FORM:DATA SRE;BORD SWAP",
        ":ROUT:TERM REAR;:SOUR:FUNC CURR;:OUTP ON",
    )
    assert smu.errors() == []
    assert smu.ask(query) != answer
    smu.write("*RST")
    assert smu.ask(query) == answer


def test_all_functions_are_measured_at_once(ready: Talk):
    ready.write(":SENS:FUNC:ALL;:SENS:CURR:NPLC 10")
    before_s = ready.now_s
    volts, amperes, ohms, time_s, status = ready.numbers(":READ?")
    assert ready.now_s - before_s == pytest.approx(3 * 10 / 50)
    assert volts == pytest.approx(0.1, rel=1e-4)
    assert amperes == pytest.approx(0.1 * ready.conductance_s, rel=1e-4)
    assert ohms == pytest.approx(1 / ready.conductance_s, rel=1e-4)
    assert time_s == pytest.approx(ready.now_s)
    assert int(status) == FRONT | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14


def test_what_is_not_measured_is_the_source_or_nothing(ready: Talk):
    volts, _, ohms, _, status = ready.numbers(":READ?")
    assert (volts, ohms) == (0.1, 9.91e37)
    assert int(status) == FRONT | 1 << 12 | 1 << 14
    ready.write(":SENS:FUNC:OFF 'CURR';:SENS:FUNC 'VOLT'")
    assert ready.ask(":SENS:FUNC?;FUNC:OFF?") == '"VOLT:DC";"CURR:DC","RES"'
    assert ready.numbers(":READ?")[1] == 9.91e37


def test_one_function_at_a_time_where_they_are_not_concurrent(smu: Talk):
    smu.write(":SENS:FUNC:CONC OFF;:SENS:FUNC 'VOLT'")
    assert smu.ask(":SENS:FUNC?;FUNC:COUN?") == '"VOLT:DC";1'
    smu.write(":SENS:FUNC 'VOLT','CURR'")
    assert smu.errors() == [-221]


def test_noise_falls_with_integration_time_and_costs_it(ready: Talk):
    ready.write(":FORM:ELEM CURR;:TRIG:COUN 400")
    spread = []
    for cycles in ("0.1", "10"):
        before_s = ready.now_s
        spread.append(np.std(ready.numbers(f":SENS:CURR:NPLC {cycles};:READ?")))
        assert ready.now_s - before_s == pytest.approx(400 * float(cycles) / 50)
    # 400 readings give a standard deviation to 3.5 %; 6 standard errors of the ratio are 30 %.
    assert spread[0] / spread[1] == pytest.approx(10, rel=0.3)


def test_compliance_holds_the_current_and_says_so(ready: Talk):
    ready.write(":SENS:CURR:PROT 1E-5;*CLS;:STAT:MEAS:ENAB 16384;*SRE 1")
    row = ready.numbers(":READ?")
    assert row[1] == pytest.approx(1e-5, rel=1e-3)
    assert int(row[4]) & COMPLIANCE
    assert ready.ask(":SENS:CURR:PROT:TRIP?;:SENS:VOLT:PROT:TRIP?") == "1;0"
    assert ready.instrument.poll() & 65 == 65
    assert int(ready.ask(":STAT:MEAS?")) & 16384
    assert int(ready.ask("*STB?")) & 65 == 0


def test_a_reading_beyond_a_fixed_range_is_an_overflow(ready: Talk):
    ready.write(":SENS:CURR:RANG 1E-6;*CLS")
    row = ready.numbers(":READ?")
    assert row[1] == 9.9e37
    assert int(row[4]) & (OVERFLOW | COMPLIANCE | 1 << 16) == OVERFLOW | 1 << 16
    assert int(ready.ask(":STAT:MEAS?")) & 128


def test_a_current_source_and_its_compliance(smu: Talk):
    smu.write(":SOUR:FUNC CURR;:SENS:FUNC 'VOLT';:SOUR:CURR 1E-4;:SENS:VOLT:PROT 1;:OUTP ON;:FORM:ELEM VOLT,STAT")
    volts, status = smu.numbers(":READ?")
    assert volts == pytest.approx(1e-4 / smu.conductance_s, rel=1e-3)
    assert int(status) & (COMPLIANCE | 1 << 15) == 1 << 15
    smu.write(":SENS:VOLT:PROT 0.25")
    volts, status = smu.numbers(":READ?")
    assert volts == pytest.approx(0.25, rel=1e-3)
    assert int(status) & COMPLIANCE
    smu.write(":SENS:VOLT:PROT 1;:SOUR:VOLT:PROT 0.2")
    assert smu.numbers(":READ?")[0] == pytest.approx(0.2, rel=1e-3)
    assert smu.ask(":SOUR:VOLT:PROT:TRIP?") == "1"


def test_nothing_is_read_with_the_output_off_unless_it_switches_itself(smu: Talk):
    smu.write(":READ?")
    assert smu.errors() == [803]
    smu.write(":INIT")
    assert smu.errors() == [803]
    smu.write(":SOUR:CLE:AUTO ON;:SOUR:VOLT 0.1;:SENS:CURR:PROT 1E-3")
    assert smu.numbers(":READ?")[1] == pytest.approx(0.1 * smu.conductance_s, rel=1e-3)
    assert smu.ask(":OUTP?") == "0"


def test_the_output_enable_line_blocks_the_output_where_it_is_obeyed():
    smu = Talk(interlock="open")
    assert smu.ask(":OUTP:ENAB:TRIP?") == "0"
    smu.write(":OUTP ON")
    assert smu.ask(":OUTP?") == "1"
    smu.write(":OUTP OFF;:OUTP:ENAB ON;:OUTP ON")
    assert smu.errors() == [802]
    assert smu.ask(":OUTP?") == "0"


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":SOUR:VOLT 211", -222),
        (":SOUR:VOLT:RANG 2;:SOUR:VOLT 3", -222),
        (":SENS:CURR:RANG 1", 824),
        (":SENS:CURR:RANG 1E-4;PROT 1E-8", 822),
        (":SENS:CURR:PROT 1;:SOUR:VOLT 22", 826),
        (":SOUR:VOLT 22;:SENS:CURR:PROT 1", 826),
        (":SENS:CURR:NPLC 11", -222),
        (":SENS:FUNC 'TEMP'", -224),
        (":SOUR:FUNC MEM", -241),
        (":SOUR:LIST:VOLT " + ",".join(["0"] * 101), -108),
        (":TRIG:COUN 2501", -222),
        (":ARM:COUN 50;:TRIG:COUN 51", -222),
        (":TRAC:POIN 2501", -222),
        (":TRAC:DATA?", -230),
        (":FETC?", -230),
        ("*TRG", -211),
        (":ARM:SOUR BUS;:OUTP ON;:READ?", -214),
        (":TRAC:MAKE 'a',100", -113),
    ],
)
def test_what_is_not_possible_is_refused(smu: Talk, message: str, code: int):
    smu.write(message)
    assert smu.errors() == [code]


def test_the_queue_holds_ten_errors(smu: Talk):
    smu.write(*[":SOUR:VOLT 300"] * 11)
    assert smu.ask(":SYST:ERR:COUN?") == "10"
    assert smu.errors() == [-222] * 9 + [-350]
    smu.write("nonsense", ":SOUR:VOLT 300")
    assert smu.ask(":STAT:QUE?").startswith('-113,"Undefined header')
    smu.write(":STAT:QUE:CLE")
    assert smu.ask(":SYST:ERR:ALL?") == '0,"No error"'


# ---- lists, sweeps, triggers


def test_a_list_is_stepped_through(smu: Talk):
    smu.write(":SENS:CURR:PROT 2E-5;:SOUR:LIST:VOLT 0.05,0.1", ":SOUR:LIST:VOLT:APP -0.02")
    assert smu.ask(":SOUR:LIST:VOLT:POIN?") == "3"
    smu.write(":SOUR:VOLT:MODE LIST;:TRIG:COUN 6;:FORM:ELEM VOLT,CURR,STAT;:OUTP ON")
    rows = np.array(smu.numbers(":READ?")).reshape(6, 3)
    np.testing.assert_allclose(rows[:, 0], [0.05, 0.1, -0.02] * 2)
    np.testing.assert_allclose(rows[:3, 1], [0.05 * smu.conductance_s, 2e-5, -0.02 * smu.conductance_s], rtol=1e-2)
    assert [int(status) & COMPLIANCE for status in rows[:3, 2]] == [0, COMPLIANCE, 0]
    smu.write(":SOUR:SWE:CAB EARL")
    assert len(smu.numbers(":READ?")) == 2 * 3


def test_a_list_holds_2500_values(smu: Talk):
    values = ",".join(["0.1"] * 100)
    smu.write(f":SOUR:LIST:VOLT {values}", *[f":SOUR:LIST:VOLT:APP {values}"] * 24)
    assert smu.ask(":SOUR:LIST:VOLT:POIN?") == "2500"
    smu.write(":SOUR:LIST:VOLT:APP 0.1")
    assert smu.errors() == [-223]


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        (":SOUR:VOLT:STAR 0;STOP 0.2;STEP 0.05", [0, 0.05, 0.1, 0.15, 0.2]),
        (":SOUR:VOLT:STAR 0.1;STOP -0.1;STEP 0.1", [0.1, 0, -0.1]),
        (":SOUR:VOLT:STAR 0;STOP 0.2;:SOUR:SWE:POIN 3", [0, 0.1, 0.2]),
        (":SOUR:VOLT:STAR 0;STOP 0.2;STEP 0.1;:SOUR:SWE:DIR DOWN", [0.2, 0.1, 0]),
        (":SOUR:VOLT:CENT 0.1;SPAN 0.1;STEP 0.05", [0.05, 0.1, 0.15]),
        (":SOUR:VOLT:STAR 0.001;STOP 0.1;:SOUR:SWE:SPAC LOG;POIN 3", [0.001, 0.01, 0.1]),
    ],
)
def test_sweeps_step_as_they_are_told(smu: Talk, sweep: str, levels: list[float]):
    smu.write(f":SENS:CURR:PROT 1E-3;{sweep}")
    assert smu.ask(":SOUR:SWE:POIN?") == str(len(levels))
    smu.write(f":SOUR:VOLT:MODE SWE;:TRIG:COUN {len(levels)};:FORM:ELEM VOLT;:OUTP ON")
    np.testing.assert_allclose(smu.numbers(":READ?"), levels, atol=1e-9)
    assert smu.errors() == []


def test_the_buffer_fills_once_and_says_so(ready: Talk):
    ready.write(":TRAC:CLE;POIN 5;FEED SENS;FEED:CONT NEXT;:TRIG:COUN 3;:STAT:MEAS:ENAB 512;*SRE 1;*CLS")
    ready.write(":INIT")
    assert ready.ask(":TRAC:POIN:ACT?;:TRAC:FEED:CONT?") == "3;NEXT"
    assert int(ready.ask("*STB?")) & 65 == 0
    ready.write(":INIT")
    assert ready.ask(":TRAC:POIN:ACT?;:TRAC:FEED:CONT?") == "5;NEV"
    assert int(ready.ask("*STB?")) & 65 == 65
    assert int(ready.ask(":STAT:MEAS?")) & FULL
    ready.write(":INIT")
    assert ready.ask(":TRAC:POIN:ACT?") == "5"
    values = np.array(ready.numbers(":FORM:ELEM CURR;:TRAC:DATA?"))
    assert values.shape == (5,)
    mean = ready.numbers(":CALC3:FORM MEAN;DATA?")
    assert mean == pytest.approx([0.1, values.mean(), 9.91e37])
    assert ready.numbers(":CALC3:FORM PKPK;DATA?")[1] == pytest.approx(np.ptp(values), abs=2e-11)


def test_binary_readings_travel_behind_an_indefinite_header(ready: Talk):
    ready.write(":FORM:ELEM STAT,CURR;:TRIG:COUN 4;:FORM:DATA SRE")
    data = ready.ask_raw(":READ?")
    assert (data[:2], data[-1:], len(data)) == (b"#0", b"\n", 2 + 4 * 2 * 4 + 1)
    table = np.frombuffer(data[2:-1], ">f4").reshape(4, 2)  # the instrument's order, not the one asked for
    np.testing.assert_allclose(table[:, 0], 0.1 * ready.conductance_s, rtol=1e-3)
    assert set(table[:, 1].astype(int)) == {FRONT | 1 << 12 | 1 << 14}
    ready.write(":FORM:BORD SWAP")
    np.testing.assert_array_equal(np.frombuffer(ready.ask_raw(":FETC?")[2:-1], "<f4").reshape(4, 2), table)
    assert len(ready.ask_raw(":DATA?")) == 2 + 8 + 1


def test_the_bus_trigger_passes_the_arm_layer(ready: Talk):
    ready.write(":ARM:SOUR BUS;COUN 2;:TRIG:COUN 3;:FORM:ELEM TIME;:INIT")
    assert ready.ask(":STAT:OPER:COND?") == "64"
    ready.write("*TRG")
    assert len(ready.numbers(":FETC?")) == 3
    ready.instrument.trigger()
    assert len(ready.numbers(":FETC?")) == 6
    assert ready.ask(":STAT:OPER:COND?") == "1024"
    ready.write("*TRG")
    assert ready.errors() == [-211]
    ready.write(":INIT;:INIT")
    assert ready.errors() == [-213]
    ready.write(":ABOR;:TRAC:CLE")
    assert ready.ask(":STAT:OPER:COND?") == "1024"


def test_the_buffer_is_left_alone_while_it_is_filled(ready: Talk):
    ready.write(":ARM:SOUR BUS;:TRAC:FEED:CONT NEXT;:INIT;:TRAC:POIN 10")
    assert ready.errors() == [800]
    ready.write(":ABOR;:TRAC:POIN 10")
    assert ready.errors() == []


def test_a_trigger_link_without_anything_on_it_waits_for_ever(ready: Talk):
    ready.write(":TRIG:SOUR TLIN;:INIT")
    assert ready.ask(":STAT:OPER:COND?") == "32"
    ready.write(":ABOR;:TRIG:SOUR IMM;:ARM:SOUR TIM;TIM 2;COUN 3;:FORM:ELEM TIME")
    times_s = ready.numbers(":READ?")
    assert np.diff(times_s) == pytest.approx([2.02, 2.02])
    ready.write(":SYST:TIME:RES;:ARM:COUN 1")
    assert ready.numbers(":READ?") == pytest.approx([0.02])


def test_measuring_one_function_sets_the_trigger_back(ready: Talk):
    ready.write(":TRIG:COUN 5;:SENS:FUNC:ALL;:FORM:ELEM VOLT,CURR,RES")
    volts, amperes, ohms = ready.numbers(":MEAS:CURR?")
    assert (volts, ohms) == (0.1, 9.91e37)
    assert amperes == pytest.approx(0.1 * ready.conductance_s, rel=1e-3)
    assert ready.ask(":TRIG:COUN?;:CONF?") == '1;"CURR:DC"'
    assert ready.numbers(":MEAS:RES?")[2] == pytest.approx(1 / ready.conductance_s, rel=1e-3)


def test_saved_settings_come_back_with_the_output_off(ready: Talk):
    ready.write("*SAV 1;*RST;*RCL 1")
    assert ready.ask(":SOUR:VOLT?;:SENS:CURR:PROT?;:OUTP?") == "+1.000000E-01;+1.000000E-03;0"
    ready.write("*RCL 2")
    assert float(ready.ask(":SOUR:VOLT?")) == 0


def test_a_front_panel_can_be_talked_to(smu: Talk):
    smu.write(
        ":SYST:BEEP 500,1;:SYST:BEEP:STAT OFF;:SYST:KEY 23;:SYST:LOC;:SYST:REM;:SYST:RWL ON;:DISP:ENAB OFF",
        ":DISP:DIG 5;:DISP:CND;:DISP:TEXT:DATA 'hello';STAT ON;:DISP:WIND2:TEXT:DATA 'world'",
    )
    assert smu.errors() == []
    assert smu.ask(":DISP:WIND1:TEXT:DATA?;:DISP:WIND2:TEXT:DATA?;:DISP:DIG?") == '"hello";"world";5'
    assert smu.ask(":SYST:LFR?") == "50"
    assert math.isclose(float(smu.ask(":SYST:TIME?")), 0.0)


def test_the_transition_filters_choose_what_is_an_event(ready: Talk):
    ready.write(":STAT:OPER:PTR 0;NTR 64;*CLS;:ARM:SOUR BUS;:INIT")
    assert ready.ask(":STAT:OPER:COND?;EVEN?") == "64;0"  # waiting in the arm layer, which is no event now
    ready.write(":ABOR")
    assert ready.ask(":STAT:OPER:EVEN?;EVEN?") == "64;0"
    ready.write(":STAT:OPER:ENAB 64;*SRE 128;:INIT;:ABOR")
    assert ready.instrument.poll() & 192 == 192
    assert ready.instrument.poll() & 192 == 128  # asked for service once
    ready.write("*CLS")
    assert ready.instrument.poll() & 128 == 0
    ready.write(":STAT:PRES")
    assert ready.ask(":STAT:OPER:ENAB?;PTR?;NTR?") == "0;32767;0"
