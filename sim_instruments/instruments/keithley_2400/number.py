"""Numbers as the Keithley 2400 writes them."""

from collections.abc import Callable

from sim_instruments.scpi_parameter import Real
from sim_instruments.scpi_setting import Pair, real_setting
from sim_instruments.smu_output import OVERFLOW


def shown(value: float) -> str:
    """Return a number as the instrument writes it."""
    return f"{value:+.6E}"


def number_setting(pattern: str, kind: Real, read: Callable[[], float], write: Callable[[float], None]) -> Pair:
    """Return the pair for a number, whose query answers in the instrument's own form."""
    return real_setting(pattern, kind, read, write, show=lambda value: shown(min(value, OVERFLOW)))
