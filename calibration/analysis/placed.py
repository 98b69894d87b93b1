"""From conductances to positions: fractions of the track where both end stops were read, else siemens."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.experiment import Experiment
from drivers.errors import DeviceFault

PREPARATION, MEASUREMENT, REST = 0, 1, 2

_LEAST_SPAN = 0.2
"""Share of the usual span between the end stops below which a device does not count as one that moves."""
_CLEAR = 6.0
"""Standard deviations of one reading below which a span or a move is none."""
_NEAR_END = 3.0
"""Standard deviations of a reading within which a wall may stand at an end stop."""
_NEAREST_END = 0.005
"""The same as a fraction of the track, at least."""

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placed:
    """Shots with positions. Arrays of shape (D,) are by device, (S,) by shot; shots of devices left out are gone."""

    device: NDArray[np.uint32]
    """Device numbers, shape (D,)."""
    which: NDArray[np.intp]
    """Device of each shot as an index into `device`, shape (S,)."""
    shots: NDArray[np.void]
    """The shots, structured array of `SHOT`, shape (S,)."""
    before: Numbers
    """Position before each shot, shape (S,)."""
    after: Numbers
    """Position after it, shape (S,)."""
    noise: Numbers
    """Standard deviation of one reading, as a position, shape (D,): to tell a move from noise."""
    noise_variance: Numbers
    """Unbiased variance of one reading of each device by itself, shape (D,): to take noise out of a variance."""
    low_s: Numbers
    """Reading at the low end stop, siemens, shape (D,); nan if unknown."""
    high_s: Numbers
    """Reading at the high end stop, siemens, shape (D,); nan if unknown."""
    unit: str
    """Unit of positions: "track", or "S" where the end stops are not known."""
    left_out: NDArray[np.uint32]
    """Devices whose walls never moved, or whose ends were not both read."""
    invalid: int
    """Shots left out because a reading gave no number."""

    @property
    def has_ends(self) -> bool:
        """Return whether the end stops are known."""
        return self.unit == "track"

    @property
    def pooled_noise(self) -> float:
        """Return the standard deviation of one reading of a typical device."""
        return float(np.sqrt(np.mean(self.noise**2)))

    @property
    def direction(self) -> NDArray[np.float64]:
        """Return +1 for pushes, -1 for pulls, 0 without pulses; shape (S,)."""
        return self.shots["polarity"].astype(np.float64)

    def at_end(self, position: Numbers) -> NDArray[np.int8]:
        """Return -1 where a wall stands at the low end stop, as far as can be told, 1 at the high one, else 0.

        Args:
            position: one for each shot, shape (S,).
        """
        if not self.has_ends:
            return np.zeros(len(position), np.int8)
        near = np.maximum(_NEAR_END * self.noise[self.which], _NEAREST_END)
        return (position > 1 - near).astype(np.int8) - (position < near).astype(np.int8)

    def take(self, chosen: NDArray[np.bool_]) -> "Placed":
        """Return only these shots; devices stay."""
        return Placed(
            device=self.device,
            which=self.which[chosen],
            shots=self.shots[chosen],
            before=self.before[chosen],
            after=self.after[chosen],
            noise=self.noise,
            noise_variance=self.noise_variance,
            low_s=self.low_s,
            high_s=self.high_s,
            unit=self.unit,
            left_out=self.left_out,
            invalid=self.invalid,
        )

    def pulsed(self) -> "Placed":
        """Return the shots of the measurement that have pulses and two readings."""
        chosen = (self.shots["phase"] == MEASUREMENT) & (self.shots["pulses"] > 0) & (self.shots["polarity"] != 0)
        return self.take(chosen & np.isfinite(self.before) & np.isfinite(self.after))

    def words(self) -> list[str]:
        """Return what was left out, in words."""
        lines = []
        if len(self.left_out):
            shown = ", ".join(map(str, self.left_out[:8])) + (", ..." if len(self.left_out) > 8 else "")
            lines.append(
                f"{len(self.left_out)} devices left out, whose walls do not move between two end stops ({shown}): "
                "look for stuck, open or short ones"
            )
        if self.invalid:
            lines.append(f"{self.invalid} shots left out, whose reading gave no number to trust")
        if not self.has_ends:
            lines.append("end stops unknown: displacements are in siemens, and walls at an end cannot be told apart")
        return lines


def place(experiment: Experiment) -> Placed:
    """Turn readings into positions, device by device.

    Raises:
        DeviceFault: no shot has a reading, or no device moves between its ends.
    """
    shots = experiment.shots
    good = np.isfinite(shots["after_s"])
    invalid = int(np.count_nonzero(~good))
    if not good.any():
        raise DeviceFault("no shot of this experiment has a reading; look at the wiring, then measure again")
    device, which = np.unique(shots["device"], return_inverse=True)
    low, high = _ends(shots, which, len(device))
    noise_s, variance_s2 = _noise(shots, which, len(device), experiment.origin.resolution_s)
    known = np.isfinite(low) & np.isfinite(high)
    if known.any():
        span = high - low
        typical = float(np.median(span[known]))
        keep = known & (span > max(_LEAST_SPAN * typical, 0.0)) & (span > _CLEAR * noise_s)
        if not keep.any():
            raise DeviceFault(
                "no device moves between its end stops; raise the amplitude or the width, or check the wiring"
            )
        scale, offset, unit = np.where(keep, span, np.nan), low, "track"
    else:
        keep = np.ones(len(device), np.bool_)
        scale, offset, unit = np.ones(len(device)), np.zeros(len(device)), "S"
    index = np.cumsum(keep) - 1
    chosen = good & keep[which]
    at = which[chosen]
    return Placed(
        device=device[keep],
        which=index[at],
        shots=shots[chosen],
        before=(shots["before_s"][chosen] - offset[at]) / scale[at],
        after=(shots["after_s"][chosen] - offset[at]) / scale[at],
        noise=(noise_s / scale)[keep],
        noise_variance=(variance_s2 / scale**2)[keep],
        low_s=low[keep],
        high_s=high[keep],
        unit=unit,
        left_out=device[~keep],
        invalid=invalid,
    )


def _ends(shots: NDArray[np.void], which: NDArray[np.intp], devices: int) -> tuple[Numbers, Numbers]:
    """Return the mean readings at both ends, shape (D,): the readings without pulses of the preparation.

    Which end it was, the pulses of the same step tell, and without any the half of the range that the reading is in.
    """
    found = np.full((2, devices), np.nan)
    preparing = (shots["phase"] == PREPARATION) & np.isfinite(shots["after_s"])
    reading = np.flatnonzero(preparing & (shots["polarity"] == 0))
    if not len(reading):
        return found[0], found[1]
    steps, step = np.unique(shots["step"], return_inverse=True)
    toward = np.zeros(len(steps))
    np.add.at(toward, step[preparing], np.sign(shots["polarity"][preparing]).astype(np.float64))
    end = np.sign(toward)[step[reading]]
    value, at = shots["after_s"][reading], which[reading]
    bottom, top = np.full(devices, np.inf), np.full(devices, -np.inf)
    np.minimum.at(bottom, at, value)
    np.maximum.at(top, at, value)
    end = np.where(end == 0, np.where(value > (bottom + top)[at] / 2, 1, -1), end)
    for row, side in enumerate((-1, 1)):
        chosen = end == side
        count = np.bincount(at[chosen], minlength=devices)
        total = np.bincount(at[chosen], value[chosen], minlength=devices)
        found[row, count > 0] = total[count > 0] / count[count > 0]
    return found[0], found[1]


def _noise(
    shots: NDArray[np.void], which: NDArray[np.intp], devices: int, resolution_s: float
) -> tuple[Numbers, Numbers]:
    """Return standard deviation and unbiased variance of one reading of each device, siemens, from repeated readings.

    A device read seldom borrows from the others for its standard deviation, not for its variance: what devices borrow
    from one another does not scatter between them, and would be missing in intervals over devices.
    """
    floor = resolution_s / np.sqrt(12)
    unknown = np.full(devices, floor), np.full(devices, floor**2)
    still = (shots["polarity"] == 0) & np.isfinite(shots["after_s"])
    aside = still & (shots["phase"] != MEASUREMENT)
    rest = np.flatnonzero(aside if aside.any() else still)
    if not len(rest):
        return unknown
    span = int(shots["step"].max()) + 1
    groups, group, count = np.unique(
        which[rest].astype(np.int64) * span + shots["step"][rest], return_inverse=True, return_counts=True
    )
    value = shots["after_s"][rest]
    mean = np.bincount(group, value) / count
    square = np.bincount(which[rest], (value - mean[group]) ** 2, minlength=devices)
    freedom = np.bincount(which[rest], minlength=devices) - np.bincount(groups // span, minlength=devices)
    if not freedom.sum():
        return unknown
    typical = square.sum() / freedom.sum()
    own = np.where(freedom > 0, square / np.maximum(freedom, 1), typical)
    blended = (square + 5 * typical) / (freedom + 5)
    return np.sqrt(np.maximum(blended, floor**2)), np.maximum(own, floor**2)
