"""Readings of the Keithley 2400: the latest ones, the buffer, its statistics, and how all of them are written out."""

from collections.abc import Callable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.instruments.keithley_2400.number import shown
from sim_instruments.instruments.keithley_2400.sweep import MOST_POINTS
from sim_instruments.reading_buffer import ReadingBuffer
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_status_registers import RegisterSet
from sim_instruments.scpi_tree import Command, IndefiniteBlock, Reply
from sim_instruments.smu_output import OVERFLOW, READING

NOTHING: Final = 9.91e37
"""What stands in the place of something that was not measured."""

KEPT: Final = np.dtype([*READING.descr, ("status", np.int32)])
"""What is kept of a reading."""

COLUMNS: Final = {
    "VOLT": "voltage_v", "CURR": "current_a", "RES": "resistance_ohm", "TIME": "time_s", "STAT": "status",
}  # fmt: skip
"""Where each element of a reading is kept, in the order in which they are answered."""

_ELEMENT = Choice(("VOLTage", "CURRent", "RESistance", "TIME", "STATus"))
_FEED = Choice(("SENSe", "SENSe1", "CALCulate", "CALCulate1", "CALCulate2"))
_STATISTIC = Choice(("MEAN", "SDEViation", "MAXimum", "MINimum", "PKPK"))
_READING_BYTES = 24
_BUFFER_AVAILABLE, _BUFFER_FULL = 1 << 8, 1 << 9  # bits of the measurement event register
_STATISTICS: Final[dict[str, Callable[[NDArray[np.float64]], float]]] = {
    "MEAN": lambda values: float(np.mean(values)),
    "SDEV": lambda values: float(np.std(values)),
    "MAX": lambda values: float(np.max(values)),
    "MIN": lambda values: float(np.min(values)),
    "PKPK": lambda values: float(np.ptp(values)),
}


@final
class Traces:
    """The readings and their format.

    Args:
        measurement: the register that tells of the buffer.
        is_idle: whether the trigger model is.
    """

    def __init__(self, measurement: RegisterSet, is_idle: Callable[[], bool]) -> None:
        self._measurement = measurement
        self._is_idle = is_idle
        self._latest: NDArray[np.void] = np.empty(0, KEPT)
        self._buffer = ReadingBuffer(100, KEPT, overwrites=False)
        self._feeds = False
        self._feed = "SENS"
        self._elements: tuple[str, ...] = tuple(COLUMNS)
        self._form = "ASC"
        self._order = "NORM"
        self._statistic = "MEAN"

    def reset(self) -> None:
        """Do what *RST does: text with all elements; the buffer keeps its readings and takes no more."""
        self._feeds = False
        self._feed = "SENS"
        self._elements, self._form, self._order = tuple(COLUMNS), "ASC", "NORM"
        self._statistic = "MEAN"

    def start(self) -> None:
        """Forget the latest readings: others are to come."""
        self._latest = np.empty(0, KEPT)

    def add(self, kept: NDArray[np.void]) -> None:
        """Take readings, into the buffer too while it is fed."""
        self._latest = np.concatenate((self._latest, kept))[-MOST_POINTS:]
        if not self._feeds:
            return
        self._buffer.add(kept)
        self._measurement.note(_BUFFER_AVAILABLE if len(self._buffer) > 1 else 0)
        if self._buffer.is_full:
            self._feeds = False
            self._measurement.note(_BUFFER_FULL)

    def latest(self) -> Reply:
        """Return the latest readings as READ? and FETCh? answer them."""
        return self._written(self._latest)

    def commands(self) -> tuple[Command, ...]:
        """Return the commands of the FORMat, TRACe and CALCulate3 subsystems, and those that answer readings again."""
        return (
            Command(":FETCh?", self.latest),
            Command("[:SENSe#]:DATA[:LATest]?", lambda: self._written(self._latest[-1:])),
            Command(":FORMat:ELEMents[:SENSe#]", self._set_elements, (_ELEMENT,) * 5, optional=4),
            Command(":FORMat:ELEMents[:SENSe#]?", lambda: ",".join(self._elements)),
            Command(
                ":FORMat[:DATA]", self._set_form, (Choice(("ASCii", "REAL", "SREal")), Integer(low=32, high=32)), 1
            ),
            Command(":FORMat[:DATA]?", lambda: self._form),
            *setting(":FORMat:BORDer", Choice(("NORMal", "SWAPped")), lambda: self._order, self._set_order),
            *setting(":FORMat:SREGister", Choice(("ASCii",)), lambda: "ASC", lambda _: None),
            *setting(":FORMat:SOURce2", Choice(("ASCii",)), lambda: "ASC", lambda _: None),
            *setting(
                ":TRACe:POINts", Integer(low=1, high=MOST_POINTS), lambda: str(self._buffer.capacity), self._set_points
            ),
            Command(":TRACe:POINts:ACTual?", lambda: str(len(self._buffer))),
            Command(":TRACe:FREE?", self._free),
            Command(":TRACe:CLEar", self._clear),
            Command(":TRACe:DATA?", lambda: self._written(self._buffer.readings())),
            *setting(":TRACe:FEED", _FEED, lambda: self._feed, self._set_feed),
            *setting(
                ":TRACe:FEED:CONTrol",
                Choice(("NEXT", "NEVer")),
                lambda: "NEXT" if self._feeds else "NEV",
                self._set_feeding,
            ),
            *setting(":TRACe:TSTamp:FORMat", Choice(("ABSolute",)), lambda: "ABS", lambda _: None),
            *setting(":CALCulate3:FORMat", _STATISTIC, lambda: self._statistic, self._set_statistic),
            Command(":CALCulate3:DATA?", self._statistics),
        )

    def _set_elements(self, *asked: str) -> None:
        # They are answered in the instrument's order, whatever the order asked for.
        self._elements = tuple(name for name in COLUMNS if name in asked)

    def _set_form(self, form: str, _bits: int = 32) -> None:
        self._form = "SRE" if form == "REAL" else form

    def _set_order(self, order: str) -> None:
        self._order = order

    def _set_points(self, points: int) -> None:
        self._clear()
        self._buffer.capacity = points

    def _clear(self) -> None:
        if self._feeds and not self._is_idle():
            raise ScpiError(800, text="Illegal with storage active")
        self._buffer.clear()

    def _free(self) -> str:
        used = len(self._buffer) * _READING_BYTES
        return f"{MOST_POINTS * _READING_BYTES - used},{used}"

    def _set_feed(self, feed: str) -> None:
        self._feed = feed

    def _set_feeding(self, control: str) -> None:
        if control == "NEXT" and not self._feeds:
            self._buffer.clear()
        self._feeds = control == "NEXT"

    def _set_statistic(self, statistic: str) -> None:
        self._statistic = statistic

    def _written(self, readings: NDArray[np.void]) -> Reply:
        if not len(readings):
            raise ScpiError(-230, "there is no reading")
        table = np.stack([readings[COLUMNS[name]].astype(np.float64) for name in self._elements], axis=1)
        if self._form == "ASC":
            return ",".join(shown(float(value)) for value in table.ravel())
        order = "<" if self._order == "SWAP" else ">"
        return IndefiniteBlock(table.astype(f"{order}f4").tobytes())

    def _statistics(self) -> str:
        readings = self._buffer.readings()
        find = _STATISTICS[self._statistic]
        columns = [readings[COLUMNS[key]] for key in ("VOLT", "CURR", "RES")]
        return ",".join(
            shown(NOTHING if not len(values) or np.any(np.abs(values) >= OVERFLOW) else find(values))
            for values in columns
        )
