"""How long a step of Heun's method may be, and what it costs in accuracy.

Heun's method errs by (r dt)^2 / 6 of a turn or of a decay at a rate r, and by up to (r dt)^2 / 4 of a thermal variance.
`fastest_rate_1_s` bounds every rate in the equations; most motion is several times slower, so r dt <= 1/4 keeps the
first well below 1 %. Where a result matters, `ensemble.step_error` says what a halved step changes, and
`thermal_variance_error` what the noise in a well gets wrong.

Without noise the error falls by 4 when the step is halved. With noise, which is additive, averages do the same (weak
order 2), while a single path's error falls by 2.
"""

import math

import numpy as np

from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S

LARGEST_TURN = 0.25
"""Most that the fastest motion may turn in a step, rad."""


def fastest_rate_1_s(wall: Wall, load: Load, largest_barrier_j: float = 0.0) -> float:
    """Return a bound on the rates of turning, of oscillation and of decay at any place and angle, 1/s.

    With T and P the largest second derivatives of the energy by the angle and by the position, as fields, and S the
    largest field that pushes: g0 (sqrt(T P) + a (T + P) + S) + (a + |beta|) |u| / Delta. The first two terms bound the
    eigenvalues of the linearised motion (root of its determinant, trace), the others what turns the angle steadily.
    """
    narrowed = math.sqrt(max(1.0, 1.0 + wall.breathing))
    widened = 1 / math.sqrt(min(1.0, 1.0 + wall.breathing))
    across = math.hypot(wall.field_x_a_m, abs(wall.field_y_a_m) + abs(load.field_like_field_a_m))
    turning = abs(wall.shape_field_a_m) + math.pi / 2 * (across + abs(wall.dmi_field_a_m) * narrowed)
    wave_1_m = math.pi / wall.pinning_period_m
    curvature = max(wall.end_stiffness_n_m, 2 * largest_barrier_j * wave_1_m**2)
    pinning = curvature * wall.width_m * widened / wall.force_per_field_n_m_a
    pushing = abs(wall.field_z_a_m) + math.pi / 2 * abs(load.spin_hall_field_a_m)
    pushing += largest_barrier_j * wave_1_m / wall.force_per_field_n_m_a
    drifting = (wall.damping + abs(wall.nonadiabaticity)) * abs(load.drift_velocity_m_s) * narrowed / wall.width_m
    fields = math.sqrt(turning * pinning) + wall.damping * (turning + pinning) + pushing
    return GYROMAGNETIC_M_A_S * fields + drifting


def check_time_step(time_step_s: float, wall: Wall, load: Load, largest_barrier_j: float = 0.0) -> None:
    """Refuse a step in which the fastest motion turns by more than a quarter of a radian.

    Raises:
        ValueError: it does.
    """
    if not time_step_s > 0:
        raise ValueError(f"time_step_s = {time_step_s:g} must lie above 0")
    rate_1_s = fastest_rate_1_s(wall, load, largest_barrier_j)
    if time_step_s * rate_1_s > LARGEST_TURN:
        raise ValueError(
            f"time_step_s = {time_step_s:g} must not exceed {LARGEST_TURN / rate_1_s:.2g}: "
            f"the wall may move at rates up to {rate_1_s:.2g} 1/s"
        )


def thermal_variance_error(wall: Wall, time_step_s: float, stiffness_n_m: float, angle_stiffness_j: float) -> float:
    """Return the relative error of the variance of a wall's position in a harmonic well that a step size causes.

    Exact for Heun's method on the linearised equations: the stationary covariance S of the steps, S = P S P' + N N'
    with P = 1 + M dt + (M dt)^2 / 2 and N = (1 + M dt / 2) sqrt(dt) times the noise, against k T / stiffness.

    Args:
        wall: damping, width and force per field.
        time_step_s: dt.
        stiffness_n_m: d2E/dq2 of the well.
        angle_stiffness_j: d2E/dphi2 at the resting angle.
    """
    a, width = wall.damping, wall.width_m
    scale = GYROMAGNETIC_M_A_S / wall.force_per_field_n_m_a / (1 + a * a)
    # Coordinates q / Delta and phi, energies in units of k T.
    spring, twist = stiffness_n_m * width, angle_stiffness_j / width
    motion = scale * time_step_s * np.array([[-a * spring, twist], [-spring, -a * twist]])
    noise = math.sqrt(2 * a * scale / width * time_step_s)
    step = np.eye(2) + motion + 0.5 * motion @ motion
    kick = noise * (np.eye(2) + 0.5 * motion)
    covariance = np.linalg.solve(np.eye(4) - np.kron(step, step), (kick @ kick.T).ravel())
    return float(covariance[0] * stiffness_n_m * width**2) - 1
