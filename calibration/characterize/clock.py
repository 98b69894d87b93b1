"""Time of the bench: everybody's on a real one, virtual on a simulated one, where a pause takes no time at all."""

import time
from datetime import UTC, datetime
from typing import Protocol, final

from drivers.bench import Bench
from drivers.deadline import VirtualTime


class Clock(Protocol):
    """Tells how long an experiment has been going on, and waits."""

    def resume(self, started: datetime, last_s: float) -> None:
        """Go on with an experiment.

        Args:
            started: when it began.
            last_s: latest time known of it, seconds since it began.
        """
        ...

    def elapsed_s(self) -> float:
        """Return the time since the experiment began, seconds."""
        ...

    def wait(self, seconds: float) -> None:
        """Wait."""
        ...


@final
class RealClock:
    """Time of the machine."""

    def __init__(self) -> None:
        self._zero_s = time.monotonic()

    def resume(self, started: datetime, last_s: float) -> None:
        """Count on from when the experiment began, the time in between included, and never backwards."""
        passed_s = max(last_s, (datetime.now(UTC) - started).total_seconds())
        self._zero_s = time.monotonic() - passed_s

    def elapsed_s(self) -> float:
        """Return the time since the experiment began, seconds."""
        return time.monotonic() - self._zero_s

    def wait(self, seconds: float) -> None:
        """Sleep; Ctrl-C ends it."""
        if seconds > 0:
            time.sleep(seconds)


@final
class SimulatedClock:
    """Time of simulated instruments. It stands still unless they, or a pause, make it pass.

    Args:
        virtual: their time.
    """

    def __init__(self, virtual: VirtualTime) -> None:
        self._virtual = virtual
        self._zero_s = virtual.now_s

    def resume(self, started: datetime, last_s: float) -> None:
        """Count on from the latest time known: none has passed while nobody was there."""
        self._zero_s = self._virtual.now_s - last_s

    def elapsed_s(self) -> float:
        """Return the time since the experiment began, seconds."""
        return self._virtual.now_s - self._zero_s

    def wait(self, seconds: float) -> None:
        """Make time pass."""
        if seconds > 0:
            self._virtual.advance(seconds)


def clock_of(bench: Bench) -> Clock:
    """Return the clock that goes with a bench."""
    virtual = bench.virtual_time
    return RealClock() if virtual is None else SimulatedClock(virtual)
