"""HiSLIP locks: IVI-6.1, section 2.5. A lock keeps the other HiSLIP clients of one instrument out."""

import time
from collections.abc import Callable
from enum import IntEnum
from threading import Condition
from typing import Final, final

_LOOK_EVERY_S: Final = 0.05


class LockReply(IntEnum):
    """Control codes of the answer to a request or release."""

    FAILURE = 0
    """The time ran out."""
    EXCLUSIVE = 1
    """The lock is granted, or the exclusive lock released."""
    SHARED = 2
    """The shared lock is released."""
    ERROR = 3
    """The request makes no sense: a second lock of a kind, or a release without a lock."""


@final
class InstrumentLock:
    """Who may use one instrument. Clients are numbered by their sessions."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._exclusive: int | None = None
        self._sharers: set[int] = set()
        self._key = b""

    def request(self, client: int, key: bytes, timeout_s: float, is_gone: Callable[[], bool]) -> LockReply:
        """Wait for a lock: an exclusive one, or with a key one that is shared by all who know the key.

        Args:
            client: who asks.
            key: the lock string, empty for an exclusive lock.
            timeout_s: how long to wait at most.
            is_gone: whether the client has gone meanwhile, which ends the wait.
        """
        with self._changed:
            if (client in self._sharers) if key else (client == self._exclusive):
                return LockReply.ERROR
            is_free = (lambda: self._may_share(client, key)) if key else (lambda: self._may_own(client))
            if not self._wait(is_free, time.monotonic() + timeout_s, is_gone):
                return LockReply.FAILURE
            if key:
                self._sharers.add(client)
                self._key = key
            else:
                self._exclusive = client
            return LockReply.EXCLUSIVE

    def release(self, client: int) -> LockReply:
        """Give up the exclusive lock, or else the shared one."""
        with self._changed:
            self._changed.notify_all()
            if client == self._exclusive:
                self._exclusive = None
                return LockReply.EXCLUSIVE
            if client in self._sharers:
                self._sharers.discard(client)
                return LockReply.SHARED
            return LockReply.ERROR

    def drop(self, client: int) -> None:
        """Give up every lock of a client that has gone."""
        while self.release(client) is not LockReply.ERROR:
            pass

    def wait_for_turn(self, client: int, is_gone: Callable[[], bool]) -> bool:
        """Wait until no other client's lock keeps this one out; False if the client gave up meanwhile."""
        if self._may_use(client):
            # Without a look at the condition: this is on the way of every message.
            return True
        with self._changed:
            return self._wait(lambda: self._may_use(client), None, is_gone)

    @property
    def holders(self) -> tuple[bool, int]:
        """Return whether there is an exclusive lock, and how many clients hold locks."""
        with self._changed:
            owners = set() if self._exclusive is None else {self._exclusive}
            return bool(owners), len(owners | self._sharers)

    def _wait(self, is_free: Callable[[], bool], deadline_s: float | None, is_gone: Callable[[], bool]) -> bool:
        # In slices, as nobody notifies when a client goes away.
        while not is_free():
            left_s = _LOOK_EVERY_S if deadline_s is None else min(_LOOK_EVERY_S, deadline_s - time.monotonic())
            if left_s <= 0 or is_gone():
                return False
            self._changed.wait(left_s)
        return True

    def _may_use(self, client: int) -> bool:
        exclusive, sharers = self._exclusive, self._sharers
        if exclusive is not None:
            return exclusive == client
        return not sharers or client in sharers

    def _may_own(self, client: int) -> bool:
        return self._exclusive is None and (not self._sharers or client in self._sharers)

    def _may_share(self, client: int, key: bytes) -> bool:
        return self._exclusive in (None, client) and (not self._sharers or key == self._key)
