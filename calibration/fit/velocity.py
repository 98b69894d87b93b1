"""Velocity against current density by the universal law of creep and depinning.

    creep, J < J_d        v = v_d exp{-(T_d / T) [(J / J_d)^(-1/4) - 1]}
    depinning, J > J_d    v = (v_d^4 + v_p^4)^(1/4),    v_p = (v_d / x_0) (T_d / T)^psi (J / J_d - 1)^beta

with beta = 0.25, psi = 0.15, x_0 = 0.65 (V. Jeudy et al., PRL 117, 057201 (2016); R. Diaz Pardo et al., PRB 95, 184434
(2017)); the fourth powers join the branches and are in no paper. J_d, T_d and v_d are common to all temperatures, v_d
but for its slow growth, v_d(T) ~ T^psi; it is given at the mean temperature. Flow is not in the law: leave out
velocities that grow in proportion to the current.

In creep alone, at one temperature, ln v is a straight line in J^(-1/4): two numbers, which do not give three. And
without creep the depinning temperature hardly shows. Data must hold both, or several temperatures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from calibration.estimate import Estimate
from calibration.fit import likelihood
from drivers.errors import DeviceFault, LimitError

_CREEP, _BETA, _PSI, _X0, _JOIN = 0.25, 0.25, 0.15, 0.65, 4.0
_FEWEST_CREEP = 3
_CREEP_FACTOR = 3.0
"""By how much velocities in creep must differ at least."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Velocities:
    """Measured velocities."""

    density_a_per_m2: NDArray[np.float64]
    """Current density, above zero, shape (M,)."""
    velocity_m_per_s: NDArray[np.float64]
    """Velocity, above zero, shape (M,)."""
    temperature_k: NDArray[np.float64]
    """Temperature of the wire, shape (M,)."""
    relative_sd: NDArray[np.float64] | None = None
    """Standard deviation of each velocity over the velocity, shape (M,); None if unknown, the same for all."""

    def __post_init__(self) -> None:
        arrays = [self.density_a_per_m2, self.velocity_m_per_s, self.temperature_k]
        arrays += [] if self.relative_sd is None else [self.relative_sd]
        if len({array.shape for array in arrays}) != 1:
            raise ValueError("density, velocity, temperature and relative_sd must have one entry for each point")
        if any(not np.all(array > 0) for array in arrays):
            raise ValueError("density, velocity, temperature and relative_sd must be above zero; give magnitudes")


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class VelocityFit:
    """The law fitted, with 95 % profile intervals."""

    depinning_density: Estimate
    """J_d, A/m^2."""
    depinning_temperature: Estimate
    """T_d, kelvin."""
    depinning_velocity: Estimate
    """v_d at `reference_k`, m/s."""
    reference_k: float
    """Mean temperature of the data, kelvin."""
    relative_sd: float
    """Scatter of ln v about the law, in units of the errors given, or by itself if none were given."""
    chi_square_p: float | None
    """P-value of the scatter under the errors given; None if none were."""
    density_range_a_per_m2: tuple[float, float]
    """Smallest and largest current density measured."""
    temperature_range_k: tuple[float, float]
    """Smallest and largest temperature measured."""

    def velocity_m_per_s(
        self, density_a_per_m2: NDArray[np.float64], temperature_k: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the velocity by the fit.

        Raises:
            LimitError: a current density or temperature outside what was measured.
        """
        _within(density_a_per_m2, self.density_range_a_per_m2, "current density", "A/m^2")
        _within(temperature_k, self.temperature_range_k, "temperature", "K")
        values = [self.depinning_density.value, self.depinning_temperature.value, self.depinning_velocity.value]
        return np.exp(_log_velocity(np.log(values), density_a_per_m2, temperature_k, self.reference_k))


def fit_velocity(data: Velocities) -> VelocityFit:
    """Fit the law to ln v, weighted by the errors.

    Raises:
        DeviceFault: the data do not cover creep, or do not determine all three parameters.
    """
    if len(data.density_a_per_m2) < 5:
        raise DeviceFault(f"{len(data.density_a_per_m2)} points do not determine three parameters; measure at least 5")
    reference = float(data.temperature_k.mean())
    error = np.ones_like(data.velocity_m_per_s) if data.relative_sd is None else data.relative_sd

    def residuals(at: NDArray[np.float64]) -> NDArray[np.float64]:
        law = _log_velocity(at, data.density_a_per_m2, data.temperature_k, reference)
        return (np.log(data.velocity_m_per_s) - law) / error

    best = _least_squares(residuals, data)
    _refuse_uncovered(data, best)
    freedom = len(data.density_a_per_m2) - 3
    square = float((residuals(best) ** 2).sum())
    scale = 1.0 if data.relative_sd is not None else max(square / freedom, 1e-12)

    def log_likelihood(at: NDArray[np.float64]) -> float:
        return -float((residuals(at) ** 2).sum()) / (2 * scale)

    top = likelihood.maximise(log_likelihood, best, np.full(3, 0.02))
    limit = stats.chi2.ppf(0.95, 1) if data.relative_sd is not None else stats.f.ppf(0.95, 1, freedom)
    names = ("the depinning current density", "the depinning temperature", "the velocity at depinning")
    estimates = [
        likelihood.positive(top, index, unit, names[index], drop=float(limit) / 2)
        for index, unit in enumerate(("A/m^2", "K", "m/s"))
    ]
    return VelocityFit(
        depinning_density=estimates[0],
        depinning_temperature=estimates[1],
        depinning_velocity=estimates[2],
        reference_k=reference,
        relative_sd=float(np.sqrt(square / freedom)),
        chi_square_p=None if data.relative_sd is None else float(stats.chi2.sf(square, freedom)),
        density_range_a_per_m2=(float(data.density_a_per_m2.min()), float(data.density_a_per_m2.max())),
        temperature_range_k=(float(data.temperature_k.min()), float(data.temperature_k.max())),
    )


def _log_velocity(
    at: NDArray[np.float64], density: NDArray[np.float64], temperature_k: NDArray[np.float64], reference_k: float
) -> NDArray[np.float64]:
    """Return ln v; parameters are ln J_d, ln T_d and ln v_d at the reference temperature."""
    ratio = density / np.exp(at[0])
    heat = np.exp(at[1]) / temperature_k
    rounded = at[2] + _PSI * np.log(temperature_k / reference_k)
    creep = -heat * (np.minimum(ratio, 1.0) ** -_CREEP - 1)
    above = heat**_PSI / _X0 * np.maximum(ratio - 1, 0.0) ** _BETA
    return rounded + creep + np.log1p(above**_JOIN) / _JOIN


def _least_squares(
    residuals: Callable[[NDArray[np.float64]], NDArray[np.float64]], data: Velocities
) -> NDArray[np.float64]:
    """Return the best of several descents: the law has a kink at J_d, and a descent seldom crosses many points."""
    density, velocity = data.density_a_per_m2, data.velocity_m_per_s
    temperature = float(data.temperature_k.mean())
    found = []
    for limit in np.geomspace(density.min(), density.max(), 9)[1:]:
        nearest = velocity[np.argmin(np.abs(density - limit))]
        for heat in (3.0, 15.0):
            start = np.log([limit, heat * temperature, nearest])
            found.append(optimize.least_squares(residuals, start, x_scale=0.1, max_nfev=60))
    return min(found, key=lambda one: one.cost).x


def _refuse_uncovered(data: Velocities, best: NDArray[np.float64]) -> None:
    limit = float(np.exp(best[0]))
    creeping = data.density_a_per_m2 < limit
    velocity = data.velocity_m_per_s[creeping]
    if creeping.sum() < _FEWEST_CREEP or velocity.max() < _CREEP_FACTOR * velocity.min():
        raise DeviceFault(
            f"{int(creeping.sum())} points below the depinning current density {limit:.3g} A/m^2 do not cover creep; "
            f"measure at least {_FEWEST_CREEP} at smaller currents, with velocities down by {_CREEP_FACTOR:g} or more"
        )
    if creeping.all() and np.ptp(data.temperature_k) < 0.05 * data.temperature_k.mean():
        raise DeviceFault(
            "all points lie in creep at one temperature: a straight line does not give three parameters; "
            "measure beyond depinning, or at several temperatures"
        )


def _within(values: NDArray[np.float64], ends: tuple[float, float], name: str, unit: str) -> None:
    low, high = float(np.min(values)), float(np.max(values))
    if low < ends[0] * (1 - 1e-9) or high > ends[1] * (1 + 1e-9):
        wrong = low if low < ends[0] else high
        raise LimitError(
            f"{name} {wrong:g} {unit} lies outside the measured range {ends[0]:g} to {ends[1]:g} {unit}; "
            "measure there first"
        )
