"""Experiments on small simulated benches, over both routes, held against the ledger of what reached the devices."""

import json
import os
import random
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim_instruments
from calibration.characterize import Access, Characterization, Plan, characterize, plan_again, plan_experiment
from calibration.characterize.clock import SimulatedClock
from calibration.experiment import Experiment
from calibration.protocols import Fire, FireUntilMoved, Route, protocol_from
from calibration.shots import ShotStore
from drivers import Bench, load_bench
from drivers.errors import ConfigError, DeviceFault, LimitError
from hil.cli.characterize import command
from sim_instruments.bench import open_bench
from sim_instruments.server.bench_server import BenchServer, Listening

ROUTES = (Route.ARRAY, Route.BENCH)
QUICK: dict[str, dict[str, Any]] = {
    "staircase": {"steps": 4, "cycles": 2},
    "doublets": {"pairs": 3, "trains": 1, "places": (0.3, 0.6)},
    "amplitude-sweep": {"steps": 2, "cycles": 1, "amplitudes_v": (1.0, 1.5)},
    "width-sweep": {"steps": 2, "cycles": 1, "widths_s": (2e-7, 1e-6)},
    "s-curve": {"shots": 2, "amplitudes_v": (0.6, 0.9), "widths_s": (1e-6,)},
    "dwell": {"shots": 2, "most_rounds": 6, "amplitudes_v": (0.6,)},
    "r-j-loop": {"points": 4, "loops": 1},
    "i-v": {"points": 6, "sweeps": 2},
    "noise": {"readings": 16, "interval_s": 0.1},
    "retention": {"points": 3},
    "read-disturb": {"readings": 20},
    "endurance": {"first": 50, "last": 200, "checkpoints": 2, "steps": 3},
}
HOPPING = {"bringing": {"amplitude_v": 2.2, "width_s": 1e-6, "burst": 100}}


@dataclass
class Stand:
    """An open bench and what is behind it."""

    bench: Bench
    simulated: Any

    def run(self, kind: str, folder: Path, access: Access, /, **settings: Any) -> tuple[Characterization, Plan]:
        plan = plan_experiment(self.bench, protocol_from(kind, settings), access)
        with ShotStore.create(folder / f"{kind}.shots", plan.origin) as store:
            return characterize(self.bench, plan, store), plan

    @property
    def entries(self) -> list[Any]:
        return list(self.simulated.sample.ledger.entries)

    def ledger_pulses(self) -> dict[int, tuple[int, int]]:
        """Return pushes and pulls by device, as they reached it."""
        found: dict[int, tuple[int, int]] = {}
        for entry in self.entries:
            for device, push, pull in zip(entry.devices, entry.push, entry.pull, strict=True):
                if push or pull:
                    pushes, pulls = found.get(int(device), (0, 0))
                    found[int(device)] = pushes + int(push), pulls + int(pull)
        return found

    def assert_safe(self) -> None:
        assert {status.output for status in self.bench.statuses()} <= {"off", "none", "unknown"}
        assert not self.simulated.wiring._live
        assert not self.simulated.wiring.hot_switches


@pytest.fixture
def stand(small_bench: Any) -> Iterator[Stand]:
    with Bench.open(load_bench(small_bench.file)) as bench:
        yield Stand(bench, small_bench.simulated)


@pytest.fixture
def hopping(make_small_bench: Callable[..., Any]) -> Iterator[Stand]:
    shipped = Path(sim_instruments.__file__).parent / "benches" / "hopping.toml"
    wall = tomllib.loads(shipped.read_text())["sample"]["wall"]
    small = make_small_bench(512, sample={"wall": wall})
    with Bench.open(load_bench(small.file)) as bench:
        yield Stand(bench, small.simulated)


def recorded_pulses(shots: np.ndarray) -> dict[int, tuple[int, int]]:
    found = {}
    for device in np.unique(shots["device"]):
        mine = shots[(shots["device"] == device) & (shots["pulses"] > 0)]
        if len(mine):
            found[int(device)] = tuple(int(mine["pulses"][mine["polarity"] == way].sum()) for way in (1, -1))
    return found


Round = tuple[float, float, tuple[tuple[int, int], ...]]
"""Amplitude, width, and the pulses of each device, negative for pulls."""


def signed(shots: np.ndarray) -> np.ndarray:
    return shots["polarity"] * shots["pulses"]


def pulses_of(shots: np.ndarray, step: int) -> int:
    return int(shots["pulses"][shots["step"] == step].sum())


def recorded_rounds(shots: np.ndarray) -> list[Round]:
    """Return what was fired, as shots tell it, in order: amplitude, width, pushes and pulls of each device."""
    fired = shots[shots["pulses"] > 0]
    cuts = np.flatnonzero((np.diff(fired["time_s"]) != 0) | (np.diff(fired["step"]) != 0)) + 1
    return [
        (
            float(part["amplitude_v"][0]),
            float(part["width_s"][0]),
            tuple(sorted(zip(part["device"].tolist(), signed(part).tolist(), strict=True))),
        )
        for part in np.split(fired, cuts)
        if len(part)
    ]


def ledger_rounds(entries: list[Any]) -> list[Round]:
    rounds = []
    for entry in entries:
        net = np.asarray(entry.push, np.int64) - np.asarray(entry.pull, np.int64)
        hit = np.flatnonzero(net)
        pulses = tuple(sorted(zip(entry.devices[hit].tolist(), net[hit].tolist(), strict=True)))
        is_push = entry.push_pulses > 0
        amplitude_v = entry.push_amplitude_v if is_push else entry.pull_amplitude_v
        width_s = entry.push_width_s if is_push else entry.pull_width_s
        rounds.append((amplitude_v, width_s, pulses))
    return rounds


def extra(ledger: list[Any], recorded: list[Any]) -> int:
    """Return how many rounds reached the devices without a record; the rest must agree, in order."""
    places = iter(ledger)
    assert all(one in places for one in recorded), "a recorded round never reached the devices, or not in this order"
    return len(ledger) - len(recorded)


@pytest.mark.parametrize("route", ROUTES)
@pytest.mark.parametrize("kind", QUICK)
def test_every_experiment_keeps_each_pulse_that_reached_the_devices(
    stand: Stand, tmp_path: Path, kind: str, route: Route
):
    if kind == "i-v" and route is Route.ARRAY:
        pytest.skip("a controller reads at one voltage")
    count = 6 if route is Route.ARRAY else 2
    result, plan = stand.run(kind, tmp_path, Access(route=route, devices=count), **QUICK[kind])
    shots = result.experiment.shots
    assert result.given_up == {}
    assert sorted(result.experiment.devices) == sorted(int(device) for group in plan.groups for device in group)
    assert recorded_pulses(shots) == stand.ledger_pulses()
    cost = plan.cost()
    pulses = shots["pulses"].sum() / count
    readings = len(shots) / count
    assert cost.least.pulses <= pulses <= cost.most.pulses
    assert cost.least.readings <= readings <= cost.most.readings
    energy_j = stand.simulated.sample.ledger.energy_j
    assert cost.least.energy_j * 0.999 <= energy_j <= cost.most.energy_j
    assert np.all(np.diff(shots["step"]) >= 0)
    assert np.all(np.diff(shots["time_s"]) >= 0)
    assert np.isfinite(shots["after_s"]).all()
    assert np.isfinite(shots["before_s"][shots["pulses"] > 0]).all()
    stand.assert_safe()


@pytest.mark.parametrize("kind", ["staircase", "s-curve", "dwell", "retention"])
@pytest.mark.parametrize("route", ROUTES)
def test_walls_that_hop_go_through_the_same_experiments(hopping: Stand, tmp_path: Path, kind: str, route: Route):
    settings = QUICK[kind] | HOPPING
    if "amplitude_v" in settings:
        settings["amplitude_v"] = 2.0
    result, _ = hopping.run(kind, tmp_path, Access(route=route, devices=4 if route is Route.ARRAY else 2), **settings)
    assert result.given_up == {}
    assert recorded_pulses(result.experiment.shots) == hopping.ledger_pulses()
    hopping.assert_safe()


def test_walls_are_where_the_shots_say_and_start_where_they_should(stand: Stand, tmp_path: Path):
    result, _ = stand.run("staircase", tmp_path, Access(devices=20), steps=5, cycles=2, start=0.3)
    shots = result.experiment.shots
    ends = shots[(shots["phase"] == 0) & (shots["pulses"] == 0)]
    for device in result.experiment.devices:
        readings_s = ends["after_s"][ends["device"] == device]
        low_s, high_s = readings_s[readings_s < 3e-4].mean(), readings_s[readings_s > 3e-4].mean()
        assert low_s == pytest.approx(2e-4, rel=1e-3)
        assert high_s == pytest.approx(4e-4, rel=1e-3)
        mine = shots[(shots["device"] == device) & (shots["phase"] == 1)]
        firsts = mine["before_s"][np.flatnonzero(np.diff(mine["cycle"], prepend=-1))]
        assert np.abs((firsts - low_s) / (high_s - low_s) - 0.3).max() < 0.06
        position = stand.simulated.sample.walls.position[device]
        assert (mine["after_s"][-1] - low_s) / (high_s - low_s) == pytest.approx(position, abs=1e-3)
        assert np.array_equal(mine["before_s"][1:5], mine["after_s"][:4])


def test_dwelling_walls_are_pulsed_until_they_move_and_no_longer(stand: Stand, tmp_path: Path):
    settings = {"shots": 4, "most_rounds": 8, "amplitudes_v": (1.0,), "width_s": 5e-7, "moved": 0.004}
    result, _ = stand.run("dwell", tmp_path, Access(devices=12), **settings)
    shots = result.experiment.shots
    waits = shots[shots["phase"] == 1]
    lengths = set()
    for step in np.unique(waits["step"]):
        for device in np.unique(waits["device"]):
            mine = waits[(waits["step"] == step) & (waits["device"] == device)]
            distance = np.abs(mine["after_s"] - mine["before_s"][0]) / 2e-4
            moved = distance >= 0.004 * 1.001
            assert not moved[:-1].any()
            assert moved[-1] or len(mine) == 8 or distance[-1] >= 0.0039
            lengths.add(len(mine))
    assert len(lengths) > 1


def test_pauses_pass_in_the_time_of_the_bench_with_outputs_off(stand: Stand, tmp_path: Path):
    outputs: list[str] = []

    class Watching:
        def __init__(self) -> None:
            self._clock = SimulatedClock(stand.bench.virtual_time)  # type: ignore[arg-type]
            self.resume, self.elapsed_s = self._clock.resume, self._clock.elapsed_s

        def wait(self, seconds: float) -> None:
            outputs.extend(status.output for status in stand.bench.statuses() if status.name == "array")
            self._clock.wait(seconds)

    plan = plan_experiment(stand.bench, protocol_from("retention", {"points": 4}), Access(devices=5))
    with ShotStore.create(tmp_path / "r.shots", plan.origin) as store:
        began = time.monotonic()
        shots = characterize(stand.bench, plan, store, clock=Watching()).experiment.shots
    assert time.monotonic() - began < 30
    reads = shots[(shots["phase"] == 1)]
    times_s = [reads["time_s"][reads["step"] == step][0] for step in np.unique(reads["step"])]
    assert np.subtract(times_s[1:], times_s[0]) == pytest.approx([1, 10, 100, 1000], rel=1e-3)
    assert outputs == ["off"] * 4


def test_a_paced_series_is_evenly_spaced(stand: Stand, tmp_path: Path):
    for route in ROUTES:
        settings = {"readings": 12, "interval_s": 0.5}
        folder = tmp_path / route
        folder.mkdir()
        result, _ = stand.run("noise", folder, Access(route=route, devices=1), **settings)
        assert np.diff(result.experiment.shots["time_s"]) == pytest.approx(0.5, rel=1e-3)


def test_nothing_moves_before_every_limit_was_looked_at(stand: Stand, tmp_path: Path):
    for settings in ({"amplitude_v": 3.0}, {"width_s": 1e-9}, {"bringing": {"width_s": 5e-6}}):
        with pytest.raises(LimitError, match="is outside"):
            stand.run("staircase", tmp_path, Access(), **settings)
    with pytest.raises(LimitError, match="source voltage"):
        stand.run("i-v", tmp_path, Access(route=Route.BENCH), highest_v=0.5)
    with pytest.raises(ConfigError, match="bench route"):
        stand.run("read-disturb", tmp_path, Access(), voltages_v=(0.1,))
    assert stand.entries == []


def test_devices_that_fail_are_given_up_with_a_reason_and_the_others_go_on(
    make_small_bench: Callable[..., Any], tmp_path: Path
):
    faults = {"open": {"devices": [3]}, "short": {"devices": [5]}, "stuck": {"devices": [6]}}
    small = make_small_bench(16, sample={"faults": faults})
    with Bench.open(load_bench(small.file)) as bench:
        stand = Stand(bench, small.simulated)
        result, _ = stand.run("staircase", tmp_path, Access(devices=16), steps=3, cycles=1)
        stand.assert_safe()
    shots = result.experiment.shots
    measured = set(shots["device"][shots["phase"] == 1].tolist())
    assert measured == set(range(16)) - {3, 5, 6}
    assert set(result.given_up) == {3, 5, 6}
    assert "no reading to trust" in result.given_up[5]
    assert "does not move" in result.given_up[6]


def test_a_device_that_breaks_on_the_way_is_given_up(make_small_bench: Callable[..., Any], tmp_path: Path):
    small = make_small_bench(64, sample={"faults": {"open": {"devices": [0], "from_time_s": 100.0}}})
    with Bench.open(load_bench(small.file)) as bench:
        stand = Stand(bench, small.simulated)
        access = Access(route=Route.BENCH, devices=10)
        result, _ = stand.run("retention", tmp_path, access, first_s=5.0, last_s=5000.0, points=3)
        stand.assert_safe()
    assert list(result.given_up) == [0]
    assert "open contact" in result.given_up[0]
    reads = result.experiment.shots[result.experiment.shots["phase"] == 1]
    assert len(np.unique(reads["device"][reads["step"] == reads["step"].max()])) == 9


def test_without_a_device_left_it_ends_with_what_to_do(stand: Stand, tmp_path: Path):
    with pytest.raises(DeviceFault, match=r"no device is left of 4.*does not move.*raise bringing\.amplitude_v"):
        stand.run("staircase", tmp_path, Access(devices=4), bringing={"amplitude_v": 0.3, "burst": 2})
    stand.assert_safe()


class Killed(BaseException):
    """The program is gone."""


@dataclass
class Mortal:
    """A store before which the program dies: at the given append, with the shots in flight."""

    store: ShotStore
    dies_at: int
    in_flight: int | None = None

    def append(self, shots: np.ndarray) -> None:
        if self.dies_at == 0:
            self.in_flight = int(shots["step"][0])
            raise Killed
        self.dies_at -= 1
        self.store.append(shots)

    def read(self) -> Experiment:
        return self.store.read()

    def last_step(self) -> int | None:
        return self.store.last_step()


@pytest.mark.parametrize("kind", ["staircase", "dwell", "s-curve", "noise", "endurance"])
@pytest.mark.parametrize("route", ROUTES)
def test_who_dies_with_a_shot_in_flight_goes_on_and_fires_none_of_it_again(
    stand: Stand, tmp_path: Path, kind: str, route: Route
):
    plan = plan_experiment(
        stand.bench, protocol_from(kind, QUICK[kind]), Access(route=route, devices=5 if route is Route.ARRAY else 2)
    )
    lives = random.Random(f"{kind}{route}").sample(range(30), 8)
    with ShotStore.create(tmp_path / "x.shots", plan.origin) as store:
        deaths, firing_deaths = 0, 0
        lost: dict[int, int] = {}
        for dies_at in [*sorted(lives), 10**9]:
            before = len(stand.entries)
            recorded = len(recorded_rounds(store.read().shots))
            mortal = Mortal(store, dies_at)
            try:
                result = characterize(stand.bench, plan, mortal, resume=True)
            except Killed:
                step = mortal.in_flight
                assert step is not None
                if isinstance(plan.actions[step % len(plan.actions)], Fire | FireUntilMoved):
                    lost[step] = pulses_of(store.read().shots, step)
                stand.assert_safe()
                deaths += 1
                firing_deaths += len(stand.entries) - before - (len(recorded_rounds(store.read().shots)) - recorded)
            else:
                break
    shots = result.experiment.shots
    assert deaths >= 1
    # Each death lost the shot in flight and no other, and nothing that has a record was fired twice.
    assert extra(ledger_rounds(stand.entries), recorded_rounds(shots)) == firing_deaths <= deaths
    # Nothing was added to a step that fires a given number of pulses and was in flight.
    assert {step: pulses_of(shots, step) for step in lost} == lost
    measured = shots[(shots["phase"] == 1) & (shots["pulses"] > 0)]
    if kind != "dwell":
        pairs = measured[["step", "device"]]
        assert len(np.unique(pairs)) == len(pairs), "a step was made twice"
    if kind == "noise":
        assert len(shots) == 16 * len(result.experiment.devices)
    stand.assert_safe()


def test_the_step_in_doubt_is_left_out_and_the_next_one_starts_from_a_fresh_reading(stand: Stand, tmp_path: Path):
    plan = plan_experiment(stand.bench, protocol_from("staircase", {"steps": 6, "cycles": 1}), Access(devices=3))
    with ShotStore.create(tmp_path / "x.shots", plan.origin) as store:
        first = next(number for number, action in enumerate(plan.actions) if type(action).__name__ == "Fire")
        with pytest.raises(Killed):
            # Dies with the third push in flight.
            characterize(stand.bench, plan, _DiesAtStep(store, first + 2))
        assert store.last_step() == first + 1
        result = characterize(stand.bench, plan, store, resume=True)
    shots = result.experiment.shots
    assert result.in_doubt == first + 2
    instead = shots[shots["step"] == first + 2]
    assert len(instead) == 3
    assert not instead["pulses"].any()
    for device in result.experiment.devices:
        mine = shots[shots["device"] == device]
        last, after = mine[mine["step"] == first + 1][0], mine[mine["step"] == first + 3][0]
        # Two steps lie between the readings before and after: the one without a record, and this one.
        assert after["before_s"] - last["after_s"] == pytest.approx(4 * 4e-3 * 2e-4, rel=0.5)
        assert after["time_s"] > last["time_s"]


@dataclass
class _DiesAtStep:
    store: ShotStore
    step: int

    def append(self, shots: np.ndarray) -> None:
        if shots["step"].max() >= self.step:
            raise Killed
        self.store.append(shots)

    def read(self) -> Experiment:
        return self.store.read()

    def last_step(self) -> int | None:
        return self.store.last_step()


def test_shots_of_another_experiment_are_not_continued(stand: Stand, tmp_path: Path):
    plan = plan_experiment(stand.bench, protocol_from("staircase", QUICK["staircase"]), Access(devices=3))
    with ShotStore.create(tmp_path / "x.shots", plan.origin) as store:
        characterize(stand.bench, plan, store)
        with pytest.raises(ConfigError, match="resume that experiment"):
            characterize(stand.bench, plan, store)
        other = plan_experiment(stand.bench, protocol_from("staircase", {"steps": 9, "cycles": 2}), Access(devices=3))
        with pytest.raises(ConfigError, match="made with steps 4, not 9"):
            characterize(stand.bench, other, store, resume=True)
        again = plan_again(stand.bench, store.origin)
        assert again.actions == plan.actions
        before = len(stand.entries)
        characterize(stand.bench, again, store, resume=True)
        assert len(stand.entries) == before


def _type(*arguments: str) -> int:
    try:
        command.main(list(arguments), standalone_mode=False)
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def test_a_dry_run_moves_nothing(small_bench: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path):
    output = tmp_path / "x.shots"
    assert _type("staircase", str(small_bench.file), "--dry-run", "--json", "-o", str(output), "--set", "steps=7") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["settings"]["steps"] == 7
    assert answer["least"]["pulses"] < answer["most"]["pulses"]
    assert answer["least"]["energy_j"] > 0
    assert _type("dwell", str(small_bench.file), "--dry-run", "--route", "bench", "-o", str(output)) == 0
    assert "pulses at each device" in capsys.readouterr().out
    assert list(small_bench.simulated.sample.ledger.entries) == []
    assert not output.exists()


def test_the_command_keeps_shots_and_says_what_they_show(
    small_bench: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    output = tmp_path / "d.shots"
    assert (
        _type(
            "doublets", str(small_bench.file), "--devices", "8", "--width", "5e-7", "--set", "pairs=10",
            "--set", "places=0.4,0.6", "-o", str(output), "--json",
        )
        == 0
    )  # fmt: skip
    answer = json.loads(capsys.readouterr().out)
    assert answer["ok"]
    assert answer["findings"]["estimates"]
    assert Path(answer["report"]).is_file()
    with ShotStore.open(output) as store:
        experiment = store.read()
    assert len(experiment.shots) == answer["shots"]
    measured = experiment.shots[experiment.shots["phase"] == 1]
    assert set(measured["width_s"]) == {5e-7}
    assert len(measured) == 8 * 2 * 2 * 2 * 10
    # A file that is there is not written over.
    assert _type("doublets", str(small_bench.file), "-o", str(output)) == 2
    assert _type("noise", str(small_bench.file), "--resume", str(output)) == 2
    assert _type("doublets", str(small_bench.file), "--resume", str(output), "--set", "pairs=3") == 2
    assert _type("doublets", str(small_bench.file), "--resume", str(output), "--json") == 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("i-v", "--amplitude", "1"), "has no amplitude_v"),
        (("staircase", "--amplitude", "1", "--amplitude", "2"), "takes one"),
        (("staircase", "--set", "steps"), "NAME=VALUE"),
        (("staircase", "--set", "step=3"), "no setting 'step'"),
        (("staircase", "--amplitude", "9"), "is outside"),
    ],
)
def test_what_does_not_fit_is_said(
    small_bench: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path, arguments: tuple[str, ...], words: str
):
    output = tmp_path / "x.shots"
    assert _type(*arguments, str(small_bench.file), "-o", str(output)) in (1, 2)
    assert words in capsys.readouterr().err
    assert not output.exists()


def test_killed_programs_go_on_and_the_ledger_holds_no_pulse_of_a_recorded_step_twice(tmp_path: Path):
    shipped = Path(sim_instruments.__file__).parent / "benches" / "default.toml"
    text = shipped.read_text().replace("devices = 11_534_336", "devices = 512")
    text = text.replace(text[text.index("devices = [0, ") :], "devices = [0, 51]\n")
    text = text.replace("DWA0001", f"KILL{os.getpid()}")
    (tmp_path / "sim.toml").write_text(text)
    simulated = open_bench(tmp_path / "sim.toml")
    address = next(address for address in simulated.instruments if "array" in address)
    with BenchServer({address: simulated.instruments[address]}, Listening(port_base=0, hislip_port=0)) as server:
        hislip = next(found.hislip for found in server.addresses)
        (tmp_path / "bench.toml").write_text(
            f'[bench]\nname = "kill"\nlibrary = "@py"\n[[instrument]]\nname = "array"\nmodel = "dwa-1"\n'
            f'address = "{hislip}"\n'
        )
        output, chance = tmp_path / "x.shots", random.Random(4)
        base = [sys.executable, "-P", "-m", "hil", "characterize", "staircase", str(tmp_path / "bench.toml"), "--json"]
        first = [*base, "--devices", "4", "--set", "steps=60", "--set", "cycles=1", "-o", str(output)]
        for _ in range(3):
            enough = len(simulated.sample.ledger.entries) + chance.randrange(5, 40)
            arguments = [*base, "--resume", str(output)] if output.exists() else first
            with subprocess.Popen(arguments, stdout=subprocess.DEVNULL) as program:
                deadline = time.monotonic() + 60
                while len(simulated.sample.ledger.entries) < enough:
                    assert program.poll() is None
                    assert time.monotonic() < deadline
                    time.sleep(0.0005)
                program.send_signal(signal.SIGKILL)
        done = subprocess.run([*base, "--resume", str(output)], capture_output=True, check=True, timeout=120)
        assert json.loads(done.stdout)["ok"]
    with ShotStore.open(output) as store:
        shots = store.read().shots
    assert 0 <= extra(ledger_rounds(list(simulated.sample.ledger.entries)), recorded_rounds(shots)) <= 3
    pairs = shots[shots["phase"] == 1][["step", "device"]]
    assert len(np.unique(pairs)) == len(pairs)
    assert shots["step"].max() == 3 + 120
