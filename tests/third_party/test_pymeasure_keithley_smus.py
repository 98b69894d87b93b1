"""PyMeasure's `Keithley2400`, `Keithley2400Legacy` and `Keithley2450`, unmodified, against the twins.

Exercised on the 2400: `id`, `options`, `status`, `complete`, `clear`, `reset`, `check_errors`, `next_error`; every
property of `TWO_WAYS_2400` (source, output, meter, filter, trigger, arm, display, line and terminal settings);
`auto_zero_once`, `enable_source`, `disable_source`, `current`, `voltage`, `resistance`, `measure_all`,
`ramp_to_voltage`, `ramp_to_current`, `apply_voltage`, `apply_current`, `measure_current`, `measure_voltage`,
`measure_resistance`, `config_buffer`, `start_buffer`, `is_buffer_full`, `wait_for_buffer`, `buffer_data`,
`reset_buffer`, `stop_buffer`, `disable_buffer`, `means`, `maximums`, `minimums`, `standard_devs` and the twelve
properties made of them, `trigger_on_bus`, `trigger_on_external`, `trigger_immediately`, `trigger`, `reset_trigger`,
`clear_trigger`, `sample_continuously`, `set_trigger_counts`, `set_timed_arm`, `disable_output_triggers`,
`output_trigger_on_external`, `beep`, `triad`, `use_rear_terminals`, `use_front_terminals`, `shutdown`. Legacy:
`measure_*`, `apply_*`, `RvsI`, `RvsIaboutZero`, `status`, `reset`, `trigger_on_bus`, `set_trigger_counts`, `shutdown`.

Exercised on the 2450: `id`, `reset`, `check_errors`, every property of `TWO_WAYS_2450`, `source_enabled`,
`enable_source`, `disable_source`, `apply_voltage`, `apply_current`, `measure_current`, `measure_voltage`,
`measure_resistance`, `current`, `voltage`, `resistance`, `auto_range_source`, `ramp_to_voltage`, `ramp_to_current`,
`means`, `maximums`, `minimums`, `standard_devs`, `beep`, `use_rear_terminals`, `use_front_terminals`, `stop_buffer`,
`shutdown`. Not exercised there: `config_buffer` and what follows from it, which PyMeasure documents as unsupported in
this command set (the twin answers -113 to it, as the instrument does), and `trigger`.
"""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

import sim_instruments

pytestmark = [
    pytest.mark.third_party,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

keithley = pytest.importorskip("pymeasure.instruments.keithley")
legacy = pytest.importorskip("pymeasure.instruments.keithley.keithley2400_legacy")

ADDRESS = "GPIB0::24::INSTR"


class Rig:
    """A meter on a small bench, switched to a device, and PyMeasure's driver of it."""

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
        self.driver: Any = driver(ADDRESS, visa_library=f"{file}@domainwall")

    def is_live(self) -> bool:
        """Whether the output is on, as the relays of the bench feel it."""
        before = len(self.bench.wiring.hot_switches)
        self.bench.wiring.open([(1, 2, 1)])
        self.bench.wiring.close([(1, 2, 1)])
        return len(self.bench.wiring.hot_switches) > before


@pytest.fixture
def make(tmp_path, monkeypatch) -> Iterator[Callable[[str, type], Rig]]:
    monkeypatch.setattr("time.sleep", lambda _: None)
    rigs = []

    def build(model: str, driver: type) -> Rig:
        rigs.append(Rig(tmp_path, model, driver))
        return rigs[-1]

    yield build
    for rig in rigs:
        rig.driver.adapter.close()
        rig.manager.close()


@pytest.fixture
def smu2400(make) -> Rig:
    rig = make("keithley-2400", keithley.Keithley2400)
    rig.driver.reset()
    rig.driver.reset_data_format()
    return rig


@pytest.fixture
def smu2450(make) -> Rig:
    rig = make("keithley-2450", keithley.Keithley2450)
    rig.driver.reset()
    return rig


TWO_WAYS_2400 = {
    "source_mode": ("current", "voltage"),
    "source_delay": (0.25, 0.0),
    "source_delay_auto_enabled": (False, True),
    "source_delay_auto": (False, True),
    "auto_zero_enabled": (False, True),
    "auto_zero": (False, True),
    "output_off_state": ("disconnected", "normal", "zero", "guard"),
    "auto_output_off_enabled": (True, False),
    "auto_output_off": (True, False),
    "filter_enabled": (True, False),
    "repeat_filter_enabled": (False, True),
    "filter_type": ("MOV", "REP"),
    "filter_count": (25, 10),
    "current_range_auto_enabled": (False, True),
    "current_nplc": (0.1, 10),
    "compliance_current": (1e-3, 0.1),
    "source_current": (1e-4, -2e-3),
    "source_current_range_auto_enabled": (False, True),
    "voltage_range_auto_enabled": (False, True),
    "voltage_nplc": (0.01, 1),
    "compliance_voltage": (2.0, 15.0),
    "source_voltage": (0.2, -1.5),
    "source_voltage_range_auto_enabled": (False, True),
    "resistance_mode_auto_enabled": (True, False),
    "resistance_range_auto_enabled": (False, True),
    "resistance_nplc": (5, 1),
    "trigger_count": (7, 1),
    "arm_count": (3, 1),
    "trigger_delay": (0.5, 0.0),
    "arm_timer": (0.25, 1.0),
    "trigger_source": ("trigger_link", "immediate"),
    "arm_source": ("trigger_link", "timer", "manual", "bus", "immediate"),
    "trigger_output_event": ("source", "delay", "sense", "none"),
    "arm_output_event": ("trigger_enter", "trigger_exit", "none"),
    "trigger_input_line": (3, 1),
    "arm_input_line": (4, 1),
    "trigger_output_line": (3, 2),
    "arm_output_line": (4, 2),
    "display_enabled": (False, True),
    "wires": (4, 2),
    "line_frequency": (60, 50),
    "line_frequency_auto_enabled": (True, False),
    "front_terminals_enabled": (False, True),
    "buffer_points": (500, 100),
    "source_enabled": (True, False),
}

RANGES_2400 = {
    "current_range": ((8e-6, 1.05e-5), (1e-4, 1.05e-4)),
    "voltage_range": ((1.5, 2.1), (100, 210)),
    "resistance_range": ((1.5e3, 2.1e3), (2e5, 2.1e5)),
    "source_current_range": ((5e-3, 1.05e-2), (1e-6, 1.05e-6)),
    "source_voltage_range": ((0.1, 0.21), (20, 21)),
}


@pytest.mark.parametrize("name", TWO_WAYS_2400)
def test_a_setting_of_the_2400_reads_back_as_it_was_set(smu2400, name):
    for value in TWO_WAYS_2400[name]:
        setattr(smu2400.driver, name, value)
        assert getattr(smu2400.driver, name) == pytest.approx(value)
    assert smu2400.driver.check_errors() == []


@pytest.mark.parametrize("name", RANGES_2400)
def test_a_range_of_the_2400_is_the_smallest_that_fits(smu2400, name):
    for largest, chosen in RANGES_2400[name]:
        setattr(smu2400.driver, name, largest)
        assert getattr(smu2400.driver, name) == pytest.approx(chosen)
    assert smu2400.driver.check_errors() == []


def test_the_2400_says_who_and_how_it_is(smu2400):
    driver = smu2400.driver
    assert driver.id.startswith("KEITHLEY INSTRUMENTS INC.,MODEL 2400,1234567,")
    assert driver.complete == "1"
    assert driver.options == "0"
    driver.clear()
    assert int(driver.status) & 4 == 0
    driver.write(":SOUR:VOLT 500")
    assert int(driver.status) & 4
    assert driver.next_error[0] == -222


def test_the_2400_measures_the_device_at_a_voltage(smu2400):
    driver, conductance_s = smu2400.driver, smu2400.conductance_s
    driver.source_mode = "voltage"
    driver.compliance_current = 1e-3
    driver.source_voltage = 0.2
    driver.enable_source()
    assert smu2400.is_live()
    # Five standard deviations on the ranges of 100 uA and 200 mV.
    assert driver.current == pytest.approx(0.2 * conductance_s, abs=5 * 5e-6 * 1e-4)
    assert driver.voltage == pytest.approx(0.2, abs=5 * 5e-6 * 0.2)
    assert driver.resistance == pytest.approx(1 / conductance_s, rel=1e-4)
    found = driver.measure_all()
    assert found["current"] / found["voltage"] == pytest.approx(conductance_s, rel=1e-4)
    assert found["resistance"] == pytest.approx(1 / conductance_s, rel=1e-4)
    assert found["status"] & (1 << 3) == 0
    driver.shutdown()
    assert not smu2400.is_live()
    assert driver.source_voltage == 0
    assert driver.check_errors() == []


def test_the_2400_trips_its_compliance(smu2400):
    driver = smu2400.driver
    driver.apply_voltage(compliance_current=1e-5)
    driver.measure_current()
    driver.source_voltage = 0.2
    driver.enable_source()
    assert driver.current == pytest.approx(1e-5, rel=1e-4)
    assert driver.measure_all()["status"] & (1 << 3)
    assert int(driver.ask(":SENS:CURR:PROT:TRIP?")) == 1
    driver.compliance_current = 1e-3
    assert int(driver.ask(":SENS:CURR:PROT:TRIP?")) == 0
    driver.source_mode = "current"
    assert not smu2400.is_live()  # another function switches the output off
    driver.compliance_voltage = 0.25
    driver.source_current = 1e-3
    driver.enable_source()
    assert driver.voltage == pytest.approx(0.25, rel=1e-4)
    assert int(driver.ask(":SENS:VOLT:PROT:TRIP?")) == 1


def test_the_2400_measures_the_device_at_a_current(smu2400):
    driver = smu2400.driver
    driver.apply_current(compliance_voltage=1.0)
    driver.measure_voltage()
    driver.enable_source()
    driver.ramp_to_current(5e-5, steps=4)
    assert driver.source_current == pytest.approx(5e-5)
    assert driver.voltage == pytest.approx(5e-5 / smu2400.conductance_s, rel=1e-4)
    driver.measure_resistance()
    assert driver.resistance == pytest.approx(1 / smu2400.conductance_s, rel=1e-4)
    driver.shutdown()
    assert not smu2400.is_live()


def test_the_2400_fills_its_buffer(smu2400):
    driver = smu2400.driver
    driver.apply_voltage(compliance_current=1e-3)
    driver.measure_current()
    driver.source_voltage = 0.1
    driver.config_buffer(points=20)
    driver.enable_source()
    assert not driver.is_buffer_full()
    driver.start_buffer()
    assert driver.is_buffer_full()
    driver.wait_for_buffer()
    table = driver.buffer_data.reshape(20, 5)
    np.testing.assert_allclose(table[:, 1], 0.1 * smu2400.conductance_s, atol=5 * 5e-6 * 1e-4)
    assert np.all(np.diff(table[:, 3]) > 0)
    assert driver.mean_current == pytest.approx(table[:, 1].mean(), rel=1e-6)
    assert driver.max_current == pytest.approx(table[:, 1].max(), rel=1e-6)
    assert driver.min_current == pytest.approx(table[:, 1].min(), rel=1e-6)
    assert driver.std_current == pytest.approx(table[:, 1].std(), rel=1e-3)
    assert (driver.mean_voltage, driver.max_voltage, driver.min_voltage) == (0.1, 0.1, 0.1)
    assert driver.std_voltage == pytest.approx(0, abs=1e-12)
    for found in (driver.mean_resistance, driver.max_resistance, driver.min_resistance, driver.std_resistance):
        assert found == 9.91e37  # not measured
    driver.reset_buffer()
    driver.stop_buffer()
    driver.disable_buffer()
    assert driver.check_errors() == []


def test_the_2400_waits_for_a_bus_trigger(smu2400):
    driver = smu2400.driver
    driver.source_voltage = 0.1
    driver.enable_source()
    driver.config_buffer(points=4)
    driver.trigger_on_bus()
    driver.start_buffer()
    assert not driver.is_buffer_full()
    driver.trigger()
    assert driver.is_buffer_full()
    driver.trigger()
    assert driver.next_error[0] == -211
    driver.start_buffer()
    driver.reset_trigger()
    driver.clear_trigger()
    driver.trigger_immediately()
    driver.sample_continuously()
    driver.trigger_on_external(2)
    assert driver.arm_input_line == 2
    driver.trigger_immediately()
    driver.set_trigger_counts(2, 5)
    driver.set_timed_arm(0.5)
    driver.disable_buffer()
    before_s = smu2400.bench.sample.clock.now_s
    assert len(driver.values(":READ?")) == 2 * 5 * 5
    assert smu2400.bench.sample.clock.now_s - before_s == pytest.approx(0.5 + 10 / 50)
    driver.disable_output_triggers()
    driver.disable_output_trigger()
    driver.output_trigger_on_external(3)
    assert driver.trigger_output_line == 3
    assert driver.check_errors() == []


def test_the_2400_beeps_and_turns_its_terminals_round(smu2400):
    driver = smu2400.driver
    driver.beep(440, 0.1)
    driver.triad(440, 0.1)
    driver.auto_zero_once()
    driver.source_voltage = 0.1
    driver.compliance_current = 1e-3
    driver.use_rear_terminals()
    driver.enable_source()
    assert abs(driver.current) < 1e-9  # the device is on the front
    driver.use_front_terminals()
    assert not smu2400.is_live()
    driver.enable_source()
    assert driver.current == pytest.approx(0.1 * smu2400.conductance_s, rel=1e-3)
    assert driver.check_errors() == []


def test_the_legacy_driver_sweeps_the_2400(make):
    rig = make("keithley-2400", legacy.Keithley2400Legacy)
    driver = rig.driver
    driver.connection = driver.adapter.connection  # RvsI sets its time-out, and PyMeasure no longer has it there
    driver.reset()
    driver.apply_current(compliance_voltage=1.0)
    driver.measure_voltage()
    driver.enable_source()
    pairs = list(driver.RvsI(1e-5, 5e-5, 1e-5, compliance=1.0, delay=0.0))
    np.testing.assert_allclose([c for c, _ in pairs], [1e-5, 2e-5, 3e-5, 4e-5, 5e-5])
    np.testing.assert_allclose([v for _, v in pairs], [c / rig.conductance_s for c, _ in pairs], rtol=1e-3)
    pairs = list(driver.RvsIaboutZero(1e-5, 4e-5, 1e-5, compliance=1.0, delay=0.0))
    np.testing.assert_allclose([v for _, v in pairs], [c / rig.conductance_s for c, _ in pairs], rtol=1e-3)
    assert len(pairs) == 16
    assert not rig.is_live()
    assert driver.status().startswith("0,")
    driver.set_trigger_counts(1, 4)
    driver.trigger_immediately()
    driver.shutdown()
    assert not rig.is_live()
    assert driver.check_errors() == []


TWO_WAYS_2450 = {
    "source_mode": ("current", "voltage"),
    "current_range": (1e-3, 1e-6),
    "current_nplc": (0.1, 10),
    "compliance_current": (1e-3, 0.1),
    "source_current": (1e-4, -2e-3),
    "source_current_range": (1e-2, 1e-3),
    "source_current_delay": (0.5, 0.0),
    "source_current_delay_auto": (False, True),
    "voltage_range": (2, 20),
    "voltage_nplc": (0.01, 1),
    "compliance_voltage": (2.0, 15.0),
    "source_voltage": (0.2, -1.5),
    "source_voltage_range": (2, 20),
    "source_voltage_delay": (0.5, 0.0),
    "source_voltage_delay_auto": (False, True),
    "resistance_range": (2e3, 2e5),
    "resistance_nplc": (5, 1),
    "wires": (4, 2),
    "buffer_points": (500, 1000),
    "current_filter_type": ("MOV", "REP"),
    "current_filter_count": (25, 10),
    "voltage_filter_type": ("MOV", "REP"),
    "voltage_filter_count": (25, 10),
    "current_output_off_state": ("HIMP", "ZERO", "GUAR", "NORM"),
    "voltage_output_off_state": ("HIMP", "ZERO", "GUAR", "NORM"),
}


@pytest.mark.parametrize("name", TWO_WAYS_2450)
def test_a_setting_of_the_2450_reads_back_as_it_was_set(smu2450, name):
    for value in TWO_WAYS_2450[name]:
        setattr(smu2450.driver, name, value)
        assert getattr(smu2450.driver, name) == pytest.approx(value)
    assert smu2450.driver.check_errors() == []


def test_the_2450_measures_the_device_and_trips_its_limit(smu2450):
    driver, conductance_s = smu2450.driver, smu2450.conductance_s
    assert driver.id == "KEITHLEY INSTRUMENTS,MODEL 2450,1234567,1.7.12b"
    driver.apply_voltage(compliance_current=1e-3)
    driver.measure_current()
    driver.enable_source()
    driver.ramp_to_voltage(0.2, steps=4)
    assert driver.source_enabled
    assert smu2450.is_live()
    assert driver.current == pytest.approx(0.2 * conductance_s, abs=5e-10)
    assert int(driver.ask(":SOUR:VOLT:ILIM:TRIP?")) == 0
    driver.compliance_current = 1e-5
    assert driver.current == pytest.approx(1e-5, rel=1e-4)
    assert int(driver.ask(":SOUR:VOLT:ILIM:TRIP?")) == 1
    driver.measure_voltage()
    assert driver.voltage == pytest.approx(1e-5 / conductance_s, rel=1e-4)
    driver.measure_resistance()
    assert driver.resistance == pytest.approx(1 / conductance_s, rel=1e-4)
    driver.shutdown()
    assert not smu2450.is_live()
    assert driver.check_errors() == []


def test_the_2450_sources_current(smu2450):
    driver = smu2450.driver
    driver.apply_current(compliance_voltage=1.0)
    driver.auto_range_source()
    driver.measure_voltage()
    driver.enable_source()
    driver.ramp_to_current(5e-5, steps=4)
    readings = [driver.voltage for _ in range(5)]
    np.testing.assert_allclose(readings, 5e-5 / smu2450.conductance_s, rtol=1e-4)
    assert driver.means == pytest.approx(np.mean(readings))
    assert driver.maximums == pytest.approx(max(readings))
    assert driver.minimums == pytest.approx(min(readings))
    assert driver.standard_devs == pytest.approx(np.std(readings, ddof=1), rel=1e-3)
    driver.disable_source()
    assert not smu2450.is_live()
    driver.beep(440, 0.1)
    driver.use_rear_terminals()
    driver.use_front_terminals()
    assert driver.check_errors() == []


def test_the_2450_refuses_the_buffer_commands_of_the_2400(smu2450):
    smu2450.driver.config_buffer(points=20)
    # The errors of this method went to the log as it checked them itself; the buffer is none the fuller.
    assert smu2450.driver.ask(":TRAC:ACT?").strip() == "0"
