"""The 7001 and 7002 twins: relays, scans, memories, refusals."""

import tomllib
from importlib.resources import files

import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.instruments.keithley_7001 import RELAY_S
from sim_instruments.wiring import KEPT_HOT_SWITCHES

MODELS = {"keithley-7001": 2, "keithley-7002": 10}


@pytest.fixture
def switch(make_talk):
    return make_talk("keithley-7001", "GPIB0::7::INSTR")


def closed(switch) -> list[str]:
    listed = switch.ask(":ROUT:CLOS:STAT?").removeprefix("(@").removesuffix(")")
    return listed.split(",") if listed else []


@pytest.mark.parametrize("model", MODELS)
def test_identity_and_slots(make_talk, model):
    switch = make_talk(model)
    assert switch.ask("*IDN?") == f"KEITHLEY INSTRUMENTS INC.,MODEL {model[-4:]},MY1,B01  /A02"
    assert switch.ask(":ROUT:CONF:SLOT1:CTYP?") == "C7012"
    last = MODELS[model]
    assert switch.ask(f":ROUT:CONF:SLOT{last}:CTYPE?") == "NONE"
    switch.write(f":ROUT:CONF:SLOT{last + 1}:CTYP?")
    assert switch.errors() == [-113]


@pytest.mark.parametrize(("model", "holds_it"), [("keithley-7002", True), ("keithley-7001", False)])
def test_a_card_in_a_slot_that_only_the_7002_has(model, holds_it):
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"]["devices"] = 100
    tables["wiring"] |= {"slot": 7, "devices": [5]}
    tables["instrument"] = [{"model": model, "address": "GPIB0::7::INSTR", "serial": "MY1"}]
    bench = SimulatedBench(BenchConfig.model_validate(tables))
    (instrument,) = bench.instruments.values()
    instrument.receive(b":ROUT:CLOS (@7!1!1);OPEN ALL;CLOS (@7!2!1)", has_end=True)
    assert bench.wiring.closed == (((7, 2, 1),) if holds_it else ())


@pytest.mark.parametrize(
    ("listed", "points"),
    [
        ("(@1!1!1)", ["1!1!1"]),
        ("(@ 1!2!3 , 1!1!2 )", ["1!1!2", "1!2!3"]),
        ("(@1!2!3:1!2!5)", ["1!2!3", "1!2!4", "1!2!5"]),
        ("(@1!1!9:1!2!2,1!4!10)", ["1!1!9", "1!1!10", "1!2!1", "1!2!2", "1!4!10"]),
    ],
)
def test_channel_lists(switch, listed, points):
    switch.write(f":ROUTE:CLOSE {listed}")
    assert closed(switch) == points
    switch.write(f":OPEN {listed}")
    assert closed(switch) == []
    assert switch.errors() == []


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (":CLOS (@1!5!1)", -222),
        (":CLOS (@1!1!11)", -222),
        (":CLOS (@2!1!1)", -222),
        (":CLOS (@3!1!1)", -222),
        (":CLOS (@1!1!1:1!5!1)", -222),
        (":CLOS (@1!2!1:1!1!1)", -171),
        (":CLOS (@1!1)", -171),
        (":CLOS 1!1!1", -104),
        (":CLOS ALL", -104),
        (":CLOS", -109),
        (":ROUT:MEM:SAVE M101", -222),
        (":ROUT:MEM:SAVE 5", -104),
        (":ROUT:CONF:SLOT1:POLE 3", -224),
        (":ROUT:CONF:SLOT1:STIM -1", -222),
        (":TRIG:COUN 0", -222),
        (":INIT", -221),
        ("*TRG", -211),
        (":TRIG:SIGN", -211),
    ],
)
def test_refusals_move_no_relay(switch, command, code):
    switch.write(
        ":CLOS (@1!3!3)",
    )
    switch.write(command)
    assert switch.errors() == [code]
    assert closed(switch) == ["1!3!3"]


def test_the_error_queue_is_ten_deep(switch):
    for _ in range(12):
        switch.write(":CLOS (@9!9!9)")
    assert switch.ask(":SYST:ERR:COUN?") == "10"
    assert switch.errors() == [-222] * 9 + [-350]


def test_errors_are_also_read_from_the_status_subsystem(switch):
    switch.write("NONSENSE")
    assert switch.ask(":STAT:QUE?").startswith("-113,")
    assert switch.ask(":STAT:QUE:NEXT?") == '0,"No error"'


def test_relays_take_their_time_to_settle(switch):
    clock = switch.sample.clock
    switch.write(":CLOS (@1!1!1)")
    assert clock.now_s == pytest.approx(RELAY_S)
    switch.write(":ROUT:CONF:SLOT1:STIM 0.25;:OPEN ALL")
    assert clock.now_s == pytest.approx(2 * RELAY_S + 0.25)
    assert float(switch.ask(":ROUT:CONF:SLOT1:STIM?")) == 0.25


def test_a_pattern_is_saved_and_recalled(switch):
    switch.write(":CLOS (@1!1!1,1!2!2);:ROUT:MEM:SAVE M3;:OPEN ALL;:CLOS (@1!4!4);:ROUT:MEM:REC M3")
    assert closed(switch) == ["1!1!1", "1!2!2"]
    switch.write("*RST")
    assert closed(switch) == []
    switch.write(":ROUT:MEM:REC M3")
    assert closed(switch) == ["1!1!1", "1!2!2"]
    switch.write(":ROUT:MEM:REC M4")
    assert closed(switch) == []


def test_a_scan_steps_by_the_bus_and_breaks_before_it_makes(switch):
    switch.write(":ROUT:SCAN (@1!1!1,1!1!2);:TRIG:SOUR BUS;COUN 3;:INIT")
    assert switch.ask(":ROUT:SCAN?;SCAN:POIN?") == "(@1!1!1,1!1!2);2"
    steps = []
    for _ in range(3):
        switch.instrument.trigger()
        steps.append(closed(switch))
    assert steps == [["1!1!1"], ["1!1!2"], ["1!1!1"]]
    switch.write("*TRG")
    assert switch.errors() == [-211]


@pytest.mark.parametrize(("setting", "most"), [("ON", 1), ("OFF", 2)])
def test_break_before_make_can_be_switched_off(switch, setting, most):
    wiring = switch.bench.wiring
    seen = []
    original = wiring.close

    def close(points):
        original(points)
        seen.append(len(wiring.closed))

    wiring.close = close
    switch.write(f":ROUT:CONF:BBM {setting};:ROUT:SCAN (@1!1!1:1!1!4);:TRIG:COUN 4;:INIT")
    assert max(seen) == most
    assert closed(switch) == ["1!1!4"]


def test_a_timed_scan_takes_its_time(switch):
    switch.write(":ROUT:SCAN (@1!1!1);:TRIG:SOUR TIM;TIM 2;COUN 3;DEL 0.5;:INIT")
    assert switch.sample.clock.now_s == pytest.approx(3 * (2 + 0.5 + 2 * RELAY_S))


def test_a_scan_that_waits_can_be_forced_aborted_or_opened(switch):
    switch.write(":ROUT:SCAN (@1!1!1,1!1!2);:TRIG:SOUR MAN;COUN 2;:INIT;:TRIG:SIGN")
    assert closed(switch) == ["1!1!1"]
    switch.write(":CLOS (@1!4!4);*TRG;:INIT;:ROUT:SCAN (@1!1!3)")
    assert switch.errors() == [-221, -211, -221, -221]
    switch.write(":ABOR;:CLOS (@1!4!4)")
    assert closed(switch) == ["1!1!1", "1!4!4"]
    switch.write(":INIT;:OPEN ALL;:TRIG:SIGN")
    assert switch.errors() == [-211]
    assert closed(switch) == []


@pytest.mark.parametrize("reset", ["*RST", ":SYST:PRES"])
def test_a_reset_opens_everything_and_forgets_the_scan(switch, reset):
    switch.write(
        ":CLOS (@1!1!1);:ROUT:SCAN (@1!2!1);:ROUT:CONF:BBM OFF;:ROUT:CONF:SLOT1:STIM 1;POLE 4;"
        ":TRIG:SOUR BUS;COUN 5;:INIT"
    )
    switch.write(reset)
    assert closed(switch) == []
    asked = ":ROUT:SCAN?;:ROUT:CONF:BBM?;:ROUT:CONF:SLOT1:STIM?;POLE?;:TRIG:SOUR?;COUN?"
    assert switch.ask(asked) == "(@);1;0.000000000E+00;2;IMM;1"
    switch.write("*TRG")
    assert switch.errors() == [-211]


def test_a_scan_under_voltage_switches_hot(switch):
    wiring = switch.bench.wiring
    wiring.set_live("source", True)
    switch.write(":ROUT:SCAN (@1!1!1,1!1!2);:TRIG:COUN 2;:INIT")
    assert [event.crosspoint for event in wiring.hot_switches] == [(1, 1, 1), (1, 1, 1), (1, 1, 2)]


def test_a_long_scan_under_voltage_keeps_the_newest_hot_switches(switch):
    wiring = switch.bench.wiring
    wiring.set_live("source", True)
    switch.write(":ROUT:SCAN (@1!1!1,1!1!2);:TRIG:COUN 9999;:INIT")
    assert len(wiring.hot_switches) == KEPT_HOT_SWITCHES
    assert wiring.hot_switches[-1].crosspoint == (1, 1, 1)


def test_a_scan_starts_with_its_channels_open(switch):
    switch.write(":CLOS (@1!1!2,1!4!4);:ROUT:SCAN (@1!1!1,1!1!2);:INIT")
    assert closed(switch) == ["1!1!1", "1!4!4"]


def test_settled_relays_are_an_event_that_can_ask_for_service(switch):
    switch.write(":STAT:OPER:ENAB 2;*SRE 128;:CLOS (@1!1!1)")
    assert switch.instrument.poll() & (64 + 128) == 64 + 128
    assert switch.ask(":STAT:OPER?;:STAT:OPER?") == "2;0"
    switch.write(":OPEN ALL;*CLS")
    assert switch.ask(":STAT:OPER?;:STAT:QUES:COND?") == "0;0"
    switch.write(":STAT:PRES")
    assert switch.ask(":STAT:OPER:ENAB?") == "0"
