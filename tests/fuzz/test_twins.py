"""Malformed messages to every twin: no exception, no hang, bounded memory, and no wall moved by what was refused.

Messages are drawn from a seed: commands of the twin's own table with lawful and awkward parameters, the same with bytes
changed, dropped, doubled or swapped, and raw bytes. 20 000 for each twin; a million with `-m slow`. A runaway loop of
Lua is stopped after 50 ms, so the TSP twins get one such line in a hundred.

No refused command takes more than 100 ms; a lawful one, such as a sweep of the longest kind that the fuzz has set up by
chance, may take seconds, alone or joined to one that is refused. What counts is the processor's time, as a machine with
other work may take a while to come back; a twin that waits would escape that, so the clock on the wall has a limit too.

Memory is looked at with the fuzzed instrument still there, and may grow by 16 MiB; where a model has buffers that a
lawful command makes larger than that, by what those hold.
"""

import gc
import os
import random
import re
import time
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim_instruments
from sim_instruments.models import TWINS
from sim_instruments.place import Place
from sim_instruments.sample import Sample, SampleConfig
from sim_instruments.scpi_parameter import Block, Boolean, ChannelList, Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_tree import Command
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
# One twin under several names: the 2602B stands for the family, the others get a tenth.
SIBLINGS = {"keithley-2601b", "keithley-2611b", "keithley-2612b", "keithley-2635b", "keithley-2636b"}
WARM_UP = 2_000
SEED = 29
DEVICES = 64


def _words(text: str) -> list[str]:
    return text.split()


NUMBERS = _words("""
0 -0 1 -1 0.5 1E3 1e-3 1E+999 -1E999 1E-999 9.9E37 9.91E37 9.90000001E37 NAN INF -INF NINF + - . 1. .1 1..2 1E 1E+ E5
1_2 --1 0x10 #H #HFFFFFFFFFFFFFFFF #HFF #B2 #Q8 #B 1V 1MHZ 1KKV 1nonsense 4294967296 18446744073709551616 1e-400 1_000
-9223372036854775809 MIN MAX DEF MINIMUM ON OFF MAXI
""")
STRINGS = _words("""
" ' "" '' "a 'a" "a""b" "VOLT" "CURR:DC" '\xff' "x;y" "x,y"
""")
LISTS = _words("""
(@1!1!1) (@1!1!1:1!1!4) (@ (@) (@1!1!1 (@99!99!99) (@1!1!4:1!1!1) (@1:9999999) (1) () (((
""")
LONG = (b"1" * 40, b"0." + b"0" * 400 + b"1", b'"' + b"x" * 300 + b'"', "1 ½ ١".encode())
BLOCKS = (
    *(
        text.encode()
        for text in _words(
            "#0 #10 #9999999999 #9999999999x #A12 #4-100 #3+05abcde #31_0abcdeabcde #F2ab #14abcd #14ab #12abcd # #1"
        )
    ),
    *(b"#2 5abcde", b"#25", b"#\xb2ab", b"#11\n", b"#13;,\n", b"#0\n\n", b"#1444"),
)
AWKWARD = (*(text.encode("latin-1") for text in (*NUMBERS, *STRINGS, *LISTS)), *LONG, *BLOCKS)
GLUE = (b";", b";:", b";;", b",", b" ", b"\n", b":", b"::", b"?", b"\x00", b"\t", b"*", b"\r\n", b"\xff", b"#")
COMMON = b"*IDN? *RST *CLS *TRG *OPC *OPC? *ESR? *ESE *SRE_256 *STB? *TST? *WAI *".split()
LUA = b"""
smua.source.levelv = %s
smua.source.output = %s
smua.source.limiti = %s
print(smua.measure.i())
print(%s)
smua.measure.nplc = %s
smua.nvbuffer1.clear()
printbuffer(1, %s, smua.nvbuffer1)
x = %s
print(errorqueue.next())
channel.close('1A0%s')
channel.open('allslots')
channel.getclose(%s)
smua.reset()
reset()
smua.%s = 1
smua.measure.overlappediv(smua.nvbuffer1)
display.settext(%s)
node[1].smua.source.levelv = %s
smua[%s] = 2
loadscript a
endscript
a()
loadandrunscript
for i = 1, 3 do print(i) end
if %s then
function f() return f() end
print(string.rep('x', %s))
local t = {} t[1] = t print(t)
error({})
os.exit(1)
io.open('x')
load('x')()
setmetatable(smua, {})
smua = nil
print = nil
string.format('%99d', 1)
""".strip().splitlines()
LUA_RUNAWAY = b"""
while true do end
repeat until false
f = function() return f() end f()
print(('a'):rep(1e8))
t = {} while true do t[#t + 1] = t end
""".strip().splitlines()
READY = {
    "dwa-1": (b"*RST;:OUTP ON", b"PATT:PUSH 0,#14\x01\x02\x03\x04;TAG %d"),
    "keysight-81160a": (
        b"*RST;:ARM:SOUR1 MAN;:FUNC1 PULS;:VOLT1:HIGH 1;LOW 0;:PULS:PER1 1E-6;:PULS:WIDT1 1E-7",
        b":TRIG1:COUN 3;:OUTP1 ON",
    ),
}
"""Sent now and then, so that what follows finds outputs on and something to fire. `%d` is a number that grows."""
READY_EVERY = 10
FRESH_EVERY = 4_000


class Bench:
    """One twin at a place of its own."""

    def __init__(self, model: str) -> None:
        shipped = tomllib.loads((Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text())
        wired = list(range(4))
        self.sample = Sample(SampleConfig.model_validate(shipped["sample"] | {"devices": DEVICES}))
        wiring = Wiring(WiringConfig(slot=1, pulse_row=1, measure_row=2, devices=tuple(wired)), self.sample.clock)
        wiring.close([(1, row, column) for row in (1, 2) for column in (1, 2)])
        self.device: Any = TWINS[model](Place(serial="1", sample=self.sample, wiring=wiring, interlock_closed=True))

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
            if chunk.is_last or len(reply) > 1 << 22:
                break
        return reply


def _commands(device: Any) -> list[Command]:
    """Return the twin's table; none for those that speak Lua."""
    tree = getattr(device, "_tree", None)
    if tree is None:
        return []
    found: dict[int, Command] = {}
    nodes, seen = [tree._root], set()
    while nodes:
        node = nodes.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        nodes.extend(node.children.values())
        found.update({id(item): item for item in (node.command, node.query) if item is not None})
    return sorted(found.values(), key=lambda item: item.pattern)


class Author:
    """Draws messages."""

    def __init__(self, device: Any, seed: int) -> None:
        self.random = random.Random(seed)
        self.commands = _commands(device)

    def message(self) -> bytes:
        kind = self.random.random()
        if kind < 0.08:
            return self.random.randbytes(self.random.randrange(1, 60))
        text = self._units()
        return self._mutated(text) if kind < 0.55 else text

    def _units(self) -> bytes:
        count = self.random.choice((1, 1, 1, 1, 2, 3))
        units = [self._unit() for _ in range(count)]
        return self.random.choice((b";", b"\n")).join(units)

    def _unit(self) -> bytes:
        pick = self.random
        if not self.commands:
            if pick.random() < 0.01:
                return pick.choice(LUA_RUNAWAY)
            line = pick.choice((*LUA, *COMMON))
            return line.replace(b"%s", pick.choice(AWKWARD))
        if pick.random() < 0.05:
            return pick.choice(COMMON)
        command = pick.choice(self.commands)
        header = self._header(command.pattern)
        # An arbitrary waveform takes tens of thousands of numbers: a few are as good.
        given = len(command.parameters) - command.optional + pick.choice((0, 0, 1, 3))
        parameters = [self._parameter(kind) for kind in command.parameters[:given]]
        if pick.random() < 0.1:
            parameters.append(pick.choice(AWKWARD))
        if pick.random() < 0.1:
            parameters = parameters[1:]
        return header + (b" " + b",".join(parameters) if parameters else b"")

    def _header(self, pattern: str) -> bytes:
        pick = self.random
        text = re.sub(r"\[([^\]]*)\]", lambda found: found[1] if pick.random() < 0.5 else "", pattern)
        text = text.replace("#", pick.choice(("", "", "1", "1", "2", "0", "99999999999")))
        if pick.random() < 0.5:
            text = re.sub(r"[a-z]", "", text)
        text = text if text.startswith("*") else pick.choice((":", ":", "")) + text.removeprefix(":")
        return pick.choice((text, text.lower(), text.upper())).encode("ascii")

    def _parameter(self, kind: object) -> bytes:
        pick = self.random
        if pick.random() < 0.35:
            return pick.choice(AWKWARD)
        match kind:
            case Real(low=low, high=high):
                return repr(pick.choice((low, high, pick.uniform(low, min(high, low + 10)), 1.0))).encode()
            case Integer(low=low, high=high):
                return str(pick.choice((low, high, pick.randint(low, min(high, low + 50)), 1))).encode()
            case Boolean():
                return pick.choice((b"0", b"1", b"ON", b"OFF"))
            case Choice(options=options):
                return pick.choice(options).encode()
            case QuotedChoice(options=options):
                return b'"' + pick.choice(options).encode() + b'"'
            case Block():
                data = pick.randbytes(pick.choice((1, 4, 8, DEVICES)))
                data = bytes(byte % DEVICES for byte in data) if pick.random() < 0.5 else data
                return b"#%d%d" % (len(str(len(data))), len(data)) + data
            case ChannelList():
                return pick.choice(LISTS).encode()
            case _:
                return pick.choice((b"1", b"0.1", b"ON", b'"VOLT"'))

    def _mutated(self, text: bytes) -> bytes:
        pick = self.random
        for _ in range(pick.choice((1, 1, 2, 4))):
            start = pick.randrange(len(text) + 1)
            stop = min(len(text), start + pick.choice((1, 1, 2, 8)))
            piece = text[start:stop]
            change = pick.choice(
                (b"", piece * 2, piece[::-1], pick.choice(GLUE), pick.choice(AWKWARD), pick.randbytes(2))
            )
            text = text[:start] + change + text[stop:]
        return text


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _timed(bench: Bench, message: bytes, *, has_end: bool) -> tuple[float, bytes]:
    """Exchange and return the processor's time that it took, seconds."""
    wall_s, began_s = time.perf_counter(), time.process_time()
    reply = bench.exchange(message, has_end=has_end)
    assert time.perf_counter() - wall_s < LONGEST_WALL_S, f"{message[:200]!r} hangs"
    return time.process_time() - began_s, reply


def _is_one_unit(message: bytes) -> bool:
    return not re.search(rb"[;\n]", message.rstrip(b"\n"))


def _was_refused(bench: Bench, reply: bytes) -> bool:
    return bench.error_count() > 0 or re.fullmatch(rb"\?\d+\r\n", reply) is not None


def _make_ready(bench: Bench, model: str, number: int) -> None:
    for message in READY.get(model, ()):
        bench.exchange(message.replace(b"%d", b"%d" % (number + 1)), has_end=True)
    bench.forget_errors()


def _fuzz(model: str, count: int) -> dict[str, int]:
    """Send messages and return how many were refused and how many moved walls; raise at the first that misbehaves."""
    bench = Bench(model)
    author = Author(bench.device, SEED)
    refused = fired = resident = 0
    positions = bench.sample.walls.position.copy()
    for index in range(count):
        if index % FRESH_EVERY == 0 and index < count - FRESH_EVERY:
            # A tag of 2**63 - 1 fires once and never again: a new instrument finds the way in again.
            bench = Bench(model)
            positions = bench.sample.walls.position.copy()
        if index % READY_EVERY == 0:
            _make_ready(bench, model, index)
            positions = bench.sample.walls.position.copy()
        if index == WARM_UP:
            gc.collect()
            resident = _resident_bytes()
        message = author.message()
        has_end = author.random.random() < 0.8
        if not has_end:
            message += b"\n"
        entries = bench.sample.ledger.push_pulses + bench.sample.ledger.pull_pulses, len(bench.sample.ledger.entries)
        took_s, reply = _timed(bench, message, has_end=has_end)
        after = bench.sample.ledger.push_pulses + bench.sample.ledger.pull_pulses, len(bench.sample.ledger.entries)
        is_refused = _was_refused(bench, reply)
        longest_s = LONGEST_S if is_refused and _is_one_unit(message) else LONGEST_LAWFUL_S
        if took_s > longest_s:
            # Once more, as the garbage collector may have come by: a message that is slow is slow twice.
            took_s, _ = _timed(bench, message, has_end=has_end)
            assert took_s < longest_s, f"{model}: {message[:200]!r} took {took_s:.3f} s, twice"
        refused += is_refused
        fired += after != entries
        if is_refused and _is_one_unit(message):
            assert after == entries, f"{model}: {message[:200]!r} was refused and moved walls"
        if after == entries:
            assert np.array_equal(bench.sample.walls.position, positions), (
                f"{model}: {message[:200]!r} moved walls in secret"
            )
        else:
            positions = bench.sample.walls.position.copy()
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
    count = MESSAGES // 10 + WARM_UP if model in SIBLINGS else MESSAGES
    found = _fuzz(model, count)
    # The draw is worth something only if it goes deep as well as wrong.
    assert 0.1 < found["refused"] / count < 0.98
    assert found["fired"] > 0 or model not in READY


@pytest.mark.slow
@pytest.mark.timeout(7200)
@pytest.mark.parametrize("model", TWINS)
def test_a_million_malformed_messages(model: str):
    _fuzz(model, SLOW_MESSAGES)
