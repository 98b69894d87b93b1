"""Pulses and trains in a generator's terms: its levels, its amplitudes across a load, and whole numbers of widths."""

from typing import Final

from drivers.limits import Limit
from drivers.protocols import Polarity, Pulse, PulseTrain

SOURCE_OHM: Final = 50.0
"""Output resistance of the generators, ohms."""

_WHOLE = 1e-6  # how far from a whole number of widths a period may be


def levels_v(pulse: Pulse) -> tuple[float, float]:
    """Return LOW and HIGH of a pulse that rests at 0 V, volts."""
    return (0.0, pulse.amplitude_v) if pulse.polarity is Polarity.PUSH else (-pulse.amplitude_v, 0.0)


def amplitude_limit(load_ohm: float, *, smallest_v: float, largest_v: float, source: str) -> Limit:
    """Return the amplitudes across a load of a generator whose amplitudes are told for 50 ohm.

    Args:
        load_ohm: the load, ohms.
        smallest_v: smallest amplitude into 50 ohm, volts.
        largest_v: largest one, volts.
        source: where they are written.
    """
    gain = 2 * load_ohm / (load_ohm + SOURCE_OHM)
    origin = f"{source}: {smallest_v} to {largest_v} V into 50 ohm, here {load_ohm:g} ohm"
    return Limit(quantity="pulse amplitude", low=smallest_v * gain, high=largest_v * gain, unit="V", origin=origin)


def widths_per_period(train: PulseTrain) -> int | None:
    """Return how many pulse widths a train's period is long; None if that is no whole number of at least two."""
    widths = train.period_s / train.width_s
    whole = round(widths)
    return whole if whole >= 2 and abs(widths - whole) <= _WHOLE * whole else None
