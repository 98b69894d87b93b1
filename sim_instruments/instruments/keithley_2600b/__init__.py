"""Twins of the Keithley 2600B source-measure units."""

from sim_instruments.instruments.keithley_2600b.twin import TWINS

__all__ = ["TWINS"]
