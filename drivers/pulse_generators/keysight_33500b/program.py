"""Pulse trains as the waveform memory holds them: one waveform, or a sequence of three.

Nothing here talks to an instrument.
"""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from drivers.protocols import PulseTrain
from drivers.pulse_generators.keysight_33500b.family import Family
from drivers.pulse_generators.shape import widths_per_period

LONGEST_WAVEFORM: Final = 1_000_000
"""Points of the waveform memory without options."""

LONGEST_SEQUENCE: Final = 512
"""Steps of a sequence."""

MOST_REPEATS: Final = 1_000_000
"""Repetitions of one step."""

TRAIN: Final = "TRAIN"
"""Name of what is played."""

_FULL_SCALE = 32_767
_NAMES: Final = {1: "PUSH", 0: "REST", -1: "PULL"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A train as the generator's memory holds it."""

    blocks: tuple[tuple[str, NDArray[np.generic]], ...]
    """Headers below the channel that end with a block, and the blocks, in order."""
    name: str
    """What to select."""
    rate: float
    """Samples per second."""
    points: tuple[tuple[str, int], ...]
    """Waveforms and their lengths, to be read back."""
    is_sequence: bool
    """Whether it is a sequence of waveforms."""
    duration_s: float
    """Time of the whole train, seconds."""


def program_of(train: PulseTrain, symbols: NDArray[np.int8], family: Family) -> Program | None:
    """Return a train as a waveform or a sequence, or None if it is neither.

    Args:
        train: the train.
        symbols: its symbols, checked.
        family: what holds it.
    """
    whole = widths_per_period(train)
    if whole is None:
        return None
    full_v = largest_v(train)
    push = round(_FULL_SCALE * train.push_amplitude_v / full_v) if (symbols > 0).any() else 0
    pull = round(_FULL_SCALE * train.pull_amplitude_v / full_v) if (symbols < 0).any() else 0
    return _waveform(train, symbols, family, whole, push, pull) or _sequence(train, symbols, family, whole, push, pull)


def largest_v(train: PulseTrain) -> float:
    """Return the largest amplitude that occurs."""
    symbols = np.asarray(train.symbols)
    return max(
        train.push_amplitude_v if (symbols > 0).any() else 0.0,
        train.pull_amplitude_v if (symbols < 0).any() else 0.0,
    )


def _waveform(
    train: PulseTrain, symbols: NDArray[np.int8], family: Family, whole: int, push: int, pull: int
) -> Program | None:
    rate = 1 / train.width_s
    # The output rests at the first sample, so the train begins with one at 0 V.
    length = max(1 + len(symbols) * whole, family.fewest_points)
    if length > LONGEST_WAVEFORM:
        return None
    samples = np.zeros(length, np.dtype(">i2"))
    heads = samples[1 : 1 + len(symbols) * whole : whole]
    heads[symbols > 0] = push
    heads[symbols < 0] = -pull
    return Program(
        blocks=((_load(TRAIN), samples),),
        name=TRAIN,
        rate=rate,
        points=((TRAIN, length),),
        is_sequence=False,
        duration_s=length / rate,
    )


def _sequence(
    train: PulseTrain, symbols: NDArray[np.int8], family: Family, whole: int, push: int, pull: int
) -> Program | None:
    # So many samples to a width that one period is long enough for a waveform.
    fineness = math.ceil(family.fewest_points / whole)
    rate = fineness / train.width_s
    if rate > family.highest_rate or whole * fineness * len(_NAMES) > LONGEST_WAVEFORM:
        return None
    starts = np.flatnonzero(np.diff(symbols, prepend=2))
    lengths = np.diff(np.append(starts, len(symbols)))
    # Two more steps: rest before and after.
    if int((-(-lengths // MOST_REPEATS)).sum()) + 2 > LONGEST_SEQUENCE:
        return None
    steps = [
        (_NAMES[int(symbols[start])], min(MOST_REPEATS, int(length) - done))
        for start, length in zip(starts, lengths, strict=True)
        for done in range(0, int(length), MOST_REPEATS)
    ]
    blocks: list[tuple[str, NDArray[np.generic]]] = []
    for name, code in ((_NAMES[1], push), (_NAMES[-1], -pull), (_NAMES[0], 0)):
        samples = np.zeros(whole * fineness, np.dtype(">i2"))
        samples[:fineness] = code
        blocks.append((_load(name), samples))
    text = ",".join(
        (
            f'"{TRAIN}","{_NAMES[0]}",0,repeatTilTrig,maintain,4',
            *(f'"{name}",{count},repeat,maintain,4' for name, count in steps),
            # Then the sequence starts over, and waits for a trigger again.
            f'"{_NAMES[0]}",1,once,maintain,4',
        )
    )
    blocks.append(("DATA:SEQ ", np.frombuffer(text.encode("ascii"), np.uint8)))
    return Program(
        blocks=tuple(blocks),
        name=TRAIN,
        rate=rate,
        points=tuple((name, whole * fineness) for name in _NAMES.values()),
        is_sequence=True,
        duration_s=(len(symbols) + 1) * train.period_s,
    )


def _load(name: str) -> str:
    return f"DATA:ARB:DAC {name},"
