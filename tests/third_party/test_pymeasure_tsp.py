"""PyMeasure's Keithley2600, unmodified, against the 2600B twins.

Exercised: `id`, `next_error`, `check_errors`, and on both channels `source_mode`, `apply_voltage`, `apply_current`,
`auto_range_source`, `source_voltage`, `source_voltage_range`, `source_current`, `source_current_range`,
`compliance_current`, `compliance_voltage`, `source_output`, `measure_current`, `measure_voltage`, `current`,
`current_range`, `voltage`, `voltage_range`, `resistance`, `wires_mode`, `ramp_to_voltage`, `ramp_to_current`,
`shutdown`, `ask`, `write`. It has no sweep but the ramps. Left out: `measure_nplc`, which takes its two bounds for a
table of values and cannot be read back from any instrument. PyMeasure has no driver for the 707B.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pyvisa

import sim_instruments

pytestmark = [
    pytest.mark.third_party,
    # Its driver says of itself that it does not know whether the 2600 takes SCPI.
    pytest.mark.filterwarnings("ignore:It is not known whether this device support SCPI:FutureWarning"),
    pytest.mark.filterwarnings("ignore:Deprecated to use `error`:FutureWarning"),
]

keithley = pytest.importorskip("pymeasure.instruments.keithley")

RANGES_V = {"keithley-2602b": (0.1, 1.0, 6.0, 40.0), "keithley-2636b": (0.2, 2.0, 20.0, 200.0)}


SMU = "TCPIP0::smu.bench::inst0::INSTR"


@dataclass(frozen=True)
class Rig:
    """A simulated bench with one source-measure unit, its first device already switched to it."""

    library: str
    model: str
    conductance_s: float
    simulated: Any

    @property
    def is_live(self) -> bool:
        """Whether the wiring knows of an output that is on."""
        return bool(self.simulated.wiring._live)


@pytest.fixture
def rig(model, tmp_path) -> Iterator[Rig]:
    text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
    before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
    wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
    smu = f'[[instrument]]\nmodel = "{model}"\naddress = "{SMU}"\nserial = "4001"\n\n'
    file = tmp_path / "sim.toml"
    file.write_text(before + smu + wiring, "utf-8")
    manager = pyvisa.ResourceManager(f"{file}@domainwall")
    bench = manager.visalib.bench  # type: ignore[attr-defined]
    bench.wiring.close([(1, 2, 1)])
    yield Rig(f"{file}@domainwall", model, bench.sample.conductance_s(5), bench)
    manager.close()


@pytest.fixture(params=sorted(RANGES_V))
def model(request):
    return request.param


@pytest.fixture
def meter(rig):
    instrument = keithley.Keithley2600(SMU, visa_library=rig.library)
    yield instrument
    instrument.adapter.close()


def test_identity(meter, model):
    assert meter.id.startswith("Keithley Instruments Inc., Model 26")
    assert model.removeprefix("keithley-").upper() in meter.id


def test_voltage_is_sourced_and_current_measured(meter, rig):
    channel = meter.ChA
    channel.apply_voltage(compliance_current=1e-3)
    channel.measure_current(nplc=2)
    channel.source_voltage = 0.15
    channel.source_output = "ON"
    assert (channel.source_mode, channel.source_output) == ("voltage", "ON")
    assert channel.compliance_current == pytest.approx(1e-3)
    assert channel.ask("measure.nplc") == pytest.approx(2)
    assert channel.current == pytest.approx(0.15 * rig.conductance_s, rel=1e-4)
    assert channel.voltage == pytest.approx(0.15, rel=1e-4)
    assert channel.resistance == pytest.approx(1 / rig.conductance_s, rel=1e-4)
    assert meter.next_error == (0, "Queue Is Empty")
    assert not meter.check_errors()


def test_current_is_sourced_and_voltage_measured(meter, rig):
    channel = meter.ChA
    channel.apply_current(compliance_voltage=1.0)
    channel.measure_voltage(nplc=1)
    channel.source_current = 20e-6
    channel.source_output = "ON"
    assert channel.source_mode == "current"
    assert channel.voltage == pytest.approx(20e-6 / rig.conductance_s, rel=1e-4)
    channel.compliance_voltage = 0.05
    assert channel.voltage == pytest.approx(0.05, rel=1e-4)
    assert channel.compliance_voltage == pytest.approx(0.05)


def test_ranges_are_those_of_the_model(meter, model):
    channel = meter.ChA
    channel.source_output = "OFF"
    for wanted_v in RANGES_V[model]:
        channel.source_voltage_range = 0.9 * wanted_v
        assert channel.source_voltage_range == pytest.approx(wanted_v)
        channel.source_mode = "current"
        channel.voltage_range = 0.9 * wanted_v
        assert channel.voltage_range == pytest.approx(wanted_v)
        channel.source_mode = "voltage"
    channel.current_range = 5e-5
    assert channel.current_range == pytest.approx(1e-4)
    channel.source_current_range = 2e-3
    assert channel.source_current_range == pytest.approx(1e-2)
    channel.wires_mode = "4"
    assert channel.wires_mode == "4"
    channel.auto_range_source()
    channel.source_voltage = 3.0
    assert channel.source_voltage_range == pytest.approx(next(span for span in RANGES_V[model] if span > 3))


def test_a_value_out_of_range_is_in_the_error_queue(meter):
    meter.ChA.write("source.levelv=1000")
    code, message = meter.next_error
    assert code == -222
    assert "out of range" in message
    assert meter.ChA.source_voltage == 0


def test_the_second_channel_is_an_open_circuit(meter):
    channel = meter.ChB
    channel.apply_voltage(compliance_current=1e-3)
    channel.source_voltage = 0.1
    channel.source_output = "ON"
    assert abs(channel.current) < 1e-9
    assert channel.voltage == pytest.approx(0.1, rel=1e-4)


def test_ramps_and_shutdown(meter, rig, monkeypatch):
    monkeypatch.setattr("pymeasure.instruments.keithley.keithley2600.time.sleep", lambda _: None)
    channel = meter.ChA
    channel.apply_voltage(compliance_current=1e-3)
    channel.source_output = "ON"
    channel.ramp_to_voltage(0.2, steps=5)
    assert channel.source_voltage == pytest.approx(0.2)
    assert rig.is_live
    channel.shutdown()
    assert not rig.is_live
    assert channel.source_voltage == 0
    assert channel.source_output == "OFF"
    channel.apply_current(compliance_voltage=1)
    channel.ramp_to_current(1e-5, steps=3)
    assert channel.source_current == pytest.approx(1e-5)
    channel.shutdown()
    assert channel.source_current == 0
