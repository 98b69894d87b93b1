"""Parameters and raw records: what is written is what is read, and damage is named."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from calibration import (
    Calibration,
    DeviceParameters,
    Estimate,
    Route,
    StaircaseRecord,
    load_parameters,
    parameter_table,
)
from calibration.record import InstrumentIdentity, Origin
from drivers.errors import ConfigError, LimitError
from drivers.protocols import Polarity


def estimate(value: float, unit: str = "track") -> Estimate:
    return Estimate(value=value, low=0.9 * value, high=1.1 * value, unit=unit)


def parameters(**changes: Any) -> DeviceParameters:
    content: dict[str, Any] = {
        "created": datetime(2026, 1, 2, 3, 4, tzinfo=UTC),
        "bench": "made up",
        "library": "@nowhere",
        "route": Route.ARRAY,
        "amplitude_v": 1.5,
        "reference_width_s": 1e-6,
        "width_range_s": (1e-8, 2e-6),
        "mu_push": estimate(4e-3),
        "mu_pull": estimate(3.6e-3),
        "variance_push": estimate(8e-7, "track^2"),
        "variance_pull": estimate(8e-7, "track^2"),
        "fano_push": estimate(2e-4),
        "fano_pull": estimate(2.2e-4),
        "dtod_push": estimate(0.08, "1"),
        "dtod_pull": estimate(0.08, "1"),
        "read_noise": estimate(2e-5),
        "conductance_low_s": estimate(2e-4, "S"),
        "conductance_high_s": estimate(4e-4, "S"),
        "proportionality_p": 0.4,
        "evenness_p": 0.6,
        "devices": 512,
        "dropped_devices": 0,
        "dropped_runs": 0,
        "cycles": 3,
        "pulses": 1000,
        "instruments": (InstrumentIdentity(name="array", manufacturer="m", model="DWA-1", serial="1", firmware="0"),),
        "raw_file": None,
        "raw_sha256": "0" * 64,
    }
    return DeviceParameters(**{**content, **changes})


def record() -> StaircaseRecord:
    generator = np.random.default_rng(0)
    return StaircaseRecord(
        device=np.arange(4, dtype=np.uint32),
        width_s=np.array([1e-7, 1e-6]),
        pulses=np.ones((2, 2, 4), np.int64),
        conductance_s=generator.random((2, 3, 2, 6, 4)),
        low_s=generator.random((5, 4)),
        high_s=generator.random((5, 4)),
        rest_s=generator.random((7, 4)),
        origin=Origin(
            bench="made up",
            library="@nowhere",
            route=Route.BENCH,
            created=datetime(2026, 1, 2, tzinfo=UTC),
            seed=3,
            amplitude_v=1.5,
            reference_width_s=1e-6,
            margin=0.04,
            resolution_s=0.0,
            instruments=(),
        ),
    )


def test_parameters_survive_the_file(tmp_path: Path) -> None:
    path = tmp_path / "parameters.json"
    parameters().save(path)
    assert load_parameters(path) == parameters()
    assert [entry.name for entry in tmp_path.iterdir()] == ["parameters.json"]


@pytest.mark.parametrize(
    ("edit", "place"),
    [
        (lambda content: content.update(schema_version=2), "schema_version"),
        (lambda content: content.update(speed=1), "speed"),
        (lambda content: content.pop("mu_pull"), "mu_pull"),
        (lambda content: content["mu_push"].update(low=1.0), "mu_push"),
        (lambda content: content["mu_push"].update(value="fast"), r"mu_push\.value"),
        (lambda content: content["variance_push"].update(value=0.0, low=0.0), "variance_push"),
        (lambda content: content.update(reference_width_s=3e-6), "reference_width_s"),
        (lambda content: content.update(raw_sha256="abc"), "raw_sha256"),
    ],
)
def test_a_wrong_field_is_refused_with_file_and_place(tmp_path: Path, edit: Any, place: str) -> None:
    path = tmp_path / "parameters.json"
    content = json.loads(parameters().model_dump_json())
    edit(content)
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=place) as caught:
        load_parameters(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b"null"])
def test_a_file_that_holds_no_parameters_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "parameters.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="calibrate again"):
        load_parameters(path)


def test_a_missing_file_says_to_calibrate_first(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="run a calibration first"):
        load_parameters(tmp_path / "parameters.json")


def test_a_failed_write_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "parameters.json"
    parameters().save(path)

    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        parameters(devices=7).save(path)
    assert load_parameters(path).devices == 512
    assert [entry.name for entry in tmp_path.iterdir()] == ["parameters.json"]


def test_a_step_scales_with_the_width() -> None:
    step = parameters().step_at(5e-7)
    assert step.mu_push == pytest.approx(2e-3)
    assert step.mu_pull == pytest.approx(1.8e-3)
    assert step.variance_push == pytest.approx(4e-7)
    assert step.variance_pull == pytest.approx(4e-7)


def test_widths_give_back_the_displacement_asked_for() -> None:
    known = parameters()
    assert known.step_at(known.width_for_push(1e-3)).mu_push == pytest.approx(1e-3)
    assert known.step_at(known.width_for_pull(1e-3)).mu_pull == pytest.approx(1e-3)


@pytest.mark.parametrize("polarity", list(Polarity))
def test_the_ends_of_the_range_are_inside_and_nothing_beyond(polarity: Polarity) -> None:
    known = parameters()
    width_for = known.width_for_push if polarity is Polarity.PUSH else known.width_for_pull
    smallest, largest = known.mu_range(polarity)
    assert width_for(smallest) == pytest.approx(1e-8)
    assert width_for(largest) == pytest.approx(2e-6)
    # A rounding error beyond the end must not reach an instrument whose limit is that end.
    assert width_for(smallest * (1 - 1e-12)) == 1e-8
    assert width_for(largest * (1 + 1e-12)) == 2e-6
    for outside in (smallest * 0.999, largest * 1.001, 0.0, -smallest, float("nan")):
        with pytest.raises(LimitError, match="calibrated range"):
            width_for(outside)


@pytest.mark.parametrize("width_s", [9.9e-9, 2.01e-6, 0.0, float("nan"), float("inf")])
def test_no_step_is_extrapolated(width_s: float) -> None:
    with pytest.raises(LimitError, match="calibrated range"):
        parameters().step_at(width_s)


def test_an_estimate_outside_its_own_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="must lie between"):
        Estimate(value=2.0, low=0.0, high=1.0, unit="1")


def test_a_record_survives_the_file_and_has_one_hash(tmp_path: Path) -> None:
    original, path = record(), tmp_path / "raw.npz"
    original.save(path)
    back = StaircaseRecord.load(path, sha256=original.sha256())
    assert back.sha256() == original.sha256()
    np.testing.assert_array_equal(back.conductance_s, original.conductance_s)
    assert back.origin == original.origin


def test_a_record_with_another_hash_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.npz"
    record().save(path)
    with pytest.raises(ConfigError, match="SHA-256"):
        StaircaseRecord.load(path, sha256="0" * 64)


def test_a_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "raw.npz"
    whole = record().to_bytes()
    np.savez(tmp_path / "other.npz", a=np.zeros(3))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, device=np.array([object()], dtype=object), allow_pickle=True)
    for content in (b"", b"abc", whole[:-100], (tmp_path / "other.npz").read_bytes(), pickled.read_bytes()):
        path.write_bytes(content)
        with pytest.raises(ConfigError, match="not a staircase record"):
            StaircaseRecord.load(path)


def test_saving_a_calibration_writes_the_record_that_the_parameters_name(tmp_path: Path) -> None:
    raw = record()
    calibration = Calibration(parameters=parameters(raw_sha256=raw.sha256()), record=raw)
    calibration.save(tmp_path / "new" / "parameters.json")
    loaded = load_parameters(tmp_path / "new" / "parameters.json")
    assert loaded.raw_file == "parameters.raw.npz"
    StaircaseRecord.load(tmp_path / "new" / loaded.raw_file, sha256=loaded.raw_sha256)


def printed(known: DeviceParameters) -> str:
    console = Console(width=120, record=True, file=None, quiet=False, force_terminal=False)
    with console.capture() as capture:
        console.print(parameter_table(known))
    return capture.get()


def test_the_report_shows_numbers_with_intervals_and_what_was_left_out() -> None:
    text = printed(parameters(dropped_devices=3, dropped_runs=5))
    for word in ("0.004", "0.0036", "0.0044", "track", "512", "3 devices", "5 runs"):
        assert word in text


def test_the_report_tells_a_narrow_interval_apart() -> None:
    narrow = Estimate(value=2e-4, low=1.99997e-4, high=2.00003e-4, unit="S")
    assert "0.00019999" in printed(parameters(conductance_low_s=narrow))


def test_the_report_says_when_the_model_fails() -> None:
    good, bad = parameters(), parameters(proportionality_p=1e-4)
    assert good.describes_data
    assert not bad.describes_data
    assert "NOT" not in printed(good)
    assert "does NOT hold: displacement is proportional" in printed(bad)
    assert "not tested" in printed(parameters(evenness_p=None))


def test_importing_the_package_leaves_scipy_alone() -> None:
    code = "import sys, calibration; sys.exit(any(name in sys.modules for name in ('scipy', 'torch', 'numba')))"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
