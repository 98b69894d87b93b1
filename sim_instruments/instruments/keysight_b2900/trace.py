"""The trace buffer of a Keysight B2900 channel: a copy of its readings that outlives the next INITiate."""

from collections.abc import Callable
from typing import Final, final

import numpy as np

from sim_instruments.instruments.keysight_b2900.readings import NO_READINGS, OutputFormat, Table, columns
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Choice, Integer
from sim_instruments.scpi_setting import setting
from sim_instruments.scpi_tree import Command, Reply

LARGEST: Final = 100_000
"""Readings that it holds."""

_STATISTICS: Final[dict[str, Callable[[Table], Table]]] = {
    "MEAN": lambda table: table.mean(axis=0),
    "SDEV": lambda table: table.std(axis=0, ddof=1) if len(table) > 1 else np.zeros(table.shape[1]),
    "PKPK": lambda table: np.ptp(table, axis=0),
    "MIN": lambda table: table.min(axis=0),
    "MAX": lambda table: table.max(axis=0),
}
_OFFSET = Integer(low=0, high=LARGEST - 1)
_SIZE = Integer(low=1, high=LARGEST)


@final
class Trace:
    """`:TRACe` of one channel. It can only be fed with what is sensed."""

    def __init__(self, output_format: OutputFormat) -> None:
        self._format = output_format
        self.reset()

    def reset(self) -> None:
        """Empty, of full size, not fed."""
        self._stored = NO_READINGS
        self._size = LARGEST
        self._is_fed = False
        self._statistic = "MEAN"
        self._is_relative = False

    @property
    def is_full(self) -> bool:
        """Return whether nothing more fits."""
        return len(self._stored) >= self._size

    def __len__(self) -> int:
        return len(self._stored)

    def feed(self, readings: Table) -> None:
        """Store new readings, if it is being fed; a full buffer ends the feeding."""
        if not self._is_fed:
            return
        self._stored = np.concatenate((self._stored, readings))[: self._size]
        self._is_fed = not self.is_full

    def commands(self, number: int) -> tuple[Command, ...]:
        """Return the commands of the subsystem."""
        root = f":TRACe{'#' if number == 1 else number}"
        return (
            Command(f"{root}:CLEar", self._clear),
            *setting(f"{root}:FEED", Choice(("SENSe",)), lambda: "SENS", lambda _: self._require_idle()),
            *setting(
                f"{root}:FEED:CONTrol",
                Choice(("NEXT", "NEVer")),
                lambda: "NEXT" if self._is_fed else "NEV",
                self._set_feeding,
            ),
            *setting(f"{root}:POINts", _SIZE, lambda: str(self._size), self._set_size),
            Command(f"{root}:POINts:ACTual?", lambda: str(len(self._stored))),
            Command(f"{root}:FREE?", lambda: f"{self._size - len(self._stored)},{self._size}"),
            Command(f"{root}:DATA?", self._data, (_OFFSET, _SIZE), optional=2),
            *setting(f"{root}:STATistic:FORMat", self._statistics(), lambda: self._statistic, self._set_statistic),
            Command(f"{root}:STATistic:DATA?", self._summary),
            *setting(
                f"{root}:TSTamp:FORMat",
                Choice(("ABSolute", "DELTa")),
                lambda: "DELT" if self._is_relative else "ABS",
                self._set_time,
            ),
        )

    @staticmethod
    def _statistics() -> Choice:
        return Choice(("MEAN", "SDEViation", "PKPK", "MINimum", "MAXimum"))

    def _clear(self) -> None:
        self._require_idle()
        self._stored = NO_READINGS

    def _set_feeding(self, control: str) -> None:
        self._is_fed = control == "NEXT" and not self.is_full

    def _set_size(self, size: int) -> None:
        self._require_idle()
        self._size = size
        self._stored = NO_READINGS

    def _set_statistic(self, statistic: str) -> None:
        self._statistic = statistic

    def _set_time(self, rule: str) -> None:
        self._is_relative = rule == "DELT"

    def _require_idle(self) -> None:
        if self._is_fed:
            raise ScpiError(-221, "the trace buffer is being fed: send TRAC:FEED:CONT NEV")

    def _data(self, offset: int = 0, size: int = LARGEST) -> Reply:
        table = self._stored.copy()
        if len(table):
            time_s = table[:, columns("TIME")]
            # Counted from the first reading, or from the one before.
            table[:, columns("TIME")] = (
                np.diff(time_s, axis=0, prepend=time_s[:1]) if self._is_relative else time_s - time_s[0]
            )
        chosen = table[offset : offset + size][:, self._format.chosen]
        return self._format.encode(chosen if len(chosen) else np.array([[np.nan]]))

    def _summary(self) -> Reply:
        if not len(self._stored):
            return self._format.encode(np.array([[np.nan]]))
        return self._format.encode(_STATISTICS[self._statistic](self._stored[:, self._format.chosen]))
