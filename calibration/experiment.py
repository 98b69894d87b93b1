"""What any experiment leaves behind: every shot at every device, as commanded and as read, and where it comes from."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from calibration.protocols import Route
from calibration.record import InstrumentIdentity

SHOT: Final = np.dtype(
    [
        ("step", "<i4"),
        ("cycle", "<i4"),
        ("phase", "<i2"),
        ("device", "<u4"),
        ("polarity", "<i1"),
        ("amplitude_v", "<f8"),
        ("width_s", "<f8"),
        ("pulses", "<i4"),
        ("before_s", "<f8"),
        ("after_s", "<f8"),
        ("read_voltage_v", "<f8"),
        ("time_s", "<f8"),
        ("temperature_k", "<f8"),
    ]
)
"""One shot: pulses at one device and the readings before and after them.

    step            number of the action in the experiment, from 0; rises with time
    cycle           repetition that the action belongs to
    phase           0 preparation (end stops, bringing walls to a place), 1 measurement, 2 readings without pulses
    polarity        1 push, -1 pull, 0 no pulse: only read
    amplitude_v     magnitude, volts; 0 without pulses
    before_s        conductance read last before the pulses, siemens; nan if there was none
    after_s         conductance read after them, siemens; nan if the reading gave none to trust
    read_voltage_v  voltage of the reading; nan where the controller does not say
    time_s          at the end of the shot, seconds since the experiment began
    temperature_k   of the sample, if somebody measured it; else nan
"""


@final
class ExperimentOrigin(BaseModel):
    """Where, when, how and with what an experiment was made."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    """Name of the experiment: `staircase`, `s-curve`, `dwell`, ..., or `imported`."""
    settings: Mapping[str, Any]
    """What was asked for: the configuration of the experiment."""
    bench: str
    """Name of the bench, or of the file that shots were imported from."""
    library: str
    """VISA library that led to it; empty for imported shots."""
    route: Route
    """The way to the devices."""
    started: datetime
    """When it began, UTC."""
    seed: int
    """Seed of the choice of devices and of the order."""
    resolution_s: float
    """Smallest difference of two readings, siemens; 0 when it is far below the noise."""
    instruments: tuple[InstrumentIdentity, ...]
    """Who took part."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Experiment:
    """All shots of one experiment, in the order in which they were made."""

    origin: ExperimentOrigin
    """Where they come from."""
    shots: NDArray[np.void]
    """Structured array of `SHOT`, shape (shots,)."""

    @property
    def devices(self) -> NDArray[np.uint32]:
        """Return the device numbers, rising."""
        return np.unique(self.shots["device"])
