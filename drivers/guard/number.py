"""Numbers as instruments take them: digits with an optional unit, and the words that stand for numbers."""

import math
import re
from typing import Final

from drivers.errors import LimitError
from drivers.guard.message import Parameter

_NUMBER: Final = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[Ee][+-]?[0-9]{1,3})?)[ \t]*([A-Za-z]*)")

_UNITS: Final = {
    "V": {"V": 1.0, "UV": 1e-6, "MV": 1e-3, "KV": 1e3, "VPP": 1.0, "MVPP": 1e-3},
    "A": {"A": 1.0, "PA": 1e-12, "NA": 1e-9, "UA": 1e-6, "MA": 1e-3},
    "s": {"S": 1.0, "PS": 1e-12, "NS": 1e-9, "US": 1e-6, "MS": 1e-3, "KS": 1e3},
    "ohm": {"OHM": 1.0, "KOHM": 1e3, "MOHM": 1e6},
    "Hz": {"HZ": 1.0, "KHZ": 1e3, "MHZ": 1e6},
    "": {},
}

INFINITE: Final = ("INF", "INFINITY")
"""What stands for a load or a count without end."""

_ON: Final = {"ON": True, "OFF": False, "1": True, "0": False}


def number(parameter: Parameter, unit: str, what: str) -> float:
    """Return the value that a parameter states, in the SI unit given.

    Raises:
        LimitError: if it is not a plain number with at most a unit of the right kind.
    """
    match = _NUMBER.fullmatch(parameter) if isinstance(parameter, str) else None
    factor = _UNITS[unit].get(match[2].upper(), None if match[2] else 1.0) if match else None
    if match is None or factor is None:
        raise LimitError(f"{what} {_shown(parameter)} is not a number that the guard can check: state it in digits")
    value = float(match[1]) * factor
    if not math.isfinite(value):
        raise LimitError(f"{what} {_shown(parameter)} is not finite")
    return value


def number_or_infinity(parameter: Parameter, unit: str, what: str) -> float:
    """Return the value of a parameter that may also say INFinity."""
    return math.inf if isinstance(parameter, str) and parameter.upper() in INFINITE else number(parameter, unit, what)


def switch(parameter: Parameter, what: str) -> bool:
    """Return what ON, OFF, 1 or 0 says."""
    state = _ON.get(parameter.upper()) if isinstance(parameter, str) else None
    if state is None:
        raise LimitError(f"{what} {_shown(parameter)} is none of ON, OFF, 1, 0")
    return state


def word(parameter: Parameter, choices: tuple[str, ...], what: str) -> str:
    """Return the short form of the choice that a parameter names; choices are written as in manuals (`PULSe`)."""
    given = parameter.upper() if isinstance(parameter, str) else ""
    for choice in choices:
        short = "".join(letter for letter in choice if not letter.islower())
        if given in (short, choice.upper()):
            return short
    raise LimitError(f"{what} {_shown(parameter)} is not allowed: take one of {', '.join(choices)}")


def _shown(parameter: Parameter) -> str:
    return f"block of {len(parameter)} bytes" if isinstance(parameter, memoryview) else repr(parameter)
