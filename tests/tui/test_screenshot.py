"""Pictures of a run without a terminal, through the door the command line uses."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import tui
from tui.__main__ import main
from tui.screenshot import save_screenshot


def test_an_svg_holds_the_screen(run, tmp_path):
    target = tmp_path / "monitor.svg"
    tui.save_screenshot(run.directory, target, 120, 36)
    svg = target.read_text(encoding="utf-8")
    assert svg.startswith("<svg")
    assert "TRAINING" in svg
    assert "layer1.0.conv1" in svg


def test_the_same_run_at_the_same_time_gives_the_same_picture(run, tmp_path):
    for name in ("one.svg", "two.svg"):
        save_screenshot(run.directory, tmp_path / name, 80, 24, run.clock)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_png_is_one(run, tmp_path):
    pytest.importorskip("resvg_py")
    save_screenshot(run.directory, tmp_path / "monitor.png", 80, 24)
    assert (tmp_path / "monitor.png").read_bytes().startswith(b"\x89PNG")


def test_a_missing_run_and_a_strange_suffix_say_what_to_do(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"give the folder that holds run\.json"):
        tui.save_screenshot(tmp_path / "nowhere", tmp_path / "a.svg", 80, 24)
    with pytest.raises(ValueError, match=r"ends in \.svg or \.png"):
        tui.save_screenshot(run.directory, tmp_path / "a.gif", 80, 24)


def test_once_prints_the_screen(run):
    result = CliRunner().invoke(main, [str(run.directory), "--once", "--size", "120x36"])
    assert result.exit_code == 0
    assert "epoch 4/5  step 300/500" in result.output
    assert "\x1b" not in result.output


def test_the_command_line_writes_a_picture_and_refuses_nonsense(run, tmp_path):
    target = tmp_path / "monitor.svg"
    assert CliRunner().invoke(main, [str(run.directory), "--screenshot", str(target)]).exit_code == 0
    assert target.exists()
    refused = CliRunner().invoke(main, [str(run.directory), "--once", "--size", "big"])
    assert refused.exit_code == 2
    assert "such as 120x36" in refused.output
    missing = CliRunner().invoke(main, [str(tmp_path / "nowhere"), "--once"])
    assert missing.exit_code == 1
    assert "no run directory" in missing.output


def test_the_monitor_loads_nothing_that_computes_or_talks_to_instruments():
    """A monitor that needs torch or VISA could not watch from a small machine, and would start slowly."""
    probe = "import sys, tui; print(sorted({'torch', 'numba', 'scipy', 'pyvisa', 'drivers'} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-P", "-c", probe], capture_output=True, text=True, check=True, cwd=Path("/")
    )
    assert found.stdout.strip() == "[]"
