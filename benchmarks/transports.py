"""What a transport costs: `python benchmarks/transports.py`.

A block of counts for 11.2 million devices goes to the array controller of the bench that ships and is acknowledged,
over HiSLIP and over a raw socket, with pyvisa-py as the client. The measure is a bare socket whose reader throws the
same bytes away and acknowledges them. All are measured in turn in one run, best of the rounds.
"""

import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pyvisa

DEVICES = 11_200_000
ROUNDS = 7
QUERIES = 500


def main() -> None:
    """Print the times and their ratios."""
    counts = (np.arange(DEVICES) % 20).astype(np.uint8)
    message = b"PATT:CLE;:PATT:PUSH 0,#8%d" % DEVICES + counts.tobytes() + b"\n"
    manager = pyvisa.ResourceManager("@py")
    with _serving() as array, _sink(len(message)) as bare:
        hislip = manager.open_resource(array["hislip"], timeout=20_000)
        raw = manager.open_resource(array["socket"], timeout=20_000, read_termination="\n")
        raw.visalib.sessions[raw.session].interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writes = {
            "bare socket, thrown away": lambda: _exchange(bare, message),
            "HiSLIP, pyvisa-py": lambda: _write(hislip, message),
            "raw socket, pyvisa-py, no Nagle": lambda: _write(raw, message),
        }
        best = {name: float("inf") for name in writes}
        for _ in range(ROUNDS):
            for name, write in writes.items():
                best[name] = min(best[name], _seconds(write))
        measure = best["bare socket, thrown away"]
        print(f"{len(message) / 1e6:.1f} MB written and acknowledged, best of {ROUNDS}")
        for name, seconds in best.items():
            print(f"  {name:34}{1e3 * seconds:8.1f} ms  {seconds / measure:5.1f} x")
        if not (error := hislip.query("SYST:ERR?")).startswith("0,"):
            raise SystemExit(f"the array did not take the blocks: {error}")
        read = min(_seconds(lambda: _read(hislip)) for _ in range(ROUNDS))
        print(f"  {DEVICES} codes read, HiSLIP{1e3 * read:11.1f} ms")
        print("queries a second, *IDN?")
        for name, resource in (("HiSLIP", hislip), ("raw socket", raw)):
            rate = QUERIES / _seconds(lambda resource=resource: [resource.query("*IDN?") for _ in range(QUERIES)])
            print(f"  {name:34}{rate:8.0f}")
    manager.close()


@contextmanager
def _serving() -> Iterator[dict[str, str]]:
    """Serve the bench that ships, in a process of its own; give the addresses of its array controller."""
    command = [sys.executable, "-m", "sim_instruments", "serve", "--port-base", "0", "--hislip-port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline() if process.stdout else "")
            yield next(entry for entry in ready["instruments"] if entry["model"] == "dwa-1")
        finally:
            process.terminate()


class _sink:  # noqa: N801 - used as a function
    """A socket to a thread that throws away messages of one length and acknowledges each."""

    def __init__(self, length: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._length = length
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def __enter__(self) -> socket.socket:
        self._client = socket.create_connection(self._listener.getsockname())
        return self._client

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        space = bytearray(1 << 18)
        connection, _ = self._listener.accept()
        with connection:
            left = self._length
            while count := connection.recv_into(space):
                left -= count
                if left == 0:
                    connection.sendall(b"1")
                    left = self._length


def _exchange(connection: socket.socket, message: bytes) -> None:
    connection.sendall(message)
    connection.recv(1)


def _write(resource: pyvisa.resources.MessageBasedResource, message: bytes) -> None:
    resource.write_raw(message)
    resource.query("*OPC?")


def _read(resource: pyvisa.resources.MessageBasedResource) -> None:
    resource.write(f"READ:COND? 0,{DEVICES}")
    reply, _ = resource.visalib.read(resource.session, 2 * DEVICES + 11)
    if len(reply) != 2 * DEVICES + 11:
        raise SystemExit(f"only {len(reply)} bytes came")


def _seconds(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
