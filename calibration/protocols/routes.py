"""The ways to the devices, and which experiments may take them."""

from typing import Final

from calibration.protocols.staircase import Route

BOTH: Final = frozenset(Route)
"""An experiment for the array controller and for the instruments of the bench."""

BENCH: Final = frozenset({Route.BENCH})
"""An experiment that needs a source-measure unit."""

__all__ = ["BENCH", "BOTH", "Route"]
