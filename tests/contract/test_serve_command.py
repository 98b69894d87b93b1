"""`python -m sim_instruments serve` as a process: what it says, where it listens, and what a kill leaves."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvisa

from sim_instruments.bench import open_bench

DEVICES = 3000
COUNTS = np.arange(DEVICES).astype(np.uint8) % 5
LISTENING = "0A"
FREE_PORTS = ("--port-base", "0", "--hislip-port", "0")


@pytest.fixture
def bench_file(tmp_path: Path) -> Path:
    text = (files("sim_instruments") / "benches" / "default.toml").read_text("utf-8")
    text = text.replace("11_534_336", str(DEVICES)).replace("GPIB0::7::INSTR", "ASRL1::INSTR")
    path = tmp_path / "sim.toml"
    path.write_text(re.sub(r"devices = \[.*\]", "devices = [0, 1, 2]", text))
    return path


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "sim_instruments", "serve", *map(str, arguments)]


@contextmanager
def serving(*arguments: str | Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen(
        command(*arguments, *FREE_PORTS, "--json"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()[1]
        yield process, json.loads(line)
    finally:
        process.kill()
        process.communicate()


def address_of(ready: dict[str, Any], model: str, interface: str = "socket") -> str:
    return next(entry[interface] for entry in ready["instruments"] if entry["model"] == model)


@contextmanager
def connected(ready: dict[str, Any], model: str = "dwa-1") -> Iterator[socket.socket]:
    _, host, port, _ = address_of(ready, model).split("::")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        yield connection


def ask(connection: socket.socket, question: bytes) -> bytes:
    connection.sendall(question)
    with connection.makefile("rb") as lines:
        return lines.readline().strip()


def read_codes(connection: socket.socket) -> bytes:
    connection.sendall(b"READ:COND? 0,%d\n" % DEVICES)
    with connection.makefile("rb") as reply:
        return reply.read(6 + 2 * DEVICES + 1)


def fire(connection: socket.socket, tag: int) -> bytes:
    connection.sendall(_pattern(tag))
    return ask(connection, b"PATT:TAG?\n")


def listeners(pid: int) -> list[str]:
    """Return the addresses that a process listens on, from /proc: `host:port` in the kernel's own hexadecimal."""
    inodes = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        if match := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(descriptor)):
            inodes.add(match[1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING and fields[9] in inodes:
                found.append(fields[1])
    return found


def is_loopback(address: str) -> bool:
    host = address.split(":")[0]
    return host in ("0100007F", "00000000000000000000000001000000")


def test_every_listener_is_on_loopback(bench_file):
    with serving(bench_file) as (process, ready):
        found = listeners(process.pid)
        assert len(found) >= len(ready["instruments"]) + 1
        assert [address for address in found if not is_loopback(address)] == []


def test_an_open_address_is_refused_without_words_and_told_with_them(bench_file):
    refused = subprocess.run(command(bench_file, "--bind", "0.0.0.0"), capture_output=True, text=True, timeout=60)  # noqa: S104
    assert refused.returncode == 1
    assert "--i-know-this-is-open" in refused.stderr
    with serving(bench_file, "--bind", "0.0.0.0", "--i-know-this-is-open") as (process, _):  # noqa: S104
        # The walk would see an open listener, or the test above could not fail.
        assert not all(map(is_loopback, listeners(process.pid)))
        process.terminate()
        assert "OPEN: everybody who reaches 0.0.0.0" in process.communicate(timeout=30)[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly_with_the_state_kept(bench_file, tmp_path, number):
    with serving(bench_file, "--state", tmp_path / "kept") as (process, ready), connected(ready) as connection:
        assert fire(connection, 5) == b"5"
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
        assert (process.returncode, errors) == (0, "")
        assert connection.recv(1) == b""
    bench = open_bench(bench_file, state=tmp_path / "kept")
    assert bench.sample.ledger.push_pulses == COUNTS.sum()
    bench.close()


@pytest.mark.parametrize("interface", ["socket", "hislip", "serial"])
def test_pyvisa_py_reaches_the_same_instrument_through_every_interface(bench_file, interface):
    with serving(bench_file) as (_, ready):
        manager = pyvisa.ResourceManager("@py")
        address = address_of(ready, "keithley-7001", interface)
        resource = manager.open_resource(address, read_termination="\n", write_termination="\n")
        assert ",MODEL 7001," in resource.query("*IDN?")
        resource.close()
        manager.close()


def test_a_large_block_over_hislip_arrives_whole_and_once(bench_file):
    """How fast is measured by `benchmarks/instruments.py`."""
    message = b"PATT:PUSH 0,#811200000" + bytes(11_200_000) + b"\n"
    with serving(bench_file) as (_, ready):
        manager = pyvisa.ResourceManager("@py")
        resource = manager.open_resource(address_of(ready, "dwa-1", "hislip"), timeout=20_000)
        resource.write_raw(message)
        assert resource.query("*OPC?") == "1\n"
        # It is for more devices than there are.
        errors = [resource.query("SYST:ERR?")[:5] for _ in range(2)]
        assert errors == ["-223,", '0,"No']
        resource.close()
        manager.close()


def test_two_servers_do_not_share_a_state(bench_file, tmp_path):
    with serving(bench_file, "--state", tmp_path / "kept"):
        second = subprocess.run(
            command(bench_file, "--state", tmp_path / "kept", *FREE_PORTS), capture_output=True, text=True, timeout=60
        )
        assert second.returncode == 1
        assert "another simulated bench uses this state" in second.stderr


def test_a_kill_in_the_middle_loses_nothing_that_was_acknowledged(bench_file, tmp_path):
    state = tmp_path / "kept"
    with serving(bench_file, "--state", state) as (process, ready), connected(ready) as connection:
        for tag in range(1, 20):
            assert fire(connection, tag) == b"%d" % tag
        connection.sendall(_pattern(20))
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with serving(bench_file, "--state", state) as (process, ready), connected(ready) as connection:
        last = int(ask(connection, b"PATT:TAG?\n"))
        before, after = _positions_of_an_uninterrupted_bench(bench_file, 19, 20)
        found = np.fromfile(state / "position.f32", np.float32)
        # The pattern that nobody acknowledged may be there or not, device by device; the others are there whole.
        assert last in (19, 20)
        assert ((found == before) | ((found == after) & (last == 20))).all()
        assert fire(connection, 21) == b"21"
        kept = (state / "position.f32").read_bytes()
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    with serving(bench_file, "--state", state) as (_, ready), connected(ready) as connection:
        assert ask(connection, b"PATT:DEL?\n") == b"21,%d,0" % COUNTS.sum()
        assert (state / "position.f32").read_bytes() == kept
        # An old tag moves nothing, however often its message arrives.
        fire(connection, 21)
        assert (state / "position.f32").read_bytes() == kept


def test_noise_goes_on_where_a_killed_server_stopped(bench_file, tmp_path):
    """The walls do not move between these reads, so equal codes would be the same noise drawn twice."""
    codes = []
    for _ in range(3):
        with serving(bench_file, "--state", tmp_path / "kept") as (process, ready), connected(ready) as connection:
            codes.append(read_codes(connection))
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    assert len(set(codes)) == 3


def _positions_of_an_uninterrupted_bench(bench_file: Path, *tags: int) -> list[np.ndarray]:
    bench = open_bench(bench_file)
    (dwa,) = (device for address, device in bench.instruments.items() if "array" in address)
    found = []
    for tag in range(1, max(tags) + 1):
        dwa.receive(_pattern(tag), has_end=True)
        if tag in tags:
            found.append(bench.sample.walls.position.copy())
    return found


def _pattern(tag: int) -> bytes:
    block = b"#4%d" % DEVICES + COUNTS.tobytes()
    return b"PATT:PUSH 0," + block + b";:PATT:TAG %d;:OUTP ON;:INIT\n" % tag
