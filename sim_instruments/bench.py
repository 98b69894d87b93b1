"""The simulated bench: one sample, its wiring, and the instruments that share them."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import final

from sim_instruments.bus import BusDevice
from sim_instruments.config import BenchConfig, BenchFileError, InstrumentConfig, read_bench_file
from sim_instruments.models import TWINS
from sim_instruments.nonvolatile import StateError
from sim_instruments.place import Place
from sim_instruments.sample import Sample
from sim_instruments.wiring import Wiring


@final
class SimulatedBench:
    """Instruments by their addresses, and what is behind them."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        self.sample = Sample(config.sample)
        self.wiring = Wiring(config.wiring, self.sample.clock)
        self.instruments: dict[str, BusDevice] = {}
        for entry in config.instrument:
            self._add(entry)

    def close(self) -> None:
        """Write a kept state to the disk and let other programs have it."""
        self.sample.close()

    def _add(self, entry: InstrumentConfig) -> None:
        if entry.address in self.instruments:
            raise BenchFileError(f"instrument.address: {entry.address} is there twice")
        self.instruments[entry.address] = self._twin(entry)

    def _twin(self, entry: InstrumentConfig) -> BusDevice:
        build = TWINS.get(entry.model)
        if build is None:
            raise BenchFileError(f"instrument.model: no twin of {entry.model}; there are {', '.join(TWINS)}")
        return build(
            Place(
                serial=entry.serial,
                sample=self.sample,
                wiring=self.wiring,
                interlock_closed=entry.interlock == "closed",
            )
        )


def open_bench(path: Path, *, state: Path | None = None) -> SimulatedBench:
    """Build the bench that a file describes.

    Args:
        path: the bench file.
        state: folder that keeps walls and counters; goes before the file's own `sample.state`.

    Raises:
        BenchFileError: if the file does not describe one, or its state cannot be used; the message names the file.
    """
    config = read_bench_file(path)
    if state is None and config.sample.state is not None:
        state = path.parent / config.sample.state
    if state is not None:
        config = config.model_copy(update={"sample": config.sample.model_copy(update={"state": str(state)})})
    try:
        return SimulatedBench(config)
    except (BenchFileError, StateError) as error:
        raise BenchFileError(f"{path}: {error}") from error


def open_default_bench(*, state: Path | None = None) -> SimulatedBench:
    """Build the bench that ships with the package."""
    with as_file(files("sim_instruments") / "benches" / "default.toml") as path:
        return open_bench(path, state=state)
