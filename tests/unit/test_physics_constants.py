"""Constants of nature are those of scipy, whichever CODATA set it has."""

import pytest
from scipy import constants

from sim_instruments.physics import constants as ours


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (ours.BOLTZMANN_J_K, constants.Boltzmann),
        (ours.ELEMENTARY_CHARGE_C, constants.elementary_charge),
        (ours.HBAR_J_S, constants.hbar),
        (ours.VACUUM_PERMEABILITY_H_M, constants.mu_0),
        (ours.BOHR_MAGNETON_J_T, constants.physical_constants["Bohr magneton"][0]),
    ],
)
def test_constants_are_those_of_codata(value: float, expected: float):
    assert value / expected == pytest.approx(1, rel=2e-9)


def test_the_gyromagnetic_ratio_belongs_to_a_g_of_2_0023():
    # mu0 g mu_B / hbar; 2.2128e5 is the rounded figure of the field.
    expected = ours.VACUUM_PERMEABILITY_H_M * 2.0023 * ours.BOHR_MAGNETON_J_T / ours.HBAR_J_S
    assert ours.GYROMAGNETIC_M_A_S / expected == pytest.approx(1, rel=1e-4)
