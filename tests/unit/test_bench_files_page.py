"""docs/bench-files.md names every model that a bench file may hold, and its example is one."""

import re
from pathlib import Path

from drivers import load_bench
from drivers.models import MODELS

PAGE = (Path(__file__).parents[2] / "docs" / "bench-files.md").read_text("utf-8")


def test_the_table_of_models_is_complete():
    table = PAGE.partition("## Models")[2].partition("##")[0]
    assert set(re.findall(r"`([a-z]+-[a-z0-9]+)`", table)) == set(MODELS)


def test_the_example_is_a_bench_file(tmp_path: Path):
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "lab-3.toml").write_text(block)
    assert [entry.name for entry in load_bench(tmp_path / "lab-3.toml").instruments] == ["pulser", "smu", "switch"]
