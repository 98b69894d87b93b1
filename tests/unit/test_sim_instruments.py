"""Twins behave as their manuals and the dialect's page say, and reach the same walls."""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.instrument import Instrument

DEVICES = 3000


@pytest.fixture
def bench() -> SimulatedBench:
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"]["devices"] = DEVICES
    tables["wiring"]["devices"] = [100, 200, 300]
    return SimulatedBench(BenchConfig.model_validate(tables))


class Talk:
    """A bus to one instrument, with whole messages."""

    def __init__(self, bench: SimulatedBench, part: str) -> None:
        (self.instrument,) = (found for address, found in bench.instruments.items() if part in address)

    def write(self, message: str | bytes) -> None:
        self.instrument.receive(message.encode() if isinstance(message, str) else message, has_end=True)

    def ask(self, message: str | bytes) -> str:
        return self.ask_raw(message).decode().removesuffix("\n")

    def ask_raw(self, message: str | bytes) -> bytes:
        self.write(message)
        chunk = self.instrument.send(1 << 24, has_end=True)
        assert chunk is not None, f"no reply to {message!r}: {self.errors()}"
        return chunk.data

    def errors(self) -> list[int]:
        codes: list[int] = []
        while (code := int(self.ask("SYST:ERR?").split(",")[0])) != 0:
            codes.append(code)
        return codes


@pytest.fixture
def pulser(bench: SimulatedBench) -> Talk:
    return Talk(bench, "pulser")


@pytest.fixture
def smu(bench: SimulatedBench) -> Talk:
    return Talk(bench, "smu")


@pytest.fixture
def switch(bench: SimulatedBench) -> Talk:
    return Talk(bench, "GPIB")


@pytest.fixture
def array(bench: SimulatedBench) -> Talk:
    return Talk(bench, "array")


def block(data: np.ndarray) -> bytes:
    raw = data.tobytes()
    return b"#%d%d" % (len(str(len(raw))), len(raw)) + raw


ARMED = ":FUNC PULS;:OUTP:LOAD 2000;:VOLT:LOW 0;HIGH 1.5;:PULS:WIDT 100 NS;:ARM:SOUR MAN;:TRIG:COUN 7;:OUTP ON"


# ---- the message exchange


def test_queries_of_one_message_answer_in_one_reply(array: Talk):
    assert array.ask("PULS:PUSH:AMPL 2;AMPL?;*OPC?;:ARR:SIZE?") == "2.000000000E+00;1;3000"


def test_a_command_error_drops_the_rest_and_an_execution_error_does_not(array: Talk):
    array.write("PULS:PUSH:AMPL 99;AMPL 2;NONSENSE 1;AMPL 3")
    assert array.errors() == [-222, -113]
    assert float(array.ask("PULS:PUSH:AMPL?")) == 2


@pytest.mark.parametrize(("message", "code"), [("ARR:SIZE? 5", -108), ("PULS:PUSH:AMPL", -109), ("*TRG", -211)])
def test_wrong_use_is_reported_by_number(array: Talk, message: str, code: int):
    array.write(message)
    assert array.errors() == [code]


def test_a_new_message_interrupts_an_unread_reply(array: Talk):
    array.write("*IDN?")
    assert array.ask("ARR:SIZE?") == "3000"
    assert array.errors() == [-410]


def test_asking_a_silent_instrument_is_a_query_error_only_where_the_bus_tells(array: Talk):
    assert array.instrument.send(10, has_end=False) is None
    assert array.instrument.send(10, has_end=True) is None
    assert array.errors() == [-420]


def test_bytes_without_an_end_mark_wait_for_the_newline_even_inside_a_block(array: Talk):
    counts = np.frombuffer(b"a\n;#b", np.uint8)
    message = b"PATT:PUSH 3," + block(counts) + b"\nPATT:TAG?\n"
    for byte in message:
        array.instrument.receive(bytes((byte,)), has_end=False)
    assert array.instrument.send(10, has_end=False).data == b"0\n"  # type: ignore[union-attr]
    assert array.errors() == []


def test_what_follows_an_unreadable_block_is_never_executed(array: Talk):
    array.write(b"OUTP ON;PATT:PUSH 0 #16\nOUTP0\n")
    assert array.errors() == [-103]
    assert array.ask("OUTP?") == "1"


def test_clear_drops_the_reply_and_keeps_the_settings(array: Talk):
    array.write("PULS:PULL:WIDT 50 NS;*IDN?")
    array.instrument.clear()
    assert array.instrument.poll() & 16 == 0
    assert float(array.ask("PULS:PULL:WIDT?")) == 50e-9


def test_reset_restores_the_documented_defaults(array: Talk):
    array.write("PULS:PUSH:AMPL 2;WIDT 1 US;:OUTP ON;:PATT:PUSH 0,#11a;*RST")
    assert array.ask("PULS:PUSH:AMPL?;WIDT?;:OUTP?;:ARR:SEL:COUN?") == "1.000000000E+00;1.000000000E-07;0;0"
    array.write("OUTP ON;:PATT:TAG 1;:INIT")
    assert array.errors() == [-221]


# ---- 81160A


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":PULS:WIDT 1 NS", -222),
        (":PULS:PER 2 NS", -222),
        (":PULS:PER 50 NS", -221),
        (":VOLT:HIGH -0.5", -221),
        (":VOLT:HIGH 5.1", -222),
        (":VOLT:LIM:HIGH 1;STAT ON;:VOLT:HIGH 1.2", -222),
        (":TRIG:COUN 0", -222),
        (":TRIG", -211),
        (":VOLT2:HIGH 1", -114),
    ],
)
def test_the_generator_refuses_what_its_manual_does_and_keeps_its_settings(pulser: Talk, message: str, code: int):
    before = pulser.ask(":VOLT:HIGH?;LOW?;:PULS:WIDT?;PER?;:TRIG:COUN?")
    pulser.write(message)
    assert pulser.errors() == [code]
    assert pulser.ask(":VOLT:HIGH?;LOW?;:PULS:WIDT?;PER?;:TRIG:COUN?") == before


def test_the_declared_load_rescales_the_levels_shown(pulser: Talk):
    pulser.write(":VOLT:HIGH 1;:OUTP:LOAD INF")
    assert float(pulser.ask(":VOLT:HIGH?")) == pytest.approx(2)
    assert pulser.ask(":OUTP:LOAD?;LOAD? MIN") == "9.9E+37;3.000000000E-01"


def test_amplitude_and_offset_are_the_levels_in_other_words(pulser: Talk):
    pulser.write(":VOLT 2 V;:VOLT:OFFS 500 MV")
    assert [float(value) for value in pulser.ask(":VOLT:HIGH?;LOW?").split(";")] == pytest.approx([1.5, -0.5])


def test_a_trigger_pushes_exactly_its_count_at_the_amplitude_of_the_divider(
    bench: SimulatedBench, pulser: Talk, switch: Talk
):
    switch.write(":ROUT:CLOS (@1!1!2)")
    start_s = bench.sample.clock.now_s
    pulser.write(f"{ARMED};*TRG")
    (entry,) = bench.sample.ledger.entries
    assert (entry.first, entry.push_pulses, entry.pull_pulses) == (200, 7, 0)
    assert entry.push_amplitude_v == pytest.approx(1.5)
    assert entry.push_width_s == 100e-9
    assert bench.sample.clock.now_s - start_s == pytest.approx(7 * 1e-6)
    assert pulser.errors() == []


def test_an_undeclared_load_halves_nothing_and_doubles_the_amplitude(bench: SimulatedBench, pulser: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!1!1)")
    pulser.write(":FUNC PULS;:VOLT:LOW 0;HIGH 1;:ARM:SOUR MAN;:OUTP ON;:TRIG")
    assert bench.sample.ledger.entries[0].push_amplitude_v == pytest.approx(2 * 2000 / 2050)


def test_inverted_polarity_pulls_and_two_devices_load_the_source_together(
    bench: SimulatedBench, pulser: Talk, switch: Talk
):
    switch.write(":ROUT:CLOS (@1!1!1,1!1!3)")
    pulser.write(f":VOLT:LOW -1.5;HIGH 0;{ARMED.replace(':VOLT:LOW 0;HIGH 1.5', ':VOLT:LOW -1.5;HIGH 0')}")
    pulser.write(":OUTP:POL INV;:TRIG")
    entries = bench.sample.ledger.entries
    assert [entry.first for entry in entries] == [100, 300]
    assert [entry.pull_pulses for entry in entries] == [7, 7]
    assert entries[0].pull_amplitude_v == pytest.approx(1.5 * 2050 / 2000 * 1000 / 1050)


@pytest.mark.parametrize(
    "spoil", [":OUTP OFF", ":ARM:SOUR IMM", ":ARM:SOUR EXT", ":FUNC SIN", "*RST", ":OUTP:STAT 0;*WAI"]
)
def test_nothing_is_delivered_unless_armed_with_the_output_on(
    bench: SimulatedBench, pulser: Talk, switch: Talk, spoil: str
):
    switch.write(":ROUT:CLOS (@1!1!1)")
    pulser.write(f"{ARMED};{spoil};:TRIG")
    assert not bench.sample.ledger.entries


def test_nothing_is_delivered_without_a_path(bench: SimulatedBench, pulser: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!2!1,1!3!1,1!1!9)")
    pulser.write(f"{ARMED};:TRIG")
    assert not bench.sample.ledger.entries
    assert bench.sample.walls.position[100] == np.float32(0.5)


def test_burst_mode_counts_its_own_cycles(bench: SimulatedBench, pulser: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!1!1)")
    pulser.write(f"{ARMED};:BURS:STAT ON;NCYC 12;:TRIG")
    assert bench.sample.ledger.push_pulses == 12


# ---- 2450


def test_the_meter_reads_the_conductance_of_the_device_reached(bench: SimulatedBench, smu: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!2!3)")
    smu.write(':SOUR:FUNC VOLT;:SENS:FUNC "CURR";:SOUR:VOLT 0.2;:SOUR:VOLT:ILIM 1E-3;:SENS:CURR:NPLC 10;:OUTP ON')
    expected_a = 0.2 * bench.sample.conductance_s(300)
    assert float(smu.ask(":READ?")) == pytest.approx(expected_a, abs=5e-10)
    source, reading = smu.ask(':MEAS:CURR? "defbuffer1",SOUR,READ').split(",")
    assert float(source) == pytest.approx(0.2, abs=2e-6)  # read back
    assert float(reading) == pytest.approx(expected_a, abs=5e-10)
    assert smu.ask(":SOUR:VOLT:ILIM:TRIP?") == "0"


def test_compliance_limits_the_current_and_says_so(smu: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!2!1)")
    smu.write(":SOUR:VOLT -0.2;:SOUR:VOLT:ILIM 10E-6;:OUTP ON")
    assert float(smu.ask(":READ?")) == pytest.approx(-10e-6, abs=1e-9)
    assert smu.ask(":SOUR:VOLT:ILIM:TRIP?") == "1"


@pytest.mark.parametrize("state", ["no path", "output off"])
def test_an_open_circuit_reads_noise_only(smu: Talk, switch: Talk, state: str):
    if state == "output off":
        switch.write(":ROUT:CLOS (@1!2!1)")
    smu.write(f":SOUR:VOLT 0.2;:OUTP {'ON' if state == 'no path' else 'OFF'}")
    assert 0 < abs(float(smu.ask(":READ?"))) < 1e-12


def test_noise_falls_with_integration_time_and_costs_it(bench: SimulatedBench, smu: Talk, switch: Talk):
    switch.write(":ROUT:CLOS (@1!2!1)")
    smu.write(":SOUR:VOLT 0.2;:SOUR:VOLT:ILIM 1E-3;:OUTP ON")
    spread: list[float] = []
    for cycles in ("0.1", "10"):
        smu.write(f":SENS:CURR:NPLC {cycles}")
        spread.append(float(np.std([float(smu.ask(":READ?")) for _ in range(400)])))
    # 400 readings give a standard deviation to 3.5 %; 6 standard errors of the ratio are 30 %.
    assert spread[0] / spread[1] == pytest.approx(10, rel=0.3)
    assert bench.sample.clock.now_s == pytest.approx(400 * 10.1 / 50, rel=1e-3)


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (":SOUR:VOLT 211", -222),
        (":SOUR:VOLT:RANG 2;:SOUR:VOLT 3", -222),
        (":SOUR:VOLT 3;:SOUR:VOLT:RANG 0.2", -221),
        (":SOUR:VOLT:ILIM 2", -222),
        (":SENS:CURR:NPLC 11", -222),
        (':SENS:FUNC "TEMP"', -224),
        (":SENS:COUN 0", -222),
    ],
)
def test_the_meter_refuses_what_its_manual_does(smu: Talk, message: str, code: int):
    smu.write(message)
    assert smu.errors() == [code]


def test_the_meter_says_its_language(smu: Talk):
    assert smu.ask("*LANG?") == "SCPI"


# ---- 7001


def test_the_switch_lists_and_opens_its_crosspoints(switch: Talk):
    switch.write(":ROUT:CLOS (@1!1!1,1!2!3:1!2!4)")
    assert switch.ask(":CLOS:STAT?") == "(@1!1!1,1!2!3,1!2!4)"
    assert switch.ask(":ROUT:CLOS? (@1!2!3,1!4!1)") == "1,0"
    assert switch.ask(":ROUT:OPEN? (@1!2!3,1!4!1)") == "0,1"
    switch.write(":ROUT:OPEN (@1!1!1);OPEN ALL")
    assert switch.ask(":ROUT:CLOS:STAT?") == "(@)"
    switch.write(":ROUT:CLOS (@1!5!1)")
    assert switch.errors() == [-222]


@pytest.mark.parametrize("live", ["pulser", "smu"])
def test_a_relay_that_moves_under_voltage_is_noted(bench: SimulatedBench, switch: Talk, live: str):
    source = Talk(bench, live)
    switch.write(":ROUT:CLOS (@1!1!1)")
    source.write(":OUTP ON")
    switch.write(":ROUT:CLOS (@1!1!1)")
    assert bench.wiring.hot_switches == []
    switch.write(":ROUT:OPEN ALL")
    (event,) = bench.wiring.hot_switches
    assert event.crosspoint == (1, 1, 1)
    source.write("*RST")
    switch.write(":ROUT:CLOS (@1!1!1)")
    assert len(bench.wiring.hot_switches) == 1


# ---- DWA


def load(array: Talk, first: int, push: list[int], pull: list[int]) -> None:
    array.write(b"PATT:PUSH %d,%b" % (first, block(np.array(push, np.uint8))))
    array.write(b"PATT:PULL %d,%b" % (first, block(np.array(pull, np.uint8))))


def test_a_pattern_is_fired_once_and_delivered_exactly(bench: SimulatedBench, array: Talk):
    load(array, 10, [0, 10, 59, 255], [1, 0, 35, 0])
    array.write("PATT:TAG 5;:OUTP ON;:INIT")
    assert array.ask("*OPC?;:PATT:DEL?;TAG?;:STAT:PULS?") == "1;5,324,36;5;324,36"
    (entry,) = bench.sample.ledger.entries
    assert entry.push is not None
    assert list(entry.push) == [0, 10, 59, 255]
    assert (entry.source, entry.tag, entry.first) == ("dwa-1", 5, 10)
    assert float(array.ask("STAT:ENER?")) == pytest.approx(bench.sample.ledger.energy_j)
    array.write("INIT")
    assert array.errors() == [-221]
    assert len(bench.sample.ledger.entries) == 1


def test_a_message_that_arrives_twice_moves_no_wall_twice(bench: SimulatedBench, array: Talk):
    message = b"OUTP ON;:PATT:PUSH 0," + block(np.full(8, 3, np.uint8)) + b";TAG 1;:INIT\n"
    array.write(message)
    array.write(message)
    assert array.errors() == [-221, -221]
    assert bench.sample.ledger.push_pulses == 24


def test_the_output_must_be_on_and_the_pattern_waits(bench: SimulatedBench, array: Talk):
    load(array, 0, [1], [0])
    array.write("PATT:TAG 1;:INIT")
    assert array.errors() == [-221]
    assert not bench.sample.ledger.entries
    array.write("OUTP ON;:INIT")
    assert bench.sample.ledger.push_pulses == 1


def test_the_selection_is_pulsed_and_read_in_its_order(bench: SimulatedBench, array: Talk):
    chosen = np.array([2000, 5, 1000], "<u4")
    array.write(b"ARR:SEL " + block(chosen) + b";SEL:COUN?")
    assert array.instrument.send(10, has_end=True).data == b"3\n"  # type: ignore[union-attr]
    array.write(b"PATT:SEL:PUSH " + block(np.array([0, 200, 0], np.uint8)))
    array.write(b"PATT:SEL:PULL " + block(np.array([200, 0, 0], np.uint8)))
    array.write("PATT:TAG 1;:PULS:PUSH:AMPL 1.5;:PULS:PULL:AMPL 1.5;:OUTP ON;:INIT")
    assert array.errors() == []
    codes = np.frombuffer(array.ask_raw("READ:COND:SEL?")[3:-1], "<u2")
    offset_s, lsb_s = (float(value) for value in array.ask("READ:COND:SCAL?").split(","))
    expected_s = [bench.sample.conductance_s(int(device)) for device in chosen]
    assert offset_s + lsb_s * codes == pytest.approx(expected_s, abs=5 * 4e-9 + lsb_s)
    assert codes[1] > codes[2] > codes[0]


def test_two_read_outs_in_one_message_are_two_readings(bench: SimulatedBench, array: Talk):
    bench.sample.walls.position[:5] = 0.1
    bench.sample.walls.position[5:10] = 0.9
    reply = array.ask_raw("READ:COND? 0,5;COND? 5,5")
    low, high = (np.frombuffer(reply[start : start + 10], "<u2") for start in (4, 19))
    assert (reply[:4], reply[14:19]) == (b"#210", b";#210")
    assert low.max() < high.min()


def test_reading_answers_in_one_block(array: Talk):
    reply = array.ask_raw(f"READ:COND? 0,{DEVICES}")
    assert reply.startswith(b"#46000")
    assert len(reply) == 6 + 2 * DEVICES + 1


def test_the_pattern_is_a_copy_of_the_message(bench: SimulatedBench, array: Talk):
    message = bytearray(b"PATT:PUSH 0,#12\x01\x02")
    array.instrument.receive(message, has_end=True)
    message[-2:] = b"\x09\x09"
    array.write("PATT:TAG 1;:OUTP ON;:INIT")
    assert bench.sample.ledger.push_pulses == 3


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (b"PATT:PUSH 3000,#11a", [-222]),
        (b"PATT:PUSH 2999,#12ab", [-223]),
        (b"PATT:PUSH 0,#10", [-161]),
        (b"PATT:PUSH 0,5", [-161]),
        (b"PATT:PUSH 0,#12ab;PULL 0,#11a", [-221]),
        (b"PATT:PUSH 0,#11a;PULL 1,#11a", [-221]),
        (b"PATT:SEL:PUSH #11a", [-223]),
        (b"PATT:TAG 0", [-222]),
        (b"OUTP ON;:PATT:PUSH 0,#11a;:INIT", [-221]),
        (b"ARR:SEL #13abc", [-161]),
        (b"ARR:SEL #18\x05\x00\x00\x00\x05\x00\x00\x00", [-224]),
        (b"ARR:SEL #14\xff\xff\x00\x00", [-222]),
        (b"READ:COND? 0,3001", [-222]),
        (b"READ:COND? 0,0", [-222]),
        (b"READ:COND:SEL?", [-221]),
        (b"PULS:PUSH:AMPL 5.1", [-222]),
        (b"PULS:PULL:WIDT 11 US", [-222]),
    ],
)
def test_the_controller_refuses_what_its_page_says(
    bench: SimulatedBench, array: Talk, message: bytes, codes: list[int]
):
    array.write(message)
    assert array.errors() == codes
    assert not bench.sample.ledger.entries


def test_every_instrument_reaches_the_same_walls(
    bench: SimulatedBench, pulser: Talk, smu: Talk, switch: Talk, array: Talk
):
    def read_code() -> int:
        return int(np.frombuffer(array.ask_raw("READ:COND? 100,1")[3:-1], "<u2")[0])

    before = read_code()
    switch.write(":ROUT:CLOS (@1!1!1)")
    pulser.write(f"{ARMED};:TRIG:COUN 300;:TRIG;:OUTP OFF")
    switch.write(":ROUT:OPEN ALL;CLOS (@1!2!1)")
    smu.write(":SOUR:VOLT 0.1;:OUTP ON;:SENS:CURR:NPLC 10")
    after = read_code()
    assert after - before > 1000
    conductance_s = float(smu.ask(":READ?")) / 0.1
    assert conductance_s == pytest.approx(1.5e-4 + 4.5e-9 * after, abs=3e-8)


def test_instruments_are_message_exchanges(bench: SimulatedBench):
    assert all(isinstance(instrument, Instrument) for instrument in bench.instruments.values())
