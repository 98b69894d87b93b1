"""Program messages as the guard reads them: strictly, so that nothing is sent that could be read in two ways.

Blocks are taken by their length and never looked into or copied here.
"""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import LimitError

_SPACE: Final = re.compile(rb"[ \t\r]*")
_HEADER: Final = re.compile(rb"(?::?\*[A-Za-z]{1,12}|:?[A-Za-z][A-Za-z0-9_]*(?::[A-Za-z][A-Za-z0-9_]*)*)\??")
_QUOTED: Final = re.compile(rb"\"(?:[^\"\n]|\"\")*\"|'(?:[^'\n]|'')*'")
_EXPRESSION: Final = re.compile(rb"\([^()\n\"']*\)")
_PLAIN: Final = re.compile(rb"[^;,\n\"'()#]+")
_NONDECIMAL: Final = re.compile(rb"#[HhQqBb][0-9A-Fa-f]+")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\xff]")

SHOWN: Final = 80
"""Characters of a message that are shown to a person."""


@dataclass(frozen=True, slots=True)
class Quoted:
    """String data, without its quotes."""

    text: str
    """What stood between them."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Expression data, such as a channel list, without its parentheses."""

    text: str
    """What stood between them."""


Parameter = str | Quoted | Expression | memoryview
"""A word or number, a string, an expression, or the contents of a block."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One command or query."""

    header: str
    """As written, upper case, with its `?` if it is a query."""
    parameters: tuple[Parameter, ...]
    """In order."""

    @property
    def is_query(self) -> bool:
        """Return whether it asks."""
        return self.header.endswith("?")


def printable(data: bytes | bytearray | memoryview | str) -> str:
    """Return the beginning of a message with control characters escaped, for a person to read."""
    text = data if isinstance(data, str) else bytes(data[: SHOWN + 1]).decode("latin-1")
    shown = text[:SHOWN].rstrip("\r\n").encode("unicode_escape").decode("ascii")
    return shown if len(data) <= SHOWN else f"{shown}... ({len(data)} bytes)"


def lines(data: bytes | bytearray | memoryview) -> tuple[tuple[Unit, ...], ...]:
    """Return the program messages in `data`, each as its units; an empty one is left out.

    Raises:
        LimitError: if anything in it cannot be read: the guard sends only what it understands.
    """
    reader = _Reader(data if isinstance(data, bytes) else bytes(data))
    found = []
    while not reader.at_end:
        if units := reader.line():
            found.append(units)
    return tuple(found)


class _Reader:
    """A position in one message."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._position = 0

    @property
    def at_end(self) -> bool:
        return self._position >= len(self._data)

    def line(self) -> tuple[Unit, ...]:
        units: list[Unit] = []
        while True:
            self._take(_SPACE)
            match self._next():
                case b"":
                    return tuple(units)
                case b"\n":
                    self._position += 1
                    return tuple(units)
                case b";":
                    self._position += 1
                case _:
                    units.append(self._unit())

    def _unit(self) -> Unit:
        header = self._take(_HEADER)
        if header is None:
            raise self._refused("no command can be read")
        if self._next() not in (b"", b"\n", b";", b" ", b"\t", b"\r"):
            raise self._refused("the command's name does not end")
        parameters: list[Parameter] = []
        self._take(_SPACE)
        if not self._at_unit_end:
            parameters.append(self._parameter())
            while self._next() == b",":
                self._position += 1
                parameters.append(self._parameter())
            if not self._at_unit_end:
                raise self._refused("expected a comma or a semicolon")
        # Some programs write a colon before a common command, and instruments bear it.
        name = header.decode("ascii").upper()
        return Unit(name.removeprefix(":") if name.startswith(":*") else name, tuple(parameters))

    def _parameter(self) -> Parameter:
        self._take(_SPACE)
        match self._next():
            case b"#":
                value = self._sharp()
            case b'"' | b"'":
                token = self._take(_QUOTED)
                if token is None:
                    raise self._refused("a string does not end")
                value = Quoted(_text(token[1:-1].replace(token[:1] * 2, token[:1])))
            case b"(":
                token = self._take(_EXPRESSION)
                if token is None:
                    raise self._refused("an expression does not end")
                value = Expression(_text(token[1:-1]))
            case _:
                token = self._take(_PLAIN)
                if token is None or not token.strip():
                    raise self._refused("a parameter is empty")
                value = _text(token).strip()
        self._take(_SPACE)
        return value

    def _sharp(self) -> Parameter:
        token = self._take(_NONDECIMAL)
        if token is not None:
            return _text(token)
        digits = self._data[self._position + 1 : self._position + 2]
        if not digits.isdigit() or digits == b"0":
            raise self._refused("a block has no length")
        start = self._position + 2 + int(digits)
        length = self._data[self._position + 2 : start]
        if len(length) != int(digits) or not length.isdigit() or not length.isascii():
            raise self._refused("a block has no length")
        stop = start + int(length)
        if stop > len(self._data):
            raise self._refused(f"a block of {int(length)} bytes is cut short")
        self._position = stop
        return memoryview(self._data)[start:stop]

    @property
    def _at_unit_end(self) -> bool:
        return self._next() in (b"", b"\n", b";")

    def _next(self) -> bytes:
        return self._data[self._position : self._position + 1]

    def _take(self, pattern: re.Pattern[bytes]) -> bytes | None:
        match = pattern.match(self._data, self._position)
        if match is None:
            return None
        self._position = match.end()
        return match.group()

    def _refused(self, what: str) -> LimitError:
        return LimitError(
            f"{what} at byte {self._position} of {printable(self._data)!r}: the guard sends only what it can read"
        )


def _text(token: bytes) -> str:
    text = token.decode("latin-1")
    if _CONTROL.search(text.replace("\r", "")):
        raise LimitError(f"{printable(text)!r} holds control characters: the guard sends printable ASCII only")
    return text
