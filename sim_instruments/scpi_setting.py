"""Settings: the pairs of command and query that make up most of an instrument."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Raw
from sim_instruments.scpi_parameter import Boolean, Parameter, Real
from sim_instruments.scpi_tree import Command

Pair = tuple[Command, Command]
"""The command that sets a value and the query that shows it."""


def show_real(value: float) -> str:
    """Return a number as instruments write it; infinity is 9.9E+37."""
    return f"{math.copysign(9.9e37, value):.1E}" if math.isinf(value) else f"{value:.9E}"


def show_bool(value: bool) -> str:
    """Return 1 or 0."""
    return str(int(value))


def setting(pattern: str, kind: Parameter, read: Callable[[], str], write: Callable[..., None]) -> Pair:
    """Return the pair for anything that is shown as text."""
    return Command(pattern, write, (kind,)), Command(f"{pattern}?", read)


def switch_setting(pattern: str, read: Callable[[], bool], write: Callable[[bool], None]) -> Pair:
    """Return the pair for something that is on or off."""
    return setting(pattern, Boolean(), lambda: show_bool(read()), write)


def real_setting(
    pattern: str,
    kind: Real,
    read: Callable[[], float],
    write: Callable[[float], None],
    *,
    show: Callable[[float], str] = show_real,
) -> Pair:
    """Return the pair for a real number; the query also takes MIN, MAX and DEF, and answers as `show` writes."""

    def answer(extreme: float | None = None) -> str:
        return show(read() if extreme is None else extreme)

    return Command(pattern, write, (kind,)), Command(f"{pattern}?", answer, (_Extreme(kind),), optional=1)


@final
@dataclass(frozen=True, slots=True)
class _Extreme:
    """MIN, MAX or DEF of a real number."""

    kind: Real

    def parse(self, raw: Raw) -> float:
        value = self.kind.keyword(raw)
        if value is None:
            raise ScpiError(-224, str(raw))
        return value
