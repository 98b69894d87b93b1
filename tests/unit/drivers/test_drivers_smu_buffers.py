"""What the buffered measurements of source-measure units share, and the Keithleys' drivers on their twins."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

import sim_instruments
from drivers.errors import HilError, LimitError, LinkError, SettingsChanged
from drivers.instrument import OutputState, Session
from drivers.limits import Limit
from drivers.link import Link
from drivers.protocols import Quality
from drivers.smus import keithley_2400, keithley_2450
from drivers.smus.buffered import as_readings, checked_levels, joined, list_commands, pieces, quality
from drivers.smus.keithley_power import check_envelope
from drivers.visa_library import VisaLibrary

LIMIT = Limit(quantity="source voltage", low=-0.05, high=0.2, unit="V", origin="a test")


@pytest.mark.parametrize("levels", [[0.2, -0.1], [0.3, 0.0], [0.1, float("nan")], [], [0.0] * 6, [[0.1]]], ids=str)
def test_a_sweep_is_checked_at_both_ends(levels):
    with pytest.raises(LimitError):
        checked_levels(np.array(levels), LIMIT, most=5)


def test_a_sweep_within_its_limits_is_taken_as_it_is():
    np.testing.assert_array_equal(checked_levels(np.array([0.2, -0.05, 0.0]), LIMIT, most=3), [0.2, -0.05, 0.0])


def test_lists_go_out_in_parts():
    assert list(list_commands("L", "A", np.array([0.1, -2e-9, 3.0]), per_message=2)) == ["L 0.1,-2E-09", "A 3.0"]


def test_counts_come_in_pieces():
    assert list(pieces(7, 3)) == [3, 3, 1]
    assert list(pieces(3, 3)) == [3]


def test_what_stands_for_nothing_is_no_number():
    single = float(np.float32(9.9e37))
    readings = as_readings([1, 2, 3, 4], [single, -9.9e37, 9.91e37, 1e-6], [False, False, False, True])
    assert np.isnan(readings.current_a).tolist() == [True, True, True, False]
    assert readings.good.tolist() == [False] * 4
    assert joined([readings, readings]).limited.tolist() == [False, False, False, True] * 2


def test_what_a_reading_is_worth():
    assert quality(9.9e37, limited=True) is Quality.INVALID
    assert quality(1e-6, limited=True) is Quality.LIMITED
    assert quality(1e-6, limited=False) is Quality.GOOD


@pytest.mark.parametrize(("level_v", "compliance_a"), [(21.0, 1.05), (-21.0, 1.05), (210.0, 0.105)])
def test_the_envelope_lets_pass_what_the_instrument_gives(level_v, compliance_a):
    check_envelope(level_v, compliance_a)


@pytest.mark.parametrize(("level_v", "compliance_a"), [(21.1, 0.106), (-210.0, 1.05)])
def test_the_envelope_stops_what_it_does_not(level_v, compliance_a):
    with pytest.raises(LimitError, match="above 21 V"):
        check_envelope(level_v, compliance_a)


class Rig:
    """A driver, its twin on a small bench, and a device switched to it."""

    def __init__(self, folder: Path, model: str) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
        address = "TCPIP0::smu.bench::inst0::INSTR"
        smu = f'[[instrument]]\nmodel = "{model}"\naddress = "{address}"\nserial = "1234567"\n\n'
        file = folder / "sim.toml"
        file.write_text(before + smu + wiring, "utf-8")
        self.manager = pyvisa.ResourceManager(f"{file}@domainwall")
        self.bench: Any = self.manager.visalib.bench  # type: ignore[attr-defined]
        self.bench.wiring.close([(1, 2, 1)])
        self.conductance_s = self.bench.sample.conductance_s(5)
        (self.twin,) = self.bench.instruments.values()
        self.link = Link(VisaLibrary.open(f"{file}@domainwall"), address)
        kind = keithley_2400 if model == "keithley-2400" else keithley_2450
        driver = keithley_2400.Keithley2400 if model == "keithley-2400" else keithley_2450.Keithley2450
        session = Session("smu", self.link, kind=kind.KIND, safe=kind.SAFE)
        self.driver = driver(session, voltage=kind.VOLTAGE, compliance=kind.COMPLIANCE)

    @property
    def output(self) -> str:
        """What the instrument says of its output."""
        return self.link.query(":OUTP?")


@pytest.fixture(params=["keithley-2400", "keithley-2450"])
def rig(tmp_path, request) -> Iterator[Rig]:
    rig = Rig(tmp_path, request.param)
    yield rig
    rig.driver.close()
    rig.manager.close()


def test_readings_tell_the_conductance(rig):
    rig.driver.source_voltage(0.1, compliance_a=1e-3)
    rig.driver.output_on()
    one = rig.driver.measure()
    assert one.quality is Quality.GOOD
    assert one.current_a / one.voltage_v == pytest.approx(rig.conductance_s, rel=1e-4)
    before = rig.link.exchanges
    many = rig.driver.measure_many(1000)
    assert rig.link.exchanges - before <= 12
    assert many.good.all()
    assert np.mean(many.current_a / many.voltage_v) == pytest.approx(rig.conductance_s, rel=1e-5)
    assert rig.driver.measure().quality is Quality.GOOD
    assert rig.output == "1"


def test_a_sweep_of_a_thousand_levels_is_a_few_messages(rig):
    levels = np.linspace(-0.2, 0.2, 1000)
    before = rig.link.exchanges
    swept = rig.driver.sweep(levels, compliance_a=4e-5)
    assert rig.link.exchanges - before < 70
    assert rig.output == "0"
    assert rig.driver.session.output is OutputState.OFF
    good = swept.good
    # The compliance holds what would need more than 40 uA.
    np.testing.assert_array_equal(good, np.abs(levels) * rig.conductance_s <= 4e-5)
    np.testing.assert_allclose(swept.current_a[good], levels[good] * rig.conductance_s, atol=5e-9)
    np.testing.assert_allclose(np.abs(swept.current_a[~good]), 4e-5, rtol=1e-3)
    rig.driver.source_voltage(0.1, compliance_a=1e-3)
    rig.driver.output_on()
    assert rig.driver.measure().current_a == pytest.approx(0.1 * rig.conductance_s, rel=1e-3)


def test_a_reset_behind_the_drivers_back_gives_no_reading(rig):
    rig.driver.source_voltage(0.1, compliance_a=1e-3)
    rig.driver.output_on()
    rig.twin.receive(b"*RST\n", has_end=True)
    with pytest.raises((SettingsChanged, LinkError)):
        rig.driver.measure()
    with pytest.raises(HilError):
        rig.driver.measure_many(10)
    rig.driver.make_safe()
    rig.driver.source_voltage(0.1, compliance_a=1e-3)
    rig.driver.output_on()
    assert rig.driver.measure().current_a == pytest.approx(0.1 * rig.conductance_s, rel=1e-3)


def test_another_level_behind_the_drivers_back_gives_no_reading(rig):
    rig.driver.source_voltage(0.1, compliance_a=1e-3)
    rig.driver.output_on()
    rig.twin.receive(b":SOUR:VOLT 0.05\n", has_end=True)
    with pytest.raises(SettingsChanged):
        rig.driver.measure_many(10)
