"""Keithley 7001 and 7002 switch systems with matrix cards of 4 rows and 10 columns (model 7012)."""

import re
from collections.abc import Sequence
from functools import partial
from typing import final

from drivers import scpi
from drivers.dialect import SCPI
from drivers.entries import SwitchEntry
from drivers.errors import LinkDesync
from drivers.instrument import Kind, OutputState, SafeState, Session
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Crosspoint, Identity

KIND = Kind(manufacturer=r"KEITHLEY INSTRUMENTS.*", model=r"(MODEL )?7001")
KIND_7002 = Kind(manufacturer=r"KEITHLEY INSTRUMENTS.*", model=r"(MODEL )?7002")

SLOT = Limit(quantity="slot", low=1, high=2, unit="", origin="the 7001 manual")
SLOT_7002 = Limit(quantity="slot", low=1, high=10, unit="", origin="the 7002 manual")
ROW = Limit(quantity="row", low=1, high=4, unit="", origin="the 7012 card")
COLUMN = Limit(quantity="column", low=1, high=10, unit="", origin="the 7012 card")

_OPEN_ALL = ":ROUT:OPEN ALL"
_CLOSED = ":ROUT:CLOS:STAT?"
_LONGEST_RUN = 100
_CHANNEL = re.compile(r"([0-9]{1,2})!([0-9]{1,2})!([0-9]{1,2})")


def parse_channels(text: str) -> frozenset[Crosspoint]:
    """Return the crosspoints of a channel list `(@slot!row!column,...)`; `1!1!1:1!1!4` is a run along one row."""
    if not (text.startswith("(@") and text.endswith(")")):
        raise LinkDesync(f"expected a channel list, got {scpi.excerpt(text)}")
    fields = [field.strip() for field in text[2:-1].split(",") if field.strip()]
    return frozenset(point for field in fields for point in _run(field))


def _run(field: str) -> list[Crosspoint]:
    matches = [_CHANNEL.fullmatch(end.strip()) for end in field.split(":")]
    ends = [Crosspoint(slot=int(m[1]), row=int(m[2]), column=int(m[3])) for m in matches if m]
    first, last = ends[0] if ends else None, ends[-1] if ends else None
    if None in matches or len(ends) > 2 or first is None or last is None:
        raise LinkDesync(f"expected channels slot!row!column, got {scpi.excerpt(field)}")
    if (first.slot, first.row) != (last.slot, last.row) or not 0 <= last.column - first.column < _LONGEST_RUN:
        raise LinkDesync(f"expected a run of channels along one row, got {scpi.excerpt(field)}")
    return [
        Crosspoint(slot=first.slot, row=first.row, column=column) for column in range(first.column, last.column + 1)
    ]


def format_channels(crosspoints: Sequence[Crosspoint]) -> str:
    """Return crosspoints as a channel list."""
    return f"(@{','.join(f'{point.slot}!{point.row}!{point.column}' for point in crosspoints)})"


SAFE = SafeState(command=_OPEN_ALL, query=_CLOSED, confirms=lambda reply: not parse_channels(reply))


@final
class Keithley7001:
    """A switch matrix. Switch outputs off before a relay moves: hot switching welds reed contacts.

    Two rows on one column are two instruments on one device: four-wire measurements want that, so it is not forbidden
    here. `Bench.connect_pulse` and `connect_measure` never do it.

    Args:
        session: the identified instrument.
        slot: slots that the mainframe has.
    """

    def __init__(self, session: Session, *, slot: Limit = SLOT) -> None:
        self.session = session
        self._slot = slot
        session.output = OutputState.NONE

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self.session.name

    @property
    def identity(self) -> Identity:
        """Return who the instrument said it is when it was opened."""
        return self.session.identity

    def close_crosspoints(self, crosspoints: Sequence[Crosspoint]) -> None:
        """Close these crosspoints; others stay as they are."""
        if not crosspoints:
            return
        for point in crosspoints:
            self._slot.check(point.slot)
            ROW.check(point.row)
            COLUMN.check(point.column)
        self.session.command(f":ROUT:CLOS {format_channels(crosspoints)}")
        self.session.check_errors("closing crosspoints")
        if missing := frozenset(crosspoints) - self.closed():
            raise self.session.refusal(f"did not close {format_channels(sorted(missing))}")

    def open_all(self) -> None:
        """Open every crosspoint."""
        self.session.command(_OPEN_ALL)
        self.session.check_errors("opening all crosspoints")
        if stuck := self.closed():
            raise self.session.refusal(f"did not open {format_channels(sorted(stuck))}: look for a welded relay")

    def closed(self) -> frozenset[Crosspoint]:
        """Return the crosspoints that are closed, as read from the instrument."""
        return self.session.ask(_CLOSED, parse_channels)

    @property
    def limits(self) -> tuple[Limit, ...]:
        """Return the limits in force, with their origins."""
        return (self._slot, ROW, COLUMN)

    def self_test(self) -> str:
        """Run the self test and return what it said, and which cards there are. Moves no relay.

        Raises:
            InstrumentError: if it failed.
        """
        said = self.session.self_test()
        numbers = range(int(self._slot.low), int(self._slot.high) + 1)
        cards = {number: self.session.ask(f":ROUT:CONF:SLOT{number}:CTYP?", str) for number in numbers}
        # The rows and columns allowed are the 7012's: whoever reads this sees whether that is the card.
        return ", ".join((said, *(f"slot {number}: {card}" for number, card in cards.items() if card != "NONE")))

    def check_errors(self) -> None:
        """Read the error queue until it is empty; raise `InstrumentError` with every entry if it was not."""
        self.session.check_errors()

    def make_safe(self) -> None:
        """Open every crosspoint: write first, then read back. Raise `SafeStateError` if that cannot be confirmed."""
        self.session.make_safe()

    def close(self) -> None:
        """Close the link. Does not move a relay; closing twice is allowed."""
        self.session.close()


MODEL = Model(
    key="keithley-7001",
    title="Keithley 7001 switch system",
    entry=SwitchEntry,
    kind=KIND,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=lambda _entry, _place: Keithley7001,
)

MODEL_7002 = Model(
    key="keithley-7002",
    title="Keithley 7002 switch system",
    entry=SwitchEntry,
    kind=KIND_7002,
    dialect=SCPI,
    safe=lambda _: SAFE,
    prepare=lambda _entry, _place: partial(Keithley7001, slot=SLOT_7002),
)
