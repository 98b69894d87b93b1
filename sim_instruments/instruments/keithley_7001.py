"""Twin of the Keithley 7001 switch mainframe with one 7012 card, a matrix of 4 rows and 10 columns."""

from collections.abc import Sequence
from typing import Final, final

from sim_instruments.instrument import Traits
from sim_instruments.place import Place
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import ChannelList, Crosspoint
from sim_instruments.scpi_tree import Command
from sim_instruments.status import Status

MODEL: Final = "keithley-7001"

ROWS: Final = 4
COLUMNS: Final = 10
_SETTLING_S = 3e-3


@final
class Keithley7001:
    """Relays of the bench's wiring behind the 7001's commands."""

    def __init__(self, place: Place) -> None:
        self._serial = place.serial
        self._wiring = place.wiring
        self._clock = place.sample.clock

    @property
    def traits(self) -> Traits:
        """Return what differs between models outside their command tables."""
        return Traits(identity=f"KEITHLEY INSTRUMENTS INC.,MODEL 7001,{self._serial},B01  /A02", error_queue_depth=10)

    def commands(self, _status: Status, /) -> Sequence[Command]:
        """Return the model's commands, common ones excepted."""
        slot = self._wiring.config.slot
        some = (ChannelList(slots=(slot,), rows=ROWS, columns=COLUMNS),)
        some_or_all = (ChannelList(slots=(slot,), rows=ROWS, columns=COLUMNS, allows_all=True),)
        cards = {slot: "C7012"}
        return (
            Command("[:ROUTe]:CLOSe", self._close, some),
            Command("[:ROUTe]:CLOSe?", lambda points: self._flags(points, True), some),
            Command("[:ROUTe]:CLOSe:STATe?", self._closed_list),
            Command("[:ROUTe]:OPEN", self._open, some_or_all),
            Command("[:ROUTe]:OPEN?", lambda points: self._flags(points, False), some),
            *(
                Command(f"[:ROUTe]:CONFigure:SLOT{number}:CTYPe?", lambda number=number: cards.get(number, "NONE"))
                for number in (1, 2)
            ),
        )

    def reset(self) -> None:
        """Open every relay."""
        self._open(self._wiring.closed)

    def trigger(self) -> None:
        """Refuse: no scan is armed."""
        raise ScpiError(-211, "no scan is armed")

    def _close(self, points: tuple[Crosspoint, ...]) -> None:
        self._wiring.close(points)
        self._clock.advance(_SETTLING_S)

    def _open(self, points: tuple[Crosspoint, ...]) -> None:
        self._wiring.open(points)
        self._clock.advance(_SETTLING_S)

    def _flags(self, points: tuple[Crosspoint, ...], wanted: bool) -> str:
        return ",".join(str(int(self._wiring.is_closed(point) is wanted)) for point in points)

    def _closed_list(self) -> str:
        return "(@" + ",".join("!".join(map(str, point)) for point in self._wiring.closed) + ")"
