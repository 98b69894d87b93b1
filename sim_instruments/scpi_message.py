"""Program messages: bytes in, headers and raw parameters out.

The scanner jumps from delimiter to delimiter with compiled patterns and takes a block by its length: it never looks
at the bytes inside, which may be anything, and never copies them.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, final

from sim_instruments.scpi_error import ScpiError

_SPACE: Final = re.compile(rb"[\x00-\x09\x0b-\x20]*")
_FILLER: Final = re.compile(rb"[\x00-\x09\x0b-\x20;]*")
# A colon before a common command is none of the standard's, but drivers send it and instruments bear it.
_HEADER: Final = re.compile(rb"(?::?\*[A-Za-z]+|:?[A-Za-z]\w*(?::[A-Za-z]\w*)*)\??(?=[\x00-\x20;]|$)")
_QUOTED: Final = re.compile(rb"\"(?:[^\"\n]|\"\")*\"|'(?:[^'\n]|'')*'")
_EXPRESSION: Final = re.compile(rb"\([^()\n]*\)")
_PLAIN: Final = re.compile(rb"#?[^;,\n\"'()#]+")
_LF: Final = b"\n"
_REMEMBERED_BYTES: Final = 256


@dataclass(frozen=True, slots=True)
class Quoted:
    """String data: what stood between the quotes."""

    text: str
    """The string, doubled quotes undone."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Expression data: what stood between the parentheses."""

    text: str
    """The expression without its parentheses."""


Raw = str | Quoted | Expression | memoryview
"""One parameter before it has a type: character or number data, a string, an expression or the contents of a block."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One command or query."""

    header: str
    """The header as written, upper case, with its `?` if it is a query."""
    parameters: tuple[Raw, ...]
    """The parameters in order."""


@dataclass(frozen=True, slots=True)
class Message:
    """One program message, as far as it could be read."""

    units: tuple[Unit, ...]
    """What came before the fault, or everything."""
    fault: ScpiError | None
    """Why reading stopped early."""
    is_complete: bool
    """Whether a newline outside strings and blocks ended it; more bytes may follow if not."""
    stop: int
    """Where the next message starts."""
    wanted: int = 0
    """Length the buffer must reach before an incomplete message is worth another look."""


@final
class _Scanner:
    """A position in one buffer."""

    def __init__(self, buffer: bytes | bytearray, start: int) -> None:
        self.buffer = buffer
        self.position = start
        self.is_cut_short = False
        self.wanted = 0

    def at_end(self) -> bool:
        return self.position >= len(self.buffer)

    def peek(self) -> bytes:
        return bytes(self.buffer[self.position : self.position + 1])

    def take(self, pattern: re.Pattern[bytes]) -> bytes | None:
        match = pattern.match(self.buffer, self.position)
        if match is None:
            return None
        self.position = match.end()
        return bytes(match.group())

    def unit(self) -> Unit:
        header = self.take(_HEADER)
        if header is None:
            raise ScpiError(-102, "cannot read the header")
        self.take(_SPACE)
        parameters = [] if self._at_unit_end() else [self._parameter()]
        while not self._at_unit_end():
            if self.peek() != b",":
                raise ScpiError(-103, "expected a comma or a semicolon")
            self.position += 1
            self.take(_SPACE)
            # What nothing after a comma means is for the command to say.
            parameters.append("" if self._at_unit_end() else self._parameter())
        written = header.removeprefix(b":") if header.startswith(b":*") else header
        return Unit(written.decode("ascii").upper(), tuple(parameters))

    def _at_unit_end(self) -> bool:
        return self.peek() in (b"", b";", _LF)

    def _parameter(self) -> Raw:
        self.take(_SPACE)
        first = self.peek()
        if first == b"#" and self.buffer[self.position + 1 : self.position + 2].isdigit():
            value: Raw = self._block()
        elif first in (b'"', b"'"):
            value = self._quoted(first)
        elif first == b"(":
            value = self._expression()
        else:
            value = self._plain()
        self.take(_SPACE)
        return value

    def _quoted(self, quote: bytes) -> Quoted:
        token = self.take(_QUOTED)
        if token is None:
            raise ScpiError(-151, "the string does not end")
        return Quoted(token[1:-1].replace(quote * 2, quote).decode("latin-1"))

    def _expression(self) -> Expression:
        token = self.take(_EXPRESSION)
        if token is None:
            raise ScpiError(-171, "the expression does not end")
        return Expression(token[1:-1].decode("latin-1"))

    def _plain(self) -> str:
        token = self.take(_PLAIN)
        if token is None:
            raise ScpiError(-102, "a parameter is empty")
        return token.decode("latin-1").strip()

    def _block(self) -> memoryview:
        digits = int(self.buffer[self.position + 1 : self.position + 2])
        data = self.position + 2 + digits
        if digits == 0:
            stop = len(self.buffer) - self.buffer.endswith(_LF)
        else:
            length = self.buffer[self.position + 2 : data]
            if not length.isdigit():
                raise ScpiError(-161, "the block header has no length")
            stop = data + int(length)
        if stop > len(self.buffer):
            self.is_cut_short = True
            self.wanted = stop
            raise ScpiError(-161, f"the block announces {stop - data} bytes and {len(self.buffer) - data} came")
        self.position = stop
        return memoryview(self.buffer)[data:stop]


def read_message(buffer: bytes | bytearray, start: int = 0) -> Message:
    """Read one program message: up to a newline, the end of the buffer, or the first thing that cannot be read."""
    if start == 0 and len(buffer) <= _REMEMBERED_BYTES and b"#" not in buffer:
        return _read_short(bytes(buffer))
    return _read(buffer, start)


@lru_cache(maxsize=1024)
def _read_short(buffer: bytes) -> Message:
    """Read a message without blocks, which programs repeat."""
    return _read(buffer, 0)


def _read(buffer: bytes | bytearray, start: int) -> Message:
    scanner = _Scanner(buffer, start)
    units: list[Unit] = []
    fault = None
    scanner.take(_FILLER)
    while not scanner.at_end() and scanner.peek() != _LF:
        try:
            units.append(scanner.unit())
        except ScpiError as error:
            # Its traceback would hold this frame, and with it views of the buffer, in a cycle.
            fault = error.with_traceback(None)
            break
        scanner.take(_FILLER)
    newline = buffer.find(_LF, scanner.position)
    is_complete = newline >= 0 and not scanner.is_cut_short
    stop = newline + 1 if is_complete else len(buffer)
    return Message(tuple(units), fault, is_complete, stop, scanner.wanted)
