"""Malformed messages to every twin: no exception, no hang, bounded memory, and no wall moved by what was refused.

Messages are drawn from a seed: commands of the twin's own table with lawful and awkward parameters, the same with bytes
changed, dropped, doubled or swapped, and raw bytes. 20 000 for each twin; a million with `-m slow`. A runaway loop of
Lua is stopped after 50 ms, so the TSP twins get one such line in a hundred.

The generators and the array are made ready to fire again and again, so that a message that ought to do nothing finds
something that it could do; and the checks on the walls are tried on twins that break them.

No refused command takes more than 100 ms; a lawful one, such as a sweep of the longest kind that the fuzz has set up by
chance, may take seconds, alone or joined to one that is refused. What counts is the processor's time, as a machine with
other work may take a while to come back; a twin that waits would escape that, so the clock on the wall has a limit too.

Memory is looked at with the fuzzed instrument still there, and may grow by 16 MiB; where a model has buffers that a
lawful command makes larger than that, by what those hold.
"""

import gc
import os
import re
import time
import tomllib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numba
import pytest
from malformed import DEVICES, Author

import sim_instruments
from sim_instruments.models import TWINS
from sim_instruments.place import Place
from sim_instruments.sample import Sample, SampleConfig
from sim_instruments.wiring import Wiring, WiringConfig

MESSAGES = 20_000
SLOW_MESSAGES = 1_000_000
LONGEST_S = 0.1
LONGEST_LAWFUL_S = 5.0
LONGEST_WALL_S = 30.0
GROWTH_BYTES = 16 * 1024 * 1024
# Lawful reading buffers: 4.5 million rows of three numbers in a 2450; a trace and an acquisition of 100 000 points with
# seven numbers each for every channel of a B2900.
BUFFERS_BYTES = {
    "keithley-2450": 4_500_000 * 3 * 8,
    "keysight-b2901a": 2 * 100_000 * 7 * 8,
    "keysight-b2902a": 2 * 2 * 100_000 * 7 * 8,
}
RUNAWAYS = 0.01
"""Part of the lines of Lua that do not end by themselves."""
WARM_UP = 2_000
SEED = 29
READY = {
    "dwa-1": (b"*RST;:OUTP ON", b"PATT:PUSH 0,#14\x01\x02\x03\x04;TAG %d"),
    "keysight-81160a": (
        b"*RST;:ARM:SOUR1 MAN;:FUNC1 PULS;:VOLT1:HIGH 1;LOW 0;:PULS:PER1 1E-6;:PULS:WIDT1 1E-7",
        b":TRIG1:COUN 3;:OUTP1 ON",
    ),
    **dict.fromkeys(
        ("keysight-33500b", "keysight-33600a"),
        (
            b"*RST;:TRIG1:SOUR BUS;:SOUR1:FUNC PULS;:SOUR1:VOLT:HIGH 1;LOW 0;:SOUR1:FUNC:PULS:WIDT 1E-7",
            b":SOUR1:BURS:MODE TRIG;NCYC 3;STAT ON;:OUTP1 ON",
        ),
    ),
    "bnc-577": (
        b"*RST",
        b":PULSE0:TRIG:MODE TRIG",
        b":PULSE0:MODE BURS",
        b":PULSE0:BCO 3",
        b":PULSE1:WIDT 1E-7",
        b":PULSE1:OUTP:MODE ADJ",
        b":PULSE1:OUTP:AMPL 2.5",
        b":PULSE1:STATE ON",
        b":PULSE0:STATE ON",
    ),
}
"""Sent now and then, so that what follows finds outputs on and something to fire. `%d` is a number that grows."""
FIRING = {"dwa-1": b"INIT"}
"""What fires then, where `*TRG` does not."""
READY_EVERY = 10
FRESH_EVERY = 4_000
FIRED_AT_LEAST = 20
"""Messages of a fuzz of something that was made ready that do fire."""


@pytest.fixture(autouse=True)
def one_thread():
    """Keep to one processor: threads that wait for each other would take longer than the pulses."""
    before = numba.get_num_threads()
    numba.set_num_threads(1)
    yield
    numba.set_num_threads(before)


class Bench:
    """One twin at a place of its own."""

    def __init__(self, model: str) -> None:
        shipped = tomllib.loads((Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text())
        wired = list(range(4))
        self.sample = Sample(SampleConfig.model_validate(shipped["sample"] | {"devices": DEVICES}))
        wiring = Wiring(WiringConfig(slot=1, pulse_row=1, measure_row=2, devices=tuple(wired)), self.sample.clock)
        wiring.close([(1, row, column) for row in (1, 2) for column in (1, 2)])
        self.device: Any = TWINS[model](Place(serial="1", sample=self.sample, wiring=wiring, interlock_closed=True))

    def fired(self) -> tuple[int, int, int]:
        """Return what the ledger counted."""
        ledger = self.sample.ledger
        return ledger.push_pulses, ledger.pull_pulses, len(ledger.entries)

    def positions(self) -> bytes:
        """Return where the walls are, bit by bit."""
        return self.sample.walls.position.tobytes()

    def error_count(self) -> int:
        """Return the entries in the error queue, where there is one."""
        status = getattr(self.device, "_status", None)
        return status.error_count if status is not None else 0

    def forget_errors(self) -> None:
        status = getattr(self.device, "_status", None)
        if status is not None:
            status.clear()

    def exchange(self, message: bytes, *, has_end: bool) -> bytes:
        """Give a message and take what it answers."""
        self.device.receive(message, has_end=has_end)
        reply = b""
        while (chunk := self.device.send(1 << 16, has_end=False)) is not None and chunk.data:
            reply += chunk.data
            if len(reply) > 1 << 22:
                break
        return reply


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _timed(bench: Bench, message: bytes, *, has_end: bool, longest_s: Callable[[bytes], float]) -> bytes:
    """Exchange and return the reply; raise AssertionError if that took too long, twice."""
    began_s = time.perf_counter()
    reply = bench.exchange(message, has_end=has_end)
    took_s = time.perf_counter() - began_s
    assert took_s < LONGEST_WALL_S, f"{message[:200]!r} hangs"
    allowed_s = longest_s(reply)
    if took_s > allowed_s:
        # Once more, by the processor's clock, which is slow to read: another program or the garbage collector may have
        # come by, and a message that is slow is slow twice.
        began_s = time.process_time()
        bench.exchange(message, has_end=has_end)
        took_s = time.process_time() - began_s
        assert took_s < allowed_s, f"{message[:200]!r} took {took_s:.3f} s, twice"
    return reply


def _is_one_unit(message: bytes) -> bool:
    return not re.search(rb"[;\n]", message.rstrip(b"\n"))


def _was_refused(bench: Bench, reply: bytes) -> bool:
    return bench.error_count() > 0 or re.search(rb"^\?\d+\r\n", reply, re.MULTILINE) is not None


def _longest_s(bench: Bench, message: bytes, reply: bytes) -> float:
    return LONGEST_S if _was_refused(bench, reply) and _is_one_unit(message) else LONGEST_LAWFUL_S


def _make_ready(bench: Bench, model: str, number: int) -> None:
    for message in READY.get(model, ()):
        bench.exchange(message.replace(b"%d", b"%d" % (number + 1)), has_end=True)
    bench.forget_errors()


def _fuzz(model: str, count: int, build: Callable[[str], Bench] = Bench) -> dict[str, int]:
    """Send messages and return how many were refused and how many moved walls; raise at the first that misbehaves."""
    bench = build(model)
    author = Author(bench.device, SEED, runaways=RUNAWAYS)
    refused = fired = resident = 0
    positions = bench.positions()
    for index in range(count):
        if index % FRESH_EVERY == 0 and index < count - FRESH_EVERY:
            # A tag of 2**63 - 1 fires once and never again: a new instrument finds the way in again.
            bench = build(model)
            positions = bench.positions()
        if index % READY_EVERY == 0:
            _make_ready(bench, model, index)
            positions = bench.positions()
        if index == WARM_UP:
            gc.collect()
            resident = _resident_bytes()
        message = author.message()
        has_end = author.random.random() < 0.8
        if not has_end:
            message += b"\n"
        before = bench.fired()
        reply = _timed(bench, message, has_end=has_end, longest_s=partial(_longest_s, bench, message))
        after = bench.fired()
        is_refused = _was_refused(bench, reply)
        refused += is_refused
        fired += after != before
        if is_refused and _is_one_unit(message):
            assert after == before, f"{model}: {message[:200]!r} was refused and moved walls"
        if after == before:
            assert bench.positions() == positions, f"{model}: {message[:200]!r} moved walls in secret"
        else:
            positions = bench.positions()
        if not has_end:
            bench.device.clear()
        bench.forget_errors()
        # The ledger is the test's own memory: not the twin's.
        bench.sample.ledger.entries.clear()
    gc.collect()
    growth = _resident_bytes() - resident
    assert growth < GROWTH_BYTES + BUFFERS_BYTES.get(model, 0), f"{model} grew by {growth / 1e6:.1f} MB"
    # It still answers.
    bench.device.clear()
    bench.device.receive(b"\n", has_end=True)
    bench.device.clear()
    assert b"," in bench.exchange(b"*IDN?\n", has_end=True)
    return {"refused": refused, "fired": fired}


@pytest.mark.parametrize("model", TWINS)
def test_malformed_messages(model: str):
    found = _fuzz(model, MESSAGES)
    # The draw is worth something only if it goes deep as well as wrong.
    assert 0.1 < found["refused"] / MESSAGES < 0.98
    assert found["fired"] >= FIRED_AT_LEAST or model not in READY


@pytest.mark.parametrize("model", READY)
def test_what_is_made_ready_fires(model: str):
    bench = Bench(model)
    _make_ready(bench, model, 0)
    before = bench.fired(), bench.positions()
    bench.exchange(FIRING.get(model, b"*TRG"), has_end=True)
    assert bench.fired() != before[0]
    assert bench.positions() != before[1]


@pytest.mark.parametrize(
    ("model", "entered", "complaint"),
    [("keysight-81160a", False, "moved walls in secret"), ("bnc-577", True, "was refused and moved walls")],
)
def test_a_twin_that_moves_walls_when_it_refuses_is_found(model: str, entered: bool, complaint: str):
    def broken(model: str) -> Bench:
        bench = Bench(model)
        receive, sample = bench.device.receive, bench.sample

        def misbehave(data: bytes, *, has_end: bool) -> None:
            receive(data, has_end=has_end)
            if b"1E999" in data and entered:
                sample.pulse_device(1, 1, amplitude_v=1.0, width_s=1e-7, source=model)
            elif b"1E999" in data:
                sample.walls.position[1] += 0.01

        bench.device.receive = misbehave
        return bench

    with pytest.raises(AssertionError, match=complaint):
        _fuzz(model, MESSAGES, broken)


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", TWINS)
def test_a_million_malformed_messages(model: str):
    _fuzz(model, SLOW_MESSAGES)
