"""Constants of nature (CODATA 2018), SI units."""

from typing import Final

from scipy import constants

BOLTZMANN_J_K: Final = constants.Boltzmann
ELEMENTARY_CHARGE_C: Final = constants.elementary_charge
HBAR_J_S: Final = constants.hbar
VACUUM_PERMEABILITY_H_M: Final = constants.mu_0
BOHR_MAGNETON_J_T: Final = constants.physical_constants["Bohr magneton"][0]
GYROMAGNETIC_M_A_S: Final = 2.2128e5
"""mu0 |gamma| of the electron with g = 2.0023, m/(A s)."""
