"""Reading buffers of the Keithley 2450: what is kept of a reading, and how it is written out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.reading_buffer import ReadingBuffer
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Quoted, Raw
from sim_instruments.scpi_parameter import Choice, Integer, keyword_forms
from sim_instruments.scpi_setting import setting, show_real
from sim_instruments.scpi_tree import Command, IndefiniteBlock, Reply
from sim_instruments.smu_output import Readings

KEPT: Final = np.dtype(
    [
        ("reading", np.float64),
        ("source", np.float64),
        ("time_s", np.float64),
        ("status", np.int32),
        ("source_status", np.int32),
        ("unit", np.int8),
        ("source_unit", np.int8),
    ]
)
"""What a buffer keeps of a reading."""

UNITS: Final = {"VOLT": "Volt", "CURR": "Amp", "RES": "Ohm"}
"""Units of the functions; a buffer keeps which of them it is."""

SOURCE_LIMITED: Final = 32
"""Bit of the source status: the limit held the source."""
SOURCE_READ_BACK: Final = 8
"""The source value was measured."""
SOURCE_FOUR_WIRE: Final = 64
"""The remote sense leads were used."""
SOURCE_ON: Final = 128
"""The output was on."""
FRONT: Final = 8
"""Bit of the measurement status: the front terminals were used."""

MOST_READINGS: Final = 6_875_000
"""Readings that all buffers hold together."""

ELEMENTS: Final = (
    "DATE", "FORMatted", "FRACtional", "READing", "RELative", "SEConds", "SOURce", "SOURFORMatted", "SOURSTATus",
    "SOURUNIT", "STATus", "TIME", "TSTamp", "UNIT",
)  # fmt: skip
"""What may be asked of a buffer."""

_DEFAULT_CAPACITY = 100_000
_BOOT = datetime(2026, 1, 1, tzinfo=UTC)  # where the virtual clock starts
_END_S = 1e11  # the calendar ends some time after
_BINARY: Final = {"READ": "reading", "SOUR": "source", "REL": "time_s"}
_NAME_LENGTH = 31
_MOST_BUFFERS = 20


@final
@dataclass(frozen=True, slots=True)
class Name:
    """A buffer's name between quotes."""

    def parse(self, raw: Raw) -> str:
        """Return the name; names do not depend on case."""
        if not isinstance(raw, Quoted):
            raise ScpiError(-104, "expected the name of a buffer between quotes")
        name = raw.text.lower()
        if not (name.isidentifier() and name.isascii() and len(name) <= _NAME_LENGTH):
            raise ScpiError(-224, raw.text)
        return name


BUFFER: Final = Name()
ELEMENT: Final = Choice(ELEMENTS)
ASKED: Final = (BUFFER, *(ELEMENT,) * 14)
"""The parameters of a query for readings: a buffer, then what to answer."""

_INDEX = Integer(low=1, high=MOST_READINGS)
_SIZE = Integer(low=10, high=MOST_READINGS)


@final
class Traces:
    """The buffers by their names, and the format in which they travel.

    Args:
        measure: takes the readings of `:TRACe:TRIGger` into the buffer of a name.
    """

    def __init__(self, measure: Callable[[str], None]) -> None:
        self._measure = measure
        self._buffers: dict[str, ReadingBuffer] = {}
        self._form = "ASC"
        self._order = "SWAP"
        self.reset()

    def reset(self) -> None:
        """Do what *RST does: two empty default buffers, text."""
        self._buffers = {
            name: ReadingBuffer(_DEFAULT_CAPACITY, KEPT, overwrites=True) for name in ("defbuffer1", "defbuffer2")
        }
        self._form, self._order = "ASC", "SWAP"

    def buffer(self, name: str) -> ReadingBuffer:
        """Return a buffer."""
        found = self._buffers.get(name)
        if found is None:
            raise ScpiError(-224, f"there is no buffer {name}")
        return found

    def last(self, name: str, elements: Sequence[str]) -> Reply:
        """Return the newest reading of a buffer as READ? and FETCh? answer it."""
        readings = self.buffer(name).readings()
        if not len(readings):
            raise ScpiError(-230, f"{name} is empty")
        return self._written(readings[-1:], float(readings["time_s"][0]), elements or ("READ",))

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the TRACe and FORMat subsystems."""
        one = {"parameters": (BUFFER,), "optional": 1}
        return (
            Command(":FETCh?", lambda name="defbuffer1", *asked: self.last(name, asked), ASKED, optional=len(ASKED)),
            Command(":TRACe:MAKE", self._make, (BUFFER, _SIZE, _STYLE), optional=1, bears_comma=True),
            Command(":TRACe:DELete", self._delete, (BUFFER,)),
            Command(":TRACe:CLEar", lambda name="defbuffer1": self.buffer(name).clear(), **one),
            Command(":TRACe:POINts", self._resize, (_SIZE, BUFFER), optional=1),
            Command(":TRACe:POINts?", lambda name="defbuffer1": str(self.buffer(name).capacity), **one),
            Command(":TRACe:ACTual?", lambda name="defbuffer1": str(len(self.buffer(name))), **one),
            Command(":TRACe:ACTual:STARt?", lambda name="defbuffer1": str(min(1, len(self.buffer(name)))), **one),
            Command(":TRACe:ACTual:END?", lambda name="defbuffer1": str(len(self.buffer(name))), **one),
            Command(":TRACe:FILL:MODE", self._set_fill, (Choice(("CONTinuous", "ONCE")), BUFFER), optional=1),
            Command(":TRACe:FILL:MODE?", self._fill, **one),
            Command(":TRACe:DATA?", self._data, (_INDEX, _INDEX, *ASKED), optional=len(ASKED)),
            Command(":TRACe:TRIGger", lambda name="defbuffer1": self._measure(name), **one),
            *(
                Command(f":TRACe:STATistics:{word}?", lambda name="defbuffer1", f=find: self._statistic(name, f), **one)
                for word, find in _STATISTICS.items()
            ),
            Command(":TRACe:STATistics:CLEar", self._clear_statistics, **one),
            *setting(":FORMat[:DATA]", Choice(("ASCii", "REAL", "SREal")), lambda: self._form, self._set_form),
            *setting(":FORMat:BORDer", Choice(("NORMal", "SWAPped")), lambda: self._order, self._set_order),
            *setting(":FORMat:ASCii:PRECision", Integer(low=0, high=16), lambda: "0", lambda _: None),
        )

    def _set_form(self, form: str) -> None:
        self._form = form

    def _set_order(self, order: str) -> None:
        self._order = order

    def _check_memory(self, name: str, size: int) -> None:
        others = sum(found.capacity for key, found in self._buffers.items() if key != name)
        if others + size > MOST_READINGS:
            raise ScpiError(-225, text="Out of memory")

    def _make(self, name: str, size: int, _style: str = "STAN") -> None:
        if name in self._buffers:
            raise ScpiError(-224, f"there is a buffer {name} already")
        if len(self._buffers) >= _MOST_BUFFERS:
            raise ScpiError(-223, f"there are {_MOST_BUFFERS} buffers already")
        self._check_memory(name, size)
        self._buffers[name] = ReadingBuffer(size, KEPT, overwrites=False)

    def _delete(self, name: str) -> None:
        self.buffer(name)
        if name.startswith("defbuffer"):
            raise ScpiError(-221, f"{name} is always there")
        del self._buffers[name]

    def _resize(self, size: int, name: str = "defbuffer1") -> None:
        found = self.buffer(name)
        self._check_memory(name, size)
        found.clear()
        found.capacity = size

    def _fill(self, name: str = "defbuffer1") -> str:
        return "CONT" if self.buffer(name).overwrites else "ONCE"

    def _set_fill(self, mode: str, name: str = "defbuffer1") -> None:
        found = self.buffer(name)
        found.clear()
        found.overwrites = mode == "CONT"

    def _data(self, first: int, last: int, name: str = "defbuffer1", *elements: str) -> Reply:
        readings = self.buffer(name).readings()
        if not first <= last <= len(readings):
            raise ScpiError(-222, f"{name} has {len(readings)} readings, not {first} to {last}")
        return self._written(readings[first - 1 : last], float(readings["time_s"][0]), elements or ("READ",))

    def _clear_statistics(self, name: str = "defbuffer1") -> None:
        self.buffer(name)  # they are found anew each time they are asked for

    def _statistic(self, name: str, find: Callable[[NDArray[np.float64]], float]) -> str:
        readings = self.buffer(name).readings()
        return show_real(find(readings["reading"]) if len(readings) else 0.0)

    def _written(self, readings: Readings, start_s: float, elements: Sequence[str]) -> Reply:
        if self._form == "ASC":
            columns = [_COLUMNS[element](readings, start_s) for element in elements]
            return ",".join(text for row in zip(*columns, strict=True) for text in row)
        if any(element not in _BINARY for element in elements):
            raise ScpiError(1133, text="Parameter 4, Syntax error, expected valid name parameters")
        table = np.stack([readings[_BINARY[element]] for element in elements], axis=1)
        for index, element in enumerate(elements):
            if element == "REL":
                table[:, index] -= start_s
        order = "<" if self._order == "SWAP" else ">"
        return IndefiniteBlock(table.astype(f"{order}f{8 if self._form == 'REAL' else 4}").tobytes())


_STYLE = Choice(("COMPact", "STANdard", "FULL", "WRITable", "FULLWRITable"))

_STATISTICS: Final[dict[str, Callable[[NDArray[np.float64]], float]]] = {
    "AVERage": lambda values: float(np.mean(values)),
    "MAXimum": lambda values: float(np.max(values)),
    "MINimum": lambda values: float(np.min(values)),
    "PK2Pk": lambda values: float(np.ptp(values)),
    "STDDev": lambda values: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0,
}

_Column = Callable[[Readings, float], list[str]]


_UNIT_NAMES: Final = tuple(UNITS.values())


def _shown(values: NDArray[np.float64]) -> list[str]:
    return list(map("%.9E".__mod__, values.tolist()))  # as `show_real`, at a third of the time


def _numbers(field: str) -> _Column:
    return lambda readings, _: _shown(readings[field])


def _units(field: str) -> _Column:
    return lambda readings, _: [_UNIT_NAMES[code] for code in readings[field]]


def _words(field: str) -> _Column:
    return lambda readings, _: [str(value) for value in readings[field]]


def _moments(pattern: str) -> _Column:
    return lambda readings, _: [
        (_BOOT + timedelta(seconds=min(float(time_s), _END_S))).strftime(pattern) for time_s in readings["time_s"]
    ]


def _with_unit(field: str, unit: str) -> _Column:
    return lambda readings, _: [f"{row[field]:+.6E} {_UNIT_NAMES[row[unit]]}" for row in readings]


_WRITERS: Final[dict[str, _Column]] = {
    "DATE": _moments("%m/%d/%Y"),
    "FORMatted": _with_unit("reading", "unit"),
    "FRACtional": lambda readings, _: _shown(readings["time_s"] % 1.0),
    "READing": _numbers("reading"),
    "RELative": lambda readings, start_s: _shown(readings["time_s"] - start_s),
    "SEConds": lambda readings, _: [str(int(_BOOT.timestamp() + float(time_s))) for time_s in readings["time_s"]],
    "SOURce": _numbers("source"),
    "SOURFORMatted": _with_unit("source", "source_unit"),
    "SOURSTATus": _words("source_status"),
    "SOURUNIT": _units("source_unit"),
    "STATus": _words("status"),
    "TIME": _moments("%H:%M:%S"),
    "TSTamp": _moments("%m/%d/%Y %H:%M:%S.%f"),
    "UNIT": _units("unit"),
}
_COLUMNS: Final = {keyword_forms(name)[0]: writer for name, writer in _WRITERS.items()}
