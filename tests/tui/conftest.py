"""A run directory as training would leave it: deterministic numbers of a plausible size."""

import math
import os
import shutil
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest

from hil.telemetry import (
    UPDATE_SAMPLE,
    Evaluation,
    InstrumentInfo,
    InstrumentStatus,
    LayerInfo,
    LayerStep,
    Manifest,
    RunState,
    Status,
    Step,
    StepTimes,
    TelemetryWriter,
)
from tui.screenshot import screen_text
from tui.view import Snapshot
from tui.watcher import RunWatcher

STARTED_S = 1_795_000_000.0


def resnet_layers() -> list[LayerInfo]:
    """The 21 layers of ResNet-18 with 11.16 M weights."""
    shapes: list[tuple[str, tuple[int, ...]]] = [("conv1.weight", (64, 3, 3, 3))]
    width = 64
    for stage, channels in enumerate((64, 128, 256, 512), start=1):
        for block in (0, 1):
            shapes.append((f"layer{stage}.{block}.conv1.weight", (channels, width, 3, 3)))
            shapes.append((f"layer{stage}.{block}.conv2.weight", (channels, channels, 3, 3)))
            if block == 0 and channels != width:
                shapes.append((f"layer{stage}.{block}.downsample.0.weight", (channels, width, 1, 1)))
            width = channels
    shapes.append(("fc.weight", (10, 512)))
    layers, first = [], 0
    for name, shape in shapes:
        layers.append(LayerInfo(name=name, shape=shape, first=first, devices=math.prod(shape)))
        first += math.prod(shape)
    return layers


LAYERS = resnet_layers()
MODELS = {"pulser": "keysight-81160a", "smu": "keithley-2450", "switch": "keithley-7001", "array": "dwa-1"}


def manifest(**changes: object) -> Manifest:
    """A training run of this process on this host."""
    made = Manifest(
        run_id="20261118-075320-resnet18-digits",
        kind="train",
        created="2026-11-18T07:53:20+00:00",
        command=["hil", "train"],
        pid=os.getpid(),
        host=socket.gethostname(),
        dataset="digits",
        model="resnet18",
        digital=False,
        bench="simulated",
        library="@domainwall",
        steps_total=500,
        epochs=5,
        layers=LAYERS,
        instruments=[
            InstrumentInfo(name=name, model=model, address=f"{name}.bench", identity=f"DOMAINWALL,{model},0,1")
            for name, model in MODELS.items()
        ],
        config={},
    )
    return msgspec.structs.replace(made, **changes)


def instruments(step: int, **changes: dict[str, object]) -> list[InstrumentStatus]:
    """The bench while the array is being programmed."""
    listed = [
        InstrumentStatus(
            name=name,
            model=model,
            address=f"{name}.bench",
            link="SYNCED",
            output={"array": "on", "switch": "none"}.get(name, "off"),
            exchanges=12 + (9 * step if name == "array" else 0),
            bytes_out=400 + (22_320_000 * step if name == "array" else 0),
            bytes_in=900 + (22_320_000 * step if name == "array" else 0),
        )
        for name, model in MODELS.items()
    ]
    return [msgspec.structs.replace(each, **changes.get(each.name, {})) for each in listed]


def status(step: int, **changes: object) -> Status:
    """The status after a step, beating at that step's time."""
    made = Status(
        state=RunState.TRAINING,
        message="epoch under way",
        step=step,
        steps_total=500,
        epoch=step // 100 + 1,
        epochs=5,
        elapsed_s=0.4 * step,
        eta_s=0.4 * (500 - step),
        heartbeat_s=STARTED_S + 0.4 * step,
        instruments=instruments(step),
    )
    return msgspec.structs.replace(made, **changes)


def step_record(step: int) -> Step:
    """A training step whose loss falls and whose pulses thin out."""
    wobble = math.sin(12.9898 * step) * 43758.5453 % 1.0 - 0.5
    progress = 1 - math.exp(-step / 90)
    loss = 2.35 * math.exp(-step / 80) + 0.18 + 0.25 * wobble * (1.2 - progress)
    layers = []
    for index, layer in enumerate(LAYERS):
        push = int(layer.devices * (2.6 - 1.1 * progress + 0.25 * math.sin(index)))
        layers.append(
            LayerStep(
                push=push,
                pull=int(push * (1.08 + 0.05 * math.cos(2 * index))),
                infeasible=min(0.97, 0.45 + 0.02 * index),
                clipped=0.0004 * (index % 4),
                saturated=0.011 if index == 20 else 0.0,
                requested_rms=4.1e-5,
                achieved_rms=None if step == 1 else 6.3e-5,
                variance_ratio=1.0 + 0.04 * index,
                lsb=1.9e-4 / math.sqrt(1 + index),
                width_s=1e-7,
            )
        )
    pulses = sum(layer.push + layer.pull for layer in layers)
    return Step(
        step=step,
        epoch=step // 100 + 1,
        t=0.4 * step,
        loss=loss,
        accuracy=min(1.0, max(0.0, 0.1 + 0.86 * progress + 0.1 * wobble)),
        step_size=0.1 * (1 + math.cos(math.pi * step / 500)) / 2,
        temperature=1e-3,
        times=StepTimes(read=0.031, forward_backward=0.208, compile=0.062, program=0.087, total=0.401),
        pulses_total=pulses * step,
        energy_j=1.3e-12 * pulses * step,
        infeasible_fraction=0.72,
        clipped_fraction=0.0006,
        layers=layers,
    )


def updates_sample(points: int = 4096) -> np.ndarray:
    """Requested changes on a 7-bit grid and achieved changes with noise about slope 0.97."""
    rng = np.random.default_rng(7)
    sample = np.zeros(points, UPDATE_SAMPLE)
    sample["layer"] = np.arange(points) % len(LAYERS)
    drift = np.rint(rng.standard_normal(points) * 18) / 64 * 2e-3
    sample["requested"] = drift
    sample["achieved"] = 0.97 * drift + rng.standard_normal(points) * 2.2e-4
    return sample


@dataclass
class RunBuilder:
    """Writes a run directory, whole or a piece at a time."""

    directory: Path
    writer: TelemetryWriter
    now_s: float = field(default=STARTED_S)

    def clock(self) -> float:
        """The time of the newest step, unless a test has moved it."""
        return self.now_s

    def write(self, first: int, last: int) -> None:
        """Append steps, an evaluation every hundred, the status and the sample of updates."""
        for step in range(first, last + 1):
            self.writer.step(step_record(step))
            if step % 100 == 0:
                accuracy = 0.94 * (1 - math.exp(-step / 80))
                self.writer.step(
                    Evaluation(step=step, epoch=step // 100, t=0.4 * step, test_loss=0.4, test_accuracy=accuracy)
                )
        self.writer.status(status(last))
        self.writer.updates(updates_sample())
        self.now_s = STARTED_S + 0.4 * last

    def flush(self) -> None:
        """Bring what was handed over to disk now, whatever the writer thread does."""
        self.writer.close()

    def grow(self, first: int, last: int) -> None:
        """Append more steps to a run, as its own writer would."""
        self.writer = TelemetryWriter(self.directory, self.manifest())
        self.write(first, last)
        self.flush()

    def manifest(self) -> Manifest:
        """The manifest on disk."""
        return msgspec.json.decode((self.directory / "run.json").read_bytes(), type=Manifest)

    def put_status(self, step: int, **changes: object) -> None:
        """Replace the status on disk."""
        (self.directory / "status.json").write_bytes(msgspec.json.encode(status(step, **changes)))

    def put_manifest(self, **changes: object) -> None:
        """Change the manifest on disk."""
        changed = msgspec.structs.replace(self.manifest(), **changes)
        (self.directory / "run.json").write_bytes(msgspec.json.encode(changed))

    @staticmethod
    def step_record(step: int) -> Step:
        """The record that the run holds of a step."""
        return step_record(step)

    @staticmethod
    def status_record(step: int) -> Status:
        """The status that the run had after a step."""
        return status(step)

    @staticmethod
    def status_of(step: int, changes: dict[str, dict[str, object]]) -> list[InstrumentStatus]:
        """The instruments after a step, some of them changed by name."""
        return instruments(step, **changes)

    @staticmethod
    def renamed_layers(name: str) -> list[LayerInfo]:
        """The layers, the first under another name."""
        return [msgspec.structs.replace(LAYERS[0], name=name), *LAYERS[1:]]

    def append_metrics(self, content: bytes) -> None:
        """Append raw bytes to the metrics."""
        with (self.directory / "metrics.jsonl").open("ab") as file:
            file.write(content)


def build_run(directory: Path, steps: int = 300) -> RunBuilder:
    """Write a run under way."""
    directory.mkdir(parents=True)
    builder = RunBuilder(directory, TelemetryWriter(directory, manifest()))
    builder.writer.event("info", "bench", "4 instruments identified")
    builder.writer.event("info", "array", "output on")
    builder.writer.event("warning", "smu", "in compliance once while device 3000009 was measured")
    builder.write(1, steps)
    builder.flush()
    return builder


@pytest.fixture(scope="session")
def written_once(tmp_path_factory: pytest.TempPathFactory) -> RunBuilder:
    """A run that tests copy rather than write anew."""
    return build_run(tmp_path_factory.mktemp("runs") / "run")


@pytest.fixture
def run(written_once: RunBuilder, tmp_path: Path) -> RunBuilder:
    """A run under way: 300 of 500 steps."""
    copy = shutil.copytree(written_once.directory, tmp_path / "run")
    return RunBuilder(copy, written_once.writer, written_once.now_s)


@pytest.fixture(scope="session")
def run_snapshot(written_once: RunBuilder) -> Snapshot:
    """The run as the monitor reads it."""
    return RunWatcher(written_once.directory, written_once.clock).poll_to_end()


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[[int], RunBuilder]:
    """Builds a run of a given number of steps."""
    return lambda steps: build_run(tmp_path / f"run-of-{steps}", steps)


@pytest.fixture
def text_at() -> Callable[[RunBuilder, int, int], str]:
    """Returns the screen of a run as text."""
    return lambda builder, columns, rows: screen_text(builder.directory, columns, rows, builder.clock)
