"""State that is kept in a folder: what comes back, and what is refused."""

import subprocess
import sys
import textwrap
import tomllib
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from sim_instruments.bench import SimulatedBench, open_bench
from sim_instruments.config import BenchConfig, BenchFileError
from sim_instruments.nonvolatile import StateError
from sim_instruments.physics.walls import Drive

DEVICES = 3000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-6, pull_amplitude_v=1.5, pull_width_s=1e-6)
PUSHES, NONE = np.full(DEVICES, 3, np.uint8), np.zeros(DEVICES, np.uint8)


def make(state: Path | None, **sample: object) -> SimulatedBench:
    tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"] |= {"devices": DEVICES, "state": None if state is None else str(state)} | sample
    tables["wiring"]["devices"] = [100, 200, 300]
    return SimulatedBench(BenchConfig.model_validate(tables))


def fire(bench: SimulatedBench, tag: int) -> None:
    (dwa,) = (device for address, device in bench.instruments.items() if "array" in address)
    message = b"OUTP ON;:PATT:PUSH 0,#13\x03\x03\x03;:PATT:TAG %d;:INIT\n" % tag
    dwa.receive(message, has_end=True)


def ask(bench: SimulatedBench, part: str, question: bytes) -> str:
    (device,) = (device for address, device in bench.instruments.items() if part in address)
    device.receive(question, has_end=True)
    chunk = device.send(1000, has_end=True)
    assert chunk is not None
    return chunk.data.decode().strip()


def test_walls_totals_clock_and_tag_come_back(tmp_path):
    bench = make(tmp_path)
    bench.sample.pulse_range(0, PUSHES, NONE, DRIVE, source="test", tag=1)
    fire(bench, 41)
    before = bench.sample.walls.position.copy(), bench.sample.ledger.energy_j, bench.sample.clock.now_s
    bench.close()
    again = make(tmp_path)
    assert np.array_equal(again.sample.walls.position, before[0])
    assert np.ptp(before[0]) > 0
    assert (again.sample.ledger.energy_j, again.sample.clock.now_s) == before[1:]
    assert again.sample.ledger.push_pulses == 3 * DEVICES + 9
    assert ask(again, "array", b"PATT:DEL?\n") == "41,9,0"
    fire(again, 41)
    assert ask(again, "array", b"SYST:ERR?\n").startswith("-221")
    assert again.sample.ledger.push_pulses == 3 * DEVICES + 9
    again.close()


def test_noise_is_not_drawn_again_after_a_restart(tmp_path):
    codes, currents = [], []
    for _ in range(3):
        bench = make(tmp_path)
        codes.append(bench.sample.read_codes(0, DEVICES).copy())
        currents.append(ask(bench, "smu", b"OUTP ON;:READ?\n"))
        bench.close()
    assert not np.array_equal(codes[0], codes[1])
    assert not np.array_equal(codes[1], codes[2])
    assert len(set(currents)) == 3


def test_a_fresh_state_is_the_bench_without_one(tmp_path):
    kept, volatile = make(tmp_path), make(None)
    for bench in (kept, volatile):
        bench.sample.pulse_range(0, PUSHES, NONE, DRIVE, source="test", tag=1)
    assert np.array_equal(kept.sample.walls.position, volatile.sample.walls.position)
    assert ask(kept, "smu", b"READ?\n") == ask(volatile, "smu", b"READ?\n")


@pytest.mark.parametrize("other", [{"seed": 5}, {"initial_position": 0.25}, {"devices": DEVICES + 1}])
def test_the_state_of_another_sample_is_refused(tmp_path, other):
    make(tmp_path).close()
    before = (tmp_path / "position.f32").read_bytes()
    with pytest.raises(StateError, match="another description"):
        make(tmp_path, **other)
    assert (tmp_path / "position.f32").read_bytes() == before
    make(tmp_path).close()


def test_a_state_in_use_is_refused_until_it_is_closed(tmp_path):
    bench = make(tmp_path)
    with pytest.raises(StateError, match="another simulated bench uses"):
        make(tmp_path)
    bench.close()
    make(tmp_path).close()


@pytest.mark.parametrize("name", ["position.f32", "counters.bin"])
def test_a_damaged_state_is_refused(tmp_path, name):
    make(tmp_path).close()
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[:-1])
    with pytest.raises(StateError, match="damaged"):
        make(tmp_path)
    (tmp_path / name).write_bytes(b"\xff" * 8 + whole[8:])
    if name == "counters.bin":
        with pytest.raises(StateError, match="not a state of this version"):
            make(tmp_path)


def test_a_bench_file_names_the_folder_relative_to_itself(tmp_path):
    text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
    lines = ["devices = [1, 2]" if line.startswith("devices = [") else line for line in text.splitlines()]
    text = "\n".join(lines).replace("devices = 11_534_336", 'devices = 3000\nstate = "kept"')
    (tmp_path / "sim.toml").write_text(text)
    open_bench(tmp_path / "sim.toml").close()
    assert (tmp_path / "kept" / "position.f32").stat().st_size == 4 * 3000
    (tmp_path / "sim.toml").write_text(text.replace("seed = 2", "seed = 3"))
    with pytest.raises(BenchFileError, match=r"sim\.toml: .*another description"):
        open_bench(tmp_path / "sim.toml")


def test_a_killed_process_loses_nothing(tmp_path):
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_sim_state as here
        from pathlib import Path
        bench = here.make(Path({str(tmp_path / "kept")!r}))
        bench.sample.pulse_range(0, here.PUSHES, here.NONE, here.DRIVE, source="test", tag=1)
        here.fire(bench, 7)
        sys.stdout.buffer.write(bench.sample.walls.position.tobytes())
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    bench = make(tmp_path / "kept")
    assert bench.sample.walls.position.tobytes() == done.stdout
    assert ask(bench, "array", b"PATT:TAG?\n") == "7"
    bench.close()
