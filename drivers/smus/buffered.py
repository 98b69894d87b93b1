"""What buffered measurements of source-measure units share: levels out in short lists, readings in by columns."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drivers import scpi
from drivers.errors import LimitError
from drivers.limits import Limit
from drivers.protocols import Quality, Readings

SLOWEST_READING_S = 0.1
"""Time a reading may take beyond its integration, seconds: range changes, settling, auto zero."""


def checked_levels(levels_v: NDArray[np.float64], limit: Limit, *, most: int) -> NDArray[np.float64]:
    """Return the levels of a sweep, volts.

    Raises:
        LimitError: if one is outside the limit, or if there is none or more than the instrument's list holds.
    """
    levels = np.asarray(levels_v, np.float64)
    if levels.ndim != 1 or not 1 <= levels.size <= most:
        raise LimitError(f"a sweep of {levels.size} levels does not fit: the instrument's list holds 1 to {most}")
    for extreme in (levels.min(), levels.max()):
        limit.check(float(extreme))
    return levels


def checked_count(count: int) -> int:
    """Return a number of readings; raise `LimitError` if it is not at least 1."""
    if count < 1:
        raise LimitError(f"{count} readings cannot be taken: ask for at least 1")
    return count


def list_commands(command: str, append: str, levels: NDArray[np.float64], *, per_message: int) -> Iterator[str]:
    """Yield the commands that load a list: the first replaces what was there, the others add to it.

    Args:
        command: starts a list.
        append: adds to it.
        levels: the values.
        per_message: values that one message may carry.
    """
    for start in range(0, levels.size, per_message):
        values = ",".join(scpi.format_number(float(level)) for level in levels[start : start + per_message])
        yield f"{append if start else command} {values}"


def pieces(count: int, most: int) -> Iterator[int]:
    """Yield a count in pieces of at most `most`."""
    while count > 0:
        yield min(count, most)
        count -= most


def as_readings(voltage_v: ArrayLike, current_a: ArrayLike, limited: ArrayLike) -> Readings:
    """Return columns of a buffer as readings; what stands for overflow or for nothing becomes not-a-number."""
    current = np.array(current_a, np.float64)
    current[np.abs(current) >= scpi.OVERFLOW * (1 - 1e-6)] = np.nan  # a single-precision 9.9E37 is a little less
    return Readings(voltage_v=np.array(voltage_v, np.float64), current_a=current, limited=np.array(limited, np.bool_))


def joined(parts: list[Readings]) -> Readings:
    """Return the readings of several transfers as one."""
    return Readings(
        voltage_v=np.concatenate([part.voltage_v for part in parts]),
        current_a=np.concatenate([part.current_a for part in parts]),
        limited=np.concatenate([part.limited for part in parts]),
    )


def quality(current_a: float, *, limited: bool) -> Quality:
    """Return what one reading is worth, from its value and from whether the compliance held the output."""
    if abs(current_a) >= scpi.OVERFLOW:
        return Quality.INVALID
    return Quality.LIMITED if limited else Quality.GOOD
