"""Tests of the assumptions behind the fit: each returns a p-value, small when the data speak against it."""

import numpy as np
from numpy.typing import NDArray
from scipy import stats


def equal_means(values: NDArray[np.float64]) -> float | None:
    """Test whether several quantities have the same population mean (Hotelling's T-square on their differences).

    Each device has its own level, which cancels in the differences. Returns None with one quantity or too few devices.

    Args:
        values: shape (quantities, devices).
    """
    differences = values[:-1] - values[-1]
    kinds, devices = differences.shape
    if kinds == 0 or devices <= kinds + 1:
        return None
    centre = differences.mean(axis=1)
    covariance = np.atleast_2d(np.cov(differences))
    square = devices * float(centre @ np.linalg.pinv(covariance, hermitian=True) @ centre)
    return float(stats.f.sf(square * (devices - kinds) / (kinds * (devices - 1)), kinds, devices - kinds))


def combined(p_values: list[float | None]) -> float | None:
    """Return the p-value of several tests together (Bonferroni); those that could not be made do not count."""
    made = [p for p in p_values if p is not None]
    return min(1.0, len(made) * min(made)) if made else None
