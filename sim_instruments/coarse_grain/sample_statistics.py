"""Averages over devices, of the sample and of its resamples, and the compact model's numbers that follow from them."""

from dataclasses import dataclass
from typing import Final, final

import numpy as np
from numpy.typing import NDArray

from sim_instruments.coarse_grain.device_statistics import (
    TrainStatistics,
    local_means,
    staircase_statistics,
    train_statistics,
)
from sim_instruments.coarse_grain.experiment import WINDOWS, Measured, Staircase
from sim_instruments.coarse_grain.overdrive import Overdrive, fit_overdrive
from sim_instruments.coarse_grain.resample import Estimate, device_weights, estimate
from sim_instruments.coarse_grain.step_law import Steps

VISIBLE_BEYOND: Final = 4.0
"""Standard errors from nothing beyond which a memory or a change along the track is believed."""
LARGEST_GAIN_ERROR: Final = 0.1
"""Standard error of a relative change from the middle of the track to an end above which it is left out."""
_DEPENDENT_BEYOND: Final = 2.6
"""Standard errors between the variances of sums and of single steps beyond which sums are believed."""

Resampled = NDArray[np.float64]
"""A number of the sample, then of each resample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalMean:
    """The mean step of one polarity along the track."""

    middle: Estimate
    """In the middle of the track, a fraction of it."""
    slope: Estimate
    """Relative change to the end that the walls move towards."""
    curvature: Estimate
    """Relative change to both ends."""


@final
class SampleStatistics:
    """Everything that averages over devices can say.

    Args:
        measured: the experiments.
        seed: of the resampling.

    Attributes:
        steps_depend: steps of one wall are not independent of each other.
    """

    def __init__(self, measured: Measured, seed: int) -> None:
        self._measured = measured
        self._weights = device_weights(measured.plan.devices, seed)
        self._push = [staircase_statistics(one, 1) for one in measured.push]
        self._pull = [staircase_statistics(one, -1) for one in measured.pull]
        self._doublets = train_statistics(measured.doublets)
        self._doublets_depend = True
        # A memory makes steps depend on one another more than their variances may show.
        memory = estimate(self._noise(steps_depend=True)[2])
        self.steps_depend = abs(memory.value - 1) > VISIBLE_BEYOND * memory.standard_error or any(
            map(self._depends, (self._push[0], self._pull[0]))
        )
        self._doublets_depend = self.steps_depend or self._depends(self._doublets)

    def local_mean(self, *, is_push: bool) -> LocalMean:
        """Return the mean step at the reference amplitude; it changes along the track if that is visible."""
        staircase, direction = (self._measured.push[0], 1) if is_push else (self._measured.pull[0], -1)
        train = self._push[0] if is_push else self._pull[0]
        return self._local_mean(staircase, direction, train)

    def fano_and_memory(self) -> tuple[Estimate, Estimate, Estimate]:
        """Return push and pull Fano length, fractions of the track, and the memory ratio."""
        push, pull, memory = self._noise(steps_depend=self.steps_depend)
        return estimate(push), estimate(pull), estimate(memory)

    def spreads(self) -> tuple[Estimate, Estimate, Estimate]:
        """Return the spreads from device to device of velocity, pull/push ratio and Fano length, noise taken off.

        With a velocity g and a ratio r of its own each device pushes with g and pulls with g r, relative to the means,
        so Cov(push, pull) = Var g and Var(pull - push) = (1 + Var g) Var r.
        """
        push, pull = self._push[0], self._pull[0]
        forward, backward = self._average(push.mean), self._average(pull.mean)
        noise = self._noise_of_means()
        velocity = (self._covariance(push.mean, pull.mean) - noise[2]) / (forward * backward)
        differing = (
            (self._covariance(push.mean, push.mean) - noise[0]) / forward**2
            + (self._covariance(pull.mean, pull.mean) - noise[1]) / backward**2
            - 2 * velocity
        )
        asymmetry = differing / (1 + np.maximum(0, velocity))
        fanos = [_ratio(one.step_variance, one.mean) for one in (push, pull)]
        fano = self._covariance(*fanos) / (self._average(fanos[0]) * self._average(fanos[1]))
        first, second, third = (Estimate.root_of(estimate(square)) for square in (velocity, asymmetry, fano))
        return first, second, third

    def overdrive(self) -> Overdrive:
        """Fit the threshold to the mean steps at all amplitudes."""
        means = np.column_stack([train.mean for train in (*self._push, *self._pull)])
        covariance = np.cov(means, rowvar=False) / len(means)
        return fit_overdrive(self._measured.plan.amplitudes_v, means.mean(0), covariance)

    def steps(self, velocity_dtod: float, asymmetry_dtod: float) -> tuple[Steps, Steps]:
        """Return single pushes and pulls at the reference amplitude for the comparison of laws."""
        push, pull = (
            Steps(
                steps=staircase.steps,
                mean=float(train.mean.mean()),
                fano=float(train.step_variance.mean() / train.mean.mean()),
                velocity_dtod=spread,
            )
            for staircase, train, spread in (
                (self._measured.push[0], self._push[0], velocity_dtod),
                (self._measured.pull[0], self._pull[0], float(np.hypot(velocity_dtod, asymmetry_dtod))),
            )
        )
        return push, pull

    def _local_mean(self, staircase: Staircase, direction: int, train: TrainStatistics) -> LocalMean:
        line, parabola = (self._average(fit).T for fit in local_means(staircase, direction))
        curvature = estimate(parabola[2] / parabola[0])
        if is_believed(curvature):
            return LocalMean(
                middle=estimate(parabola[0]), slope=estimate(parabola[1] / parabola[0]), curvature=curvature
            )
        slope = estimate(line[1] / line[0])
        middle = line[0] if is_believed(slope) else self._average(train.mean)
        return LocalMean(middle=estimate(middle), slope=slope, curvature=curvature)

    def _noise(self, *, steps_depend: bool) -> tuple[Resampled, Resampled, Resampled]:
        push, pull = self._push[0], self._pull[0]
        forward, backward = self._average(push.mean), self._average(pull.mean)
        push_variance, pull_variance = (self._variance(one, steps_depend) for one in (push, pull))
        doublet_variance = self._variance(self._doublets, self._doublets_depend)
        # The pull of a doublet goes as far as the push does, up to a net way, which is new ground. On the rest of the
        # way the frozen part of the noise is missing.
        net = self._average(self._doublets.mean)
        share = (forward - net) / backward
        frozen = (push_variance + share * pull_variance - doublet_variance) / (2 * forward - net - np.abs(net))
        push_fano, pull_fano = push_variance / forward, pull_variance / backward
        return push_fano, pull_fano, 1 - 2 * frozen / (push_fano + pull_fano)

    def _noise_of_means(self) -> tuple[Resampled, Resampled, Resampled]:
        """Return what noise adds to the variance of devices' means: of pushes, of pulls, and to their covariance."""
        push, pull = self._push[0], self._pull[0]
        if not self.steps_depend:
            none = np.zeros(len(self._weights))
            return (
                self._average(push.step_variance) / push.pulses,
                self._average(pull.step_variance) / pull.pulses,
                none,
            )
        # Both staircases pass the same ground, in opposite order: what is frozen there is noise that they share.
        opposite = pull.windows[:, ::-1]
        products = (push.windows**2, opposite**2, push.windows * opposite)
        first, second, third = (self._average(one.sum(1)) / (WINDOWS * (WINDOWS - 1)) for one in products)
        return first, second, third

    def _depends(self, train: TrainStatistics) -> bool:
        difference = self._average(train.sum_variance - train.step_variance)
        return bool(abs(difference[0]) > _DEPENDENT_BEYOND * difference[1:].std(ddof=1))

    def _variance(self, train: TrainStatistics, depends: bool) -> Resampled:
        return self._average(train.sum_variance if depends else train.step_variance)

    def _covariance(self, a: NDArray[np.float64], b: NDArray[np.float64]) -> Resampled:
        count = len(a)
        return (self._average(a * b) - self._average(a) * self._average(b)) * count / (count - 1)

    def _average(self, values: NDArray[np.float64]) -> Resampled:
        return self._weights @ values


def is_believed(gain: Estimate) -> bool:
    """Tell whether a slope or a curvature is visible, and known well enough to go on to the ends of the track."""
    return abs(gain.value) > VISIBLE_BEYOND * gain.standard_error and gain.standard_error < LARGEST_GAIN_ERROR


def _ratio(numerator: NDArray[np.float64], denominator: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quotient; 0 for a device that did not move."""
    moves = denominator > 0
    return np.where(moves, numerator / np.where(moves, denominator, 1.0), 0.0)
