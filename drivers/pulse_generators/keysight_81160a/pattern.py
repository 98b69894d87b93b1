"""Pulse trains as the pattern memory holds them: symbols of three levels, four to a byte.

Nothing here talks to an instrument.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.protocols import PulseTrain
from drivers.pulse_generators.shape import widths_per_period

LONGEST_PATTERN: Final = 2_097_152
"""Symbols of the longest pattern with three levels."""

SHORTEST_SYMBOL_S: Final = 3.1e-9
"""Period that just holds the shortest width and its edges, seconds: patterns have it for a symbol."""

_PULL, _PUSH, _IDLE = 0, 1, 2  # codes of a three-level pattern: LOW, HIGH, electrical idle
_SYMBOLS_PER_BYTE = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """A train as the generator's memory holds it."""

    amplitude_v: float
    """Level of HIGH, and of LOW below zero, volts."""
    symbol_s: float
    """Time of one symbol, seconds."""
    symbol_count: int
    """Symbols, pauses included."""
    block: NDArray[np.uint8]
    """Four symbols to a byte, the first in its highest bits."""


def pattern_of(train: PulseTrain, symbols: NDArray[np.int8], *, largest_swing_v: float) -> Pattern | None:
    """Return a train as a pattern, or None if it is none.

    Args:
        train: the train.
        symbols: its symbols, checked.
        largest_swing_v: most that there may be between the levels, volts.
    """
    amplitudes = {
        amplitude_v
        for amplitude_v, occurs in (
            (train.push_amplitude_v, (symbols > 0).any()),
            (train.pull_amplitude_v, (symbols < 0).any()),
        )
        if occurs
    }
    whole = widths_per_period(train)
    if (
        len(amplitudes) != 1
        or 2 * max(amplitudes) > largest_swing_v
        or whole is None
        or train.width_s < SHORTEST_SYMBOL_S
        or len(symbols) * whole > LONGEST_PATTERN
    ):
        return None
    # The memory takes whole bytes: idle symbols fill the last one.
    codes = np.full(-(-len(symbols) * whole // _SYMBOLS_PER_BYTE) * _SYMBOLS_PER_BYTE, _IDLE, np.uint8)
    heads = codes[: len(symbols) * whole : whole]
    heads[symbols > 0] = _PUSH
    heads[symbols < 0] = _PULL
    places = np.array([64, 16, 4, 1], np.uint8)
    return Pattern(
        amplitude_v=max(amplitudes),
        symbol_s=train.width_s,
        symbol_count=len(codes),
        block=(codes.reshape(-1, _SYMBOLS_PER_BYTE) * places).sum(axis=1, dtype=np.uint8),
    )
