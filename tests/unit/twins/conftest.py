"""A small bench with one twin of a kind on it, and a bus to talk to it."""

import tomllib
from collections.abc import Callable
from importlib.resources import files

import pytest

from sim_instruments.bench import SimulatedBench
from sim_instruments.bus import BusDevice
from sim_instruments.config import BenchConfig

DEVICES = [100, 200, 300]


class Talk:
    """A bus to one instrument, with whole messages."""

    def __init__(self, bench: SimulatedBench, instrument: BusDevice) -> None:
        self.bench = bench
        self.instrument = instrument

    @property
    def sample(self):
        return self.bench.sample

    def write(self, message: str | bytes) -> None:
        self.instrument.receive(message.encode() if isinstance(message, str) else message, has_end=True)

    def ask(self, message: str | bytes) -> str:
        return self.ask_raw(message).decode().removesuffix("\n")

    def ask_raw(self, message: str | bytes) -> bytes:
        self.write(message)
        return self.read_raw()

    def read_raw(self) -> bytes:
        chunk = self.instrument.send(1 << 24, has_end=True)
        assert chunk is not None, "no reply"
        return chunk.data

    def errors(self) -> list[int]:
        codes: list[int] = []
        while (code := int(self.ask("SYST:ERR?").split(",")[0])) != 0:
            codes.append(code)
        return codes

    def reach(self, *columns: int) -> None:
        """Close the crosspoints of the pulse row that lead to these columns."""
        config = self.bench.wiring.config
        self.bench.wiring.close([(config.slot, config.pulse_row, column) for column in columns])

    def bursts(self) -> list[tuple[int, float, float]]:
        """Return what the ledger holds: pulses (pulls are negative), amplitude in volts and width in seconds."""
        return [
            (entry.push_pulses, entry.push_amplitude_v, entry.push_width_s)
            if entry.push_pulses
            else (-entry.pull_pulses, entry.pull_amplitude_v, entry.pull_width_s)
            for entry in self.bench.sample.ledger.entries
        ]


@pytest.fixture
def make_talk() -> Callable[[str], Talk]:
    """Put one instrument of a model on a bench of 3000 devices, of which three are wired."""

    def make(model: str, address: str = "TCPIP0::box::inst0::INSTR") -> Talk:
        tables = tomllib.loads((files("sim_instruments") / "benches" / "default.toml").read_text("utf-8"))
        tables["sample"]["devices"] = 3000
        tables["wiring"]["devices"] = DEVICES
        tables["instrument"] = [{"model": model, "address": address, "serial": "MY1"}]
        bench = SimulatedBench(BenchConfig.model_validate(tables))
        (instrument,) = bench.instruments.values()
        return Talk(bench, instrument)

    return make
