"""What the instrument layer costs, as ratios within one run: `python benchmarks/instruments.py [--json]`.

* Queries per second in process, through the guard, PyVISA and the twin's own parser, against plain pyvisa-sim with the
  same query and the same reply. Goal: at least 3 times.
* 11.2 MB of counts to the array controller in process, framed by the link, against a copy of the same bytes into fresh
  memory. Goal: at most 2 times.
* The same over HiSLIP, and over a raw socket with and without Nagle's delay, with pyvisa-py as the client, against
  `sendall` on a bare socket whose reader throws the bytes away. Goal for HiSLIP: at most 5 times. Each is acknowledged
  before the clock stops, as `sendall` alone only fills the kernel's buffers.

What is compared is measured in turn, so that other work on the machine hits all alike; the medians are compared.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyvisa

from drivers.link import Link
from drivers.visa_library import VisaLibrary

DEVICES = 11_200_000
ARRAY = "TCPIP0::array.bench::inst0::INSTR"
QUERY = "*IDN?"
QUERIES = 400
QUERY_ROUNDS = 41
BLOCK_ROUNDS = 21
TRANSPORT_ROUNDS = 9

PLAIN = """
spec: "1.1"
devices:
  plain:
    eom:
      TCPIP INSTR: {{q: "\\n", r: "\\n"}}
    dialogues:
      - {{q: "*IDN?", r: "{reply}"}}
resources:
  TCPIP0::plain::inst0::INSTR: {{device: plain}}
"""

SINK = """
import socket, sys
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
connection, _ = listener.accept()
length = left = int(sys.argv[1])
space = bytearray(1 << 20)
while count := connection.recv_into(space):
    left -= count
    if left == 0:
        connection.sendall(b"1")
        left = length
"""

Times = dict[str, float]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    as_json = parser.parse_args().json
    load = os.getloadavg()[0]
    queries, blocks, transports = _queries(), _blocks(), _transports()
    goals = [
        ("queries through the guard / plain pyvisa-sim", queries["plain"] / queries["guarded"], ">=", 3.0),
        ("block written by the link / copy", blocks["link"] / blocks["copy"], "<=", 2.0),
        ("block over HiSLIP / bare socket", transports["hislip"] / transports["bare socket"], "<=", 5.0),
    ]
    results = [
        {
            "what": what,
            "ratio": ratio,
            "goal": f"{sign} {goal:g}",
            "met": ratio >= goal if sign == ">=" else ratio <= goal,
        }
        for what, ratio, sign, goal in goals
    ]
    if as_json:
        found = {
            "ok": all(item["met"] for item in results),
            "load_1min": load,
            "processors": os.cpu_count(),
            "query_s": queries,
            "block_s": blocks,
            "transport_s": transports,
            "ratios": results,
        }
        print(json.dumps(found, indent=2))
        return
    print(f"{os.cpu_count()} processors, load {load:.1f} at the start; medians, measured in turn\n")
    print("queries per second, in process")
    for name, seconds in queries.items():
        print(f"  {name:28}{1 / seconds:12,.0f}")
    for title, times in (("11.2 MB of counts, in process", blocks), ("11.2 MB of counts, over TCP", transports)):
        print(f"\n{title}, milliseconds")
        for name, seconds in times.items():
            print(f"  {name:28}{1e3 * seconds:12.2f}")
    print("\nratios")
    for item in results:
        print(f"  {item['what']:46}{item['ratio']:6.2f}   goal {item['goal']:6} {'met' if item['met'] else 'MISSED'}")


def _queries() -> Times:
    """Return seconds for one query."""
    with ExitStack() as stack:
        guarded = _open(stack, "@guard", ARRAY)
        bare = _open(stack, "@domainwall", ARRAY)
        for resource in (guarded, bare):
            resource.read_termination = resource.write_termination = "\n"
        reply = guarded.query(QUERY)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "plain.yaml").write_text(PLAIN.format(reply=reply))
        plain = _open(stack, f"{folder / 'plain.yaml'}@sim", "TCPIP0::plain::inst0::INSTR")
        plain.read_termination = plain.write_termination = "\n"
        if plain.query(QUERY) != reply:
            raise SystemExit("plain pyvisa-sim gives another reply: nothing to compare")
        link = Link(VisaLibrary.open("@guard"), ARRAY)
        stack.callback(link.close)
        found = _medians(
            {
                "plain": lambda: [plain.query(QUERY) for _ in range(QUERIES)],
                "twin": lambda: [bare.query(QUERY) for _ in range(QUERIES)],
                "guarded": lambda: [guarded.query(QUERY) for _ in range(QUERIES)],
                "link, guarded": lambda: [link.query(QUERY) for _ in range(QUERIES)],
            },
            QUERY_ROUNDS,
        )
    return {name: seconds / QUERIES for name, seconds in found.items()}


def _blocks() -> Times:
    """Return seconds for one block in process."""
    counts = (np.arange(DEVICES) % 20).astype(np.uint8)
    with ExitStack() as stack:
        links = {}
        for name, library in (("link", "@domainwall"), ("link, guarded", "@guard")):
            links[name] = Link(VisaLibrary.open(library), ARRAY)
            stack.callback(links[name].close)
        found = _medians(
            {
                "copy": lambda: counts.copy(),
                **{name: lambda link=link: link.write_block("PATT:PUSH 0,", counts) for name, link in links.items()},
            },
            BLOCK_ROUNDS,
        )
        for link in links.values():
            link.write("PATT:CLE")
            if not (error := link.query("SYST:ERR?")).startswith("0,"):
                raise SystemExit(f"the array did not take the blocks: {error}")
    return found


def _transports() -> Times:
    """Return seconds for one block over loopback TCP, acknowledged."""
    counts = (np.arange(DEVICES) % 20).astype(np.uint8)
    message = b"PATT:CLE;:PATT:PUSH 0,#8%d" % DEVICES + counts.tobytes() + b"\n"
    with ExitStack() as stack:
        bare = stack.enter_context(_bare_socket(len(message)))
        served = stack.enter_context(_serving())
        hislip = _open(stack, "@py", served["hislip"], timeout=60_000)
        slow = _open(stack, "@py", served["socket"], timeout=60_000, read_termination="\n")
        fast = _open(stack, "@py", served["socket"], timeout=60_000, read_termination="\n")
        opened: Any = fast.visalib
        opened.sessions[fast.session].interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        found = _medians(
            {
                "bare socket": lambda: (bare.sendall(message), bare.recv(1)),
                "hislip": lambda: (hislip.write_raw(message), hislip.query("*OPC?")),
                "raw socket, no delay": lambda: (fast.write_raw(message), fast.query("*OPC?")),
                "raw socket, Nagle": lambda: (slow.write_raw(message), slow.query("*OPC?")),
            },
            TRANSPORT_ROUNDS,
        )
        if not (error := hislip.query("SYST:ERR?")).startswith("0,"):
            raise SystemExit(f"the array did not take the blocks: {error}")
    return found


def _medians(measured: dict[str, Callable[[], object]], rounds: int) -> Times:
    """Measure each in turn, so many times, and return the medians; the first round warms up."""
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(rounds + 1):
        for name, do in measured.items():
            began_s = time.perf_counter()
            do()
            times[name].append(time.perf_counter() - began_s)
    return {name: statistics.median(found[1:]) for name, found in times.items()}


def _open(stack: ExitStack, library: str, address: str, **attributes: Any) -> pyvisa.resources.MessageBasedResource:
    manager = pyvisa.ResourceManager(library)
    stack.callback(manager.close)
    resource = manager.open_resource(address, **attributes)
    if not isinstance(resource, pyvisa.resources.MessageBasedResource):
        raise SystemExit(f"{address} takes no messages")
    return resource


@contextmanager
def _serving() -> Iterator[dict[str, str]]:
    """Serve the bench that ships in a process of its own; give the names of its array controller."""
    command = [sys.executable, "-m", "sim_instruments", "serve", "--port-base", "0", "--hislip-port", "0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            ready = json.loads(process.stdout.readline() if process.stdout else "")
            yield next(entry for entry in ready["instruments"] if entry["model"] == "dwa-1")
        finally:
            process.terminate()


@contextmanager
def _bare_socket(length: int) -> Iterator[socket.socket]:
    """Give a socket to a process that throws messages of one length away and acknowledges each."""
    with subprocess.Popen([sys.executable, "-c", SINK, str(length)], stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline() if process.stdout else 0)
            with socket.create_connection(("127.0.0.1", port)) as connection:
                yield connection
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
