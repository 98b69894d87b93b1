"""What the disorder of a film does to a long wall."""

from dataclasses import dataclass

from sim_instruments.physics.quantity import NonNegative, Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinning:
    """Disorder as the velocity shows it; the formulas and their sources are in `law`."""

    depinning_field_t: Positive
    """mu0 H_d at which the wall depins."""
    depinning_temperature_k: Positive
    """T_d: the height of the barriers over k_B."""
    depinning_velocity_m_s: Positive
    """v_T: the velocity scale of depinning. The velocity at H_d itself is x_0 v_T (T / T_d)^psi."""
    creep_exponent: Positive = 0.25
    """mu."""
    depinning_exponent: Positive = 0.25
    """beta."""
    rounding_exponent: NonNegative = 0.15
    """psi."""
    rounding_factor: Positive = 0.65
    """x_0."""
