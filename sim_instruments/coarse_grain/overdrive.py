"""The mean step against the amplitude: a straight line from a threshold, common to pushes and pulls, or not."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from sim_instruments.coarse_grain.resample import Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class Overdrive:
    """Mean step = slope * (amplitude - threshold), fitted to all amplitudes and both polarities."""

    threshold_v: Estimate
    chi_square: float
    freedom: int
    p_value: float
    """Probability of a worse fit if the straight lines held; compares with the noise of the experiment."""
    largest_deviation: float
    """Of a measured mean from the line, relative to the mean."""


def fit_overdrive(
    amplitudes_v: tuple[float, ...], means: NDArray[np.float64], covariance: NDArray[np.float64]
) -> Overdrive:
    """Fit the threshold by generalised least squares.

    Where the fit is bad the error of the threshold is widened by the square root of chi square per degree of freedom.

    Args:
        amplitudes_v: two or more.
        means: mean steps, pushes at all amplitudes, then pulls.
        covariance: of `means`.
    """
    amplitudes = np.array(amplitudes_v)
    weight = np.linalg.inv(np.linalg.cholesky(covariance))
    target = weight @ means

    def lines(threshold: float) -> tuple[NDArray[np.floating], NDArray[np.float64]]:
        over = amplitudes - threshold
        design = np.zeros((len(means), 2))
        design[: len(over), 0] = design[len(over) :, 1] = over
        return np.linalg.lstsq(weight @ design, target, rcond=None)[0], design

    def chi_square(threshold: float) -> float:
        slopes, design = lines(threshold)
        return float(((target - weight @ design @ slopes) ** 2).sum())

    least = amplitudes.min()
    found: Any = optimize.minimize_scalar(
        chi_square, bounds=(least - 20 * np.ptp(amplitudes), least - 1e-9 * least), method="bounded",
        options={"xatol": 1e-10 * least},
    )  # fmt: skip
    threshold = float(found.x)
    slopes, design = lines(threshold)
    jacobian = weight @ np.column_stack([design, -np.repeat(slopes, len(amplitudes))])
    freedom = len(means) - 3
    chi = float(found.fun)
    error = float(np.sqrt(np.linalg.inv(jacobian.T @ jacobian)[2, 2] * max(1.0, chi / freedom)))
    return Overdrive(
        threshold_v=Estimate.normal(threshold, error),
        chi_square=chi,
        freedom=freedom,
        p_value=float(stats.chi2.sf(chi, freedom)),
        largest_deviation=float(np.abs(design @ slopes / means - 1).max()),
    )
