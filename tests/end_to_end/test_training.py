"""A whole run, as a user starts it: ResNet-18 with 11 million devices on the bench that ships."""

import gc
import json
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import pyvisa

from calibration import load_parameters
from drivers import Bench, load_bench
from drivers.errors import ConfigError
from hil import train as training
from hil.config import RunConfig, load_run
from hil.journal import Journal
from hil.sgld import DivergedError
from hil.stop import StopRequest
from hil.summary import Summary
from hil.telemetry import Evaluation, RunReader, RunState, Step


class _Silent:
    """A listener that remembers the states."""

    def __init__(self) -> None:
        self.states: list[RunState] = []

    def state(self, state: RunState, message: str) -> None:
        self.states.append(state)

    def calibration(self, done: int, total: int, text: str) -> None: ...

    def step(self, record: Step, *, steps_total: int, eta_s: float | None) -> None: ...

    def evaluation(self, record: Evaluation) -> None: ...


def _fresh_bench() -> pyvisa.ResourceManager:
    """Open the shipped bench as it is after power-on: PyVISA shares one as long as anybody still holds it."""
    gc.collect()
    manager = pyvisa.ResourceManager("@domainwall")
    assert manager.visalib.bench.sample.ledger.push_pulses == 0
    return manager


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("images")
    generator = np.random.default_rng(0)
    for name, count in (("train", 64), ("test", 32)):
        labels = generator.integers(0, 10, count)
        pixels = (labels[:, None, None, None] * 20 + generator.integers(0, 30, (count, 32, 32, 3))).astype(np.uint8)
        np.savez(folder / f"{name}.npz", x=pixels, y=labels)
    return folder / "train.npz", folder / "test.npz"


def _config(images: tuple[Path, Path], *more: str) -> RunConfig:
    train, test = images
    return load_run(
        None, ["data.source=npz", f"data.train='{train}'", f"data.test='{test}'", "batch_size=32", "epochs=1", *more]
    )


@pytest.fixture(scope="module")
def finished(
    images: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Summary, tuple[int, int]]:
    """Two steps through the shipped bench after a calibration; with the training's pulses in the simulator's ledger."""
    manager = _fresh_bench()
    ledger = manager.visalib.bench.sample.ledger
    run_dir = tmp_path_factory.mktemp("run")
    summary = training.train(_config(images, "calibrate=true"), run_dir=run_dir, listener=_Silent(), stop=StopRequest())
    with closing(sqlite3.connect(run_dir / "journal.sqlite")) as database:
        first_tag = database.execute("SELECT min(first_tag) FROM intent").fetchone()[0]
    trained = [entry for entry in ledger.entries if entry.tag >= first_tag]
    manager.close()
    return run_dir, summary, (sum(e.push_pulses for e in trained), sum(e.pull_pulses for e in trained))


def test_a_run_leaves_a_summary_with_every_promised_figure(finished):
    run_dir, summary, _ = finished
    on_disk = json.loads((run_dir / "summary.json").read_text())
    promised = (
        "run_dir dataset model devices steps step_time_s hil_overhead_ratio train_loss test_accuracy temperature "
        "update_bits pulses_total energy_j infeasible_fraction clipped_fraction"
    )
    assert set(promised.split()) <= set(on_disk)
    assert set(on_disk["step_time_s"]) == {"median", "forward_backward", "compile", "program", "read"}
    assert on_disk["devices"] == 11_172_032 or summary.devices == on_disk["devices"]
    assert summary.devices > 11_000_000
    assert (summary.steps, summary.state) == (2, RunState.FINISHED)
    assert summary.energy_j > 0


def test_ledger_journal_and_summary_agree_to_the_pulse(finished):
    run_dir, summary, ledger_pulses = finished
    journal = Journal(run_dir / "journal.sqlite")
    delivered = journal.delivered()
    assert journal.unsettled() == []
    journal.close()
    assert sum(delivered) == summary.pulses_total
    assert ledger_pulses == delivered


def test_a_watcher_can_read_the_run(finished):
    run_dir, summary, _ = finished
    reader = RunReader(run_dir)
    reader.poll()
    assert reader.corrupt_lines == 0
    assert reader.manifest is not None
    assert reader.status is not None
    assert len(reader.manifest.layers) == 21
    assert reader.status.state is RunState.FINISHED
    assert {status.output for status in reader.status.instruments} <= {"off", "none"}
    assert reader.loss.steps == [1, 2]
    assert reader.test_accuracy.values == [summary.test_accuracy]
    assert sum(reader.push_pulses) > 0


def test_outputs_are_off_and_the_run_is_marked_when_a_step_fails(images, finished, tmp_path: Path, monkeypatch):
    manager = pyvisa.ResourceManager("@domainwall")
    parameters = finished[0] / "parameters.json"

    def fail(*_: object) -> None:
        raise RuntimeError("the power went")

    monkeypatch.setattr("hil.loop.TrainingLoop._forward_backward", fail)
    config = _config(images, f"parameters='{parameters}'")
    with pytest.raises(RuntimeError, match="the power went"):
        training.train(config, run_dir=tmp_path, listener=_Silent(), stop=StopRequest())
    reader = RunReader(tmp_path)
    reader.poll()
    assert reader.status is not None
    assert reader.status.state is RunState.FAILED
    assert "the power went" in reader.status.message
    assert {status.output for status in reader.status.instruments} <= {"off", "none"}
    with Bench.open(load_bench(None)) as bench:
        answer = manager.open_resource("TCPIP0::array.bench::inst0::INSTR").query("OUTP?")
        assert answer.strip() == "0"
        assert bench.array.last_tag() > 0  # the initial weights had been fired: the output had been on
    manager.close()


def test_a_stop_request_ends_the_run_after_the_step(images, finished, tmp_path: Path):
    stop = StopRequest()
    stop.requested = True
    config = _config(images, f"parameters='{finished[0] / 'parameters.json'}'")
    summary = training.train(config, run_dir=tmp_path, listener=_Silent(), stop=stop)
    assert (summary.steps, summary.state) == (1, RunState.STOPPED)
    assert json.loads((tmp_path / "summary.json").read_text())["state"] == "stopped"


def test_doubtful_parameters_are_used_with_a_warning(images, finished, tmp_path: Path):
    doubtful = load_parameters(finished[0] / "parameters.json").model_copy(
        update={"bench": "other", "evenness_p": 1e-9}
    )
    doubtful.save(tmp_path / "parameters.json")
    stop = StopRequest()
    stop.requested = True
    config = _config(images, f"parameters='{tmp_path / 'parameters.json'}'")
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    training.train(config, run_dir=run_dir, listener=_Silent(), stop=stop)
    reader = RunReader(run_dir)
    reader.poll()
    warnings = [event.text for event in reader.events if event.level == "warning"]
    assert len(warnings) == 2
    assert "'other'" in warnings[0]
    assert "do not describe" in warnings[1]


def test_training_without_parameters_is_refused_before_anything_opens(images, tmp_path: Path):
    with pytest.raises(ConfigError, match="--calibrate"):
        training.train(_config(images), run_dir=tmp_path, listener=_Silent(), stop=StopRequest())
    assert list(tmp_path.iterdir()) == []


def test_a_digital_run_needs_no_bench_and_reports_no_pulses(images, tmp_path: Path):
    summary = training.train(_config(images, "digital=true"), run_dir=tmp_path, listener=_Silent(), stop=StopRequest())
    assert (summary.digital, summary.devices, summary.pulses_total, summary.update_bits) == (True, 0, 0, None)
    assert summary.steps == 2


def test_a_chain_that_diverges_ends_with_the_reason(images, tmp_path: Path):
    options = ("digital=true", "sampler.step_size=1e30", "sampler.warmup_fraction=0")
    with pytest.raises(DivergedError, match=r"sampler\.step_size"):
        training.train(_config(images, *options), run_dir=tmp_path, listener=_Silent(), stop=StopRequest())
    reader = RunReader(tmp_path)
    reader.poll()
    assert reader.status is not None
    assert reader.status.state is RunState.FAILED


def test_the_same_seed_gives_the_same_run_bit_for_bit(images, finished, tmp_path: Path):
    """Same seeds, fresh bench: every loss agrees to the last bit, the simulated walls' noise included."""
    run_dir, _, _ = finished
    again = tmp_path / "again"
    again.mkdir()
    manager = _fresh_bench()
    training.train(_config(images, "calibrate=true"), run_dir=again, listener=_Silent(), stop=StopRequest())
    manager.close()
    losses = []
    for directory in (run_dir, again):
        reader = RunReader(directory)
        reader.poll()
        losses.append(reader.loss.values)
    assert losses[0] == losses[1]


def test_ctrl_c_stops_after_the_step_with_exit_code_130(images, finished, tmp_path: Path):
    train, test = images
    command = [sys.executable, "-m", "hil", "train", "--parameters", str(finished[0] / "parameters.json")]
    command += ["--data", str(train), "--test-data", str(test), "--epochs", "1000", "--set", "batch_size=32"]
    command += ["--runs", str(tmp_path), "--json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stdout is not None
        for line in process.stderr:
            if line.startswith("epoch"):
                process.send_signal(signal.SIGINT)
                break
        summary = json.loads(process.stdout.read())
        process.stderr.read()
        assert process.wait() == 130
    assert summary["state"] == "stopped"
    reader = RunReader(Path(summary["run_dir"]))
    reader.poll()
    assert reader.status is not None
    assert reader.status.state is RunState.STOPPED
    assert {status.output for status in reader.status.instruments} <= {"off", "none"}
