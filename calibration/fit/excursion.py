"""From readings to wall positions, and which of them can be used."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calibration.record import StaircaseRecord
from drivers.errors import DeviceFault

_FEWEST_DEVICES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Excursions:
    """What the walls did, in fractions of the track. Axes as in the record, D only the devices that are fitted."""

    advance: NDArray[np.float64]
    """Change in each step along the direction of the pulses, shape (W, C, 2, N, D)."""
    usable: NDArray[np.bool_]
    """Runs whose wall stayed clear of the end stops, shape (W, C, 2, D)."""
    pulses: NDArray[np.int64]
    """Pulses of one step, shape (W, 2, D)."""
    noise: NDArray[np.float64]
    """Variance of one reading of each device, shape (D,)."""
    low_s: NDArray[np.float64]
    """Conductance at the low end stop, siemens, shape (D,)."""
    high_s: NDArray[np.float64]
    """Conductance at the high end stop, siemens, shape (D,)."""
    rounding_s: NDArray[np.float64]
    """Largest error of a mean conductance that the steps of the read-out can cause, siemens, one for each end."""
    dropped_devices: int
    """Devices left out: hardly any range between the stops, or no usable run at some width."""
    dropped_runs: int
    """Runs of fitted devices left out because they came near an end stop."""


def find_excursions(record: StaircaseRecord) -> Excursions:
    """Turn readings into positions between the end stops, device by device.

    Raises:
        DeviceFault: fewer than 3 devices can be used.
    """
    low_s, high_s = record.low_s.mean(axis=0), record.high_s.mean(axis=0)
    span_s = high_s - low_s
    moves = span_s > 0.2 * np.median(span_s)
    position = (record.conductance_s - low_s) / np.where(moves, span_s, np.nan)
    margin = record.origin.margin
    usable = np.all((position > margin) & (position < 1 - margin), axis=3)
    keep = moves & np.all(np.any(usable, axis=1), axis=(0, 1))
    if keep.sum() < _FEWEST_DEVICES:
        raise DeviceFault(
            f"only {int(keep.sum())} of {len(keep)} devices moved freely between their end stops; "
            "look at the others, calibrate more devices or take a smaller span"
        )
    direction = np.array([1.0, -1.0])[:, None, None]
    return Excursions(
        advance=(np.diff(position, axis=3) * direction)[..., keep],
        usable=usable[..., keep],
        pulses=record.pulses[..., keep],
        noise=_noise(record, keep),
        low_s=low_s[keep],
        high_s=high_s[keep],
        rounding_s=np.array(
            [_rounding(readings[:, keep], record.origin.resolution_s) for readings in (record.low_s, record.high_s)]
        ),
        dropped_devices=int((~keep).sum()),
        dropped_runs=int((~usable[..., keep]).sum()),
    )


def _noise(record: StaircaseRecord, keep: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the variance of one reading, rounding to codes included, fraction of the track squared."""
    rest = record.rest_s[:, keep].var(axis=0, ddof=1)
    floor = record.origin.resolution_s**2 / 12
    # Noise below a code does not show at rest, where readings repeat exactly; readings of a moving wall scatter still.
    noise = rest if rest.mean() > floor else np.full_like(rest, floor)
    return noise / (record.high_s[:, keep].mean(axis=0) - record.low_s[:, keep].mean(axis=0)) ** 2


def _rounding(readings_s: NDArray[np.float64], resolution_s: float) -> float:
    """Return how far the mean of rounded readings can be off: half a code, less what noise smooths away.

    The noise damps the first harmonic of the rounding error by exp(-2 pi^2 noise^2 / code^2), the others more.
    """
    if resolution_s == 0:
        return 0.0
    in_steps = float(readings_s.var(axis=0, ddof=1).mean()) / resolution_s**2 - 1 / 12
    return resolution_s / 2 * float(np.exp(-2 * np.pi**2 * max(0.0, in_steps)))
