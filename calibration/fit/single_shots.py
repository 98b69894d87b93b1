"""Mean, variance and spread of the displacement by one pulse, from single shots of any numbers of pulses.

A shot is p pulses of one width at one device, read before and after. The model is that of `displacement`: independent
steps of mean m_i and variance v_i, both proportional to the width, and white noise of variance r on every reading. The
shots of one device, direction and width give, with d_j the displacement of shot j, D and P the sums of d_j and p_j,

    m = D / P        sum_j d_j^2 / p_j - D^2 / P = (n - 1) v + 2 r (sum_j 1 / p_j - K / P)        (expected)

The last term is the noise: K is the number of chains, shots in a row that share the reading between them, over which
the noise of a sum telescopes; K = n where every shot has two readings of its own. With equal p and one chain this is
the staircase's 2 r (n + 1) / n.

Shots that might have met an end stop are left out by where they began and how far such pulses go, not by where they
ended: leaving out those that went far would make the mean too small.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.fit import interval, law, spread
from calibration.fit.displacement import DirectionFit
from calibration.protocols import DIRECTIONS
from drivers.errors import ConfigError, DeviceFault

FEWEST_DEVICES = 3
"""Devices that a spread needs."""
_FEWEST_SHOTS = 3
_SIGMAS = 4.0
_MAD = 1.4826

Numbers = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class PositionShots:
    """Shots as positions, those of each device in a row and in the order in which they were made."""

    device: NDArray[np.intp]
    """Index of the device, 0 to D - 1, shape (M,), not falling."""
    direction: NDArray[np.intp]
    """0 push, 1 pull, shape (M,)."""
    pulses: NDArray[np.int64]
    """Pulses, shape (M,); 0 for a reading only, which is not fitted."""
    width_s: Numbers
    """Width, seconds, shape (M,)."""
    before: Numbers
    """Position read before, fraction of the track, shape (M,)."""
    after: Numbers
    """Position read after, fraction of the track, shape (M,)."""
    shared: NDArray[np.bool_]
    """Whether `before` is the same reading as the `after` of the entry above it, shape (M,)."""
    noise: Numbers
    """Variance of one reading of each device, track squared, shape (D,)."""

    @property
    def way(self) -> Numbers:
        """Return the displacement along the direction of the pulses, fraction of the track."""
        return np.where(self.direction == 0, 1.0, -1.0) * (self.after - self.before)


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class SingleShotsFit:
    """What single shots say about a population of devices."""

    push: DirectionFit
    """Pulses forward."""
    pull: DirectionFit
    """Pulses backward; displacements are magnitudes."""
    width_s: Numbers
    """Widths fitted, seconds, rising."""
    proportionality_p: float | None
    """P-value of "mean and variance are proportional to the width"; None with too few devices at all widths."""
    evenness_p: float | None
    """P-value of "steps are as long in the lower half of the track as in the upper"; None with too few devices."""
    kept_devices: NDArray[np.bool_]
    """Devices fitted, shape (D,)."""
    kept_shots: NDArray[np.bool_]
    """Shots fitted, shape (M,)."""
    runs: int
    """Chains of shots at one device, direction and width, median."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sums:
    """Sums over the shots of each group, shape (W, D), one direction."""

    shots: Numbers
    pulses: Numbers
    way: Numbers
    squares: Numbers
    """Of d / sqrt(p)."""
    reciprocals: Numbers
    """Of p."""
    chains: Numbers


def fit_single_shots(shots: PositionShots, *, reference_width_s: float, margin: float) -> SingleShotsFit:
    """Fit shots of one amplitude.

    Args:
        shots: the shots.
        reference_width_s: width that one pulse is quoted at, seconds.
        margin: distance from an end stop, fraction of the track, that a usable shot keeps.

    Raises:
        ConfigError: too few shots are left, or too few devices or widths.
        DeviceFault: the mean displacement is not above zero.
    """
    width_s, width = np.unique(shots.width_s, return_inverse=True)
    clear = _clear(shots, width, margin)
    width_s, width, clear = _common_widths(shots, width_s, width, clear)
    scale = (width_s / reference_width_s)[:, None]
    sums = [_sums(shots, clear & (shots.direction == way), width, len(width_s)) for way in range(len(DIRECTIONS))]
    kept = np.logical_and.reduce(
        [(one.shots.sum(axis=0) >= _FEWEST_SHOTS) & (one.shots > 1).any(axis=0) for one in sums]
    )
    if kept.sum() < FEWEST_DEVICES:
        raise ConfigError(
            f"only {int(kept.sum())} devices have {_FEWEST_SHOTS} shots in either direction that stay clear of the end "
            f"stops, at least {FEWEST_DEVICES} are needed; add shots that begin and end between them"
        )
    noise = shots.noise[kept]
    taken = [_taken(one, kept) for one in sums]
    widths = [_per_width(one, noise, scale) for one in taken]
    per_width = [values[:, np.isfinite(values).all(axis=0)] for pair in widths for values in pair]
    complete = clear & kept[shots.device]
    push, pull = (_combine(taken[way], widths[way], noise, scale, way) for way in (0, 1))
    halves = [_halves(shots, complete, scale[width, 0], one, way) for way, one in enumerate((push, pull))]
    return SingleShotsFit(
        push=push,
        pull=pull,
        width_s=width_s,
        proportionality_p=law.combined([law.equal_means(values) for values in per_width]),
        evenness_p=law.combined([law.equal_means(values) for values in halves]),
        kept_devices=kept,
        kept_shots=complete,
        runs=max(1, int(np.median(np.concatenate([one.chains[one.shots > 0] for one in taken])))),
    )


def _clear(shots: PositionShots, width: NDArray[np.intp], margin: float) -> NDArray[np.bool_]:
    """Return which shots began clear of the end stops and were not expected to come near one."""
    way = shots.way
    inside = (shots.before > margin) & (shots.before < 1 - margin)
    clear = inside & np.isfinite(way) & (shots.pulses > 0)
    reach = np.full(len(way), np.inf)
    for group in np.unique(width[clear] * 2 + shots.direction[clear]):
        member = clear & (width * 2 + shots.direction == group)
        rate = float(np.median(way[member] / shots.pulses[member]))
        # Scatter from pulses, devices and readings together, from shots of about as many pulses.
        octave = np.frexp(shots.pulses)[1]
        for one in np.unique(octave[member]):
            among = member & (octave == one)
            scatter = _MAD * float(np.median(np.abs(way[among] - rate * shots.pulses[among])))
            reach[among] = rate * shots.pulses[among] + _SIGMAS * scatter
    end = shots.before + np.where(shots.direction == 0, reach, -reach)
    return clear & (end > margin) & (end < 1 - margin)


def _common_widths(
    shots: PositionShots, width_s: Numbers, width: NDArray[np.intp], clear: NDArray[np.bool_]
) -> tuple[Numbers, NDArray[np.intp], NDArray[np.bool_]]:
    """Return the widths at which enough devices have shots in both directions, and the shots of those."""
    counts = np.zeros((len(width_s), 2), np.int64)
    for one in range(len(width_s)):
        for way in range(2):
            counts[one, way] = len(np.unique(shots.device[clear & (width == one) & (shots.direction == way)]))
    usable = np.asarray((counts >= FEWEST_DEVICES).all(axis=1))
    if usable.sum() < 2:
        known = "; ".join(
            f"{value:g} s: {push} devices with pushes, {pull} with pulls"
            for value, (push, pull) in zip(width_s.tolist(), counts.tolist(), strict=True)
        )
        what = "no width" if not usable.any() else "only one width"
        raise ConfigError(
            f"too few shots: {what} has pushes and pulls of at least {FEWEST_DEVICES} devices that stay clear of the "
            f"end stops, two are needed to know how a displacement grows with the width ({known}); add such shots"
        )
    index = np.cumsum(usable) - 1
    return width_s[usable], np.where(usable[width], index[width], 0), clear & usable[width]


def _sums(shots: PositionShots, member: NDArray[np.bool_], width: NDArray[np.intp], widths: int) -> _Sums:
    shape = (widths, len(shots.noise))
    group = width[member] * shape[1] + shots.device[member]
    pulses = shots.pulses[member].astype(np.float64)
    way = shots.way[member]
    linked = shots.shared & member & np.roll(member, 1)
    linked &= (width == np.roll(width, 1)) & (shots.device == np.roll(shots.device, 1))

    def total(weights: Numbers) -> Numbers:
        return np.bincount(group, weights, shape[0] * shape[1]).astype(np.float64).reshape(shape)

    return _Sums(
        shots=total(np.ones(len(group))),
        pulses=total(pulses),
        way=total(way),
        squares=total(way**2 / pulses),
        reciprocals=total(1 / pulses),
        chains=total(1.0 - linked[member]),
    )


def _taken(sums: _Sums, kept: NDArray[np.bool_]) -> _Sums:
    return _Sums(
        shots=sums.shots[:, kept],
        pulses=sums.pulses[:, kept],
        way=sums.way[:, kept],
        squares=sums.squares[:, kept],
        reciprocals=sums.reciprocals[:, kept],
        chains=sums.chains[:, kept],
    )


def _excess(sums: _Sums, noise: Numbers) -> Numbers:
    """Return (n - 1) times the variance of one pulse of each group, noise taken out; nan without shots."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums.squares - sums.way**2 / sums.pulses - 2 * noise * (sums.reciprocals - sums.chains / sums.pulses)


def _per_width(sums: _Sums, noise: Numbers, scale: Numbers) -> tuple[Numbers, Numbers]:
    """Return mean and variance of one pulse of the reference width by each width and device; nan where unknown."""
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = sums.way / (sums.pulses * scale)
        variance = np.where(sums.shots > 1, _excess(sums, noise) / ((sums.shots - 1) * scale), np.nan)
    return mean, variance


def _combine(
    sums: _Sums, per_width: tuple[Numbers, Numbers], noise: Numbers, scale: Numbers, direction: int
) -> DirectionFit:
    mean, variance = per_width
    several = sums.shots > 1
    # What all devices say together, for weights only: weights from a device's own data would go along with them.
    total = float(np.where(several, _excess(sums, noise), 0.0).sum())
    freedom = float(np.where(several, (sums.shots - 1) * scale, 0.0).sum())
    usual = max(total / freedom, 1e-6 * float(sums.squares.sum()) / freedom)
    if not (usual > 0 and sums.way.sum() > 0):
        raise DeviceFault(
            f"{DIRECTIONS[direction]} pulses do not move the walls their own way on average; check the sign of the "
            "amplitude, the units and that pulses reached the devices"
        )
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = (sums.pulses * scale) ** 2 / (usual * scale * sums.pulses + 2 * noise * sums.chains)
        spread_of_one = usual * scale + 2 * noise * sums.reciprocals / sums.shots
        weight = np.where(several, (sums.shots - 1) * scale**2 / spread_of_one**2, 0.0)
    precision = np.where(sums.shots > 0, precision, 0.0)
    means = (np.where(sums.shots > 0, mean, 0.0) * precision).sum(axis=0) / precision.sum(axis=0)
    variances = (np.where(several, variance, 0.0) * weight).sum(axis=0) / weight.sum(axis=0)
    centre = interval.mean(means, "track")
    between = spread.device_spread(means, 1 / precision.sum(axis=0), "track").between
    return DirectionFit(
        mean=centre,
        variance=interval.mean(variances, "track^2"),
        fano=interval.ratio(variances, means, "track"),
        dtod=interval.over_mean(between.value, between.low, between.high, centre),
    )


def _halves(
    shots: PositionShots, kept: NDArray[np.bool_], scale: Numbers, fit: DirectionFit, direction: int
) -> Numbers:
    """Return how far a pulse goes in either half of the track, devices with shots in both, shape (2, D).

    Shots sorted by `before` as read would seem longer where its noise is low. Sorted by the place that has no
    correlation with the displacement as read, before + r / (p v + 2 r) (displacement less its mean), they do not.
    """
    member = kept & (shots.direction == direction)
    device, way, pulses = shots.device[member], shots.way[member], shots.pulses[member] * scale[member]
    noise = shots.noise[device]
    shift = noise / (pulses * fit.variance.value + 2 * noise) * (way - pulses * fit.mean.value)
    lower = shots.before[member] + (shift if direction == 0 else -shift) < 0.5
    count = len(shots.noise)
    halves = np.stack([np.bincount(device, way * half, count) for half in (lower, ~lower)])
    fired = np.stack([np.bincount(device, pulses * half, count) for half in (lower, ~lower)])
    both = (fired > 0).all(axis=0)
    return halves[:, both] / fired[:, both]
