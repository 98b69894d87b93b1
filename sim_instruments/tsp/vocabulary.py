"""What one TSP model adds to Lua: attributes to read and write, functions, constants, and lists to index."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, final

from sim_instruments.scpi_error import ScpiError

OUT_OF_RANGE: Final = -222
"""Parameter data out of range."""


@dataclass(frozen=True, slots=True)
class Node:
    """A table of the instrument, given as an argument: `smua.nvbuffer1`."""

    path: str
    """Its name."""


Value = float | str | bool | None
"""What an attribute holds and a function returns."""

Argument = float | str | bool | Node | tuple[float, ...] | None
"""What a message may give to a function."""

Result = Value | tuple[Value, ...]
"""What a function returns: a tuple for several values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """A value that messages read, and perhaps write."""

    get: Callable[[], Value]
    """Returns it."""
    set: Callable[[Argument], None] | None = None
    """Takes a new one or raises `ScpiError`; None for an attribute that is read only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """Names by their full paths: `smua.source.levelv`."""

    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    functions: Mapping[str, Callable[..., Result]] = field(default_factory=dict)
    """A function gets as many arguments as the message gives; it raises `ScpiError` to refuse."""
    constants: Mapping[str, float] = field(default_factory=dict)
    elements: Mapping[str, Callable[[int], Value]] = field(default_factory=dict)
    """Tables that a message indexes by numbers from 1."""

    def joined(self, other: "Vocabulary") -> "Vocabulary":
        """Return the names of both."""
        return Vocabulary(
            attributes={**self.attributes, **other.attributes},
            functions={**self.functions, **other.functions},
            constants={**self.constants, **other.constants},
            elements={**self.elements, **other.elements},
        )


def number(value: Argument) -> float:
    """Return an argument that must be a finite number; raise -104 for anything else.

    Lua takes text that reads as a number for one, and so does the instrument.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            raise ScpiError(-104, "a number is wanted") from None
    if isinstance(value, bool) or not isinstance(value, float | int) or not -1e300 < value < 1e300:
        raise ScpiError(-104, "a number is wanted")
    return float(value)


def number_within(value: Argument, low: float, high: float) -> float:
    """Return an argument that must be a number from `low` to `high`; raise -222 for one outside."""
    found = number(value)
    if not low <= found <= high:
        raise ScpiError(OUT_OF_RANGE, text="Parameter data out of range")
    return found


def one_of(value: Argument, choices: tuple[float, ...]) -> float:
    """Return an argument that must be one of these numbers; true and false stand for 1 and 0."""
    found = float(value) if isinstance(value, bool) else number(value)
    if found not in choices:
        raise ScpiError(OUT_OF_RANGE, text="Parameter data out of range")
    return found


def text(value: Argument) -> str:
    """Return an argument that must be a string."""
    if not isinstance(value, str):
        raise ScpiError(-104, "a string is wanted")
    return value


@final
class Settings:
    """Numbers with a default and a rule each, as the attributes of an instrument."""

    def __init__(self, rules: Mapping[str, tuple[float, Callable[[Argument], float]]]) -> None:
        """Make the settings: for each name its default and what checks a new value or raises `ScpiError`."""
        self._rules = rules
        self._values = {name: default for name, (default, _) in rules.items()}

    def __getitem__(self, name: str) -> float:
        """Return a setting."""
        return self._values[name]

    def __setitem__(self, name: str, value: float) -> None:
        """Set a value that the instrument chose itself."""
        self._values[name] = value

    def reset(self) -> None:
        """Return every setting to its default."""
        self._values = {name: default for name, (default, _) in self._rules.items()}

    def attributes(self, prefix: str = "") -> dict[str, Attribute]:
        """Return an attribute for each setting."""
        return {prefix + name: self._attribute(name) for name in self._rules}

    def change(self, name: str, value: Argument) -> None:
        """Set what a message gives; raise `ScpiError` if the rule refuses it."""
        self._values[name] = self._rules[name][1](value)

    def _attribute(self, name: str) -> Attribute:
        return Attribute(get=lambda: self._values[name], set=lambda value: self.change(name, value))


def within(low: float, high: float) -> Callable[[Argument], float]:
    """Return the rule for numbers from `low` to `high`."""
    return lambda value: number_within(value, low, high)


def among(*choices: float) -> Callable[[Argument], float]:
    """Return the rule for one of these numbers."""
    return lambda value: one_of(value, choices)
