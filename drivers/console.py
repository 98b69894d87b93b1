"""One instrument for a person to talk to: any message that the guard lets through, replies as they come."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Self, final

from drivers import scpi
from drivers.config import load_bench
from drivers.discovery import driver_for
from drivers.entries import InstrumentEntry, SwitchEntry
from drivers.errors import ConfigError, HilError, LinkDesync
from drivers.instrument import Kind, SafeState, Session
from drivers.link import TIMEOUT_S, Link
from drivers.link_state import LinkState
from drivers.models import MODELS
from drivers.protocols import Identity
from drivers.visa_library import VisaLibrary

LONGEST_REPLY_BYTES = 64 * 1024 * 1024
"""Longest reply that is waited for, bytes: a block of a large array."""

_ANYBODY = Kind(manufacturer=".*", model=".*")
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")
_ASKS = re.compile(r"\?|\bprint\w*\s*\(")
_BLOCK_BYTES_SHOWN = 16
_LOWEST_TIMEOUT_S = 0.01
_HIGHEST_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A reply."""

    raw: bytes
    """As it came, its terminator included."""
    block: bytes | None
    """The contents, if it is one definite-length block; None for text."""
    duration_s: float
    """From the message's first byte to the reply's last, seconds."""

    def __str__(self) -> str:
        if self.block is None:
            return escaped(self.raw.rstrip(b"\r\n"))
        beginning = self.block[:_BLOCK_BYTES_SHOWN].hex(" ")
        return f"block of {len(self.block)} bytes: {beginning}{' ...' if len(self.block) > _BLOCK_BYTES_SHOWN else ''}"


class Leaving(StrEnum):
    """How an instrument was left."""

    UNTOUCHED = "untouched"
    """Only questions were asked, so nothing was switched."""
    SAFE = "safe"
    """Its output was switched off, and it says so."""
    ON = "on"
    """It says that its output is on, as was wanted."""
    OFF = "off"
    """It says that its output is off; it was not switched."""
    RELAYS = "relays"
    """A switch: its relays stay as they are, as opening them under current would harm them."""


@final
class Console:
    """An instrument of a bench file, behind the guard.

    Args:
        session: the identified instrument, whichever it is.
        entry: its table in the bench file.
        safe: how it is made safe.
    """

    def __init__(self, session: Session, entry: InstrumentEntry, safe: SafeState) -> None:
        self.timeout_s = TIMEOUT_S
        self._session = session
        self._entry = entry
        self._safe = safe
        self._has_commanded = False

    @classmethod
    def open(cls, resource: str, bench: Path | None = None) -> Self:
        """Open an instrument by its name or its address in a bench file. Sends no command, only asks who it is.

        Args:
            resource: its name or its address.
            bench: the bench file; None for the one that ships.

        Raises:
            ConfigError: if the bench file has no such instrument: the guard would know no limits for it.
            LinkError: if it does not answer.
        """
        config = load_bench(bench)
        entry = next((entry for entry in config.instruments if resource in (entry.name, entry.address)), None)
        if entry is None:
            names = ", ".join(entry.name for entry in config.instruments)
            raise ConfigError(
                f"{resource} is not in {config.origin}, so no limits are known for it: take one of {names}, or add an "
                "[[instrument]] with this address to a bench file and name that with --bench"
            )
        model = MODELS[entry.model]
        library = VisaLibrary.open(f"{bench.resolve()}@guard" if bench else "@guard")
        link = Link(library, entry.address, dialect=model.dialect)
        try:
            safe = model.safe(entry)
            session = Session(entry.name, link, kind=_ANYBODY, safe=safe, expect_serial=entry.expect_serial)
        except BaseException:
            link.close()
            raise
        return cls(session, entry, safe)

    @property
    def name(self) -> str:
        """Return the instrument's name in the bench file."""
        return self._entry.name

    @property
    def address(self) -> str:
        """Return its VISA resource name."""
        return self._entry.address

    @property
    def identity(self) -> Identity:
        """Return who it says it is."""
        return self._session.identity

    @property
    def warning(self) -> str | None:
        """Return what is wrong with the bench file's idea of the instrument; None if nothing is."""
        found = driver_for(self.identity)
        if found == self._entry.model:
            return None
        known = f"is a {found}" if found else "is no model that has a driver"
        return f"the bench file says {self._entry.model}, but what answers {known}: limits of the wrong model may hold"

    @property
    def is_believable(self) -> bool:
        """Return whether replies belong to their questions; if not, `recover`."""
        return self._session.link.state is LinkState.SYNCED

    def exchange(self, text: str) -> Answer | None:
        """Send one message and return its reply; None for a command. May move walls.

        Raises:
            LimitError: if the guard refuses it; nothing was sent.
            LinkError: if no reply came, or none that ends; the link must be recovered.
            ConfigError: if it is not one line of printable ASCII.
        """
        if not (text.isascii() and text.isprintable()):
            raise ConfigError(f"{escaped(text.encode())} cannot be sent: a message is one line of printable ASCII")
        dialect = self._session.link.dialect
        replies = asks(text) or dialect.acknowledgement is not None
        # Before it is sent: what was interrupted on the way may have arrived.
        self._has_commanded |= not _only_asks(text)
        message = (text + dialect.terminator).encode("ascii")
        link, clock = self._session.link, self._session.link.clock
        began_s = clock.monotonic_s()
        raw = link.exchange(message, replies=replies, timeout_s=self.timeout_s, most=LONGEST_REPLY_BYTES)
        return Answer(raw=raw, block=_block(raw), duration_s=clock.monotonic_s() - began_s) if replies else None

    def errors(self) -> tuple[str, ...]:
        """Take every entry out of the instrument's error queue and return them, oldest first."""
        return tuple(str(entry) for entry in self._session.drain_errors())

    def recover(self) -> None:
        """Clear, reopen, identify, and prove that replies belong to their questions again. Switches nothing.

        Raises:
            LinkError: if that fails; it may be tried again.
        """
        self._session.link.resynchronise()

    def set_timeout(self, seconds: float) -> None:
        """Set the time that a reply is given.

        Raises:
            ConfigError: if it is not between 10 ms and one hour.
        """
        if not _LOWEST_TIMEOUT_S <= seconds <= _HIGHEST_TIMEOUT_S:
            raise ConfigError(f"{seconds:g} s is no time-out: take {_LOWEST_TIMEOUT_S:g} to {_HIGHEST_TIMEOUT_S:g} s")
        self.timeout_s = seconds

    def leave(self, *, leave_on: bool = False) -> Leaving:
        """Make the instrument safe, unless only questions were asked or it is to stay on. The link stays open.

        Raises:
            SafeStateError: if the instrument does not confirm that its output is off.
            LinkError: if it does not say what state it is left in.
        """
        if isinstance(self._entry, SwitchEntry):
            return Leaving.RELAYS
        if not self._has_commanded:
            return Leaving.UNTOUCHED
        if leave_on:
            return Leaving.OFF if self.is_off() else Leaving.ON
        self._session.make_safe()
        return Leaving.SAFE

    def is_off(self) -> bool:
        """Return whether the instrument says that it is safe: its output off, or its relays open."""
        if not self.is_believable:
            self.recover()
        return self._safe.confirms(self._session.link.query(self._safe.query))

    def close(self) -> None:
        """Close the link; touches no output."""
        self._session.close()


def asks(text: str) -> bool:
    """Return whether a message asks something: a question mark outside strings, or a TSP `print`."""
    return _ASKS.search(_STRING.sub("", text)) is not None


def escaped(data: bytes) -> str:
    """Return bytes as printable ASCII: what could command a terminal shows as an escape."""
    return "".join(chr(byte) if 32 <= byte < 127 and byte != 92 else _escape(byte) for byte in data)


def _escape(byte: int) -> str:
    return {9: "\\t", 10: "\\n", 13: "\\r", 92: "\\\\"}.get(byte, f"\\x{byte:02x}")


def _only_asks(text: str) -> bool:
    """Return whether every command of a message is a question; a TSP line may do anything before it prints."""
    units = _STRING.sub("", text).split(";")
    return all("?" in unit.split(" ", 1)[0] or not unit.strip() for unit in (unit.strip() for unit in units))


def _block(raw: bytes) -> bytes | None:
    try:
        start = 2 + scpi.block_digits(raw)
        size = int(raw[2:start])
    except (LinkDesync, ValueError, HilError):
        return None
    data = raw[start : start + size]
    return data if len(data) == size and not raw[start + size :].strip(b"\r\n") else None
