"""A bench: every instrument of a bench file, opened together, made safe together, closed together."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeVar, cast, final

from drivers.config import BenchConfig, Wiring
from drivers.deadline import VirtualTime
from drivers.entries import ArrayEntry, InstrumentEntry, PulseSourceEntry, SourceMeterEntry, SwitchEntry
from drivers.errors import ConfigError, HilError, InstrumentError, LinkError, SafeStateError
from drivers.guard.library import open_guarded
from drivers.instrument import OutputState, Session
from drivers.leaving import at_end, leave_unsafe
from drivers.link import Link
from drivers.link_state import LinkState
from drivers.model import Driver
from drivers.models import MODELS
from drivers.protocols import ArrayProgrammer, Crosspoint, Instrument, PulseSource, SourceMeter, Switch
from drivers.together import shielded, together
from drivers.visa_library import VisaLibrary

SAFE_TIMEOUT_S = 20.0
"""Time given to all sources, and then to all relays, to be made safe, seconds."""

E = TypeVar("E", bound=HilError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What is known of one instrument without asking it again."""

    name: str
    """Name in the bench file."""
    model: str
    """Model in the bench file."""
    address: str
    """VISA resource name."""
    link: str
    """`SYNCED`, `DESYNCED`, `DEAD` or `CLOSED`."""
    output: str
    """`on` or `off` as last read back, `unknown`, or `none` for an instrument without outputs."""
    exchanges: int
    """Messages sent so far."""
    bytes_out: int
    """Bytes sent so far."""
    bytes_in: int
    """Bytes received so far."""


@final
class Bench:
    """The instruments of a bench. Use it in a `with` statement: leaving makes every instrument safe, then closes it.

    Every message goes past the guard (`drivers.guard`), which holds the limits of the bench file. A bench that is never
    left is made safe at the end of the interpreter, SIGTERM included, unless it was closed before.
    """

    def __init__(
        self,
        config: BenchConfig,
        drivers: tuple[tuple[InstrumentEntry, Driver], ...],
        errors_found: Mapping[str, tuple[str, ...]],
        virtual_time: VirtualTime | None = None,
    ) -> None:
        self.config = config
        self.virtual_time = virtual_time
        """Time of simulated instruments, in which a pause has to be made; None on a bench whose time is everybody's."""
        self.errors_found = errors_found
        """What stood in the error queues before this program came, oldest first, by instrument name."""
        self._drivers = drivers
        self._forget_end: Callable[[], None] = at_end(self._leave)

    @classmethod
    def open(cls, config: BenchConfig) -> Self:
        """Open and identify every instrument, and empty its error queue. Resets nothing and touches no output.

        Raises:
            ConfigError: if the VISA library does not open or a limit of the bench file is too wide.
            LinkError: naming every instrument that did not open or reports that it is unwell; all are closed again.
        """
        library = open_guarded(config)
        drivers: list[tuple[InstrumentEntry, Driver]] = []
        failures: list[HilError] = []
        errors_found: dict[str, tuple[str, ...]] = {}
        try:
            for entry in config.instruments:
                try:
                    drivers.append((entry, _open(entry, library, config.origin)))
                    errors_found[entry.name] = _old_errors(drivers[-1][1].session)
                except (LinkError, InstrumentError) as error:
                    failures.append(error)
            if failures:
                raise _gathered(
                    LinkError, f"{len(failures)} of {len(config.instruments)} instruments did not open", failures
                )
        except BaseException:
            for _, driver in drivers:
                driver.close()
            raise
        return cls(config, tuple(drivers), errors_found, library.virtual_time)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._make_safe_in_any_case()
        except SafeStateError as unsafe:
            if error is not None:
                unsafe.add_note(f"while leaving the bench because of {error!r}")
            raise
        finally:
            self.close()

    @property
    def instruments(self) -> tuple[Instrument, ...]:
        """Return every instrument in the order of the bench file."""
        return tuple(driver for _, driver in self._drivers)

    @property
    def array(self) -> ArrayProgrammer:
        """Return the array controller."""
        return cast("ArrayProgrammer", self._only(ArrayEntry, "an array controller"))

    @property
    def pulse_source(self) -> PulseSource:
        """Return the pulse source."""
        return cast("PulseSource", self._only(PulseSourceEntry, "a pulse source"))

    @property
    def source_meter(self) -> SourceMeter:
        """Return the source-measure unit."""
        return cast("SourceMeter", self._only(SourceMeterEntry, "a source-measure unit"))

    @property
    def switch(self) -> Switch:
        """Return the switch matrix."""
        return cast("Switch", self._only(SwitchEntry, "a switch matrix"))

    @property
    def wiring(self) -> Wiring:
        """Return which device hangs on which column of the switch."""
        if self.config.wiring is None:
            raise ConfigError(
                f"{self.config.origin}: no wiring; add a [wiring] table that says which device is on which column"
            )
        return self.config.wiring

    def statuses(self) -> tuple[Status, ...]:
        """Return what is known of each instrument, without a word on any bus."""
        return tuple(_status(entry, driver.session) for entry, driver in self._drivers)

    def connect_pulse(self, device: int) -> None:
        """Lead the pulse source to one device and nothing else; outputs go off before relays move. Moves no wall."""
        self._connect(self.wiring.pulse_crosspoint(device))

    def connect_measure(self, device: int) -> None:
        """Lead the source meter to one device and nothing else; outputs go off before relays move. Moves no wall."""
        self._connect(self.wiring.measure_crosspoint(device))

    def disconnect(self) -> None:
        """Open every relay; outputs go off before they move. Moves no wall."""
        self._outputs_off()
        self.switch.open_all()

    def make_safe(self) -> None:
        """Make every instrument safe: all sources at once, then the relays, which must not open under current.

        Takes no longer than `SAFE_TIMEOUT_S` for each. Ctrl-C does not cut it short and is raised after it.

        Raises:
            SafeStateError: naming every instrument that did not confirm; all the others have been made safe.
        """
        shielded(self._make_all_safe)

    def close(self) -> None:
        """Close every link. Touches no output; closing twice is allowed."""
        self._forget_end()
        for _, driver in self._drivers:
            driver.close()

    def _make_all_safe(self) -> None:
        drivers = [driver for _, driver in self._drivers]
        sources = [driver for driver in drivers if driver.session.output is not OutputState.NONE]
        others = [driver for driver in drivers if driver.session.output is OutputState.NONE]
        failures = [*_safe_together(sources), *_safe_together(others)]
        if failures:
            raise _gathered(
                SafeStateError, f"{len(failures)} of {len(drivers)} instruments could not be made safe", failures
            )

    def _make_safe_in_any_case(self) -> None:
        try:
            self.make_safe()
        except KeyboardInterrupt:
            # It may have come before anything was sent; doing it twice harms nothing.
            self.make_safe()
            raise

    def _leave(self) -> None:
        """Make safe at the end of the interpreter, if nobody did."""
        if all(driver.session.link.state is LinkState.CLOSED for _, driver in self._drivers):
            return
        try:
            self._make_safe_in_any_case()
        except SafeStateError as error:
            leave_unsafe(error)
        finally:
            self.close()

    def _connect(self, crosspoint: Crosspoint) -> None:
        self.disconnect()
        self.switch.close_crosspoints([crosspoint])

    def _outputs_off(self) -> None:
        # By the entry: to hold a driver against a whole protocol takes longer than a message.
        for entry, driver in self._drivers:
            if isinstance(entry, PulseSourceEntry | SourceMeterEntry):
                cast("PulseSource | SourceMeter", driver).output_off()

    def _only(self, entry: type[InstrumentEntry], role: str) -> Driver:
        found = [driver for one, driver in self._drivers if isinstance(one, entry)]
        if len(found) != 1:
            models = [model.key for model in MODELS.values() if model.entry is entry]
            raise ConfigError(
                f"{self.config.origin}: {role} is needed and there are {len(found)}: "
                f"list one [[instrument]], model {' or '.join(models)}"
            )
        return found[0]


def _open(entry: InstrumentEntry, library: VisaLibrary, origin: str) -> Driver:
    model = MODELS[entry.model]
    # Limits first: a bench file that asks for too much must not open anything.
    build = model.prepare(entry, f"{origin}: instrument {entry.name!r} limits")
    link = Link(library, entry.address, dialect=model.dialect)
    try:
        session = Session(
            entry.name,
            link,
            kind=model.kind,
            safe=model.safe(entry),
            title=model.title,
            expect_serial=entry.expect_serial,
            lock=model.lock,
        )
    except BaseException:
        link.close()
        raise
    try:
        return build(session)
    except BaseException:
        session.close()
        raise


def _old_errors(session: Session) -> tuple[str, ...]:
    """Empty the error queue, so that what it holds later is about this program's own doing."""
    entries = session.drain_errors()
    if any(entry.is_severe for entry in entries):
        raise session.refusal("is unwell", entries)
    return tuple(str(entry) for entry in entries)


def _status(entry: InstrumentEntry, session: Session) -> Status:
    return Status(
        name=entry.name,
        model=entry.model,
        address=entry.address,
        link=session.link.state.value,
        output=session.output.value,
        exchanges=session.link.exchanges,
        bytes_out=session.link.bytes_out,
        bytes_in=session.link.bytes_in,
    )


def _safe_together(drivers: Sequence[Driver]) -> list[HilError]:
    """Make instruments safe in parallel and return what went wrong: one that hangs must not keep another on."""
    found = together([driver.make_safe for driver in drivers], SAFE_TIMEOUT_S)
    return [
        error if isinstance(error, HilError) else SafeStateError(f"{driver.name}: {error!r}; cut its power by hand")
        for driver, error in zip(drivers, found, strict=True)
        if error is not None
    ]


def _gathered(kind: type[E], what: str, failures: Sequence[HilError]) -> E:
    told = (" ".join((str(failure), *getattr(failure, "__notes__", ()))) for failure in failures)
    error = kind("; ".join((what, *told)))
    error.__cause__ = ExceptionGroup(what, list(failures))
    return error
