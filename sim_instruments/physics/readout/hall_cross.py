"""A cross on the track read by its anomalous Hall voltage: V_H = I R_AHE (1 - 2 x / L_Hall), x from its near edge.

The voltage is the mean of the perpendicular magnetisation over the cross, from +1 (no wall has come) to -1 (it has
passed), so a wall outside the cross reads as a saturated one, and near an edge the wall's profile rounds the corners.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from annotated_types import Ge, Gt, Le
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.quantity import Share


@dataclass(frozen=True, slots=True, kw_only=True)
class HallCross:
    """A Hall cross, lengths as shares of the track."""

    resistance_ohm: float
    """R_AHE, half the difference between the two saturated states, with its sign."""
    start: Share = 0.0
    """Where the cross begins."""
    length: Annotated[float, Gt(0), Le(1)] = 1.0
    """L_Hall."""
    wall_width: Annotated[float, Ge(0), Le(0.1)] = 0.0
    """Width parameter Delta of the wall; 0 is a sharp wall."""
    offset_ohm: float = 0.0
    """Ordinary resistance that misaligned arms add, signed."""

    def __post_init__(self) -> None:
        """Refuse a cross that sticks out of its track."""
        if self.start + self.length > 1:
            raise ValueError("start + length must not exceed 1: the cross lies on the track")

    def resistance_at_ohm(self, position: ArrayLike) -> NDArray[np.float64]:
        """Return V_H / I with the wall at these fractions of the track."""
        along = np.asarray(position, np.float64) - self.start
        if self.wall_width:
            passed = (_ln_cosh(along / self.wall_width) - _ln_cosh((self.length - along) / self.wall_width)) / (
                self.length / self.wall_width
            )
        else:
            passed = np.clip(2 * along / self.length - 1, -1, 1)
        return self.offset_ohm - self.resistance_ohm * passed

    def voltage_v(self, position: ArrayLike, current_a: ArrayLike) -> NDArray[np.float64]:
        """Return the Hall voltage with the wall at these fractions of the track and a current along it."""
        return self.resistance_at_ohm(position) * np.asarray(current_a, np.float64)


def _ln_cosh(value: NDArray[np.float64]) -> NDArray[np.float64]:
    size = np.abs(value)
    return size - np.log(2) + np.log1p(np.exp(-2 * size))
