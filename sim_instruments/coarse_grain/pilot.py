"""A few pulses beforehand: how many of them walls can take without meeting the ends of the track."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

PULSES = 8
_WAY = 0.2
"""Of the track: from its middle to where walls are on average at the end of a train, at most."""
_REACH = 0.45
"""The same for walls that are faster or luckier than others by three standard deviations."""
_DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """Moments of a step, in fractions of the track and their squares."""

    mean: float
    error: float
    """Standard error of the mean."""
    variance: float
    """Of one wall's steps."""
    between: float
    """Of the walls' own means, or of their ground's."""


def pilot(steps: NDArray[np.float64]) -> Pilot:
    """Summarise the pilot's steps, shape (devices, PULSES)."""
    halves = steps[:, : PULSES // 2].mean(1), steps[:, PULSES // 2 :].mean(1)
    return Pilot(
        mean=float(steps.mean()),
        error=float(steps.mean(1).std() / math.sqrt(len(steps))),
        variance=float(steps.var(axis=1, ddof=1).mean()),
        between=max(0.0, float(np.cov(*halves)[0, 1])),
    )


def longest_staircase(one: Pilot, most: int, multiple: int) -> int:
    """Return how many pulses one way, a multiple and at most so many, keep walls off the ends."""
    return _longest(one.mean / 2, one.variance, one.between, most, multiple)


def longest_doublets(push: Pilot, pull: Pilot, most: int, multiple: int) -> int:
    """Return the same for pushes and pulls as far, by turns."""
    return _longest(
        0.0,
        push.variance + pull.variance,
        push.between + pull.between,
        most,
        multiple,
    )


def _longest(drift: float, variance: float, between: float, most: int, multiple: int) -> int:
    count = most // multiple * multiple
    while count > 0 and (
        drift * count > _WAY or drift * count + _DEVIATIONS * math.sqrt(variance * count + between * count**2) > _REACH
    ):
        count -= multiple
    return count
