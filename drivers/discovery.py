"""Who is out there: every resource of a VISA library asked for its identity, and resources found by a bench's names."""

import re
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from drivers import scpi
from drivers.config import BenchConfig, load_bench
from drivers.deadline import Deadline, SystemClock
from drivers.dialect import SCPI, Dialect
from drivers.entries import ArrayEntry, InstrumentEntry, PulseSourceEntry
from drivers.errors import ConfigError, HilError, LinkDesync, LinkError
from drivers.limits import Limit
from drivers.link import Link
from drivers.models import MODELS
from drivers.protocols import Identity
from drivers.visa_library import VisaLibrary

TIMEOUT_S = 1.0
"""Time that a resource is given to open and say who it is, seconds; on a serial line, at each speed.

A HiSLIP address where nothing is costs 5 s all the same: pyvisa-py waits so long, whatever it is told.
"""

_AT_ONCE = 16
_LEAST_S = 0.1
"""Time for the answer, however long opening took."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A resource that a VISA library can see or a bench file names."""

    resource: str
    """VISA resource name."""
    name: str | None
    """The instrument's name in the bench file; None if the file does not have it."""
    identity: str | None
    """Its `*IDN?` reply; None if it gave none."""
    fields: Identity | None
    """The reply's four fields; None if it does not have four."""
    driver: str | None
    """The model in bench files that knows it; None if there is no driver for it."""
    problem: str | None
    """Why there is no identity."""

    @property
    def is_reachable(self) -> bool:
        """Return whether it answered."""
        return self.identity is not None


def discover(
    library: str,
    *,
    serial_ports: bool = False,
    bench: BenchConfig | None = None,
    progress: Callable[[int, int, str], None] = lambda _done, _total, _text: None,
) -> tuple[Found, ...]:
    """Ask every resource of a VISA library who it is, several at once. Changes no setting.

    Args:
        library: PyVISA library specification.
        serial_ports: whether to ask serial ports too: not every device on one bears a question it does not know.
        bench: its instruments are asked as well, as a network instrument is seldom listed; serial ones too.
        progress: told how many were asked, how many there are, and the latest resource.
    """
    visa = VisaLibrary.open(library)
    names = {} if bench is None else {entry.address: entry for entry in bench.instruments}
    listed = [name for name in visa.resources() if _may_be_asked(name, serial_ports=serial_ports)]
    resources = sorted({*listed, *names}, key=_by_interface)
    found: dict[str, Found] = {}
    if not resources:
        return ()
    with ThreadPoolExecutor(max_workers=min(_AT_ONCE, len(resources)), thread_name_prefix="discover") as pool:
        asked = {pool.submit(_ask, visa, resource, names.get(resource)): resource for resource in resources}
        for done, future in enumerate(as_completed(asked), start=1):
            found[asked[future]] = future.result()
            progress(done, len(asked), asked[future])
    return tuple(found[resource] for resource in resources)


def driver_for(identity: Identity) -> str | None:
    """Return the model in bench files whose driver knows an identity; None if none does."""
    for key, model in MODELS.items():
        pairs = ((model.kind.manufacturer, identity.manufacturer), (model.kind.model, identity.model))
        if all(re.fullmatch(pattern, text, re.IGNORECASE) for pattern, text in pairs):
            return key
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A resource and the library that leads to it."""

    library: str
    """PyVISA library specification."""
    address: str
    """VISA resource name."""
    entry: InstrumentEntry | None
    """Its table in the bench file; None if the file does not have it."""
    origin: str
    """The bench file, for messages."""

    def check_is_array(self) -> None:
        """Check that the bench file does not say that another kind of instrument is there.

        Raises:
            ConfigError: if it does.
        """
        if self.entry is not None and not isinstance(self.entry, ArrayEntry):
            raise ConfigError(
                f"{self.entry.name} is a {self.entry.model} in {self.origin}, not an array controller: name one, or "
                "its address"
            )

    def check_pulse(self, amplitude_v: float, width_s: float) -> None:
        """Check a pulse against the limits of the bench file.

        Raises:
            LimitError: if the pulse exceeds them.
        """
        if not isinstance(self.entry, ArrayEntry | PulseSourceEntry):
            return
        limits = self.entry.limits
        for quantity, unit, pair, value in (
            ("pulse amplitude", "V", limits.amplitude_v, amplitude_v),
            ("pulse width", "s", limits.width_s, width_s),
        ):
            if pair is not None:
                place = f"{self.origin}: instrument {self.entry.name!r} limits"
                Limit(quantity=quantity, low=pair[0], high=pair[1], unit=unit, origin=place).check(value)


def locate(resource: str, bench: Path | None, library: str | None = None) -> Located:
    """Return where a resource is: a name or an address of a bench file, or any VISA resource name.

    Args:
        resource: the name of an instrument in the bench file, or a VISA resource name.
        bench: the bench file; None for the one that ships.
        library: PyVISA library specification instead of the bench's; the bench that ships then counts for nothing.

    Raises:
        ConfigError: if the bench file cannot be read.
    """
    if library is not None and bench is None:
        return Located(library=library, address=resource, entry=None, origin="no bench file")
    config = load_bench(bench)
    entry = next((entry for entry in config.instruments if resource in (entry.name, entry.address)), None)
    return Located(
        library=library or config.library,
        address=entry.address if entry else resource,
        entry=entry,
        origin=config.origin,
    )


def _ask(visa: VisaLibrary, resource: str, entry: InstrumentEntry | None) -> Found:
    name = entry.name if entry else None
    try:
        identity = _identity(visa, resource, _dialects(resource, entry))
    except LinkError as error:
        return Found(resource=resource, name=name, identity=None, fields=None, driver=None, problem=_reason(error))
    fields = None
    try:
        fields = scpi.parse_identity(identity)
    except LinkDesync:
        # An old instrument may answer with less than four fields: it is there all the same.
        fields = None
    driver = driver_for(fields) if fields else None
    return Found(resource=resource, name=name, identity=identity, fields=fields, driver=driver, problem=None)


def _identity(visa: VisaLibrary, resource: str, dialects: Iterable[Dialect]) -> str:
    failure: HilError | None = None
    for dialect in dialects:
        deadline = Deadline.after(TIMEOUT_S, SystemClock())
        try:
            link = Link(visa, resource, dialect=dialect, open_timeout_s=TIMEOUT_S)
            try:
                return link.query("*IDN?", timeout_s=max(deadline.left_s(), _LEAST_S))
            finally:
                link.close()
        except LinkError as error:
            failure = error
    raise failure or LinkError(f"{resource} was not asked")


def _dialects(resource: str, entry: InstrumentEntry | None) -> tuple[Dialect, ...]:
    """Return how to try to speak to a resource; on a serial line the instrument's own line ends and speed matter."""
    if entry is not None:
        return (MODELS[entry.model].dialect,)
    if not _is_serial(resource):
        return (SCPI,)
    tried = {(dialect.terminator, dialect.baud): dialect for dialect in (SCPI, *_serial_dialects())}
    return tuple(tried.values())


def _serial_dialects() -> Iterable[Dialect]:
    return (model.dialect for model in MODELS.values())


def _reason(error: LinkError) -> str:
    return " ".join(str(error).split()).removesuffix(": resynchronise the link")


def _may_be_asked(resource: str, *, serial_ports: bool) -> bool:
    """Return whether a resource may be an instrument that bears a question; an interface or adapter is none."""
    return not resource.upper().endswith("::INTFC") and (serial_ports or not _is_serial(resource))


def _is_serial(resource: str) -> bool:
    return resource.upper().startswith("ASRL")


def _by_interface(resource: str) -> tuple[bool, str]:
    return _is_serial(resource), resource
