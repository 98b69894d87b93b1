"""CIFAR-10, two epochs, torchvision stem: devices against floating point, same seed and schedule. About ten minutes."""

import os
from pathlib import Path

import pytest

from hil import train as training
from hil.config import load_run
from hil.stop import StopRequest
from hil.summary import Summary
from hil.telemetry import Evaluation, RunState, Step

FOLDER = os.environ.get("DOMAINWALL_CIFAR10")

pytestmark = [
    pytest.mark.cifar,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(FOLDER is None, reason="DOMAINWALL_CIFAR10 does not name the folder of the .npz files"),
]


class _Printer:
    def state(self, state: RunState, message: str) -> None: ...

    def calibration(self, done: int, total: int, text: str) -> None: ...

    def step(self, record: Step, *, steps_total: int, eta_s: float | None) -> None: ...

    def evaluation(self, record: Evaluation) -> None:
        print(f"epoch {record.epoch}: test accuracy {record.test_accuracy:.2%}")


def _train(run_dir: Path, *options: str) -> Summary:
    files = [f"data.train='{FOLDER}/cifar10-train.npz'", f"data.test='{FOLDER}/cifar10-test.npz'"]
    config = load_run(None, ["data.source=npz", *files, "epochs=2", *options])
    run_dir.mkdir()
    return training.train(config, run_dir=run_dir, listener=_Printer(), stop=StopRequest())


def test_devices_learn_as_well_as_floating_point(tmp_path: Path):
    devices = _train(tmp_path / "devices", "calibrate=true")
    digital = _train(tmp_path / "digital", "digital=true")
    print(
        f"devices {devices.test_accuracy:.2%}, digital {digital.test_accuracy:.2%}, "
        f"update loop over forward+backward {devices.hil_overhead_ratio:.3f} against {digital.hil_overhead_ratio:.3f}, "
        f"outside the feasible region {devices.infeasible_fraction:.1%}"
    )
    assert devices.test_accuracy is not None
    assert digital.test_accuracy is not None
    assert devices.test_accuracy >= 0.50
    assert abs(devices.test_accuracy - digital.test_accuracy) <= 0.03
