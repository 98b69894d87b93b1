"""The 2450 twin: what goes out, what is read, what is refused."""

import itertools
import re
import tomllib
from importlib.resources import files
from typing import Literal

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.physics.readout.load import Ohmic
from sim_instruments.smu_output import operating_point, settle
from sim_instruments.status import Status

LIMITED, SENSE, ON, BACK = 32, 64, 128, 8


class Talk:
    """A bus to the meter of a bench whose first device is reached."""

    def __init__(self, model: str = "keithley-2450", interlock: str = "closed") -> None:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 100
        tables["wiring"]["devices"] = [10, 20]
        tables["instrument"] = [{"model": model, "address": "GPIB0::1::INSTR", "serial": "04", "interlock": interlock}]
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
    """A meter with 0.1 V on the device and a limit that is wide enough."""
    smu.write(":SOUR:VOLT:ILIM 1E-3;:SOUR:VOLT 0.1;:OUTP ON")
    return smu


# ---- sources and meters


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        (":SOUR:FUNC?", "VOLT"),
        (":SENS:FUNC?", '"CURR:DC"'),
        (":SOUR:VOLT?", "0.000000000E+00"),
        (":SOUR:VOLT:ILIM?", "1.050000000E-04"),
        (":SOUR:CURR:VLIM?", "2.100000000E+01"),
        (":SOUR:VOLT:READ:BACK?", "1"),
        (":SENS:CURR:RANG:AUTO?", "1"),
        (":SENS:CURR:NPLC?", "1.000000000E+00"),
        (":SENS:CURR:RSEN?", "0"),
        (":SENS:CURR:AZER?", "1"),
        (":OUTP?", "0"),
        (":OUTP:VOLT:SMOD?", "NORM"),
        (":ROUT:TERM?", "FRON"),
        (":FORM?", "ASC"),
        (":FORM:BORD?", "SWAP"),
        (":TRAC:POIN?", "100000"),
        (":SOUR:VOLT:PROT?", "NONE"),
    ],
)
def test_reset_restores_the_defaults(smu: Talk, query: str, answer: str):
    smu.write(
        ':SOUR:FUNC CURR;:SENS:FUNC "VOLT";:SOUR:VOLT 1;:SOUR:VOLT:ILIM 1;:SOUR:CURR:VLIM 1;:SOUR:VOLT:READ:BACK OFF;'
        ":SENS:CURR:RANG 1;:SENS:CURR:NPLC 5;:SENS:CURR:RSEN ON;:SENS:CURR:AZER OFF;:OUTP:VOLT:SMOD HIMP;"
        ":SOUR:VOLT:PROT PROT10;:ROUT:TERM REAR;:FORM REAL;:FORM:BORD NORM;:TRAC:POIN 10;:OUTP ON"
    )
    assert smu.errors() == []
    assert smu.ask(query) != answer
    smu.write("*RST")
    assert smu.ask(query) == answer


def test_a_current_source_reads_the_voltage_and_the_resistance(smu: Talk):
    smu.write(':SOUR:FUNC CURR;:SOUR:CURR 5E-5;:SOUR:CURR:VLIM 1;:SENS:FUNC "VOLT";:OUTP ON')
    assert float(smu.ask(":READ?")) == pytest.approx(5e-5 / smu.conductance_s, rel=1e-4)
    assert float(smu.ask(":MEAS:RES?")) == pytest.approx(1 / smu.conductance_s, rel=1e-4)
    assert smu.ask(":SENS:FUNC?") == '"RES"'
    assert smu.ask(":SOUR:CURR:VLIM:TRIP?") == "0"
    smu.write(":SOUR:CURR:VLIM 0.05")
    assert float(smu.ask(":MEAS:VOLT?")) == pytest.approx(0.05, rel=1e-4)
    assert smu.ask(":SOUR:CURR:VLIM:TRIP?;:SOUR:VOLT:ILIM:TRIP?") == "1;0"


def test_an_open_circuit_holds_a_current_source_at_its_limit(smu: Talk):
    smu.bench.wiring.open([(1, 2, 1)])
    smu.write(':SOUR:FUNC CURR;:SOUR:CURR 1E-6;:SOUR:CURR:VLIM 2;:SENS:FUNC "VOLT";:OUTP ON')
    assert float(smu.ask(":READ?")) == pytest.approx(2, rel=1e-4)
    assert abs(float(smu.ask(":MEAS:RES?"))) > 1e5


def test_the_limit_shows_in_the_voltage_that_is_read_back(ready: Talk):
    ready.write(":SOUR:VOLT:ILIM 1E-5")
    source, reading, state = ready.numbers(':READ? "defbuffer1",SOUR,READ,SOURSTAT')
    assert source == pytest.approx(1e-5 / ready.conductance_s, rel=1e-3)
    assert reading == pytest.approx(1e-5, rel=1e-4)
    assert state == LIMITED | ON | BACK
    ready.write(":SOUR:VOLT:READ:BACK OFF;:SENS:CURR:RSEN ON")
    assert ready.numbers(':READ? "defbuffer1",SOUR,SOURSTAT') == [0.1, LIMITED | ON | SENSE]


def test_a_reading_beyond_a_fixed_range_is_an_overflow(ready: Talk):
    ready.write(":SENS:CURR:RANG 1E-6")
    assert ready.ask(":READ?") == "9.900000000E+37"
    ready.write(":SENS:CURR:RANG:AUTO ON")
    assert float(ready.ask(":READ?")) == pytest.approx(0.1 * ready.conductance_s, rel=1e-4)
    assert float(ready.ask(":SENS:CURR:RANG?")) == 1e-4


def test_another_source_function_or_other_terminals_switch_the_output_off(ready: Talk):
    ready.write(":SOUR:FUNC VOLT;:ROUT:TERM FRON")
    assert ready.ask(":OUTP?") == "1"
    ready.write(":SOUR:FUNC CURR")
    assert ready.ask(":OUTP?") == "0"
    ready.write(":SOUR:FUNC VOLT;:OUTP ON;:ROUT:TERM REAR")
    assert ready.ask(":OUTP?") == "0"
    ready.write(":OUTP ON")
    assert abs(float(ready.ask(":READ?"))) < 1e-9  # nothing is plugged in there


@pytest.mark.parametrize(("interlock", "closed"), [("closed", "1"), ("open", "0")])
def test_the_interlock_guards_the_high_voltages(interlock: str, closed: str):
    smu = Talk(interlock=interlock)
    assert smu.ask(":OUTP:INT:TRIP?") == closed
    smu.write(":SOUR:VOLT 50;:OUTP ON")
    assert smu.errors() == ([] if closed == "1" else [-221])
    assert smu.ask(":OUTP?") == closed
    smu.write("*RST;:SOUR:VOLT 40;:OUTP ON;:SOUR:VOLT 50")
    assert smu.errors() == ([] if closed == "1" else [-221])
    smu.write("*RST;:SOUR:LIST:VOLT 1,50;:SOUR:SWE:VOLT:LIST 1;:INIT")
    assert smu.errors() == ([] if closed == "1" else [-221])
    smu.bench.wiring.open([(1, 2, 1)])
    smu.write('*RST;:SOUR:FUNC CURR;:SOUR:CURR 1E-6;:SOUR:CURR:VLIM 100;:SENS:FUNC "VOLT";:OUTP ON')
    assert float(smu.ask(":READ?")) == pytest.approx(100 if closed == "1" else 42, rel=1e-3)


def test_the_protection_holds_the_voltage(ready: Talk):
    ready.write(":SOUR:VOLT:PROT PROT2;:SOUR:VOLT:ILIM 1;:SOUR:VOLT 3")
    assert ready.ask(":SOUR:VOLT:PROT:TRIP?") == "1"
    assert ready.numbers(':READ? "defbuffer1",SOUR')[0] == pytest.approx(2, rel=1e-3)
    ready.write(":SOUR:VOLT 1")
    assert ready.ask(":SOUR:VOLT:PROT:TRIP?") == "0"


# ---- buffers and formats


def test_binary_readings_travel_behind_an_indefinite_header(ready: Talk):
    ready.write(":SENS:COUN 5;:TRAC:CLE;:TRAC:TRIG;:FORM REAL")
    data = ready.ask_raw(':TRAC:DATA? 1,5,"defbuffer1",SOUR,READ,REL')
    assert data[:2] == b"#0"
    assert data[-1:] == b"\n"
    assert len(data) == 2 + 5 * 3 * 8 + 1
    table = np.frombuffer(data[2:-1], "<f8").reshape(5, 3)
    np.testing.assert_allclose(table[:, 1], 0.1 * ready.conductance_s, rtol=1e-4)
    np.testing.assert_allclose(table[:, 2], np.arange(5) / 50)
    ready.write(":FORM SRE;:FORM:BORD NORM")
    singles = np.frombuffer(ready.ask_raw(":TRAC:DATA? 2,4")[2:-1], ">f4")
    np.testing.assert_allclose(singles, table[1:4, 1], rtol=1e-6)


def test_binary_is_for_numbers_only(ready: Talk):
    ready.write(':READ?;:FORM REAL;:TRAC:DATA? 1,1,"defbuffer1",SOURSTAT')
    assert 1133 in ready.errors()


def test_every_element_is_answered_in_the_order_asked(ready: Talk):
    fields = ready.ask(
        ':READ? "defbuffer2",DATE,TIME,FORM,FRAC,READ,REL,SEC,SOUR,SOURFORM,SOURSTAT,SOURUNIT,STAT,TST,UNIT'
    ).split(",")
    assert len(fields) == 14
    assert re.fullmatch(r"\d\d/\d\d/\d{4}", fields[0])
    assert fields[10] == "Volt"
    assert fields[11] == "8"
    assert fields[13] == "Amp"
    assert ready.ask(':TRAC:ACT?;:TRAC:ACT? "defbuffer2"') == "0;1"
    assert ready.ask(':FETC? "defbuffer2"') == fields[4]


def test_default_buffers_forget_the_oldest_and_ones_own_stop(ready: Talk):
    ready.write(':TRAC:POIN 10;:TRAC:MAKE "mine",10;:SENS:COUN 15;:TRAC:TRIG;:TRAC:TRIG "mine"')
    assert ready.ask(':TRAC:ACT?;:TRAC:ACT? "mine";:TRAC:FILL:MODE?;:TRAC:FILL:MODE? "mine"') == "10;10;CONT;ONCE"
    kept = ready.numbers(':TRAC:DATA? 1,10,"defbuffer1",REL')
    assert kept[0] == 0
    ready.write(':TRAC:DEL "mine";:TRAC:CLE "mine"', ':TRAC:DEL "defbuffer1"', ":TRAC:DATA? 1,11", ":TRAC:DATA? 2,1")
    assert ready.errors() == [-224, -221, -222, -222]


def test_statistics_are_those_of_the_buffer(ready: Talk):
    ready.write(":SENS:COUN 50;:TRAC:TRIG")
    values = np.array(ready.numbers(":TRAC:DATA? 1,50"))
    for word, expected in (
        ("AVER", values.mean()),
        ("MAX", values.max()),
        ("MIN", values.min()),
        ("STDD", values.std(ddof=1)),
        ("PK2P", np.ptp(values)),
    ):
        assert float(ready.ask(f":TRAC:STAT:{word}?")) == pytest.approx(expected, rel=1e-3)


# ---- sweeps


def test_a_list_sweep_switches_the_output_on_and_off(smu: Talk):
    smu.write(":SOUR:VOLT:ILIM 2E-5;:SOUR:LIST:VOLT 0.05,0.1", ":SOUR:LIST:VOLT:APP -0.02")
    assert smu.ask(":SOUR:LIST:VOLT:POIN?") == "3"
    smu.write(':SOUR:SWE:VOLT:LIST 1,0.5,2,OFF,"defbuffer1"')
    assert smu.ask(":OUTP?") == "0"
    before_s = smu.now_s
    smu.write(":INIT;*WAI")
    assert smu.now_s - before_s == pytest.approx(6 * 0.52)
    assert smu.ask(":OUTP?;:TRAC:ACT?") == "0;6"
    rows = np.array(smu.numbers(':TRAC:DATA? 1,6,"defbuffer1",SOUR,READ,SOURSTAT')).reshape(6, 3)
    g = smu.conductance_s
    np.testing.assert_allclose(rows[:3, 1], [0.05 * g, 2e-5, -0.02 * g], rtol=1e-3)
    assert rows[:, 2].tolist() == [ON | BACK, ON | BACK | LIMITED, ON | BACK] * 2
    assert smu.errors() == []


def test_a_sweep_may_end_at_the_limit(smu: Talk):
    smu.write(":SOUR:VOLT:ILIM 2E-5;:SOUR:SWE:VOLT:LIN 0,0.2,11,0,1,AUTO,ON;:INIT")
    assert smu.ask(":TRAC:ACT?") == "5"  # 0, 20, 40, 60 mV, and 80 mV in the limit


@pytest.mark.parametrize(
    ("sweep", "levels"),
    [
        ("LIN 0,0.2,5", [0, 0.05, 0.1, 0.15, 0.2]),
        ("LIN 0,0.1,3,0,1,AUTO,ON,ON", [0, 0.05, 0.1, 0.1, 0.05, 0]),
        ("LIN:STEP 0,-0.1,-0.05", [0, -0.05, -0.1]),
        ("LOG 0.001,0.1,3", [0.001, 0.01, 0.1]),
    ],
)
def test_sweeps_step_as_they_are_told(smu: Talk, sweep: str, levels: list[float]):
    smu.write(f":SOUR:VOLT:READ:BACK OFF;:SOUR:VOLT:ILIM 1E-3;:SOUR:SWE:VOLT:{sweep};:INIT")
    assert smu.errors() == []
    np.testing.assert_allclose(smu.numbers(f':TRAC:DATA? 1,{len(levels)},"defbuffer1",SOUR'), levels, atol=1e-9)


def test_a_simple_loop_measures_at_the_present_level(ready: Talk):
    ready.write(':TRIG:LOAD "SimpleLoop",4,0.1;:INIT')
    assert ready.ask(":TRAC:ACT?;:OUTP?") == "4;1"
    ready.write(':TRIG:LOAD "Empty"', ":INIT")
    assert ready.errors() == [-200]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":SOUR:LIST:VOLT " + ",".join(["0"] * 101), -108),
        (":SOUR:SWE:VOLT:LIST 1", -230),
        (":SOUR:LIST:VOLT 300", -222),
        (":SOUR:SWE:CURR:LIN 0,1E-3,5", -221),
        (":SOUR:SWE:VOLT:LOG -1,1,5", -222),
        (":SOUR:SWE:VOLT:LIN:STEP 0,1,0", -222),
        (":SOUR:SWE:VOLT:LIN 0,1,100000,0,100", -223),
        (':SOUR:SWE:VOLT:LIN 0,1,5,0,1,AUTO,ON,OFF,"none"', -224),
        (":INIT", -200),
        (":FETC?", -230),
        (':TRAC:MAKE "1st",100', -224),
        (':TRAC:MAKE "defbuffer1",100', -224),
        (":TRAC:CLE mine", -104),
        ("*TRG", -211),
        (":STAT:MEAS:ENAB 1", -113),
        (":TRAC:FEED SENS", -113),
    ],
)
def test_what_is_not_possible_is_refused(smu: Talk, message: str, code: int):
    smu.write(message)
    assert smu.errors() == [code]


def test_a_list_holds_2500_values(smu: Talk):
    values = ",".join(["0.1"] * 100)
    smu.write(f":SOUR:LIST:VOLT {values}", *[f":SOUR:LIST:VOLT:APP {values}"] * 24)
    assert smu.ask(":SOUR:LIST:VOLT:POIN?") == "2500"
    smu.write(":SOUR:LIST:VOLT:APP 0.1")
    assert smu.errors() == [-223]


# ---- status and the rest


def test_events_of_the_trigger_model_reach_the_status_byte(smu: Talk):
    smu.write(":STAT:OPER:MAP 3,2731,2732;ENAB 8;*SRE 128;*CLS")
    assert int(smu.ask("*STB?")) & 128 == 0
    smu.write(":SOUR:SWE:VOLT:LIN 0,0.1,3;:INIT")
    assert smu.instrument.poll() & (128 | 64) == 128 | 64
    assert smu.ask(":STAT:OPER:MAP? 3;:STAT:OPER:COND?;EVEN?") == "2731,2732;0;8"
    assert int(smu.ask("*STB?")) & 128 == 0
    smu.write(":INIT;*CLS")
    assert int(smu.ask("*STB?")) & 128 == 0


def test_errors_are_told_with_their_time_and_counted(smu: Talk):
    smu.write("nonsense")
    assert smu.ask("SYST:ERR:COUN?;CODE?") == "1;-113"
    smu.write("nonsense", "SYST:CLE")
    assert smu.ask("SYST:ERR?") == '0,"No error;0;0 0"'
    smu.write(":SOUR:VOLT 500")
    assert re.fullmatch(r'-222,"Data out of range;.*;1;\d+\.\d{3}"', smu.ask("SYST:EVEN:NEXT?"))


def test_a_front_panel_can_be_talked_to(smu: Talk):
    smu.write(
        "*LANG SCPI;:SYST:BEEP 440,0.1;:DISP:SCR HOME;:DISP:CLE",
        ':DISP:USER1:TEXT "hello";:DISP:LIGH:STAT ON50;:SYST:LOC',
    )
    assert smu.errors() == []
    assert smu.ask(":SYST:LFR?") == "50"


@pytest.mark.parametrize("conductance_s", [0.0, 3e-4])
@pytest.mark.parametrize(("function", "limit"), [("VOLT", 2e-5), ("CURR", 0.25)])
def test_many_levels_settle_as_each_would(function: Literal["VOLT", "CURR"], limit: float, conductance_s: float):
    levels = np.array([-0.3, -1e-5, 0.0, 1e-6, 0.05, 0.2])
    points = [operating_point(function, float(level), limit, conductance_s) for level in levels]
    voltage_v, current_a, is_limited = settle(function, levels, limit, Ohmic(conductance_s))
    np.testing.assert_allclose(voltage_v, [point.voltage_v for point in points])
    np.testing.assert_allclose(current_a, [point.current_a for point in points])
    assert is_limited.tolist() == [point.is_limited for point in points]


def test_buffers_share_the_memory(smu: Talk):
    smu.write(':TRAC:MAKE "mine",6700000', ":TRAC:POIN 10", ':TRAC:MAKE "mine",6700000')
    assert smu.errors() == [-225]
    assert smu.ask(':TRAC:POIN? "mine"') == "6700000"


SAMPLES = ("1", "0.1", "-3E9", "ON", "AUTO", '"defbuffer1"', '"x"', "MAX", "#12ab", "(@1)", "")


@pytest.mark.parametrize("model", ["keithley-2450", "keithley-2400"])
def test_no_command_raises_whatever_its_parameters(model: str):
    smu = Talk(model)
    table = smu.instrument.twin.commands(Status(10))  # type: ignore[attr-defined]
    messages = [
        re.sub(r"[\[\]#]", "", command.pattern) + " " + ",".join(itertools.repeat(sample, count))
        for command in table
        for sample in SAMPLES
        for count in {0, 1, len(command.parameters) - command.optional, len(command.parameters)}
    ]
    assert len(messages) > 3000
    for message in messages:
        smu.write("*RST", message)
        smu.instrument.send(1 << 24, has_end=True)
    assert smu.bench.sample.ledger.push_pulses == smu.bench.sample.ledger.pull_pulses == 0
