"""Every model of walls on the bench that ships for it, reached through PyVISA and nothing else."""

import tomllib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import pyvisa

from sim_instruments.bench import SimulatedBench, open_bench
from sim_instruments.config import BenchFileError
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.walls import Drive

BENCHES = Path(str(files("sim_instruments") / "benches"))
MODELS = {"hopping": (2.2, 2e-8), "creep": (2.0, 1e-7), "collective": (1.5, 3e-9)}
"""Amplitude and width of a pulse that moves the walls of each bench by some thousandths of their tracks."""


def _text(model: str, devices: int) -> str:
    text = (BENCHES / f"{model}.toml").read_text("utf-8")
    found = tomllib.loads(text)["sample"]["devices"]
    return text.replace(f"devices = {found}\n", f"devices = {devices}\n", 1)


@pytest.fixture(params=MODELS)
def model(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def rig(model: str, tmp_path: Path) -> Iterator[tuple[pyvisa.ResourceManager, SimulatedBench]]:
    path = tmp_path / "sim.toml"
    path.write_text(_text(model, 64))
    manager = pyvisa.ResourceManager(f"{path}@domainwall")
    yield manager, manager.visalib.bench
    manager.close()


def test_pulses_through_the_controller_move_the_walls_their_way(rig, model: str):
    manager, bench = rig
    amplitude_v, width_s = MODELS[model]
    array = manager.open_resource(f"TCPIP0::array.{model}::inst0::INSTR", read_termination="\n")
    for polarity in ("PUSH", "PULL"):
        array.write(f"PULS:{polarity}:AMPL {amplitude_v};WIDT {width_s}")
    array.write("OUTP ON")
    start = bench.sample.walls.position.copy()
    moved = []
    for tag, polarity in enumerate(("PUSH", "PULL"), start=1):
        before = bench.sample.walls.position.copy()
        array.write_raw(f"PATT:{polarity} 0,#264".encode() + bytes([20] * 64) + b"\n")
        array.write(f"PATT:TAG {tag};:INIT")
        assert array.query("SYST:ERR?").startswith("0")
        moved.append(bench.sample.walls.position - before)
    assert moved[0].mean() > 4 * moved[0].std() / 8 > 0
    assert moved[1].mean() < -4 * moved[1].std() / 8 < 0
    assert bench.sample.ledger.push_pulses == bench.sample.ledger.pull_pulses == 20 * 64
    codes = array.query_binary_values("READ:COND? 0,64", datatype="H", is_big_endian=False, container=np.array)
    expected = (bench.sample.walls.position - start) * (4e-4 - 2e-4) / 4.5e-9
    offset = (2e-4 + 2e-4 * start - 1.5e-4) / 4.5e-9
    assert np.abs(codes - offset - expected).max() < 6 * 4.0 / 4.5 + 1
    array.close()


def test_state_comes_back_and_is_refused_to_another_model(model: str, tmp_path: Path):
    path, other = tmp_path / "sim.toml", tmp_path / "other.toml"
    path.write_text(_text(model, 16))
    other.write_text(_text(next(name for name in MODELS if name != model), 16))
    amplitude_v, width_s = MODELS[model]
    drive = Drive(
        push_amplitude_v=amplitude_v, push_width_s=width_s, pull_amplitude_v=amplitude_v, pull_width_s=width_s
    )
    bench = open_bench(path, state=tmp_path / "state")
    bench.sample.pulse_range(0, np.full(16, 9, np.uint8), np.zeros(16, np.uint8), drive, source="test", tag=1)
    kept = {name: array.copy() for name, array in bench.sample.memory.state.items()}
    bench.close()
    again = open_bench(path, state=tmp_path / "state")
    assert {name: array.tobytes() for name, array in again.sample.memory.state.items()} == {
        name: array.tobytes() for name, array in kept.items()
    }
    again.close()
    with pytest.raises(BenchFileError, match="another description"):
        open_bench(other, state=tmp_path / "state")


def test_an_unknown_model_and_a_wrong_key_are_named(tmp_path: Path):
    path = tmp_path / "sim.toml"
    path.write_text(_text("hopping", 16).replace('model = "hopping"', 'model = "brownian"'))
    with pytest.raises(BenchFileError, match=r"sample\.wall: .*brownian.*compact.*hopping"):
        open_bench(path)
    path.write_text(_text("hopping", 16).replace("site_spacing_m", "spacing_m"))
    with pytest.raises(BenchFileError, match=r"sample\.wall\.spacing_m: Unexpected"):
        open_bench(path)
    path.write_text(_text("hopping", 16).replace('"w-cofeb-mgo"', '"unobtainium"'))
    with pytest.raises(BenchFileError, match=r"unobtainium.*choose one of"):
        open_bench(path)


def test_a_bench_file_without_a_model_is_compact():
    bench = open_bench(BENCHES / "default.toml")
    assert isinstance(bench.sample.walls, CompactWalls)
