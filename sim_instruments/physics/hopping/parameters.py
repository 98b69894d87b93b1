"""What the tracks of one sample have in common, as far as hopping walls are concerned."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le

from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S
from sim_instruments.physics.presets import NamedMaterial
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.quantity import Positive, Spread
from sim_instruments.physics.write_line import WriteLine


@dataclass(frozen=True, slots=True, kw_only=True)
class HoppingParameters:
    """A narrow track, its pinning sites and what drives a wall over them.

    The line is taken to be connected so that a positive voltage pushes. The wall is a point, which holds for tracks
    narrower than the length over which a wall would bend to find its pins, some 100 to 300 nm. Its angle is no variable
    here: the drive contains it as one cosine.

    Raises:
        ValueError: the track has no room for three sites, two tables contradict one another, the damping is zero, or no
            current moves the wall.
    """

    model: Literal["hopping"] = "hopping"
    track_length_m: Positive
    """Between the end stops, which are the first and the last site."""
    write_line: WriteLine
    """From volts to current densities; its width is that of the track."""
    material: NamedMaterial
    """The film: the name of a preset, or a table."""
    pulse_line: PulseLine = field(default_factory=PulseLine)
    """Edges of the pulse, heating, and the temperature without current."""
    pulse_period_s: Positive | None = None
    """From pulse to pulse, for heat that is left over from the pulses before; none: every pulse begins cold. A pulse
    that is longer than this follows the one before at once."""
    pulse_parts: Annotated[int, Ge(1), Le(64)] = 4
    """Pieces in which edges and heating are followed."""
    site_spacing_m: Positive
    """Mean distance of neighbouring pinning sites, p."""
    spacing_cv: Annotated[float, Ge(0), Le(0.5)] = 0.0
    """Relative standard deviation of the spacings of one track, which are gamma distributed.

    Barriers do not depend on them: a short spacing is a steep barrier, hard to drive over.
    """
    barrier_j: Positive
    """Mean barrier between neighbouring sites without a force, V0."""
    barrier_law: Literal["lognormal", "weibull"] = "lognormal"
    """Distribution of the barriers of one track."""
    barrier_cv: Annotated[float, Ge(0), Le(1)] = 0.0
    """Relative standard deviation of the barriers of one track."""
    angle_cosine: Annotated[float, Ge(-1), Le(1)] = 1.0
    """cos(phi) of the wall under drive, which the spin Hall torque is proportional to: 1 where the DMI holds the wall
    in the Néel state. Its sign matters beside a spin-transfer torque only."""
    stray_field_a_m: float = 0.0
    """Field along the easy axis that is there without a pulse; a positive one pushes."""
    barrier_dtod: Spread = 0.0
    """Device-to-device relative standard deviation of V0."""
    spacing_dtod: Spread = 0.0
    """The same of p."""
    torque_dtod: Spread = 0.0
    """The same of the force per voltage."""
    damping_dtod: Spread = 0.0
    """The same of the damping, hence of the friction."""

    def __post_init__(self) -> None:
        if self.track_length_m < 2 * self.site_spacing_m:
            raise ValueError("site_spacing_m must be at most half of track_length_m: a track has three sites or more")
        if not math.isclose(self.write_line.magnet_thickness_m, self.material.thickness_m, rel_tol=1e-6):
            raise ValueError("write_line.magnet_thickness_m must equal material.thickness_m")
        if self.material.damping == 0:
            raise ValueError("material.damping must be above 0: without friction a wall does not hop but fly")
        if self.force_per_volt_n_v == 0:
            raise ValueError(
                "no current moves this wall: give angle_cosine another value than 0 and the material a "
                "spin_hall_angle, or a spin_polarisation with a nonadiabaticity"
            )

    @property
    def friction_kg_s(self) -> float:
        """Return zeta, force over velocity."""
        return self.material.friction_kg_s(self.write_line.width_m)

    @property
    def stray_force_n(self) -> float:
        """Return the force of the stray field."""
        return self.stray_field_a_m * self.material.force_per_field_n_m_a(self.write_line.width_m)

    @property
    def force_per_volt_n_v(self) -> float:
        """Return the current's force on the wall over the voltage across the line, a magnitude.

        2 mu0 M_s S times the effective field |(pi / 2) H_SH cos(phi) + beta u / (gamma0 Delta)|.
        """
        spin_hall_a_m = self.material.spin_hall_field_a_m(self.write_line.heavy_metal_current_density_a_m2(1.0))
        drift_m_s = self.material.spin_drift_velocity_m_s(self.write_line.magnet_current_density_a_m2(1.0))
        transfer_a_m = self.material.nonadiabaticity * drift_m_s / (GYROMAGNETIC_M_A_S * self.material.wall_width_m)
        field_a_m = 0.5 * math.pi * spin_hall_a_m * self.angle_cosine + transfer_a_m
        return abs(field_a_m) * self.material.force_per_field_n_m_a(self.write_line.width_m)

    @property
    def critical_voltage_v(self) -> float:
        """Return the voltage at which mean barriers vanish: pi V0 / p over the force per volt."""
        return math.pi * self.barrier_j / (self.site_spacing_m * self.force_per_volt_n_v)
