"""Other people's drivers, unmodified, through the guard: within the limits they work, beyond them nothing is sent.

Exercised: PyMeasure `Keithley2450` and `Keithley2400` (`reset`, `apply_voltage`, `source_voltage`,
`compliance_current`, `check_errors`, `enable_source`, `measure_current`, `current`, `shutdown`), `Keithley2600`
(`check_errors`; `ChA`: `apply_voltage`, `source_voltage`, `compliance_current`, `source_output`, `measure_current`,
`shutdown`), `Agilent33500` (`reset`, `trigger_source`, `trigger`, `check_errors`; `ch_1`: `shape`, `amplitude`,
`offset`, `pulse_width`, `burst_state`, `burst_ncycles`, `output`), `Keysight81160A` (`reset`, `check_errors`; `ch_1`:
`shape`, `amplitude`, `offset`, `pulse_width`, `burst_ncycles`, `output`); QCoDeS `Keithley2450` (`reset`,
`source.function`, `source.voltage`, `source.limit`, `sense.function`, `sense.current`, `output_enabled`),
`Keithley2400` (`reset`, `mode`, `volt`, `compliancei`, `output`, `curr`), `Keithley2602B` (`reset`; `smua`: `mode`,
`volt`, `limiti`, `output`, `curr`), `Keysight33622A` (`ch1`: `function_type`, `amplitude`, `offset`, `pulse_width`,
`burst_mode`, `burst_ncycles`, `burst_state`, `trigger_source`, `output`).
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvisa

import sim_instruments
from drivers import LimitError
from drivers.guard.journal import Course

pytestmark = [
    pytest.mark.third_party,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

keithley = pytest.importorskip("pymeasure.instruments.keithley")
agilent = pytest.importorskip("pymeasure.instruments.agilent")
qcodes_keithley = pytest.importorskip("qcodes.instrument_drivers.Keithley")
qcodes_keysight = pytest.importorskip("qcodes.instrument_drivers.Keysight")

ADDRESS = "GPIB0::24::INSTR"
PULSES = (
    "load_ohm = 2000.0\nlimits.amplitude_v = [0.1, 2.5]\nlimits.width_s = [2e-8, 2e-6]\nlimits.burst_energy_j = 2e-8\n"
)
SOURCE = "limits.voltage_v = [-0.2, 0.2]\nlimits.compliance_a = [1e-8, 1e-3]\n"


class Rig:
    """One instrument of a simulated bench, its bench file, and the specification that leads to it past the guard."""

    def __init__(self, folder: Path, model: str) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = after[after.index("[wiring]") : after.index("\ndevices = [")] + "\ndevices = [5, 6]\n"
        instrument = f'[[instrument]]\nmodel = "{model}"\naddress = "{ADDRESS}"\n'
        (folder / "sim.toml").write_text(f'{before}{instrument}serial = "1234567"\n\n{wiring}', "utf-8")
        limits = PULSES if model.startswith("keysight") else SOURCE
        (folder / "lab.toml").write_text(
            f'[bench]\nname = "lab"\nlibrary = "sim.toml@domainwall"\n\n{instrument}name = "it"\n{limits}', "utf-8"
        )
        self.specification = f"{folder / 'lab.toml'}@guard"
        self.manager = pyvisa.ResourceManager(self.specification)
        self.guard: Any = self.manager.visalib
        self.guard.bench.wiring.close([(1, 1, 1), (1, 2, 1)])

    def refuses(self, action: Callable[[], object], match: str) -> None:
        """See that an action raises and that the message it was about did not go out."""
        with pytest.raises(LimitError, match=match):
            action()
        assert self.guard.journal.passages[-1].course is Course.REFUSED

    @property
    def pulses(self) -> int:
        ledger = self.guard.bench.sample.ledger
        return ledger.push_pulses + ledger.pull_pulses


@pytest.fixture
def make(tmp_path, monkeypatch) -> Iterator[Callable[[str], Rig]]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    rigs: list[Rig] = []

    def build(model: str) -> Rig:
        rigs.append(Rig(tmp_path, model))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.manager.close()


@pytest.mark.parametrize(("model", "driver"), [("keithley-2450", "Keithley2450"), ("keithley-2400", "Keithley2400")])
def test_pymeasure_source_meters(make, model, driver):
    rig = make(model)
    smu = getattr(keithley, driver)(ADDRESS, visa_library=rig.specification)
    smu.reset()
    smu.apply_voltage(compliance_current=1e-3)
    smu.source_voltage = 0.1
    smu.check_errors()
    smu.enable_source()
    smu.measure_current()
    assert float(smu.current if isinstance(smu.current, float) else smu.current[0]) != 0
    rig.refuses(lambda: setattr(smu, "source_voltage", 0.3), r"source voltage 0\.3 V")
    rig.refuses(lambda: setattr(smu, "compliance_current", 0.01), r"compliance current 0\.01 A")
    assert smu.source_voltage == pytest.approx(0.1)
    smu.shutdown()


def test_pymeasure_2600(make):
    rig = make("keithley-2602b")
    smu = keithley.Keithley2600(ADDRESS, visa_library=rig.specification).ChA
    smu.instrument.write("reset()")
    smu.apply_voltage(compliance_current=1e-3)
    smu.source_voltage = 0.1
    smu.instrument.check_errors()
    smu.source_output = "ON"
    smu.measure_current()
    rig.refuses(lambda: setattr(smu, "source_voltage", 0.3), r"source voltage 0\.3 V")
    rig.refuses(lambda: setattr(smu, "compliance_current", 0.01), r"compliance current 0\.01 A")
    assert smu.source_voltage == pytest.approx(0.1)
    smu.shutdown()


def test_pymeasure_33500(make):
    rig = make("keysight-33600a")
    generator = agilent.Agilent33500(ADDRESS, visa_library=rig.specification)
    channel = generator.ch_1
    generator.reset()
    channel.write("OUTP1:LOAD 2000")
    generator.check_errors()
    channel.shape = "PULS"
    channel.amplitude = 1.0
    channel.offset = 0.5
    channel.pulse_width = 1e-7
    channel.burst_state = True
    channel.burst_ncycles = 10
    generator.trigger_source = "BUS"
    generator.check_errors()
    channel.output = True
    generator.check_errors()
    generator.trigger()
    assert rig.pulses == 10
    rig.refuses(lambda: setattr(channel, "amplitude", 5.0), r"pulse amplitude 5 V")
    rig.refuses(lambda: setattr(channel, "pulse_width", 1e-5), "pulse width 1e-05 s")
    rig.refuses(lambda: setattr(channel, "burst_state", False), "without end|triggered bursts")
    channel.burst_ncycles = 1000
    generator.check_errors()
    rig.refuses(generator.trigger, "energy of the burst")
    assert rig.pulses == 10
    channel.output = False


def test_pymeasure_81160a(make):
    keysight = pytest.importorskip("pymeasure.instruments.keysight")
    rig = make("keysight-81160a")
    generator = keysight.Keysight81160A(ADDRESS, visa_library=rig.specification)
    generator.reset()
    channel = generator.ch_1
    channel.write(":OUTP1:LOAD 2000")
    generator.check_errors()
    channel.shape = "PULS"
    channel.amplitude = 1.0
    channel.offset = 0.5
    channel.pulse_width = 1e-7
    channel.burst_ncycles = 10
    # Its property sends 0 for True.
    channel.write(":BURS1:STAT ON")
    channel.write(":ARM:SOUR1 MAN")
    generator.check_errors()
    channel.output = True
    generator.check_errors()
    generator.write("*TRG")
    assert rig.pulses == 10
    rig.refuses(lambda: setattr(channel, "amplitude", 4.0), "pulse amplitude")
    rig.refuses(lambda: setattr(channel, "pulse_width", 1e-5), "pulse width")
    rig.refuses(lambda: channel.write(":ARM:SOUR1 IMM"), "manual triggers")
    channel.output = False


def test_qcodes_2450(make):
    rig = make("keithley-2450")
    smu = qcodes_keithley.Keithley2450("smu", ADDRESS, visalib=rig.specification)
    try:
        smu.reset()
        smu.source.function("voltage")
        smu.sense.function("current")
        smu.source.limit(1e-3)
        smu.source.voltage(0.1)
        smu.ask("SYST:ERR?")
        smu.output_enabled(True)
        assert smu.sense.current() != 0
        rig.refuses(lambda: smu.source.voltage(0.3), r"source voltage 0\.3 V")
        rig.refuses(lambda: smu.source.limit(0.01), r"compliance current 0\.01 A")
        smu.output_enabled(False)
    finally:
        smu.close()


def test_qcodes_2400(make):
    rig = make("keithley-2400")
    smu = qcodes_keithley.Keithley2400("smu", ADDRESS, visalib=rig.specification)
    try:
        smu.reset()
        smu.mode("VOLT")
        smu.compliancei(1e-3)
        smu.volt(0.1)
        smu.ask("SYST:ERR?")
        smu.output(1)
        assert smu.curr() != 0
        rig.refuses(lambda: smu.volt(0.3), r"source voltage 0\.3 V")
        rig.refuses(lambda: smu.compliancei(0.01), r"compliance current 0\.01 A")
        smu.output(0)
    finally:
        smu.close()


def test_qcodes_2602b(make):
    rig = make("keithley-2602b")
    smu = qcodes_keithley.Keithley2602B("smu", ADDRESS, visalib=rig.specification)
    try:
        smu.reset()
        smu.smua.mode("voltage")
        smu.smua.limiti(1e-3)
        smu.smua.volt(0.1)
        smu.ask("errorqueue.count")
        smu.smua.output("on")
        assert smu.smua.curr() != 0
        rig.refuses(lambda: smu.smua.volt(0.3), r"source voltage 0\.3 V")
        rig.refuses(lambda: smu.smua.limiti(0.01), r"compliance current 0\.01 A")
        # Its fast sweeps are scripts with loops, whose levels nobody can read off the message.
        program = ["for index = 1, 10 do", "smua.source.levelv = index", "end"]
        rig.refuses(lambda: smu.write(smu._scriptwrapper(program)), "assignment nor a call|assignments and calls only")
        smu.smua.output("off")
    finally:
        smu.close()


def test_qcodes_33622a(make):
    rig = make("keysight-33600a")
    generator = qcodes_keysight.Keysight33622A("generator", ADDRESS, visalib=rig.specification)
    try:
        generator.write("*RST")
        generator.write("OUTP1:LOAD 2000")
        generator.ask("SYST:ERR?")
        channel = generator.ch1
        channel.function_type("PULS")
        channel.amplitude(1.0)
        channel.offset(0.5)
        channel.pulse_width(1e-7)
        channel.burst_mode("N Cycle")
        channel.burst_ncycles(10)
        channel.burst_state("ON")
        channel.trigger_source("BUS")
        generator.ask("SYST:ERR?")
        channel.output("ON")
        generator.ask("SYST:ERR?")
        generator.write("*TRG")
        assert rig.pulses == 10
        rig.refuses(lambda: channel.amplitude(5.0), "pulse amplitude 5 V")
        rig.refuses(lambda: channel.burst_ncycles("INF"), "burst length")
        rig.refuses(lambda: channel.trigger_source("IMM"), "bus triggers")
        channel.output("OFF")
    finally:
        generator.close()
