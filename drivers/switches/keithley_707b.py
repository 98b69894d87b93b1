"""Keithley 707B switching matrix with cards of 8 rows, A to H, and 12 columns. It speaks TSP."""

import re
from collections.abc import Sequence
from typing import final

from drivers import scpi
from drivers.entries import SwitchEntry
from drivers.errors import LinkDesync
from drivers.instrument import Kind, OutputState, SafeState, Session, Setting
from drivers.limits import Limit
from drivers.model import Model
from drivers.protocols import Crosspoint, Identity
from drivers.tsp import TSP

KIND = Kind(manufacturer=r"KEITHLEY INSTRUMENTS.*", model=r"(MODEL )?707B")

SLOT = Limit(quantity="slot", low=1, high=6, unit="", origin="the 707B manual")
ROW = Limit(quantity="row", low=1, high=8, unit="", origin="the matrix card")
COLUMN = Limit(quantity="column", low=1, high=12, unit="", origin="the matrix card")

_OPEN_ALL = 'channel.open("allslots")'
_CLOSED = 'print(channel.getclose("allslots"))'
_RULE = "channel.connectrule"
_BREAK_BEFORE_MAKE = 1
_CHANNEL = re.compile(r"([1-6])([A-H])([0-9]{2})")
_FIRST_ROW = ord("A")


def parse_channels(text: str) -> frozenset[Crosspoint]:
    """Return the crosspoints of a list such as `1A03;1B05`; `nil` stands for none."""
    if text == "nil":
        return frozenset()
    matches = [_CHANNEL.fullmatch(item) for item in text.split(";")]
    if None in matches:
        raise LinkDesync(f"expected channels such as 1A03 with semicolons between, got {scpi.excerpt(text)}")
    return frozenset(Crosspoint(slot=int(m[1]), row=ord(m[2]) - _FIRST_ROW + 1, column=int(m[3])) for m in matches if m)


def format_channels(crosspoints: Sequence[Crosspoint]) -> str:
    """Return crosspoints as a channel list: row A is row 1."""
    return ",".join(f"{point.slot}{chr(_FIRST_ROW + point.row - 1)}{point.column:02d}" for point in crosspoints)


SAFE = SafeState(command=_OPEN_ALL, query=_CLOSED, confirms=lambda reply: not parse_channels(reply))


@final
class Keithley707B:
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
        self._prepare()
        self.session.command(f'channel.close("{format_channels(crosspoints)}")')
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

    def _prepare(self) -> None:
        """Choose break before make, once for each connection: make before break would join two devices."""
        if self.session.is_prepared:
            return
        self.session.command(f"{_RULE} = {_BREAK_BEFORE_MAKE}")
        self.session.confirm((Setting(query=f"print({_RULE})", value=_BREAK_BEFORE_MAKE),))
        self.session.mark_prepared()


MODEL = Model(
    key="keithley-707b",
    title="Keithley 707B switching matrix",
    entry=SwitchEntry,
    kind=KIND,
    dialect=TSP,
    safe=lambda _: SAFE,
    prepare=lambda _entry, _place: Keithley707B,
)
