"""The commands as a user types them: help, JSON on standard output, exit codes."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

COMMANDS = (
    "doctor",
    "discover",
    "scpi",
    "conformance",
    "calibrate",
    "characterize",
    "export-shots",
    "train",
    "monitor",
)


def _hil(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "hil", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, timeout=120)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_helps_with_an_example(command: str):
    done = _hil(command, "--help")
    assert done.returncode == 0
    assert f"hil {command}" in done.stdout
    assert "Examples" in done.stdout
    assert "--json" in done.stdout


def test_help_does_not_import_the_heavy_libraries():
    code = "import sys\nfrom hil.cli import main\ntry:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
    code += "print([name for name in ('torch', 'numba', 'scipy', 'textual', 'sklearn') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_doctor_finds_this_installation_in_order():
    done = _hil("doctor", "--json")
    diagnosis = json.loads(done.stdout)
    failed = [check for check in diagnosis["checks"] if not check["ok"]]
    assert failed == []
    assert diagnosis["ok"] is True
    names = {check["name"] for check in diagnosis["checks"]}
    assert {f"import {name}" for name in ("hil", "drivers", "sim_instruments", "calibration", "tui")} <= names
    assert done.returncode == 0


def test_doctor_sees_a_package_shadowed_from_the_working_directory(tmp_path: Path):
    (tmp_path / "calibration").mkdir()
    (tmp_path / "calibration" / "__init__.py").write_text("from drivers import *\n")
    code = "from hil.doctor import _ownership; print(_ownership('calibration'))"
    # Without -P the working directory comes first, as for a script that lies in it.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert "ok=False" in done.stdout
    assert "shadows" in done.stdout


def test_doctor_fails_on_a_bench_that_does_not_answer(tmp_path: Path):
    bench = tmp_path / "bench.toml"
    bench.write_text(
        '[bench]\nname = "lab"\nlibrary = "@domainwall"\n'
        '[[instrument]]\nname = "array"\nmodel = "dwa-1"\naddress = "TCPIP0::nowhere::inst0::INSTR"\n'
    )
    done = _hil("doctor", str(bench), "--json")
    assert done.returncode == 1
    diagnosis = json.loads(done.stdout)
    assert diagnosis["ok"] is False
    (array,) = diagnosis["instruments"]
    (problem,) = array["problems"]
    assert "nowhere" in problem["what"]
    assert "hil discover" in problem["remedy"]
    assert any("0 of 1 instruments" in check["detail"] for check in diagnosis["checks"] if not check["ok"])


def test_discover_lists_and_identifies_every_resource():
    found = json.loads(_hil("discover", "--json").stdout)["resources"]
    assert {item["name"]: item["driver"] for item in found} == {
        "pulser": "keysight-81160a",
        "smu": "keithley-2450",
        "switch": "keithley-7001",
        "array": "dwa-1",
    }
    assert all(item["reachable"] and item["maker"] and item["model"] and item["serial"] for item in found)


def test_discover_asks_the_addresses_of_a_bench_file_and_says_who_is_not_there(tmp_path: Path):
    bench = tmp_path / "bench.toml"
    bench.write_text(
        '[bench]\nname = "lab"\nlibrary = "@domainwall"\n'
        '[[instrument]]\nname = "far"\nmodel = "dwa-1"\naddress = "TCPIP0::nowhere::inst0::INSTR"\n'
    )
    done = _hil("discover", str(bench))
    assert done.returncode == 0
    (far,) = [line for line in done.stdout.splitlines() if "nowhere" in line]
    assert far.split() == ["TCPIP0::nowhere::inst0::INSTR", "far", "no"]
    assert "TCPIP0::nowhere::inst0::INSTR: nothing is there" in done.stderr


def test_conformance_prints_a_clause_a_line_and_fires_nothing_without_leave():
    done = _hil("conformance", "array")
    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert any(line.startswith("E4 ") and "passed" in line and "20 entries" in line for line in lines)
    assert any(line.startswith("F8 ") and "skipped" in line for line in lines)
    refused = _hil("conformance", "array", "--yes", "--amplitude", "4")
    assert refused.returncode == 1
    assert "2.5" in refused.stderr


def test_calibrate_writes_parameters_and_their_raw_data(tmp_path: Path):
    done = _hil("calibrate", "--devices", "64", "--cycles", "2", "-o", "learnt.json", "--json", cwd=tmp_path)
    answer = json.loads(done.stdout)
    assert done.returncode == 0
    assert answer["ok"] is True
    assert answer["parameters"] == json.loads((tmp_path / "learnt.json").read_text())
    assert (tmp_path / answer["parameters"]["raw_file"]).exists()
    mu_push = answer["parameters"]["mu_push"]
    assert mu_push["low"] < mu_push["value"] < mu_push["high"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("train",), "--calibrate"),
        (("train", "--parameters", "missing.json"), "missing.json"),
        (("train", "--calibrate", "--set", "sampler.temprature=1"), "temprature"),
        (("train", "--calibrate", "--bench", "missing.toml"), "missing.toml"),
        (("train", "--calibrate", "--data", "missing.npz", "--test-data", "missing.npz"), "missing.npz"),
        (("monitor", "nowhere"), "nowhere"),
        (("calibrate", "--devices", "1"), "devices"),
        (("calibrate", "--width", "1e-6", "--width", "1e-7"), "widths_s must increase"),
        (("conformance", "pulser", "--yes"), "not an array controller"),
    ],
)
def test_mistakes_get_a_message_and_exit_code_2(tmp_path: Path, arguments: tuple[str, ...], words: str):
    done = _hil(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.glob("runs/*")) == []


def test_a_path_may_hold_any_character(tmp_path: Path):
    awkward = tmp_path / 'it\'s "here" \\ ünd.npz'
    done = _hil("train", "--digital", "--data", str(awkward), "--test-data", str(awkward), cwd=tmp_path)
    assert done.returncode == 2
    assert f"{awkward}: no such file" in done.stderr
