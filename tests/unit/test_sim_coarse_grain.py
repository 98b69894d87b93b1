"""The command that derives a compact model, and the presets it writes."""

import json
import tomllib
from pathlib import Path

import numba
import pytest
from click.testing import CliRunner, Result

from sim_instruments.__main__ import main
from sim_instruments.coarse_grain.preset import PresetError, load_preset, table_hash, with_preset, write_preset
from sim_instruments.config import BenchFileError, read_bench_file

DEFAULT = Path("sim_instruments/benches/default.toml")
PULSE = ["--amplitude", "1.5", "--width", "1e-7", "--devices", "64", "--pulses", "64"]


def _bench_file(folder: Path, wall: str) -> Path:
    """Write the bench that ships with another [sample.wall]."""
    text = DEFAULT.read_text()
    start, end = text.index("[sample.wall]"), text.index("[sample.electrical]")
    file = folder / "bench.toml"
    file.write_text(f"{text[:start]}[sample.wall]\n{wall}\n{text[end:]}")
    return file


def _run(*arguments: str) -> Result:
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return CliRunner().invoke(main, ["coarse-grain", *arguments])
    finally:
        numba.set_num_threads(before)


def test_preset_of_a_bench_is_loaded_by_another(tmp_path: Path):
    output = tmp_path / "compact.toml"
    result = _run(str(DEFAULT), *PULSE, "--output", str(output), "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    wall = report["wall"]
    assert load_preset(output) == wall
    loaded = read_bench_file(_bench_file(tmp_path, 'preset = "compact.toml"\nvelocity_dtod = 0.03')).sample.wall
    assert loaded.velocity_dtod == 0.03
    assert loaded.push_velocity_m_s == wall["push_velocity_m_s"] == pytest.approx(0.04, rel=0.1)
    kept = tomllib.loads(output.read_text())["derived"]
    assert kept == report["derived"]
    assert kept["fine"]["push_velocity_m_s"] == 0.04
    assert kept["fine_sha256"] == table_hash(kept["fine"])
    assert set(kept["interval"]["push_velocity_m_s"]) == {"value", "low", "high", "standard_error"}
    assert kept["plan"]["amplitude_v"] == 1.5
    assert kept["command"].startswith("python -m sim_instruments coarse-grain sim_instruments/benches/default.toml")


def test_people_get_a_table_and_no_file_is_overwritten_unasked(tmp_path: Path):
    output = tmp_path / "compact.toml"
    result = _run(*PULSE, "--also-amplitude", "1.2", "--output", str(output))
    assert result.exit_code == 0, result.output
    for text in ("push_velocity_m_s", "95 % interval", "step law:", "linear overdrive:", "written:"):
        assert text in result.output
    again = _run(*PULSE, "--output", str(output))
    assert again.exit_code == 1
    assert "choose another --output, or --force" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--amplitude", "0.4", "--width", "1e-7"], "choose a larger amplitude or a longer pulse"),
        (["--amplitude", "1.5", "--width", "1e-4"], "choose a shorter pulse or a smaller amplitude"),
        (["--amplitude", "1.5", "--width", "1e-7", "--also-amplitude", "1.5"], "needs a second amplitude"),
        (["--amplitude", "1.5", "--width", "1e-7", "--devices", "3"], "--devices 32 or more"),
        (["--amplitude", "1.5", "--width", "1e-7", "--pulses", "3"], "--pulses 32 or more"),
        (["nowhere.toml", "--amplitude", "1.5", "--width", "1e-7"], "nowhere.toml: cannot be read"),
    ],
)
def test_what_cannot_be_derived_says_what_to_change(arguments: list[str], message: str, tmp_path: Path):
    result = _run("--output", str(tmp_path / "x.toml"), *arguments)
    assert result.exit_code == 1
    assert message in " ".join(result.output.split())
    assert not (tmp_path / "x.toml").exists()


def test_help_has_examples():
    result = _run("--help")
    assert result.exit_code == 0
    assert "coarse-grain hopping.toml --amplitude 1.5 --width 1e-7" in result.output


def test_presets_hold_nested_tables_and_nothing_that_is_not_theirs(tmp_path: Path):
    file = tmp_path / "preset.toml"
    derived = {"a": 1, "b": {"c": [1.5, 2.0], "d": {"e": True, "f": 'say "so"'}}, "g": {}}
    write_preset(file, {"model": "compact", "x": 1e-300}, derived)
    assert tomllib.loads(file.read_text()) == {
        "sample": {"wall": {"model": "compact", "x": 1e-300}},
        "derived": {"a": 1, "b": derived["b"]},
    }
    assert with_preset({"preset": "preset.toml", "x": 2}, tmp_path) == {"model": "compact", "x": 2}
    assert with_preset({"x": 2}, tmp_path) == {"x": 2}
    file.write_text("[sample]\ndevices = 3\n[sample.wall]\nx = 1\n")
    with pytest.raises(PresetError, match=r"has a \[sample\.wall\]"):
        load_preset(file)


def test_a_bench_file_names_the_preset_that_it_cannot_use(tmp_path: Path):
    with pytest.raises(BenchFileError, match=r"bench\.toml: .*missing\.toml: cannot be read"):
        read_bench_file(_bench_file(tmp_path, 'preset = "missing.toml"'))
    (tmp_path / "broken.toml").write_text("= 3")
    with pytest.raises(BenchFileError, match=r"broken\.toml: not TOML"):
        read_bench_file(_bench_file(tmp_path, 'preset = "broken.toml"'))
    with pytest.raises(BenchFileError, match="path of a preset, as a string"):
        read_bench_file(_bench_file(tmp_path, "preset = 3"))
