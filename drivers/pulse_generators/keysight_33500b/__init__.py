"""Keysight 33500B and 33600A waveform generators."""

from drivers.pulse_generators.keysight_33500b.channel import safe_state
from drivers.pulse_generators.keysight_33500b.driver import MODEL_33500B, MODEL_33600A, Keysight33500B
from drivers.pulse_generators.keysight_33500b.family import (
    COUNT,
    FAMILY_33500B,
    FAMILY_33600A,
    LOAD,
    Family,
    amplitude_limit,
)
from drivers.pulse_generators.keysight_33500b.program import LONGEST_WAVEFORM

__all__ = [
    "COUNT",
    "FAMILY_33500B",
    "FAMILY_33600A",
    "LOAD",
    "LONGEST_WAVEFORM",
    "MODEL_33500B",
    "MODEL_33600A",
    "Family",
    "Keysight33500B",
    "amplitude_limit",
    "safe_state",
]
