"""A reading buffer of a TSP instrument: readings with what was sourced, when, and what held the output."""

from collections.abc import Callable
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.scpi_error import ScpiError
from sim_instruments.tsp.vocabulary import Argument, Attribute, Settings, Value, Vocabulary, among, within

CAPACITY: Final = 140_000
"""Readings a buffer holds."""

COLUMNS: Final[tuple[str, ...]] = ("readings", "sourcevalues", "timestamps", "statuses")


@final
class ReadingBuffer:
    """One buffer, as `smua.nvbuffer1`."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._settings = Settings(
            {
                "appendmode": (0.0, among(0, 1)),
                "collectsourcevalues": (0.0, among(0, 1)),
                "collecttimestamps": (0.0, among(0, 1)),
                "timestampresolution": (1e-6, within(1e-6, 1.0)),
            }
        )
        self._count = 0
        self._data = {name: np.zeros(0, np.float64) for name in COLUMNS}
        self._base_s = 0.0

    def reset(self) -> None:
        """Return settings to their defaults and drop the readings."""
        self._settings.reset()
        self.clear()

    def clear(self) -> None:
        """Drop the readings."""
        self._count = 0
        self._data = {name: np.zeros(0, np.float64) for name in COLUMNS}

    def start(self) -> None:
        """Begin a measurement: without append mode it replaces what there is."""
        if not self._settings["appendmode"]:
            self.clear()

    def add(
        self,
        readings: NDArray[np.float64],
        sourced: NDArray[np.float64],
        times_s: NDArray[np.float64],
        statuses: NDArray[np.float64],
    ) -> None:
        """Append readings; raise `ScpiError` if they do not fit."""
        start, stop = self._room_for(len(readings), float(times_s[0]))
        for name, values in zip(COLUMNS, (readings, sourced, times_s - self._base_s, statuses), strict=True):
            self._data[name][start:stop] = values

    def add_one(self, reading: float, sourced: float, time_s: float, status: float) -> None:
        """Append one reading, in the time that a script's loop asks for; raise `ScpiError` if it does not fit."""
        start, _ = self._room_for(1, time_s)
        for name, value in zip(COLUMNS, (reading, sourced, time_s - self._base_s, status), strict=True):
            self._data[name][start] = value

    def _room_for(self, count: int, time_s: float) -> tuple[int, int]:
        start, stop = self._count, self._count + count
        if stop > CAPACITY:
            raise ScpiError(-225, text="Out of memory")
        if start == 0:
            self._base_s = time_s
        if stop > len(self._data["readings"]):
            for name, column in self._data.items():
                self._data[name] = np.concatenate((column[:start], np.zeros(max(stop, 64), np.float64)))
        self._count = stop
        return start, stop

    def column(self, name: str, first: int, last: int) -> NDArray[np.float64]:
        """Return elements of one column, counted from 1; raise `ScpiError` where there are none."""
        if not 1 <= first <= last <= self._count:
            raise ScpiError(-222, text="Parameter data out of range")
        if not self._collects(name):
            raise ScpiError(-221, text=f"Settings conflict: the buffer does not collect {name}")
        return self._data[name][first - 1 : last]

    def vocabulary(self) -> Vocabulary:
        """Return the buffer's names."""
        path = self.path
        return Vocabulary(
            attributes={
                f"{path}.n": Attribute(get=lambda: float(self._count)),
                f"{path}.capacity": Attribute(get=lambda: float(CAPACITY)),
                f"{path}.basetimestamp": Attribute(get=lambda: self._base_s),
                f"{path}.appendmode": self._attribute("appendmode", needs_empty=False),
                f"{path}.collectsourcevalues": self._attribute("collectsourcevalues", needs_empty=True),
                f"{path}.collecttimestamps": self._attribute("collecttimestamps", needs_empty=True),
                f"{path}.timestampresolution": self._attribute("timestampresolution", needs_empty=True),
            },
            functions={f"{path}.clear": lambda *_: self.clear(), f"{path}.clearcache": lambda *_: None},
            elements={
                path: self._element("readings"),
                **{f"{path}.{name}": self._element(name) for name in COLUMNS},
            },
        )

    def _attribute(self, name: str, *, needs_empty: bool) -> Attribute:
        def change(value: Argument) -> None:
            if needs_empty and self._count:
                raise ScpiError(-221, text="Settings conflict: clear the buffer first")
            self._settings.change(name, value)

        return Attribute(get=lambda: self._settings[name], set=change)

    def _collects(self, name: str) -> bool:
        switch = {"sourcevalues": "collectsourcevalues", "timestamps": "collecttimestamps"}.get(name)
        return switch is None or bool(self._settings[switch])

    def _element(self, name: str) -> Callable[[int], Value]:
        def element(index: int) -> Value:
            is_there = 1 <= index <= self._count and self._collects(name)
            return float(self._data[name][index - 1]) if is_there else None

        return element
