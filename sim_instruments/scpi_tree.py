"""The command tree: which command a header names.

A pattern is written as in the manuals: `[:SOURce#]:VOLTage[:LEVel]?`. Capitals are the short form, brackets hold a
node that may be left out, `#` allows a channel number (1 when left out), a final `?` makes it a query.
"""

import itertools
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, final

from numpy.typing import NDArray

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Raw
from sim_instruments.scpi_parameter import Parameter, keyword_forms


@final
@dataclass(frozen=True, slots=True)
class IndefiniteBlock:
    """An answer that travels behind `#0`: it has no length, and nothing of the message may follow it."""

    data: bytes
    """The bytes, in the order in which they travel."""


Reply = str | NDArray | IndefiniteBlock
"""A query's answer: text, an array that travels as a block in its own byte order, or bytes of unknown length."""

_NODE: Final = re.compile(r"(\[)?:?(\*?[A-Za-z][A-Za-z\d]*)(#)?(\])?")


@final
@dataclass(frozen=True, slots=True)
class Command:
    """One command or query of an instrument."""

    pattern: str
    """Its header as the manual writes it."""
    handler: Callable[..., Reply | None]
    """Called with the typed parameters; a query returns its reply."""
    parameters: tuple[Parameter, ...] = ()
    """What it accepts, in order."""
    optional: int = 0
    """How many of the last parameters may be left out."""
    bears_comma: bool = False
    """Whether the comma before a parameter that is left out may stay."""

    def run(self, raw: tuple[Raw, ...]) -> Reply | None:
        """Type the parameters and execute; may move walls."""
        if not raw and not self.parameters:
            return self.handler()
        if raw and isinstance(raw[-1], str) and not raw[-1]:
            if not self.bears_comma:
                raise ScpiError(-102, "a parameter is empty")
            raw = raw[:-1]
        if len(raw) > len(self.parameters):
            raise ScpiError(-108, self.pattern)
        if len(raw) < len(self.parameters) - self.optional:
            raise ScpiError(-109, self.pattern)
        return self.handler(*(kind.parse(value) for kind, value in zip(self.parameters, raw, strict=False)))


@final
@dataclass(slots=True)
class _Node:
    children: dict[str, "_Node"] = field(default_factory=dict)
    takes_number: bool = False
    command: Command | None = None
    query: Command | None = None

    def child(self, keyword: str) -> "_Node | None":
        """Follow one written keyword, with or without a channel number."""
        exact = self.children.get(keyword)
        if exact is not None:
            return exact
        stem = keyword.rstrip("0123456789")
        found = self.children.get(stem)
        if found is None or not found.takes_number:
            return None
        if keyword[len(stem) :] != "1":
            raise ScpiError(-114, keyword)
        return found

    def grow(self, name: str, takes_number: bool) -> "_Node":
        """Return the child of that name, made if need be, under both forms."""
        short, long = keyword_forms(name)
        node = self.children.setdefault(short, _Node())
        if self.children.setdefault(long, node) is not node:
            raise ValueError(f"{name} has the same short form as another keyword of this node")
        node.takes_number |= takes_number
        return node


@final
@dataclass(frozen=True, slots=True)
class Found:
    """The command that a header names."""

    command: Command
    """The command or query."""
    path: tuple[str, ...]
    """Where the next header of the same message is looked up if it has no leading colon."""


@final
class CommandTree:
    """All commands of one single-channel instrument."""

    def __init__(self, commands: Iterable[Command]) -> None:
        self._root = _Node()
        for command in commands:
            self._insert(command)
        self.find: Callable[[tuple[str, ...], str], Found] = lru_cache(maxsize=1024)(self._find)

    def _insert(self, command: Command) -> None:
        is_query = command.pattern.endswith("?")
        nodes = _NODE.findall(command.pattern)
        choices = [((name, number),) if not opened else ((name, number), None) for opened, name, number, _ in nodes]
        for spelling in itertools.product(*choices):
            written = [step for step in spelling if step is not None]
            if not written:
                continue
            node = self._root
            for name, number in written:
                node = node.grow(name, bool(number))
            if (node.query if is_query else node.command) is not None:
                raise ValueError(f"{command.pattern} is in the table twice")
            if is_query:
                node.query = command
            else:
                node.command = command

    def _find(self, path: tuple[str, ...], header: str) -> Found:
        is_query = header.endswith("?")
        name = header.removesuffix("?")
        is_common = name.startswith("*")
        start = () if name.startswith(":") or is_common else path
        keywords = (*start, *name.removeprefix(":").split(":"))
        node: _Node | None = self._root
        for keyword in keywords:
            node = node.child(keyword) if node else None
        command = (node.query if is_query else node.command) if node else None
        if command is None:
            raise ScpiError(-113, header)
        # A common command leaves the path where it was.
        return Found(command, path if is_common else keywords[:-1])
