"""Which devices cannot be used, judged by what an instrument reads of them and by nothing else.

A healthy device reads between the end stops that calibration found. An open one reads next to nothing, a short one far
more than the upper end stop; either reading may be cut off by the range of the converter. The bound between healthy and
open lies between the highest reading that an open device gives and the lowest that a healthy one gives, and divides the
distance d of the two in the ratio of the quantiles of the errors that are allowed:

    bound = G_open + d z_miss / (z_miss + z_false),     possible if d >= (z_miss + z_false) sigma + one code

with sigma the noise of one reading, and the same above. Noise far below d makes both errors far rarer than allowed, and
leaves room for devices whose end stops differ. If noise is too large, the mean of several readings may do.

A verdict is one of a device by itself. That the partner in a pair of devices takes over the weight of an open one is
for wirings in pairs, which do not exist yet. Verdicts that need the history of a device, such as stuck, weak or
drifting, will be further members of `Health`.
"""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.parameters import DeviceParameters
from drivers.protocols import ConductanceScale

_TOP_CODE = 65535

FALSE_ALARM = 1e-4
"""Largest probability that a healthy device is called open or short after one reading."""

MISS = 1e-3
"""Largest probability that an open or short device is not called so after one reading."""

# Their normal quantiles, written out: scipy takes too long to import for two numbers.
_Z_FALSE = 3.719016
_Z_MISS = 3.090232

_OPEN_SHARE = 0.1
_SHORT_RATIO = 2.0


class Health(StrEnum):
    """What is wrong with a device."""

    GOOD = "good"
    OPEN = "open"
    """The read path is interrupted: the device reads next to nothing."""
    SHORT = "short"
    """The read path is bridged: the device reads far above its upper end stop."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class HealthBounds:
    """Codes that healthy devices do not give, and what they follow from."""

    open_below: int
    """Codes below this one are those of open devices; 0 if those cannot be told from healthy ones."""
    short_above: int
    """Codes above this one are those of short devices; 65535 if those cannot be told from healthy ones."""
    open_below_s: float
    """The lower bound, siemens; without one, the highest reading of an open device."""
    short_above_s: float
    """The upper bound, siemens; without one, the lowest reading of a short device."""
    low_s: float
    """Lowest conductance of a healthy device, siemens."""
    high_s: float
    """Highest conductance of a healthy device, siemens."""
    noise_s: float
    """Standard deviation of one reading, siemens."""

    @property
    def finds_open(self) -> bool:
        """Return whether open devices can be told from healthy ones."""
        return self.open_below > 0

    @property
    def finds_short(self) -> bool:
        """Return whether short devices can be told from healthy ones."""
        return self.short_above < _TOP_CODE

    def where(self, health: Health, codes: NDArray[np.uint16] | NDArray[np.float64]) -> NDArray[np.intp]:
        """Return the places of the readings that show this health.

        Args:
            health: which.
            codes: of single readings, or means of several.
        """
        match health:
            case Health.OPEN:
                return np.flatnonzero(codes < self.open_below)
            case Health.SHORT:
                return np.flatnonzero(codes > self.short_above)
            case Health.GOOD:
                return np.flatnonzero((codes >= self.open_below) & (codes <= self.short_above))

    def evidence(self, health: Health) -> str:
        """Return in words what a verdict rests on."""
        noise = f"noise {self.noise_s:.2g} S"
        match health:
            case Health.OPEN:
                return f"below {self.open_below_s:.4g} S, healthy ones read {self.low_s:.4g} S or more, {noise}"
            case Health.SHORT:
                return f"above {self.short_above_s:.4g} S, healthy ones read {self.high_s:.4g} S or less, {noise}"
            case Health.GOOD:
                return f"{self.open_below_s:.4g} to {self.short_above_s:.4g} S, {noise}"


def health_bounds(parameters: DeviceParameters, scale: ConductanceScale, *, readings: int = 1) -> HealthBounds:
    """Return the bounds for an array whose devices are described by a calibration.

    The ends of the intervals that are least favourable to a distinction are taken: the lowest lower end stop, the
    highest upper one, the largest noise. A device counts as open up to a tenth of the conductance of the lower end
    stop, and as short from twice that of the upper one.

    Args:
        parameters: end stops and noise.
        scale: how codes become conductance.
        readings: how many readings are averaged before a verdict.
    """
    low_s, high_s = parameters.conductance_low_s.low, parameters.conductance_high_s.high
    noise_s = parameters.read_noise.high * (high_s - low_s) / math.sqrt(readings)
    # Both kinds are read as the end of the converter's range if they lie beyond it.
    open_s = max(_OPEN_SHARE * low_s, scale.offset_s)
    short_s = min(_SHORT_RATIO * high_s, scale.offset_s + _TOP_CODE * scale.lsb_s)
    open_below_s = _bound(bad_s=open_s, good_s=low_s, distance_s=low_s - open_s, noise_s=noise_s, lsb_s=scale.lsb_s)
    short_above_s = _bound(
        bad_s=short_s, good_s=high_s, distance_s=short_s - high_s, noise_s=noise_s, lsb_s=scale.lsb_s
    )
    return HealthBounds(
        open_below=0 if open_below_s is None else math.ceil((open_below_s - scale.offset_s) / scale.lsb_s),
        short_above=_TOP_CODE if short_above_s is None else math.floor((short_above_s - scale.offset_s) / scale.lsb_s),
        open_below_s=open_s if open_below_s is None else open_below_s,
        short_above_s=short_s if short_above_s is None else short_above_s,
        low_s=low_s,
        high_s=high_s,
        noise_s=noise_s,
    )


def _bound(*, bad_s: float, good_s: float, distance_s: float, noise_s: float, lsb_s: float) -> float | None:
    """Return the bound between the readings of bad and good devices; None if they lie too close for the noise."""
    if distance_s < (_Z_MISS + _Z_FALSE) * noise_s + lsb_s:
        return None
    return bad_s + (good_s - bad_s) * _Z_MISS / (_Z_MISS + _Z_FALSE)
