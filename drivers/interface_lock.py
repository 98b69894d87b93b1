"""The lock in the instrument itself, where it has one: it keeps the other interfaces from changing anything.

A lock file (`drivers.lock`) binds the programs of one user on one computer; this binds a colleague's computer too. It
belongs to an interface, not to a program. A LAN client that goes takes its lock with it; over USB and GPIB requests add
up and stay until as many releases. While it is held, the instrument's front panel is locked as well.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeVar, final

from drivers import scpi
from drivers.errors import HilError, InstrumentBusy, LinkDesync
from drivers.link import Link

T = TypeVar("T")

RELEASE_TIMEOUT_S: Final = 1.0
"""Time for each exchange when the lock is given up, seconds: closing must not take long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterfaceLock:
    """The commands of such a lock."""

    request: str
    """Asks for it; answers 1 if it is granted, 0 if another interface has it."""
    release: str
    """Takes one request back."""
    owner: str
    """Asks which interface has it."""
    name: str
    """Asks which interface this is."""


SYSTEM_LOCK: Final = InterfaceLock(
    request="SYST:LOCK:REQ?", release="SYST:LOCK:REL", owner="SYST:LOCK:OWN?", name="SYST:LOCK:NAME?"
)
"""As Keysight's generators and source-measure units have it."""


@final
class InterfaceHold:
    """One session's hold on its instrument by such a lock.

    Args:
        lock: its commands.
        link: the link of the session.
        title: the instrument in words, for messages.
    """

    def __init__(self, lock: InterfaceLock, link: Link, title: str) -> None:
        self._lock = lock
        self._link = link
        self._title = title
        self._requests = 0
        self._generation = -1

    def keep(self) -> None:
        """Take the lock unless this connection has it: call it before anything that relies on it. Moves no wall.

        Raises:
            InstrumentBusy: naming the interface that has it.
            LinkError: if the instrument does not answer.
        """
        if self._generation == self._link.generation:
            return
        # Counted before the answer, which may be lost: one release too many is noticed, one too few is not.
        self._requests += 1
        if not self._ask(self._lock.request, _granted, self._link.timeout_s):
            self._requests -= 1
            owner = self._ask(self._lock.owner, _interface, self._link.timeout_s)
            raise InstrumentBusy(
                f"{self._title} is locked by its interface {owner}: end the program that uses it there, or send "
                f"{self._lock.release} there"
            )
        self._generation = self._link.generation

    def release(self) -> None:
        """Give the lock up as often as it was asked for; over a link that is not sound, do nothing."""
        # A link that is not sound refuses by itself, before a byte is sent.
        with suppress(HilError):
            while self._requests and self._is_ours():
                self._link.write(self._lock.release, timeout_s=RELEASE_TIMEOUT_S)
                self._requests -= 1

    def _is_ours(self) -> bool:
        name = self._ask(self._lock.name, _interface, RELEASE_TIMEOUT_S)
        return self._ask(self._lock.owner, _interface, RELEASE_TIMEOUT_S) == name

    def _ask(self, question: str, parse: Callable[[str], T], timeout_s: float) -> T:
        reply = self._link.query(question, timeout_s=timeout_s)
        try:
            return parse(reply)
        except LinkDesync:
            self._link.distrust()
            raise


def _granted(reply: str) -> bool:
    """Return whether a request was granted; some models put a sign before the number."""
    return scpi.parse_boolean(reply.removeprefix("+"))


def _interface(reply: str) -> str:
    """Return the name of an interface, which some models quote."""
    return reply.strip().strip('"')
