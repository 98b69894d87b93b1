"""Where an instrument stands on the bench: all that a twin may know of what is around it."""

from dataclasses import dataclass

from sim_instruments.sample import Sample
from sim_instruments.wiring import Wiring


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What an instrument is plugged into."""

    serial: str
    """Its serial number."""
    sample: Sample
    """The devices, their ledger and their clock."""
    wiring: Wiring
    """The switch matrix between the instruments and the devices."""
    interlock_closed: bool
    """Whether the safety interlock allows the high ranges."""
