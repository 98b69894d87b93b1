"""Read-out: from where a wall stands to what a meter or a converter makes of it.

`wall_profile` says which share of a device the wall leaves in each state, `junction` and `hall_cross` what flows and
what drops, `white_noise`, `flicker` and `telegraph` how that fluctuates, `load` what several devices are to a meter,
and `array` and `array_law` what the array's own read-out makes of them.
"""

from sim_instruments.physics.readout.array import CurvedLaw, ReadoutParameters, read_range, read_selected

__all__ = ["CurvedLaw", "ReadoutParameters", "read_range", "read_selected"]
