"""Twin of the Keithley 2400 SourceMeter."""

from sim_instruments.instruments.keithley_2400.twin import MODEL, Keithley2400

__all__ = ["MODEL", "Keithley2400"]
