"""The 2600B twins: what scripts set, what is read, what limits it, and how it is written out."""

import tomllib
from importlib.resources import files

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.instruments.keithley_2600b import TWINS
from sim_instruments.instruments.keithley_2600b.measurement import COMPLIANCE


class Talk:
    """A bus to the meter of a bench whose first device is reached."""

    def __init__(self, model: str = "keithley-2602b", interlock: str = "closed") -> None:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 100
        tables["wiring"]["devices"] = [10, 20]
        tables["instrument"] = [{"model": model, "address": "GPIB0::1::INSTR", "serial": "04", "interlock": interlock}]
        self.bench = SimulatedBench(BenchConfig.model_validate(tables))
        self.bench.wiring.close([(1, 2, 1)])
        self.conductance_s = self.bench.sample.conductance_s(10)
        (self.device,) = self.bench.instruments.values()

    def write(self, message: str) -> None:
        self.device.receive(message.encode(), has_end=True)

    def read(self) -> bytes:
        chunk = self.device.send(1 << 24, has_end=True)
        assert chunk is not None, "nothing was printed"
        return chunk.data

    def ask(self, expression: str) -> str:
        self.write(expression if expression.startswith("*") else f"print({expression})")
        return self.read().decode().removesuffix("\n")

    def number(self, expression: str) -> float:
        return float(self.ask(expression))

    def numbers(self, message: str) -> list[float]:
        self.write(message)
        return [float(field) for field in self.read().decode().split(",")]

    def errors(self) -> list[int]:
        codes = []
        while code := int(float(self.ask("errorqueue.next()").split("\t")[0])):
            codes.append(code)
        return codes

    @property
    def is_live(self) -> bool:
        return bool(self.bench.wiring._live)

    @property
    def now_s(self) -> float:
        return self.bench.sample.clock.now_s


@pytest.fixture
def meter():
    return Talk()


@pytest.fixture
def live(meter):
    meter.write("smua.source.limiti = 1e-3 smua.source.levelv = 0.1 smua.source.output = smua.OUTPUT_ON")
    return meter


def test_every_model_says_who_it_is():
    for model in TWINS:
        meter = Talk(model)
        name = model.removeprefix("keithley-").upper()
        assert meter.ask("*IDN?") == f"Keithley Instruments Inc., Model {name}, 04, 3.3.5"
        assert meter.ask("localnode.model, localnode.serialno, localnode.linefreq") == f"{name}\t04\t5.00000e+01"
        has_two = name in ("2602B", "2612B", "2636B")
        assert meter.ask("type(smub)") == ("table" if has_two else "nil")


def test_power_on_and_reset_state(meter):
    assert meter.ask("*ESR?") == "128"
    assert meter.ask("*ESR?") == "0"
    defaults = {
        "source.output": 0,
        "source.func": 1,
        "source.levelv": 0,
        "source.limiti": 1.0,
        "source.limitv": 40,
        "source.autorangev": 1,
        "source.offmode": 0,
        "measure.nplc": 1,
        "measure.count": 1,
        "measure.autorangei": 1,
        "measure.autozero": 2,
        "trigger.count": 1,
        "sense": 0,
        "nvbuffer1.n": 0,
        "nvbuffer1.appendmode": 0,
    }
    assert {name: meter.number(f"smua.{name}") for name in defaults} == defaults
    for reset in ("reset()", "smua.reset()", "*RST"):
        meter.write(
            "smua.source.func = 0 smua.source.limiti = 2e-3 smua.measure.nplc = 3 smua.source.output = 1 smua.sense = 1"
            " smua.nvbuffer1.appendmode = 1 smua.measure.i(smua.nvbuffer1)"
        )
        assert meter.is_live
        meter.write(reset)
        assert {name: meter.number(f"smua.{name}") for name in defaults} == defaults
        assert not meter.is_live
    assert meter.errors() == []


def test_source_and_measure(live):
    current_a, voltage_v = map(float, live.ask("smua.measure.iv()").split("\t"))
    assert current_a == pytest.approx(0.1 * live.conductance_s, rel=1e-4)
    assert voltage_v == pytest.approx(0.1, rel=1e-4)
    assert live.number("smua.measure.r()") == pytest.approx(1 / live.conductance_s, rel=1e-4)
    assert live.number("smua.measure.p()") == pytest.approx(0.01 * live.conductance_s, rel=1e-3)
    assert live.is_live
    live.write("smua.source.output = 0")
    assert abs(live.number("smua.measure.i()")) < 1e-9
    assert not live.is_live


def test_only_channel_a_is_wired_and_only_while_the_relay_is_closed(live):
    live.write("smub.source.levelv = 0.1 smub.source.output = 1")
    assert abs(live.number("smub.measure.i()")) < 1e-9
    live.bench.wiring.open([(1, 2, 1)])
    assert abs(live.number("smua.measure.i()")) < 1e-9


def test_compliance_in_both_functions(live):
    assert live.ask("smua.source.compliance") == "false"
    assert live.number("status.measurement.instrument.smua.condition") == 0
    live.write("smua.source.limiti = 1e-6")
    assert live.ask("smua.source.compliance") == "true"
    assert live.number("smua.measure.i()") == pytest.approx(1e-6, rel=1e-3)
    assert live.number("status.measurement.instrument.smua.condition") == 2
    live.write("smua.measure.i(smua.nvbuffer1)")
    assert int(live.number("smua.nvbuffer1.statuses[1]")) & COMPLIANCE
    live.write("smua.source.func = smua.OUTPUT_DCAMPS smua.source.limitv = 0.05 smua.source.leveli = 1e-3")
    assert live.ask("smua.source.compliance") == "true"
    assert live.number("smua.measure.v()") == pytest.approx(0.05, rel=1e-3)
    assert live.number("status.measurement.instrument.smua.condition") == 1
    live.write("smua.source.leveli = 1e-6 smua.measure.v(smua.nvbuffer1)")
    assert not int(live.number("smua.nvbuffer1.statuses[1]")) & COMPLIANCE


@pytest.mark.parametrize(
    ("model", "attribute", "value", "shown"),
    [
        ("keithley-2601b", "source.rangev", 0.5, 1.0),
        ("keithley-2601b", "source.rangev", -5, 6.0),
        ("keithley-2601b", "source.rangei", 2e-7, 1e-6),
        ("keithley-2611b", "source.rangev", 0.5, 2.0),
        ("keithley-2635b", "measure.rangei", 2e-9, 1e-8),
        ("keithley-2636b", "measure.rangei", 1.2, 1.5),
        ("keithley-2636b", "source.limiti", 100e-12, 100e-12),
    ],
)
def test_ranges(model, attribute, value, shown):
    meter = Talk(model)
    meter.write(f"smua.{attribute} = {value}")
    assert meter.number(f"smua.{attribute}") == pytest.approx(shown)
    assert meter.errors() == []


@pytest.mark.parametrize(
    ("model", "assignment"),
    [
        ("keithley-2601b", "source.levelv = 41"),
        ("keithley-2601b", "source.leveli = 3.1"),
        ("keithley-2611b", "source.levelv = 203"),
        ("keithley-2611b", "source.limiti = 1.6"),
        ("keithley-2611b", "source.limiti = 1e-9"),
        ("keithley-2635b", "source.limiti = 10e-12"),
        ("keithley-2601b", "source.limiti = -1"),
        ("keithley-2601b", "measure.nplc = 26"),
        ("keithley-2601b", "measure.nplc = 1e-4"),
        ("keithley-2601b", "measure.count = 0"),
        ("keithley-2601b", "source.output = 3"),
        ("keithley-2601b", "source.func = 2"),
        ("keithley-2601b", "source.rangev = 50"),
        ("keithley-2601b", "source.delay = -2"),
    ],
)
def test_values_outside_are_refused_and_change_nothing(model, assignment):
    meter = Talk(model)
    name = assignment.split(" ")[0]
    before = meter.ask(f"smua.{name}")
    meter.write(f"smua.{assignment}")
    assert meter.errors() == [-222]
    assert meter.ask(f"smua.{name}") == before


def test_a_fixed_range_bounds_the_level(meter):
    meter.write("smua.source.rangev = 1")
    meter.write("smua.source.levelv = 1.5")
    assert meter.errors() == [-222]
    meter.write("smua.source.levelv = 0.9 smua.source.rangev = 0.1")
    assert meter.errors() == [-221]
    meter.write("smua.source.autorangev = 1 smua.source.levelv = 1.5")
    assert (meter.number("smua.source.levelv"), meter.number("smua.source.rangev")) == (1.5, 6)


def test_a_reading_beyond_a_fixed_range_is_no_number(live):
    live.write("smua.measure.rangei = 1e-6")
    assert live.number("smua.measure.i()") == 9.91e37
    live.write("smua.measure.count = 3 smua.measure.i(smua.nvbuffer1)")
    assert live.number("smua.nvbuffer1[3]") == 9.91e37
    assert live.number("smua.measure.r()") == 9.91e37


@pytest.mark.parametrize("interlock", ["open", "closed"])
def test_the_high_range_needs_the_interlock(interlock):
    meter = Talk("keithley-2611b", interlock)
    meter.write("smua.source.levelv = 10 smua.source.output = 1")
    assert meter.errors() == []
    assert meter.is_live
    meter.write("smua.source.levelv = 100")
    is_allowed = interlock == "closed"
    assert meter.errors() == ([] if is_allowed else [802])
    assert meter.is_live is is_allowed
    assert meter.number("smua.source.output") == is_allowed
    meter.write("smua.source.func = 0 smua.source.limitv = 100 smua.source.output = 1")
    assert meter.errors() == ([] if is_allowed else [802])
    assert meter.is_live is is_allowed


def test_noise_falls_with_integration_and_averaging(live):
    def spread(settings: str) -> float:
        live.write(f"smua.reset() smua.source.limiti = 1e-3 smua.source.levelv = 0.1 smua.source.output = 1 {settings}")
        live.write("smua.measure.count = 2000 smua.measure.i(smua.nvbuffer1)")
        return float(np.std(live.numbers("printbuffer(1, 2000, smua.nvbuffer1)")))

    live.write("format.asciiprecision = 10")
    fast, normal = spread("smua.measure.nplc = 0.01"), spread("smua.measure.nplc = 1")
    averaged = spread("smua.measure.nplc = 1 smua.measure.filter.count = 25 smua.measure.filter.enable = 1")
    assert fast / normal == pytest.approx(10, rel=0.1)
    assert normal / averaged == pytest.approx(5, rel=0.1)
    single = [live.number("smua.measure.i()") for _ in range(400)]
    assert np.std(single) == pytest.approx(averaged, rel=0.2)


def test_time_passes_as_it_would(live):
    began_s = live.now_s
    live.write("smua.measure.nplc = 5 smua.measure.count = 10 smua.measure.i(smua.nvbuffer1)")
    assert live.now_s - began_s == pytest.approx(1.0)
    began_s = live.now_s
    live.write("smua.measure.interval = 0.5 smua.measure.i(smua.nvbuffer1) delay(2.5)")
    assert live.now_s - began_s == pytest.approx(7.5)
    began_s = live.now_s
    live.write("smua.measure.delay = 0.3 smua.measure.i() waitcomplete()")
    assert live.now_s - began_s == pytest.approx(0.4)


def test_buffers(live):
    live.write("smua.measure.count = 4 smua.measure.iv(smua.nvbuffer1, smua.nvbuffer2)")
    assert live.ask("smua.nvbuffer1.n, smua.nvbuffer2.n") == "4.00000e+00\t4.00000e+00"
    assert live.numbers("printbuffer(1, 4, smua.nvbuffer2.readings)") == pytest.approx([0.1] * 4, rel=1e-4)
    live.write("smua.measure.i(smua.nvbuffer1)")
    assert live.number("smua.nvbuffer1.n") == 4
    live.write("smua.nvbuffer1.clear() smua.nvbuffer1.appendmode = 1 smua.nvbuffer1.collectsourcevalues = 1")
    live.write("smua.nvbuffer1.collecttimestamps = 1 smua.measure.i(smua.nvbuffer1) smua.measure.i(smua.nvbuffer1)")
    assert live.number("smua.nvbuffer1.n") == 8
    assert live.numbers("printbuffer(1, 8, smua.nvbuffer1.sourcevalues)") == pytest.approx([0.1] * 8)
    assert live.numbers("printbuffer(1, 8, smua.nvbuffer1.timestamps)") == pytest.approx(0.02 * np.arange(8), abs=1e-6)
    live.write("smua.nvbuffer1.collectsourcevalues = 0")
    assert live.errors() == [-221]
    live.write("printbuffer(1, 9, smua.nvbuffer1) printbuffer(0, 1, smua.nvbuffer1) printbuffer(1, 2, smua)")
    assert live.errors() == [-222, -222, -104]
    live.write("printbuffer(1, 1, smua.nvbuffer2.sourcevalues)")
    assert live.errors() == [-221]
    live.write("smua.nvbuffer1.clear()")
    assert live.ask("smua.nvbuffer1.n, smua.nvbuffer1[1]") == "0.00000e+00\tnil"


@pytest.mark.parametrize(("data", "order", "kind"), [("REAL32", "LITTLEENDIAN", "<f4"), ("REAL64", "BIGENDIAN", ">f8")])
def test_binary_buffers_are_indefinite_blocks(live, data, order, kind):
    live.write("format.asciiprecision = 16 smua.measure.count = 300 smua.measure.i(smua.nvbuffer1)")
    expected = live.numbers("printbuffer(1, 300, smua.nvbuffer1)")
    live.write(f"format.data = format.{data} format.byteorder = format.{order} printbuffer(1, 300, smua.nvbuffer1)")
    block = live.read()
    assert block[:2] == b"#0"
    assert block[-1:] == b"\n"
    assert len(block) == 3 + 300 * np.dtype(kind).itemsize
    np.testing.assert_allclose(np.frombuffer(block, kind, 300, 2), expected, rtol=1e-6)


def test_a_list_sweep(live):
    live.write("smua.nvbuffer1.collectsourcevalues = 1 format.asciiprecision = 10")
    live.write(
        "smua.trigger.source.listv({0.1, -0.05, 0.2}) smua.trigger.source.action = smua.ENABLE "
        "smua.trigger.measure.i(smua.nvbuffer1) smua.trigger.measure.action = smua.ENABLE smua.trigger.count = 6 "
        "smua.trigger.arm.count = 2 smua.source.delay = 0.08 smua.trigger.endsweep.action = smua.SOURCE_HOLD"
    )
    began_s = live.now_s
    live.write("smua.trigger.initiate() waitcomplete()")
    assert live.errors() == []
    assert live.now_s - began_s == pytest.approx(12 * 0.1)
    levels = [0.1, -0.05, 0.2] * 4
    assert live.numbers("printbuffer(1, 12, smua.nvbuffer1.sourcevalues)") == pytest.approx(levels)
    currents = live.numbers("printbuffer(1, 12, smua.nvbuffer1.readings)")
    assert currents == pytest.approx(live.conductance_s * np.array(levels), abs=1e-8)
    assert live.number("smua.measure.v()") == pytest.approx(0.2, rel=1e-4)
    live.write("smua.source.levelv = 0.1")
    assert live.number("smua.measure.v()") == pytest.approx(0.1, rel=1e-4)
    live.write("smua.trigger.measure.v(smua.nvbuffer2) smua.trigger.initiate()")
    assert live.numbers("printbuffer(1, 12, smua.nvbuffer2)") == pytest.approx(levels, rel=1e-3)


def test_a_linear_sweep_of_current_with_both_readings(live):
    live.write(
        "smua.source.func = 0 smua.source.limitv = 1 smua.trigger.source.lineari(0, 1e-5, 11) smua.trigger.count = 11 "
        "smua.trigger.source.action = 1 smua.trigger.measure.action = 1 "
        "smua.trigger.measure.iv(smua.nvbuffer1, smua.nvbuffer2) smua.trigger.initiate()"
    )
    volts = live.numbers("printbuffer(1, 11, smua.nvbuffer2)")
    assert volts == pytest.approx(np.linspace(0, 1e-5, 11) / live.conductance_s, abs=1e-5)
    assert live.number("smua.nvbuffer1.n") == 11


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("smua.trigger.source.listv({1, 50})", -222),
        ("smua.trigger.source.listv({})", -104),
        ("smua.trigger.source.listv(1)", -104),
        ("smua.trigger.source.linearv(0, 1)", -109),
        ("smua.trigger.measure.i()", -109),
        ("smua.trigger.measure.i(smua)", -104),
        ("smua.trigger.source.listi({1e-6}) smua.trigger.source.action = 1 smua.trigger.initiate()", -221),
        (
            "smua.source.rangev = 1 smua.trigger.source.listv({2}) smua.trigger.source.action = 1"
            " smua.trigger.initiate()",
            -222,
        ),
        ("smua.trigger.source.stimulus = 1", -222),
        ("smua.measure.i(smua.nvbuffer1, smua.nvbuffer2)", -108),
    ],
)
def test_sweeps_that_cannot_be_are_refused(live, script, code):
    live.write(script)
    assert live.errors() == [code]
    assert live.number("smua.nvbuffer1.n") == 0


def test_several_prints_are_several_lines_and_wait_their_turn(meter):
    meter.write("print(1) print('two', true, nil) printnumber(3, 4.5)")
    meter.write("print(localnode.model)")
    assert meter.ask("*STB?") == "1.00000e+00"
    assert [meter.read() for _ in range(4)] == [
        b"two\ttrue\tnil\n",
        b"3.00000e+00, 4.50000e+00\n",
        b"2602B\n",
        b"16\n",
    ]
    meter.write("print(1) print(2)")
    meter.device.clear()
    assert meter.device.send(10, has_end=False) is None


def test_a_reply_can_be_read_in_pieces(meter):
    meter.write("print('abcdef') print('g')")
    chunks = [meter.device.send(4, has_end=True) for _ in range(3)]
    assert [(chunk.data, chunk.is_last) for chunk in chunks if chunk] == [
        (b"abcd", False),
        (b"ef\n", True),
        (b"g\n", True),
    ]
    assert meter.device.send(4, has_end=True) is None
    assert meter.errors() == [-420]


def test_lines_come_in_any_pieces(meter):
    for piece in (b"smua.sour", b"ce.levelv = 2\r", b"\nprint(smua.source.levelv)", b"\n\n", b"*IDN?\n"):
        meter.device.receive(piece, has_end=False)
    assert meter.read() == b"2.00000e+00\n"
    assert meter.read().startswith(b"Keithley")


def test_scripts_come_in_any_pieces(meter):
    for line in ("loadscript sweep", "for i = 1, 3 do", "print(i)", "end", "endscript"):
        meter.write(line)
    assert meter.device.send(10, has_end=False) is None
    meter.write("sweep()")
    assert [meter.read() for _ in range(3)] == [b"1.00000e+00\n", b"2.00000e+00\n", b"3.00000e+00\n"]
    meter.write("loadandrunscript\r\nprint('now')\r\nendscript")
    assert meter.read() == b"now\n"
    meter.write("loadandrunscript again\nprint('x')\nendscript\nagain.run()")
    assert [meter.read(), meter.read()] == [b"x\n", b"x\n"]


def test_common_commands(meter):
    meter.write("*CLS")
    meter.write("*ESE 60")
    meter.write("*SRE 32")
    assert [meter.ask(query) for query in ("*ESE?", "*SRE?", "*OPC?", "*TST?")] == ["60", "32", "1", "0"]
    assert meter.ask("status.standard.enable, status.request_enable") == "6.00000e+01\t3.20000e+01"
    meter.write("*OPC")
    assert meter.ask("status.standard.event") == "1.00000e+00"
    meter.write("smua.nothing = 1")
    assert int(meter.ask("*STB?")) & 4
    assert meter.device.poll() & 64
    meter.write("*WAI")
    meter.write("*TRG")
    meter.write("*CLS")
    assert meter.errors() == []
    meter.write("*NOPE")
    meter.write("*ESE 256")
    meter.write("*ESE")
    meter.write("*RST 1")
    assert meter.errors() == [-113, -222, -109, -108]
    meter.write("status.reset()")
    assert meter.ask("*ESE?") == "0"


def test_the_error_queue_as_scripts_see_it(meter):
    meter.write("x = = 1")
    meter.write("smua.source.levelv = 1000")
    assert meter.number("errorqueue.count") == 2
    assert meter.ask("errorqueue.next()") == (
        "-2.85000e+02\tTSP Syntax error at line 1: unexpected symbol near '='\t2.00000e+01\t1.00000e+00"
    )
    assert meter.ask("errorqueue.next()") == "-2.22000e+02\tParameter data out of range\t2.00000e+01\t1.00000e+00"
    assert meter.ask("errorqueue.next()") == "0.00000e+00\tQueue Is Empty\t0.00000e+00\t1.00000e+00"
    meter.write("x = = 1")
    meter.write("errorqueue.clear()")
    assert meter.number("errorqueue.count") == 0


def test_prompts_and_shown_errors(meter):
    meter.write("localnode.prompts = 1")
    assert meter.read() == b"TSP>\n"
    meter.write("localnode.showerrors = 1 x()")
    assert meter.read().startswith(b"-2.86000e+02\tTSP Runtime error")
    assert meter.read() == b"TSP>\n"


def test_number_format(meter):
    meter.write("format.asciiprecision = 3")
    assert meter.ask("1/3, -285, 0") == "3.33e-01\t-2.85e+02\t0.00e+00"
    meter.write("format.asciiprecision = 17")
    assert meter.errors() == [-222]
    meter.write("reset()")
    assert meter.ask("1/3") == "3.33333e-01"
