"""Twin of the Keithley 2450 source-measure unit."""

from sim_instruments.instruments.keithley_2450.twin import MODEL, Keithley2450

__all__ = ["MODEL", "Keithley2450"]
