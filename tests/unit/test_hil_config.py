"""Run files: defaults, overrides, and complaints that name the place."""

from pathlib import Path

import pytest

from drivers.errors import ConfigError
from hil.config import load_run


def test_defaults_need_no_file():
    config = load_run(None)
    assert config.data.source == "digits"
    assert config.update.bits == 7


def test_overrides_reach_nested_keys_and_keep_their_types():
    config = load_run(None, ["sampler.temperature=1e-4", "data.source='npz'", "data.train=files/a b.npz", "epochs=3"])
    assert config.sampler.temperature == 1e-4
    assert config.data.train == Path("files/a b.npz")
    assert config.epochs == 3


def test_paths_in_a_file_are_relative_to_its_folder(tmp_path: Path):
    file = tmp_path / "run.toml"
    file.write_text('parameters = "cal.json"\n[data]\nsource = "npz"\ntrain = "train.npz"\n')
    config = load_run(file)
    assert config.parameters == tmp_path / "cal.json"
    assert config.data.train == tmp_path / "train.npz"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[sampler]\ntemprature = 1.0\n", ["sampler.temprature", "temperature"]),
        ("[update]\nbits = 1\n", ["update.bits", "2"]),
        ("epochs = 0\n", ["epochs"]),
        ("[data]\nsource = 'imagenet'\n", ["data.source"]),
        ("epochs = \n", ["run.toml"]),
    ],
)
def test_mistakes_name_file_and_key(tmp_path: Path, text: str, words: list[str]):
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_run(file)
    for word in ["run.toml", *words]:
        assert word in str(caught.value)


@pytest.mark.parametrize("override", ["epochs", "=3", "epochs.x=3"])
def test_malformed_overrides_are_refused(override: str):
    with pytest.raises(ConfigError, match=r"--set|epochs"):
        load_run(None, ["epochs=2", override])


def test_the_example_file_says_what_the_defaults_are():
    example = Path(__file__).parents[2] / "examples" / "run.toml"
    assert load_run(example) == load_run(None)
