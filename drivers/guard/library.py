"""The VISA library `@guard`: another library, with the bench file's limits on the messages that go through it.

Whatever speaks through PyVISA goes through it: the toolkit's drivers, other people's, a console. It judges each message
before a byte is sent; replies, attributes, events and locks are the other library's own.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import RLock
from typing import Any, Final, NoReturn, SupportsInt, cast, final

import pyvisa
from pyvisa import constants, rname
from pyvisa.constants import ResourceAttribute, StatusCode
from pyvisa.highlevel import VisaLibraryBase, open_visa_library
from pyvisa.typing import VISAEventContext, VISARMSession, VISASession
from pyvisa.util import LibraryPath

from drivers.config import BenchConfig, load_bench
from drivers.errors import ConfigError, HilError, LimitError
from drivers.guard.journal import Course, Journal
from drivers.guard.rule import Reply
from drivers.guard.rules.table import screen_for
from drivers.guard.screen import LONGEST_KNOWN_BYTES, Screen, Verdict
from drivers.visa_library import VisaLibrary

_DEFAULT: Final = "unset"
_STREAMS: Final = ("::SOCKET",)
_OTHER_WAYS_OUT: Final = (
    "buffer_write",
    "buffer_read_write",
    "gpib_command",
    "write_asynchronously",
    "write_from_file",
    "usb_control_out",
    "vxi_command_query",
    "assert_interrupt_signal",
    "assert_utility_signal",
    "map_trigger",
    *(f"{verb}_{width}" for verb in ("out", "poke") for width in (8, 16, 32, 64)),
    *(f"move_out_{width}" for width in (8, 16, 32, 64)),
    "move",
    "move_asynchronously",
    "write_memory",
)
"""Library functions that could carry a message past the judge."""

_numbers = itertools.count(1)


@final
class GuardedPath(LibraryPath):
    """The name of a guard in PyVISA's table of libraries, with the bench it guards."""

    bench: BenchConfig


@dataclass(slots=True)
class _Port:
    """One instrument, whichever session speaks to it."""

    resource: str
    screen: Screen
    harmless: Mapping[bytes, Verdict]
    lock: RLock = field(default_factory=RLock)


@dataclass(slots=True)
class _Line:
    """One session."""

    port: _Port
    is_stream: bool
    counts_replies: bool
    """Whether replies that nobody reads wait in line, instead of giving way to the next."""
    ends_messages: bool = True
    unread: int = 0
    expects: tuple[Reply, frozenset[str]] | None = None
    heard: bytes = b""
    """What has come of the expected reply."""


@final
class GuardVisaLibrary(VisaLibraryBase):
    """A VISA library that passes on what the limits allow.

    The path names what is guarded: a bench file, whose own library is then opened; or the specification of a library,
    to which the bench that ships applies. Nothing names the bench that ships, with its own library.
    """

    inner: VisaLibraryBase
    """The library behind the guard: for tests and tools. What goes to it directly is not guarded."""
    journal: Journal
    """The newest messages."""

    @staticmethod
    def get_library_paths() -> tuple[LibraryPath, ...]:
        """Return the one library there is without a path: the bench that ships."""
        return (LibraryPath(_DEFAULT),)

    @staticmethod
    def get_debug_info() -> dict[str, str]:
        """Return what `pyvisa-info` prints about this backend."""
        return {"Limits on the wire": "domainwall-hil"}

    @classmethod
    def around(cls, bench: BenchConfig) -> "GuardVisaLibrary":
        """Return a guard of its own around the library of a bench.

        Raises:
            ConfigError: if a limit of the bench is wider than the model's.
        """
        path = cast("GuardedPath", GuardedPath(f"{bench.origin} ({next(_numbers)})"))
        path.bench = bench
        return cls(path)

    def _init(self) -> None:
        bench = _bench_of(self.library_path)
        # Limits first: a bench file that asks for too much must not open anything.
        self._ports = _ports_of(bench)
        self._origin = bench.origin
        self.journal = Journal()
        self._note = self.journal.note
        self._lines: dict[int, _Line] = {}
        self.inner = open_visa_library(bench.library)
        self._pass_on()

    def _pass_on(self) -> None:
        """Give everything that is not judged to the other library, without a detour."""
        own = set(vars(type(self))) | {"__init__"}
        for name in dir(type(self.inner)):
            if name.startswith("_") or name in own or not callable(getattr(self.inner, name, None)):
                continue
            setattr(self, name, _refuser(name) if name in _OTHER_WAYS_OUT else getattr(self.inner, name))

    def __getattr__(self, name: str) -> Any:
        """Return what only the other library has, such as the simulated bench behind it."""
        if name.startswith("__") or name == "inner":
            raise AttributeError(name)
        if name in _OTHER_WAYS_OUT:
            return _refuser(name)
        return getattr(self.inner, name)

    @property
    def last_status(self) -> StatusCode:
        """Return the last status of the other library."""
        return self.inner.last_status

    def open_default_resource_manager(self) -> tuple[VISARMSession, StatusCode]:
        """Open a session with the other library's resource manager."""
        # PyVISA makes these for every library; warnings and statuses are the other library's.
        self.issue_warning_on = self.inner.issue_warning_on
        self.handlers = self.inner.handlers
        return self.inner.open_default_resource_manager()

    def open(
        self,
        session: VISARMSession,
        resource_name: str,
        access_mode: constants.AccessModes = constants.AccessModes.no_lock,
        open_timeout: SupportsInt = constants.VI_TMO_IMMEDIATE,
    ) -> tuple[VISASession, StatusCode]:
        """Open a session with an instrument that the bench file names.

        Raises:
            LimitError: if it names no such instrument.
        """
        port = self._ports.get(_canonical(resource_name))
        if port is None:
            raise LimitError(
                f"{resource_name} is not in {self._origin}, so no limits are known for it: add an [[instrument]] "
                "with this address"
            )
        opened, status = self.inner.open(session, resource_name, access_mode, int(open_timeout))
        is_stream = resource_name.upper().endswith(_STREAMS) or resource_name.upper().startswith("ASRL")
        self._lines[opened] = _Line(port, is_stream, is_stream or port.screen.keeps_replies)
        return opened, status

    def close(self, session: VISASession | VISARMSession | VISAEventContext) -> StatusCode:
        """Close a session."""
        self._lines.pop(session, None)
        return self.inner.close(session)

    def write(self, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Judge a message and send it; may move walls.

        Raises:
            LimitError: if it may not be sent; nothing was.
        """
        line = self._lines.get(session) or self._line(session)
        port = line.port
        if type(data) is not bytes:
            # What is sent is what was judged, even if the caller's buffer changes meanwhile.
            data = bytes(data)
        # Short ones alone: to look a block of megabytes up would cost more than to judge it.
        verdict = port.harmless.get(data) if len(data) <= LONGEST_KNOWN_BYTES else None
        if verdict is not None and verdict.reply is None and line.expects is None and data.endswith(b"\n"):
            # Most messages are questions asked before: nothing of the state is looked at or changed.
            written, status = self._pass(port, session, data)
            line.unread += verdict.asks
            return written, status
        with port.lock:
            try:
                if not data.endswith(b"\n") and (line.is_stream or not line.ends_messages):
                    raise LimitError(
                        f"{port.resource}: half a message cannot be judged: end each write with a line feed; "
                        "nothing was sent"
                    )
                verdict = port.screen.judge(data)
            except LimitError:
                self._note(Course.REFUSED, port.resource, data)
                raise
            written, status = self._pass(port, session, data)
            if written != len(data):
                return written, status
            if verdict.after is not None:
                port.screen.sent(verdict)
            if verdict.asks:
                line.unread += verdict.asks
                if line.expects is not None or (verdict.reply is not None and line.unread > 1):
                    # What said that something was refused, or will say so, is not heard.
                    port.screen.replied(Reply.ERRORS, b"", frozenset())
                line.expects = None
                # An answer that nobody has read yet would be taken for the answer to this question.
                if verdict.reply is not None and line.unread == 1:
                    line.heard = b""
                    line.expects = (verdict.reply, port.screen.pending())
        return written, status

    def _pass(self, port: _Port, session: VISASession, data: bytes) -> tuple[int, StatusCode]:
        """Send a message that may be sent; after a failure nothing is known of the instrument."""
        try:
            written, status = self.inner.write(session, data)
        except BaseException:
            port.screen.lost()
            raise
        if written != len(data):
            port.screen.lost()
        else:
            self._note(Course.OUT, port.resource, data)
        return written, status

    def read(self, session: VISASession, count: int) -> tuple[bytes, StatusCode]:
        """Read from an instrument."""
        data, status = self.inner.read(session, count)
        line = self._lines.get(session) or self._line(session)
        if line.counts_replies:
            line.unread = max(0, line.unread - _replies_in(data, status))
        else:
            line.unread = 0
        if line.expects is not None:
            line.heard += data
            # A stream gives a reply in pieces, as they come.
            if status != StatusCode.success_max_count_read or line.heard.endswith(b"\n"):
                kind, settings = line.expects
                line.expects = None
                with line.port.lock:
                    line.port.screen.replied(kind, line.heard, settings)
        self._note(Course.IN, line.port.resource, data)
        return data, status

    def clear(self, session: VISASession) -> StatusCode:
        """Send a device clear."""
        line = self._line(session)
        status = self.inner.clear(session)
        if line.expects is not None:
            line.port.screen.replied(Reply.ERRORS, b"", frozenset())
        line.unread, line.expects = 0, None
        return status

    def assert_trigger(self, session: VISASession, protocol: constants.TriggerProtocol) -> StatusCode:
        """Judge a bus trigger and send it; may move walls.

        Raises:
            LimitError: if it may not be sent; it was not.
        """
        port = self._line(session).port
        with port.lock:
            try:
                port.screen.trigger()
            except LimitError:
                self.journal.note(Course.REFUSED, port.resource, b"(bus trigger)")
                raise
            self.journal.note(Course.OUT, port.resource, b"(bus trigger)")
            return self.inner.assert_trigger(session, protocol)

    def set_attribute(self, session: VISASession, attribute: ResourceAttribute, attribute_state: Any) -> StatusCode:
        """Set an attribute of a session."""
        status = self.inner.set_attribute(session, attribute, attribute_state)
        if attribute == ResourceAttribute.send_end_enabled and (line := self._lines.get(session)) is not None:
            line.ends_messages = bool(attribute_state)
        return status

    def _line(self, session: VISASession) -> _Line:
        line = self._lines.get(session)
        if line is None:
            raise LimitError(f"session {session} was not opened through the guard")
        return line


def _replies_in(data: bytes, status: StatusCode) -> int:
    """Return how many replies end in what was read; a block, which may hold line feeds, is one."""
    if b"#" not in data and b"\n" in data:
        return data.count(b"\n")
    return int(status != StatusCode.success_max_count_read or data.endswith(b"\n"))


def _bench_of(path: LibraryPath) -> BenchConfig:
    if isinstance(path, GuardedPath):
        return path.bench
    if path == _DEFAULT:
        return load_bench()
    if "@" in path:
        shipped = load_bench()
        return BenchConfig(
            name=shipped.name,
            library=str(path),
            instruments=shipped.instruments,
            wiring=shipped.wiring,
            origin=shipped.origin,
        )
    return load_bench(Path(path))


def _ports_of(bench: BenchConfig) -> Mapping[str, _Port]:
    screens = {entry.address: screen_for(entry, bench.origin) for entry in bench.instruments}
    return {_canonical(address): _Port(address, screen, screen.harmless) for address, screen in screens.items()}


def _canonical(address: str) -> str:
    try:
        return str(rname.parse_resource_name(address)).upper()
    except rname.InvalidResourceName as error:
        raise ConfigError(f"{address} is no VISA resource name: {error}") from error


def _refuser(name: str) -> Any:
    def refuse(*_: object, **__: object) -> NoReturn:
        raise LimitError(f"{name} would go past the limits: write whole messages instead")

    return refuse


def open_guarded(bench: BenchConfig) -> VisaLibrary:
    """Open the library of a bench behind a guard of its own.

    Raises:
        ConfigError: if there is no such library, it does not start, or a limit is wider than its model's.
    """
    try:
        return VisaLibrary(pyvisa.ResourceManager(GuardVisaLibrary.around(bench)), bench.library)
    except HilError:
        raise
    except Exception as error:
        raise ConfigError(
            f"cannot open the VISA library {bench.library!r}: {error}; `pyvisa-info` lists what is installed"
        ) from error
