"""A bench file that cannot be used is refused with its file and key."""

from importlib.resources import files
from pathlib import Path

import pytest

from sim_instruments.bench import open_bench
from sim_instruments.config import BenchFileError

DEFAULT = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8").replace("11_534_336", "9_000_100")


def refusal(folder: Path, text: str) -> str:
    path = folder / "bench.toml"
    path.write_text(text)
    with pytest.raises(BenchFileError) as caught:
        open_bench(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("seed = 20231204", "seed = 20231204\nsede = 1", "sample.sede"),
        ("threshold_v = 0.5", "threshold_v = -0.5", "sample.wall.threshold_v"),
        ('model = "keithley-7001"', 'model = "keithley-9999"', "instrument.model: no twin of keithley-9999"),
        ("GPIB0::7::INSTR", "TCPIP0::array.bench::inst0::INSTR", "is there twice"),
        ("pulse_row = 1", "pulse_row = 9", "wiring.pulse_row"),
        ("9000027]", "9_000_100]", "there is no device 9000100"),
        ("[0, 1000003,", "[0, 0,", "wired to two columns"),
        ('serial = "DWA0001"', "", "instrument.3.serial"),
        ("[sample]", "[sample", "not TOML"),
    ],
)
def test_a_mistake_is_named_with_its_place(tmp_path: Path, old: str, new: str, words: str):
    assert old in DEFAULT
    assert words in refusal(tmp_path, DEFAULT.replace(old, new))


def test_the_file_of_a_laboratory_is_told_apart(tmp_path: Path):
    words = refusal(tmp_path, '[bench]\nname = "lab"\nlibrary = "sim.toml@domainwall"\n')
    assert "not a simulated bench" in words
    assert "`library`" in words


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(BenchFileError, match=r"nowhere\.toml: cannot be read"):
        open_bench(tmp_path / "nowhere.toml")
