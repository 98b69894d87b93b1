"""QCoDeS's `KeysightB2962A`, unmodified, against the twin of the B2902A.

QCoDeS has one driver for the family, written for the B2962A power source; it does not look at the model's name, and all
its commands are common to the B2900s. Exercised: `get_idn`, `connect_message`, `snapshot`, `print_readable_snapshot`,
`ask`, `write`, `close`; on both channels `source_mode`, `source_voltage`, `source_current`, `voltage_limit`,
`current_limit`, `enable`, `voltage`, `current`, `resistance`, `remote_sensing`. PyMeasure 0.16 has no driver for this
family: its `AgilentB2981` to `AgilentB2987` are electrometers with another input section. Neither has one for the
Keithley 7001 or 7002.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

import sim_instruments

pytestmark = [pytest.mark.third_party, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

keysight = pytest.importorskip("qcodes.instrument_drivers.Keysight")

ADDRESS = "TCPIP0::smu.bench::inst0::INSTR"


class Rig:
    """A B2902A on a small bench, its first channel switched to a device, and QCoDeS's driver of it."""

    def __init__(self, folder: Path) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
        smu = f'[[instrument]]\nmodel = "keysight-b2902a"\naddress = "{ADDRESS}"\nserial = "MY5114"\n\n'
        file = folder / "sim.toml"
        file.write_text(before + smu + wiring, "utf-8")
        self.manager = pyvisa.ResourceManager(f"{file}@domainwall")
        self.bench = self.manager.visalib.bench  # type: ignore[attr-defined]
        self.bench.wiring.close([(1, 2, 1)])
        self.conductance_s = self.bench.sample.conductance_s(5)
        self.driver: Any = keysight.KeysightB2962A("smu", ADDRESS, visalib=f"{file}@domainwall")

    def errors(self) -> str:
        return self.driver.ask("SYST:ERR:ALL?")


@pytest.fixture
def rig(tmp_path) -> Iterator[Rig]:
    rig = Rig(tmp_path)
    yield rig
    rig.driver.close()
    rig.manager.close()


def test_it_identifies_and_takes_a_snapshot(rig, capsys):
    assert rig.driver.get_idn() == {
        "vendor": "Keysight Technologies",
        "model": "B2902A",
        "serial": "MY5114",
        "firmware": "3.4.2011.5100",
    }
    values = rig.driver.snapshot(update=True)["submodules"]["ch2"]["parameters"]
    assert values["enable"]["value"] is False
    assert values["source_mode"]["value"] == "voltage"
    rig.driver.print_readable_snapshot(update=True)
    assert "source_voltage" in capsys.readouterr().out
    assert rig.errors() == '+0,"No error"'


def test_it_sources_volts_and_measures(rig):
    channel = rig.driver.ch1
    channel.source_mode("voltage")
    channel.current_limit(1e-3)
    channel.source_voltage(0.1)
    channel.remote_sensing(True)
    channel.enable(True)
    assert channel.enable() is True
    assert channel.remote_sensing() is True
    assert channel.source_voltage() == pytest.approx(0.1)
    assert channel.current_limit() == pytest.approx(1e-3)
    assert channel.voltage() == pytest.approx(0.1, rel=1e-3)
    assert channel.current() == pytest.approx(0.1 * rig.conductance_s, rel=1e-3)
    assert channel.resistance() == pytest.approx(1 / rig.conductance_s, rel=1e-3)
    channel.current_limit(1e-6)
    assert channel.current() == pytest.approx(1e-6, rel=1e-2)
    channel.enable(False)
    assert channel.enable() is False
    assert rig.errors() == '+0,"No error"'


def test_it_sources_amperes(rig):
    channel = rig.driver.ch1
    channel.source_mode("current")
    channel.voltage_limit(1.0)
    channel.source_current(2e-5)
    channel.enable(True)
    assert channel.source_current() == pytest.approx(2e-5)
    assert channel.voltage_limit() == pytest.approx(1.0)
    assert channel.voltage() == pytest.approx(2e-5 / rig.conductance_s, rel=1e-3)
    channel.enable(False)


def test_it_steps_through_levels(rig):
    channel = rig.driver.ch1
    channel.current_limit(1e-3)
    channel.enable(True)
    levels = np.linspace(-0.2, 0.2, 9)
    currents = []
    for level in levels:
        channel.source_voltage(level)
        currents.append(channel.current())
    assert currents == pytest.approx(levels * rig.conductance_s, rel=1e-2, abs=1e-9)
    channel.enable(False)


def test_the_channels_do_not_mix(rig):
    rig.driver.ch2.source_voltage(1.5)
    rig.driver.ch2.enable(True)
    assert rig.driver.ch1.source_voltage() == 0
    assert rig.driver.ch1.enable() is False
    assert abs(rig.driver.ch2.current()) < 1e-9
    rig.driver.write("*RST")
    assert rig.driver.ch2.enable() is False
    assert rig.driver.ch2.source_voltage() == 0
