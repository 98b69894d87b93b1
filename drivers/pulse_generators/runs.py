"""Pulse trains as runs of equal pulses: what a generator without a pattern memory plays, a burst for each run."""

from collections.abc import Iterator

import numpy as np

from drivers.errors import LimitError
from drivers.protocols import Polarity, Pulse, PulseTrain


def runs(train: PulseTrain) -> Iterator[tuple[Pulse, int]]:
    """Yield the train's pulses as (shape, count), in order; pauses separate nothing and are left out.

    Raises:
        LimitError: if a symbol is none of -1, 0, +1, or the train is empty.
    """
    symbols = checked_symbols(train)
    symbols = symbols[symbols != 0]
    starts = np.flatnonzero(np.diff(symbols, prepend=0))
    for start, stop in zip(starts, [*starts[1:], len(symbols)], strict=True):
        is_push = symbols[start] > 0
        yield (
            Pulse(
                polarity=Polarity.PUSH if is_push else Polarity.PULL,
                amplitude_v=train.push_amplitude_v if is_push else train.pull_amplitude_v,
                width_s=train.width_s,
            ),
            int(stop - start),
        )


def checked_symbols(train: PulseTrain) -> np.ndarray:
    """Return the symbols, or raise `LimitError` if they are not a row of -1, 0 and +1."""
    symbols = np.asarray(train.symbols)
    if symbols.ndim != 1 or symbols.size == 0 or not np.isin(symbols, (-1, 0, 1)).all():
        raise LimitError("a pulse train is a row of symbols -1, 0 or +1, at least one")
    return symbols.astype(np.int8)
