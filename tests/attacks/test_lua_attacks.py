"""What a hostile TSP message must not do: each attack with its payload, and what has to hold afterwards.

Whatever a message says, the instrument answers the next one, its settings and the walls are what they were, the error
is in the queue, no processor time beyond the limit is spent and no memory kept. Nobody gets at Python, files or byte
code.
"""

import gc
import time
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sim_instruments
from sim_instruments.bench import SimulatedBench
from sim_instruments.config import BenchConfig
from sim_instruments.tsp import exchange, output, sandbox

SLACK_S = 0.05
"""Processor time of one step between two looks at the clock, on a slow machine."""


@dataclass
class Target:
    """A 2602B with its output on at 0.1 V, and what is behind it."""

    bench: SimulatedBench
    device: Any

    def say(self, message: str | bytes) -> None:
        data = message.encode("latin-1") if isinstance(message, str) else message
        self.device.receive(data, has_end=True)

    def heard(self) -> list[str]:
        lines = []
        while (chunk := self.device.send(1 << 24, has_end=False)) is not None:
            lines.append(chunk.data.decode("latin-1").rstrip("\n"))
        return lines

    def ask(self, message: str) -> str:
        self.say(message)
        (line,) = self.heard()
        return line

    def errors(self) -> list[int]:
        codes = []
        while code := int(float(self.ask("print(errorqueue.next())").split("\t")[0])):
            codes.append(code)
        return codes

    def attack(self, message: str | bytes, limit_s: float = sandbox.SECONDS) -> None:
        """Send a payload and see that it took no longer than it may."""
        # Python's own collector may pass over all that other tests have left, which is none of the script's time.
        gc.disable()
        try:
            began_s = time.thread_time()
            self.say(message)
            took_s = time.thread_time() - began_s
        finally:
            gc.enable()
        assert took_s < limit_s + SLACK_S

    def check_intact(self) -> None:
        """See that instrument and bench are what they were before the attack."""
        self.device.clear()
        self.say("errorqueue.clear()")
        assert self.ask("*IDN?").startswith("Keithley Instruments Inc., Model 2602B")
        settings = self.ask("print(smua.source.output, smua.source.levelv, smua.source.limiti, smub.source.output)")
        assert [float(field) for field in settings.split("\t")] == [1, 0.1, 1e-3, 0]
        reading_a = float(self.ask("print(smua.measure.i())"))
        assert reading_a == pytest.approx(0.1 * self.bench.sample.conductance_s(5), rel=1e-4)
        assert self.ask("print(string.rep('ab', 3), #{1, 2})") == "ababab\t2.00000e+00"
        assert self.errors() == []
        assert self.bench.sample.ledger.push_pulses == 0
        assert np.all(self.bench.sample.walls.position == np.float32(0.5))
        assert self.bench.wiring.closed == ((1, 2, 1),)
        assert self.device._sandbox.memory_bytes <= sandbox.MEMORY_BYTES


@pytest.fixture
def target() -> Target:
    tables = tomllib.loads((Path(sim_instruments.__file__).parent / "benches" / "default.toml").read_text("utf-8"))
    tables["sample"]["devices"] = 64
    tables["wiring"]["devices"] = [5, 6]
    tables["instrument"] = [{"model": "keithley-2602b", "address": "GPIB0::26::INSTR", "serial": "1"}]
    bench = SimulatedBench(BenchConfig.model_validate(tables))
    bench.wiring.close([(1, 2, 1)])
    target = Target(bench, bench.instruments["GPIB0::26::INSTR"])
    target.say("smua.source.limiti = 1e-3 smua.source.levelv = 0.1 smua.source.output = 1")
    target.check_intact()
    return target


FORBIDDEN = [
    *("python", "io", "os", "debug", "package", "require", "module", "coroutine", "utf8", "dofile", "loadfile"),
    *("load", "loadstring", "getfenv", "setfenv", "getmetatable", "setmetatable", "rawget", "rawset", "rawequal"),
    *("rawlen", "pcall", "xpcall", "collectgarbage", "newproxy", "gcinfo", "warn", "vocabulary", "host_call", "hook"),
    *("string.dump", "string.gsub", "string.gmatch", "string.match", "string.pack", "string.unpack", "string.packsize"),
    *(
        "table.sort",
        "table.move",
        "table.pack",
        "('').dump",
        "('').gsub",
        "('').match",
        "('').pack",
        "(''):rep(1).gsub",
    ),
]


@pytest.mark.parametrize("name", FORBIDDEN)
def test_what_is_dangerous_is_not_there(target, name):
    assert target.ask(f"print(type({name}))") == "nil"


def test_nothing_in_reach_is_a_python_object(target):
    """Walk all that a message can list, and call what can be called: no userdata may come out."""
    names = [name for name, _ in _walk(target)]
    assert "_G.string.format" in names
    assert "_G.smua" in names
    assert [name for name, kind in _walk(target) if kind == "userdata"] == []
    for call in (
        "smua.measure.iv()",
        "smua.measure.iv(smua.nvbuffer1, smua.nvbuffer2)",
        "errorqueue.next()",
        "smua.nvbuffer1[1], smua.nvbuffer1.readings[1], smua.nvbuffer1.nothing, smua.source.compliance",
        "display.settext('x'), smua.trigger.source.listv({1, 2}), waitcomplete(), localnode.model",
    ):
        kinds = target.ask(f"local t = {{{call}}} local s = '' for i = 1, 9 do s = s .. type(t[i]) .. ' ' end print(s)")
        assert "userdata" not in kinds
        assert "function" not in kinds
    target.check_intact()


def _walk(target: Target) -> list[tuple[str, str]]:
    """Return name and type of everything that messages can list."""
    target.say(
        "seen = {} function walk(name, value) "
        "print(name .. ' ' .. type(value)) "
        "if type(value) == 'table' and not seen[value] then seen[value] = true "
        "for key, item in pairs(value) do walk(name .. '.' .. tostring(key), item) end end end "
        "walk('_G', _G) walk('source', smua.source) walk('buffer', smua.nvbuffer1)"
    )
    return [(line.split(" ")[0], line.split(" ")[1]) for line in target.heard()]


@pytest.mark.parametrize(
    "message",
    [
        b"\x1bLua\x54\x00\x19\x93\r\n\x1a\n" + bytes(40),
        b"\x1bLuaQ\x00\x01\x04\x08\x04\x08\x00" + bytes(64),
        b"loadandrunscript\n\x1bLua\x54\x00\x19\x93\nendscript\n",
        b"loadscript f\n\x1bLuaQ\x00\x01\nendscript\n",
        b"x = '\x00'",
        b"x = '\xff\xfe'",
    ],
)
def test_byte_code_and_bytes_beyond_text_are_refused(target, message):
    target.attack(message)
    assert set(target.errors()) == {-101}
    target.check_intact()


ENDLESS = [
    "while true do end",
    "repeat until false",
    "::again:: goto again",
    "for i = 1, 1e300 do end",
    "local function f() return f() end f()",
    "local function f() f() f() end f()",
    "function f() while true do end end f()",
    "while true do local x = 1 .. 2 end",
    "while true do print() end",
    "while true do smua.source.levelv = 0.1 end",
    "while true do local x = smua.source.levelv end",
    "while true do smua.source.levelv = 'x' end",
    "while true do local t = {} end",
    "for k in function() return 1 end do end",
    "loadandrunscript\nwhile true do end\nendscript",
    "loadscript f\nwhile true do end\nendscript\nf()",
    "loadscript f\nwhile true do end\nendscript\nf.run()",
]


@pytest.mark.parametrize("message", ENDLESS)
def test_an_endless_script_is_stopped(target, message):
    target.attack(message)
    target.device.clear()
    assert target.errors()[-1] in (-286, -350)  # -350 where the script filled the queue with its own errors
    target.check_intact()


@pytest.mark.parametrize(
    "message",
    [
        "while true do smua.measure.i() end",
        "while true do smua.measure.i(smua.nvbuffer1) end",
        "smua.measure.count = 100000 while true do smua.measure.i(smua.nvbuffer1) end",
        "smua.nvbuffer1.appendmode = 1 smua.measure.count = 100000 while true do smua.measure.i(smua.nvbuffer1) end",
        "smua.trigger.count = 100000 while true do smua.trigger.initiate() end",
        "while true do delay(100000) end",
    ],
)
def test_measuring_for_ever_is_stopped(target, message):
    target.attack(message, sandbox.SECONDS + sandbox.MEASURING_SECONDS)
    assert target.errors()[-1] == -286
    target.check_intact()


UNCATCHABLE = [
    "ok = 1 pcall(function() while true do end end) ok = 2",
    "local t = {} t.__gc = function() end while true do end",
    "local x <close> = nil while true do end",
    "error = function() end assert = error while true do end",
    "string.rep = nil print = nil tostring = nil type = nil while true do end",
]


@pytest.mark.parametrize("message", UNCATCHABLE)
def test_a_script_cannot_outlive_its_limit(target, message):
    target.attack(message)
    target.device.clear()
    assert -286 in target.errors()
    assert target.ask("print(ok)") in ("nil", "1.00000e+00")
    target.check_intact()


SLOW_IN_C = [
    "print(string.rep('x', 1e9))",
    "print(string.rep('x', -1e9), ('x'):rep(1e15))",
    "print(('ab'):rep(1e300))",
    "local a = ('a'):rep(65536) for i = 1, 1e9 do a:find(('a'):rep(15) .. 'b') end",
    "local a = ('a'):rep(65536) print(a:find(('a'):rep(32768) .. 'b'))",
    "print(('a'):rep(50):find(('a*'):rep(50) .. 'b'))",
    "print(unpack({}, 1, 1e9))",
    "while true do unpack({}, 1, 250) end",
    "print(table.unpack({}, -1e18, 1e18))",
    "print(table.concat({}, 'x', 1, 1e15))",
    "print(table.concat(smua.nvbuffer1.readings, 'x', 1, 1e15))",
    "local t = {} for i = 1, 1e9 do table.insert(t, 1, i) end",
    "local t = {} for i = 1, 50000 do t[i] = i end while true do table.insert(t, 1, 1) table.remove(t, 1) end",
    "local s = ('x'):rep(65536) while true do local t = s .. s .. s .. s .. s .. s .. s .. s end",
    "local s = 'x' for i = 1, 20 do s = s .. s end while true do local t = s .. 'y' end",
    "local s = 'x' for i = 1, 19 do s = s .. s end while true do s:upper() s:reverse() s:lower() end",
    "local s = 'x' for i = 1, 19 do s = s .. s end while true do local n = tonumber(s, 36) end",
    "local t = {} for i = 1, 20000 do t[i] = {} end local s = ('x'):rep(65536) while true do local q = s .. s end",
    "print(string.format('%99999d', 1))",
    "while true do string.format('%99.99f', 1e308) end",
    "print(string.format(('%s'):rep(128), 1))",
    "while true do string.format('%%' .. ('-'):rep(200) .. 'd', 1) end",
    "local s = ('x'):rep(65536) print(s:byte(1, -1))",
    "local t = {} for i = 1, 3e4 do t[i] = 1 end while true do smua.trigger.source.listv(t) end",
    "local t = {} for i = 1, 2e4 do t[i] = 1 end for i = 1, 2e4 do t[i] = nil end while true do next(t) end",
    "smua.trigger.source.linearv(0, 1, 1e9)",
    "smua.trigger.count = 1e9 smua.trigger.arm.count = 1e9 smua.trigger.initiate()",
    "smua.trigger.count = 140000 smua.trigger.arm.count = 140000 smua.trigger.initiate()",
    "printbuffer(1, 1e7, smua.nvbuffer1)",
    "while true do printbuffer(1, 1, smua.nvbuffer1) end",
    "while true do printnumber(1, 2, 3) end",
    "x = " + "(" * 100_000 + "1" + ")" * 100_000,
    "x = " + "{" * 100_000,
    "x = " + "-" * 100_001 + "1",
    "x = " + "not " * 50_000 + "1",
    "x = {" + "1.5," * 50_000 + "}",
    "x = '" + "a" * 200_000 + "'",
    "a" * 250_000,
    "local " + ",".join(f"v{index}" for index in range(50_000)),
    "do " * 50_000,
    "x = " + "1 .. " * 50_000 + "1",
    "x = " + "2^" * 50_000 + "1",
    "function f(" + ",".join(f"p{index}" for index in range(250)) + ", ...) end f()",
]


@pytest.mark.parametrize("message", SLOW_IN_C, ids=lambda message: message[:40])
def test_nothing_hangs_inside_a_library_function_or_the_parser(target, message):
    target.attack(message)
    target.check_intact()


@pytest.mark.parametrize(
    "call",
    [
        "string.rep('x', 70000)",
        "string.rep('xy', 40000)",
        "unpack({}, 1, 251)",
        "table.unpack({}, 1, 251)",
        "string.byte(('x'):rep(300), 1, -1)",
        "string.find(('x'):rep(60000), ('x'):rep(30))",
        "string.format(('x'):rep(300))",
        "string.char(unpack({}, 1, 250), 1)",
        "printnumber('x')",
    ],
)
def test_the_bounds_of_library_functions_hold_by_themselves(target, call):
    """The script fails and no more: it takes no breach of the memory limit to stop it."""
    target.say("mine = 1")
    target.attack(call)
    assert target.errors() == [-286]
    assert target.ask("print(mine)") == "1.00000e+00"


@pytest.mark.parametrize("pieces", [2, 200])
def test_a_loop_that_measures_within_reason_is_no_attack(target, pieces):
    target.say(f"smua.nvbuffer1.appendmode = 1 for i = 1, {pieces} do smua.measure.i(smua.nvbuffer1) end")
    assert float(target.ask("print(smua.nvbuffer1.n)")) == pieces
    assert target.errors() == []


GREEDY = [
    "local t = {} while true do t[#t + 1] = {} end",
    "t = {} while true do t[#t + 1] = 'x' .. #t end",
    "local s = 'x' while true do s = s .. s end",
    "local function f(n) return 1 + f(n + 1) end f(1)",
    "local f = function() end while true do local g = f f = function() return g end end",
    "local t = {} while true do t[#t + 1] = function() return t end end",
    "for i = 1, 1e9 do _G['v' .. i] = i end",
    "for i = 1, 1e9 do string['v' .. i] = i end",
]


@pytest.mark.parametrize("message", GREEDY)
def test_memory_has_an_end(target, message):
    target.attack(message)
    assert -286 in target.errors()
    target.check_intact()


def test_memory_kept_from_message_to_message_has_an_end_too(target):
    target.say("t = {}")
    for _ in range(60):
        target.attack("for i = 1, 5000 do t[#t + 1] = 'x' .. #t end")
    assert -286 in target.errors()
    target.check_intact()


def test_a_breach_costs_the_attacker_everything_and_the_instrument_nothing(target):
    target.say("loadscript keep\nprint('kept')\nendscript\nmine = 1\nsmua.measure.nplc = 2")
    target.attack("while true do end")
    assert target.errors() == [-286]
    assert target.ask("print(type(keep), type(mine), smua.measure.nplc)") == "nil\tnil\t2.00000e+00"


@pytest.mark.parametrize(
    ("message", "codes"),
    [
        (b"x" * (exchange.LONGEST_LINE + 1) + b"\n", [-363]),
        (b"x" * (3 * exchange.LONGEST_LINE), [-363]),
        (b"loadscript big\n" + b"-- comment\n" * 100_000 + b"endscript\n", [-363]),
    ],
)
def test_what_is_too_long_is_dropped(target, message, codes):
    for start in range(0, len(message), 50_000):
        target.device.receive(message[start : start + 50_000], has_end=False)
        assert len(target.device._input) <= exchange.LONGEST_LINE + 50_000
    target.device.receive(b"\n", has_end=False)
    assert target.errors() == codes
    target.check_intact()


def test_a_script_that_grows_for_ever_is_not_kept(target):
    target.say("loadscript big\n")
    for _ in range(30):
        target.say("-- comment\n" * 4000)
    assert sum(map(len, target.device._script.lines)) <= exchange.LONGEST_SCRIPT
    target.say("endscript\n")
    assert target.errors() == [-363]
    target.check_intact()


def test_a_script_that_never_ends_is_given_up_by_a_device_clear(target):
    target.say("loadscript lost\nprint(1)\n")
    target.say("*IDN?\n")
    assert target.heard() == []
    target.device.clear()
    target.check_intact()


def test_output_that_nobody_reads_has_an_end(target):
    for _ in range(400):
        target.attack("local s = ('x'):rep(65536) print(s)")
    waiting = 0
    while (chunk := target.device.send(1 << 20, has_end=False)) is not None:
        waiting += len(chunk.data)
    assert 0 < waiting <= output.MOST_OUTPUT
    target.device.clear()
    assert -430 in target.errors()
    target.check_intact()


def test_errors_that_nobody_reads_have_an_end(target):
    for _ in range(300):
        target.attack("smua.nothing = 1")
    assert len(target.errors()) == 100
    target.check_intact()


SELF_INFLICTED = [
    "smua = nil",
    "smua = {} smua.source = 1",
    "print = nil string = nil table = nil",
    "string.rep = function() return 'mine' end",
    "function string.format() while true do end end",
    "math.floor = nil _G.error = nil",
    "_G = nil _ENV = {}",
    "for key in pairs(_G) do _G[key] = nil end",
]


@pytest.mark.parametrize("message", SELF_INFLICTED)
def test_who_breaks_his_own_names_breaks_nobody_elses(target, message):
    """Names may be hidden, as on the instrument; what the sandbox itself uses is out of reach."""
    target.attack(message)
    target.say("smua.measure.i()")
    target.attack("while true do end")
    assert target.device._sandbox.memory_bytes <= sandbox.MEMORY_BYTES
    target.check_intact()


@pytest.mark.parametrize(
    "message",
    [
        "smua.source = 1",
        "smua.measure.i = 1",
        "smua.OUTPUT_ON = 0",
        "smua.nvbuffer1.readings[1] = 5",
        "smua[1] = 2",
        "localnode.model = '9999'",
        "localnode.linefreq = 1",
        "smua.source.compliance = 1",
        "smua.nvbuffer1.n = 3",
        "table.insert(smua, 1)",
        "table.insert(smua.source, 1, 2)",
        "table.remove(smua.nvbuffer1.readings, 1)",
        "errorqueue.next = nil",
    ],
)
def test_the_instruments_tables_cannot_be_changed(target, message):
    target.attack(message)
    target.errors()
    assert target.ask("print(localnode.model, type(smua.measure.i), smua.OUTPUT_ON, type(smua.source))") == (
        "2602B\tfunction\t1.00000e+00\ttable"
    )
    target.check_intact()


@pytest.mark.parametrize(
    "message",
    [
        "error({})",
        "error(print)",
        "error(nil)",
        "error()",
        "error('x', 1e300)",
        "error(('x'):rep(65000))",
        "error('line\\nbreak\\ttab')",
        "assert(false, {})",
        "smua.source.levelv = print",
        "smua.source.levelv = {}",
        "smua.source.levelv = {smua}",
        "smua.source.levelv = 0/0",
        "smua.source.levelv = 1/0",
        "smua.source.levelv = smua",
        "smua.measure.i(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)",
        "smua.measure.i({1, 2}, 'x', nil)",
        "printbuffer(smua, smub, 1)",
        "printbuffer(1, 0/0, smua.nvbuffer1)",
        "channel.close('1A01')",
        "print(1 < {}, #5)",
        "local x = 1 // 0",
        "print(math.random(0), math.fmod(1, 0))",
        "print(math.fmod(1, math.tointeger and 0 or 0))",
        "bit.bitand(1.5, {})",
        "string.char(-1)",
        "string.char(1e9)",
        "print(string.format('%d', 1.5), string.format('%q', 1/0))",
        "print(string.format('%s'), string.format('%p', 'x'), string.format('%5p', 1))",
        "*ESE 99999999999999999999",
        "*ESE -1",
        "*RST; *CLS",
        "*",
        "***",
        "*IDN? 5",
        "endscript",
        "loadscript 1x",
    ],
)
def test_wrong_arguments_are_errors_in_the_queue_and_never_exceptions(target, message):
    target.attack(message)
    target.device.clear()
    assert target.errors() != []
    target.check_intact()


@pytest.mark.parametrize(
    "message",
    [
        "smua.nvbuffer1.clear(smua)",
        "print(smua.nvbuffer1[1e300], smua.nvbuffer1[-1], smua.nvbuffer1[0/0], smua.nvbuffer1[1.5])",
        "print(smua[{}], smua[print], smua[0/0])",
        "print(tonumber('0x' .. ('f'):rep(60000)), tonumber('1e99999'), tonumber({}))",
    ],
)
def test_what_is_odd_but_lawful_does_no_harm(target, message):
    target.attack(message)
    target.device.clear()
    target.check_intact()


def test_addresses_in_memory_are_not_told(target):
    told = target.ask(
        "print(tostring(print), tostring({}), string.format('%s', smua), 'x' .. tostring(string), type(smua.nvbuffer1))"
    )
    assert told == "function\ttable\ttable\txtable\ttable"


def test_malformed_messages_by_the_thousand(target):
    """Pieces of lawful messages in random order: no exception, no time beyond the limit, nothing kept."""
    rng = np.random.default_rng(20231204)
    pieces = [
        *(
            "smua",
            "smub",
            ".source",
            ".measure",
            ".levelv",
            ".i(",
            ")",
            "=",
            "1e9",
            "{",
            "}",
            "print(",
            "'",
            '"',
            ",",
            ";",
        ),
        *(
            "if",
            "then",
            "end",
            "for i=1,9 do",
            "while 1 do",
            "function f()",
            "return",
            "..",
            "#",
            "-",
            "0x",
            "nil",
            "\t",
        ),
        *(
            "*IDN?",
            "*ESE",
            "*RST",
            "loadscript",
            "endscript",
            "\n",
            "\x00",
            "\xff",
            "[[",
            "]]",
            "--",
            "(",
            "smua.nvbuffer1",
        ),
        *(
            "printbuffer(1,2,",
            "errorqueue.next()",
            "goto x",
            "::x::",
            "string.rep('x',",
            "unpack(",
            "_G",
            "error(",
            "5",
        ),
    ]
    for _ in range(2000):
        message = "".join(pieces[index] + " " * int(rng.integers(2)) for index in rng.integers(len(pieces), size=8))
        target.attack(message + "\n", sandbox.SECONDS + sandbox.MEASURING_SECONDS)
        target.device.clear()
    assert target.bench.sample.ledger.push_pulses == 0
    assert target.device._sandbox.memory_bytes <= sandbox.MEMORY_BYTES
    assert target.ask("*IDN?").startswith("Keithley")
