"""Walls in tracks micrometres wide: creep below the depinning drive, depinning at it, flow above.

For wide tracks only. A wall shorter than its Larkin length, some 100 to 300 nm, moves as a point: there the 1/4 power
of the creep law fails and the velocity becomes linear in the drive (J. Leliaert et al., Sci. Rep. 6, 20472 (2016)).
Such tracks are the hopping model's.
"""
