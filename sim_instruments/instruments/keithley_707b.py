"""Twin of the Keithley 707B switching matrix, which speaks TSP: relays of the bench's wiring behind `channel.close`.

One card of 8 rows, A to H, and 12 columns is in the wiring's slot; row A is the wiring's row 1. The other slots are
empty. Channel patterns, scans and TSP-Link are not there.
"""

import re
from collections.abc import Iterator
from typing import Final, final

import numpy as np

from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Crosspoint
from sim_instruments.status import Status
from sim_instruments.tsp.twin import TspTraits
from sim_instruments.tsp.vocabulary import Argument, Attribute, Node, Settings, Vocabulary, among, text
from sim_instruments.wiring import COLUMNS, ROWS

MODEL: Final = "keithley-707b"

SLOTS: Final = 6
_SETTLING_S = 3e-3
_LONGEST_LIST = 8192
_CHANNEL = re.compile(r"([1-6])([A-Ha-h])([0-9]{2})")
_SLOT = re.compile(r"slot([1-6])", re.IGNORECASE)
_BREAK_BEFORE_MAKE, _MAKE_BEFORE_BREAK = 1.0, 2.0


@final
class Keithley707B:
    """The matrix."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._wiring = place.wiring
        self._clock = place.sample.clock
        self._settings = Settings(
            {
                "channel.connectrule": (_BREAK_BEFORE_MAKE, among(0, _BREAK_BEFORE_MAKE, _MAKE_BEFORE_BREAK)),
                "channel.connectsequential": (0.0, among(0, 1)),
            }
        )

    @property
    def traits(self) -> TspTraits:
        """Return who it is."""
        return TspTraits(model="707B", serial=self._serial, firmware="01.41a", error_queue_depth=100)

    def vocabulary(self, _status: Status, /) -> Vocabulary:
        """Return the model's own names, without those that every TSP instrument has."""
        return Vocabulary(
            attributes={
                **self._settings.attributes(),
                **{
                    f"slot.{slot}.idn": Attribute(get=lambda slot=slot: self._card(slot))
                    for slot in range(1, SLOTS + 1)
                },
            },
            functions={
                "channel.close": lambda *given: self._close(self._listed(given)),
                "channel.open": lambda *given: self._open(self._listed(given)),
                "channel.exclusiveclose": lambda *given: self._close_only(self._listed(given), everywhere=True),
                "channel.exclusiveslotclose": lambda *given: self._close_only(self._listed(given), everywhere=False),
                "channel.getclose": lambda *given: self._closed_among(self._listed(given)),
                "channel.getstate": lambda *given: self._states(self._listed(given[:1])),
                "channel.reset": lambda *given: self._open(self._listed(given)),
            },
            constants={
                "channel.OFF": 0.0,
                "channel.ON": 1.0,
                "channel.BREAK_BEFORE_MAKE": _BREAK_BEFORE_MAKE,
                "channel.MAKE_BEFORE_BREAK": _MAKE_BEFORE_BREAK,
                "channel.IND_CLOSED": 1.0,
            },
        )

    def column(self, _node: Node, _first: int, _last: int, /) -> np.ndarray:
        """Refuse: a matrix takes no readings."""
        raise ScpiError(-104, "there is no reading buffer")

    def reset(self) -> None:
        """Open every relay; every setting to its default."""
        self._settings.reset()
        self._open(list(self._wiring.closed))

    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        return self._clock.now_s

    def wait(self, seconds: float) -> None:
        """Let simulated time pass."""
        self._clock.advance(seconds)

    def _card(self, slot: int) -> str:
        if slot != self._wiring.config.slot:
            return "Empty Slot"
        return f"7174A, 8x12 Low Current Matrix, 01.00a, {self._serial}"

    def _close(self, points: list[Crosspoint]) -> None:
        # Nothing opens, so both rules say the same; one after the other takes its time for each.
        groups = [[point] for point in points] if self._settings["channel.connectsequential"] else [points]
        for group in groups:
            self._wiring.close(group)
            self._clock.advance(_SETTLING_S)

    def _open(self, points: list[Crosspoint]) -> None:
        self._wiring.open(points)
        self._clock.advance(_SETTLING_S)

    def _close_only(self, points: list[Crosspoint], *, everywhere: bool) -> None:
        slots = {point[0] for point in points}
        others = [point for point in self._wiring.closed if (everywhere or point[0] in slots) and point not in points]
        if self._settings["channel.connectrule"] == _MAKE_BEFORE_BREAK:
            self._close(points)
            self._open(others)
        else:
            self._open(others)
            self._close(points)

    def _closed_among(self, points: list[Crosspoint]) -> str | None:
        closed = [_name(point) for point in sorted(set(points)) if self._wiring.is_closed(point)]
        return ";".join(closed) or None

    def _states(self, points: list[Crosspoint]) -> str:
        return ",".join(str(int(self._wiring.is_closed(point))) for point in points)

    def _listed(self, given: tuple[Argument, ...]) -> list[Crosspoint]:
        """Return the crosspoints of a channel list; raise `ScpiError` if one does not exist."""
        if len(given) != 1:
            raise ScpiError(-109 if not given else -108, "one channel list is wanted")
        listed = text(given[0])
        if len(listed) > _LONGEST_LIST:
            raise ScpiError(-223, "the channel list is too long")
        points: list[Crosspoint] = []
        for item in re.split("[,;]", listed):
            points += self._item(item.strip())
        return list(dict.fromkeys(points))

    def _item(self, item: str) -> list[Crosspoint]:
        slot = self._wiring.config.slot
        if item.lower() == "allslots":
            return list(_points_of(slot))
        if found := _SLOT.fullmatch(item):
            return list(_points_of(slot)) if int(found[1]) == slot else []
        first, _, last = item.partition(":")
        start = self._point(first)
        stop = self._point(last) if last else start
        if start[0] != stop[0] or start > stop:
            raise ScpiError(-222, "a range goes from the lowest channel of a slot to the highest")
        return [point for point in _points_of(start[0]) if start <= point <= stop]

    def _point(self, name: str) -> Crosspoint:
        found = _CHANNEL.fullmatch(name.strip())
        if not found:
            raise ScpiError(-222, "no such channel")
        slot, row, column = int(found[1]), ord(found[2].upper()) - ord("A") + 1, int(found[3])
        if slot != self._wiring.config.slot or not 1 <= column <= COLUMNS:
            raise ScpiError(-222, "no such channel")
        return (slot, row, column)


def _points_of(slot: int) -> Iterator[Crosspoint]:
    return ((slot, row, column) for row in range(1, ROWS + 1) for column in range(1, COLUMNS + 1))


def _name(point: Crosspoint) -> str:
    slot, row, column = point
    return f"{slot}{chr(ord('A') + row - 1)}{column:02d}"
