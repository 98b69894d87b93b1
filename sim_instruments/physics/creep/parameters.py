"""What the devices of one sample have in common in the creep model."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S, VACUUM_PERMEABILITY_H_M
from sim_instruments.physics.creep.law import VelocityLaw
from sim_instruments.physics.presets import NamedMaterial, NamedPinning
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.quantity import NonNegative, Positive, Share, Spread
from sim_instruments.physics.write_line import WriteLine

Increments = Literal["gaussian", "gamma", "compound-poisson"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CreepParameters:
    """A wide track: its film, its disorder, its write line, and how devices differ.

    The current J in the heavy metal acts as an easy-axis field, H = (pi / 2) cos(phi) |H_SH(J)| + H_stray, the first
    term positive for pushes and negative for pulls: positions are counted the way that a push drives the wall. H and
    the temperature give the velocity (`law`), and a pulse moves the wall by the mean

        m = integral of v(H(t), T(t)) dt,        variance integral of l(H, T) |v| dt,        l = a coth(F a / 2 kT),

    with a = `avalanche_length_m` and the force F = 2 mu0 M_s S H on the wall. Nothing moves while |H| is below
    `threshold_field_a_m`. Between pulses the wall feels the stray field alone.

    A pulse whose current passes `nucleation_current_density_a_m2` may reverse a spot of the film. From then on the
    device reads some position, drawn anew by every nucleation, and follows no pulse, until pulses of one polarity would
    have driven a wall over the whole track: this sweeps everything out and leaves the wall at that end.

    Raises:
        ValueError: if the track is too narrow for an elastic wall, two tables contradict one another, or the damping is
            zero.
    """

    model: Literal["creep"] = "creep"
    material: NamedMaterial
    """The film: the name of a preset, or a table."""
    pinning: NamedPinning
    """Its disorder: the name of a preset, or a table."""
    write_line: WriteLine
    """From volts to current densities."""
    pulse_line: PulseLine = field(default_factory=PulseLine)
    """Edges of the pulse, heating, and the temperature without current."""
    track_length_m: Positive
    """Distance between the end stops."""
    avalanche_length_m: Positive
    """Mean advance of the wall, over its whole width, by one avalanche: variance over mean at a strong drive."""
    increments: Increments = "gaussian"
    """Distribution of the displacement by one pulse; all have the mean and the variance above."""
    avalanche_cv: NonNegative = 1.0
    """Relative standard deviation of an avalanche's size, for the compound Poisson law."""
    angle_cosine: Share = 1.0
    """cos(phi): 1 where the DMI holds the wall in the Néel state."""
    stray_field_a_m: float = 0.0
    """Of the layers above and below, along the easy axis; a positive one pushes."""
    threshold_field_a_m: NonNegative = 0.0
    """Largest field that does not move a wall at all."""
    depinning_field_dtod: Spread = 0.0
    """Device-to-device relative standard deviation of the depinning field."""
    depinning_temperature_dtod: Spread = 0.0
    """The same of the depinning temperature."""
    stray_field_dtod_a_m: NonNegative = 0.0
    """Device-to-device standard deviation of the stray field, A/m."""
    nucleation_current_density_a_m2: Positive | None = None
    """Current density in the heavy metal above which pulses nucleate; none: they never do."""
    nucleation_rate_hz: NonNegative = 0.0
    """Rate of nucleation while the current is above."""
    pulse_period_s: Positive | None = None
    """From pulse to pulse, for heat that is left over from the pulses before; none: every pulse begins cold. A pulse
    that is longer than this follows the one before at once."""
    pulse_parts: Annotated[int, Ge(1), Le(64)] = 4
    """Pieces in which edges and heating are followed."""
    narrowest_width_m: Positive = 3e-7
    """Below it the wall is taken to be point-like, and refused."""

    def __post_init__(self) -> None:
        if self.write_line.width_m < self.narrowest_width_m:
            raise ValueError(
                f"write_line.width_m = {self.write_line.width_m:g} is below narrowest_width_m: walls in narrow tracks "
                'do not creep by the 1/4 law; choose model = "hopping"'
            )
        if not math.isclose(self.write_line.magnet_thickness_m, self.material.thickness_m, rel_tol=1e-6):
            raise ValueError("write_line.magnet_thickness_m must equal material.thickness_m")
        if self.material.damping == 0:
            raise ValueError("material.damping must be above 0: without it the flow velocity has no limit")

    @property
    def law(self) -> VelocityLaw:
        """Return the velocity law, with fields in A/m as drives."""
        film = self.material
        mobility = GYROMAGNETIC_M_A_S * film.wall_width_m / film.damping
        saturation_m_s = math.pi / 2 * GYROMAGNETIC_M_A_S * film.wall_width_m * abs(film.dmi_field_a_m)
        return VelocityLaw(
            depinning_drive=float(self.pinning.depinning_field_t / VACUUM_PERMEABILITY_H_M),
            depinning_temperature_k=float(self.pinning.depinning_temperature_k),
            depinning_velocity_m_s=float(self.pinning.depinning_velocity_m_s),
            mobility=float(mobility),
            saturation_velocity_m_s=float(saturation_m_s) if saturation_m_s > 0 else math.inf,
            creep_exponent=float(self.pinning.creep_exponent),
            depinning_exponent=float(self.pinning.depinning_exponent),
            rounding_exponent=float(self.pinning.rounding_exponent),
            rounding_factor=float(self.pinning.rounding_factor),
        )

    @property
    def force_per_field_n_m_a(self) -> float:
        """Return 2 mu0 M_s S, the force on the wall over the field."""
        return float(self.material.force_per_field_n_m_a(self.write_line.width_m))

    def torque_field_a_m(self, voltage_v: float) -> float:
        """Return (pi / 2) cos(phi) |H_SH|, with the sign of the voltage, A/m."""
        current_density_a_m2 = self.write_line.heavy_metal_current_density_a_m2(voltage_v)
        field_a_m = abs(self.material.spin_hall_field_a_m(current_density_a_m2))
        return math.copysign(math.pi / 2 * self.angle_cosine * field_a_m, voltage_v)
