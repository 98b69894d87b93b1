"""Numbers as text, with as many digits as tell an interval from its middle."""

import math

from calibration.estimate import Estimate


def digits_of(estimate: Estimate) -> tuple[str, str, str]:
    """Return value, lower and upper end."""
    width = estimate.high - estimate.low
    digits = 2 + math.ceil(math.log10(abs(estimate.value) / width)) if width > 0 and estimate.value else 3
    value, low, high = (
        f"{number:.{min(12, max(3, digits))}g}" for number in (estimate.value, estimate.low, estimate.high)
    )
    return value, low, high


def unit_of(unit: str) -> str:
    """Return a unit as it is shown: nothing for a pure number."""
    return "" if unit == "1" else unit.replace("^2", "²")


def p_of(p_value: float | None) -> str:
    """Return a p-value; far below any level its digits say nothing."""
    if p_value is None:
        return "–"
    return "< 1e-6" if p_value < 1e-6 else f"{p_value:.2g}"
