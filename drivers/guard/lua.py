"""TSP messages as the guard reads them: assignments and calls, whose arguments are expressions. Nothing else of Lua.

No variables, no functions, no loops: what a level will be must be readable from the message alone.
"""

import re
from dataclasses import dataclass
from typing import Final

from drivers.errors import LimitError
from drivers.guard.message import printable

_TOKEN: Final = re.compile(
    r"[ \t\r\n]*(?:"
    r"(?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))"
    r"|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<string>\"[^\"\\\n]*\"|'[^'\\\n]*')"
    r"|(?P<sign>\.\.|[=~<>]=|[-+*/^<>=(){}\[\],;.])"
    r")"
)
_KEYWORDS: Final = frozenset(
    [
        "and",
        "break",
        "do",
        "else",
        "elseif",
        "end",
        "false",
        "for",
        "function",
        "if",
        "in",
        "local",
        "nil",
        "not",
        "or",
        "repeat",
        "return",
        "then",
        "true",
        "until",
        "while",
    ]
)
_BINARY: Final = frozenset(("+", "-", "*", "/", "^", "..", "==", "~=", "<", ">", "<=", ">="))
_DEEPEST: Final = 20


@dataclass(frozen=True, slots=True)
class Path:
    """A name with its attributes: `smua.source.levelv`; an index shows as `[]`."""

    text: str
    """As a rule names it."""


@dataclass(frozen=True, slots=True)
class Call:
    """A function called."""

    function: Path
    """Which."""
    arguments: tuple["Expression", ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class Row:
    """A table written out."""

    items: tuple["Expression", ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class Sum:
    """An expression of several operands, whose value the guard does not work out."""

    operands: tuple["Expression", ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    text: str
    """Without its quotes."""


Expression = float | bool | Text | Path | Call | Row | Sum | None


@dataclass(frozen=True, slots=True)
class Assignment:
    """A setting changed."""

    target: Path
    """Which."""
    value: Expression
    """To what."""


Statement = Assignment | Call


def statements(text: str) -> tuple[Statement, ...]:
    """Return the statements of a message.

    Raises:
        LimitError: if it holds anything but assignments and calls.
    """
    return _Parser(text).statements()


class _Parser:
    """A position among the tokens of one message."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens: list[tuple[str, str]] = []
        position = 0
        while text[position:].strip(" \t\r\n"):
            match = _TOKEN.match(text, position)
            if match is None or match.lastgroup is None:
                raise self._refused(f"{printable(text[position:])!r} cannot be read")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            position = match.end()
            if self._tokens[-1] == ("sign", "-") and text[position : position + 1] == "-":
                # A comment would hide what follows it from the instrument and not from the guard.
                raise self._refused("a comment is not sent")
        self._position = 0

    def statements(self) -> tuple[Statement, ...]:
        found: list[Statement] = []
        while self._position < len(self._tokens):
            if self._takes(";"):
                continue
            found.append(self._statement())
        return tuple(found)

    def _statement(self) -> Statement:
        path = self._path()
        if self._takes("="):
            return Assignment(path, self._expression(0))
        if self._starts_arguments():
            return self._call(path, 0)
        raise self._refused(f"{path.text} is neither an assignment nor a call")

    def _path(self) -> Path:
        kind, name = self._next()
        if kind != "name" or name in _KEYWORDS:
            raise self._refused(f"{name or 'the end'!r} is not the name of a setting or a function")
        self._position += 1
        parts = [name]
        while True:
            if self._takes("."):
                kind, name = self._next()
                if kind != "name":
                    raise self._refused("an attribute has no name")
                self._position += 1
                parts.append(f".{name}")
            elif self._next() == ("sign", "["):
                self._position += 1
                if self._next()[0] != "number":
                    raise self._refused("an index must be a number")
                self._position += 1
                self._needs("]")
                parts.append("[]")
            else:
                return Path("".join(parts))

    def _call(self, path: Path, depth: int) -> Call:
        kind, sign = self._next()
        if kind == "string":
            self._position += 1
            return Call(path, (Text(sign[1:-1]),))
        if sign == "{":
            return Call(path, (self._row(depth),))
        self._needs("(")
        arguments: list[Expression] = []
        if not self._takes(")"):
            arguments.append(self._expression(depth + 1))
            while self._takes(","):
                arguments.append(self._expression(depth + 1))
            self._needs(")")
        return Call(path, tuple(arguments))

    def _row(self, depth: int) -> Row:
        self._needs("{")
        items: list[Expression] = []
        while not self._takes("}"):
            items.append(self._expression(depth + 1))
            if not (self._takes(",") or self._takes(";")):
                self._needs("}")
                break
        return Row(tuple(items))

    def _expression(self, depth: int) -> Expression:
        if depth > _DEEPEST:
            raise self._refused("it is nested too deep")
        operands = [self._operand(depth)]
        while self._next()[0] == "sign" and self._next()[1] in _BINARY:
            self._position += 1
            operands.append(self._operand(depth))
        return operands[0] if len(operands) == 1 else Sum(tuple(operands))

    def _operand(self, depth: int) -> Expression:
        kind, sign = self._next()
        if sign == "-" and kind == "sign":
            self._position += 1
            value = self._operand(depth + 1)
            return -value if isinstance(value, float) else Sum((value,))
        if kind == "number":
            self._position += 1
            return float(sign)
        if kind == "string":
            self._position += 1
            return Text(sign[1:-1])
        if sign == "{":
            return self._row(depth)
        if self._takes("("):
            value = self._expression(depth + 1)
            self._needs(")")
            return value
        if sign in ("true", "false", "nil"):
            self._position += 1
            return {"true": True, "false": False, "nil": None}[sign]
        path = self._path()
        return self._call(path, depth) if self._starts_arguments() else path

    def _starts_arguments(self) -> bool:
        kind, sign = self._next()
        return kind == "string" or (kind == "sign" and sign in ("(", "{"))

    def _next(self) -> tuple[str, str]:
        return self._tokens[self._position] if self._position < len(self._tokens) else ("", "")

    def _takes(self, sign: str) -> bool:
        if self._next() == ("sign", sign):
            self._position += 1
            return True
        return False

    def _needs(self, sign: str) -> None:
        if not self._takes(sign):
            raise self._refused(f"expected {sign!r}")

    def _refused(self, what: str) -> LimitError:
        return LimitError(f"{what}: the guard lets through assignments and calls only, with numbers written out")
