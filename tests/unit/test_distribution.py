"""The distribution holds the five packages and the plug-in, and nothing else can claim their names unseen."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from hil import doctor

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_the_packages_and_no_tests(tmp_path: Path):
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    top = {name.split("/")[0] for name in names if ".dist-info" not in name}
    assert top == {*doctor.PACKAGES, *(f"{plugin}.py" for plugin in doctor.PLUGINS)}
    for needed in (
        "drivers/benches/default.toml",
        "sim_instruments/benches/default.toml",
        "tui/theme.tcss",
        "hil/py.typed",
    ):
        assert needed in names


def test_a_name_that_another_distribution_owns_too_is_reported(monkeypatch: pytest.MonkeyPatch):
    owners = {"drivers": ["drivers-other", doctor.DISTRIBUTION]}
    monkeypatch.setattr("hil.doctor.importlib.metadata.packages_distributions", lambda: owners)
    check = doctor._ownership("drivers")
    assert not check.ok
    assert "drivers-other" in check.detail
    assert "pip uninstall drivers-other" in check.remedy


def test_a_missing_package_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("hil.doctor.importlib.util.find_spec", lambda _name: None)
    assert not doctor._ownership("tui").ok
