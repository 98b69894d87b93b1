"""Time as durations: the only place of the package that reads a clock."""

import time
from dataclasses import dataclass
from typing import Protocol, Self, final


class Clock(Protocol):
    """Something that counts seconds and never runs backwards."""

    def monotonic_s(self) -> float:
        """Return the seconds since an arbitrary start."""
        ...


class VirtualTime(Protocol):
    """Time that passes only when it is made to: that of simulated instruments."""

    @property
    def now_s(self) -> float:
        """Return the time, seconds."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        ...


@final
class SystemClock:
    """The machine's monotonic clock."""

    def monotonic_s(self) -> float:
        """Return the seconds since an arbitrary start."""
        return time.monotonic()


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Deadline:
    """A moment by which something must have happened: made once, handed down."""

    at_s: float
    """The moment, in seconds of the clock."""
    clock: Clock
    """The clock it is measured by."""

    @classmethod
    def after(cls, seconds: float, clock: Clock) -> Self:
        """Return the deadline that lies `seconds` from now."""
        return cls(at_s=clock.monotonic_s() + seconds, clock=clock)

    def left_s(self) -> float:
        """Return the seconds left; 0 once it has passed."""
        return max(0.0, self.at_s - self.clock.monotonic_s())

    @property
    def expired(self) -> bool:
        """Return whether it has passed."""
        return self.clock.monotonic_s() >= self.at_s
