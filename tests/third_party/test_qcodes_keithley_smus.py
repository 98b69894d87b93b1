"""QCoDeS's `Keithley2400` and `Keithley2450`, unmodified, against the twins.

Exercised on the 2400: `get_idn`, `snapshot`, `rangev`, `rangei`, `compliancev`, `compliancei`, `volt`, `curr`, `mode`,
`sense`, `output`, `nplcv`, `nplci`, `resistance`, `reset`, `ask`, `write`, `close`.

Exercised on the 2450: `get_idn`, `snapshot`, `source_function`, `sense_function`, `terminals`, `output_enabled`,
`line_frequency`, `buffer_name`, `buffer`, `npts`, `abort`, `initiate`, `wait`, `clear_event_register`,
`clear_event_log`, `reset`, `set_correct_language`; of the sources `range`, `auto_range`, `limit`, `limit_tripped`,
`voltage`, `current`, `sweep_axis`, `delay`, `user_number`, `user_delay`, `auto_delay`, `read_back_enabled`,
`block_during_ramp`, `sweep_setup`, `sweep_start`, `sweep_reset`, `get_sweep_axis`; of the meters
`four_wire_measurement`, `range`, `auto_range`, `current`, `voltage`, `resistance`, `sweep`, `nplc`, `user_delay`,
`auto_zero_enabled`, `auto_zero_once`, `count`, `clear_trace`; of a buffer `size`, `number_of_readings`, `elements`,
`available_elements`, `get_last_reading`, `get_data`, `clear_buffer`, `trigger_start`, `delete`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

import sim_instruments

pytestmark = [pytest.mark.third_party, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

keithley = pytest.importorskip("qcodes.instrument_drivers.Keithley")

ADDRESS = "TCPIP0::smu.bench::inst0::INSTR"


class Rig:
    """A meter on a small bench, switched to a device, and QCoDeS's driver of it."""

    def __init__(self, folder: Path, model: str, driver: type) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
        smu = f'[[instrument]]\nmodel = "{model}"\naddress = "{ADDRESS}"\nserial = "1234567"\n\n'
        file = folder / "sim.toml"
        file.write_text(before + smu + wiring, "utf-8")
        self.manager = pyvisa.ResourceManager(f"{file}@domainwall")
        self.bench = self.manager.visalib.bench  # type: ignore[attr-defined]
        self.bench.wiring.close([(1, 2, 1)])
        self.conductance_s = self.bench.sample.conductance_s(5)
        self.driver: Any = driver("smu", ADDRESS, visalib=f"{file}@domainwall")

    def error(self) -> str:
        """The oldest error in the queue."""
        return self.driver.ask("SYST:ERR?").split(",")[0]

    def is_live(self) -> bool:
        """Whether the output is on, as the relays of the bench feel it."""
        before = len(self.bench.wiring.hot_switches)
        self.bench.wiring.open([(1, 2, 1)])
        self.bench.wiring.close([(1, 2, 1)])
        return len(self.bench.wiring.hot_switches) > before


@pytest.fixture
def make(tmp_path) -> Iterator[Callable[[str, type], Rig]]:
    rigs = []

    def build(model: str, driver: type) -> Rig:
        rigs.append(Rig(tmp_path, model, driver))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.driver.close()
        rig.manager.close()


@pytest.fixture
def smu2400(make) -> Rig:
    return make("keithley-2400", keithley.Keithley2400)


@pytest.fixture
def smu2450(make) -> Rig:
    return make("keithley-2450", keithley.Keithley2450)


def test_the_2400_says_who_it_is(smu2400):
    idn = smu2400.driver.get_idn()
    assert (idn["vendor"], idn["model"], idn["serial"]) == ("KEITHLEY INSTRUMENTS INC.", "2400", "1234567")


def test_the_2400_measures_the_device(smu2400):
    driver = smu2400.driver
    driver.reset()
    driver.mode("VOLT")
    assert driver.mode() == "VOLT"
    assert driver.sense() == '"CURR:DC"'
    driver.compliancei(1e-3)
    assert driver.compliancei() == pytest.approx(1e-3)
    driver.nplci(10)
    assert driver.nplci() == driver.nplcv() == 10
    driver.rangev(2)
    driver.volt(0.2)
    with pytest.raises(RuntimeError, match="output off"):
        driver.curr()
    driver.output(1)
    assert smu2400.is_live()
    driver.write(":FORM:ELEM VOLT,CURR")
    assert driver.curr() == pytest.approx(0.2 * smu2400.conductance_s, abs=5e-9)
    assert driver.volt() == pytest.approx(0.2)
    assert driver.resistance() == pytest.approx(1 / smu2400.conductance_s, rel=1e-4)
    assert driver.rangei() == pytest.approx(1.05e-4)
    assert driver.snapshot(update=True)["parameters"]["output"]["value"] in (True, "on", 1)
    driver.output(0)
    assert not smu2400.is_live()
    assert smu2400.error() == "0"


def test_the_2400_sources_current_into_its_compliance(smu2400):
    driver = smu2400.driver
    driver.mode("CURR")
    driver.compliancev(0.25)
    driver.rangei(1e-3)
    driver.curr(1e-4)
    driver.output(1)
    assert driver.volt() == pytest.approx(0.25, rel=1e-3)
    driver.compliancev(2)
    assert driver.volt() == pytest.approx(1e-4 / smu2400.conductance_s, rel=1e-4)
    assert driver.rangev() == pytest.approx(2.1)
    driver.nplcv(0.1)
    driver.output(0)
    assert not smu2400.is_live()
    assert smu2400.error() == "0"


def prepared(rig: Rig) -> Any:
    driver = rig.driver
    driver.reset()
    driver.source_function("voltage")
    driver.sense_function("current")
    driver.source.limit(1e-3)
    driver.sense.nplc(1)
    return driver


def test_the_2450_says_who_it_is(smu2450):
    idn = smu2450.driver.get_idn()
    assert (idn["vendor"], idn["model"], idn["serial"]) == ("KEITHLEY INSTRUMENTS", "2450", "1234567")
    assert smu2450.driver.line_frequency() == "50"
    for module in smu2450.driver.submodules.values():
        if hasattr(module, "user_number"):
            module.user_number(1)  # without one, QCoDeS asks for the delay of `USERNone`
    smu2450.driver.snapshot(update=True)
    assert smu2450.error() == "0"


def test_the_settings_of_the_2450_read_back(smu2450):
    driver = prepared(smu2450)
    for module, name, values in (
        (driver.source, "range", (2, 20)),
        (driver.source, "auto_range", (False, True)),
        (driver.source, "limit", (1e-4, 1e-2)),
        (driver.source, "delay", (0.5, 0)),
        (driver.source, "auto_delay", (False, True)),
        (driver.source, "read_back_enabled", (False, True)),
        (driver.source, "voltage", (0.1, -0.2)),
        (driver.sense, "range", (1e-3, 1e-6)),
        (driver.sense, "auto_range", (False, True)),
        (driver.sense, "nplc", (0.1, 1)),
        (driver.sense, "four_wire_measurement", (True, False)),
        (driver.sense, "auto_zero_enabled", (False, True)),
        (driver.sense, "count", (5, 1)),
    ):
        parameter = getattr(module, name)
        for value in values:
            parameter(value)
            assert float(parameter()) == pytest.approx(float(value)), name
    for module in (driver.source, driver.sense):
        for number in (1, 5):
            module.user_number(number)
            module.user_delay(number / 4)
            assert module.user_delay() == pytest.approx(number / 4)
    driver.sense.auto_zero_once()
    driver.terminals("rear")
    assert driver.terminals() == "REAR"
    driver.terminals("front")
    assert smu2450.error() == "0"


def test_the_2450_measures_the_device_and_trips_its_limit(smu2450):
    driver = prepared(smu2450)
    with pytest.raises(RuntimeError, match="Output needs to be on"):
        driver.sense.current()
    driver.source.block_during_ramp(True)
    with driver.output_enabled.set_to(True):
        driver.source.voltage(0.2)
        assert smu2450.is_live()
        assert driver.sense.current() == pytest.approx(0.2 * smu2450.conductance_s, abs=5e-10)
        assert driver.source.limit_tripped() is False
        driver.source.limit(1e-5)
        assert driver.sense.current() == pytest.approx(1e-5, rel=1e-4)
        assert driver.source.limit_tripped() is True
        driver.sense_function("voltage")
        assert driver.sense.voltage() == pytest.approx(1e-5 / smu2450.conductance_s, rel=1e-4)
        driver.sense_function("resistance")
        assert driver.sense.resistance() == pytest.approx(1 / smu2450.conductance_s, rel=1e-4)
    assert not smu2450.is_live()
    assert smu2450.error() == "0"


def test_the_2450_sources_current(smu2450):
    driver = smu2450.driver
    driver.sense_function("voltage")
    driver.source_function("current")
    driver.source.limit(1)
    driver.source.current(1e-5)
    with driver.output_enabled.set_to(True):
        assert driver.sense.voltage() == pytest.approx(1e-5 / smu2450.conductance_s, rel=1e-4)
    assert not smu2450.is_live()
    assert smu2450.error() == "0"


def test_the_2450_sweeps_into_its_buffer(smu2450):
    driver = prepared(smu2450)
    driver.source.sweep_setup(0, 0.2, 11)
    assert driver.npts() == 11
    np.testing.assert_allclose(driver.source.sweep_axis(), np.linspace(0, 0.2, 11))
    currents = driver.sense.sweep()
    np.testing.assert_allclose(currents, np.linspace(0, 0.2, 11) * smu2450.conductance_s, atol=5e-10)
    assert not smu2450.is_live()
    driver.source.sweep_reset()
    with pytest.raises(ValueError, match="setup the sweep"):
        driver.source.get_sweep_axis()
    assert smu2450.error() == "0"


def test_the_2450_sweeps_into_a_buffer_of_ones_own(smu2450):
    driver = prepared(smu2450)
    with driver.buffer("mine", 100, "STANdard") as buffer:
        assert buffer.size() == 100
        buffer.elements(["time", "date", "measurement", "source_value_formatted"])
        driver.source.sweep_setup(0, 0.1, 5, buffer_name="mine")
        currents = driver.sense.sweep()
        rows = np.array(driver.sense.sweep.get_selected()).reshape(5, 4)
        np.testing.assert_allclose(rows[:, 2].astype(float), currents)
        assert buffer.number_of_readings() == 0
        driver.sense.count(3)
        driver.output_enabled(True)
        buffer.trigger_start()
        driver.output_enabled(False)
        assert buffer.number_of_readings() == 3
        assert len(buffer.get_data(1, 3)) == 3 * 4
        assert len(buffer.get_data(2, 3, readings_only=True)) == 2
        buffer.elements(sorted(buffer.available_elements))
        assert len(buffer.get_last_reading().split(",")) == 14
        driver.sense.clear_trace("mine")
        assert buffer.number_of_readings() == 0
    assert driver.buffer_name() == "defbuffer1"
    assert smu2450.error() == "0"
    driver.write(":TRAC:CLE 'mine'")
    assert smu2450.error() != "0"


def test_a_buffer_whose_style_is_left_empty_is_made(smu2450):
    driver = prepared(smu2450)
    with driver.buffer("mine", 100) as buffer:
        assert buffer.size() == 100
    assert smu2450.error() == "0"


def test_the_rest_of_the_2450(smu2450):
    driver = prepared(smu2450)
    driver.source.sweep_setup(0, 0.1, 3)
    driver.source.sweep_start()
    driver.initiate()
    driver.wait()
    driver.abort()
    driver.clear_event_register()
    driver.write("nonsense")
    driver.clear_event_log()
    assert smu2450.error() == "0"
    driver.set_correct_language()
