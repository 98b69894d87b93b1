"""Telemetry: what is written is what is read, whatever state the directory is in."""

from pathlib import Path

import numpy as np
import pytest

from hil.telemetry import (
    UPDATE_SAMPLE,
    Evaluation,
    Manifest,
    RunReader,
    RunState,
    Status,
    Step,
    StepTimes,
    TelemetryWriter,
    find_latest_run,
)

_TIMES = StepTimes(read=0.01, forward_backward=0.2, compile=0.01, program=0.02, total=0.25)


def _manifest(run_id: str = "r") -> Manifest:
    return Manifest(
        run_id=run_id,
        kind="train",
        created="2026-01-01T00:00:00+00:00",
        command=["hil", "train"],
        pid=1,
        host="here",
        dataset="digits",
        model="ResNet-18",
        digital=False,
        bench="simulated",
        library="@domainwall",
        steps_total=2,
        epochs=1,
        layers=[],
        instruments=[],
        config={},
    )


def _status() -> Status:
    return Status(
        state=RunState.TRAINING,
        message="",
        step=2,
        steps_total=2,
        epoch=1,
        epochs=1,
        elapsed_s=1.0,
        eta_s=None,
        heartbeat_s=0.0,
        instruments=[],
    )


def _step(number: int, loss: float = 1.0) -> Step:
    return Step(
        step=number,
        epoch=1,
        t=0.5,
        loss=loss,
        accuracy=0.5,
        step_size=0.1,
        temperature=1e-3,
        times=_TIMES,
        pulses_total=10 * number,
        energy_j=1e-9,
        infeasible_fraction=0.5,
        clipped_fraction=0.0,
        layers=[],
    )


def test_a_reader_sees_what_a_writer_wrote(tmp_path: Path):
    sample = np.zeros(3, UPDATE_SAMPLE)
    sample["achieved"] = [1, 2, 3]
    with TelemetryWriter(tmp_path, _manifest()) as writer:
        writer.event("info", "run", "hello")
        writer.step(_step(1, loss=2.0))
        writer.step(_step(2, loss=float("nan")))
        writer.step(Evaluation(step=2, epoch=1, t=1.0, test_loss=0.3, test_accuracy=0.9))
        writer.updates(sample)
        writer.status(_status())
    reader = RunReader(tmp_path)
    assert reader.poll()
    assert reader.loss.values == [2.0]  # NaN is not a point
    assert reader.accuracy.steps == [1, 2]
    assert reader.test_accuracy.values == [0.9]
    assert reader.last_step is not None
    assert reader.last_step.loss is None
    assert reader.status is not None
    assert (reader.status.records_written, reader.status.records_dropped) == (3, 0)
    assert [event.text for event in reader.events] == ["hello"]
    assert reader.updates is not None
    assert reader.updates["achieved"].tolist() == [1, 2, 3]
    assert not reader.poll()


def test_a_torn_line_waits_for_its_end_and_a_corrupt_one_is_counted(tmp_path: Path):
    with TelemetryWriter(tmp_path, _manifest()) as writer:
        writer.step(_step(1))
    metrics = tmp_path / "metrics.jsonl"
    whole = metrics.read_bytes()
    metrics.write_bytes(whole + b"\x00garbage\n" + whole[:40])
    reader = RunReader(tmp_path)
    reader.poll()
    assert reader.loss.steps == [1]
    assert reader.corrupt_lines == 1
    metrics.write_bytes(whole + b"\x00garbage\n" + whole)
    reader.poll()
    assert reader.loss.steps == [1, 1]


def test_an_absent_directory_reads_as_nothing(tmp_path: Path):
    reader = RunReader(tmp_path / "nowhere")
    assert not reader.poll()
    assert reader.manifest is None


@pytest.mark.parametrize("name", ["run.json", "status.json", "latest/updates.npy"])
def test_a_corrupt_file_is_counted_and_survived(tmp_path: Path, name: str):
    (tmp_path / "latest").mkdir()
    (tmp_path / name).write_bytes(b"\xff\xfe not json, not an array")
    reader = RunReader(tmp_path)
    reader.poll()
    assert reader.corrupt_lines == 1


def test_a_full_queue_drops_the_oldest_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hil.telemetry.writer.QUEUE_LENGTH", 8)
    monkeypatch.setattr("hil.telemetry.writer.FLUSH_PERIOD_S", 3600.0)  # the thread sleeps until close
    writer = TelemetryWriter(tmp_path, _manifest())
    for number in range(20):
        writer.step(_step(number))
    assert writer.dropped == 12
    writer.close()
    reader = RunReader(tmp_path)
    reader.poll()
    assert reader.loss.steps == list(range(12, 20))


def test_the_latest_run_is_the_one_started_last(tmp_path: Path):
    assert find_latest_run(tmp_path) is None
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        TelemetryWriter(tmp_path / name, _manifest(name)).close()
    import os

    os.utime(tmp_path / "b" / "run.json", (1, 1))
    assert find_latest_run(tmp_path) == tmp_path / "a"


def test_the_heartbeat_goes_on_through_a_long_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hil.telemetry.writer.FLUSH_PERIOD_S", 0.001)
    monkeypatch.setattr("hil.telemetry.writer.HEARTBEAT_PERIOD_S", 0.0)
    beats = set()
    with TelemetryWriter(tmp_path, _manifest()) as writer:
        writer.status(_status())
        reader = RunReader(tmp_path)
        while len(beats) < 4:  # the suite's time-out ends this if the heart stops
            reader.poll()
            if reader.status is not None:
                beats.add(reader.status.heartbeat_s)
