"""Virtual time: pulses take as long as they would, without anybody waiting."""

from typing import Any, final

from numpy.typing import NDArray


@final
class VirtualClock:
    """Seconds of simulated time since the sample was made.

    Args:
        counters: one record with `time_s`, where the time is kept.
    """

    def __init__(self, counters: NDArray[Any]) -> None:
        self._time_s = counters["time_s"]

    @property
    def now_s(self) -> float:
        """Return the simulated time, seconds."""
        return float(self._time_s[0])

    def advance(self, seconds: float) -> None:
        """Let time pass.

        Raises:
            ValueError: if `seconds` is negative or not a number.
        """
        if not seconds >= 0:
            raise ValueError(f"time does not run backwards: {seconds} s")
        self._time_s += seconds
