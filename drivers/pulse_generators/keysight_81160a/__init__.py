"""Keysight 81160A pulse generator."""

from drivers.pulse_generators.keysight_81160a.driver import (
    COUNT,
    KIND,
    LOAD,
    MODEL,
    PERIOD,
    SAFE,
    WIDTH,
    Keysight81160A,
    amplitude_limit,
)
from drivers.pulse_generators.keysight_81160a.pattern import LONGEST_PATTERN

__all__ = [
    "COUNT",
    "KIND",
    "LOAD",
    "LONGEST_PATTERN",
    "MODEL",
    "PERIOD",
    "SAFE",
    "WIDTH",
    "Keysight81160A",
    "amplitude_limit",
]
