"""Row 24 of the fault table, the lock in the instrument: two interfaces of one twin, a socket and this process."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
import pyvisa

from drivers import Bench, load_bench
from drivers.config import BenchConfig
from drivers.errors import InstrumentBusy, LinkError, SafeStateError
from drivers.instrument import Session
from drivers.link_state import LinkState
from sim_instruments.bus import BusDevice
from sim_instruments.server.bench_server import BenchServer, Listening

BOXES = {"pulser": "keysight-33500b", "smu": "keysight-b2902a"}
LIMIT_S = 10.0

HOLDER = """
import sys
from pathlib import Path
from drivers import Bench, load_bench
bench = Bench.open(load_bench(Path(sys.argv[1])))
print("open", flush=True)
sys.stdin.read()
"""


class Laboratory:
    """A generator and a source-measure unit, and two ways to them."""

    def __init__(self, folder: Path, instruments: dict[str, BusDevice], server: BenchServer) -> None:
        self.instruments = instruments
        self.socket = _bench(folder / "socket.toml", "@py", [found.socket for found in server.addresses])
        self.here = _bench(folder / "here.toml", "sim.toml@domainwall", list(instruments))
        self._server = server

    def say(self, name: str, message: str, interface: str = "USB") -> str:
        """Say something to an instrument over an interface of its own."""
        device = list(self.instruments.values())[list(BOXES).index(name)]
        with self._server.turn:
            device.receive(message.encode() + b"\n", has_end=True, interface=interface)
            chunk = device.send(1 << 10, has_end=False)
        return "" if chunk is None else chunk.data.decode().strip()

    def wait_until_free(self) -> None:
        ends_s = time.monotonic() + LIMIT_S
        while any(self.say(name, "SYST:LOCK:OWN?") != "NONE" for name in BOXES):
            assert time.monotonic() < ends_s, "the lock outlived its client"


def _bench(file: Path, library: str, addresses: list[str]) -> BenchConfig:
    text = f'[bench]\nname = "lab"\nlibrary = "{library}"\n'
    for (name, model), address in zip(BOXES.items(), addresses, strict=True):
        text += f'\n[[instrument]]\nname = "{name}"\nmodel = "{model}"\naddress = "{address}"\n'
        text += "load_ohm = 2000.0\n" if name == "pulser" else ""
    file.write_text(text)
    return load_bench(file)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Laboratory]:
    text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
    text = text.replace("devices = 11_534_336", "devices = 64")
    text = re.sub(r"devices = \[.*\]", "devices = [0, 1]", text)
    text = re.sub(r"\[\[instrument\]\]\n(?:\w.*\n)+", "", text)
    for name, model in BOXES.items():
        serial = f"{os.getpid()}{len(name)}"
        text += f'\n[[instrument]]\nmodel = "{model}"\naddress = "TCPIP0::{name}::inst0::INSTR"\nserial = "{serial}"\n'
    (tmp_path / "sim.toml").write_text(text)
    manager = pyvisa.ResourceManager(f"{tmp_path / 'sim.toml'}@domainwall")
    instruments = dict(manager.visalib.bench.instruments)  # type: ignore[attr-defined]
    with BenchServer(instruments, Listening(port_base=0, hislip_port=0)) as server:
        yield Laboratory(tmp_path, instruments, server)
    manager.close()


def sessions(bench: Bench) -> tuple[Session, ...]:
    return tuple(driver.session for _, driver in bench._drivers)


def test_a_bench_keeps_the_other_interfaces_out_while_it_is_open(lab: Laboratory):
    with Bench.open(lab.socket) as bench:
        for name in BOXES:
            assert lab.say(name, "SYST:LOCK:OWN?") == "LAN127.0.0.1"
            lab.say(name, "OUTP1 ON")
            assert lab.say(name, "OUTP1?") == "0"
            assert lab.say(name, "SYST:ERR?").startswith("-203")
        with pytest.raises(LinkError, match=r"pulser .*LAN127\.0\.0\.1.*smu .*LAN127\.0\.0\.1") as refused:
            Bench.open(lab.here)
        group = refused.value.__cause__
        assert isinstance(group, ExceptionGroup)
        assert [type(error) for error in group.exceptions] == [InstrumentBusy, InstrumentBusy]
        # The loser has taken nothing away.
        bench.source_meter.source_voltage(0.1, compliance_a=1e-6)
        bench.source_meter.output_on()
    assert [lab.say(name, "SYST:LOCK:OWN?") for name in BOXES] == ["NONE", "NONE"]
    with Bench.open(lab.here), pytest.raises(LinkError, match="interface LAN:"):
        Bench.open(lab.socket)
    Bench.open(lab.socket).close()


@pytest.mark.parametrize("way", ["socket", "here"])
def test_a_client_that_goes_without_a_word_leaves_the_instrument_free(lab: Laboratory, way: str):
    bench = Bench.open(getattr(lab, way))
    assert "NONE" not in [lab.say(name, "SYST:LOCK:OWN?") for name in BOXES]
    for session in sessions(bench):
        session.link.close()
    lab.wait_until_free()
    bench.close()


def test_a_program_that_is_killed_leaves_the_instrument_free(lab: Laboratory, tmp_path: Path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "socket.toml")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(LinkError, match="locked by its interface"):
            Bench.open(lab.here)
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        lab.wait_until_free()
        Bench.open(lab.here).close()
    finally:
        holder.kill()
        holder.communicate()


@pytest.mark.parametrize("way", ["socket", "here"])
def test_it_is_taken_again_after_a_resynchronisation(lab: Laboratory, way: str):
    with Bench.open(getattr(lab, way)) as bench:
        for session in sessions(bench):
            session.link.distrust()
            session.link.resynchronise()
            session.check_errors()
        for name in BOXES:
            assert lab.say(name, "SYST:LOCK:REQ?") == "0"
    lab.wait_until_free()


@pytest.mark.parametrize("way", ["socket", "here"])
def test_outputs_go_off_on_a_fresh_connection_of_the_same_interface(lab: Laboratory, way: str):
    with Bench.open(getattr(lab, way)) as bench:
        bench.source_meter.source_voltage(0.1, compliance_a=1e-6)
        bench.source_meter.output_on()
        (smu,) = (session for session in sessions(bench) if session.name == "smu")
        smu.link.distrust()
        generation = smu.link.generation
        bench.make_safe()
        assert smu.link.generation == generation + 1
        assert lab.say("smu", "OUTP1?") == "0"


def test_an_output_is_not_called_off_while_another_interface_keeps_it_on(lab: Laboratory):
    bench = Bench.open(lab.socket)
    for session in sessions(bench):
        session.command("SYST:LOCK:REL")
        session.check_errors()  # a write has arrived when something said after it is answered
    assert lab.say("smu", "SYST:LOCK:REQ?") == "1"
    lab.say("smu", "OUTP1 ON")
    with pytest.raises(SafeStateError, match=r"smu .*cut its power"):
        bench.make_safe()
    bench.close()
    assert lab.say("smu", "SYST:LOCK:OWN?") == "USB"


def test_a_driver_that_cannot_be_built_gives_it_up(lab: Laboratory, monkeypatch: pytest.MonkeyPatch):
    def fail(*_: object) -> None:
        raise LinkError("no")

    monkeypatch.setattr(Session, "read_output", fail)
    # Over this interface nothing is given up by itself.
    for device in lab.instruments.values():
        monkeypatch.setattr(type(device), "disconnect", lambda *_: None)
    with pytest.raises(LinkError, match="2 of 2"):
        Bench.open(lab.here)
    lab.wait_until_free()


def test_a_dead_link_does_not_keep_a_bench_from_closing(lab: Laboratory):
    bench = Bench.open(lab.socket)
    lab._server.close()
    began_s = time.monotonic()
    bench.close()
    assert time.monotonic() - began_s < LIMIT_S / 2
    assert [session.link.state for session in sessions(bench)] == [LinkState.CLOSED] * 2
