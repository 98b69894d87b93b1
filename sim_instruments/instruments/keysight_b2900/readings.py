"""What a Keysight B2900 keeps of its measurements, and how it writes them: elements, ASCII or IEEE 754 blocks."""

from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_tree import Command, Reply

Table = NDArray[np.float64]
"""Readings, one row each, with a column for each of `ELEMENTS`; not-a-number is no data, infinity an overflow."""

ELEMENTS: Final = ("VOLT", "CURR", "RES", "TIME", "STAT", "SOUR")
"""Columns, in the order in which the instrument always sends them."""

NO_READINGS: Final[Table] = np.empty((0, len(ELEMENTS)))
"""A table without rows."""

CURRENT_SOURCED: Final = 1
"""Status bit 0: the channel was a current source."""
IN_COMPLIANCE: Final = 2
"""Status bits 1 and 2: the compliance held the output."""
OVERFLOWED: Final = 8192
"""Status bit 13: a reading lay beyond its range."""

_NOT_A_NUMBER = 9.91e37
_INFINITY = 9.9e37

_NAMES = ("VOLTage", "CURRent", "RESistance", "TIME", "STATus", "SOURce")


def columns(*elements: str) -> list[int]:
    """Return the columns of these elements, in the instrument's order."""
    return [ELEMENTS.index(element) for element in ELEMENTS if element in elements]


def side_by_side(tables: list[Table]) -> Table:
    """Return the rows of several channels joined; a channel with fewer rows is filled up with not-a-number."""
    rows = max(len(table) for table in tables)
    if rows == 0:
        return np.full((1, 1), np.nan)
    filled = [np.pad(table, ((0, rows - len(table)), (0, 0)), constant_values=np.nan) for table in tables]
    return np.hstack(filled)


@final
class OutputFormat:
    """`:FORMat`: which elements are sent, and as what."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Text, and every element."""
        self._bits = 0
        self._is_swapped = False
        self._elements = ELEMENTS

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the subsystem."""
        kinds = (Choice(("ASCii", "REAL")), Integer(low=1, high=1024))
        return (
            Command(":FORMat[:DATA]", self._set_data, kinds, optional=1),
            Command(":FORMat[:DATA]?", lambda: f"REAL,{self._bits}" if self._bits else "ASC"),
            *setting(
                ":FORMat:BORDer",
                Choice(("NORMal", "SWAPped")),
                lambda: "SWAP" if self._is_swapped else "NORM",
                self._set_order,
            ),
            Command(":FORMat:ELEMents:SENSe", self._set_elements, (Choice(_NAMES),) * 6, optional=5),
            Command(":FORMat:ELEMents:SENSe?", lambda: ",".join(self._elements)),
        )

    @property
    def chosen(self) -> list[int]:
        """Return the columns that are sent when none are asked for by name."""
        return columns(*self._elements)

    def encode(self, values: Table) -> Reply:
        """Return numbers as the instrument sends them, row by row."""
        flat = values.reshape(-1)
        if not self._bits:
            numbers = np.nan_to_num(flat, nan=_NOT_A_NUMBER, posinf=_INFINITY, neginf=-_INFINITY).tolist()
            # One format for all: a hundred thousand readings are half a million numbers.
            return ",".join(["%+.6E"] * len(numbers)) % tuple(numbers)
        order = "<" if self._is_swapped else ">"
        return flat.astype(f"{order}f{self._bits // 8}")

    def _set_data(self, kind: str, bits: int = 64) -> None:
        if kind == "ASC":
            self._bits = 0
            return
        if bits not in (32, 64):
            raise ScpiError(-224, f"REAL,{bits}")
        self._bits = bits

    def _set_order(self, order: str) -> None:
        self._is_swapped = order == "SWAP"

    def _set_elements(self, *elements: str) -> None:
        self._elements = tuple(element for element in ELEMENTS if element in elements)
