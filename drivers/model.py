"""What the toolkit knows of one instrument model: the one value that a driver file hands to the table of models."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from drivers.dialect import Dialect
from drivers.entries import InstrumentEntry
from drivers.instrument import Kind, SafeState, Session
from drivers.interface_lock import InterfaceLock
from drivers.limits import Limit
from drivers.protocols import Instrument

EntryT = TypeVar("EntryT", bound=InstrumentEntry)


class Driver(Instrument, Protocol):
    """What a driver file builds: an instrument that shows its session to the bench."""

    @property
    def session(self) -> Session:
        """Return the identified instrument that the driver speaks to."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Interlock:
    """How an instrument tells the state of its safety interlock."""

    query: str
    """Asks for it."""
    is_closed: Callable[[str], bool]
    """Whether an answer says that it is closed; raises `LinkDesync` for an answer of another form."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model(Generic[EntryT]):
    """One instrument model."""

    key: str
    """Name in bench files: `keysight-81160a`."""
    title: str
    """Maker and model in words."""
    entry: type[EntryT]
    """The table that describes it in a bench file."""
    kind: Kind
    """Which identities will do."""
    dialect: Dialect
    """How it is spoken to."""
    safe: Callable[[EntryT], SafeState]
    """How it is made safe."""
    prepare: Callable[[EntryT, str], Callable[[Session], Driver]]
    """Check the entry's limits, naming the place given, and return what builds the driver. Opens nothing."""
    interlock: Interlock | None = None
    """How it tells whether its interlock is closed; None where it has none or does not tell."""
    lock: InterfaceLock | None = None
    """The lock in the instrument that keeps its other interfaces out; None where it has none."""


def narrowed(limit: Limit, pair: tuple[float, float] | None, place: str) -> Limit:
    """Return a limit as a bench file narrows it; the place is named when it would widen it."""
    return limit if pair is None else limit.narrowed(*pair, place)
