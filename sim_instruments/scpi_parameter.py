"""What a command accepts: raw parameters in, typed values out, or the error number that the standard gives.

Each kind is a frozen value with one method, `parse`.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Expression, Quoted, Raw

Crosspoint = tuple[int, int, int]
"""Slot, row, column."""

_NUMBER: Final = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))(?:\s*E\s*([+-]?\d{1,6}))?\s*([A-Z]*)")
_RADIX: Final = {
    "#H": (16, re.compile(r"[0-9A-F]{1,13}")),
    "#Q": (8, re.compile(r"[0-7]{1,17}")),
    "#B": (2, re.compile(r"[01]{1,52}")),
}
_EXPONENTS: Final = {
    "EX": 18, "PE": 15, "T": 12, "G": 9, "MA": 6, "K": 3, "": 0,
    "M": -3, "U": -6, "N": -9, "P": -12, "F": -15, "A": -18,
}  # fmt: skip
_MEGA_UNITS: Final = ("OHM", "HZ")  # SCPI reads MOHM and MHZ as mega, every other M as milli


class Parameter(Protocol):
    """Turns one raw parameter into a value."""

    def parse(self, raw: Raw) -> object:
        """Return the value, or raise the `ScpiError` that the instrument reports."""
        ...


def keyword_forms(pattern: str) -> tuple[str, str]:
    """Return the short and the long form of a keyword: `IMMediate` gives `IMM` and `IMMEDIATE`."""
    return "".join(letter for letter in pattern if not letter.islower()), pattern.upper()


def _exponent(suffix: str, unit: str) -> int:
    """Return the power of ten that a suffix stands for."""
    if not suffix:
        return 0
    if not unit:
        raise ScpiError(-138, suffix)
    prefix = suffix.removesuffix(unit)
    if not suffix.endswith(unit) or prefix not in _EXPONENTS:
        raise ScpiError(-131, f"{suffix}, expected {unit}")
    return 6 if prefix == "M" and unit in _MEGA_UNITS else _EXPONENTS[prefix]


def _number(raw: Raw, unit: str) -> float:
    if not isinstance(raw, str):
        raise ScpiError(-104, "expected a number")
    text = raw.upper()
    if text[:2] in _RADIX:
        base, digits = _RADIX[text[:2]]
        if not digits.fullmatch(text[2:]):
            raise ScpiError(-121, raw)
        return float(int(text[2:], base))
    match = _NUMBER.fullmatch(text)
    if match is None:
        raise ScpiError(-121 if text[:1] in "+-.0123456789" else -104, raw)
    # Put together as text, because 100 * 1e-9 is not the number nearest to 100e-9.
    return float(f"{match[1]}E{int(match[2] or 0) + _exponent(match[3], unit)}")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Real:
    """A real number with a unit, or MINimum, MAXimum, DEFault."""

    unit: str = ""
    """Unit accepted as a suffix, upper case; empty accepts none."""
    low: float
    """Smallest value."""
    high: float
    """Largest value."""
    default: float
    """The value after *RST."""
    allows_infinity: bool = False
    """Whether INFinity is a value."""

    def keyword(self, raw: Raw) -> float | None:
        """Return what MIN, MAX, DEF or INF stands for; None for anything else."""
        named = {"MINimum": self.low, "MAXimum": self.high, "DEFault": self.default}
        if self.allows_infinity:
            named["INFinity"] = math.inf
        return next((value for name, value in named.items() if isinstance(raw, str) and _is_keyword(raw, name)), None)

    def parse(self, raw: Raw) -> float:
        """Return the number in its base unit."""
        named = self.keyword(raw)
        if named is not None:
            return named
        value = _number(raw, self.unit)
        # 9.9E37 is how SCPI writes infinity where a number is wanted.
        if self.allows_infinity and value >= 9.9e37:
            return math.inf
        if not self.low <= value <= self.high:
            raise ScpiError(-222, f"{value:g} is not within {self.low:g} to {self.high:g}")
        return value


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Integer:
    """A whole number; digits after the point are rounded, as IEEE 488.2 asks. MINimum and MAXimum are accepted."""

    low: int
    """Smallest value."""
    high: int
    """Largest value."""

    def parse(self, raw: Raw) -> int:
        """Return the number."""
        if isinstance(raw, str):
            # Through a float, a tag above 2**53 would lose its last digits.
            if re.fullmatch(r"\d{1,19}", raw, re.ASCII):
                return self._checked(int(raw))
            if _is_keyword(raw, "MINimum"):
                return self.low
            if _is_keyword(raw, "MAXimum"):
                return self.high
        value = _number(raw, "")
        if not math.isfinite(value):
            raise ScpiError(-222, str(raw))
        return self._checked(round(value))

    def _checked(self, value: int) -> int:
        if not self.low <= value <= self.high:
            raise ScpiError(-222, f"{value} is not within {self.low} to {self.high}")
        return value


@final
@dataclass(frozen=True, slots=True)
class Boolean:
    """ON, OFF or a number that is zero or not."""

    def parse(self, raw: Raw) -> bool:
        """Return the truth value."""
        if isinstance(raw, str) and raw.upper() in ("ON", "OFF"):
            return raw.upper() == "ON"
        return abs(_number(raw, "")) >= 0.5


@final
@dataclass(frozen=True, slots=True)
class Choice:
    """One of several keywords, in short or long form."""

    options: tuple[str, ...]
    """The keywords as in the manuals: `IMMediate`."""

    def parse(self, raw: Raw) -> str:
        """Return the short form."""
        if not isinstance(raw, str):
            raise ScpiError(-104, "expected a keyword")
        for option in self.options:
            if _is_keyword(raw, option):
                return keyword_forms(option)[0]
        raise ScpiError(-224, raw)


@final
@dataclass(frozen=True, slots=True)
class QuotedChoice:
    """One of several strings, between quotes and not case sensitive."""

    options: tuple[str, ...]
    """The strings as in the manuals, keywords in short or long form joined by colons: `CURRent:DC`."""

    def parse(self, raw: Raw) -> str:
        """Return the option's short form."""
        if not isinstance(raw, Quoted):
            raise ScpiError(-104, "expected a string between quotes")
        written = raw.text.upper().split(":")
        for option in self.options:
            nodes = option.split(":")
            if len(nodes) == len(written) and all(map(_is_keyword, written, nodes)):
                return ":".join(keyword_forms(node)[0] for node in nodes)
        raise ScpiError(-224, raw.text)


@final
@dataclass(frozen=True, slots=True)
class Block:
    """An arbitrary block: a view of the message, not a copy."""

    def parse(self, raw: Raw) -> memoryview:
        """Return the bytes of the block."""
        if not isinstance(raw, memoryview):
            raise ScpiError(-161, "expected a block")
        return raw


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelList:
    """A list of crosspoints, `(@1!1!1,1!2!1:1!2!4)`; a range runs along a row, and on along the next of its slot."""

    slots: Sequence[int]
    """Slots that hold a card."""
    rows: int
    """Rows of the card."""
    columns: int
    """Columns of the card."""
    allows_all: bool = False
    """Whether ALL stands for every crosspoint."""

    def parse(self, raw: Raw) -> tuple[Crosspoint, ...]:
        """Return the crosspoints in the order written."""
        if isinstance(raw, str) and self.allows_all and raw.upper() == "ALL":
            sides = (range(1, self.rows + 1), range(1, self.columns + 1))
            return tuple((slot, row, column) for slot in self.slots for row in sides[0] for column in sides[1])
        if not isinstance(raw, Expression) or not raw.text.startswith("@"):
            raise ScpiError(-104, "expected a channel list such as (@1!1!1)")
        return tuple(point for item in raw.text[1:].split(",") for point in self._points(item))

    def _points(self, item: str) -> list[Crosspoint]:
        ends = [self._point(part) for part in item.split(":")]
        first, last = ends[0], ends[-1]
        if len(ends) > 2 or first[0] != last[0] or first > last:
            raise ScpiError(-171, item)
        every = ((first[0], row, column) for row in range(1, self.rows + 1) for column in range(1, self.columns + 1))
        return [point for point in every if first <= point <= last]

    def _point(self, text: str) -> Crosspoint:
        match = re.fullmatch(r"\s*(\d{1,4})\s*!\s*(\d{1,4})\s*!\s*(\d{1,4})\s*", text)
        if match is None:
            raise ScpiError(-171, text)
        slot, row, column = (int(number) for number in match.groups())
        if slot not in self.slots or not 1 <= row <= self.rows or not 1 <= column <= self.columns:
            raise ScpiError(-222, f"no crosspoint {slot}!{row}!{column}")
        return slot, row, column


def _is_keyword(written: str, pattern: str) -> bool:
    return written.upper() in keyword_forms(pattern)
