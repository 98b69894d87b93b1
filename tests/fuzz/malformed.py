"""Messages that a twin must bear: lawful, awkward, mangled and raw, drawn from a seed."""

import random
import re
from typing import Any

from sim_instruments.scpi_parameter import Block, Boolean, ChannelList, Choice, Integer, QuotedChoice, Real
from sim_instruments.scpi_tree import Command

DEVICES = 64
"""Devices of the simulated sample: blocks are as long, now and then."""
_SHORT = str.maketrans("", "", "abcdefghijklmnopqrstuvwxyz")
_NUMBERS = ("", "", "1", "1", "2", "0", "99999999999")


def _words(text: str) -> list[str]:
    return text.split()


AWKWARD_NUMBERS = _words("""
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
AWKWARD = (*(text.encode("latin-1") for text in (*AWKWARD_NUMBERS, *STRINGS, *LISTS)), *LONG, *BLOCKS)
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


class _Header:
    """A header as manuals write it, taken apart once."""

    def __init__(self, pattern: str) -> None:
        # What stands at odd places may be left out.
        self._parts = re.split(r"\[([^\]]*)\]", pattern)

    def written(self, pick: random.Random) -> bytes:
        """Draw a way to write it."""
        text = "".join(part for place, part in enumerate(self._parts) if place % 2 == 0 or pick.random() < 0.5)
        if "#" in text:
            text = text.replace("#", pick.choice(_NUMBERS))
        if pick.random() < 0.5:
            text = text.translate(_SHORT)
        text = text if text.startswith("*") else pick.choice((":", ":", "")) + text.removeprefix(":")
        return pick.choice((text, text.lower(), text.upper())).encode("ascii")


class Author:
    """Draws messages.

    Args:
        device: the twin whose table of commands is drawn from.
        seed: the same messages each time.
        runaways: part of the lines of Lua that never end by themselves.
    """

    def __init__(self, device: Any, seed: int, *, runaways: float) -> None:
        self.random = random.Random(seed)
        self._commands = [(command, _Header(command.pattern)) for command in _commands(device)]
        self._runaways = runaways

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
        if not self._commands:
            if pick.random() < self._runaways:
                return pick.choice(LUA_RUNAWAY)
            line = pick.choice((*LUA, *COMMON))
            return line.replace(b"%s", pick.choice(AWKWARD))
        if pick.random() < 0.05:
            return pick.choice(COMMON)
        command, written = pick.choice(self._commands)
        header = written.written(pick)
        # An arbitrary waveform takes tens of thousands of numbers: a few are as good.
        given = len(command.parameters) - command.optional + pick.choice((0, 0, 1, 3))
        parameters = [self._parameter(kind) for kind in command.parameters[:given]]
        if pick.random() < 0.1:
            parameters.append(pick.choice(AWKWARD))
        if pick.random() < 0.1:
            parameters = parameters[1:]
        return header + (b" " + b",".join(parameters) if parameters else b"")

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
