"""VISA locks: who may talk to a resource that several sessions of this process have open."""

import itertools
from collections import Counter
from threading import Condition
from typing import final


@final
class ResourceLock:
    """The locks on one resource. A session may take its own lock again and must then release it as often."""

    def __init__(self) -> None:
        self.is_taken = False
        """Whether any session holds a lock: nothing needs to be asked otherwise."""
        self._changed = Condition()
        self._exclusive: Counter[int] = Counter()
        self._shared: Counter[int] = Counter()
        self._key = ""
        self._keys = (f"domainwall-{number}" for number in itertools.count(1))

    def may_use(self, session: int) -> bool:
        """Return whether no other session's lock keeps this one out."""
        if self._exclusive and session not in self._exclusive:
            return False
        return not self._shared or session in self._shared

    def take_exclusive(self, session: int, timeout_s: float) -> bool:
        """Wait for the resource and lock it for this session alone; False if the time ran out."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_free_for(session), timeout_s):
                return False
            self._exclusive[session] += 1
            self.is_taken = True
            return True

    def take_shared(self, session: int, key: str | None, timeout_s: float) -> str | None:
        """Wait for the resource and lock it for all who know the key; return the key, or None if the time ran out."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._is_open_to(session, key), timeout_s):
                return None
            if not self._shared:
                self._key = key or next(self._keys)
            self._shared[session] += 1
            self.is_taken = True
            return self._key

    def release(self, session: int) -> bool:
        """Undo the latest lock of this session; False if it holds none."""
        with self._changed:
            held = self._exclusive if session in self._exclusive else self._shared
            if session not in held:
                return False
            held[session] -= 1
            if not held[session]:
                del held[session]
            self.is_taken = bool(self._exclusive or self._shared)
            self._changed.notify_all()
            return True

    def release_all(self, session: int) -> None:
        """Undo every lock of a session that closes."""
        with self._changed:
            self._exclusive.pop(session, None)
            self._shared.pop(session, None)
            self.is_taken = bool(self._exclusive or self._shared)
            self._changed.notify_all()

    def _is_free_for(self, session: int) -> bool:
        return not (set(self._exclusive) | set(self._shared)) - {session}

    def _is_open_to(self, session: int, key: str | None) -> bool:
        if set(self._exclusive) - {session}:
            return False
        return not self._shared or session in self._shared or key == self._key
