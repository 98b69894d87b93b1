"""Parameters of waveform memories: names, and samples as numbers or as one block."""

import re
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_message import Quoted, Raw
from sim_instruments.scpi_parameter import Real

LONGEST_LIST: Final = 65_536
"""Samples that a command takes as numbers."""

_NAME: Final = re.compile(r"[A-Za-z][\w.]*|[A-Za-z]+:\\[\w.\\]+", re.ASCII)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class WaveformName:
    """The name of a waveform, between quotes or bare."""

    longest: int
    """Characters that it may have."""

    def parse(self, raw: Raw) -> str:
        """Return the name as written."""
        text = raw.text if isinstance(raw, Quoted) else raw
        if not isinstance(text, str):
            raise ScpiError(-104, "expected a name")
        if len(text) > self.longest or not _NAME.fullmatch(text):
            raise ScpiError(-224, f"{text[:40]} is no name")
        return text


@final
@dataclass(frozen=True, slots=True)
class Sample:
    """One sample as a number, or all of them as a block."""

    number: Real
    """What a number may be."""

    def parse(self, raw: Raw) -> float | memoryview:
        """Return the number or the block."""
        return raw if isinstance(raw, memoryview) else self.number.parse(raw)


def samples_of(values: tuple[float | memoryview, ...], block: DTypeLike, full_scale: float) -> NDArray[np.float64]:
    """Return samples between -1 and +1.

    Args:
        values: numbers, or one block.
        block: how the block holds its samples.
        full_scale: the number that stands for +1.

    Raises:
        ScpiError: for blocks between numbers, broken blocks, and samples above full scale.
    """
    first = values[0]
    if isinstance(first, memoryview):
        if len(values) > 1:
            raise ScpiError(-108, "samples after the block")
        if len(first) % np.dtype(block).itemsize:
            raise ScpiError(800, text="Block length must be even")
        samples = np.frombuffer(first, block).astype(np.float64)
    else:
        if any(isinstance(value, memoryview) for value in values):
            raise ScpiError(-168, "a block among numbers", text="Block data not allowed")
        samples = np.array(values, np.float64)
    # Written so that NaN fails too.
    if not np.all(np.abs(samples) <= full_scale):
        raise ScpiError(-222, f"a sample is above {full_scale:g}")
    return samples / full_scale
