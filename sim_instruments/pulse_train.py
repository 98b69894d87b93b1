"""From a waveform of steps to pulses at the walls: what a pattern, an arbitrary waveform or a sequence delivers.

Every run of equal samples away from 0 V is one rectangular pulse of that level, for as long as it lasts.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim_instruments.place import Place
from sim_instruments.pulse_path import deliver_burst
from sim_instruments.scpi_error import ScpiError

LONGEST_TRAIN = 1_000_000
"""Bursts of equal pulses that one trigger may consist of here; a real instrument has no such bound."""

_REST_V = 1e-4  # what an amplifier's offset could be: no pulse


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Equal pulses at equal distances."""

    count: int
    level_v: float
    """Level above or below 0 V without a load, volts."""
    width_s: float
    """Width of each pulse, seconds."""
    period_s: float
    """Time for each pulse, the rest that follows it included, seconds."""


def bursts_of(levels_v: NDArray[np.float64], interval_s: float) -> tuple[Burst, ...]:
    """Return the pulses of a waveform in order, equal neighbours together.

    Args:
        levels_v: the samples, as open-circuit voltages.
        interval_s: time that each lasts, seconds.
    """
    changes = np.flatnonzero(np.diff(levels_v)) + 1
    starts = np.concatenate(([0], changes))
    lengths = np.diff(np.append(starts, len(levels_v)))
    is_pulse = np.abs(levels_v[starts]) > _REST_V
    starts, lengths = starts[is_pulse], lengths[is_pulse]
    if not len(starts):
        return ()
    levels = levels_v[starts]
    # Distances belong to what makes neighbours equal only through the time that passes: they are averaged.
    first = np.concatenate(([0], np.flatnonzero((np.diff(levels) != 0) | (np.diff(lengths) != 0)) + 1))
    counts = np.diff(np.append(first, len(starts)))
    begins = np.append(starts[first], len(levels_v))
    begins[0] = 0
    return tuple(
        Burst(
            count=int(count),
            level_v=float(levels[index]),
            width_s=float(lengths[index] * interval_s),
            period_s=float(span * interval_s / count),
        )
        for index, count, span in zip(first, counts, np.diff(begins), strict=True)
    )


def deliver_train(place: Place, bursts: tuple[Burst, ...], *, passes: int, source: str) -> None:
    """Send bursts to every device on the pulse row, in order, so many times over. Moves their walls; takes its time.

    Raises:
        ScpiError: -223 for more than the simulation bears, before anything moves.
    """
    if len(bursts) == 1:
        (burst,) = bursts
        _deliver(place, burst, burst.count * passes, source)
        return
    if len(bursts) * passes > LONGEST_TRAIN:
        raise ScpiError(-223, f"the simulation bears {LONGEST_TRAIN} bursts in one trigger")
    for _ in range(passes if bursts else 0):
        for burst in bursts:
            _deliver(place, burst, burst.count, source)


def _deliver(place: Place, burst: Burst, count: int, source: str) -> None:
    deliver_burst(
        place, count, open_circuit_v=burst.level_v, width_s=burst.width_s, period_s=burst.period_s, source=source
    )
