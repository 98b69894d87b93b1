"""Closed forms of what a wall's hops add up to: displacements, their fluctuations, and times of first passage.

Sources: D. R. Cox, Renewal Theory (1962) for moments; A. C. Barato and U. Seifert, PRL 114, 158101 (2015) for the
uncertainty relation; J. G. Skellam, J. R. Stat. Soc. 109, 296 (1946) for the difference of two counts.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim_instruments.physics.constants import BOLTZMANN_J_K


def chain_moments(forward_s: float, backward_s: float, spacing_m: float, duration_s: float) -> tuple[float, float]:
    """Return mean (m) and variance (m^2) of the displacement by hops both ways over equal barriers.

    Forward and backward hops are Poisson numbers: mean (r+ - r-) t p, variance (r+ + r-) t p^2.

    Args:
        forward_s: r+, 1/s.
        backward_s: r-, 1/s.
        spacing_m: p.
        duration_s: t.
    """
    return (
        (forward_s - backward_s) * duration_s * spacing_m,
        (forward_s + backward_s) * duration_s * spacing_m**2,
    )


def renewal_moments(
    duration_s: float, dwell_s: float, dwell_sd_s: float, step_m: float, step_sd_m: float
) -> tuple[float, float]:
    """Return mean (m) and variance (m^2) of the displacement by one-way steps after independent dwell times.

    To leading order in the number of steps: mean m t / tau, variance t (s_m^2 / tau + m^2 s_tau^2 / tau^3).

    Args:
        duration_s: t.
        dwell_s: mean dwell time, tau.
        dwell_sd_s: its standard deviation, s_tau.
        step_m: mean step, m.
        step_sd_m: its standard deviation, s_m.
    """
    steps = duration_s / dwell_s
    return step_m * steps, steps * (step_sd_m**2 + (step_m * dwell_sd_s / dwell_s) ** 2)


def hop_fano_length_m(spacing_m: float, force_n: float, temperature_k: float) -> float:
    """Return variance over mean of the displacement by hops both ways: p coth(F p / 2 kT), m."""
    return spacing_m / math.tanh(force_n * spacing_m / (2 * BOLTZMANN_J_K * temperature_k))


def least_fano_length_m(force_n: float, temperature_k: float) -> float:
    """Return 2 kT / F, m: no wall that dissipates the work of the force has a smaller variance over mean.

    The thermodynamic uncertainty relation; a free wall attains it.
    """
    return 2 * BOLTZMANN_J_K * temperature_k / force_n


def return_ratio(hops: float, spacing_cv: float) -> float:
    """Return rho, the variance of a push-pull doublet over that of two pushes, on sites that stay where they are.

    One-way hops of Poisson numbers with this mean, over spacings of mean 1: a push has variance h (1 + cv^2), and the
    doublet, which ends |S| spacings away with S the difference of two Poisson numbers, 2 h + cv^2 E|S|. For many hops
    rho approaches 1 / (1 + cv^2).

    Args:
        hops: mean hops of a pulse, h.
        spacing_cv: relative standard deviation of the spacings, independent of each other.
    """
    from scipy.special import ive

    mean_distance = 2 * hops * float(ive(0, 2 * hops) + ive(1, 2 * hops))
    return (2 * hops + spacing_cv**2 * mean_distance) / (2 * hops * (1 + spacing_cv**2))


def frozen_moments(spacings_m: NDArray[np.float64], dwells_s: NDArray[np.float64], hops: float) -> tuple[float, float]:
    """Return variance over mean of one push (m) and rho, for many one-way hops over sites that differ and stay.

    With v = <p> / <tau> a bond contributes v^2 <tau^2> by chance in time, new in every pulse, and Var(p - v tau) by
    what it is, the same on the way back. A doublet sees the latter only over the distance it does not return,
    sqrt(4 hops <tau^2> / (pi <tau>^2)) bonds on average. For equal spacings and barriers rho is 1.

    Args:
        spacings_m: of a sample of bonds.
        dwells_s: mean dwell times before these bonds.
        hops: mean number of hops of a pulse, much more than 1.
    """
    velocity = float(spacings_m.mean() / dwells_s.mean())
    by_chance = velocity**2 * float(np.mean(dwells_s**2))
    by_site = float(np.var(spacings_m - velocity * dwells_s))
    distance = math.sqrt(4 * hops * float(np.mean(dwells_s**2)) / (math.pi * float(dwells_s.mean()) ** 2))
    variance = by_chance + by_site
    rho = (2 * hops * by_chance + distance * by_site) / (2 * hops * variance)
    return variance / float(spacings_m.mean()), rho


# scipy's frozen distributions have no public type.
def drift_passage(length_m: float, velocity_m_s: float, diffusion_m2_s: float) -> Any:
    """Return the distribution of the first passage of a drifting, diffusing wall, s: inverse Gaussian.

    Mean L / v, shape L^2 / 2 D, hence variance 2 D L / v^3; a `scipy.stats` distribution.
    """
    from scipy.stats import invgauss

    mean_s, shape_s = length_m / velocity_m_s, length_m**2 / (2 * diffusion_m2_s)
    return invgauss(mean_s / shape_s, scale=shape_s)


def site_passage(sites: int, dwell_s: float) -> Any:
    """Return the distribution of the time to pass equal sites one way, s: gamma; exponential for one site.

    Args:
        sites: how many dwell times in a row.
        dwell_s: mean dwell time of one.
    """
    from scipy.stats import gamma

    return gamma(sites, scale=dwell_s)
