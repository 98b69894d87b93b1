"""The simulated bench: one sample, its wiring, and the instruments that share them."""

from importlib.resources import as_file, files
from pathlib import Path
from typing import final

from sim_instruments.config import BenchConfig, BenchFileError, InstrumentConfig, read_bench_file
from sim_instruments.instrument import Instrument, Twin
from sim_instruments.instruments import dwa, keithley_2450, keithley_7001, keysight_81160a
from sim_instruments.sample import Sample
from sim_instruments.wiring import Wiring


@final
class SimulatedBench:
    """Instruments by their addresses, and what is behind them."""

    def __init__(self, config: BenchConfig) -> None:
        self.config = config
        self.sample = Sample(config.sample)
        self.wiring = Wiring(config.wiring, self.sample.clock)
        self.instruments: dict[str, Instrument] = {}
        for entry in config.instrument:
            self._add(entry)

    def _add(self, entry: InstrumentConfig) -> None:
        if entry.address in self.instruments:
            raise BenchFileError(f"instrument.address: {entry.address} is there twice")
        self.instruments[entry.address] = Instrument(self._twin(entry))

    def _twin(self, entry: InstrumentConfig) -> Twin:
        match entry.model:
            case keysight_81160a.MODEL:
                return keysight_81160a.Keysight81160A(entry.serial, self.sample, self.wiring)
            case keithley_2450.MODEL:
                return keithley_2450.Keithley2450(entry.serial, self.sample, self.wiring)
            case keithley_7001.MODEL:
                return keithley_7001.Keithley7001(entry.serial, self.wiring, self.sample.clock)
            case dwa.MODEL:
                return dwa.Dwa(entry.serial, self.sample)
            case _:
                raise BenchFileError(f"instrument.model: there is no twin of {entry.model}")


def open_bench(path: Path) -> SimulatedBench:
    """Build the bench that a file describes.

    Raises:
        BenchFileError: if the file does not describe one; the message names the file and the key.
    """
    config = read_bench_file(path)
    try:
        return SimulatedBench(config)
    except BenchFileError as error:
        raise BenchFileError(f"{path}: {error}") from error


def open_default_bench() -> SimulatedBench:
    """Build the bench that ships with the package."""
    with as_file(files("sim_instruments") / "benches" / "default.toml") as path:
        return open_bench(path)
