"""The equations of motion of a wall: position q along the track and angle phi of the magnetisation in its centre.

With a the damping, g0 = mu0 |gamma|, Delta the width of the wall and Q its polarity,

    (1 + a^2) dq/dt   = Delta (A + a B)
    (1 + a^2) dphi/dt = -a A + B
    A = g0 [-(H_K / 2) sin 2 phi + (pi / 2) ((H_x + Q H_D) sin phi - Q (H_y + H_FL) cos phi) + h_A] + u / Delta
    B = g0 [Q H_z + Q (pi / 2) H_SH cos phi + H_pin(q) + h_B] + beta u / Delta

H_K: shape field, positive favours a Bloch wall, phi = +-90 degrees. H_D: DMI field, favours a Néel wall, phi = 0 or 180
degrees. H_SH and H_FL: damping-like and field-like field of the spin-orbit torque. u: spin-drift velocity. H_pin is a
force over 2 mu0 M_s S. Fields are in A/m.

A and B are the derivatives of the energy by angle and position (`energy`): A = (g0 / 2 mu0 M_s S Delta) dE/dphi and
B = -(g0 / 2 mu0 M_s S) dE/dq, which makes dE/dt = -(2 mu0 M_s S Delta a / g0) (dq^2/Delta^2 + dphi^2)/dt^2 without a
current. Q = +1 is a wall from up to down along the track. For Q = -1 the angle is counted the other way round: turning
film and axes by half a turn about the track changes the signs of Q, H_z, H_y, H_D and the two torques, and nothing else
may change. Pinning is a force on the wall and knows no Q. (Some published code multiplies it by Q, which turns wells
into hills for Q = -1, and leaves Q off H_y.)

Noise: h_A and h_B are independent white noises of equal strength,

    <h(t) h(t')> = a k T / (g0 mu0 M_s S Delta) delta(t - t').

This makes the diffusion matrix of (q, phi) k T times the symmetric part of the mobility, so that exp(-E / k T) is
stationary. A single noise in B of twice the strength, which is also in use, leaves the angle cold.

Breathing: Delta(phi) = Delta / sqrt(1 + kappa sin^2 phi), the width that minimises the wall's energy at this angle; H_D
goes as 1 / Delta. The noise then depends on the angle, and `spurious` is the drift that keeps exp(-E / k T) stationary
under Stratonovich's rule.

Sources: A. Thiaville et al., EPL 100, 57002 (2012); J. E. Martinez et al., JAP 115, 213909 (2014); S. Emori et al.,
Nature Materials 12, 611 (2013).
"""

import math

import numba as nb
import numpy as np

from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S
from sim_instruments.physics.stream import normal_pair

NOISE_PURPOSE = 31
"""Purpose of the thermal field's random numbers."""

_G0 = GYROMAGNETIC_M_A_S
_HALF_PI = math.pi / 2


@nb.njit(error_model="numpy", cache=True)
def pinning_field(q: float, wall: Wall, barriers: np.ndarray) -> float:
    """Return H_pin, pinning and ends, A/m.

    Args:
        q: position, m.
        wall: period, length, stiffness.
        barriers: heights V_j, J, from the start of the track; where there are none it is flat.
    """
    force = 0.0
    if q < 0.0:
        force = -wall.end_stiffness_n_m * q
    elif q > wall.track_length_m:
        force = -wall.end_stiffness_n_m * (q - wall.track_length_m)
    phase = q / wall.pinning_period_m
    if 0.0 <= phase < barriers.shape[0]:
        force -= barriers[int(phase)] * math.pi / wall.pinning_period_m * math.sin(2.0 * math.pi * phase)
    return force / wall.force_per_field_n_m_a


@nb.njit(error_model="numpy", cache=True)
def rates(
    q: float, phi: float, noise_a: float, noise_b: float, wall: Wall, load: Load, barriers: np.ndarray
) -> tuple[float, float]:
    """Return dq/dt, m/s, and dphi/dt, rad/s.

    Args:
        q: position, m.
        phi: angle, rad.
        noise_a: thermal field h_A, A/m, of a wall at phi = 0.
        noise_b: the same for h_B.
        wall: constants.
        load: what acts now.
        barriers: heights V_j, J.
    """
    sine, cosine = math.sin(phi), math.cos(phi)
    stretch, spurious = 1.0, 0.0
    if wall.breathing != 0.0:
        stretch = math.sqrt(1.0 + wall.breathing * sine * sine)
        noise_a *= math.sqrt(stretch)
        noise_b *= math.sqrt(stretch)
        spurious = 0.25 * _G0 * _G0 * load.noise_a2_s_m2 * wall.breathing * sine * cosine / stretch
    width = wall.width_m / stretch
    turning = (wall.field_x_a_m + wall.polarity * wall.dmi_field_a_m * stretch) * sine
    turning -= wall.polarity * (wall.field_y_a_m + load.field_like_field_a_m) * cosine
    a = _G0 * (-wall.shape_field_a_m * sine * cosine + _HALF_PI * turning + noise_a) + load.drift_velocity_m_s / width
    pushing = wall.polarity * (wall.field_z_a_m + _HALF_PI * load.spin_hall_field_a_m * cosine)
    b = _G0 * (pushing + pinning_field(q, wall, barriers) + noise_b)
    b += wall.nonadiabaticity * load.drift_velocity_m_s / width
    total = 1.0 + wall.damping * wall.damping
    return width * (a + wall.damping * b) / total, (b - wall.damping * a + spurious) / total


@nb.njit(error_model="numpy", cache=True)
def advance(
    q: float,
    phi: float,
    steps: int,
    step_s: float,
    wall: Wall,
    load: Load,
    barriers: np.ndarray,
    draw: int,
    device: int,
    event: int,
    seed: int,
) -> tuple[float, float]:
    """Return position and angle after some steps of Heun's method; one draw of the stream per step when warm.

    Args:
        q: position, m.
        phi: angle, rad.
        steps: how many.
        step_s: dt.
        wall: constants.
        load: what acts meanwhile.
        barriers: heights V_j, J.
        draw: number of the stream's first unused pair.
        device: whose stream.
        event: which event's stream.
        seed: 64 bits.
    """
    noise = math.sqrt(load.noise_a2_s_m2 / step_s)
    noise_a = noise_b = 0.0
    for step in range(steps):
        if noise > 0.0:
            noise_a, noise_b = normal_pair(draw + step, device, event, NOISE_PURPOSE, seed)
            noise_a *= noise
            noise_b *= noise
        speed, turn = rates(q, phi, noise_a, noise_b, wall, load, barriers)
        ahead_q, ahead_phi = q + step_s * speed, phi + step_s * turn
        ahead_speed, ahead_turn = rates(ahead_q, ahead_phi, noise_a, noise_b, wall, load, barriers)
        q += 0.5 * step_s * (speed + ahead_speed)
        phi += 0.5 * step_s * (turn + ahead_turn)
    return q, phi
