"""What a film is made of, and the lengths, fields and velocities that follow for a domain wall in it.

A perpendicularly magnetised film of thickness t between a heavy metal and an oxide. Fields are in A/m. The wall is
described by its position q and the angle phi of the magnetisation at its centre, 0 along the track (Néel) and 90
degrees across it (Bloch), with Q = +1 for up to down along the track.

Sources: A. Thiaville et al., EPL 100, 57002 (2012) for the DMI field; J. E. Martinez et al., JAP 115, 213909 (2014) for
the equations these numbers enter.
"""

import math
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le

from sim_instruments.physics.constants import (
    BOHR_MAGNETON_J_T,
    ELEMENTARY_CHARGE_C,
    GYROMAGNETIC_M_A_S,
    HBAR_J_S,
    VACUUM_PERMEABILITY_H_M,
)
from sim_instruments.physics.quantity import Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """A magnetic film and the interfaces that drive it."""

    saturation_magnetisation_a_m: Positive
    """M_s."""
    exchange_stiffness_j_m: Positive
    """A."""
    effective_anisotropy_j_m3: Positive
    """K_eff, the demagnetising energy of the film taken off."""
    damping: Annotated[float, Ge(0), Le(1)]
    """Gilbert's alpha."""
    thickness_m: Positive
    """Of the magnetic layer."""
    dmi_j_m2: float = 0.0
    """Interfacial Dzyaloshinskii-Moriya constant D, signed."""
    spin_hall_angle: float = 0.0
    """Of the heavy metal, with the sign of its torque."""
    spin_polarisation: Annotated[float, Ge(0), Le(1)] = 0.0
    """P of the current in the magnetic layer."""
    nonadiabaticity: float = 0.0
    """beta of the spin-transfer torque."""

    @property
    def wall_width_m(self) -> float:
        """Return the width parameter of the wall, Delta = sqrt(A / K_eff)."""
        return math.sqrt(self.exchange_stiffness_j_m / self.effective_anisotropy_j_m3)

    @property
    def shape_field_a_m(self) -> float:
        """Return H_K = M_s t ln 2 / (pi Delta), by which the wall's own stray field favours a Bloch wall, A/m."""
        return self.saturation_magnetisation_a_m * self.thickness_m * math.log(2) / (math.pi * self.wall_width_m)

    @property
    def dmi_field_a_m(self) -> float:
        """Return H_D = D / (mu0 M_s Delta), by which the DMI favours a Néel wall, A/m."""
        return self.dmi_j_m2 / (VACUUM_PERMEABILITY_H_M * self.saturation_magnetisation_a_m * self.wall_width_m)

    def spin_hall_field_a_m(self, current_density_a_m2: float) -> float:
        """Return H_SH = hbar theta_SH J / (2 e mu0 M_s t), the damping-like field of the spin Hall torque, A/m.

        Args:
            current_density_a_m2: J in the heavy metal.
        """
        return (
            HBAR_J_S
            * self.spin_hall_angle
            * current_density_a_m2
            / (2 * ELEMENTARY_CHARGE_C * VACUUM_PERMEABILITY_H_M * self.saturation_magnetisation_a_m * self.thickness_m)
        )

    def spin_drift_velocity_m_s(self, current_density_a_m2: float) -> float:
        """Return u = mu_B P J / (e M_s), the velocity scale of the spin-transfer torque, m/s.

        Args:
            current_density_a_m2: J in the magnetic layer.
        """
        return (
            BOHR_MAGNETON_J_T
            * self.spin_polarisation
            * current_density_a_m2
            / (ELEMENTARY_CHARGE_C * self.saturation_magnetisation_a_m)
        )

    def friction_kg_s(self, width_m: float) -> float:
        """Return zeta = 2 alpha mu0 M_s S / (gamma0 Delta): force over velocity of a wall whose angle stands still.

        Args:
            width_m: of the track; S is its cross-section.
        """
        return self.damping * self.force_per_field_n_m_a(width_m) / (GYROMAGNETIC_M_A_S * self.wall_width_m)

    def force_per_field_n_m_a(self, width_m: float) -> float:
        """Return 2 mu0 M_s S: the force on the wall of a track of this width per field along the easy axis."""
        return 2 * VACUUM_PERMEABILITY_H_M * self.saturation_magnetisation_a_m * width_m * self.thickness_m
