"""Constants of nature (CODATA 2018), SI units.

Written out, as every simulated bench needs them and importing `scipy.constants` takes a seventh of a second; a test
compares them with it.
"""

from typing import Final

BOLTZMANN_J_K: Final = 1.380649e-23
ELEMENTARY_CHARGE_C: Final = 1.602176634e-19
HBAR_J_S: Final = 1.0545718176461565e-34
VACUUM_PERMEABILITY_H_M: Final = 1.25663706212e-6
BOHR_MAGNETON_J_T: Final = 9.2740100783e-24
GYROMAGNETIC_M_A_S: Final = 2.2128e5
"""mu0 |gamma| of the electron with g = 2.0023, m/(A s)."""
