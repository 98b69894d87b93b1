"""Keithley 7001 switch system with matrix cards of 4 rows and 10 columns (model 7012)."""

import re
from collections.abc import Sequence
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

SLOT = Limit(quantity="slot", low=1, high=2, unit="", origin="the 7001 manual")
ROW = Limit(quantity="row", low=1, high=4, unit="", origin="the 7012 card")
COLUMN = Limit(quantity="column", low=1, high=10, unit="", origin="the 7012 card")

_OPEN_ALL = ":ROUT:OPEN ALL"
_CLOSED = ":ROUT:CLOS:STAT?"
_CHANNEL = re.compile(r"([0-9]{1,2})!([0-9]{1,2})!([0-9]{1,2})")


def parse_channels(text: str) -> frozenset[Crosspoint]:
    """Return the crosspoints of a channel list `(@slot!row!column,...)`."""
    if not (text.startswith("(@") and text.endswith(")")):
        raise LinkDesync(f"expected a channel list, got {scpi.excerpt(text)}")
    fields = [field.strip() for field in text[2:-1].split(",") if field.strip()]
    matches = [_CHANNEL.fullmatch(field) for field in fields]
    if None in matches:
        raise LinkDesync(f"expected channels slot!row!column, got {scpi.excerpt(text)}")
    return frozenset(Crosspoint(slot=int(m[1]), row=int(m[2]), column=int(m[3])) for m in matches if m)


def format_channels(crosspoints: Sequence[Crosspoint]) -> str:
    """Return crosspoints as a channel list."""
    return f"(@{','.join(f'{point.slot}!{point.row}!{point.column}' for point in crosspoints)})"


SAFE = SafeState(command=_OPEN_ALL, query=_CLOSED, confirms=lambda reply: not parse_channels(reply))


@final
class Keithley7001:
    """A switch matrix. Switch outputs off before a relay moves: hot switching welds reed contacts.

    Args:
        session: the identified instrument.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
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
            SLOT.check(point.slot)
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
        return (SLOT, ROW, COLUMN)

    def self_test(self) -> str:
        """Run the self test and return what it said; raise `InstrumentError` if it failed. Switches nothing on."""
        return self.session.self_test()

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
