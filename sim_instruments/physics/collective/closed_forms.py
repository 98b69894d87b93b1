"""What theory says about a wall of constant width: velocities, thresholds, diffusion.

Symbols as in `equations`. All of it for a wall without pinning and, unless said otherwise, without fields in the plane.

Sources: N. L. Schryer, L. R. Walker, JAP 45, 5406 (1974) for the field; A. Thiaville et al., EPL 69, 990 (2005) and
G. Tatara, H. Kohno, PRL 92, 086601 (2004) for the spin-transfer torque; A. Thiaville et al., EPL 100, 57002 (2012) for
spin Hall torque and DMI. Diffusion follows from the noise in `equations` by integrating the linearised motion.
"""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.collective.terms import Wall
from sim_instruments.physics.constants import BOLTZMANN_J_K, GYROMAGNETIC_M_A_S

_G0 = GYROMAGNETIC_M_A_S


def walker_field_a_m(wall: Wall) -> float:
    """Return H_W = a H_K / 2, above which the angle turns (no DMI)."""
    return wall.damping * wall.shape_field_a_m / 2


def walker_velocity_m_s(wall: Wall) -> float:
    """Return g0 Delta H_K / 2, the velocity at the Walker field."""
    return _G0 * wall.width_m * wall.shape_field_a_m / 2


def field_velocity_m_s(wall: Wall, field_a_m: ArrayLike) -> NDArray[np.float64]:
    """Return the velocity in a field along the easy axis, averaged over the turns of the angle where it turns.

    g0 Delta H / a up to H_W, then (g0 Delta / a) (H - sqrt(H^2 - H_W^2) / (1 + a^2)); odd in H; no DMI.
    """
    a = wall.damping
    field = np.asarray(field_a_m, np.float64)
    excess = np.sqrt(np.maximum(field**2 - walker_field_a_m(wall) ** 2, 0.0))
    return wall.polarity * _G0 * wall.width_m / a * (field - np.sign(field) * excess / (1 + a**2))


def drift_threshold_m_s(wall: Wall) -> float:
    """Return u_W = g0 Delta H_K a / (2 |a - beta|), the spin-drift velocity above which the angle turns (no DMI).

    For beta = 0 it is g0 Delta H_K / 2, the least that moves a wall at all: intrinsic pinning.
    """
    mismatch = abs(wall.damping - wall.nonadiabaticity)
    return math.inf if mismatch == 0 else walker_velocity_m_s(wall) * wall.damping / mismatch


def drift_velocity_m_s(wall: Wall, drift_m_s: ArrayLike) -> NDArray[np.float64]:
    """Return the velocity that a spin-transfer torque gives, averaged over the turns of the angle where it turns.

    beta u / a up to u_W, then beta u / a - (Delta / a) sgn(A) sqrt(A^2 - B^2) / (1 + a^2) with A = (beta - a) u / Delta
    and B = a g0 H_K / 2; no DMI.
    """
    a, beta, width = wall.damping, wall.nonadiabaticity, wall.width_m
    u = np.asarray(drift_m_s, np.float64)
    torque = (beta - a) * u / width
    excess = np.sqrt(np.maximum(torque**2 - (_G0 * walker_field_a_m(wall)) ** 2, 0.0))
    return beta * u / a - width / a * np.sign(torque) * excess / (1 + a**2)


def spin_hall_velocity_m_s(wall: Wall, spin_hall_field_a_m: ArrayLike) -> NDArray[np.float64]:
    """Return the velocity by damping-like torque and DMI for H_K = 0, with the sign of H_D H_SH.

    (pi / 2) g0 Delta / sqrt((a / H_SH)^2 + (1 / H_D)^2), the same for both polarities: the DMI turns with Q.
    """
    torque, chiral = np.asarray(spin_hall_field_a_m, np.float64), wall.dmi_field_a_m
    scale = np.hypot(wall.damping * chiral, torque)
    product = chiral * torque
    return math.pi / 2 * _G0 * wall.width_m * np.divide(product, scale, out=np.zeros_like(product), where=scale > 0)


def spin_hall_saturation_m_s(wall: Wall) -> float:
    """Return (pi / 2) g0 Delta H_D = (pi / 2) |gamma| D / M_s, the limit of `spin_hall_velocity_m_s` (a magnitude)."""
    return math.pi / 2 * _G0 * wall.width_m * abs(wall.dmi_field_a_m)


def noise_strength_a2_s_m2(wall: Wall, temperature_k: float) -> float:
    """Return the strength of each thermal field, a k T / (g0 mu0 M_s S Delta), A^2 s/m^2."""
    return 2 * wall.damping * BOLTZMANN_J_K * temperature_k / (_G0 * wall.force_per_field_n_m_a * wall.width_m)


def relaxation_time_s(wall: Wall) -> float:
    """Return tau_phi = (1 + a^2) / (a g0 H_K), in which the angle returns to a Bloch wall (no DMI)."""
    return (1 + wall.damping**2) / (wall.damping * _G0 * wall.shape_field_a_m)


def diffusion_m2_s(wall: Wall, temperature_k: float) -> float:
    """Return D_q = k T g0 Delta / (2 a mu0 M_s S) = k T / friction of a wall whose angle is held by its energy.

    Einstein's relation with the mobility below the Walker field. Slips of the angle over its barrier lower it.
    """
    return BOLTZMANN_J_K * temperature_k * _G0 * wall.width_m / (wall.damping * wall.force_per_field_n_m_a)


def free_diffusion_m2_s(wall: Wall, temperature_k: float) -> float:
    """Return D = k T a Delta g0 / (2 mu0 M_s S (1 + a^2)) of a wall whose angle turns freely (H_K = 0, no DMI)."""
    a = wall.damping
    return a**2 / (1 + a**2) * diffusion_m2_s(wall, temperature_k)


def displacement_variance_m2(wall: Wall, temperature_k: float, time_s: ArrayLike) -> NDArray[np.float64]:
    """Return the variance of the displacement, the angle being in equilibrium about a Bloch wall from the start.

    2 D [t - tau (1 - exp(-t / tau)) / (1 + a^2)], for a barrier of the angle far above k T.
    """
    time, tau = np.asarray(time_s, np.float64), relaxation_time_s(wall)
    return 2 * diffusion_m2_s(wall, temperature_k) * (time + tau * np.expm1(-time / tau) / (1 + wall.damping**2))
