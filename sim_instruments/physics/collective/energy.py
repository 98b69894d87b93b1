"""The energy of a wall as a function of position and angle."""

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sim_instruments.physics.collective.terms import Wall


def energy_j(
    position_m: ArrayLike, angle_rad: ArrayLike, wall: Wall, barriers_j: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return E(q, phi), J, broadcast; zero at phi = 0, q = 0 up to the fields' terms.

    The terms are those whose derivatives stand in `equations`, with F = 2 mu0 M_s S:

        shape    -(F Delta H_K / 2) sin^2 phi,  with breathing  -(F Delta H_K / kappa) (sqrt(1 + kappa sin^2 phi) - 1)
        fields   -(pi / 2) F Delta ((H_x + Q H_D) cos phi + Q H_y sin phi) - Q F H_z q
        track    pinning and ends

    The current does work and has no energy.

    Raises:
        ValueError: a breathing wall in a field in the plane, whose energy is not written here.
    """
    q, phi = np.broadcast_arrays(np.asarray(position_m, np.float64), np.asarray(angle_rad, np.float64))
    force, width = wall.force_per_field_n_m_a, wall.width_m
    if wall.breathing == 0.0:
        shape = -0.5 * np.sin(phi) ** 2
    elif wall.field_x_a_m or wall.field_y_a_m:
        raise ValueError("no energy is known for breathing walls in a field in the plane: set breathing to 0")
    else:
        shape = -(np.sqrt(1 + wall.breathing * np.sin(phi) ** 2) - 1) / wall.breathing
    along = wall.field_x_a_m + wall.polarity * wall.dmi_field_a_m
    turned = along * np.cos(phi) + wall.polarity * wall.field_y_a_m * np.sin(phi)
    angle = force * width * (wall.shape_field_a_m * shape - math.pi / 2 * turned)
    return angle - wall.polarity * force * wall.field_z_a_m * q + track_energy_j(q, wall, barriers_j)


def track_energy_j(position_m: ArrayLike, wall: Wall, barriers_j: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return V(q) of pinning and ends, J."""
    q = np.asarray(position_m, np.float64)
    outside = np.minimum(q, 0.0) + np.maximum(q - wall.track_length_m, 0.0)
    ends = 0.5 * wall.end_stiffness_n_m * outside**2
    phase = q / wall.pinning_period_m
    heights = np.append(barriers_j, 0.0)
    is_pinned = (phase >= 0) & (phase < len(barriers_j))
    height = heights[np.where(is_pinned, phase, len(barriers_j)).astype(np.int64)]
    return ends + height * np.sin(math.pi * phase) ** 2


def resting_angle_rad(wall: Wall) -> float:
    """Return the angle of least energy without a current, -pi to pi; of two equal ones the positive.

    Found on a grid and polished by Newton's method, so that any set of fields will do.
    """
    start = wall._replace(field_z_a_m=0.0, breathing=0.0)
    grid = np.linspace(-math.pi, math.pi, 721)[1:]
    levels = energy_j(0.0, grid, start, np.zeros(0))
    lowest = levels.min()
    # Rounding must not choose between two equal angles.
    near = grid[levels <= lowest + 1e-9 * max(float(np.ptp(levels)), 1e-300)]
    phi = float(near[np.argmax(near)])
    for _ in range(20):
        slope, bend = _turning_fields(phi, wall)
        if bend <= 0:
            break
        phi -= slope / bend
    return phi


def angle_stiffness_j(angle_rad: float, wall: Wall) -> float:
    """Return d2E/dphi2 of a wall of constant width, J."""
    return wall.force_per_field_n_m_a * wall.width_m * _turning_fields(angle_rad, wall)[1]


def _turning_fields(phi: float, wall: Wall) -> tuple[float, float]:
    """Return first and second derivative of the energy by the angle over 2 mu0 M_s S Delta, A/m."""
    across = math.pi / 2 * wall.polarity * wall.field_y_a_m
    along = math.pi / 2 * (wall.field_x_a_m + wall.polarity * wall.dmi_field_a_m)
    return (
        -wall.shape_field_a_m * math.sin(phi) * math.cos(phi) + along * math.sin(phi) - across * math.cos(phi),
        -wall.shape_field_a_m * math.cos(2 * phi) + along * math.cos(phi) + across * math.sin(phi),
    )
