"""What enters the equations of motion (`equations`, which has the symbols): floats only, for compiled loops."""

from typing import NamedTuple


class Wall(NamedTuple):
    """A wall and the track around it, as the equations need them; floats only, for compiled loops."""

    damping: float
    """a."""
    width_m: float
    """Delta; with breathing, at phi = 0."""
    shape_field_a_m: float
    """H_K."""
    dmi_field_a_m: float
    """H_D; with breathing, at phi = 0."""
    force_per_field_n_m_a: float
    """2 mu0 M_s S."""
    nonadiabaticity: float = 0.0
    """beta."""
    polarity: float = 1.0
    """Q: +1 for up to down along the track, -1 for down to up."""
    breathing: float = 0.0
    """kappa, above -1."""
    field_x_a_m: float = 0.0
    """Along the track."""
    field_y_a_m: float = 0.0
    """Across the track."""
    field_z_a_m: float = 0.0
    """Along the easy axis; pushes a wall of Q = +1."""
    pinning_period_m: float = 1.0
    """p: barrier j, of height V_j, lies between j p and (j + 1) p as V_j sin^2(pi q / p)."""
    track_length_m: float = 1.0
    """L."""
    end_stiffness_n_m: float = 0.0
    """k of the ends: V = k/2 q^2 for q < 0 and k/2 (q - L)^2 for q > L; 0: no ends."""


class Load(NamedTuple):
    """What acts on a wall during a piece of a pulse."""

    spin_hall_field_a_m: float = 0.0
    """H_SH."""
    field_like_field_a_m: float = 0.0
    """H_FL, along y."""
    drift_velocity_m_s: float = 0.0
    """u."""
    noise_a2_s_m2: float = 0.0
    """Strength of each thermal field, a k T / (g0 mu0 M_s S Delta), A^2 s/m^2."""
