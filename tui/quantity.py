"""Numbers as a person reads them at a glance, in a few characters."""

import math
from datetime import UTC, datetime

MISSING = "–"

_LARGE = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_SMALL = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"), (1e-12, "p"), (1e-15, "f"))


def count(number: float) -> str:
    """Return a count in at most five characters: `950`, `9500`, `95.0k`, `11.2M`."""
    if abs(number) < 9999.5:
        return f"{number:.0f}"
    for unit, (scale, letter) in enumerate(_LARGE):
        # 999 960 would print as 1000k: it belongs to the next unit up.
        if abs(number) >= scale * 0.9995 or unit == len(_LARGE) - 1:
            return f"{_three_digits(number / scale)}{letter}"
    return f"{number:.0f}"


def whole(number: int) -> str:
    """Return a count in full, in groups of three."""
    return f"{number:,}".replace(",", "\u202f") if abs(number) >= 10_000 else str(number)


def engineering(value: float | None, unit: str = "") -> str:
    """Return a value with an SI prefix and its unit: `190 µs`, `1.21 mJ`."""
    if value is None or not math.isfinite(value):
        return MISSING
    space = " " if unit else ""
    if value == 0:
        return f"0{space}{unit}"
    for scale, letter in (*_LARGE, *_SMALL):
        if abs(value) >= scale * 0.9995:
            return f"{_three_digits(value / scale)}{space}{letter}{unit}"
    return f"{value:.1e}{space}{unit}"


def plain(value: float | None) -> str:
    """Return a value to three digits, with an exponent only where it saves room."""
    if value is None or not math.isfinite(value):
        return MISSING
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.3g}"
    mantissa, exponent = f"{value:.2e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def percent(fraction: float | None) -> str:
    """Return a fraction as a percentage without its sign, in at most four characters: `71.6`, `0.03`, `100`."""
    if fraction is None or not math.isfinite(fraction):
        return MISSING
    value = 100 * fraction
    if value == 0 or value >= 99.95:
        return f"{value:.0f}"
    if value < 0.01:
        return "<.01"
    return f"{value:.1f}" if value >= 9.95 else f"{value:.2f}"


def duration(seconds: float | None) -> str:
    """Return a stretch of time: `0:42`, `12:07`, `3:25:45`, `2d 04:10`."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return MISSING
    minutes, left_s = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days}d {hours:02}:{minutes:02}"
    return f"{hours}:{minutes:02}:{left_s:02}" if hours else f"{minutes}:{left_s:02}"


def clock_time(seconds: float) -> str:
    """Return the local time of day of a moment given in seconds since 1970."""
    try:
        return datetime.fromtimestamp(seconds, UTC).astimezone().strftime("%H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "--:--:--"


def _three_digits(value: float) -> str:
    size = abs(value)
    decimals = 0 if size >= 99.95 else 1 if size >= 9.995 else 2
    return f"{value:.{decimals}f}"
