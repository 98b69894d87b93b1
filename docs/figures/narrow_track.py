"""The narrow track, 3 nm of W under 1 nm of CoFeB and 100 nm wide, whose hopping walls several figures show."""

from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.presets import material
from sim_instruments.physics.write_line import WriteLine

THERMAL_J = BOLTZMANN_J_K * 300


def narrow_track(*, sites: int, spacing_m: float, barrier_kt: float, line_length_m: float) -> HoppingParameters:
    """Return a track without disorder.

    Args:
        sites: spacings from end to end.
        spacing_m: of the pinning sites.
        barrier_kt: height of the barriers between them, in units of kT at 300 K.
        line_length_m: between the contacts.
    """
    return HoppingParameters(
        track_length_m=sites * spacing_m,
        material=material("w-cofeb-mgo"),
        write_line=WriteLine(
            length_m=line_length_m,
            width_m=100e-9,
            heavy_metal_thickness_m=3e-9,
            heavy_metal_resistivity_ohm_m=120e-8,
            magnet_thickness_m=1e-9,
            magnet_resistivity_ohm_m=160e-8,
        ),
        site_spacing_m=spacing_m,
        barrier_j=barrier_kt * THERMAL_J,
    )
