"""What every driver is built from: an identified instrument on a link, its error queue, and the way to make it safe."""

import math
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar, final

from drivers import scpi
from drivers.deadline import Deadline
from drivers.errors import (
    HilError,
    IdentityError,
    InstrumentError,
    LinkDesync,
    LinkError,
    SafeStateError,
    SettingsChanged,
)
from drivers.interface_lock import InterfaceHold, InterfaceLock
from drivers.link import Link
from drivers.link_state import LinkState
from drivers.protocols import Identity

T = TypeVar("T")

SELF_TEST_TIMEOUT_S = 60.0
"""Time given to a self test, seconds."""

_POWER_ON = 128  # bit 7 of the event status register

ERROR_QUEUE_CAP = 64
"""Entries read before an error queue is taken for endless."""

ERROR_QUEUE_TIME_S = 1.0
"""Seconds an error queue is read before it is taken for endless."""


class OutputState(StrEnum):
    """What the last read-back said of an output."""

    ON = "on"
    OFF = "off"
    UNKNOWN = "unknown"
    """Not read yet, or the last try to read it failed."""
    NONE = "none"
    """The instrument has no output."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """Which instruments a driver is written for."""

    manufacturer: str
    """Regular expression for the whole manufacturer field, upper and lower case alike."""
    model: str
    """The same for the model field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeState:
    """How an instrument is made safe, and how one sees that it is."""

    command: str
    """Makes it safe whatever it was doing."""
    query: str
    """Asks whether it is."""
    confirms: Callable[[str], bool]
    """Whether a reply says so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The commands of one output."""

    on: str
    """Switches it on."""
    off: str
    """Switches it off."""
    query: str
    """Answers 0 or 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A number that was set, and the query that shows it."""

    query: str
    """Asks for it."""
    value: float
    """What was set."""
    relative: float = 1e-3
    """Difference allowed for the instrument's resolution, as a share of the value."""
    absolute: float = 1e-12
    """The same in the value's unit, for values near zero."""

    def is_met_by(self, found: float) -> bool:
        """Return whether a read-back shows the value."""
        return math.isclose(found, self.value, rel_tol=self.relative, abs_tol=self.absolute)


@final
class Session:
    """An instrument that is who it should be. Opening reads and locks; it resets nothing and touches no output.

    Args:
        name: the instrument's name in the bench file.
        link: the link, which the session owns from now on.
        kind: which instruments will do.
        safe: how to make it safe.
        title: those instruments in words, for the message when another one answers.
        expect_serial: the only serial number that will do; None takes any.
        lock: the instrument's own lock, which the session then takes; None leaves it alone.

    Raises:
        IdentityError: if another instrument answers.
        InstrumentBusy: if another program holds it, or one on another interface of the instrument.
    """

    def __init__(
        self,
        name: str,
        link: Link,
        *,
        kind: Kind,
        safe: SafeState,
        title: str = "",
        expect_serial: str | None = None,
        lock: InterfaceLock | None = None,
    ) -> None:
        self.name = name
        self.link = link
        self.output = OutputState.UNKNOWN
        self._safe = safe
        self._remembered: tuple[Setting, ...] = ()
        self._prepared_generation = -1
        self.identity = _identify(name, link, kind, title, expect_serial)
        link.claim(self.identity)
        self._hold = None if lock is None else InterfaceHold(lock, link, self._title)
        self._keep_hold()

    def command(self, text: str) -> None:
        """Send a command."""
        self._keep_hold()
        self.link.write(text)

    def ask(self, text: str, parse: Callable[[str], T], *, timeout_s: float | None = None) -> T:
        """Send a question and return its reply as `parse` reads it; a reply it cannot read leaves the link DESYNCED."""
        self._keep_hold()
        reply = self.link.query(text, timeout_s=timeout_s)
        try:
            return parse(reply)
        except LinkDesync as error:
            self.link.distrust()
            error.add_note(f"while reading the reply of {self._title} to {text}")
            raise

    def drain_errors(self) -> tuple[scpi.ErrorEntry, ...]:
        """Read the error queue until it is empty and return what was in it."""
        entries: list[scpi.ErrorEntry] = []
        dialect = self.link.dialect
        if dialect.error_query is None:
            return ()
        deadline = Deadline.after(ERROR_QUEUE_TIME_S, self.link.clock)
        while (entry := self.ask(dialect.error_query, dialect.parse_error)).code != 0:
            entries.append(entry)
            if len(entries) >= ERROR_QUEUE_CAP or deadline.expired:
                raise self.refusal(f"still reports errors after {len(entries)} entries", tuple(entries))
        return tuple(entries)

    def check_errors(self, doing: str = "working") -> None:
        """Read the error queue until it is empty; raise `InstrumentError` with every entry if it was not."""
        if entries := self.drain_errors():
            raise self.refusal(f"reported errors while {doing}", entries)

    def self_test(self) -> str:
        """Run `*TST?` and return what it said; raise `InstrumentError` if it failed."""
        code = self.ask("*TST?", scpi.parse_integer, timeout_s=SELF_TEST_TIMEOUT_S)
        if code != 0:
            raise self.refusal(f"failed its self test with code {code}", self.drain_errors())
        return "passed"

    def confirm(self, settings: Sequence[Setting]) -> None:
        """Read settings back; raise `InstrumentError` for the first that is not what was set."""
        for setting in settings:
            found = self.ask(setting.query, scpi.parse_real)
            if not setting.is_met_by(found):
                raise self.refusal(f"answers {found:g} to {setting.query} where {setting.value:g} was set")

    @property
    def is_prepared(self) -> bool:
        """Whether the driver's set-up was sent on this very connection and nothing has cast doubt on it since."""
        return self._prepared_generation == self.link.generation

    def mark_prepared(self) -> None:
        """Take note that the driver's set-up is in the instrument."""
        self._prepared_generation = self.link.generation

    def forget_preparation(self) -> None:
        """Take note that the set-up may be gone: whatever comes next sets everything up anew."""
        self._prepared_generation = -1

    def remember(self, settings: Sequence[Setting]) -> None:
        """Take these settings for what `verify` must find from now on; replaces those remembered before."""
        if (query := self.link.dialect.event_query) is not None:
            # Takes note of a power cycle before the settings, so that a later one shows. One program owns the register.
            self.ask(query, scpi.parse_integer)
        self._remembered = tuple(settings)

    def verify(self, *more: Setting) -> None:
        """See that the instrument is as it was left: call it before anything that moves a wall.

        Args:
            more: settings to look at besides those remembered, such as an output that must still be on.

        Raises:
            SettingsChanged: after a reset, a power cycle, or when another client changed a remembered setting.
        """
        settings = (*self._remembered, *more)
        queries = [setting.query for setting in settings]
        if (event_query := self.link.dialect.event_query) is not None:
            queries.insert(0, event_query)
        answers = self._ask_together(queries)
        if event_query is not None and int(answers.pop(0)) & _POWER_ON:
            raise SettingsChanged(f"{self._title} was switched off and on: its settings are gone, set it up again")
        for setting, found in zip(settings, answers, strict=True):
            if not setting.is_met_by(found):
                raise SettingsChanged(
                    f"{self._title} answers {found:g} to {setting.query} where {setting.value:g} was set: "
                    "a reset, or another client; set it up again"
                )

    def _ask_together(self, queries: Sequence[str]) -> list[float]:
        """Ask for numbers, in one message where the instrument can."""
        joint = self.link.dialect.joint
        if joint is None or len(queries) < 2:
            return [self.ask(query, scpi.parse_real) for query in queries]
        message = joint.join((queries[0], *(query.removeprefix(":") for query in queries[1:])))
        return self.ask(message, lambda reply: [scpi.parse_real(answer) for answer in _split(reply, len(queries))])

    def refusal(self, what: str, entries: tuple[scpi.ErrorEntry, ...] = ()) -> InstrumentError:
        """Return the error to raise when the instrument did not do what it was told."""
        queue = tuple(str(entry) for entry in entries)
        return InstrumentError(": ".join((f"{self._title} {what}", *queue)), queue)

    def read_output(self, output: Output) -> OutputState:
        """Read whether the output is on."""
        self.output = OutputState.UNKNOWN
        self.output = OutputState.ON if self.ask(output.query, scpi.parse_boolean) else OutputState.OFF
        return self.output

    def output_on(self, output: Output) -> None:
        """Switch the output on and see that it is."""
        self.output = OutputState.UNKNOWN
        self.command(output.on)
        if self.read_output(output) is not OutputState.ON:
            raise self.refusal("did not switch its output on", self.drain_errors())

    def make_safe(self) -> None:
        """Make the instrument safe: write first, then read back, on a fresh connection if the old one is in doubt.

        Raises:
            SafeStateError: if the instrument does not confirm.
        """
        has_output = self.output is not OutputState.NONE
        if has_output:
            self.output = OutputState.UNKNOWN
        try:
            reply = self._write_then_read()
            if not self._safe.confirms(reply):
                # The command may have been lost: it is the one command that may be sent again.
                reply = self._write_then_read()
        except HilError as error:
            raise SafeStateError(f"{self._title} could not be made safe: {error}; cut its power by hand") from error
        if not self._safe.confirms(reply):
            raise SafeStateError(f"{self._title} answered {reply!r} after {self._safe.command}: cut its power by hand")
        if has_output:
            self.output = OutputState.OFF

    def _write_then_read(self) -> str:
        # Past the lock: switching off must not wait for it, nor fail because another interface has it by now.
        if self.link.state is LinkState.SYNCED:
            with suppress(LinkError):
                # A fresh connection is left to try, and its failure is the one that counts.
                self.link.write(self._safe.command)
                return self.link.query(self._safe.query)
        self.link.resynchronise(first=self._safe.command)
        return self.link.query(self._safe.query)

    @property
    def _title(self) -> str:
        return f"{self.name} ({self.link.address})"

    def close(self) -> None:
        """Give the instrument's lock up, as far as the link allows, and close the link; touches no output."""
        try:
            if self._hold is not None:
                self._hold.release()
        finally:
            self.link.close()

    def _keep_hold(self) -> None:
        if self._hold is not None:
            self._hold.keep()


def _identify(name: str, link: Link, kind: Kind, title: str, expect_serial: str | None) -> Identity:
    reply = link.identify()
    says = f"{name} ({link.address}) says it is {reply!r}"
    try:
        found = scpi.parse_identity(reply)
    except LinkDesync as error:
        link.distrust()
        raise IdentityError(f"{says}, which is no identity: check the address") from error
    known = _is_like(kind.manufacturer, found.manufacturer) and _is_like(kind.model, found.model)
    if not known:
        wanted = title or f"{kind.manufacturer}, {kind.model}"
        raise IdentityError(f"{says}, which is no {wanted}: correct the address or the model")
    if expect_serial not in (None, found.serial):
        raise IdentityError(f"{says}, not serial number {expect_serial}: correct the address or expect_serial")
    return found


def _split(reply: str, count: int) -> list[str]:
    answers = reply.split(";")
    if len(answers) != count:
        raise LinkDesync(f"expected {count} answers joined by semicolons, got {scpi.excerpt(reply)}")
    return answers


def _is_like(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.IGNORECASE) is not None
