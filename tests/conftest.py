"""Benches for the tests: the one that ships, and a small one of a few thousand devices."""

import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import pytest
import pyvisa

import drivers
import sim_instruments


def pytest_configure() -> None:
    """Keep the compiled loops to the two cores that continuous integration has."""
    numba.set_num_threads(min(2, numba.config.NUMBA_NUM_THREADS))


@dataclass(frozen=True)
class SmallBench:
    """A bench file, and the simulated bench behind it as only a test may see it."""

    file: Path
    simulated: Any


@pytest.fixture
def make_small_bench(tmp_path: Path) -> Iterator[Callable[..., SmallBench]]:
    """Write a bench file and a simulated bench with few devices.

    `sample` adds tables to those of the sample; other keywords change numbers of the wall model.
    """
    opened = []

    def make(devices: int = 8192, seed: int = 1, *, sample: dict[str, Any] | None = None, **wall: float) -> SmallBench:
        folder = tmp_path / f"bench{len(opened)}"
        folder.mkdir()
        simulated = tomllib.loads((Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text())
        simulated["sample"] |= {"devices": devices, "seed": seed} | (sample or {})
        simulated["sample"]["wall"] |= wall
        wired = [index * (devices // 10) for index in range(10)]
        simulated["wiring"]["devices"] = wired
        (folder / "sim.toml").write_text(_as_toml(simulated))
        bench = tomllib.loads((Path(drivers.__file__).parent / "benches" / "default.toml").read_text())
        bench["bench"]["library"] = "sim.toml@domainwall"
        bench["wiring"]["devices"] = wired
        file = folder / "bench.toml"
        file.write_text(_as_toml(bench))
        # PyVISA keeps one library per specification while somebody holds it: so the test sees what the drivers move.
        manager = pyvisa.ResourceManager(f"{folder / 'sim.toml'}@domainwall")
        opened.append(manager)
        return SmallBench(file=file, simulated=manager.visalib.bench)

    yield make
    for manager in opened:
        manager.close()


@pytest.fixture
def small_bench(make_small_bench: Callable[..., SmallBench]) -> SmallBench:
    """A bench of 8192 devices."""
    return make_small_bench()


def _as_toml(content: dict[str, Any]) -> str:
    """Write TOML; enough for bench files, and the standard library reads it back as it was."""
    lines: list[str] = []
    _write_table(content, "", lines)
    text = "\n".join(lines) + "\n"
    assert tomllib.loads(text) == content
    return text


def _write_table(table: dict[str, Any], prefix: str, lines: list[str]) -> None:
    nested = {}
    for key, value in table.items():
        if isinstance(value, dict) or (isinstance(value, list) and value and isinstance(value[0], dict)):
            nested[key] = value
        else:
            lines.append(f"{key} = {_as_value(value)}")
    for key, value in nested.items():
        name = f"{prefix}{key}"
        for item in value if isinstance(value, list) else [value]:
            lines.append(f"[[{name}]]" if isinstance(value, list) else f"[{name}]")
            _write_table(item, f"{name}.", lines)


def _as_value(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(_as_value(item) for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else repr(value)
