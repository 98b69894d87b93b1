"""The bench file's electrical keys, and source-measure units on devices that are no plain conductance."""

import math
import re
import tomllib
from dataclasses import fields
from importlib.resources import files
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from pydantic import ValidationError

from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.physics.readout import CurvedLaw, ReadoutParameters
from sim_instruments.physics.readout.array_law import array_law
from sim_instruments.physics.readout.contacts import Windows
from sim_instruments.physics.readout.hall_cross import HallCross
from sim_instruments.physics.readout.junction import Junction
from sim_instruments.physics.readout.load import Junctions, Ohmic
from sim_instruments.physics.readout.parameters import Converter, Electrical
from sim_instruments.place import Place
from sim_instruments.smu_output import OVERFLOW, operating_point, settle
from sim_instruments.smu_probe import NOWHERE, Probe

DEVICE = 7
BIASED = {"bias_half_voltage_v": 0.5, "series_resistance_ohm": 500.0}
JUNCTION = Junction(conductance_low_s=2e-4, conductance_high_s=4e-4, **BIASED)
NOISY = {
    "temperature_k": 300.0,
    "flicker": {"hooge_um2": 1e-7, "area_um2": 0.05},
    "telegraph": {"step": 0.02, "upper_s": 0.5, "lower_s": 1.0},
}
METERS = {
    "keithley-2400": (
        ":SOUR:VOLT:LEV {level};:SENS:CURR:PROT {limit};:OUTP ON;:SENS:FUNC 'CURR';:FORM:ELEM CURR",
        ":READ?",
    ),
    "keithley-2450": (":SOUR:VOLT {level};:SOUR:VOLT:ILIM {limit};:OUTP ON;:SENS:FUNC 'CURR'", ":READ?"),
    "keithley-2602b": (
        "smua.source.levelv = {level} smua.source.limiti = {limit} smua.source.output = 1",
        "print(smua.measure.i())",
    ),
    "keysight-b2902a": (":SOUR:VOLT {level};:SENS:CURR:PROT {limit};:OUTP ON", ":MEAS:CURR?"),
}


def simulated(model: str = "keithley-2450", **electrical: object) -> SimulatedBench:
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"]["devices"] = 100
    tables["sample"]["electrical"].update(electrical)
    tables["wiring"]["devices"] = [DEVICE, 20]
    tables["instrument"] = [{"model": model, "address": "GPIB0::1::INSTR", "serial": "04"}]
    if "temperature_k" in electrical:
        tables["sample"]["readout"]["voltage_v"] = 0.1
    bench = SimulatedBench(BenchConfig.model_validate(tables))
    bench.wiring.close([(1, 2, 1)])
    return bench


def probe(bench: SimulatedBench) -> Probe:
    return Probe(Place(serial="04", sample=bench.sample, wiring=bench.wiring, interlock_closed=True))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"conductance_high_s": 1e-4}, "conductance_high_s must lie above conductance_low_s"),
        ({"bias_half_voltage_v": 0.0}, "electrical.bias_half_voltage_v"),
        ({"series_resistance_ohm": -1.0}, "electrical.series_resistance_ohm"),
        ({"wall_width_share": 0.2}, "electrical.wall_width_share"),
        ({"hooge_um2": 1e-9}, "electrical.hooge_um2"),
        ({"flicker": {"hooge_um2": 1e-9}}, "electrical.flicker.area_um2"),
        ({"flicker": {"hooge_um2": 1e-9, "area_um2": 0.05, "slowest_s": 1e-8}}, "slowest_s must be at least 1e-07"),
        ({"telegraph": {"step": 1.0, "upper_s": 1.0, "lower_s": 1.0}}, "step must lie below 1"),
        ({"telegraph": {"step": 0.1, "upper_s": 1.0, "lower_s": 1.0, "rate_hz": 1.0}}, "electrical.telegraph.rate_hz"),
    ],
)
def test_keys_that_make_no_device_are_refused_by_name(changes: dict[str, object], words: str):
    with pytest.raises(ValidationError) as caught:
        simulated(**changes)
    assert words in str(caught.value)


def test_the_example_in_the_documentation_is_one():
    page = (Path(__file__).parents[2] / "docs" / "read-out.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    example = tomllib.loads(block)["sample"]
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"].update(example, devices=9_000_100)
    config = BenchConfig.model_validate(tables).sample
    assert isinstance(array_law(config.electrical, config.readout), CurvedLaw)
    # Every optional key is there.
    keys = {*example["electrical"], *example["readout"]}
    assert keys == {field.name for table in (Electrical, Converter) for field in fields(table)}


def test_thermal_noise_needs_a_read_voltage():
    electrical = Electrical(
        conductance_low_s=1e-4, conductance_high_s=2e-4, write_resistance_ohm=1.0, temperature_k=300
    )
    converter = Converter(conductance_noise_s=0.0, code_offset_s=0.0, code_lsb_s=1e-9)
    with pytest.raises(ValueError, match="voltage_v must be above 0"):
        array_law(electrical, converter)


def test_a_hall_cross_lies_on_its_track():
    with pytest.raises(ValueError, match="must not exceed 1"):
        HallCross(resistance_ohm=1.0, start=0.6, length=0.5)


def test_the_bench_that_ships_reads_as_plainly_as_ever():
    sample = simulated().sample
    assert isinstance(sample._read_law, ReadoutParameters)
    load = sample.load((DEVICE, 20), Windows(start_s=0.0, period_s=1.0, window_s=0.02, count=3))
    assert isinstance(load, Ohmic)
    assert load.conductance_s == 2 * (2e-4 + (4e-4 - 2e-4) * 0.5)
    assert isinstance(simulated(wall_width_share=1e-3).sample._read_law, CurvedLaw)


@pytest.mark.parametrize("function", ["VOLT", "CURR"])
@pytest.mark.parametrize("limit", [1e-4, 0.3])
def test_compliance_holds_on_a_bent_characteristic(function: Literal["VOLT", "CURR"], limit: float):
    load = Junctions(junction=JUNCTION, high_share=np.array([0.3, 0.8]), scale=np.ones((1, 2)))
    levels = np.array([-0.7, -1e-4, 0.0, 1e-5, 0.2, 2.0]) * (1 if function == "VOLT" else 1e-3)
    voltage_v, current_a, is_limited = settle(function, levels, limit, load)
    assert current_a == pytest.approx(load.current_a(voltage_v), rel=1e-9, abs=1e-20)
    sourced, other = (voltage_v, current_a) if function == "VOLT" else (current_a, voltage_v)
    assert (np.abs(other) <= limit * (1 + 1e-9)).all()
    assert np.array_equal(sourced[~is_limited], levels[~is_limited])
    assert np.abs(other[is_limited]) == pytest.approx(limit)
    assert (np.abs(sourced[is_limited]) < np.abs(levels[is_limited])).all()
    assert (np.sign(sourced) == np.sign(levels)).all()


@pytest.mark.parametrize("function", ["VOLT", "CURR"])
def test_open_terminals_carry_nothing(function: Literal["VOLT", "CURR"]):
    bench = simulated(**BIASED, **NOISY)
    bench.wiring.open([(1, 2, 1)])
    windows = Windows(start_s=0.0, period_s=1.0, window_s=0.1, count=3)
    for terminals in (NOWHERE, probe(bench)):
        voltage_v, current_a, is_limited = terminals.settle(function, np.array([-0.1, 0.0, 0.2]), 0.15, windows)
        assert not current_a.any()
        assert voltage_v.tolist() == ([-0.1, 0.0, 0.2] if function == "VOLT" else [-0.15, 0.0, 0.15])
        assert is_limited.tolist() == ([False] * 3 if function == "VOLT" else [True, False, True])
    level = 0.1 if function == "VOLT" else 0.0
    assert NOWHERE.settle_one(function, level, 0.15) == operating_point(function, level, 0.15, 0.0)


@pytest.mark.parametrize("model", METERS)
def test_every_meter_sees_the_bias_and_the_channel(model: str):
    set_up, read = METERS[model]
    bench = simulated(model, **BIASED)
    (instrument,) = bench.instruments.values()
    sample = bench.sample
    assert sample.conductance_s(DEVICE) == pytest.approx(float(JUNCTION.conductance_s(0.5)), rel=1e-6)

    def current_a(level: float, limit: float) -> float:
        for message in (*set_up.format(level=level, limit=limit).split(";:"), read):
            message = message if message.startswith((":", "smu", "print")) else f":{message}"
            instrument.receive(message.encode(), has_end=True)
        reply = instrument.send(1 << 20, has_end=True)
        assert reply is not None
        return float(reply.data.decode().split(",")[0])

    for level in (0.02, 0.9):
        expected = float(JUNCTION.at_voltage(0.5, level).current_a)
        assert current_a(level, 0.01) == pytest.approx(expected, rel=5e-3)
    # The rise with bias is much more than that tolerance.
    assert expected > 0.9 * sample.conductance_s(DEVICE) * 1.02
    assert current_a(0.9, 1e-4) == pytest.approx(1e-4, rel=5e-3)


def test_fluctuations_reach_readings_one_by_one_and_in_a_sweep():
    bench = simulated(**BIASED, **NOISY)
    terminals = probe(bench)
    quiet = terminals.settle_one("VOLT", 0.2, 1.0)
    series = [
        terminals.settle_one(
            "VOLT", 0.2, 1.0, Windows(start_s=float(k), period_s=1.0, window_s=0.02, count=1)
        ).current_a
        for k in range(200)
    ]
    sweep = terminals.settle(
        "VOLT", np.full(200, 0.2), 1.0, Windows(start_s=200.0, period_s=1.0, window_s=0.02, count=200)
    )[1]
    for currents in (np.array(series), sweep):
        deviation = (currents / quiet.current_a - 1).std()
        # Jumps of 2 % that the channel weakens, one third of the time up.
        assert deviation == pytest.approx(0.02 * math.sqrt(2) / 3, rel=0.5)
    # Noise is of readings: the question whether the compliance holds draws none.
    assert terminals.settle_one("VOLT", 0.2, 1.0) == quiet


def test_white_noise_goes_into_the_quantity_that_the_output_leaves_free():
    bench = simulated(**BIASED, temperature_k=300.0)
    terminals = probe(bench)
    count = 4000
    windows = Windows(start_s=0.0, period_s=1e-3, window_s=1e-6, count=count)
    load = bench.sample.load((DEVICE,))
    for level_v in (0.0, 0.5):
        voltage_v, current_a, _ = terminals.settle("VOLT", np.full(count, level_v), 1.0, windows)
        density = float(load.current_noise_a2_hz(np.array([level_v]), 300.0)[0])
        assert (voltage_v == level_v).all()
        assert current_a.var() == pytest.approx(density / 2e-6, rel=4 * math.sqrt(2 / count))
    level_a = float(current_a.mean())
    voltage_v, current_a, _ = terminals.settle("CURR", np.full(count, level_a), 10.0, windows)
    slope_s = float(load.slope_s(np.array([0.5]))[0])
    assert (current_a == level_a).all()
    assert voltage_v.var() == pytest.approx(density / 2e-6 / slope_s**2, rel=4 * math.sqrt(2 / count))
    # Held by its compliance a voltage source is a current source.
    voltage_v, current_a, is_limited = terminals.settle("VOLT", np.full(count, 5.0), level_a, windows)
    assert is_limited.all()
    assert (current_a == level_a).all()
    assert voltage_v.std() > 0
    assert (np.abs(voltage_v) < OVERFLOW).all()
