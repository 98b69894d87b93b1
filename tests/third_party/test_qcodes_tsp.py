"""QCoDeS's Keithley 2600 family drivers, unmodified, against the 2600B twins.

Exercised: `Keithley2601B`, `Keithley2602B`, `Keithley2611B`, `Keithley2612B`, `Keithley2635B`, `Keithley2636B`:
`get_idn`, `ask`, `write`, `reset`, `display_settext`, `display_clear`, `display_normal`, `exit_key`, `snapshot`; on the
channels `volt`, `curr` (with their measurement status), `res`, `mode`, `output`, `linefreq`, `nplc`, `limitv`,
`limiti`, `four_wire_measurement`, `sourcerange_v`, `source_autorange_v_enabled`, `measurerange_v`,
`measure_autorange_v_enabled`, the same four for current, `reset`, `setup_fastsweep` and `fastsweep` (one and two
dimensions, modes IV, VI and VIfourprobe) and `timetrace`. QCoDeS has drivers for the Keithley S46 and 3706A switches,
and none for the 707B.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

import sim_instruments

pytestmark = pytest.mark.third_party

keithley = pytest.importorskip("qcodes.instrument_drivers.Keithley")
dataset = pytest.importorskip("qcodes.dataset")

MODELS = ("2601B", "2602B", "2611B", "2612B", "2635B", "2636B")

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


@pytest.fixture(params=["2602B"])
def name(request):
    return request.param


@pytest.fixture
def model(name):
    return f"keithley-{name.lower()}"


@pytest.fixture
def meter(rig, name):
    instrument = getattr(keithley, f"Keithley{name}")("meter", SMU, visalib=rig.library)
    yield instrument
    instrument.close()


def errors(meter) -> list[str]:
    """Return what is in the error queue."""
    found = []
    while float(meter.ask("errorqueue.count")) > 0:
        found.append(meter.ask("errorqueue.next()"))
    return found


@pytest.mark.parametrize("name", MODELS, indirect=True)
def test_identify_configure_source_measure_shut_down(meter, name, rig):
    assert meter.get_idn() == {
        "vendor": "Keithley Instruments Inc.",
        "model": name,
        "serial": "4001",
        "firmware": "3.3.5",
    }
    channel = meter.smua
    channel.mode("voltage")
    channel.nplc(0.5)
    channel.limiti(1e-3)
    channel.volt(0.1)
    channel.output("on")
    assert rig.is_live
    assert (channel.mode(), channel.output(), channel.linefreq()) == ("voltage", True, 50)
    assert channel.curr() == pytest.approx(0.1 * rig.conductance_s, rel=1e-4)
    assert channel.volt() == pytest.approx(0.1, rel=1e-4)
    assert channel.res() == pytest.approx(1 / rig.conductance_s, rel=1e-4)
    assert channel.volt.measurement_status == keithley.Keithley2600MeasurementStatus.NORMAL
    channel.volt(0)
    channel.output("off")
    assert channel.output() is False
    assert not rig.is_live
    assert errors(meter) == []


@pytest.mark.parametrize("name", MODELS, indirect=True)
def test_every_range_and_limit_that_the_driver_offers_is_taken(meter, name):
    channel = meter.smua
    # The sourced quantity is measured on the source's range: each is tried where it counts.
    for mode, parameter, spans in (
        ("voltage", channel.sourcerange_v, meter._vranges[name]),
        ("current", channel.measurerange_v, meter._vranges[name]),
        ("current", channel.sourcerange_i, meter._iranges[name]),
        ("voltage", channel.measurerange_i, meter._iranges[name]),
    ):
        channel.mode(mode)
        for span in spans:
            parameter(span)
            assert parameter() == pytest.approx(span)
    for parameter, bounds in (
        (channel.limitv, meter._vlimit_minmax[name]),
        (channel.limiti, meter._ilimit_minmax[name]),
    ):
        # The driver offers 3 A on the 2611B and 2612B, which the instrument does not have.
        for value in (bounds[0], min(bounds[1], 1.5) if parameter is channel.limiti else bounds[1]):
            parameter(value)
            assert parameter() == pytest.approx(value)
    for switch in (
        channel.source_autorange_v_enabled,
        channel.source_autorange_i_enabled,
        channel.measure_autorange_v_enabled,
        channel.measure_autorange_i_enabled,
        channel.four_wire_measurement,
    ):
        for state in (True, False):
            switch(state)
            assert switch() is state
    assert errors(meter) == []


def test_compliance_shows_in_the_measurement_status(meter, rig):
    status = keithley.Keithley2600MeasurementStatus
    channel = meter.smua
    channel.limiti(1e-6)
    channel.volt(0.1)
    channel.output("on")
    assert channel.curr() == pytest.approx(1e-6, rel=1e-3)
    assert channel.curr.measurement_status == status.CURRENT_COMPLIANCE_ERROR
    channel.output("off")
    channel.mode("current")
    channel.limitv(0.02)
    channel.curr(1e-3)
    channel.output("on")
    assert channel.volt() == pytest.approx(0.02, rel=1e-3)
    assert channel.volt.measurement_status == status.VOLTAGE_COMPLIANCE_ERROR


@pytest.mark.parametrize("name", ["2601B", "2602B", "2636B"], indirect=True)
def test_fast_sweep_of_voltage(meter, rig):
    channel = meter.smua
    channel.nplc(0.1)
    channel.limiti(1e-3)
    channel.setup_fastsweep(dataset.LinSweep(channel.volt, -0.1, 0.1, 301, delay=1e-3), mode="IV")
    currents = channel.fastsweep()
    np.testing.assert_allclose(currents, rig.conductance_s * np.linspace(-0.1, 0.1, 301), atol=2e-9)
    assert errors(meter) == []


@pytest.mark.parametrize("mode", ["VI", "VIfourprobe"])
def test_fast_sweep_of_current(meter, rig, mode):
    channel = meter.smua
    channel.limitv(1)
    channel.setup_fastsweep(dataset.LinSweep(channel.curr, 0, 1e-5, 11), mode=mode)
    volts = channel.fastsweep()
    np.testing.assert_allclose(volts, np.linspace(0, 1e-5, 11) / rig.conductance_s, atol=2e-6)
    assert channel.four_wire_measurement() is (mode == "VIfourprobe")


def test_fast_sweep_in_two_dimensions(meter, rig):
    channel = meter.smua
    channel.nplc(0.1)
    channel.limiti(1e-3)
    channel.setup_fastsweep(
        dataset.LinSweep(channel.volt, 0, 0.1, 21), dataset.LinSweep(meter.smub.volt, 0, 1, 7), mode="IV"
    )
    currents = channel.fastsweep()
    assert currents.shape == (7, 21)
    np.testing.assert_allclose(currents, np.tile(rig.conductance_s * np.linspace(0, 0.1, 21), (7, 1)), atol=2e-9)
    assert meter.smub.output() is True


def test_time_trace(meter, rig):
    channel = meter.smua
    channel.nplc(0.1)
    channel.limiti(1e-3)
    channel.volt(0.1)
    channel.output("on")
    channel.timetrace_npts(500)
    channel.timetrace_dt(0.01)
    channel.timetrace_mode("current")
    before_s = rig.simulated.sample.clock.now_s
    trace = channel.timetrace()
    assert trace.shape == (500,)
    assert rig.simulated.sample.clock.now_s - before_s == pytest.approx(5.0)
    np.testing.assert_allclose(trace, 0.1 * rig.conductance_s, rtol=1e-3)
    assert float(meter.ask("smua.measure.count")) == 1


def test_display_reset_and_snapshot(meter, rig):
    meter.display_settext("hello")
    meter.display_clear()
    meter.display_normal()
    meter.exit_key()
    meter.smua.output("on")
    meter.smua.reset()
    assert not rig.is_live
    meter.smua.volt(0.5)
    meter.reset()
    assert float(meter.ask("smua.source.levelv")) == 0
    snapshot = meter.snapshot(update=True)
    assert snapshot["submodules"]["smub"]["parameters"]["limiti"]["value"] == pytest.approx(1.0)
    assert errors(meter) == []


def test_a_wrong_name_is_an_entry_of_the_queue_and_no_more(meter):
    meter.write("smua.source.level = 1")
    (entry,) = errors(meter)
    assert entry.startswith("-2.86000e+02\tTSP Runtime error at line 1:")
    assert meter.get_idn()["model"] == "2602B"
