"""What to measure next: settings that shrink an interval most for the pulses they take, and when to stop.

S-curves. A point of N shots with hazard h = -ln(1 - P) informs about ln h with the weight

    w = N h^2 exp(-h) / (1 - exp(-h)),

the binomial regression's with complementary log-log link, largest at P = 0.80. ln h is ln t - ln tau_0 - Delta +
(Delta / I_c0) I, so that the information about (ln Delta, ln I_c0) is the sum of w g g', with g the gradient of ln h.
The next shots go, batch by batch, where they make the larger of the two variances smallest.

Steps. N readings of p pulses each, read with a variance of r^2, tell the mean step with a variance of
(N p v + 2 r^2) / (N p)^2 and, for steps of many small events, its variance with one of about 2 (v + 2 r^2 / p)^2 / N.
Few pulses a step leave the readings' noise in, many cost pulses: the fewest pulses in all are needed at
p = 2 r^2 / v.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from calibration.estimate import Estimate
from drivers.errors import DeviceFault

_NORMAL = 1.959964
_BEST_P = 0.797


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """Shots at one setting of an S-curve."""

    amplitude: float
    """Amplitude of the pulse."""
    width_s: float
    """Width of the pulse, seconds."""
    shots: int
    """Shots to take."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """When an experiment has told enough."""

    relative_width: float
    """Half-width of the 95 % interval of each parameter over the parameter, at most."""
    most_shots: int
    """Shots to give up at."""

    def is_reached(self, estimates: tuple[Estimate, ...], shots: int) -> bool:
        """Return whether to stop: every interval is narrow enough, or too many shots were taken."""
        return shots >= self.most_shots or all(self.is_narrow(one) for one in estimates)

    def is_narrow(self, estimate: Estimate) -> bool:
        """Return whether this interval is narrow enough."""
        return (estimate.high - estimate.low) / 2 <= self.relative_width * abs(estimate.value)


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """Settings that an S-curve may use: all pairs of an amplitude and a width."""

    amplitude: NDArray[np.float64]
    """Amplitudes, shape (A,)."""
    width_s: NDArray[np.float64]
    """Widths, seconds, shape (W,)."""

    @property
    def settings(self) -> NDArray[np.float64]:
        """Return amplitude and width of each pair, shape (A W, 2)."""
        amplitude, width = np.meshgrid(self.amplitude, self.width_s, indexing="ij")
        return np.stack([amplitude.ravel(), width.ravel()], axis=1)


def information(settings: NDArray[np.float64], delta: float, critical: float, attempt_s: float) -> NDArray[np.float64]:
    """Return what one shot at each setting tells about (ln Delta, ln I_c0): Fisher's information, shape (M, 2, 2).

    Args:
        settings: amplitude and width, shape (M, 2).
        delta: barrier over kT.
        critical: amplitude at which it vanishes.
        attempt_s: attempt time, seconds.
    """
    amplitude, width_s = settings.T
    log_hazard = np.log(width_s / attempt_s) - delta * (1 - amplitude / critical)
    hazard = np.exp(np.clip(log_hazard, -50.0, 6.0))
    weight = hazard**2 / np.expm1(hazard)
    gradient = np.stack([-delta * (1 - amplitude / critical), -delta * amplitude / critical])
    return weight[:, None, None] * np.einsum("im,jm->mij", gradient, gradient)


def next_points(
    grid: Grid,
    told: NDArray[np.float64],
    *,
    delta: float,
    critical: float,
    attempt_s: float,
    shots: int,
    batch: int = 10,
) -> list[Point]:
    """Choose where the next shots tell most about the less certain of Delta and I_c0, relative to themselves.

    Args:
        grid: settings to choose among.
        told: information of the shots taken so far, shape (2, 2), zero if there are none.
        delta: barrier over kT, the best guess so far.
        critical: critical amplitude, the best guess so far.
        attempt_s: attempt time, seconds.
        shots: shots to place.
        batch: shots placed together.

    Raises:
        DeviceFault: no setting of the grid tells anything: all switch, or none does.
    """
    settings = grid.settings
    each = information(settings, delta, critical, attempt_s)
    if not each[:, 0, 0].max() > 1e-12:
        raise DeviceFault(
            f"at a barrier of {delta:.3g} kT and a critical amplitude of {critical:.3g} no setting tells anything; "
            f"offer amplitudes that switch {_BEST_P:.0%} of the shots, and some less"
        )
    taken = np.zeros(len(settings), np.int64)
    # A little of everything keeps the first choice from a singular matrix.
    sum_told = told + 1e-9 * each.sum(axis=0)
    for _ in range(-(-shots // batch)):
        after = sum_told + batch * each
        best = int(np.argmin(_worst_variance(after)))
        taken[best] += batch
        sum_told = after[best]
    return [
        Point(amplitude=float(settings[one, 0]), width_s=float(settings[one, 1]), shots=int(taken[one]))
        for one in np.flatnonzero(taken)
    ]


def expected_half_width(told: NDArray[np.float64]) -> tuple[float, float]:
    """Return the half-widths of the 95 % intervals of ln Delta and ln I_c0, from information of shape (2, 2)."""
    covariance = np.linalg.inv(told)
    first, second = (_NORMAL * np.sqrt(np.diag(covariance))).tolist()
    return first, second


def _worst_variance(told: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the larger variance of the two parameters for each matrix of shape (M, 2, 2)."""
    a, b, c = told[:, 0, 0], told[:, 0, 1], told[:, 1, 1]
    determinant = np.maximum(a * c - b**2, 1e-300)
    return np.maximum(a, c) / determinant


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepGuess:
    """What is known of the step so far; any unit of length."""

    mean: float
    """Mean of one pulse."""
    variance: float
    """Its variance."""
    read_variance: float
    """Variance of one reading."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class StepPlan:
    """Steps of a staircase, and what they promise."""

    pulses: int
    """Pulses of one step."""
    steps: int
    """Steps with a reading each."""
    mean_half_width: float
    """Half-width of the 95 % interval of the mean over the mean."""
    variance_half_width: float
    """Half-width of the 95 % interval of the variance over the variance."""

    @property
    def total(self) -> int:
        """Return the pulses that it takes."""
        return self.pulses * self.steps


def plan_steps(
    guess: StepGuess,
    *,
    relative_width: float,
    reading_cost: float = 1.0,
    most_pulses: int = 1 << 20,
    longest: float | None = None,
) -> StepPlan:
    """Choose pulses a step and steps for mean and variance of one device, at the lowest cost.

    Args:
        guess: what is known so far.
        relative_width: half-width of both 95 % intervals over the value, at most.
        reading_cost: what a reading costs, in pulses.
        most_pulses: pulses of one step, at most.
        longest: how far one step may go, in the unit of the guess; None for any distance.

    Raises:
        DeviceFault: no number of steps that is worth planning reaches the width.
    """
    if longest is not None:
        most_pulses = min(most_pulses, max(1, int(longest / guess.mean)))
    candidates = np.unique(np.geomspace(1, max(1, most_pulses), 60).round().astype(np.int64))
    plans = [plan for pulses in candidates.tolist() if (plan := _enough_steps(guess, pulses, relative_width))]
    if not plans:
        raise DeviceFault(
            f"no staircase below 1e8 steps tells mean and variance to {relative_width:.1%}; ask for less, read more "
            "often, or allow longer steps"
        )
    return min(plans, key=lambda plan: plan.total + reading_cost * plan.steps)


def _enough_steps(guess: StepGuess, pulses: int, aim: float) -> StepPlan | None:
    def promise(steps: int) -> StepPlan:
        total = pulses * steps
        mean = np.sqrt(total * guess.variance + 2 * guess.read_variance) / total / guess.mean
        one = guess.variance + 2 * guess.read_variance / pulses
        variance = np.sqrt(2 / max(steps - 1, 1)) * one / guess.variance
        return StepPlan(
            pulses=pulses,
            steps=steps,
            mean_half_width=float(_NORMAL * mean),
            variance_half_width=float(_NORMAL * variance),
        )

    steps = _first(lambda count: max(promise(count).mean_half_width, promise(count).variance_half_width) <= aim)
    return None if steps is None else promise(steps)


def _first(is_enough: Callable[[int], bool]) -> int | None:
    """Return the smallest number from 2 to 1e8 that is enough, found by halving."""
    low, high = 1, 2
    while not is_enough(high):
        low, high = high, 2 * high
        if high > 10**8:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
