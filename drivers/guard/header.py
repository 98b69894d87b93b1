"""Which rule a header names: short and long forms, optional nodes, channel numbers, paths within a message.

A pattern is written as in the manuals: `[:SOURce#]:VOLTage#[:LEVel]`. Capitals are the short form, brackets hold a node
that may be left out, `#` stands for an optional number. `**` at the end takes whatever follows.
"""

import itertools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar, final

from drivers.errors import LimitError

R = TypeVar("R")

_NODE: Final = re.compile(r"(\[)?:?(\*\*|\*?[A-Za-z]+[0-9]*)(#)?(\])?")
_KEYWORD: Final = re.compile(r"(\*?[A-Z_]+(?:[0-9]+[A-Z_]+)*)(0|[1-9][0-9]*)?")

# fmt: off
SUSPICIOUS: Final = (
    "VOLT", "CURR", "POW", "LEV", "AMPL", "OFFS", "HIGH", "LOW", "WIDT", "PER", "FREQ", "COUN", "NCYC", "LIST", "SWE",
    "DATA", "PATT", "PULS", "PROT", "LIM", "ILIM", "VLIM", "TRIG", "ARM", "INIT", "OUTP", "FUNC", "BURS", "DIG", "APPL",
    "MEM", "MMEM", "PRES", "DCYC", "HOLD", "MODE", "CMOD", "BCO", "STAT", "LOAD", "POL", "SOUR", "CLOS", "OPEN",
    "SCAN", "PCO", "OCO", "SPER", "CONT", "ROUT", "AM", "FM", "PM", "FSK", "PWM", "BPSK", "SUM", "COMB", "COUP",
    "TRAC", "TRAN", "DEL", "WAV", "SEQ", "CAL", "DIAG", "SERV", "EXEC", "RUN", "MACR", "SCR", "LANG", "PROG", "RCL",
)
# fmt: on
"""Beginnings of keywords that may touch a level, a time, a count, a trigger, an output or a waveform."""

HARMLESS_COMMON: Final = ("*CLS", "*ESE", "*SRE", "*OPC", "*WAI", "*PSC", "*SAV")
"""Common commands that change no setting of a source."""


@dataclass(frozen=True, slots=True)
class Match(Generic[R]):
    """The rule that a header names."""

    rule: R
    """The rule."""
    numbers: tuple[int, ...]
    """The numbers after its keywords, 1 where none is written, in the order of the pattern's `#`."""
    path: tuple[str, ...]
    """Where the next header of the message is looked up if it has no leading colon."""


@dataclass(slots=True)
class _Node(Generic[R]):
    children: dict[str, "_Node[R]"] = field(default_factory=dict)
    takes_number: bool = False
    rule: R | None = None
    rest: R | None = None


@final
class Table(Generic[R]):
    """Rules by their headers."""

    def __init__(self, rules: Iterable[tuple[str, R]]) -> None:
        self._root: _Node[R] = _Node()
        for pattern, rule in rules:
            self._insert(pattern, rule)

    def find(self, header: str, path: tuple[str, ...]) -> Match[R] | None:
        """Return the rule that a header names, without its `?`; None if there is none.

        Raises:
            LimitError: if a relative header could be read from the path and from the root alike.
        """
        keywords = tuple(header.removeprefix(":").split(":"))
        if header.startswith("*"):
            found = self._follow(keywords)
            return None if found is None else Match(*found, path)
        if header.startswith(":") or not path:
            found = self._follow(keywords)
            return None if found is None else Match(*found, keywords[:-1])
        below, above = self._follow(path + keywords), self._follow(keywords)
        if below is not None and above is not None:
            raise LimitError(f"{header} has two meanings after {':'.join(path)}: start it with a colon")
        if below is not None:
            return Match(*below, (*path, *keywords[:-1]))
        return None if above is None else Match(*above, keywords[:-1])

    def _follow(self, keywords: tuple[str, ...]) -> tuple[R, tuple[int, ...]] | None:
        node, numbers, rest = self._root, [], None
        for keyword in keywords:
            if node.rest is not None:
                rest = (node.rest, tuple(numbers))
            child = node.children.get(keyword)
            if child is None:
                match = _KEYWORD.fullmatch(keyword)
                child = node.children.get(match[1]) if match and match[2] else None
                if child is None or not child.takes_number or match is None:
                    return rest
                numbers.append(int(match[2]))
            elif child.takes_number:
                numbers.append(1)
            node = child
        if node.rule is not None:
            return node.rule, tuple(numbers)
        return (node.rest, tuple(numbers)) if node.rest is not None else rest

    def _insert(self, pattern: str, rule: R) -> None:
        nodes = _NODE.findall(pattern)
        choices = [((name, number),) if not opened else ((name, number), None) for opened, name, number, _ in nodes]
        for spelling in itertools.product(*choices):
            node = self._root
            written = [step for step in spelling if step is not None]
            is_open = bool(written) and written[-1][0] == "**"
            for name, number in written[:-1] if is_open else written:
                node = _grown(node, name, bool(number))
            if node is self._root:
                continue
            if is_open:
                node.rest = rule
            elif node.rule is not None:
                raise ValueError(f"{pattern} is in the table twice")
            else:
                node.rule = rule


def looks_dangerous(header: str, path: tuple[str, ...] = ()) -> bool:
    """Return whether any keyword of a header, or of the path it may hang on, could touch what limits are about."""
    if header.startswith("*"):
        return header not in HARMLESS_COMMON
    return any(keyword.startswith(SUSPICIOUS) for keyword in (*path, *header.split(":")))


def _grown(node: _Node[R], name: str, takes_number: bool) -> _Node[R]:
    short, long = "".join(letter for letter in name if not letter.islower()), name.upper()
    child = node.children.setdefault(short, _Node())
    if node.children.setdefault(long, child) is not child:
        raise ValueError(f"{name} has the same short form as another keyword of this node")
    child.takes_number |= takes_number
    return child
