"""`SYSTem:LOCK`: one interface keeps the others from changing anything.

As Keysight's manuals of the 33500B, the 34460A and the 53230A have it: the lock belongs to an interface and not to a
program; requests nest and need as many releases, from the same interface; the others may ask for the state but neither
change it nor measure; a LAN client that goes takes its lock with it. Which of several clients from one address counts
there the manuals leave open: here it is the last.
"""

from typing import Final, final

from sim_instruments.scpi_tree import Command

_MEASURING: Final = ("MEAS", "READ", "*TST")


@final
class InterfaceLock:
    """The lock of one instrument."""

    def __init__(self) -> None:
        self.owner: str | None = None
        """The interface that holds it."""
        self.speaker = ""
        """The interface that speaks."""
        self._count = 0

    def refuses(self, header: str) -> bool:
        """Return whether the lock keeps the speaker from a command or query."""
        if self.owner is None or self.owner == self.speaker:
            return False
        return not header.endswith("?") or header.lstrip(":").upper().startswith(_MEASURING)

    def disconnect(self, interface: str) -> None:
        """Take note that nobody is left on an interface."""
        if self.owner == interface:
            self.owner = None
            self._count = 0

    def commands(self) -> tuple[Command, ...]:
        """Return the subsystem."""
        return (
            Command("SYSTem:LOCK:REQuest?", self._request),
            Command("SYSTem:LOCK:RELease", self._release),
            Command("SYSTem:LOCK:OWNer?", lambda: "NONE" if self.owner is None else _name(self.owner)),
            Command("SYSTem:LOCK:NAME?", lambda: _name(self.speaker)),
        )

    def _request(self) -> str:
        if self.owner not in (None, self.speaker):
            return "0"
        self.owner = self.speaker
        self._count += 1
        return "1"

    def _release(self) -> None:
        # Others do not come so far: the lock refuses them this command too.
        self._count = max(0, self._count - 1)
        if not self._count:
            self.owner = None


def _name(interface: str) -> str:
    return interface or "LAN"
