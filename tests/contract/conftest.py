"""Every driver against its twin over every transport: the stand they meet on, and the table of how they did."""

import os
import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import pyvisa

from drivers.config import BenchConfig, load_bench
from drivers.entries import ArrayEntry, PulseSourceEntry, SourceMeterEntry, SwitchEntry
from drivers.models import MODELS
from sim_instruments.bench import SimulatedBench, open_bench
from sim_instruments.bus import Chunk
from sim_instruments.server.bench_server import BenchServer, Listening

DEVICES = 2048
WIRED = [0, 11, 22, 33, 44, 55, 66, 77, 88, 99]
PARTNER = "keithley-7001"
"""Leads the way from a source to a device."""

TRANSPORTS = ("in-process", "socket", "hislip", "serial")
HAS_SERIAL_LINE = re.compile(r"577|keithley-24[0-4]0|keithley-26")
"""Models with an RS-232 interface."""

ROLES = {PulseSourceEntry: "pulse source", SourceMeterEntry: "source meter", SwitchEntry: "switch", ArrayEntry: "array"}
_KEYS = {PulseSourceEntry: "load_ohm = 2000.0\n"}

_generated: Counter[tuple[str, str]] = Counter()
_results: Counter[tuple[str, str, str]] = Counter()


def serial_number(index: int) -> str:
    """Return a serial number of this process: an instrument may be held by one program of the computer at a time."""
    return f"{os.getpid()}{index:02}"


def transports_of(model: str) -> tuple[str, ...]:
    return TRANSPORTS if HAS_SERIAL_LINE.search(model) else TRANSPORTS[:-1]


class Ear:
    """Stands before a twin: writes down what comes, and can be made to ignore everything but questions."""

    def __init__(self, device: Any, acknowledgement: str | None, terminator: str) -> None:
        self._device = device
        self._acknowledgement = None if acknowledgement is None else (acknowledgement + terminator).encode()
        self._pretended: list[bytes] = []
        self.heard: list[bytes] = []
        self.is_deaf = False

    def receive(self, data: bytes | bytearray, *, has_end: bool, interface: str = "") -> None:
        self.heard.append(bytes(data))
        if self.is_deaf and not is_question(bytes(data)):
            if self._acknowledgement is not None:
                self._pretended.append(self._acknowledgement)
            return
        self._device.receive(data, has_end=has_end, interface=interface)

    def send(self, count: int, termination: bytes = b"", *, has_end: bool) -> Any:
        if self._pretended:
            return Chunk(self._pretended.pop(0), True)
        return self._device.send(count, termination, has_end=has_end)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._device, name)

    def say(self, message: bytes) -> None:
        """Send a message as somebody else would, and throw away what is answered."""
        self._device.receive(message, has_end=True)
        while self._device.send(1 << 20, has_end=False) is not None:
            pass


def is_question(message: bytes) -> bool:
    text = message.strip()
    return text.split(b" ")[0].endswith(b"?") or text.endswith(b"?") or b"print" in text


@dataclass(frozen=True)
class Stand:
    """A driver's bench file, and the simulated bench that it leads to."""

    model: str
    transport: str
    config: BenchConfig
    simulated: SimulatedBench
    ear: Ear
    """What the instrument hears."""

    @property
    def serial_number(self) -> str:
        return serial_number(1)

    @property
    def is_live(self) -> bool:
        return bool(self.simulated.wiring._live)


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marker means."""
    config.addinivalue_line("markers", "roles(*names): roles of instruments that a contract test is written for")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give a test that asks for a stand every model of the roles it is written for, on every transport."""
    if "stand" not in metafunc.fixturenames:
        return
    marker = next(metafunc.definition.iter_markers("roles"), None)
    roles = set(marker.args if marker else ROLES.values())
    cases = [
        pytest.param((key, transport), id=f"{key}-{transport}")
        for key, model in MODELS.items()
        if ROLES[model.entry] in roles
        for transport in transports_of(key)
    ]
    metafunc.parametrize("stand", cases, indirect=True)
    for case in cases:
        _generated[case.values[0]] += 1


@pytest.fixture
def generated() -> Counter[tuple[str, str]]:
    """How many tests there are for a model on a transport."""
    return _generated


@pytest.fixture
def stand(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """One instrument, and a switch if there must be one, behind one transport."""
    model, transport = request.param
    request.node.user_properties.append(("contract", request.param))
    partners = () if MODELS[model].entry in (SwitchEntry, ArrayEntry) else (PARTNER,)
    models = (model, *partners)
    simulated_file = tmp_path / "sim.toml"
    at_bench = [_bench_address(key, transport) for key in models]
    simulated_file.write_text(_simulated(models, at_bench))
    if transport == "in-process":
        library = f"{simulated_file}@domainwall"
        manager = pyvisa.ResourceManager(library)
        simulated = manager.visalib.bench  # type: ignore[attr-defined]
        ear = _ear(model, simulated, at_bench[0])
        manager.visalib._ports[at_bench[0]].instrument = ear  # type: ignore[attr-defined]
        yield Stand(model, transport, _bench(tmp_path, library, models, at_bench), simulated, ear)
        manager.close()
        return
    simulated = open_bench(simulated_file)
    ear = _ear(model, simulated, at_bench[0])
    listening = Listening(port_base=0, hislip_port=0)
    with BenchServer(simulated.instruments | {at_bench[0]: ear}, listening) as server:
        reached = [
            getattr(found, "socket" if transport == "serial" and found.serial is None else transport)
            for found in server.addresses
        ]
        yield Stand(model, transport, _bench(tmp_path, "@py", models, reached), simulated, ear)


def _ear(model: str, simulated: SimulatedBench, address: str) -> Ear:
    dialect = MODELS[model].dialect
    return Ear(simulated.instruments[address], dialect.acknowledgement, dialect.terminator)


def _bench_address(model: str, transport: str) -> str:
    return "ASRL3::INSTR" if transport == "serial" and model != PARTNER else f"TCPIP0::{model}.bench::inst0::INSTR"


def _simulated(models: tuple[str, ...], addresses: list[str]) -> str:
    text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
    text = text.replace("devices = 11_534_336", f"devices = {DEVICES}")
    text = re.sub(r"devices = \[.*\]", f"devices = {WIRED}", text)
    text = re.sub(r"\[\[instrument\]\]\n(?:\w.*\n)+", "", text)
    for index, (model, address) in enumerate(zip(models, addresses, strict=True), start=1):
        text += f'\n[[instrument]]\nmodel = "{model}"\naddress = "{address}"\nserial = "{serial_number(index)}"\n'
    tomllib.loads(text)
    return text


def _bench(folder: Path, library: str, models: tuple[str, ...], addresses: list[str]) -> BenchConfig:
    text = f'[bench]\nname = "contract"\nlibrary = "{library}"\n'
    for index, (model, address) in enumerate(zip(models, addresses, strict=True), start=1):
        text += f'\n[[instrument]]\nname = "i{index}"\nmodel = "{model}"\naddress = "{address}"\n'
        text += f'expect_serial = "{serial_number(index)}"\n' + _KEYS.get(MODELS[model].entry, "")
    text += f"\n[wiring]\nslot = 1\npulse_row = 1\nmeasure_row = 2\ndevices = {WIRED}\n"
    (folder / "bench.toml").write_text(text)
    return load_bench(folder / "bench.toml")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count how each model did on each transport."""
    if report.when == "call" or report.outcome != "passed":
        for name, value in report.user_properties:
            if name == "contract":
                _results[(*value, report.outcome)] += 1


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print the table of models and transports."""
    if not _results:
        return
    terminalreporter.section("drivers against twins")
    width = max(len(model) for model in MODELS)
    terminalreporter.line(f"{'':{width}}" + "".join(f"{transport:>14}" for transport in TRANSPORTS))
    for model in MODELS:
        cells = []
        for transport in TRANSPORTS:
            passed, failed = (_results[(model, transport, outcome)] for outcome in ("passed", "failed"))
            skipped = _results[(model, transport, "skipped")]
            words = f"{passed} passed" if not failed else f"{failed} of {passed + failed} FAILED"
            if skipped:
                words += f" {skipped} skipped"
            cells.append(words if passed + failed + skipped else "-")
        terminalreporter.line(f"{model:{width}}" + "".join(f"{cell:>14}" for cell in cells))
