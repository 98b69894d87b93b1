"""What each device says in a train of pulses or doublets: means and variances, by themselves and in windows.

The variance of a displacement by many pulses grows with their number at a rate that is the variance of a single step
only if steps are independent. Walls in a frozen landscape, or such as jump about inside a site, have steps that are
not. So both are computed: of single steps, and of sums over windows of an eighth of the train, per pulse.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim_instruments.coarse_grain.experiment import WINDOWS, Staircase


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainStatistics:
    """One number per device of each, shape (devices,)."""

    pulses: int
    mean: NDArray[np.float64]
    """Of a step."""
    step_variance: NDArray[np.float64]
    """Of single steps about the device's mean."""
    sum_variance: NDArray[np.float64]
    """Of sums over windows, per pulse."""
    windows: NDArray[np.float64]
    """Shape (devices, WINDOWS): mean step in each window, less the device's mean."""


def train_statistics(steps: NDArray[np.float64], common: NDArray[np.float64] | float = 1.0) -> TrainStatistics:
    """Summarise steps, shape (devices, pulses), in fractions of the track.

    Args:
        steps: of all devices.
        common: what a device's mean is to be multiplied with to give its mean at each place of the train, about 1.
    """
    devices, pulses = steps.shape
    mean = steps.mean(1)
    residual = steps - mean[:, None] * common
    residual -= residual.mean(1)[:, None]
    windows = residual.reshape(devices, WINDOWS, -1).mean(2)
    return TrainStatistics(
        pulses=pulses,
        mean=mean,
        step_variance=(residual**2).sum(1) / (pulses - 1),
        sum_variance=(windows**2).sum(1) / (WINDOWS - 1) * (pulses / WINDOWS),
        windows=windows,
    )


def staircase_statistics(staircase: Staircase, direction: int) -> TrainStatistics:
    """Summarise a staircase; a mean step that changes along the track, for all devices alike, is not noise.

    Args:
        staircase: whose steps.
        direction: 1 for pushes, -1 for pulls.
    """
    e = direction * (2 * staircase.track_position - 1)
    parabola = np.polynomial.Polynomial.fit(e, staircase.steps.mean(0), 2)(e)
    return train_statistics(staircase.steps, parabola / parabola.mean())


def local_means(staircase: Staircase, direction: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Fit step against position for every device, by a line and by a parabola.

    Args:
        staircase: whose steps.
        direction: 1 for pushes, -1 for pulls.

    Returns:
        Shapes (devices, 2) and (devices, 3): the mean step in the middle of the track, its change from there to the end
        that the walls move towards, and for the parabola the coefficient of the square of that way.
    """
    e = direction * (2 * staircase.track_position - 1)
    ones = np.ones_like(e)
    line, parabola = (np.linalg.pinv(np.column_stack(columns)).T for columns in ((ones, e), (ones, e, e**2)))
    return staircase.steps @ line, staircase.steps @ parabola
