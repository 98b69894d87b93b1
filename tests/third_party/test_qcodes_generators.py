"""QCoDeS's `Keysight33522B`, `Keysight33622A`, `Keysight33512B` and `Keysight33511B`, unmodified, against the twins.

Exercised: `IDN`, `connect_message`, `error`, `flush_error_queue`, `snapshot`, `print_readable_snapshot`,
`device_clear`, `force_trigger`, `sync_channel_phases`, `ask`, `write`, `close`; on `ch1` and `ch2` every parameter of
`TWO_WAYS` (function, frequency, levels, output, pulse width, trigger, burst); on `sync` `output` and `source`. The
33522B and the 33622A have twins of their own. The drivers of the 33512B and the 33511B speak to the twin of the
33522B, of whose commands theirs are a part; QCoDeS notes in its log that the model's name is another. Not exercised:
`amplitude_unit` other than VPP, which the twins do not model, and the drivers of other series (33210A, 33250A, 33611A).
"""

import logging
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pyvisa

import sim_instruments

pytestmark = [pytest.mark.third_party, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

keysight = pytest.importorskip("qcodes.instrument_drivers.Keysight")

ADDRESS = "TCPIP0::pulser.bench::inst0::INSTR"
WRITE_OHM = 2000.0
MODELS = {"Keysight33522B": "keysight-33500b", "Keysight33622A": "keysight-33600a"}
COUSINS = {"Keysight33512B": 2, "Keysight33511B": 1}

TWO_WAYS = [
    ("function_type", "PULS"),
    ("frequency_mode", "SWEEP"),
    ("frequency", 5e5),
    ("phase", 45.0),
    ("amplitude_unit", "VPP"),
    ("amplitude", 1.2),
    ("offset", 0.1),
    ("output", "ON"),
    ("ramp_symmetry", 70.0),
    ("pulse_width", 2e-4),
    ("trigger_source", "BUS"),
    ("trigger_slope", "NEG"),
    ("trigger_count", 12),
    ("trigger_delay", 2.5),
    ("trigger_timer", 0.25),
    ("output_polarity", "INV"),
    ("burst_state", "ON"),
    ("burst_mode", "Gated"),
    ("burst_ncycles", 12),
    ("burst_phase", -30.0),
    ("burst_polarity", "INV"),
    ("burst_int_period", 2e-2),
]


class Rig:
    """A generator on a small bench, switched to a device, and QCoDeS's driver of it."""

    def __init__(self, folder: Path, model: str, driver: type) -> None:
        text = (Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8")
        before, _, after = text.replace("devices = 11_534_336", "devices = 64").partition("[[instrument]]")
        wiring = re.sub(r"\ndevices = \[.*\]", "\ndevices = [5, 6]", after[after.index("[wiring]") :])
        pulser = f'[[instrument]]\nmodel = "{model}"\naddress = "{ADDRESS}"\nserial = "MY5114"\n\n'
        file = folder / "sim.toml"
        file.write_text(before + pulser + wiring, "utf-8")
        self.manager = pyvisa.ResourceManager(f"{file}@domainwall")
        self.bench = self.manager.visalib.bench  # type: ignore[attr-defined]
        self.bench.wiring.close([(1, 1, 1)])
        self.driver: Any = driver("pulser", ADDRESS, visalib=f"{file}@domainwall")

    @property
    def position(self) -> float:
        return float(self.bench.sample.walls.position[5])

    def bursts(self) -> list[tuple[int, float, float]]:
        """Return what the ledger holds: pulses (pulls are negative), amplitude in volts and width in seconds."""
        return [
            (entry.push_pulses, entry.push_amplitude_v, entry.push_width_s)
            if entry.push_pulses
            else (-entry.pull_pulses, entry.pull_amplitude_v, entry.pull_width_s)
            for entry in self.bench.sample.ledger.entries
        ]


@pytest.fixture
def make_rig(tmp_path: Path) -> Iterator[Callable[[str, type], Rig]]:
    rigs: list[Rig] = []

    def make(model: str, driver: type) -> Rig:
        rigs.append(Rig(tmp_path, model, driver))
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.driver.close()
        rig.manager.close()


@pytest.fixture(params=list(MODELS))
def rig(make_rig, request) -> Rig:
    return make_rig(MODELS[request.param], getattr(keysight, request.param))


def burst(rig: Rig) -> None:
    channel = rig.driver.ch1
    rig.driver.write(f"OUTP1:LOAD {WRITE_OHM}")
    channel.function_type("PULS")
    channel.amplitude(1.5)
    channel.offset(0.75)
    channel.frequency(1e3)
    channel.pulse_width(2e-7)
    channel.trigger_source("BUS")
    channel.burst_mode("N Cycle")
    channel.burst_ncycles(40)
    channel.burst_state("ON")
    channel.output("ON")
    rig.driver.force_trigger()
    channel.output("OFF")
    rig.driver.force_trigger()


def test_it_identifies_and_takes_a_snapshot(rig, capsys):
    assert rig.driver.IDN()["model"] in type(rig.driver).__name__
    assert rig.driver.IDN()["serial"] == "MY5114"
    values = rig.driver.snapshot(update=True)["submodules"]["ch2"]["parameters"]
    assert values["output"]["value"] == "OFF"
    assert values["function_type"]["value"] == "SIN"
    assert values["burst_mode"]["value"] == "N Cycle"
    rig.driver.print_readable_snapshot(update=True)
    assert "burst_ncycles" in capsys.readouterr().out
    assert rig.driver.error() == (0, "No error")


def test_the_model_is_the_one_that_the_driver_expects(rig, caplog):
    assert rig.driver.num_channels == 2
    assert not [record for record in caplog.get_records("setup") if record.levelno >= logging.WARNING]


@pytest.mark.parametrize("part", ["ch1", "ch2"])
@pytest.mark.parametrize(("name", "value"), TWO_WAYS)
def test_parameters_read_back(rig, part, name, value):
    parameter = getattr(getattr(rig.driver, part), name)
    parameter(value)
    found = parameter()
    if name == "frequency_mode":
        found = {"SWE": "SWEEP"}.get(found, found)  # the instrument answers in the short form
    assert found == (pytest.approx(value) if isinstance(value, float) else value)
    assert rig.driver.error() == (0, "No error")


def test_bursts_without_end_read_as_infinite(rig):
    rig.driver.ch1.burst_ncycles("INF")
    assert rig.driver.ch1.burst_ncycles() == float("inf")
    rig.driver.ch1.burst_ncycles("MAX")
    assert rig.driver.ch1.burst_ncycles() == 100_000_000


def test_the_sync_output(rig):
    for value in ("OFF", "ON"):
        rig.driver.sync.output(value)
        assert rig.driver.sync.output() == value
    rig.driver.sync.source(2)
    assert rig.driver.sync.source() == 2
    rig.driver.sync_channel_phases()
    assert rig.driver.error() == (0, "No error")


def test_it_bursts_pulses_at_a_wall_once_and_stops_with_the_output(rig):
    before = rig.position
    burst(rig)
    assert rig.bursts() == [(40, pytest.approx(1.5), pytest.approx(2e-7))]
    assert rig.position > before
    assert rig.driver.error() == (0, "No error")


def test_errors_come_out_one_by_one(rig, capsys):
    rig.driver.write("OUTP1:LOAD 0.5")
    rig.driver.write("NONSENSE")
    assert rig.driver.error()[0] == -222
    rig.driver.flush_error_queue()
    assert "-113" in capsys.readouterr().out
    rig.driver.device_clear()
    assert rig.driver.error() == (0, "No error")


@pytest.mark.parametrize(("name", "channels"), COUSINS.items())
def test_cousins_of_the_33522b_burst_too(make_rig, name, channels):
    rig = make_rig("keysight-33500b", getattr(keysight, name))
    assert hasattr(rig.driver, "ch2") is (channels == 2)
    burst(rig)
    assert [count for count, *_ in rig.bursts()] == [40]
