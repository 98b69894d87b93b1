"""The example laboratories: each loads, each has a simulated counterpart that differs in nothing but the addresses."""

from pathlib import Path

import numpy as np
import pytest

from calibration import Route, StaircaseConfig, calibrate
from drivers import Bench, Polarity, Pulse, load_bench
from drivers.inspection import inspect_bench

FOLDER = Path(__file__).parents[2] / "examples" / "benches"
LABORATORIES = ("pulsed-transport", "low-cost", "crossbar")


def test_every_file_of_the_folder_belongs_to_a_laboratory():
    expected = {f"{name}{kind}.toml" for name in LABORATORIES for kind in ("", "-simulated", "-sim")}
    assert {path.name for path in FOLDER.iterdir()} == expected


@pytest.mark.parametrize("name", LABORATORIES)
def test_the_simulated_counterpart_is_the_same_laboratory(name: str):
    real, simulated = load_bench(FOLDER / f"{name}.toml"), load_bench(FOLDER / f"{name}-simulated.toml")
    assert [entry.model_copy(update={"address": ""}) for entry in real.instruments] == [
        entry.model_copy(update={"address": ""}) for entry in simulated.instruments
    ]
    assert real.wiring == simulated.wiring
    assert "domainwall" not in real.library


@pytest.mark.parametrize("name", LABORATORIES)
def test_the_doctor_finds_the_simulated_laboratory_in_order(name: str):
    found = inspect_bench(load_bench(FOLDER / f"{name}-simulated.toml"), self_test=True)
    assert [item.problems for item in found if not item.ok] == []


@pytest.mark.parametrize("name", ["pulsed-transport", "low-cost"])
def test_a_station_moves_a_wall_and_sees_it(name: str):
    with Bench.open(load_bench(FOLDER / f"{name}-simulated.toml")) as bench:
        device = bench.wiring.devices[2]
        before = _conductance(bench, device)
        bench.connect_pulse(device)
        bench.pulse_source.arm(Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=100e-9))
        bench.pulse_source.fire(200)
        assert _conductance(bench, device) > before * 1.02


def _conductance(bench: Bench, device: int) -> float:
    bench.connect_measure(device)
    bench.source_meter.source_voltage(0.1, compliance_a=1e-3)
    bench.source_meter.output_on()
    reading = bench.source_meter.measure()
    bench.source_meter.output_off()
    return reading.current_a / reading.voltage_v


def test_the_crossbar_is_programmed_and_read():
    with Bench.open(load_bench(FOLDER / "crossbar-simulated.toml")) as bench:
        array = bench.array
        counts = np.full(1000, 100, np.uint8)
        array.set_pulses(
            Pulse(polarity=Polarity.PUSH, amplitude_v=1.5, width_s=100e-9),
            Pulse(polarity=Polarity.PULL, amplitude_v=1.5, width_s=100e-9),
        )
        before = array.read_codes(0, 1000).astype(int)
        array.output_on()
        array.program(0, counts, np.zeros_like(counts), tag=array.last_tag() + 1)
        assert array.read_codes(0, 1000).astype(int).mean() > before.mean() + 1000


@pytest.mark.parametrize(
    ("name", "route", "widths_s"),
    [
        ("pulsed-transport", Route.BENCH, (10e-9, 140e-9, 2e-6)),
        ("low-cost", Route.BENCH, (20e-9, 200e-9, 2e-6)),
        ("crossbar", Route.ARRAY, (10e-9, 140e-9, 2e-6)),
    ],
)
def test_each_laboratory_calibrates_within_its_own_limits(name: str, route: Route, widths_s: tuple[float, ...]):
    config = StaircaseConfig(route=route, devices=8, cycles=1, amplitude_v=1.5, widths_s=widths_s)
    with Bench.open(load_bench(FOLDER / f"{name}-simulated.toml")) as bench:
        result = calibrate(bench, config, seed=1)
        assert result is not None
        assert all(status.output != "on" for status in bench.statuses())
