"""Faulty and ageing devices as a bench file asks for them: what reaches walls, codes, meters, ledger and state.

Numbers of faulty devices are drawn: seeds are fixed, bounds are 4 standard errors.
"""

import math
import re
import subprocess
import sys
import textwrap
import tomllib
from importlib.resources import files
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from sim_instruments.ageing import Ageing, AgeingParameters
from sim_instruments.ageing.parameters import RetentionParameters
from sim_instruments.ageing.wear import ESTIMATE
from sim_instruments.bench import SimulatedBench, open_bench
from sim_instruments.clock import VirtualClock
from sim_instruments.config import BenchConfig, BenchFileError
from sim_instruments.faulty_devices import Affected, FaultParameters, FaultyDevices
from sim_instruments.nonvolatile import Memory
from sim_instruments.physics.walls import Drive

DEVICES = 3000
DRIVE = Drive(push_amplitude_v=1.5, push_width_s=1e-7, pull_amplitude_v=1.5, pull_width_s=1e-7)
PUSHES, NONE = np.full(DEVICES, 40, np.uint8), np.zeros(DEVICES, np.uint8)
EVERYBODY = np.arange(DEVICES, dtype=np.uint32)
DEFAULT = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")


def make(state: Path | None = None, *, wall: dict | None = None, readout: dict | None = None, **sample: object):
    tables = tomllib.loads(DEFAULT)
    tables["sample"] |= {"devices": DEVICES, "state": None if state is None else str(state)} | sample
    tables["sample"]["wall"] |= wall or {}
    tables["sample"]["readout"] |= readout or {}
    tables["wiring"]["devices"] = [100, 200, 300]
    return SimulatedBench(BenchConfig.model_validate(tables))


def ask(bench: SimulatedBench, part: str, question: bytes) -> str:
    (device,) = (device for address, device in bench.instruments.items() if part in address)
    device.receive(question, has_end=True)
    chunk = device.send(1000, has_end=True)
    assert chunk is not None
    return chunk.data.decode().strip()


def measured_s(bench: SimulatedBench, column: int) -> float:
    """Return the conductance that the source-measure unit finds at one of the wired devices."""
    (switch,) = (device for address, device in bench.instruments.items() if address.startswith("GPIB"))
    switch.receive(b"ROUT:OPEN ALL;:ROUT:CLOS (@1!2!%d)\n" % column, has_end=True)
    setting = b"*RST;:SOUR:FUNC VOLT;:SOUR:VOLT 0.1;:SENS:FUNC 'CURR';:OUTP ON;:READ?\n"
    return float(ask(bench, "smu", setting)) / 0.1


def pulse(bench: SimulatedBench, route: str, push: np.ndarray = PUSHES, pull: np.ndarray = NONE) -> None:
    if route == "range":
        bench.sample.pulse_range(0, push, pull, DRIVE, source="test", tag=1)
    else:
        bench.sample.pulse_selected(EVERYBODY, push, pull, DRIVE, source="test", tag=1)


def read(bench: SimulatedBench, route: str) -> np.ndarray:
    if route == "range":
        return bench.sample.read_codes(0, DEVICES).copy()
    return bench.sample.read_codes_selected(EVERYBODY)


ROUTES = pytest.mark.parametrize("route", ["range", "selected"])


@ROUTES
def test_stuck_walls_stay_and_their_pulses_are_in_the_ledger(route: str):
    healthy, faulty = make(), make(faults={"stuck": {"devices": [5, 100]}})
    for bench in (healthy, faulty):
        pulse(bench, route)
        bench.sample.pulse_device(100, 7, amplitude_v=1.5, width_s=1e-7, source="test")
    moved = faulty.sample.walls.position - 0.5
    assert np.flatnonzero(moved == 0).tolist() == [5, 100]
    others = np.setdiff1d(EVERYBODY, [5, 100])
    assert np.array_equal(faulty.sample.walls.position[others], healthy.sample.walls.position[others])
    for name in ("push_pulses", "energy_j"):
        assert getattr(faulty.sample.ledger, name) == getattr(healthy.sample.ledger, name)
    assert faulty.sample.ledger.push_pulses == 40 * DEVICES + 7


@ROUTES
def test_weak_walls_make_a_part_of_the_way(route: str):
    healthy, faulty = make(), make(faults={"weak": {"devices": [7]}, "weak_gain": 0.25})
    for bench in (healthy, faulty):
        pulse(bench, route)
        pulse(bench, route, NONE, PUSHES // 2)
    way = (healthy.sample.walls.position - 0.5)[7]
    assert (faulty.sample.walls.position - 0.5)[7] == pytest.approx(0.25 * way, rel=1e-5)
    others = np.setdiff1d(EVERYBODY, [7])
    assert np.array_equal(faulty.sample.walls.position[others], healthy.sample.walls.position[others])


@ROUTES
def test_open_and_short_devices_read_what_the_file_says_but_their_walls_move(route: str):
    # A converter that sees both: 0 to 0.65 mS.
    scale = {"code_offset_s": 0.0, "code_lsb_s": 1e-8, "conductance_noise_s": 1e-7}
    faults = {"open": {"devices": [100]}, "short": {"devices": [2999, 200]}}
    faults |= {"open_conductance_s": 1e-6, "short_conductance_s": 5e-4}
    healthy, faulty = make(readout=scale), make(readout=scale, faults=faults)
    for bench in (healthy, faulty):
        pulse(bench, route)
    codes = np.array([read(faulty, route) for _ in range(50)], np.float64)
    other = np.array([read(healthy, route) for _ in range(50)], np.float64)
    for device, expected in ((100, 100.0), (200, 5e4), (2999, 5e4)):
        assert abs(codes[:, device].mean() - expected) < 4 * 10 / math.sqrt(50)
        assert codes[:, device].std() == pytest.approx(10.0, rel=4 / math.sqrt(100))
        assert other[:, device].min() > 2e4
    others = np.setdiff1d(EVERYBODY, [100, 200, 2999])
    assert np.array_equal(codes[:, others], other[:, others])
    assert np.array_equal(faulty.sample.walls.position, healthy.sample.walls.position)
    assert np.array_equal(faulty.sample.read_codes(150, 60)[:50] > 4.9e4, np.arange(150, 200) == 200)
    assert faulty.sample.read_codes_selected(np.array([7, 200, 100], np.uint32)) == pytest.approx(
        [codes[:, 7].mean(), 5e4, 100], abs=60
    )


def test_codes_of_faulty_devices_stop_at_the_ends_of_the_converter():
    bench = make(faults={"open": {"devices": [3]}, "short": {"devices": [4]}})
    assert bench.sample.read_codes(3, 2).tolist() == [0, 65535]


def test_a_meter_finds_open_and_short_devices():
    faults = {"open": {"devices": [100]}, "short": {"devices": [200]}}
    bench = make(faults=faults | {"open_conductance_s": 1e-7, "short_conductance_s": 1e-3})
    assert measured_s(bench, 1) == pytest.approx(1e-7, abs=5e-9)
    assert measured_s(bench, 2) == pytest.approx(1e-3, rel=1e-3)
    assert measured_s(bench, 3) == pytest.approx(3e-4, rel=1e-3)
    assert bench.sample.conductance_s(200) == 1e-3


def test_a_share_is_drawn_by_the_seed_alone_and_kinds_do_not_meet():
    parameters = FaultParameters(
        stuck=Affected(share=0.02),
        open=Affected(share=0.01, devices=(11, 12)),
        short=Affected(share=0.005),
        weak=Affected(share=0.1),
    )
    count, clock = 200_000, VirtualClock(np.zeros(1, [("time_s", "<f8")]))
    found = FaultyDevices(parameters, count, 4, clock)
    again, other = FaultyDevices(parameters, count, 4, clock), FaultyDevices(parameters, count, 5, clock)
    kinds = [found.stuck, found.open, found.short, found.weak]
    for devices, share in zip(kinds, (0.02, 0.01, 0.005, 0.1), strict=True):
        assert abs(len(devices) - count * share) < 4 * math.sqrt(count * share * (1 - share)) + 2
        assert np.all(np.diff(devices.astype(np.int64)) > 0)
    together = np.concatenate(kinds)
    assert len(np.unique(together)) == len(together)
    assert {11, 12} <= set(found.open.tolist())
    assert np.array_equal(found.open, again.open)
    assert not np.array_equal(found.open, other.open)
    half = FaultyDevices(parameters, count // 2, 4, clock)
    assert np.array_equal(half.open, found.open[found.open < count // 2])


def test_a_fault_may_begin_later():
    bench = make(faults={"open": {"devices": [9], "from_time_s": 2.0}, "stuck": {"devices": [8], "from_time_s": 2.0}})
    pulse(bench, "range")
    before = bench.sample.walls.position[8]
    assert before != 0.5
    assert bench.sample.read_codes(9, 1)[0] > 1000
    bench.sample.clock.advance(2.0)
    pulse(bench, "range")
    assert bench.sample.walls.position[8] == before
    assert bench.sample.read_codes(9, 1)[0] == 0


def test_without_the_tables_nothing_changes():
    plain, spelt_out = make(), make(faults={"open": {"share": 0.0}}, ageing={})
    for bench in (plain, spelt_out):
        pulse(bench, "range")
        bench.sample.clock.advance(1e9)
        pulse(bench, "selected")
    assert np.array_equal(plain.sample.walls.position, spelt_out.sample.walls.position)
    assert np.array_equal(read(plain, "range"), read(spelt_out, "range"))
    assert list(plain.sample.memory.state) == ["position"]


class FinerWalls:
    """Walls that only note how long they were left alone."""

    def __init__(self) -> None:
        self.position = np.full(4, 0.5, np.float32)
        self.rests: list[tuple[float, int]] = []

    def rest(self, duration_s: float, event: int) -> None:
        self.rests.append((duration_s, event))


def test_finer_models_rest_by_themselves_for_all_the_time_that_passes():
    memory = Memory.volatile(4, ())
    clock, walls, events = VirtualClock(memory.counters), FinerWalls(), iter(range(10))
    ageing = Ageing(AgeingParameters(), SimpleNamespace(model="hopping"), walls, memory, clock, 1)
    assert ageing.has_rest
    for seconds in (0.0, 1e-9, 0.0, 3.0):
        clock.advance(seconds)
        ageing.rest(lambda: next(events))
    assert walls.rests == [(1e-9, 0), (pytest.approx(3.0), 1)]
    with pytest.raises(ValueError, match=r"ageing\.retention: this table is for the compact model.*'hopping'"):
        AgeingParameters(retention=RetentionParameters(**RETENTION)).check(SimpleNamespace(model="hopping"))


def test_the_tables_on_the_page_are_accepted():
    page = (Path(__file__).parents[2] / "docs" / "simulated-bench.md").read_text("utf-8")
    (table,) = (block for block in re.findall(r"```toml\n(.*?)```", page, re.DOTALL) if "sample.faults" in block)
    bench = make(devices=5000, **tomllib.loads(table)["sample"])
    assert len(bench.sample.faults.open) > 0
    assert bench.sample.ageing.wear is not None


RETENTION = {"hop_length_m": 1e-8, "barrier_kt": 30.0}
HOP_RATE_HZ = math.exp(-30) / 1e-9


def test_walls_have_rested_when_they_are_next_looked_at():
    bench = make(ageing={"retention": RETENTION})
    still = make()
    for one in (bench, still):
        one.sample.clock.advance(50 / HOP_RATE_HZ)
    codes, expected = (one.sample.read_codes(0, DEVICES).astype(np.float64) for one in (bench, still))
    position = bench.sample.walls.position.astype(np.float64)
    assert position.var() == pytest.approx(50 * 1e-6, rel=4 * math.sqrt(2 / DEVICES))
    assert (
        np.abs((codes - expected) * 4.5e-9 / 2e-4 - (position - 0.5)).max() < 3e-4
    )  # the codes are of the rested walls
    bench.sample.clock.advance(50 / HOP_RATE_HZ)
    assert bench.sample.conductance_s(100) != pytest.approx(2e-4 + 2e-4 * position[100], rel=1e-9)


def test_rests_too_short_to_see_are_not_lost():
    bench = make(ageing={"retention": RETENTION})
    # Each alone lets a wall hop, any of the 3000, with a probability of 9 in 10 000: below what is looked at.
    step_s, steps = 3e-7 / HOP_RATE_HZ, 60_000
    events = int(bench.sample.memory.counters["events"][0])
    for _ in range(steps):
        bench.sample.clock.advance(step_s)
        bench.sample.conductance_s(0)
    hops = np.abs(np.rint((bench.sample.walls.position.astype(np.float64) - 0.5) / 1e-3)).sum()
    expected = DEVICES * steps * 3e-7
    assert abs(hops - expected) < 4 * math.sqrt(expected)
    assert int(bench.sample.memory.counters["events"][0]) - events == steps / 2


def test_time_that_was_not_rested_yet_survives_the_end_of_the_program(tmp_path: Path):
    bench = make(tmp_path, ageing={"retention": RETENTION})
    bench.sample.clock.advance(50 / HOP_RATE_HZ)
    bench.close()
    again = make(tmp_path, ageing={"retention": RETENTION})
    again.sample.read_codes(0, 1)
    assert again.sample.walls.position.var(dtype=np.float64) == pytest.approx(5e-5, rel=4 * math.sqrt(2 / DEVICES))
    again.close()


def test_stuck_walls_neither_rest_nor_are_disturbed():
    ageing = {"retention": RETENTION, "read_disturb": {"hops_per_read": 1.0, "hop_length_m": 1e-8}}
    bench = make(ageing=ageing, faults={"stuck": {"devices": [5, 100]}, "weak": {"devices": [6]}})
    bench.sample.clock.advance(1000 / HOP_RATE_HZ)
    for _ in range(5):
        bench.sample.read_codes(0, DEVICES)
        bench.sample.read_codes_selected(EVERYBODY)
        bench.sample.note_measured([100], np.full(20, 0.1))
    assert np.flatnonzero(bench.sample.walls.position == 0.5).tolist() == [5, 100]


@pytest.mark.parametrize("route", ["range", "selected", "meter"])
def test_readings_move_walls_and_calls_do_not(route: str):
    bench = make(ageing={"read_disturb": {"hops_per_read": 0.02, "hop_length_m": 1e-8}})
    before = bench.sample.walls.position.copy()
    if route == "meter":
        # 4000 readings of one device in ten messages.
        (switch,) = (device for address, device in bench.instruments.items() if address.startswith("GPIB"))
        switch.receive(b"ROUT:CLOS (@1!2!1)\n", has_end=True)
        start = b"*RST;:SOUR:FUNC VOLT;:SOUR:VOLT 0.1;:SENS:FUNC 'CURR';:SENS:COUN 400;:OUTP ON\n"
        (smu,) = (device for address, device in bench.instruments.items() if "smu" in address)
        smu.receive(start, has_end=True)
        for _ in range(10):
            ask(bench, "smu", b"READ?\n")
        expected, moved = 80.0, bench.sample.walls.position - before
        assert np.flatnonzero(moved).tolist() == [100]
    else:
        for _ in range(10):
            read(bench, route)
        expected, moved = 0.02 * 10 * DEVICES, bench.sample.walls.position - before
    hops = float(moved.sum(dtype=np.float64)) / 1e-3
    assert abs(hops - expected) < 4 * math.sqrt(expected)


@ROUTES
def test_worn_devices_are_slower_in_the_sample_too(route: str):
    """After 100 000 pulses, half of them either way, at a half-life of 50 000: a third of the way."""
    count = int(np.searchsorted(ESTIMATE, 1e5))
    bench = make(ageing={"wear": {"half_velocity_pulses": 5e4}})
    fresh = make()
    bench.sample.memory.state["wear"][:] = count
    for one in (bench, fresh):
        pulse(one, route)
    ratio = (bench.sample.walls.position - 0.5).mean() / (fresh.sample.walls.position - 0.5).mean()
    # The noise of a worn device is its own in part: 40 steps of Fano length 2 nm over 1.6 um.
    assert ratio == pytest.approx(1 / (1 + ESTIMATE[count] / 5e4), abs=4 * math.sqrt(2e-9 / 1.6e-6 / DEVICES))


def test_a_killed_process_keeps_the_wear(tmp_path: Path):
    script = textwrap.dedent(f"""
        import os, signal, sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import test_sim_faulty_devices as here
        from pathlib import Path
        bench = here.make(Path({str(tmp_path / "kept")!r}), ageing={{"wear": {{"double_fano_pulses": 1e4}}}})
        here.pulse(bench, "range")
        here.pulse(bench, "selected")
        sys.stdout.buffer.write(bench.sample.memory.state["wear"].tobytes())
        sys.stdout.flush()
        os.kill(os.getpid(), signal.SIGKILL)
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -9, done.stderr
    bench = make(tmp_path / "kept", ageing={"wear": {"double_fano_pulses": 1e4}})
    counts = bench.sample.memory.state["wear"]
    assert counts.tobytes() == done.stdout
    assert ESTIMATE[counts].mean() == pytest.approx(80, abs=4 * 80 / 4 / math.sqrt(DEVICES))
    assert (tmp_path / "kept" / "wear.u8").stat().st_size == DEVICES
    bench.close()


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ("[sample.faults]\nopen = {share = 1.5}", "sample.faults.open.share"),
        ("[sample.faults]\nopen = {devices = [3000]}", "faults.open.devices: there is no device 3000"),
        ("[sample.faults]\nopen = {devices = [3]}\nweak = {devices = [3]}", "device 3 is named twice"),
        ("[sample.faults]\nopen = {share = 0.7}\nweak = {share = 0.7}", "add up to more than 1"),
        ("[sample.faults]\nopened = {share = 0.7}", "sample.faults.opened"),
        ("[sample.ageing.retention]\nbarrier_kt = 40", "sample.ageing.retention.hop_length_m"),
        ("[sample.ageing.retention]\nbarrier_kt = 40\nhop_length_m = 1e-5", "a tenth of the track"),
        (
            "[sample.ageing.retention]\nbarrier_kt = 40\nhop_length_m = 1e-8\npreferred_position = 0.5",
            "give both or neither",
        ),
        (
            "[sample.ageing.retention]\nbarrier_kt = 40\nhop_length_m = 1e-7\npreferred_position = 0.5\n"
            "preferred_spread = 0.01",
            "need a spread of 0.05",
        ),
        ("[sample.ageing.wear]", "half_velocity_pulses, double_fano_pulses or both"),
    ],
)
def test_a_mistake_in_the_tables_is_named(tmp_path: Path, table: str, words: str):
    lines = ["devices = [1, 2]" if line.startswith("devices = [") else line for line in DEFAULT.splitlines()]
    text = "\n".join(lines).replace("devices = 11_534_336", "devices = 3000")
    (tmp_path / "sim.toml").write_text(f"{text}\n{table}\n")
    with pytest.raises(BenchFileError) as caught:
        open_bench(tmp_path / "sim.toml")
    assert words in str(caught.value)
