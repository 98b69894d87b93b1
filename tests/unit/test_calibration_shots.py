"""Shots in files: what is appended is read back, whatever kills the program, and other files are refused."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, from_dtype

from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.protocols import Route
from calibration.record import InstrumentIdentity
from calibration.shots import ShotStore, digest, export, load_experiment
from drivers.errors import ConfigError
from hil.cli.export_shots import command


def origin(**changes: Any) -> ExperimentOrigin:
    content: dict[str, Any] = {
        "kind": "doublets",
        "settings": {"widths_s": [1e-8, 2e-6], "devices": 3, "label": "α"},
        "bench": "made up",
        "library": "@nowhere",
        "route": Route.BENCH,
        "started": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        "seed": 3,
        "resolution_s": 4.5e-9,
        "instruments": (InstrumentIdentity(name="pulser", manufacturer="m", model="81160A", serial="1", firmware="0"),),
    }
    return ExperimentOrigin(**{**content, **changes})


def shots(step: int, count: int = 5) -> np.ndarray:
    """Shots that tell which step they are of."""
    made = np.zeros(count, SHOT)
    made["step"] = step
    made["device"] = np.arange(count)
    made["polarity"] = 1
    made["after_s"] = step + np.arange(count) / 7
    made["before_s"] = np.nan
    return made


def same(first: Experiment, second: Experiment) -> bool:
    return first.origin == second.origin and first.shots.tobytes() == second.shots.tobytes()


def test_what_is_appended_is_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "run.shots"
    with ShotStore.create(path, origin()) as store:
        assert store.last_step() is None
        assert len(store.read().shots) == 0
        for step in range(4):
            store.append(shots(step, count=step))
        store.append(shots(7)[::2])
        written = store.read()
        digest_then = store.sha256()
    with ShotStore.open(path) as store:
        assert same(store.read(), written)
        assert store.last_step() == 7
        assert store.shots == 0 + 1 + 2 + 3 + 3
        assert store.sha256() == digest_then == digest.sha256(written)
        store.append(shots(8))
        assert store.sha256() != digest_then
    assert written.shots.dtype == SHOT
    assert written.origin == origin()
    assert [entry.name for entry in path.parent.iterdir()] == ["run.shots"]


def test_the_hash_covers_shots_and_origin() -> None:
    one = Experiment(origin=origin(), shots=shots(1))
    assert digest.sha256(one) == digest.sha256(Experiment(origin=origin(), shots=shots(1)))
    assert digest.sha256(one) != digest.sha256(Experiment(origin=origin(seed=4), shots=shots(1)))
    assert digest.sha256(one) != digest.sha256(Experiment(origin=origin(), shots=shots(2)))


def test_other_arrays_are_refused(tmp_path: Path) -> None:
    others: tuple[Any, ...] = (np.zeros(3), np.zeros((2, 2), SHOT))
    with ShotStore.create(tmp_path / "run.shots", origin()) as store:
        for wrong in others:
            with pytest.raises(ValueError, match="structured array of SHOT"):
                store.append(wrong)


def test_a_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "run.shots"
    ShotStore.create(path, origin()).close()
    with pytest.raises(ConfigError, match="name another file, or continue"):
        ShotStore.create(path, origin())


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        ShotStore.create(tmp_path / "file" / "run.shots", origin())


def test_a_missing_file_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no such file"):
        ShotStore.open(tmp_path / "run.shots")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"device,after\n1,2\n", b"SQLite format 3\0" + b"\0" * 200, os.urandom(9000)])
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "run.shots"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="file of shots"):
        ShotStore.open(path)
    assert path.read_bytes() == content


def test_another_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE origin (content TEXT, shot TEXT)")
    other.close()
    with pytest.raises(ConfigError, match="not a file of shots"):
        ShotStore.open(path)


@pytest.mark.parametrize(
    ("statement", "remedy"),
    [
        ("PRAGMA user_version = 2", "update the program"),
        ("UPDATE origin SET shot = '[]'", "the version that wrote it"),
        ("DROP TABLE origin", "cannot be opened"),
    ],
)
def test_another_layout_is_refused(tmp_path: Path, statement: str, remedy: str) -> None:
    path = _edited(tmp_path, statement)
    with pytest.raises(ConfigError, match=remedy):
        ShotStore.open(path)


@pytest.mark.parametrize(
    ("statement", "complaint"),
    [
        ("UPDATE origin SET content = '{}'", "the origin of the shots is damaged"),
        ("UPDATE block SET content = x'00' WHERE id = 2", "damaged after 5 shots"),
    ],
)
def test_damage_is_named(tmp_path: Path, statement: str, complaint: str) -> None:
    with ShotStore.open(_edited(tmp_path, statement)) as store, pytest.raises(ConfigError, match=complaint):
        store.read()


def _edited(folder: Path, statement: str) -> Path:
    path = folder / "run.shots"
    with ShotStore.create(path, origin()) as store:
        store.append(shots(0))
        store.append(shots(1))
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(statement)
    database.close()
    return path


# Forks a writer for each line it is given, so that twenty writers cost one start of Python.
_WRITERS = """
import os, sys
from pathlib import Path
import numpy as np
from calibration.experiment import SHOT
from calibration.shots import ShotStore
for line in sys.stdin:
    if child := os.fork():
        os.waitpid(child, 0)
        print("\\ndead", flush=True)
        continue
    print(os.getpid(), flush=True)
    store = ShotStore.open(Path(sys.argv[1]))
    last = store.last_step()
    step = 0 if last is None else last + 1
    while True:
        made = np.zeros(997, SHOT)
        made["step"], made["device"], made["after_s"] = step, np.arange(997), step / 7
        store.append(made)
        print(f"{step:06d}", flush=True)
        step += 1
"""


def test_a_kill_takes_at_most_what_is_in_flight(tmp_path: Path) -> None:
    path = tmp_path / "run.shots"
    ShotStore.create(path, origin()).close()
    generator = np.random.default_rng(1)
    last = -1
    with subprocess.Popen(
        [sys.executable, "-c", _WRITERS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writers:
        assert writers.stdin is not None
        assert writers.stdout is not None
        for _ in range(20):
            writers.stdin.write("another\n")
            writers.stdin.flush()
            victim = int(writers.stdout.readline())
            time.sleep(float(generator.uniform(0, 0.05)))
            os.kill(victim, signal.SIGKILL)
            # The kill may cut a line short.
            told = [int(line) for line in iter(writers.stdout.readline, "dead\n") if len(line) == 7]
            assert told == list(range(last + 1, last + 1 + len(told)))
            with ShotStore.open(path) as store:
                kept = store.read().shots
            # What was told was finished; one more may have been.
            finished = told[-1] if told else last
            last = -1 if len(kept) == 0 else int(kept["step"][-1])
            assert last in (finished, finished + 1)
            assert kept["step"].tolist() == np.repeat(np.arange(last + 1), 997).tolist()
            assert kept["device"].tolist() == np.tile(np.arange(997), last + 1).tolist()
            assert np.array_equal(kept["after_s"], kept["step"] / 7)
        writers.stdin.close()
    assert last > 20


SUFFIXES = [".h5", ".parquet", ".csv"]

# Any bits of every number: nan, infinities, minus zero and the smallest ones included.
ANY_SHOTS = arrays(SHOT, st.integers(0, 20), elements=from_dtype(SHOT))


@pytest.mark.parametrize("suffix", SUFFIXES)
@given(made=ANY_SHOTS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_an_export_is_read_back_equal(tmp_path: Path, suffix: str, made: np.ndarray) -> None:
    experiment = Experiment(origin=origin(), shots=made)
    path = tmp_path / f"out{suffix}"
    export(experiment, path)
    back = load_experiment(path)
    assert back.origin == experiment.origin
    assert back.shots.dtype == SHOT
    for name in SHOT.names or ():
        np.testing.assert_array_equal(back.shots[name], made[name])
        if SHOT[name].kind == "f":
            number = ~np.isnan(made[name])
            np.testing.assert_array_equal(np.signbit(back.shots[name][number]), np.signbit(made[name][number]))
    assert digest.sha256(back) == digest.sha256(experiment)
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_other_programs_find_fields_units_and_origin(tmp_path: Path) -> None:
    experiment = Experiment(origin=origin(), shots=shots(3))
    for suffix in SUFFIXES:
        export(experiment, tmp_path / f"out{suffix}")
    with h5py.File(tmp_path / "out.h5") as file:
        found: dict[str, Any] = dict(file)
        assert json.loads(found["shots"].attrs["units"])["after_s"] == "S"
        assert json.loads(found["origin"][()])["settings"]["label"] == "α"
        assert found["shots"]["after_s"][2] == 3 + 2 / 7
    schema = pq.read_schema(tmp_path / "out.parquet")
    assert schema.field("width_s").metadata == {b"unit": b"s"}
    assert json.loads(schema.metadata[b"origin"])["kind"] == "doublets"
    lines = (tmp_path / "out.csv").read_text("utf-8").splitlines()
    assert lines[0].startswith("# ")
    assert lines[1].split(",") == list(SHOT.names or ())
    assert float(lines[4].split(",")[9]) == 3 + 2 / 7
    assert lines[4].split(",")[8] == "nan"


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_large_origin_is_kept(tmp_path: Path, suffix: str) -> None:
    large = origin(settings={"devices": list(range(30_000))})
    export(Experiment(origin=large, shots=shots(3)), tmp_path / f"out{suffix}")
    assert load_experiment(tmp_path / f"out{suffix}").origin == large


def test_a_store_is_loaded_by_its_content(tmp_path: Path) -> None:
    with ShotStore.create(tmp_path / "run.csv", origin()) as store:
        store.append(shots(2))
        assert same(load_experiment(tmp_path / "run.csv"), store.read())


def test_a_changed_export_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    export(Experiment(origin=origin(), shots=shots(3)), path)
    path.write_text("\n".join(path.read_text("utf-8").splitlines()[:-1]) + "\n", "utf-8")
    with pytest.raises(ConfigError, match="changed after it was exported"):
        load_experiment(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_export_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out{suffix}"
    export(Experiment(origin=origin(), shots=shots(3, count=200)), path)
    whole = path.read_bytes()
    for share in (0.02, 0.3, 0.9):
        path.write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ConfigError, match=r"export it again|hil calibrate --from"):
            load_experiment(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lab.csv").write_text("device,G\n1,2\n")
    (tmp_path / "note.csv").write_text("# only a note\n1,2\n")
    with pytest.raises(ConfigError, match="hil calibrate --from"):
        load_experiment(tmp_path / "lab.csv")
    with pytest.raises(ConfigError, match="export it again"):
        load_experiment(tmp_path / "note.csv")
    with pytest.raises(ConfigError, match="cannot be read"):
        load_experiment(tmp_path / "none.csv")


def test_an_export_says_what_it_can_write(tmp_path: Path) -> None:
    experiment = Experiment(origin=origin(), shots=shots(3))
    with pytest.raises(ConfigError, match=r"\.h5, \.parquet, \.csv"):
        export(experiment, tmp_path / "out.xlsx")
    with pytest.raises(ConfigError, match="cannot be written"):
        export(experiment, tmp_path / "nowhere" / "out.csv")


def test_the_command_exports(tmp_path: Path) -> None:
    source, target = tmp_path / "run.shots", tmp_path / "out.parquet"
    with ShotStore.create(source, origin()) as store:
        store.append(shots(2))
        wanted = store.sha256()
    run = CliRunner().invoke(command, [str(source), "-o", str(target), "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout) == {"ok": True, "file": str(target), "kind": "doublets", "shots": 5, "sha256": wanted}
    assert digest.sha256(load_experiment(target)) == wanted
    assert CliRunner().invoke(command, [str(source), "-o", str(tmp_path / "out.csv")]).exit_code == 0
    wrong = CliRunner().invoke(command, [str(source), "-o", str(tmp_path / "out.doc"), "--json"])
    assert wrong.exit_code == 2
    assert not json.loads(wrong.stdout)["ok"]
