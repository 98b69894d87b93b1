"""Keithley 2600B source-measure units."""

from drivers.smus.keithley_2600b.driver import LONGEST_LIST, LONGEST_SWEEP, MODELS, Keithley2600B
from drivers.smus.keithley_2600b.family import RATINGS, kind, safe_state

__all__ = ["LONGEST_LIST", "LONGEST_SWEEP", "MODELS", "RATINGS", "Keithley2600B", "kind", "safe_state"]
