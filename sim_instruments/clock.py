"""Virtual time: pulses take as long as they would, without anybody waiting."""

from typing import final


@final
class VirtualClock:
    """Seconds of simulated time since the bench was switched on."""

    def __init__(self) -> None:
        self._now_s = 0.0

    @property
    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        return self._now_s

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: if `seconds` is negative or not a number.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not run backwards: {seconds} s")
        self._now_s += seconds
