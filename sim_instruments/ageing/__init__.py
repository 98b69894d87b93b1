"""What time, readings and pulses do to the walls beyond the pulses' own displacement.

`retention` lets walls hop at rest, `read_disturb` lets readings move them, `wear` makes pulsed devices slower and
noisier; `parameters` is the table that switches each of them on. All are off unless the bench file says otherwise, and
cost nothing then.
"""

from sim_instruments.ageing.ageing import Ageing
from sim_instruments.ageing.parameters import AgeingParameters

__all__ = ["Ageing", "AgeingParameters"]
